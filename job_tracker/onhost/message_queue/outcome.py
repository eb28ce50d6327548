"""Outcome: the word with which the end of a run is noted, and what its message says.

What is noted leaves this host: masks are laid on it here, and nowhere on what is passed on.
"""

from .ground import InputError, complain, re
from .messages import argument, decoded
from .relay import WINDOW

WELL, WARNED, BADLY = "well", "warned", "badly"
MOST_NOTED = 4096  # bytes of each stream


class Wishes:
    """The options of `run` about the end, read. What makes no sense costs itself, and never the job."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.success = _wish(exit_codes, "--success-codes", arguments.success_codes, frozenset())
        self.warning = _wish(exit_codes, "--warning-codes", arguments.warning_codes, frozenset())
        for code in sorted(self.success & self.warning):
            complain("exit code {} is in --success-codes and --warning-codes: taken as a warning".format(code))
        self.masks = _wish(_patterns, "--mask", arguments.mask or None, ())
        self.lines = _wish(_count, "--tail", arguments.tail, 0)
        if arguments.mask and not self.masks and self.lines:
            complain("--mask cannot be used, so nothing of the output is noted")
            self.lines = 0

    def relayed(self):
        """The descriptors whose last lines are wanted."""
        if not self.lines:
            return ()
        return (2, 1) if self.arguments.tail_stdout else (2,)

    def outcome(self, code, has_started):
        """How a run ended: WELL, WARNED or BADLY. What could not be started has not ended well, whatever is listed."""
        if has_started and code in self.warning:
            return WARNED
        return WELL if has_started and (code == 0 or code in self.success) else BADLY

    def event(self, outcome):
        """The word for it."""
        if outcome == BADLY:
            return self.arguments.error_event
        return (outcome == WARNED and self.arguments.warning_event) or self.arguments.success_event

    def text(self, outcome, text, tails):
        """What the message says: `tails` maps descriptors to their last bytes."""
        if outcome == BADLY:
            for descriptor, data in tails.items():
                name = "output" if descriptor == 1 else "error output"
                if data is None:
                    text += "\nlast {}: not read in time".format(name)
                elif data:
                    text += "\nlast {}:\n{}".format(name, last_lines(self.masked(decoded(data)), self.lines, len(data)))
        return self.masked(text)

    def masked(self, text):
        for pattern in self.masks:
            text = pattern.sub("***", text)
        return text


def _wish(read, option, text, otherwise):
    if text is None:
        return otherwise
    try:
        return read(text)
    except InputError as error:
        complain("{}: {}; the command runs without this option".format(option, error))
        return otherwise


def exit_codes(text):
    """The exit codes in a list of numbers and ranges, as 0,24,30-35."""
    codes = set()
    for part in text.split(","):
        found = re.match(r"^\s*([0-9]{1,3})(?:-([0-9]{1,3}))?\s*$", part)
        first, last = (int(found.group(1)), int(found.group(2) or found.group(1))) if found else (1, 0)
        if not first <= last <= 255:
            raise InputError("{} is not a list of exit codes and ranges, as 0,24,30-35".format(ascii(text)))
        codes.update(range(first, last + 1))
    return frozenset(codes)


def _patterns(texts):
    if not all(texts):
        raise InputError("an empty expression; is a variable not set?")
    try:
        return tuple(re.compile(argument(text)) for text in texts)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError("not a regular expression: {}".format(error)) from None


def _count(text):
    if not re.match(r"^[0-9]{1,6}$", text):
        raise InputError("{} is not a number of lines".format(ascii(text)))
    return int(text)


def last_lines(text, count, size):
    """The last lines, of each what a terminal would still show of it, in at most MOST_NOTED bytes.

    size: of what was kept, in bytes; a first line that may have lost its beginning is left out where there are others.
    """
    lines = text.rstrip("\r\n").split("\n")
    if size >= WINDOW and len(lines) > 1:
        del lines[0]
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in lines[-count:]]
    while len(lines) > 1 and len("\n".join(lines).encode("utf-8")) > MOST_NOTED:
        del lines[0]
    kept = "\n".join(lines).encode("utf-8")
    return decoded(kept) if len(kept) <= MOST_NOTED else "..." + decoded(kept[3 - MOST_NOTED :])
