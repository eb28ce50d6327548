"""Cron: starts as cron would make them, by the rules of the library cronsim, on the days that calendars admit.

Rule: what cronsim finds on a local day, started a second before its midnight, is what is expected on that day.
A day on which no clock is changed has no rule of its own, and is laid out from the fields that cronsim has read:
asking it for each of three hundred starts a day would take milliseconds, and there are ten thousand jobs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from job_tracker.core.schedules.calendars import ALL_DAYS, Days
from job_tracker.core.schedules.local_time import SECOND, days_of, in_microseconds, plain_midnight
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import MINUTE

if TYPE_CHECKING:
    from cronsim import CronSim

LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron(Starts):
    """Starts at the moments that an expression of five fields names, on some days."""

    expression: str
    days: Days = ALL_DAYS

    def on(self, day: int) -> tuple[int, Sequence[int]]:
        """The starts of a day; where the clocks are changed cronsim says which of them there are, and when."""
        midnight = plain_midnight(self.zone, day)
        if midnight is None:
            return 0, _found(self, day)
        return midnight, clock_times(self.expression)

    def days_in(self, month: int) -> int:
        """The days of a month that the expression names and the calendars admit."""
        named = _days_named(" ".join(self.expression.split()[2:]), month)
        return named & _days_admitted(self.days, month) if named else 0

    def names(self, day: int) -> bool:
        """Whether the expression names a day, whatever calendars say."""
        fields, shown = _fields(self.expression), date.fromordinal(day)
        return shown.month in fields.months and bool(fields.match_day(shown))


def check(expression: str) -> str | None:
    """What is wrong with an expression, or None."""
    if len(expression.split()) != 5:
        return "has not five fields: minute, hour, day of the month, month, weekday"
    if len(expression) > LONGEST:
        return f"is longer than {LONGEST} characters"
    from cronsim import CronSimError

    try:
        _fields(expression)
    except CronSimError as error:
        return str(error)
    return None


@lru_cache(maxsize=16_384)
def _fields(expression: str) -> "CronSim":
    """The fields as cronsim reads them; where it would start from does not matter."""
    from cronsim import CronSim  # loaded only for a job that needs it

    return CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))


@lru_cache(maxsize=4096)
def _days_named(day_fields: str, month: int) -> int:
    """The days of a month, as bits, that the last three fields of an expression name; a great many share them."""
    fields = _fields(f"0 0 {day_fields}")
    if month % 12 + 1 not in fields.months:
        return 0
    return sum(1 << at for at, day in enumerate(days_of(month)) if fields.match_day(date.fromordinal(day)))


@lru_cache(maxsize=1024)
def _days_admitted(days: Days, month: int) -> int:
    """The days of a month, as bits, that weekdays and calendars admit."""
    return sum(1 << at for at, day in enumerate(days_of(month)) if days.admit(day))


@lru_cache(maxsize=16_384)
def clock_times(expression: str) -> tuple[int, ...]:
    """The clock times that an expression names on each of its days, in microseconds after midnight."""
    fields = _fields(expression)
    return _grid(tuple(sorted(fields.hours)), tuple(sorted(fields.minutes)))


@lru_cache(maxsize=4096)
def _grid(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[int, ...]:
    """The clock times of some hours and minutes, as microseconds after midnight; shared, for there are a great many."""
    return tuple((hour * 60 + minute) * MINUTE for hour in hours for minute in minutes)


@lru_cache(maxsize=16_384)
def _found(starts: Cron, day: int) -> tuple[int, ...]:
    """What cronsim finds on a day.

    In spring a start at a fixed time moves behind the gap, and may meet another there; one of every hour or minute is
    left out.  In autumn a fixed time counts once, and one of every hour or minute as often as it comes: then the
    evening before may come once more first.
    """
    from cronsim import CronSim

    before = datetime.fromordinal(day).replace(tzinfo=starts.zone) - SECOND
    near = takewhile(lambda start: start.toordinal() <= day, CronSim(starts.expression, before))
    return tuple(sorted({in_microseconds(start) for start in near if start.toordinal() == day}))
