"""Schedule recommendations: what only the days to come show of an expected start.

Rule: no fault depends on the day on which a configuration is read; what does is told here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from job_tracker.config.groups import Group
from job_tracker.config.jobs import JobEntry
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.schedules.calendars import Calendar
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.local_time import days_of, local_moment, month_of
from job_tracker.moments import DAY

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
    for name in sorted(calendars):
        yield from _over(calendars[name], today)
    if groups:
        strangers = sorted({entry.group for entry in entries if entry.group and entry.group not in groups})
        for group in strangers:
            yield f"groups: there is no {group!r}, which some jobs name, so it gives them no defaults"
    facts: tuple[tuple[Callable[[Job, int], bool], str], ...] = (
        (_is_never_expected, f"no start is expected within {AHEAD} days; look at its days and calendars"),
        (
            _falls_on_closed_days,
            "its day of the month is closed for months to come, so nothing is expected then; "
            "closed_day: next or previous moves it",
        ),
        (_ends_before_it_may_start, "end_by lies before the latest start that is still in time"),
        (_outlasts_the_next_start, "the timeout is longer than the time to the next expected start"),
    )
    for holds, what in facts:
        found = [job for job in jobs.by_key.values() if job.starts is not None and holds(job, _midnight(job, today))]
        if found:
            yield f"jobs: {_some(found)}: {what}"


def _over(calendar: Calendar, today: date) -> Iterator[str]:
    """A calendar that holds no day any more is that of a year gone by; nobody has gone on with it."""
    if not calendar.days:
        yield f"calendars: {calendar.name!r} holds no day"
    elif max(calendar.days) < today.toordinal():
        last = date.fromordinal(max(calendar.days))
        yield f"calendars: {calendar.name!r} is over: its last day was {last}"


def _is_never_expected(job: Job, now: int) -> bool:
    found = _next(job, now)
    return found is None or found - now > AHEAD * DAY


def _falls_on_closed_days(job: Job, now: int) -> bool:
    """Days that are named, and never once open, in the year to come."""
    starts = job.starts
    if not isinstance(starts, Daily) or not starts.days_of_month or not _is_never_expected(job, now):
        return False
    return any(starts.is_named(day) for month in _year(job, now) for day in days_of(month))


def _ends_before_it_may_start(job: Job, now: int) -> bool:
    first = _next(job, now)
    end = None if first is None or job.starts is None else job.starts.end_by(first)
    return first is not None and end is not None and end <= first + job.max_delay


def _outlasts_the_next_start(job: Job, now: int) -> bool:
    first = _next(job, now)
    second = None if first is None or job.starts is None else job.starts.next_at_or_after(first + 1)
    return first is not None and second is not None and job.timeout > second - first


def _next(job: Job, now: int) -> int | None:
    return None if job.starts is None else job.starts.next_at_or_after(now)


def _midnight(job: Job, today: date) -> int:
    return local_moment(job.zone, today.toordinal(), 0)


def _year(job: Job, now: int) -> Iterable[int]:
    first = month_of(now // DAY + date(1970, 1, 1).toordinal())
    return range(first, first + 12)


def _some(jobs: Sequence[Job]) -> str:
    named = ", ".join(f'"{job.key}"' for job in jobs[:NAMED])
    return f"{named} and {len(jobs) - NAMED} more" if len(jobs) > NAMED else named
