"""Starts: the sequence of moments at which a job is expected to start, asked for one at a time.

Rule: no clock and no state: every question names its moment.  Rule: a sequence is laid out over local days; which
days, and when on each, is what `daily` and `cron` add.  Starts of one moment are one.

Along the days the moments never go back: the first moment at which clocks show a later time is never an earlier one,
though clocks that are set back over midnight may show the day before once more.  So one finds a start by looking at
its own day and at the one beside it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from job_tracker.core.schedules.local_time import days_of, local_day, local_moment, month_of
from job_tracker.moments import DAY

FARTHEST = 3653
"""Days: a start is looked for up to ten years away."""

NOTHING = (0, -1)
"""Known of no moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """The expected starts of one job; the last answers are remembered, for between two starts they stay the same.

    max_early: microseconds that a start may be early.  end_clock: the clock time by which a run has to end, if one is
    promised.
    """

    zone: ZoneInfo
    max_early: int = 0
    end_clock: int | None = None
    _next: list[tuple[int, int]] = field(default_factory=lambda: [NOTHING], init=False, compare=False, repr=False)
    _latest: list[tuple[int, int]] = field(default_factory=lambda: [NOTHING], init=False, compare=False, repr=False)
    _months: dict[int, int] = field(default_factory=dict, init=False, compare=False, repr=False)

    def next_at_or_after(self, moment: int) -> int | None:
        """The first start at or after a moment; None if there is none within ten years."""
        asked, found = self._next[0]
        if not asked <= moment <= found:
            following = self._look_ahead(moment)
            if following is None:
                return None
            found = following
            self._next[0] = moment, found
        return found

    def latest_at_or_before(self, moment: int) -> int | None:
        """The last start at or before a moment; None if there is none within ten years."""
        found, asked = self._latest[0]
        if not found <= moment <= asked:
            before = self._look_back(moment)
            if before is None:
                return None
            found = before
            self._latest[0] = found, moment
        return found

    def _look_ahead(self, moment: int) -> int | None:
        for day in self._days_from(local_day(self.zone, moment) - 1):
            base, times = self.on(day)
            if times and base + times[-1] >= moment:
                found = base + times[bisect_left(times, moment - base)]
                return found if found - moment <= FARTHEST * DAY else None
        return None

    def _look_back(self, moment: int) -> int | None:
        for day in self._days_back_from(local_day(self.zone, moment) + 1):
            base, times = self.on(day)
            if times and base + times[0] <= moment:
                found = base + times[bisect_right(times, moment - base) - 1]
                return found if moment - found <= FARTHEST * DAY else None
        return None

    def made_by(self, moment: int) -> int | None:
        """The start that a job makes which starts at a moment; None if it makes none."""
        start = self.latest_at_or_before(moment + self.max_early)
        while start is not None and start - self.early(start) > moment:
            start = self.latest_at_or_before(start - 1)
        return start

    def early(self, start: int) -> int:
        """How early a start may be made; where starts are close, at most half the time since the one before it."""
        if not self.max_early or not self.is_dense:
            return self.max_early
        before = self.latest_at_or_before(start - 1)
        return self.max_early if before is None else min(self.max_early, (start - before) // 2)

    def end_by(self, start: int) -> int | None:
        """The moment by which a run for a start has to end: the first after it at which clocks show that time."""
        if self.end_clock is None:
            return None
        day = local_day(self.zone, start) - 1
        while (moment := local_moment(self.zone, day, self.end_clock)) <= start:
            day += 1
        return moment

    def has_starts_on(self, day: int) -> bool:
        """Whether a local day has starts."""
        month = month_of(day)
        return bool(self._days_in(month) >> day - days_of(month).start & 1)

    @property
    def is_dense(self) -> bool:
        """Whether a day may have more than one start."""
        return True

    def on(self, day: int) -> tuple[int, Sequence[int]]:
        """The starts of a local day that has some, in order: a moment, and how long after it each one is."""
        raise NotImplementedError

    def days_in(self, month: int) -> int:
        """The days of a month that have starts, as bits, the first of the month the lowest."""
        raise NotImplementedError

    def _days_from(self, first: int) -> Iterator[int]:
        last = first + FARTHEST + 3
        for month in range(month_of(first), month_of(last) + 1):
            days, begin = self._days_in(month), days_of(month).start
            while days:
                day = begin + (days & -days).bit_length() - 1
                days &= days - 1
                if day >= first:
                    yield day

    def _days_back_from(self, last: int) -> Iterator[int]:
        first = last - FARTHEST - 3
        for month in range(month_of(last), month_of(first) - 1, -1):
            days, begin = self._days_in(month), days_of(month).start
            while days:
                bit = days.bit_length() - 1
                days &= ~(1 << bit)
                if begin + bit <= last:
                    yield begin + bit

    def _days_in(self, month: int) -> int:
        """The days of a month, which are worked out from calendars, and asked for again and again."""
        days = self._months.get(month)
        if days is None:
            days = self._months[month] = self.days_in(month)
        return days
