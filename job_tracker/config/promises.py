"""Promises: from the entries of a configuration to the jobs that the core judges."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

from job_tracker.config.jobs import JobEntry, early
from job_tracker.config.outcomes import codes_of
from job_tracker.config.settings import Settings, SourceHost
from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.schedules.calendars import Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.signals import Keywords

Calendars = Mapping[str, Calendar]


def jobs_of(
    settings: Settings, sources: Sequence[SourceHost], entries: Sequence[JobEntry], calendars: Calendars
) -> Jobs:
    """All promises of a configuration without faults."""
    jobs = [_job(entry, settings, calendars, order) for order, entry in enumerate(entries)]
    names = {(name, env or entry.env): entry.key for entry in entries for name, env in entry.reported_as}
    return Jobs(
        by_key={job.key: job for job in jobs},
        names=names,
        sources=tuple(source.name for source in sources),
        tolerance=settings.interval_microseconds + settings.load_timeout_microseconds,
        grace=settings.grace_microseconds,
        history=settings.history,
        keywords=Keywords(
            start=settings.start_keyword,
            error=settings.error_keyword,
            end=settings.end_keyword,
            warning=settings.warning_keyword,
        ),
    )


def _job(entry: JobEntry, settings: Settings, calendars: Calendars, order: int) -> Job:
    zone = entry.time_zone or settings.time_zone
    codes, may_skip = codes_of(
        entry.exit_codes, entry.canceled_counts_as, entry.dismissed_counts_as, entry.gone_counts_as
    )
    return Job(
        name=entry.name,
        env=entry.env,
        kind=entry.kind,
        timeout=entry.timeout,
        grace=settings.grace_microseconds,
        zone=zone,
        interval=entry.interval,
        counts_from_end=entry.counts_from == "end",
        starts=starts_of(entry, settings.grace_microseconds, zone, calendars),
        max_delay=entry.max_delay,
        max_errors=entry.max_errors,
        status_below=entry.status_below,
        windows=_windows(zone, rules_of(entry, settings, calendars)),
        sources=entry.source_host,
        group=entry.group,
        min_duration=entry.min_duration,
        exit_codes=codes,
        may_skip=may_skip,
        order=order,
    )


def starts_of(entry: JobEntry, grace: int, zone: ZoneInfo, calendars: Calendars) -> Starts | None:
    """The expected starts of a job, None for one that has no such."""
    max_early = early(grace) if entry.max_early is None else entry.max_early
    only_on, not_on = _named(entry.only_on, calendars), _named(entry.not_on, calendars)
    match entry.kind:
        case Kind.DAILY:
            return Daily(
                zone=zone,
                max_early=max_early,
                end_clock=entry.end_by,
                times=entry.daily_starts,
                days=Days(weekdays=entry.admitted_weekdays, only_on=only_on, not_on=not_on),
                days_of_month=entry.days_of_month,
                working_days_of_month=entry.working_days_of_month,
                closed_day=entry.closed_day,
            )
        case Kind.CRON:
            days = Days(only_on=only_on, not_on=not_on)
            return Cron(zone=zone, max_early=max_early, end_clock=entry.end_by, expression=entry.cron, days=days)
        case Kind.CYCLIC | Kind.ON_DEMAND:
            return None


def rules_of(entry: JobEntry, settings: Settings, calendars: Calendars) -> tuple[Quiet, ...]:
    """The quiet windows of a job: its own, and for a cyclic one the global one as well."""
    own = [
        Quiet(
            begin=window["from"],
            end=window["until"],
            days=Days(
                weekdays=window["weekdays"],
                only_on=_named(window["only_on"], calendars),
                not_on=_named(window["not_on"], calendars),
            ),
        )
        for window in entry.quiet_windows
    ]
    everywhere = [settings.quiet] if settings.quiet is not None and entry.kind is Kind.CYCLIC else []
    return tuple(everywhere + own)


@lru_cache(maxsize=4096)
def _windows(zone: ZoneInfo, rules: tuple[Quiet, ...]) -> Windows | None:
    """One object for all jobs with the same windows, so that what is worked out for one is there for all."""
    return Windows(zone=zone, rules=rules) if rules else None


def _named(names: tuple[str, ...], calendars: Calendars) -> tuple[Calendar, ...]:
    return tuple(calendars[name] for name in names)
