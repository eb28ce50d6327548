"""A year: a square for each of a job's days, in columns of weeks.

Rule: a day on which nothing was to be counted is empty, not well.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from job_tracker.moments import span
from job_tracker.telling.times import local

Document = dict[str, Any]

WEEKS = 53
SIDE, STEP, LEFT, TOP = 12, 15, 28, 16


class Square(NamedTuple):
    """One day; x and y in the picture's units; kind: its class; says: in words."""

    x: int
    y: int
    kind: str
    says: str


class Year(NamedTuple):
    """The squares, and where months begin."""

    squares: list[Square]
    months: list[tuple[int, str]]
    width: int
    height: int
    counted: int
    bad: int


def year(days: Sequence[Document], now: int, zone: str) -> Year:
    """The last 53 weeks up to today."""
    today = local(now, zone).date()
    monday = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    by_date = {day["date"]: day for day in days}
    squares, months = [], []
    for week in range(WEEKS):
        for weekday in range(7):
            shown = monday + timedelta(days=7 * week + weekday)
            if shown > today:
                continue
            if shown.day == 1:
                months.append((LEFT + week * STEP, f"{shown:%b}"))
            kind, says = _told(by_date.get(shown.isoformat()))
            where = (LEFT + week * STEP, TOP + weekday * STEP)
            squares.append(Square(*where, kind, f"{shown:%a} {shown.isoformat()}: {says}"))
    bad = sum(1 for square in squares if square.kind.startswith("bad"))
    return Year(squares, months, LEFT + WEEKS * STEP, TOP + 7 * STEP, sum(1 for each in squares if each.kind), bad)


def _told(day: Document | None) -> tuple[str, str]:
    if day is None:
        return "", "nothing to count"
    names = (("badly", "failed"), ("lost", "lost"), ("missed", "missed"), ("warned", "warned"), ("well", "well"))
    parts = [f"{day[name]} {word}" for name, word in (*names, ("skipped", "skipped")) if day[name]]
    if day["median"] is not None:
        parts.append(f"median {span(day['median'])}")
    if day["unseen"]:
        parts.append(f"not seen for {span(day['unseen'])}")
    said = ", ".join(parts) or "nothing to count"
    bad, well = day["badly"] + day["lost"] + day["missed"], day["well"] + day["warned"] + day["skipped"]
    if bad:
        return ("bad less" if well > bad else "bad"), said
    if day["warned"]:
        return "warned", said
    if well:
        return "well", said
    return ("unseen" if day["unseen"] else ""), said
