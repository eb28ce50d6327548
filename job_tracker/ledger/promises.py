"""Promises: what of a job its judgement depends on, as text, to tell after a restart whether it was changed meanwhile.

Rule: one text, one promise; but a calendar is read for the years around the day of reading, so of two readings only
the days that both cover are compared.  Rule: what a job does not use is not in its text, so that what is added to the
program changes no promise.
"""

import json
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import Any
from zlib import compress, decompress

from job_tracker.core.jobs import Job
from job_tracker.core.schedules.calendars import EVERY_DAY, Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.quiet import Quiet
from job_tracker.core.schedules.starts import Starts

CALENDAR = "days"
"""The key of an object that tells of the days of calendars, and of nothing else."""


def promise_to_text(job: Job) -> str:
    """What of a job its deadlines depend on."""
    starts, rules = job.starts, () if job.windows is None else job.windows.rules
    plain_start = starts.times[0] if isinstance(starts, Daily) and len(starts.times) == 1 else 0
    plain_quiet = len(rules) == 1 and rules[0].days == Days()
    more = _starts(starts)
    if rules and not plain_quiet:
        more["windows"] = [_window(rule) for rule in rules]
    more |= {key: value for key, value in (("min", job.min_duration), ("may_skip", job.may_skip)) if value}
    return json.dumps(
        [
            job.kind.value,
            job.interval,
            job.counts_from_end,
            plain_start,
            job.max_delay,
            0 if starts is None else starts.max_early,
            job.timeout,
            job.grace,
            job.zone.key,
            [rules[0].begin, rules[0].end] if plain_quiet else None,
            *([more] if more else []),
        ]
    )


def is_same_promise(kept: str, given: str) -> bool:
    """Whether two texts are the same promise, of which the calendars may have been read on different days."""
    if kept == given or not kept or CALENDAR not in given:
        return kept == given
    before: list[Any] = []
    after: list[Any] = []
    without = [json.dumps(_without_days(json.loads(text), days)) for text, days in ((kept, before), (given, after))]
    return without[0] == without[1] and all(map(_agree, before, after))


def _starts(starts: Starts | None) -> dict[str, Any]:
    """What an expected start may be beside one time on every day."""
    more: dict[str, Any] = {}
    match starts:
        case Daily():
            more["times"] = starts.times if len(starts.times) > 1 else None
            more["days_of_month"] = starts.days_of_month
            more["working_days_of_month"] = starts.working_days_of_month
            more["closed_day"] = starts.closed_day.value if starts.closed_day is not ClosedDay.SKIP else None
            more["on"] = _days(starts.days)
        case Cron():
            more["cron"] = starts.expression
            more["on"] = _days(starts.days)
    if starts is not None and starts.end_clock is not None:
        more["end_by"] = [starts.end_clock]
    return {key: value for key, value in more.items() if value}


def _window(rule: Quiet) -> list[Any]:
    return [rule.begin, rule.end, _days(rule.days)]


def _days(days: Days) -> dict[str, Any]:
    found: dict[str, Any] = {"weekdays": days.weekdays if days.weekdays != EVERY_DAY else None}
    found |= {"only_on": _calendars(days.only_on), "not_on": _calendars(days.not_on)}
    return {key: value for key, value in found.items() if value}


@lru_cache(maxsize=1024)
def _calendars(calendars: tuple[Calendar, ...]) -> dict[str, Any] | None:
    """The days that one of some calendars holds; as bits, for they may be thousands, in each of ten thousand jobs."""
    if not calendars:
        return None
    first, last = max(each.first for each in calendars), min(each.last for each in calendars)
    bits = 0
    for day in frozenset().union(*(each.days for each in calendars)):
        if first <= day <= last:
            bits |= 1 << day - first
    packed = compress(bits.to_bytes((last - first) // 8 + 1, "little"), 9)
    return {CALENDAR: [first, last, b64encode(packed).decode()]}


def _without_days(promise: Any, days: list[Any]) -> Any:
    """A promise with the days of its calendars taken out, in order."""
    match promise:
        case {"days": found}:
            days.append(found)
            return CALENDAR
        case dict():
            return {key: _without_days(value, days) for key, value in promise.items()}
        case list():
            return [_without_days(value, days) for value in promise]
    return promise


def _agree(before: list[Any], after: list[Any]) -> bool:
    first, last = max(before[0], after[0]), min(before[1], after[1])
    return first > last or _bits(before, first, last) == _bits(after, first, last)


def _bits(calendar: list[Any], first: int, last: int) -> int:
    bits: int = int.from_bytes(decompress(b64decode(calendar[2])), "little") >> first - calendar[0]
    return bits & (1 << last - first + 1) - 1
