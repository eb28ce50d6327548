"""Habits: a cyclic job that only runs on some weekdays, and a job that finds nothing to do every time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.calendars import EVERY_DAY, Days
from job_tracker.core.schedules.local_time import local_day, plain_midnight
from job_tracker.core.schedules.quiet import Quiet
from job_tracker.core.signals import CAUSED, Signal
from job_tracker.core.standing import Outcome
from job_tracker.moments import DAY, MINUTE
from job_tracker.view.hints.words import NEEDED, Hint, Past, rounded_up, says, written
from job_tracker.view.promises import minutes, weekday_words

WEEKS = 3
"""So often a weekday has to have passed without a start."""
MOST_OF_THEM = 2 / 3
"""A weekday on which it runs has a start in most weeks; holidays are the others."""
ONE_TIME = 120
"""Minutes within which starts are those of one clock time."""
INTERVAL, COUNTS_FROM = "cyclic_interval_in_hh:mm:ss", "cyclic_interval_counts_from"
WORDS = {Signal.END: "success", Signal.WARNING: "warning", Signal.SKIPPED: "skipped"}


def about_weekdays(past: Past) -> Iterator[Hint]:
    """Say that a cyclic job keeps to weekdays, where its interval says that it runs every day."""
    job = past.job
    if job.kind is not Kind.CYCLIC or job.interval > DAY + 60 * MINUTE or not past.is_enough:
        return
    days = Counter(local_day(job.zone, start) for start in past.starts)
    runs_on = _weekdays(days)
    if runs_on == EVERY_DAY or not runs_on or _are_quiet(job, days, runs_on):
        return
    words = weekday_words(runs_on)
    times = _one_time(job, past.starts)
    if times is None or max(days.values()) > 1:
        rest = Quiet(begin=0, end=24 * 60, days=Days(weekdays=EVERY_DAY & ~runs_on))
        windows = [_written(rule) for rule in (*(job.windows.rules if job.windows else ()), rest)]
        text = f"it starts every so often, but only on {words}: on other days its silence means nothing"
        yield says(job, "weekdays", text, {"quiet_windows": windows})
        return
    first, last = times[0] // 5 * 5, times[-1]
    lines = {
        "cyclic_or_daily": "daily",
        "daily_start_time_in_hh:mm": minutes(first),
        "weekdays": words,
        "start_max_delay_in_hh:mm:ss": written(rounded_up(3 * (last - first + 5) * MINUTE // 2)),
    }
    text = f"it starts once a day, between {minutes(times[0])} and {minutes(last + 1)}, and on {words} alone"
    without = (INTERVAL, COUNTS_FROM) if job.counts_from_end else (INTERVAL,)
    yield says(job, "weekdays", text, lines, *without)


def about_skipped(past: Past) -> Iterator[Hint]:
    """Say that a job has found nothing to do for long, as one does whose lock was left by a dead run."""
    job, last = past.job, past.runs[-NEEDED:]
    codes = {run.exit_code for run in last if run.exit_code is not None and run.exit_code >= 0}
    if len(last) < NEEDED or any(run.outcome is not Outcome.SKIPPED for run in last):
        return
    if not any(job.exit_codes.get(code) is Signal.SKIPPED for code in codes):
        return
    kept = {code: signal for code, signal in job.exit_codes.items() if code not in codes and CAUSED.get(code) != signal}
    lists: dict[str, list[int]] = {}
    for code, signal in sorted({**kept, **dict.fromkeys(codes, Signal.WARNING)}.items()):
        lists.setdefault(WORDS[signal], []).append(code)
    shown = ", ".join(str(code) for code in sorted(codes))
    text = (
        f"each of its last {len(last)} runs was skipped (exit code {shown}): look for a lock that nobody holds any "
        "more; these lines let every such run be seen as WARNING"
    )
    yield says(job, "skipped", text, {"exit_codes": lists})


def _weekdays(days: Counter[int]) -> int:
    """The weekdays on which starts came, as bits; none if that is no habit yet."""
    passed, met = Counter(day % 7 for day in range(min(days), max(days) + 1)), Counter(day % 7 for day in days)
    if any(passed[weekday] < WEEKS for weekday in range(7)):
        return 0
    if any(met[weekday] < MOST_OF_THEM * passed[weekday] for weekday in met):
        return 0
    return sum(1 << (weekday + 6) % 7 for weekday in met)


def _are_quiet(job: Job, days: Counter[int], runs_on: int) -> bool:
    """Whether all of the other days are quiet at noon, so that nothing is asked of them as it is."""
    free = [day for day in range(min(days), max(days) + 1) if not runs_on >> (day + 6) % 7 & 1]
    noons = (plain_midnight(job.zone, day) for day in free)
    windows = job.windows
    return windows is not None and all(
        windows.window_at(midnight + DAY // 2) is not None for midnight in noons if midnight is not None
    )


def _one_time(job: Job, starts: Sequence[int]) -> list[int] | None:
    """The clock times of starts, in minutes, if all of them are about one."""
    found = []
    for start in starts:
        midnight = plain_midnight(job.zone, local_day(job.zone, start))
        if midnight is not None:
            found.append((start - midnight) // MINUTE)
    found.sort()
    return found if found and found[-1] - found[0] <= ONE_TIME else None


def _written(rule: Quiet) -> dict[str, Any]:
    """A quiet window as a configuration has it."""
    written: dict[str, Any] = {"from": minutes(rule.begin), "until": minutes(rule.end)}
    if rule.days.weekdays != EVERY_DAY:
        written["weekdays"] = weekday_words(rule.days.weekdays)
    for key, calendars in (("only_on", rule.days.only_on), ("not_on", rule.days.not_on)):
        if calendars:
            written[key] = [each.name for each in calendars]
    return written
