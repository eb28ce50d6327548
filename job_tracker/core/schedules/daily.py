"""Daily: starts at clock times of the local days that are named and open.

Rule: a day is open if its weekday is admitted and no calendar of `not_on` holds it.
Rule: it is named by all of the days of the month, the working days of the month and the calendars of `only_on` that
are given; where none is, every day is.
Rule: the starts of a day that is named and not open are left out, or move as a whole to the nearest open day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from job_tracker.core.schedules.calendars import ALL_DAYS, Days, holds
from job_tracker.core.schedules.local_time import days_of, local_moment, month_of, plain_midnight
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import MINUTE

FARTHEST_MOVE = 31
"""Days that the starts of a closed day may move."""


class ClosedDay(Enum):
    """What becomes of the starts of a day that is named and not open."""

    SKIP = "skip"
    NEXT = "next"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily(Starts):
    """Starts at clock times, in order, on some days.

    days_of_month: 1 to 31, -1 the last, -2 the one before; working_days_of_month: 1 the month's first open day, -1 its
    last.  Each is empty where it names nothing.
    """

    times: tuple[int, ...]
    days: Days = ALL_DAYS
    days_of_month: tuple[int, ...] = ()
    working_days_of_month: tuple[int, ...] = ()
    closed_day: ClosedDay = ClosedDay.SKIP

    @property
    def is_dense(self) -> bool:
        """Several times a day, each of which may be early by half the way at most."""
        return len(self.times) > 1

    def on(self, day: int) -> tuple[int, Sequence[int]]:
        """The starts of a day; where the clocks are changed each is asked for, for none is where it used to be."""
        midnight = plain_midnight(self.zone, day)
        if midnight is None:
            return 0, [local_moment(self.zone, day, minutes) for minutes in self.times]
        return midnight, [minutes * MINUTE for minutes in self.times]

    def days_in(self, month: int) -> int:
        """The days of a month with starts of their own, or moved to them."""
        days = days_of(month)
        found = 0
        for at, day in enumerate(days):
            if self.days.are_open(day) and (self.is_named(day) or self.receives(day)):
                found |= 1 << at
        return found

    def is_named(self, day: int) -> bool:
        """Whether everything that names days names this one."""
        if self.days_of_month and not _is_among(self.days_of_month, day, days_of(month_of(day))):
            return False
        if self.working_days_of_month and not self._is_working_day(day):
            return False
        return not self.days.only_on or holds(self.days.only_on, day)

    def receives(self, day: int) -> bool:
        """Whether the starts of a closed day move to this open one."""
        if self.closed_day is ClosedDay.SKIP:
            return False
        step = -1 if self.closed_day is ClosedDay.NEXT else 1
        for distance in range(1, FARTHEST_MOVE + 1):
            closed = day + step * distance
            if self.days.are_open(closed):
                return False
            if self.is_named(closed):
                return True
        return False

    def moved_to(self, day: int) -> int | None:
        """Where the starts of a day that is named and not open move to; None if nowhere."""
        if self.closed_day is ClosedDay.SKIP:
            return None
        step = 1 if self.closed_day is ClosedDay.NEXT else -1
        near = (day + step * distance for distance in range(1, FARTHEST_MOVE + 1))
        return next((each for each in near if self.days.are_open(each)), None)

    def _is_working_day(self, day: int) -> bool:
        opened = [each for each in days_of(month_of(day)) if self.days.are_open(each)]
        return _is_among(self.working_days_of_month, day, opened)


def _is_among(places: tuple[int, ...], day: int, days: Sequence[int]) -> bool:
    """Whether a day has one of the places among some days, counted from 1, or from -1 backwards."""
    return any(days[place - 1 if place > 0 else place] == day for place in places if -len(days) <= place <= len(days))
