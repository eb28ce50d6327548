"""Clock changes: when the clocks of a zone are set next, and which times of day that leaves out or doubles."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from job_tracker.core.schedules.local_time import EPOCH, local_day, plain_midnight
from job_tracker.moments import DAY, MICROSECONDS, MINUTE

FARTHEST = 400
"""Days: zones that change their clocks do it every year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A moment at which clocks are set; before, after: what they are ahead of UTC, in microseconds."""

    moment: int
    before: int
    after: int

    @property
    def is_gap(self) -> bool:
        """Whether clock times are left out; otherwise some come twice."""
        return self.after > self.before

    @property
    def span(self) -> tuple[int, int]:
        """The clock times that are concerned, as if they were UTC: the first, and the first after them."""
        first, last = sorted((self.moment + self.before, self.moment + self.after))
        return first, last

    def concerns(self, day: int, minutes: int) -> bool:
        """Whether a clock time of a day is left out, or comes twice."""
        first, last = self.span
        return first <= (day - EPOCH.toordinal()) * DAY + minutes * MINUTE < last


def changes(zone: ZoneInfo, moment: int, days: int = FARTHEST) -> Iterator[ClockChange]:
    """The changes of a zone's clocks after a moment, as far as they come within some days."""
    first = local_day(zone, moment)
    latest = moment
    for day in range(first, first + days + 1):
        if plain_midnight(zone, day) is None:
            begin = (day - EPOCH.toordinal()) * DAY
            for found in _between(zone, begin - DAY, begin + 2 * DAY):
                if found.moment > latest:
                    latest = found.moment
                    yield found


def _between(zone: ZoneInfo, first: int, last: int) -> Iterator[ClockChange]:
    """The changes between two moments of a few days, by halving the hours in which the clocks differ."""
    for begin in range(first, last, 60 * MINUTE):
        low, high = begin, begin + 60 * MINUTE
        before, after = _offset(zone, low), _offset(zone, high)
        if before == after:
            continue
        while high - low > MICROSECONDS:
            middle = (low + high) // 2 // MICROSECONDS * MICROSECONDS
            low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
        yield ClockChange(moment=high, before=before, after=after)


def _offset(zone: ZoneInfo, moment: int) -> int:
    shown = datetime.fromtimestamp(moment // MICROSECONDS, UTC).astimezone(zone)
    ahead = shown.utcoffset()
    assert ahead is not None, "a zone has an offset"
    return ahead // EPOCH.resolution
