"""Settings: the sections of a configuration, their keys, and what each key's value has to be.

Rule: a key has its odd, well-known name in the file (the alias) and a Python name in the program.
Rule: durations are whole microseconds here as in the core; who waits in seconds asks the property of that name.
Rule: what two keys of a section say against each other stands in its `contradictions`, which looks at the section as
written, so that it is reported beside what is wrong with single values, not after that was repaired.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from job_tracker import clock
from job_tracker.config import notation, templates, zones
from job_tracker.core.jobs import Kind
from job_tracker.core.schedules.quiet import Quiet
from job_tracker.moments import DAY, MICROSECONDS, MINUTE
from job_tracker.ports import Host, Terms

DEFAULT_EARLY = 5 * MINUTE
QUIET_FROM, QUIET_UNTIL = "no_timeout_for_cyclic_jobs_from_in_hh:mm", "no_timeout_for_cyclic_jobs_until_in_hh:mm"
INTERVAL, COUNTS_FROM, DAILY_START = (
    "cyclic_interval_in_hh:mm:ss",
    "cyclic_interval_counts_from",
    "daily_start_time_in_hh:mm",
)
GRACE = "controller_message_grace_period_in_sec"
MAX_DELAY, MAX_EARLY = "start_max_delay_in_hh:mm:ss", "start_max_early_in_hh:mm:ss"
PACKAGED_HANDLER = Path(__file__).parent.parent / "onhost" / "message-queue.py"

Contradiction: TypeAlias = tuple[str, str]
"""A key and what is wrong with it."""


def local_path(value: object, info: ValidationInfo) -> Path:
    """Read a path on this host; a relative one starts where the configuration lies, not where the daemon happens to."""
    written = notation.text(value)
    if written.startswith("~"):
        raise ValueError(f"{notation.shown(value)} begins with '~'; write the whole path, a daemon's home is not yours")
    return Path((info.context or {}).get("base", "/"), written)


def optional_path(value: object, info: ValidationInfo) -> Path | None:
    """Read a path of the user's own: empty is none, and `~` is left for whoever uses it."""
    if value == "":
        return None
    written = notation.text(value)
    return Path(written) if written.startswith("~") else local_path(value, info)


def host_path(value: object, info: ValidationInfo) -> str:
    """Read a path on a source host; a relative one starts in the user's home there, or here for a local source."""
    written = notation.text(value)
    if info.data.get("connection") == "local":
        return str(local_path(value, info))
    if written.startswith("~"):
        raise ValueError(f"{notation.shown(value)} begins with '~', which nothing expands there; write the whole path")
    return written


def template(value: object, info: ValidationInfo) -> str:
    """Read the file of a template."""
    return templates.read(local_path(value, info))


Text = Annotated[str, BeforeValidator(notation.text)]
OptionalText = Annotated[str, BeforeValidator(lambda value: "" if value == "" else notation.text(value))]
Duration = Annotated[int, BeforeValidator(notation.duration)]
PositiveDuration = Annotated[int, BeforeValidator(notation.positive_duration)]
ClockTime = Annotated[int, BeforeValidator(notation.clock_time)]
Seconds = Annotated[int, BeforeValidator(notation.seconds)]
PositiveSeconds = Annotated[int, BeforeValidator(notation.positive_seconds)]
Zone = Annotated[ZoneInfo, BeforeValidator(zones.zone)]
LocalPath = Annotated[Path, BeforeValidator(local_path)]
OptionalPath = Annotated[Path | None, BeforeValidator(optional_path)]
HostPath = Annotated[str, BeforeValidator(host_path)]
Name = Annotated[str, BeforeValidator(notation.name)]


