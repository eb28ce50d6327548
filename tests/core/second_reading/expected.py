"""Expected starts: the sequence of moments E at which a daily or a cron job should begin.

Rule: the sequence is the same whoever awaits it.  An E is looked for up to ten years away.
Rule: a daily job is expected at each of its times on each day that is named and open; a day that is named but not open
may pass its times on to the nearest later or earlier open day, at most 31 days away, whether or not that one is named.
Rule: a cron job is expected when cronsim says, asked anew for each local day from the second before its midnight on.
Rule: a start makes the latest E with E − early(E) ≤ start.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from second_reading import zones
from second_reading.calendars import Admission

DAYS_SEARCHED = 3660
DAYS_MOVED = 31


class Days(Protocol):
    """Where expected starts of a local day come from."""

    def on(self, day: date) -> list[int]:
        """List the expected starts of one local day."""
        ...


@dataclass(frozen=True, kw_only=True)
class Daily:
    """Times of day, and the days on which they hold.

    times: minutes after midnight.  days_of_month, working_days_of_month: None where the key is not given.
    """

    zone: str
    times: tuple[int, ...]
    admission: Admission
    days_of_month: tuple[int, ...] | None = None
    working_days_of_month: tuple[int, ...] | None = None
    closed_day: str = "skip"

    def on(self, day: date) -> list[int]:
        """List the expected starts of one local day, its own and those that closed days passed on to it."""
        if not self.admission.is_open(day):
            return []
        if not self._is_named(day) and not self._inherits(day):
            return []
        return sorted({zones.moment(self.zone, day, time) for time in self.times})

    def _inherits(self, day: date) -> bool:
        """Walk over the closed days on the side from which starts are passed on; the first open day ends the walk."""
        if self.closed_day == "skip":
            return False
        step = timedelta(days=-1 if self.closed_day == "next" else 1)
        for distance in range(1, DAYS_MOVED + 1):
            closed = day + distance * step
            if self.admission.is_open(closed):
                return False
            if self._is_named(closed):
                return True
        return False

    def _is_named(self, day: date) -> bool:
        if self.days_of_month is not None and not self._is_day_of_month(day):
            return False
        if self.working_days_of_month is not None and not self._is_working_day_of_month(day):
            return False
        return self.admission.is_named(day)

    def _is_day_of_month(self, day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        assert self.days_of_month is not None
        return any(day.day == (number if number > 0 else length + 1 + number) for number in self.days_of_month)

    def _is_working_day_of_month(self, day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        open_days = [d for d in (day.replace(day=n) for n in range(1, length + 1)) if self.admission.is_open(d)]
        assert self.working_days_of_month is not None
        for number in self.working_days_of_month:
            place = number - 1 if number > 0 else len(open_days) + number
            if 0 <= place < len(open_days) and open_days[place] == day:
                return True
        return False


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A cron expression, and the days on which it holds."""

    zone: str
    expression: str
    admission: Admission

    def on(self, day: date) -> list[int]:
        """List what cronsim finds on one local day."""
        if not (self.admission.is_open(day) and self.admission.is_named(day)):
            return []
        return sorted(set(self._found(day)))

    def _found(self, day: date) -> Iterator[int]:
        from cronsim import CronSim  # only cron jobs need it

        midnight = zones.moment(self.zone, day, 0)
        begin = (zones.on_wall("UTC", midnight - zones.SECOND)).replace(tzinfo=ZoneInfo("UTC"))
        for found in CronSim(self.expression, _in_zone(begin, self.zone)):
            if found.date() > day:
                return
            if found.date() == day:
                yield zones.of(found)


@dataclass(kw_only=True, eq=False)
class Sequence:
    """The expected starts of one job, and how early a start may be for each.

    halved: whether early is at most half of the time since the E before; so it is for several times a day and for cron.
    """

    zone: str
    days: Days
    max_early: int
    halved: bool
    _known: dict[date, list[int]] = field(default_factory=dict)

    def after(self, at: int) -> int | None:
        """Find the first E after a moment."""
        return _after(self, at)

    def before(self, at: int) -> int | None:
        """Find the last E before a moment."""
        return _before(self, at)

    def early(self, expected: int) -> int:
        """Say how early a start may be for this E; the first of all has no E before it to share the time with."""
        if not self.halved:
            return self.max_early
        before = self.before(expected)
        return self.max_early if before is None else min(self.max_early, (expected - before) // 2)

    def made_by(self, start: int) -> int | None:
        """Find the E that a start makes: the latest for which it is not too early."""
        expected = self.before(start + self.max_early + 1)
        while expected is not None and expected - self.early(expected) > start:
            expected = self.before(expected)
        return expected

    def on(self, day: date) -> list[int]:
        """List the expected starts of a day, and remember them."""
        if day not in self._known:
            self._known[day] = self.days.on(day)
        return self._known[day]


@lru_cache(maxsize=100_000)
def _after(sequence: Sequence, at: int) -> int | None:
    day = zones.day_of(sequence.zone, at) - timedelta(days=2)
    for _ in range(DAYS_SEARCHED):
        later = [expected for expected in sequence.on(day) if expected > at]
        if later:
            return later[0]
        day += timedelta(days=1)
    return None


@lru_cache(maxsize=100_000)
def _before(sequence: Sequence, at: int) -> int | None:
    day = zones.day_of(sequence.zone, at) + timedelta(days=2)
    for _ in range(DAYS_SEARCHED):
        earlier = [expected for expected in sequence.on(day) if expected < at]
        if earlier:
            return earlier[-1]
        if day <= date(1970, 1, 3):
            return None
        day -= timedelta(days=1)
    return None


def end_by(zone: str, expected: int, minutes: int) -> int:
    """Find B: the first moment after an E that is this local time of some day."""
    around = zones.day_of(zone, expected)
    found = (zones.moment(zone, around + timedelta(days=offset), minutes) for offset in range(-2, 4))
    return min(moment for moment in found if moment > expected)


def _in_zone(at: datetime, zone: str) -> datetime:
    return at if zone == "UTC" else at.astimezone(ZoneInfo(zone))
