"""Promises: what a configuration says of each job, in the words of the model.

Rule: a group gives defaults; what a job says itself wins as a whole, and what is not for a job's kind is passed over.
Rule: the two global keys are one more quiet window of every cyclic job.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from second_reading.calendars import Calendar, admission, calendar_of, listed
from second_reading.expected import Cron, Daily, Sequence
from second_reading.windows import Window, Windows
from second_reading.zones import MINUTE, SECOND

FOR_KIND: Mapping[str, frozenset[str]] = {
    "cyclic_interval_in_hh:mm:ss": frozenset({"cyclic"}),
    "cyclic_interval_counts_from": frozenset({"cyclic"}),
    "daily_start_time_in_hh:mm": frozenset({"daily"}),
    "weekdays": frozenset({"daily"}),
    "days_of_month": frozenset({"daily"}),
    "working_days_of_month": frozenset({"daily"}),
    "closed_day": frozenset({"daily"}),
    "only_on": frozenset({"daily", "cron"}),
    "not_on": frozenset({"daily", "cron"}),
    "cron_expression": frozenset({"cron"}),
    "start_max_early_in_hh:mm:ss": frozenset({"daily", "cron"}),
    "start_max_delay_in_hh:mm:ss": frozenset({"cyclic", "daily", "cron"}),
    "end_by_in_hh:mm": frozenset({"daily", "cron"}),
}
CAUSED = {"canceled_counts_as": (-1, "skipped"), "dismissed_counts_as": (-2, "error"), "gone_counts_as": (-3, "error")}
QUIET_FROM, QUIET_UNTIL = "no_timeout_for_cyclic_jobs_from_in_hh:mm", "no_timeout_for_cyclic_jobs_until_in_hh:mm"


@dataclass(frozen=True, kw_only=True, eq=False)
class Promise:
    """What one job promised; durations in microseconds.

    codes: the word that an exit code stands for.  lists_skipped: whether the configuration itself names skipped codes.
    source_hosts: who alone may speak for the job, or None.  names: the pairs of job and instance it reports under.
    """

    key: str
    kind: str
    zone: str
    grace: int
    timeout: int
    interval: int = 0
    counts_from: str = "start"
    max_delay: int = 0
    max_errors: int = 1
    status_below: int = 0
    sequence: Sequence | None = None
    end_by: int | None = None
    min_duration: int = 0
    codes: Mapping[int, str] = field(default_factory=dict)
    lists_skipped: bool = False
    windows: Windows
    names: frozenset[tuple[str, str]]
    source_hosts: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class House:
    """What holds for all jobs; sources: those that are configured, in no order."""

    promises: tuple[Promise, ...]
    words: Mapping[str, str]
    grace: int
    lag: int
    sources: frozenset[str]


def read(config: Mapping[str, Any], read_on: date | None = None) -> House:
    """Read a configuration that has no faults."""
    given = config.get("global_config") or {}
    settings = given[0] if isinstance(given, list) else given
    grace = seconds(settings.get("controller_message_grace_period_in_sec", "5"))
    calendars = {
        name: calendar_of(days, read_on or datetime.now(UTC).date())
        for name, days in (config.get("calendars") or {}).items()
    }
    words = {
        settings.get("jobs_start_keyword", "STARTED"): "start",
        settings.get("jobs_error_keyword", "ERROR"): "error",
        settings.get("jobs_end_keyword", "SUCCESS"): "end",
    }
    if "jobs_warning_keyword" in settings:
        words[settings["jobs_warning_keyword"]] = "warning"
    groups = config.get("groups") or {}
    return House(
        promises=tuple(promise(_with_group(job, groups), settings, calendars, grace) for job in config["jobs"]),
        words=words,
        grace=grace,
        lag=seconds(settings.get("controller_interval_in_sec", "10"))
        + seconds(settings.get("controller_data_load_timeout_in_sec", "5")),
        sources=frozenset(source["name"] for source in config.get("source_hosts") or ()),
    )


def promise(
    job: Mapping[str, Any], settings: Mapping[str, Any], calendars: Mapping[str, Calendar], grace: int
) -> Promise:
    """Read one job, its group's defaults already in it."""
    kind, zone = job["cyclic_or_daily"], job.get("time_zone", settings.get("time_zone", "UTC"))
    sources = job.get("source_host")
    return Promise(
        key=f"{job['name']}__{job['env']}",
        kind=kind,
        zone=zone,
        grace=grace,
        timeout=duration(job["timeout_in_hh:mm:ss"]),
        interval=duration(job.get("cyclic_interval_in_hh:mm:ss", "00:00:00")),
        counts_from=job.get("cyclic_interval_counts_from", "start"),
        max_delay=duration(job.get("start_max_delay_in_hh:mm:ss", "00:00:00")),
        max_errors=int(job.get("max_errors_before_alerting", 1)),
        status_below=int(job.get("status_below_threshold", 0)),
        sequence=_sequence(job, kind, zone, calendars, grace),
        end_by=clock(job["end_by_in_hh:mm"]) if "end_by_in_hh:mm" in job else None,
        min_duration=duration(job.get("min_duration_in_hh:mm:ss", "00:00:00")),
        codes=_codes(job),
        lists_skipped=_lists_skipped(job),
        windows=_windows(job, settings, calendars, zone),
        names=_names(job),
        source_hosts=None if sources is None else frozenset(listed(sources)),
    )


