"""Schedule: when a job should start, and which hours are quiet, on the clocks people live by.

Rule: local time is used to find a moment and for nothing else; all arithmetic is done on UTC microseconds.
Rule: a clock time that does not exist is the first valid moment after the gap; one that exists twice is the first.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from job_tracker.core.jobs import Job, Quiet
from job_tracker.moments import DAY, MICROSECONDS, MINUTE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

Window = tuple[int, int]
"""A quiet window's first moment, and the first moment after it."""


@lru_cache(maxsize=65_536)
def local_moment(zone: ZoneInfo, day: int, minutes: int) -> int:
    """The moment at which the clocks of a zone show a time; day: proleptic ordinal, minutes: after midnight."""
    wall = datetime.fromordinal(day) + timedelta(minutes=minutes)
    moment = wall.replace(tzinfo=zone).astimezone(UTC)  # fold=0: the first of two
    if moment.astimezone(zone).replace(tzinfo=None) != wall:
        moment = _end_of_gap(wall, zone)
    return (moment - EPOCH) // SECOND * MICROSECONDS


def local_day(zone: ZoneInfo, moment: int) -> int:
    """The ordinal of the local day that a moment lies in."""
    return datetime.fromtimestamp(moment // MICROSECONDS, zone).toordinal()


def expected_start(job: Job, day: int) -> int:
    """The moment a daily job is expected to start on a local day."""
    return local_moment(job.zone, day, job.daily_start)


def day_of_latest_start(job: Job, moment: int) -> int:
    """The local day of the latest expected start at or before a moment."""
    day = local_day(job.zone, moment) + 1
    while expected_start(job, day) > moment:
        day -= 1
    return day


def day_of_first_start(job: Job, moment: int) -> int:
    """The local day of the first expected start at or after a moment."""
    day = local_day(job.zone, moment) - 1
    while expected_start(job, day) < moment:
        day += 1
    return day


def quiet_window(job: Job, moment: int) -> Window | None:
    """The job's quiet window that holds a moment; the end does not belong to it."""
    quiet = job.quiet
    if quiet is None or quiet.begin == quiet.end:
        return None
    today = local_day(job.zone, moment)
    for day in (today - 1, today):
        begin, end = window_of_day(job.zone, quiet, day)
        if begin <= moment < end:
            return begin, end
    return None


def next_quiet(job: Job, moment: int, until: int) -> int:
    """When the job's next quiet window begins after a moment, but no later than until."""
    quiet = job.quiet
    if quiet is None:
        return until
    today = local_day(job.zone, moment)
    begins = (window_of_day(job.zone, quiet, day)[0] for day in (today, today + 1))
    return min([until, *(begin for begin in begins if begin > moment)])


@lru_cache(maxsize=65_536)
def window_of_day(zone: ZoneInfo, quiet: Quiet, day: int) -> Window:
    """The quiet window that begins on a local day; one that wraps midnight ends on the next."""
    last = day if quiet.end > quiet.begin else day + 1
    return local_moment(zone, day, quiet.begin), local_moment(zone, last, quiet.end)


def move_timeout(job: Job, deadline: int) -> int:
    """A timeout's deadline; inside a quiet window it moves to the window's end plus the grace."""
    return _move(job, deadline, job.grace)


def move_missed_start(job: Job, deadline: int) -> int:
    """A missed start's deadline; inside a quiet window it moves so far behind it that a job may start again first."""
    if job.quiet is None:
        return deadline
    patience = job.interval + job.max_delay + job.grace
    outside = DAY - (job.quiet.end - job.quiet.begin) * MINUTE % DAY
    return _move(job, deadline, job.grace if patience >= outside else patience)


def _move(job: Job, deadline: int, reach: int) -> int:
    while (window := quiet_window(job, deadline)) is not None:
        deadline = window[1] + reach
    return deadline


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
