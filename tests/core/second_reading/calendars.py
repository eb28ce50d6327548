"""Days: which of them a calendar holds, and which of them weekdays and calendars leave open.

Rule: a calendar knows the days from six years before it was read to ten years after; beyond them it holds none.
Rule: `12-24` is that day of each year, and `02-29` only of leap years.
Rule: where several calendars are named together, a day that one of them holds is held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEARS_BACK, YEARS_AHEAD = 6, 10


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """A calendar of single days and of days that come each year; a ready list of dates stands for ics and country."""

    days: frozenset[str]
    read_on: date

    def holds(self, day: date) -> bool:
        """Say whether the calendar has this day."""
        first = _years_from(self.read_on, -YEARS_BACK)
        last = _years_from(self.read_on, YEARS_AHEAD)
        return first <= day <= last and bool({day.isoformat(), f"{day:%m-%d}"} & self.days)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Which days a job, or one of its windows, is for at all."""

    weekdays: frozenset[int] = frozenset(range(7))
    only_on: tuple[Calendar, ...] | None = None
    not_on: tuple[Calendar, ...] = ()

    def is_open(self, day: date) -> bool:
        """Say whether weekdays admit the day and no calendar of `not_on` holds it."""
        return day.weekday() in self.weekdays and not any(calendar.holds(day) for calendar in self.not_on)

    def is_named(self, day: date) -> bool:
        """Say whether a calendar of `only_on` holds the day; without any, every day is named."""
        return self.only_on is None or any(calendar.holds(day) for calendar in self.only_on)


def calendar_of(given: object, read_on: date) -> Calendar:
    """Take a calendar as configured with `dates`, or as a ready list of days."""
    days = given.get("dates", ()) if isinstance(given, Mapping) else given
    assert isinstance(days, Sequence)
    return Calendar(days=frozenset(map(str, days)), read_on=read_on)


def admission(given: Mapping[str, Any], calendars: Mapping[str, Calendar], weekdays: str = "mon-sun") -> Admission:
    """Read `weekdays`, `only_on` and `not_on`; weekdays: what holds where they are not given."""
    return Admission(
        weekdays=_weekdays(given.get("weekdays", weekdays)),
        only_on=tuple(calendars[name] for name in listed(given["only_on"])) if "only_on" in given else None,
        not_on=tuple(calendars[name] for name in listed(given.get("not_on", []))),
    )


def listed(given: Any) -> list[Any]:
    """Take one value as a list of one."""
    return list(given) if isinstance(given, list | tuple) else [given]


def _weekdays(given: object) -> frozenset[int]:
    found: set[int] = set()
    for part in listed(given):
        first, _, last = str(part).lower().partition("-")
        begin, end = WEEK.index(first), WEEK.index(last or first)
        found |= {(begin + steps) % 7 for steps in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _years_from(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