def duration(written: str) -> int:
    """Read hh:mm:ss as microseconds."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d)", written)
    assert found is not None, written
    hours, minutes, seconds_ = map(int, found.groups())
    return ((hours * 60 + minutes) * 60 + seconds_) * SECOND


def clock(written: str) -> int:
    """Read hh:mm as minutes after midnight."""
    hours, minutes = map(int, written.split(":"))
    return hours * 60 + minutes


def seconds(written: object) -> int:
    """Read a number of seconds as microseconds."""
    return int(Decimal(str(written)).scaleb(6))


def _with_group(job: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    defaults = groups.get(job.get("group", ""), {})
    together = {**defaults, **job}
    kind = together["cyclic_or_daily"]
    return {key: value for key, value in together.items() if key in job or kind in FOR_KIND.get(key, frozenset({kind}))}


def _sequence(
    job: Mapping[str, Any], kind: str, zone: str, calendars: Mapping[str, Calendar], grace: int
) -> Sequence | None:
    given_early = job.get("start_max_early_in_hh:mm:ss")
    early = max(grace, 5 * MINUTE) if given_early is None else duration(given_early)
    if kind == "cron":
        cron = Cron(zone=zone, expression=job["cron_expression"], admission=admission(job, calendars))
        return Sequence(zone=zone, days=cron, max_early=early, halved=True)
    if kind != "daily":
        return None
    times = tuple(map(clock, listed(job["daily_start_time_in_hh:mm"])))
    working = job.get("working_days_of_month")
    days = Daily(
        zone=zone,
        times=times,
        admission=admission(job, calendars, "mon-sun" if working is None else "mon-fri"),
        days_of_month=_numbers(job.get("days_of_month")),
        working_days_of_month=_numbers(working),
        closed_day=job.get("closed_day", "skip"),
    )
    return Sequence(zone=zone, days=days, max_early=early, halved=len(times) > 1)


def _numbers(given: object) -> tuple[int, ...] | None:
    return None if given is None else tuple(map(int, listed(given)))


def _codes(job: Mapping[str, Any]) -> dict[int, str]:
    """The lists themselves win over the numbers of ends that somebody caused; no list is for errors."""
    words = {"success": "end", "warning": "warning", "skipped": "skipped"}
    caused = {number: job.get(key, default) for key, (number, default) in CAUSED.items()}
    codes = {number: words[word] for number, word in caused.items() if word in words}
    codes |= {
        int(code): words[word] for word, listed_ in (job.get("exit_codes") or {}).items() for code in listed(listed_)
    }
    return codes


def _lists_skipped(job: Mapping[str, Any]) -> bool:
    caused = any(job.get(key) == "skipped" for key in CAUSED)
    return caused or bool((job.get("exit_codes") or {}).get("skipped"))


def _windows(
    job: Mapping[str, Any], settings: Mapping[str, Any], calendars: Mapping[str, Calendar], zone: str
) -> Windows:
    found = [
        Window(begin=clock(given["from"]), end=clock(given["until"]), admission=admission(given, calendars))
        for given in job.get("quiet_windows") or ()
    ]
    if job["cyclic_or_daily"] == "cyclic" and QUIET_FROM in settings:
        begin, end = clock(settings[QUIET_FROM]), clock(settings[QUIET_UNTIL])
        if begin != end:
            found.append(Window(begin=begin, end=end, admission=admission({}, calendars)))
    return Windows(zone=zone, windows=tuple(found))


def _names(job: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    further = [
        (name["job"], name["instance"]) if isinstance(name, Mapping) else (name, job["env"])
        for name in listed(job.get("reported_as", []))
    ]
    return frozenset({(job["name"], job["env"]), *further})