class Section(BaseModel):
    """One object of the configuration: unknown keys are refused, and a key that is null is one left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def prepare(cls, given: Any) -> Any:
        """Leave out nulls: a template's null, or a key without a value in YAML, asks for the default."""
        if not isinstance(given, dict):
            return given
        if None in given.values():
            known = keys_of(cls)
            given = {key: value for key, value in given.items() if value is not None or key not in known}
        return cls.with_defaults(given)

    @classmethod
    def with_defaults(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Add the defaults that depend on other keys."""
        return given


class Settings(Section):
    """global_config: what holds for the whole program."""

    start_keyword: Text = Field(default="STARTED", alias="jobs_start_keyword")
    error_keyword: Text = Field(default="ERROR", alias="jobs_error_keyword")
    end_keyword: Text = Field(default="SUCCESS", alias="jobs_end_keyword")
    quiet_from: ClockTime | None = Field(default=None, alias="no_timeout_for_cyclic_jobs_from_in_hh:mm")
    quiet_until: ClockTime | None = Field(default=None, alias="no_timeout_for_cyclic_jobs_until_in_hh:mm")
    grace_microseconds: Seconds = Field(default=5 * MICROSECONDS, alias="controller_message_grace_period_in_sec")
    interval_microseconds: PositiveSeconds = Field(default=10 * MICROSECONDS, alias="controller_interval_in_sec")
    load_timeout_microseconds: PositiveSeconds = Field(
        default=5 * MICROSECONDS, alias="controller_data_load_timeout_in_sec"
    )
    backends: Annotated[frozenset[str], BeforeValidator(notation.backends)] = Field(
        default=frozenset({"status"}), alias="monitoring_backend_based_on_event_or_status"
    )
    service_prefix: Annotated[str, BeforeValidator(notation.service_prefix)] = Field(
        default="job_", alias="monitoring_servicename_prefix_without_spaces"
    )
    perfdata: Annotated[bool, BeforeValidator(notation.flag)] = Field(default=False, alias="monitoring_perfdata")
    history: Annotated[int, BeforeValidator(notation.whole(1, 1_000_000))] = Field(
        default=100, alias="job_history_entry_count"
    )
    time_zone: Zone = Field(default_factory=lambda: zones.host_zone().zone)
    log_file: LocalPath = Path("/var/log/job_tracker.log")
    log_level: Annotated[str, BeforeValidator(notation.one_of("debug", "info", "warning", "error", "critical"))] = (
        "info"
    )
    run_dir: LocalPath = Path("/var/run")
    view_file: LocalPath = Path("/var/lib/job_tracker/view.sqlite")
    unreachable_critical_after_microseconds: Seconds = Field(
        default=300 * MICROSECONDS, alias="source_unreachable_critical_after_in_sec"
    )
    ssh_config: OptionalPath = None
    store_file: LocalPath = Path("/var/lib/job_tracker/job_tracker.sqlite")
    notification_command: Annotated[tuple[str, ...], BeforeValidator(notation.command)] = ("send-notification.py",)
    notification_timeout_microseconds: PositiveSeconds = Field(
        default=30 * MICROSECONDS, alias="notification_timeout_in_sec"
    )
    notification_host: OptionalText = ""
    notification_template: Annotated[str, BeforeValidator(template)] = ""
    heartbeat_microseconds: Seconds = Field(default=0, alias="heartbeat_interval_in_sec")

    @property
    def grace(self) -> float:
        """Seconds added to every deadline."""
        return self.grace_microseconds / MICROSECONDS

    @property
    def controller_interval(self) -> float:
        """Seconds: the longest pause between two cycles."""
        return self.interval_microseconds / MICROSECONDS

    @property
    def load_timeout(self) -> float:
        """Seconds: the longest wait for a connection to, or an answer from, a source host."""
        return self.load_timeout_microseconds / MICROSECONDS

    @property
    def stale_after_microseconds(self) -> int:
        """How old what a tracker at work keeps up to date can become."""
        return max(60 * MICROSECONDS, 3 * self.interval_microseconds)

    def terms(self, tracker: str = "") -> Terms:
        """How the tracker with that id speaks to its sources."""
        return Terms(
            interval=self.controller_interval,
            load_timeout=self.load_timeout,
            clock=clock.now,
            ssh_config=self.ssh_config,
            state_folder=self.store_file.parent,
            tracker=tracker,
        )

    @property
    def quiet(self) -> Quiet | None:
        """The quiet window, if there is one."""
        if self.quiet_from is None or self.quiet_until is None or self.quiet_from == self.quiet_until:
            return None
        return Quiet(begin=self.quiet_from, end=self.quiet_until)

    def contradictions(self, given: Mapping[str, Any]) -> Iterator[Contradiction]:
        """What keys say against each other; what was wrong in itself has its default here."""
        for key, other in ((QUIET_FROM, QUIET_UNTIL), (QUIET_UNTIL, QUIET_FROM)):
            if given.get(key) is not None and given.get(other) is None:
                yield key, f"needs {other} beside it"
        quiet = self.quiet
        outside = DAY if quiet is None else (quiet.begin - quiet.end) % (24 * 60) * MINUTE
        if outside < 60 * MINUTE:
            yield QUIET_UNTIL, "the quiet window leaves less than one hour a day outside it"
        elif quiet and self.grace_microseconds >= outside:
            yield GRACE, "is not shorter than the hours outside the quiet window, so that no deadline would ever pass"
        yield from self._alike("start_keyword", "error_keyword", "end_keyword")
        yield from self._alike("log_file", "view_file", "store_file")

    def _alike(self, *names: str) -> Iterator[Contradiction]:
        aliases = {name: type(self).model_fields[name].alias or name for name in names}
        for first, second in combinations(names, 2):
            if getattr(self, first) == getattr(self, second):
                yield aliases[second], f"{notation.shown(str(getattr(self, second)))} is also {aliases[first]}"


class SourceHost(Section):
    """source_hosts: a host with a message queue, and how to get there.

    `user` is empty and `key` and `known_hosts` are None where ssh's own defaults hold; their `~` is expanded by whoever
    connects.
    """

    SSH_ONLY: ClassVar = ("port", "user", "key", "known_hosts")

    connection: Annotated[Literal["ssh", "local"], BeforeValidator(notation.one_of("ssh", "local"))] = "ssh"
    hostname: Annotated[str, BeforeValidator(notation.hostname)]
    name: Annotated[str, BeforeValidator(notation.source_name)]
    port: Annotated[int, BeforeValidator(notation.whole(1, 65535))] = 22
    user: OptionalText = ""
    key: OptionalPath = None
    known_hosts: OptionalPath = None
    message_queue: HostPath
    message_queue_handler: HostPath = "/usr/local/lib/job_tracker/message-queue.py"
    python: Text = "python3"

    @classmethod
    def with_defaults(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A local source needs no hostname and has the packaged handler; a hostname is a name if there is no other."""
        if notation.shown(given.get("connection")).lower() == "'local'":
            given = {"hostname": "localhost", "message_queue_handler": str(PACKAGED_HANDLER)} | given
        # Where both are missing, one fault is enough.
        return {"name": given.get("hostname", "unnamed")} | given

    def host(self) -> Host:
        """What whoever connects has to know; a port that was not given may still come from an ssh_config."""
        shared = {field.name for field in fields(Host)}.intersection(type(self).model_fields) - {"port"}
        port = self.port if "port" in self.model_fields_set else None
        return Host(port=port, **{name: getattr(self, name) for name in shared})


_NEEDED: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "cyclic": (INTERVAL, (DAILY_START, MAX_EARLY), "daily"),
    "daily": (DAILY_START, (INTERVAL, COUNTS_FROM), "cyclic"),
}
"""What each kind of job needs, what it has no use for, and whose that is."""


