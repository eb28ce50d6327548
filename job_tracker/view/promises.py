"""Promises: what the operator promised of a job, in values and in words, for the view and for check-config.

Rule: pure; durations are whole microseconds, clock times minutes after midnight.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.calendars import EVERY_DAY, Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.schedules.written import starts_read, starts_written, window_written, windows_read
from job_tracker.core.signals import CAUSED, Signal
from job_tracker.moments import span

Document = dict[str, Any]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def promise_document(job: Job) -> Document:
    """What was promised of a job, in values and in words."""
    cyclic, starts = job.kind is Kind.CYCLIC, job.starts
    return {
        "name": job.name,
        "env": job.env,
        "group": job.group,
        "order": job.order,
        "kind": job.kind.value,
        "interval": job.interval if cyclic else None,
        "counts_from": ("end" if job.counts_from_end else "start") if cyclic else None,
        "daily_starts": list(starts.times) if isinstance(starts, Daily) else None,
        "cron": starts.expression if isinstance(starts, Cron) else None,
        "end_by": None if starts is None else starts.end_clock,
        "max_delay": job.max_delay,
        "max_early": None if starts is None else starts.max_early,
        "timeout": job.timeout,
        "grace": job.grace,
        "max_errors": job.max_errors,
        "status_below": job.status_below,
        "quiet": [_quiet(rule) for rule in job.windows.rules] if job.windows is not None else [],
        "laid_out": {
            **starts_written(starts),
            "windows": [window_written(rule) for rule in job.windows.rules] if job.windows is not None else [],
        },
        "named_sources": list(job.sources),
        "zone": job.zone.key,
        "words": promise_words(job),
    }


def schedule_of(promise: Document) -> tuple[Starts | None, Windows | None]:
    """When a job is expected to start and when silence is excused, as the tracker that wrote the view judges by."""
    laid_out, zone = promise.get("laid_out", {}), ZoneInfo(promise["zone"])
    times: list[int] = promise["daily_starts"] or []
    starts = starts_read(laid_out, zone, promise["max_early"] or 0, times[0] if len(times) == 1 else None)
    return starts, windows_read(laid_out.get("windows", []), zone)


def promise_words(job: Job) -> str:
    """The promise in a sentence."""
    least = f"at least {span(job.min_duration)} and " if job.min_duration else ""
    takes = f"a run takes {least}at most {span(job.timeout)}"
    if job.starts is not None and job.starts.end_clock is not None:
        takes += f" and ends by {minutes(job.starts.end_clock)}"
    alarm = "the first error" if job.max_errors == 1 else f"{job.max_errors} errors"
    return f"{_start_words(job)}; {takes}{_code_words(job)}; alarm at {alarm}"


def _code_words(job: Job) -> str:
    """Which exit codes mean something else than they would by themselves, as `; exit code 24 is a warning`."""
    parts = []
    for signal, word in ((Signal.END, "a success"), (Signal.WARNING, "a warning"), (Signal.SKIPPED, "skipped")):
        codes = [
            str(code) for code, each in sorted(job.exit_codes.items()) if each is signal and CAUSED.get(code) != each
        ]
        if codes:
            parts.append(f"; exit code {' or '.join(codes)} is {word}")
    return "".join(parts)


def minutes(after_midnight: int) -> str:
    """A clock time."""
    return f"{after_midnight // 60:02d}:{after_midnight % 60:02d}"


def day_words(days: Days) -> str:
    """Which days, as ` on mon-fri, not on holidays`; empty for all of them."""
    parts = [f"on {weekday_words(days.weekdays)}"] if days.weekdays != EVERY_DAY else []
    parts += [f"only on {_names(days.only_on)}"] if days.only_on else []
    parts += [f"not on {_names(days.not_on)}"] if days.not_on else []
    return f" {', '.join(parts)}" if parts else ""


def weekday_words(bits: int) -> str:
    """Weekdays as they are configured, the neighbours put together: mon-fri, sun."""
    return ",".join(first if first == last else f"{first}-{last}" for first, last in _stretches(bits))


def _stretches(bits: int) -> Iterator[tuple[str, str]]:
    first = None
    for at, name in enumerate(WEEKDAYS):
        if bits >> at & 1 and first is None:
            first = name
        if first is not None and not bits >> at + 1 & 1:
            yield first, name
            first = None


def _start_words(job: Job) -> str:
    late = f"at most {span(job.max_delay)} late" if job.max_delay else "without delay"
    match job.starts:
        case Daily() as daily:
            when = f"daily at {_listed([minutes(each) for each in daily.times])}{_named_days(daily)}"
        case Cron() as cron:
            when = f"as cron's '{cron.expression}'{day_words(cron.days)}"
        case _ if job.kind is Kind.ON_DEMAND:
            return "starts when somebody or something starts it"
        case _:
            since = "end" if job.counts_from_end else "start"
            return f"starts every {span(job.interval)} after its last {since}, {late}"
    return f"starts {when} ({job.zone.key}), at most {span(job.starts.max_early)} early, {late}"


def _named_days(daily: Daily) -> str:
    named = [f"{_place(each, 'day')} of the month" for each in daily.days_of_month]
    named += [f"{_place(each, 'working day')} of the month" for each in daily.working_days_of_month]
    words = f" on the {_listed(named)}" if named else ""
    words += day_words(daily.days)
    if daily.closed_day is not ClosedDay.SKIP:
        words += f", on a closed day the {daily.closed_day.value} open one"
    return words


def _place(place: int, what: str) -> str:
    if place > 0:
        return f"{place}. {what}"
    return f"last {what}" if place == -1 else f"{-place}. last {what}"


def _quiet(rule: Quiet) -> Document:
    return {"from": rule.begin, "until": rule.end, "on": day_words(rule.days).strip()}


def _names(calendars: Iterable[Calendar]) -> str:
    return _listed([each.name for each in calendars])


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
