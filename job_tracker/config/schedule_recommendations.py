"""Schedule recommendations: what only the days to come show of an expected start.

Rule: no fault depends on the day on which a configuration is read; what does is told here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import pairwise

from job_tracker.config.groups import Group
from job_tracker.config.jobs import JobEntry
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.schedules.calendars import Calendar
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.local_time import EPOCH, days_of, local_moment, month_of
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import DAY, MINUTE

AHEAD = 400
"""Days in which a job should be expected at least once."""
NAMED = 3


def about(
    entries: Sequence[JobEntry],
    jobs: Jobs,
    calendars: Mapping[str, Calendar],
    groups: Mapping[str, Group],
    today: date,
) -> Iterator[str]:
    """Say what to look at again."""
    yield from of_days_to_come(jobs, calendars, today)
    if groups:
        strangers = sorted({entry.group for entry in entries if entry.group and entry.group not in groups})
        for group in strangers:
            yield f"groups: there is no {group!r}, which some jobs name, so it gives them no defaults"
    facts: tuple[tuple[Callable[[Job, Starts, int, int | None], bool], str], ...] = (
        (
            _falls_on_closed_days,
            (
                "all of its days are closed in the year to come, so no start is expected; change what closes them, "
                "or let closed_day: next or previous move a daily job's"
            ),
        ),
        (_ends_before_it_may_start, "end_by lies before the latest start that is still in time"),
        (_ends_before_it_may, "end_by lies before the expected start and min_duration, so no run can keep both"),
        (_outlasts_the_next_start, "the timeout is longer than the time to the next expected start"),
    )
    for holds, what in facts:
        yield from _jobs_that(holds, jobs, today, what)


def of_days_to_come(jobs: Jobs, calendars: Mapping[str, Calendar], today: date) -> Iterator[str]:
    """Say what was right when it was written and is not any more; the daemon's service says it, too."""
    for name in sorted(calendars):
        yield from _over(calendars[name], today)
    what = f"no start is expected within {AHEAD} days; look at its days and calendars"
    yield from _jobs_that(_is_never_expected, jobs, today, what)


def _jobs_that(
    holds: Callable[[Job, Starts, int, int | None], bool], jobs: Jobs, today: date, what: str
) -> Iterator[str]:
    found = []
    for job in jobs.by_key.values():
        if job.starts is not None:
            now = local_moment(job.zone, today.toordinal(), 0)
            if holds(job, job.starts, now, _next(job.starts, now)):
                found.append(job)
    if found:
        yield f"jobs: {_some(found)}: {what}"


def _over(calendar: Calendar, today: date) -> Iterator[str]:
    """A calendar that holds no day any more is that of a year gone by; nobody has gone on with it."""
    if not calendar.days:
        yield f"calendars: {calendar.name!r} holds no day"
    elif max(calendar.days) < today.toordinal():
        last = date.fromordinal(max(calendar.days))
        yield f"calendars: {calendar.name!r} is over: its last day was {last}"


def _is_never_expected(_job: Job, _starts: Starts, now: int, first: int | None) -> bool:
    return first is None or first - now > AHEAD * DAY


def _falls_on_closed_days(job: Job, starts: Starts, now: int, first: int | None) -> bool:
    """Days that are named, and never once open, in the year to come."""
    if not _is_never_expected(job, starts, now, first):
        return False
    month = month_of(now // DAY + EPOCH.toordinal())
    days = (day for each in range(month, month + 12) for day in days_of(each))
    match starts:
        case Daily():
            return any(starts.is_named(day) for day in days)
        case Cron():
            return any(starts.names(day) and not starts.days.are_open(day) for day in days)
        case _:
            return False


def _ends_before_it_may_start(job: Job, starts: Starts, _now: int, first: int | None) -> bool:
    end = None if first is None else starts.end_by(first)
    return first is not None and end is not None and end <= first + job.max_delay


def _ends_before_it_may(job: Job, starts: Starts, _now: int, first: int | None) -> bool:
    end = None if first is None else starts.end_by(first)
    return first is not None and end is not None and end < first + job.min_duration


def _outlasts_the_next_start(job: Job, starts: Starts, _now: int, first: int | None) -> bool:
    if isinstance(starts, Daily) and any(job.timeout > (b - a) * MINUTE for a, b in pairwise(starts.times)):
        return True
    second = None if first is None else _next(starts, first + 1)
    return first is not None and second is not None and job.timeout > second - first


@lru_cache(maxsize=65_536)
def _next(starts: Starts, moment: int) -> int | None:
    """Remembered, for each of the recommendations asks for it."""
    return starts.next_at_or_after(moment)


def _some(jobs: Sequence[Job]) -> str:
    named = ", ".join(f'"{job.key}"' for job in jobs[:NAMED])
    return f"{named} and {len(jobs) - NAMED} more" if len(jobs) > NAMED else named
