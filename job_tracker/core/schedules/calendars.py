"""Calendars: which days have a name that a schedule may ask for, and which weekdays it admits.

Rule: a calendar is a set of days that was read once; beyond the days it covers it holds none.
"""

from collections.abc import Iterable
from dataclasses import dataclass

EVERY_DAY = 0b1111111
"""Weekdays as bits, Monday the lowest."""
MON_FRI = 0b0011111


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A name for some days; first and last: the days for which it was read, both included."""

    name: str
    days: frozenset[int]
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Which days count: of some weekdays, held by one of some calendars (if any), and by none of others."""

    weekdays: int = EVERY_DAY
    only_on: tuple[Calendar, ...] = ()
    not_on: tuple[Calendar, ...] = ()

    def admit(self, day: int) -> bool:
        """Whether a day counts."""
        return self.are_open(day) and (not self.only_on or holds(self.only_on, day))

    def are_open(self, day: int) -> bool:
        """Whether weekdays and `not_on` leave a day in."""
        return bool(self.weekdays >> (day + 6) % 7 & 1) and not (self.not_on and holds(self.not_on, day))


ALL_DAYS = Days()


def holds(calendars: Iterable[Calendar], day: int) -> bool:
    """Whether one of some calendars holds a day."""
    for calendar in calendars:  # noqa: SIM110 # asked for each day of ten thousand jobs: any() takes thrice as long
        if day in calendar.days:
            return True
    return False
