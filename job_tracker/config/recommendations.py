"""Recommendations: what a configuration may say, but hardly anybody means.

Rule: each one says what will happen and what to write instead; nothing here keeps the tracker from starting.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from job_tracker.config import schedule_recommendations, zones
from job_tracker.config.groups import Group
from job_tracker.config.jobs import JobEntry
from job_tracker.config.settings import Settings, SourceHost
from job_tracker.core.jobs import Jobs, Kind
from job_tracker.core.schedules.calendars import Calendar
from job_tracker.moments import MICROSECONDS
from job_tracker.process.secret_files import SecretRefused, look_at_secret
from job_tracker.sources.queue import ADD_MAY_WAIT

_NAMED = 3


def about(
    settings: Settings,
    sources: Sequence[SourceHost],
    entries: Sequence[JobEntry],
    jobs: Jobs,
    calendars: Mapping[str, Calendar],
    groups: Mapping[str, Group],
    today: date,
) -> Iterator[str]:
    """Say what to look at again, the most general first; today: where the days to come begin."""
    yield from _about_zone(settings)
    yield from _about_tolerance(settings)
    yield from _about_sources(sources)
    yield from _about_jobs(settings, sources, entries)
    yield from schedule_recommendations.about(entries, jobs, calendars, groups, today)


def _about_zone(settings: Settings) -> Iterator[str]:
    doubt = "" if "time_zone" in settings.model_fields_set else zones.host_zone().doubt
    if doubt:
        yield f"global_config: time_zone: {doubt}; name the zone"


def _about_tolerance(settings: Settings) -> Iterator[str]:
    interval, answer = settings.interval_microseconds, settings.load_timeout_microseconds
    # A second above what the watermark always lags by, for the way there and back.
    lag = min(interval, answer // 2) + ADD_MAY_WAIT + MICROSECONDS
    tolerated = interval + answer
    if tolerated < lag:
        enough = min(6 * MICROSECONDS, 12 * MICROSECONDS - 2 * interval)
        yield (
            f"global_config: controller_data_load_timeout_in_sec: a source is heard up to {_seconds(lag)} late, and "
            f"interval and load timeout tolerate only {_seconds(tolerated)}, so jobs would show UNKNOWN for moments; "
            f"make it at least {_seconds(enough)}"
        )


def _about_sources(sources: Sequence[SourceHost]) -> Iterator[str]:
    if not sources:
        yield "source_hosts: there is none, so nothing will be heard of any job"
    queues: dict[tuple[object, ...], str] = {}
    for source in sources:
        where = None if source.connection == "local" else (source.hostname, source.port)
        first = queues.setdefault((where, source.message_queue or source.url), source.name)
        if first != source.name and source.url:
            yield f'source_hosts: "{first}" and "{source.name}" ask the same server, and each job there is told twice'
        elif first != source.name:
            yield f'source_hosts: "{first}" and "{source.name}" read the same queue and will take it from each other'
        idle = [key for key in SourceHost.SSH_ONLY if key in source.model_fields_set]
        if source.connection == "local" and idle:
            yield f'source_hosts: "{source.name}" is local, so {", ".join(idle)} means nothing'
        secrets = (source.bearer_token_file, source.password_file, source.client_certificate)
        for path in (each for each in secrets if each is not None):
            try:
                look_at_secret(path)
            except SecretRefused as refusal:
                yield f'source_hosts: "{source.name}": {refusal}; without it the server is not asked'


def _about_jobs(settings: Settings, sources: Sequence[SourceHost], jobs: Sequence[JobEntry]) -> Iterator[str]:
    if not jobs:
        yield "jobs: there is none, so nothing will be watched"
    anywhere = [job for job in jobs if not job.source_host]
    if len(sources) > 1 and anywhere:
        yield (
            f"jobs: {_some(anywhere)}: no source_host is named, so until its first message a job is UNKNOWN whenever "
            "any source is unreachable, and any source may speak for it; name it"
        )
    hasty = [job for job in jobs if job.kind is Kind.CYCLIC and job.interval < settings.grace_microseconds]
    if hasty:
        yield (
            f"jobs: {_some(hasty)}: the interval is shorter than controller_message_grace_period_in_sec, "
            "so a start is missed only after the next one was due"
        )
    from_start = [job for job in jobs if job.kind is Kind.CYCLIC and job.counts_from == "start"]
    slow = [job for job in from_start if job.timeout > job.interval]
    if slow:
        yield (
            f"jobs: {_some(slow)}: the timeout is longer than the interval; while a run is open no start is missed, "
            "so one that hangs hides the others"
        )


def _some(jobs: Sequence[JobEntry]) -> str:
    named = ", ".join(f'"{job.name}__{job.env}"' for job in jobs[:_NAMED])
    return f"{named} and {len(jobs) - _NAMED} more" if len(jobs) > _NAMED else named


def _seconds(microseconds: int) -> str:
    return f"{microseconds / MICROSECONDS:g} s"
