"""Harmless: texts of strangers, made fit to be shown."""


def safe(text: object) -> str:
    """A text on one line, in which nothing can steer a terminal; what cannot be shown is shown as its escape."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
