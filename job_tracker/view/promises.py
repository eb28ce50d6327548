"""Promises: what the operator promised of a job, in values and in words, for the view and for check-config.

Rule: pure; durations are whole microseconds, clock times minutes after midnight.
"""

from typing import Any

from job_tracker.core.jobs import Job, Kind
from job_tracker.moments import span

Document = dict[str, Any]


def promise_document(job: Job) -> Document:
    """What was promised of a job, in values and in words."""
    daily = job.kind is Kind.DAILY
    return {
        "name": job.name,
        "env": job.env,
        "order": job.order,
        "kind": job.kind.value,
        "interval": None if daily else job.interval,
        "counts_from": None if daily else ("end" if job.counts_from_end else "start"),
        "daily_start": job.daily_start if daily else None,
        "max_delay": job.max_delay,
        "max_early": job.max_early if daily else None,
        "timeout": job.timeout,
        "grace": job.grace,
        "max_errors": job.max_errors,
        "status_below": job.status_below,
        "quiet": None if job.quiet is None else [job.quiet.begin, job.quiet.end],
        "named_sources": list(job.sources),
        "zone": job.zone.key,
        "words": promise_words(job),
    }


def promise_words(job: Job) -> str:
    """The promise in a sentence."""
    late = f"at most {span(job.max_delay)} late" if job.max_delay else "without delay"
    if job.kind is Kind.DAILY:
        start = (
            f"starts daily at {minutes(job.daily_start)} ({job.zone.key}), at most {span(job.max_early)} early, {late}"
        )
    else:
        since = "end" if job.counts_from_end else "start"
        start = f"starts every {span(job.interval)} after its last {since}, {late}"
    alarm = "the first error" if job.max_errors == 1 else f"{job.max_errors} errors"
    return f"{start}; a run takes at most {span(job.timeout)}; alarm at {alarm}"


def minutes(after_midnight: int) -> str:
    """A clock time."""
    return f"{after_midnight // 60:02d}:{after_midnight % 60:02d}"
