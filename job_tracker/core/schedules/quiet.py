"""Quiet windows: the hours in which silence raises no alarm, and where the deadlines that lie in them move.

Rule: a window belongs to the local day of its begin, and each of its ends is a clock time like any other; the end
does not belong to it.  Rule: windows that overlap or touch are one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

from job_tracker.core.schedules.calendars import ALL_DAYS, Days
from job_tracker.core.schedules.local_time import local_moment
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import DAY, MINUTE

Window = tuple[int, int]
"""A quiet window's first moment, and the first moment after it."""

EPOCH_DAY = date(1970, 1, 1).toordinal()

DAYS_KNOWN = 16
"""Days of which a job's windows are remembered."""

REACH = 2
"""Days by which a window begins before one that it ends in or touches: one on the clock, and one for its changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours of each of some days, in minutes after midnight; end may be 24:00, or lie on the day after."""

    begin: int
    end: int
    days: Days = ALL_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The quiet windows of one job."""

    zone: ZoneInfo
    rules: tuple[Quiet, ...]
    _known: dict[int, tuple[Window, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def window_at(self, moment: int) -> Window | None:
        """The window that holds a moment."""
        for begin, end in self.around(moment // DAY):
            if begin <= moment < end:
                return begin, end
        return None

    def around(self, day: int) -> tuple[Window, ...]:
        """The windows that may hold a moment of a day of UTC, in order; remembered, for they are asked for again."""
        found = self._known.get(day)
        if found is None:
            if len(self._known) >= DAYS_KNOWN:
                self._known.clear()
            found = self._known[day] = _windows_around(self, day + EPOCH_DAY)
        return found

    def next_begin_after(self, moment: int, until: int) -> int:
        """When the next window begins after a moment, but no later than until."""
        for day in range(moment // DAY, until // DAY + 2):
            for begin, _ in self.around(day):
                if begin > moment:
                    return min(begin, until)
        return until

    def latest_ended_by(self, moment: int, after: int) -> Window | None:
        """The last window that has ended at a moment, if it ended after another moment."""
        for day in range(moment // DAY + 1, after // DAY - 2, -1):
            for begin, end in reversed(self.around(day)):
                if end <= moment:
                    return (begin, end) if end > after else None
        return None


def move_timeout(windows: Windows | None, deadline: int, grace: int) -> int:
    """A timeout's deadline; inside a quiet window it moves to the window's end plus the grace."""
    while windows is not None and (window := windows.window_at(deadline)) is not None:
        deadline = window[1] + grace
    return deadline


def move_missed_start(windows: Windows | None, deadline: int, patience: int, grace: int) -> int:
    """A cyclic job's missed start; inside a window it moves so far behind it that the job may start again first.

    patience: interval, delay and grace.  Where another window begins within it, the grace has to do: a job whose
    interval is as long as the hours between would never be missed.
    """
    while windows is not None and (window := windows.window_at(deadline)) is not None:
        patient = window[1] + patience
        is_cut_short = windows.next_begin_after(window[1], patient + 1) <= patient
        deadline = window[1] + grace if is_cut_short else patient
    return deadline


def move_expected(windows: Windows | None, starts: Starts, start: int, delay: int, grace: int) -> int:
    """The deadline of an expected start: moved out of quiet windows, but not before that of the start before it."""
    base = start + delay + grace
    deadline = move_timeout(windows, base, grace)
    if windows is None:
        return deadline
    # A start before it whose deadline lay in a window may have been moved beyond this one's: as far as the grace
    # reaches behind a window's end, or, over a window that begins within that, farther.
    overtaking, latest = base, base
    while (window := windows.latest_ended_by(latest, after=overtaking - grace)) is not None:
        begin, end = window
        moved = move_timeout(windows, end + grace, grace)
        if moved > base:
            overtaking = begin - 1
            if moved > deadline:
                before = starts.latest_at_or_before(end - 1 - delay - grace)
                deadline = moved if before is not None and before + delay + grace >= begin else deadline
        latest = begin - 1
    return deadline


def _windows_around(windows: Windows, day: int) -> tuple[Window, ...]:
    """The windows that may hold a moment of a day of UTC, in order, each with all that it touches.

    Clocks differ from UTC by less than a day: such a moment lies in the local day of that name, or in one beside it.
    """
    first, last = day - 1 - REACH, day + 2  # of clocks set back over midnight, the next day's may have begun already
    found = _merged([window for near in range(first, last + 1) for window in _of_day(windows, near)])
    if found:
        found = _merged([_from_its_begin(windows, found[0], first), *found, _to_its_end(windows, found[-1], last)])
    return tuple(found)


def left_outside(rules: tuple[Quiet, ...]) -> tuple[int, int]:
    """What windows that no `only_on` narrows leave of a week on the clock, in all and at a stretch."""
    week = 7 * DAY
    spans = []
    for rule in rules:
        lasts = (rule.end - rule.begin) * MINUTE % DAY or DAY
        for weekday in range(7):
            if not rule.days.only_on and rule.days.weekdays >> weekday & 1:
                begin = weekday * DAY + rule.begin * MINUTE
                spans += [(begin, begin + lasts), (begin + week, begin + week + lasts)]
    merged = _merged(spans)
    if not merged:
        return week, week
    # The second week shows what follows the first one's last window; a gap that begins a week later was counted.
    gaps = [following - end for (_, end), (following, _) in pairwise(merged) if end < merged[0][0] + week]
    return sum(gaps), max(gaps, default=0)


def _of_day(windows: Windows, day: int) -> Iterator[Window]:
    for rule in windows.rules:
        if rule.begin != rule.end and rule.days.admit(day):
            last = day if rule.end > rule.begin else day + 1
            begin, end = local_moment(windows.zone, day, rule.begin), local_moment(windows.zone, last, rule.end)
            if begin < end:  # in spring both may be the end of the gap
                yield begin, end


def _from_its_begin(windows: Windows, window: Window, first: int) -> Window:
    """A window with all that it touches of the days before the first that it was made of."""
    while True:
        before = [each for near in range(first - REACH, first) for each in _of_day(windows, near)]
        whole = next(each for each in _merged([*before, window]) if each[0] <= window[0] < each[1])
        if whole[0] == window[0]:
            return whole
        window, first = whole, first - REACH


def _to_its_end(windows: Windows, window: Window, last: int) -> Window:
    """A window with all that it touches of the days after the last that it was made of."""
    while True:
        after = [each for near in range(last + 1, last + REACH + 1) for each in _of_day(windows, near)]
        whole = next(each for each in _merged([*after, window]) if each[0] <= window[0] < each[1])
        if whole[1] == window[1]:
            return whole
        window, last = whole, last + REACH


def _merged(windows: list[Window]) -> list[Window]:
    found: list[Window] = []
    for begin, end in sorted(windows):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
