"""The schedule: what is expected of each job in the days to come, and why a day is left out, moved or touched.

Rule: nothing is decided here: starts, deadlines and windows are asked of the core; this says in words what they did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.cli.screens import clock_change_lines, output
from job_tracker.config.reading import Config, load
from job_tracker.core.jobs import Job
from job_tracker.core.schedules.calendars import Days
from job_tracker.core.schedules.clock_changes import changes
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.local_time import local_day, local_moment
from job_tracker.core.schedules.quiet import move_expected
from job_tracker.errors import JobTrackerError
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import clock as clock_text
from job_tracker.telling.times import local, moment
from job_tracker.view.promises import promise_words, weekday_words

Document = dict[str, Any]

NOTHING = {
    "cyclic": "it has no times of its own: each start is expected an interval after the one before",
    "on_demand": "no start is expected, ever",
    "daily": "nothing is expected in these days",
    "cron": "nothing is expected in these days",
}
MANY = 24
"""Starts of one day that are still shown one by one."""


class NoSuchJob(JobTrackerError):
    """The configuration has no such job; nothing is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose starts are asked for, from which moment on, and for how many days; and whether of clock changes alone."""

    pattern: str = ""
    begin: str | None = None
    days: int = 14
    clock_changes: bool = False


def show(path: Path, asked: Asked, *, json: bool) -> None:
    """Show what is expected."""
    config = load(path)
    jobs = _asked_for(config, asked.pattern)
    begin = moment("--from", asked.begin, config.settings.time_zone)
    begin = clock.now() if begin is None else begin
    if asked.clock_changes:
        found = list(clock_change_lines.documents(jobs, begin))
        if json:
            output.put_json({"config": str(path), "changes": found})
        else:
            output.put("\n".join(clock_change_lines.as_text(found)))
        return
    documents = [document(job, begin, asked.days) for job in jobs]
    if json:
        output.put_json({"config": str(path), "from": begin / MICROSECONDS, "jobs": documents})
    else:
        output.put("\n\n".join("\n".join(as_text(each)) for each in documents))


def document(job: Job, begin: int, days: int) -> Document:
    """The starts of a job from a moment on, and the days that it would have starts on and has not; moments in s."""
    first = local_day(job.zone, begin)
    end = local_moment(job.zone, first + days, 0)
    return {
        "job": job.key,
        "kind": job.kind.value,
        "zone": job.zone.key,
        "promise": promise_words(job),
        "starts": list(_starts(job, begin, end)),
        "left_out": list(_left_out(job, range(first, first + days))),
    }


def as_text(found: Document) -> Iterator[str]:
    """A job's schedule for people."""
    yield f"{found['job']}: {safe(found['promise'])}"
    rows = [(each["start"], _start_line(each, found["zone"])) for each in found["starts"]]
    rows += [(each["at"], f"{each['day']} {each['why']}") for each in found["left_out"]]
    by_day: dict[str, list[str]] = {}
    for at, line in sorted(rows):
        by_day.setdefault(line[:14], []).append(line)
        del at
    for lines in by_day.values():
        if len(lines) > MANY:
            yield f"  {lines[0]}"
            yield f"  {lines[0][:14]} … {len(lines) - 2} more"
            lines = lines[-1:]
        yield from (f"  {safe(line)}" for line in lines)
    if not rows:
        yield f"  {NOTHING[found['kind']]}"


def next_starts(job: Job, begin: int, count: int) -> list[int]:
    """The next expected starts of a job, in microseconds."""
    found: list[int] = []
    following = None if job.starts is None else job.starts.next_at_or_after(begin)
    while job.starts is not None and following is not None and len(found) < count:
        found.append(following)
        following = job.starts.next_at_or_after(following + 1)
    return found


def _asked_for(config: Config, pattern: str) -> list[Job]:
    jobs = list(config.jobs.by_key.values())
    found = [job for job in jobs if not pattern or pattern in (job.key, job.name) or fnmatchcase(job.key, pattern)]
    if pattern and not found:
        raise NoSuchJob(f"{safe(pattern)}: no job of the configuration is called so; patterns are as of a shell")
    return found


