"""Local times: which moment a clock on a wall means.

Rule: a moment is whole microseconds since the epoch.
Rule: a local time that a day lacks is the first moment after the gap; one that a day has twice is the first of the two.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=100_000)
def moment(zone: str, day: date, minutes: int) -> int:
    """Find the moment at which the wall shows so many minutes after midnight of a day; 1440 is the next midnight."""
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001 - the wall's own words
    early, late = (of(wall.replace(tzinfo=ZoneInfo(zone), fold=fold)) for fold in (0, 1))
    if on_wall(zone, early) == wall:
        return early
    # The wall never shows it.  With fold 0 it is read by the offset before the gap, so it lies behind the gap; with
    # fold 1 it is read by the offset after it, so it lies before.  The gap is where the offset changes between them.
    before, after = sorted((early, late))
    return _change_of_offset(zone, before, after)


def on_wall(zone: str, at: int) -> datetime:
    """Say what the wall shows at a moment, without its zone."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def day_of(zone: str, at: int) -> date:
    """Say which local day a moment belongs to."""
    return on_wall(zone, at).date()


def of(moment_in_zone: datetime) -> int:
    """Count the microseconds of a datetime that knows its zone."""
    return (moment_in_zone.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _change_of_offset(zone: str, before: int, after: int) -> int:
    while after - before > SECOND:
        middle = (before + after) // 2 // SECOND * SECOND
        if middle in (before, after):
            break
        if _offset(zone, middle) == _offset(zone, after):
            after = middle
        else:
            before = middle
    return after


def _offset(zone: str, at: int) -> timedelta | None:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone)).utcoffset()
