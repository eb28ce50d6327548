"""Promises: what of a job its judgement depends on, as text, to tell after a restart whether it was changed meanwhile.

Rule: one text, one promise; but a calendar is read for the years around the day of reading, so of two readings only
the days that both cover are compared.  Rule: what a job does not use is not in its text, so that what is added to the
program changes no promise.
"""

import json
from base64 import b64decode
from typing import Any
from zlib import decompress

from job_tracker.core.jobs import Job
from job_tracker.core.schedules.calendars import Days
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.written import CALENDAR, starts_written, window_written


def promise_to_text(job: Job) -> str:
    """What of a job its deadlines depend on."""
    starts, rules = job.starts, () if job.windows is None else job.windows.rules
    plain_start = starts.times[0] if isinstance(starts, Daily) and len(starts.times) == 1 else 0
    plain_quiet = len(rules) == 1 and rules[0].days == Days()
    more = starts_written(starts)
    if rules and not plain_quiet:
        more["windows"] = [window_written(rule) for rule in rules]
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