def _starts(job: Job, begin: int, end: int) -> Iterator[Document]:
    starts = job.starts
    start = None if starts is None else starts.next_at_or_after(begin)
    while starts is not None and start is not None and start < end:
        base = start + job.max_delay + job.grace
        deadline = move_expected(job.windows, starts, start, job.max_delay, job.grace)
        end_by = starts.end_by(start)
        yield {
            "start": start / MICROSECONDS,
            "counts_from": (start - starts.early(start)) / MICROSECONDS,
            "deadline": deadline / MICROSECONDS,
            "end_by": None if end_by is None else end_by / MICROSECONDS,
            "why": [*_of_day(job, start), *_of_clocks(job, start), *_of_window(job, base, deadline)],
        }
        start = starts.next_at_or_after(start + 1)


def _of_day(job: Job, start: int) -> Iterator[str]:
    """Where a start that lies on a day which is not named comes from."""
    starts, day = job.starts, local_day(job.zone, start)
    if isinstance(starts, Daily) and not starts.is_named(day) and starts.receives(day):
        yield f"moved here from a closed day: {starts.closed_day.value} open day"


def _of_clocks(job: Job, start: int) -> Iterator[str]:
    """What a change of the clocks did to a start."""
    day = local_day(job.zone, start)
    for change in changes(job.zone, start - DAY, 2):
        first, last = (clock_change_lines.time_of_day(each) for each in change.span)
        times = job.starts.times if isinstance(job.starts, Daily) else ()
        touched = [each for each in times if change.concerns(day, each) and local_moment(job.zone, day, each) == start]
        for each in touched:
            if change.is_gap:
                yield f"{each // 60:02d}:{each % 60:02d} does not exist: clocks go from {first} to {last}"
            else:
                yield f"{each // 60:02d}:{each % 60:02d} comes twice, the first counts: clocks go back to {first}"
        if isinstance(job.starts, Cron) and local_day(job.zone, change.moment) == day:
            yield f"clocks are changed: from {first} to {last} " + ("is left out" if change.is_gap else "comes twice")


def _of_window(job: Job, base: int, deadline: int) -> Iterator[str]:
    if deadline != base and job.windows is not None:
        window = job.windows.window_at(base)
        if window is None:
            yield "deadline moved behind that of the start before it"
        else:
            first, last = (clock_text(each, job.zone.key) for each in window)
            yield f"deadline moved out of the quiet window from {first} to {last}"


def _left_out(job: Job, days: range) -> Iterator[Document]:
    for day in days:
        why = _why_closed(job, day)
        if why:
            shown = date.fromordinal(day)
            at = local_moment(job.zone, day, 0) / MICROSECONDS
            yield {"day": f"{shown:%a %Y-%m-%d}".lower(), "at": at, "why": why}


def _why_closed(job: Job, day: int) -> str:
    starts = job.starts
    if isinstance(starts, Daily) and starts.is_named(day) and not starts.days.are_open(day):
        moved = starts.moved_to(day)
        where = "left out" if moved is None else f"moved to {date.fromordinal(moved):%a %Y-%m-%d}".lower()
        return f"{where}: {_closed_by(starts.days, day)}"
    if isinstance(starts, Cron) and starts.names(day) and not starts.days.admit(day):
        held = _closed_by(starts.days, day)
        return f"left out: {held or 'no calendar of only_on holds it'}"
    return ""


def _closed_by(days: Days, day: int) -> str:
    if not days.weekdays >> (day + 6) % 7 & 1:
        return f"weekdays are {weekday_words(days.weekdays)}"
    holding: Sequence[str] = [calendar.name for calendar in days.not_on if day in calendar.days]
    return f"not on {', '.join(holding)}" if holding else ""


def _start_line(start: Document, zone: str) -> str:
    shown = local(round(start["start"] * MICROSECONDS), zone)
    deadline = local(round(start["deadline"] * MICROSECONDS), zone)
    until = f"{deadline:%H:%M:%S}" if deadline.date() == shown.date() else f"{deadline:%Y-%m-%d %H:%M:%S}"
    line = f"{shown:%a %Y-%m-%d}".lower() + f" {shown:%H:%M:%S %Z}, late from {until}"
    if start["end_by"] is not None:
        line += f", ends by {local(round(start['end_by'] * MICROSECONDS), zone):%H:%M}"
    return line + "".join(f"; {why}" for why in start["why"])