class JobEntry(Section):
    """jobs: the promise of one job, as written."""

    name: Name
    env: Name
    kind: Annotated[Kind, BeforeValidator(notation.one_of("cyclic", "daily"))] = Field(alias="cyclic_or_daily")
    interval: PositiveDuration = Field(default=0, alias="cyclic_interval_in_hh:mm:ss")
    counts_from: Annotated[Literal["start", "end"], BeforeValidator(notation.one_of("start", "end"))] = Field(
        default="start", alias="cyclic_interval_counts_from"
    )
    daily_start: ClockTime = Field(default=0, alias="daily_start_time_in_hh:mm")
    max_delay: Duration = Field(default=0, alias="start_max_delay_in_hh:mm:ss")
    max_early: Duration | None = Field(default=None, alias="start_max_early_in_hh:mm:ss")
    timeout: PositiveDuration = Field(alias="timeout_in_hh:mm:ss")
    max_errors: Annotated[int, BeforeValidator(notation.whole(1, 1_000_000))] = Field(
        default=1, alias="max_errors_before_alerting"
    )
    status_below: Annotated[int, BeforeValidator(notation.whole(0, 1))] = Field(
        default=0, alias="status_below_threshold"
    )
    time_zone: Zone | None = None
    source_host: Annotated[tuple[str, ...], BeforeValidator(notation.source_names)] = ()

    @staticmethod
    def contradictions(given: Mapping[str, Any], grace: int) -> Iterator[Contradiction]:
        """What keys say against each other, or for want of each other; grace in microseconds."""
        kind = str(given.get("cyclic_or_daily")).lower()
        if kind not in _NEEDED:
            return
        needed, others, other = _NEEDED[kind]
        if given.get(needed) is None:
            yield needed, f"is missing; a {kind} job needs it"
        for key in others:
            if given.get(key) is not None:
                yield key, f"is for {other} jobs, and this one is {kind}"
        if kind == "daily":
            yield from _wider_than_a_day(given.get(MAX_EARLY), given.get(MAX_DELAY), grace)


def early(grace: int) -> int:
    """Say how early a daily start may be where the job does not, in microseconds."""
    return max(grace, DEFAULT_EARLY)


@cache
def keys_of(section: type[Section]) -> tuple[str, ...]:
    """List the keys of a section as they are written in the file."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def _wider_than_a_day(max_early: object, max_delay: object, grace: int) -> Iterator[Contradiction]:
    try:
        earliest = early(grace) if max_early is None else notation.duration(max_early)
        latest = 0 if max_delay is None else notation.duration(max_delay)
    except ValueError:
        return
    if earliest + latest >= DAY:
        key, other = (MAX_DELAY, MAX_EARLY) if max_delay is not None else (MAX_EARLY, MAX_DELAY)
        default = f" ({earliest // MICROSECONDS} s where it is not given)" if max_early is None else ""
        yield key, f"must be less than 24 hours together with {other}{default}"


def restart_needed(before: Settings, after: Settings) -> list[str]:
    """The keys that changed and that a reload does not take up: where files lie that are open already."""
    names = ("run_dir", "store_file", "view_file", "log_file", "log_level")
    return [name for name in names if getattr(before, name) != getattr(after, name)]
