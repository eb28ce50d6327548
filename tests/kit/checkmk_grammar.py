"""Checkmk's local check lines, as strictly as the strictest version from 2.0 to 2.5 reads them.

Rule: what any of those versions drops, misreads or crashes on is refused here, with the reason.
"""

import math
import re
from typing import NamedTuple


class LocalLine(NamedTuple):
    """A line as Checkmk understands it; perf maps metric names to values, empty for `-`."""

    status: int
    name: str
    perf: dict[str, float]
    text: str


def parse_local_line(line: str) -> LocalLine:
    """Read one line, newline included; AssertionError with the reason if some version would not read it so."""
    assert line.endswith("\n"), f"no newline at the end, so it would be glued to the next file's first line: {line!r}"
    body = line[:-1]
    for character, name in (("\n", "newline"), ("\r", "carriage return"), ("\0", "NUL")):
        assert character not in body, f"a {name} inside: {line!r}"
    control = [character for character in body if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0]
    assert not control, f"control characters {control}: {line!r}"
    body.encode()  # a lone surrogate is no UTF-8
    assert not body.startswith("<<<"), f"a section header: {line!r}"

    fields = body.split(" ", 3)
    assert len(fields) == 4, f"not four fields: {line!r}"
    assert all(fields), f"more than one space between two fields, or an empty field: {line!r}"
    status, name, perf, text = fields
    assert status in {"0", "1", "2", "3"}, f"invalid status {status!r}"
    assert not set(name) & set("\"'<"), f"a quote or < in the name {name!r}"
    assert text.strip() == text, f"space around the text {text!r}"
    assert "\\n" not in text, f"backslash-n would become a newline: {text!r}"
    return LocalLine(int(status), name, _parse_perf(perf), text)


def _parse_perf(perf: str) -> dict[str, float]:
    if perf == "-":
        return {}
    metrics = {}
    for metric in perf.split("|"):
        name, equals, value = metric.partition("=")
        assert equals, f"a metric without = in {perf!r}"
        assert name, f"a metric without a name in {perf!r}"
        assert not re.search(r"[\s:/\\]", name), f"a metric name that gives WARN: {name!r}"
        assert re.fullmatch(r"-?\d+(\.\d+)?", value), f"not a plain number: {metric!r}"
        assert math.isfinite(float(value)), f"not finite: {metric!r}"
        metrics[name] = float(value)
    return metrics
