"""Clock changes: which jobs the next ones touch, and what is expected of each.

Rule: of each zone the next time that is left out and the next that comes twice are told.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from job_tracker.core.jobs import Job
from job_tracker.core.schedules.clock_changes import ClockChange, changes
from job_tracker.core.schedules.cron import Cron, clock_times
from job_tracker.core.schedules.daily import Daily
from job_tracker.moments import MICROSECONDS, MINUTE
from job_tracker.telling.times import local

Document = dict[str, Any]

MANY = 12
"""Starts that are named one by one."""


def documents(jobs: Iterable[Job], begin: int) -> Iterator[Document]:
    """Each job with a start, or an edge of a quiet window, among the clock times of a change; moments in seconds."""
    known: dict[str, list[ClockChange]] = {}
    for job in jobs:
        if job.zone.key not in known:
            known[job.zone.key] = _next_of_each(changes(job.zone, begin))
        for change in known[job.zone.key]:
            expected, windows = _starts(job, change), _windows(job, change)
            if expected is not None or windows:
                first, last = map(time_of_day, change.span)
                yield {
                    "job": job.key,
                    "zone": job.zone.key,
                    "at": change.moment / MICROSECONDS,
                    "what": "left out" if change.is_gap else "twice",
                    "first": first,
                    "last": last,
                    "expected": expected,
                    "windows": windows,
                }


def as_text(found: Iterable[Document]) -> Iterator[str]:
    """The same for people."""
    nothing = True
    for each in found:
        nothing = False
        at = local(round(each["at"] * MICROSECONDS) - 1, each["zone"])
        what = "is left out" if each["what"] == "left out" else "comes twice"
        yield f"{each['job']}: on {at:%Y-%m-%d} {each['first']} to {each['last']} {what} ({each['zone']})"
        if each["expected"] is not None:
            starts = [f"{local(round(one * MICROSECONDS), each['zone']):%H:%M:%S %Z}" for one in each["expected"]]
            more = f" and {len(starts) - MANY} more" if len(starts) > MANY else ""
            yield f"  expected near it: {', '.join(starts[:MANY]) or 'nothing'}{more}"
        for first, last in each["windows"]:
            begin, end = (local(round(one * MICROSECONDS), each["zone"]) for one in (first, last))
            yield f"  quiet from {begin:%H:%M:%S %Z} to {end:%H:%M:%S %Z}"
    if nothing:
        yield "no job has a start, or the edge of a quiet window, in an hour that clocks leave out or show twice"


def time_of_day(wall: int) -> str:
    """A clock time, given as if it were UTC."""
    return f"{datetime.fromtimestamp(wall // MICROSECONDS, UTC):%H:%M}"


def _next_of_each(found: Iterator[ClockChange]) -> list[ClockChange]:
    """The next change that leaves clock times out, and the next that doubles some."""
    first: dict[bool, ClockChange] = {}
    for change in found:
        first.setdefault(change.is_gap, change)
        if len(first) > 1:
            break
    return list(first.values())


def _starts(job: Job, change: ClockChange) -> list[float] | None:
    """What is expected in the hours about a change, where a clock time of the job is concerned; None otherwise."""
    starts, day = job.starts, _day_of(change)
    times = starts.times if isinstance(starts, Daily) else ()
    if isinstance(starts, Cron):
        times = tuple(each // MINUTE for each in clock_times(starts.expression))
    if starts is None or not any(change.concerns(day, each) for each in times):
        return None
    if not starts.has_starts_on(day):
        return None
    width = abs(change.after - change.before)
    found, following = [], starts.next_at_or_after(change.moment - width)
    while following is not None and following <= change.moment + width:
        found.append(following / MICROSECONDS)
        following = starts.next_at_or_after(following + 1)
    return found


def _windows(job: Job, change: ClockChange) -> list[list[float]]:
    """The quiet windows about a change of which an edge is concerned."""
    windows, day = job.windows, _day_of(change)
    rules = () if windows is None else windows.rules
    if windows is None or not any(change.concerns(day, edge) for rule in rules for edge in (rule.begin, rule.end)):
        return []
    near = (windows.window_at(moment) for moment in (change.moment - 1, change.moment))
    return [[begin / MICROSECONDS, end / MICROSECONDS] for begin, end in dict.fromkeys(each for each in near if each)]


def _day_of(change: ClockChange) -> int:
    return datetime.fromtimestamp(change.span[0] // MICROSECONDS, UTC).toordinal()
