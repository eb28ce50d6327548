"""Checkmk lines: a service of a local check, as every Checkmk version reads it.

Rule: a line is made here and nowhere else, and whatever goes in, the line is one that Checkmk accepts with the status
that was meant.
"""

import math
import re
from collections.abc import Mapping

from job_tracker.core.messages import cut

LONGEST_TEXT = 500
"""Characters; where more is said a mark stands for the middle."""

_NO_TEXT = "(no text)"
_STATUSES = (0, 1, 2, 3)
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9_.:@+-]")
_UNSAFE_IN_HOST = re.compile(r"[^A-Za-z0-9_.-]")
_UNSAFE_IN_METRIC = re.compile(r"[^A-Za-z0-9_.-]")
_METRIC = r"[A-Za-z_][A-Za-z0-9_.-]*=-?[0-9]+(?:\.[0-9]+)?"
_PERFDATA = re.compile(rf"-|{_METRIC}(?:\|{_METRIC})*")
# Control characters of both sets become spaces; half a surrogate pair cannot be written as UTF-8.
_HARMLESS = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " "),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_PLAIN = re.compile(r"[ -~]*")


def service_line(*, status: int, service: str, text: str, perfdata: str = "-", host: str = "") -> str:
    """One line of a local check, newline included, that every Checkmk version reads as this status.

    host: where the service is to be shown, by piggyback; empty for the tracker's own host.  Raises ValueError for a
    status that Checkmk does not have; everything else is made harmless.
    """
    if status not in _STATUSES:
        raise ValueError(f"status {status!r} is none of 0, 1, 2, 3")
    metrics = perfdata if _PERFDATA.fullmatch(perfdata) else "-"
    where = f"@{_UNSAFE_IN_HOST.sub('_', host)} " if host else ""
    return f"{where}{status:d} {_safe_name(service)} {metrics} {_safe_text(text)}\n"


def with_metric(line: str, metric: str) -> str:
    """A line with one more metric, as `perfdata` writes it: what is measured anew where the text stays."""
    begin, metrics, text = _split(line)
    return f"{begin} {metric if metrics == '-' else f'{metrics}|{metric}'} {text}"


def without_host(line: str) -> str:
    """A line as the tracker's own host has it."""
    return line.partition(" ")[2] if line.startswith("@") else line


def name_in(line: str) -> str:
    """The service that a line is of, with its host if that is another one."""
    host, line = line.split(" ", 1) if line.startswith("@") else ("", line)
    return f"{host} {line.split(' ', 2)[1]}"


def perfdata(metrics: Mapping[str, float | int]) -> str:
    """Metrics as Checkmk reads them, `-` where there are none; one that is no finite number is left out.

    Checkmk would take `nan` and `inf` and hand them on.  Fixed-point, at most six decimals.
    """
    written = [f"{_metric_name(name)}={_number(value)}" for name, value in metrics.items() if _is_finite(value)]
    return "|".join(written) or "-"


def _split(line: str) -> tuple[str, str, str]:
    """A line's status and service, its metrics, its text."""
    host, line = line.split(" ", 1) if line.startswith("@") else ("", line)
    status, name, metrics, text = line.split(" ", 3)
    return f"{host} {status} {name}".lstrip(), metrics, text


def _safe_name(service: str) -> str:
    return _UNSAFE_IN_NAME.sub("_", service) or "unnamed"


def _safe_text(text: str) -> str:
    if not (text.isascii() and _PLAIN.fullmatch(text)):
        text = text.translate(_HARMLESS)
    text = " ".join(text.split())
    text = text.replace("\\n", "/n")  # Checkmk makes a newline of these two characters and knows no escape
    if "<<<" in text:
        text = re.sub("<(?=<<)", "< ", text)  # how a section of the agent's output begins
    return cut(text, LONGEST_TEXT) or _NO_TEXT


def _metric_name(name: str) -> str:
    safe = _UNSAFE_IN_METRIC.sub("_", name)
    return safe if safe[:1].isalpha() or safe[:1] == "_" else f"_{safe}"


def _is_finite(value: float | int) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float, and beyond what Checkmk could read
        return False


def _number(value: float | int) -> str:
    if isinstance(value, int):
        return f"{value:d}"
    fixed = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if fixed == "-0" else fixed
