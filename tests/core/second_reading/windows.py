"""Quiet windows: spans of local hours in which deadlines do not fall.

Rule: a window belongs to the local day of its `from`; it lasts until its `until` of that day, or of the next one where
`until` is not later on the clock.  Both ends are resolved like an expected start, and a span without length is none.
Rule: windows that overlap or touch are one.
Rule: a deadline inside one moves, and what lands inside another moves again.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

from second_reading import zones
from second_reading.calendars import Admission

FAR = 12
"""Days to look at on either side of a moment; more than windows that follow each other without a gap may last."""

MOVES = 100
Span = tuple[int, int]


class NoWayOutError(Exception):
    """The windows leave no time in which a deadline could pass: a configuration that should have been refused."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One quiet window as configured; begin and end: minutes after midnight, end up to 1440."""

    begin: int
    end: int
    admission: Admission


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """All quiet windows of one job."""

    zone: str
    windows: tuple[Window, ...] = ()
    _known: dict[tuple[date, date], list[Span]] = field(default_factory=dict)

    def at(self, moment: int) -> Span | None:
        """Find the window that a moment lies in: its begin is inside, its end is not."""
        for begin, end in self.between(moment, moment):
            if begin <= moment < end:
                return begin, end
        return None

    def next_begin(self, after: int, until: int) -> int | None:
        """Find the first window that begins later than one moment and not later than another."""
        begins = (begin for begin, _ in self.between(after, until) if after < begin <= until)
        return min(begins, default=None)

    def ends_between(self, first: int, last: int) -> bool:
        """Say whether a window ends later than one moment and not later than another."""
        return any(first < end <= last for _, end in self.between(first, last))

    def between(self, first: int, last: int) -> list[Span]:
        """List the windows around a stretch of time, in order, those that overlap or touch as one."""
        if not self.windows:
            return []
        days = zones.day_of(self.zone, first), zones.day_of(self.zone, last)
        if days not in self._known:
            self._known[days] = self._joined(*days)
        return self._known[days]

    def _joined(self, first: date, last: date) -> list[Span]:
        joined: list[Span] = []
        for begin, end in sorted(self._spans(first, last)):
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        return joined

    def _spans(self, first: date, last: date) -> list[Span]:
        found = []
        day = first - timedelta(days=FAR)
        while day <= last + timedelta(days=FAR):
            for window in self.windows:
                if window.admission.is_open(day) and window.admission.is_named(day):
                    until = day if window.end > window.begin else day + timedelta(days=1)
                    begin = zones.moment(self.zone, day, window.begin)
                    end = zones.moment(self.zone, until, window.end)
                    if end > begin:
                        found.append((begin, end))
            day += timedelta(days=1)
        return found


def moved(windows: Windows, deadline: int, grace: int) -> int:
    """Move a timeout, or the deadline of an expected start, out of quiet windows: to their ends plus the grace."""
    for _ in range(MOVES):
        if (window := windows.at(deadline)) is None:
            return deadline
        deadline = window[1] + grace
    raise NoWayOutError


def moved_cyclic(windows: Windows, deadline: int, *, after_end: int, grace: int) -> int:
    """Move the deadline of a cyclic job's start; after_end: how long after a window's end it is due again, all told.

    Where another window begins before that has passed, the job gets the grace alone: else it might wait for ever.
    """
    for _ in range(MOVES):
        if (window := windows.at(deadline)) is None:
            return deadline
        end = window[1]
        again = end + after_end
        deadline = again if windows.next_begin(end, again) is None else end + grace
    raise NoWayOutError
