"""Local time: where a day and a clock time of a zone lie in elapsed time.

Rule: local time is used to find a moment and for nothing else; all arithmetic is done on UTC microseconds.
Rule: a clock time that does not exist is the first valid moment after the gap; one that exists twice is the first.
A day is a proleptic ordinal, a clock time minutes after midnight, a month years * 12 + months.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from job_tracker.moments import MICROSECONDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@lru_cache(maxsize=65_536)
def local_moment(zone: ZoneInfo, day: int, minutes: int) -> int:
    """The moment at which the clocks of a zone show a time; 24:00 is the midnight after the day."""
    wall = datetime.fromordinal(day) + timedelta(minutes=minutes)
    moment = wall.replace(tzinfo=zone).astimezone(UTC)  # fold=0: the first of two, in autumn
    if moment.astimezone(zone).replace(tzinfo=None) != wall:  # no clock shows it, in spring
        moment = _end_of_gap(wall, zone)
    return in_microseconds(moment)


def local_day(zone: ZoneInfo, moment: int) -> int:
    """The local day that a moment lies in."""
    return datetime.fromtimestamp(moment // MICROSECONDS, zone).toordinal()


@lru_cache(maxsize=16_384)
def plain_midnight(zone: ZoneInfo, day: int) -> int | None:
    """Where a local day begins; None for one on which, or at whose midnight, the clocks are changed.

    On a plain day a clock time is midnight and so much later, which saves asking the zone for each.
    """
    midnight = datetime.fromordinal(day).replace(tzinfo=zone)
    looks = (midnight + timedelta(hours=hours) for hours in (0, 3, 6, 9, 12, 15, 18, 21, 24))
    offsets = {look.replace(fold=fold).utcoffset() for look in looks for fold in (0, 1)}
    offsets.add((midnight - SECOND).utcoffset())
    return in_microseconds(midnight.astimezone(UTC)) if len(offsets) == 1 else None


def month_of(day: int) -> int:
    """The month that a day lies in."""
    found = date.fromordinal(day)
    return found.year * 12 + found.month - 1


@lru_cache(maxsize=4096)
def days_of(month: int) -> range:
    """The days of a month."""
    year, months = divmod(month, 12)
    begin = date(year, months + 1, 1).toordinal()
    end = date(year + 1, 1, 1) if months == 11 else date(year, months + 2, 1)
    return range(begin, end.toordinal())


def in_microseconds(moment: datetime) -> int:
    """A moment that knows its offset, as the core counts it."""
    return (moment - EPOCH) // SECOND * MICROSECONDS


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first valid moment after a gap, found between the two readings PEP 495 gives of a time inside it."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = after.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
