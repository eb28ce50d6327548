"""Settings: the sections of a configuration, their keys, and what each key's value has to be.

Rule: a key has its odd, well-known name in the file (the alias) and a Python name in the program.
Rule: durations are whole microseconds here as in the core; who waits in seconds asks the property of that name.
Rule: what two keys of a section say against each other stands in its `contradictions`, which looks at the section as
written, so that it is reported beside what is wrong with single values, not after that was repaired.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from job_tracker import clock
from job_tracker.config import notation, servers, templates, zones
from job_tracker.config.places import DEFAULT_VIEW, PACKAGED_HANDLER, real_path
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.schedules.quiet import Quiet
from job_tracker.moments import DAY, MICROSECONDS, MINUTE, stale_after
from job_tracker.ports import Host, Server, Terms

DEFAULT_EARLY = 5 * MINUTE
QUIET_FROM, QUIET_UNTIL = "no_timeout_for_cyclic_jobs_from_in_hh:mm", "no_timeout_for_cyclic_jobs_until_in_hh:mm"
GRACE = "controller_message_grace_period_in_sec"

Contradiction: TypeAlias = tuple[str, str]
"""A key and what is wrong with it."""


def local_path(value: object, info: ValidationInfo) -> Path:
    """Read a path on this host; a relative one starts where the configuration lies, not where the daemon happens to."""
    written = notation.text(value)
    return Path((info.context or {}).get("base", "/"), notation.unexpanded(written))


def optional_path(value: object, info: ValidationInfo) -> Path | None:
    """Read a path of ssh's: empty is none, and `~` is left for whoever connects, who expands it as OpenSSH does."""
    if value == "":
        return None
    written = notation.text(value)
    return Path(written) if written.startswith("~") else local_path(value, info)


def host_path(value: object, info: ValidationInfo) -> str:
    """Read a path on a source host; a relative one starts in the user's home there, or here for a local source."""
    written = notation.text(value)
    if info.data.get("connection") == "local":
        return str(local_path(value, info))
    return notation.unexpanded(written)


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
    warning_keyword: Text | None = Field(default=None, alias="jobs_warning_keyword")
    quiet_from: ClockTime | None = Field(default=None, alias="no_timeout_for_cyclic_jobs_from_in_hh:mm")
    quiet_until: ClockTime | None = Field(default=None, alias="no_timeout_for_cyclic_jobs_until_in_hh:mm")
    grace_microseconds: Seconds = Field(default=5 * MICROSECONDS, alias="controller_message_grace_period_in_sec")
    interval_microseconds: Annotated[int, BeforeValidator(notation.interval)] = Field(
        default=10 * MICROSECONDS, alias="controller_interval_in_sec"
    )
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
    piggyback: Annotated[bool, BeforeValidator(notation.flag)] = Field(default=False, alias="monitoring_piggyback")
    history: Annotated[int, BeforeValidator(notation.whole(1, 1_000_000))] = Field(
        default=100, alias="job_history_entry_count"
    )
    time_zone: Zone = Field(default_factory=lambda: zones.host_zone().zone)
    log_file: LocalPath = Path("/var/log/job_tracker.log")
    log_level: Annotated[str, BeforeValidator(notation.one_of("debug", "info", "warning", "error", "critical"))] = (
        "info"
    )
    run_dir: LocalPath = Path("/var/run")
    view_file: LocalPath = DEFAULT_VIEW
    unreachable_critical_after_microseconds: Seconds = Field(
        default=300 * MICROSECONDS, alias="source_unreachable_critical_after_in_sec"
    )
    ssh_config: OptionalPath = None
    event_log: Annotated[bool, BeforeValidator(notation.flag)] = True
    events_file: LocalPath | None = None
    event_log_keep_in_days: Annotated[int, BeforeValidator(notation.whole(1, 366))] = 2
    event_log_most_in_mb: Annotated[int, BeforeValidator(notation.whole(1, 100_000))] = 128
    events_keep_in_days: Annotated[int, BeforeValidator(notation.whole(1, 3660))] = 30
    store_file: LocalPath = Path("/var/lib/job_tracker/job_tracker.sqlite")
    control_queue: LocalPath | None = None
    notification_command: Annotated[tuple[str, ...], BeforeValidator(notation.command)] = ("send-notification.py",)
    notification_timeout_microseconds: PositiveSeconds = Field(
        default=30 * MICROSECONDS, alias="notification_timeout_in_sec"
    )
    notification_host: OptionalText = ""
    notification_template: Annotated[str, BeforeValidator(template)] = ""
    no_jobs_is_meant: Annotated[bool, BeforeValidator(notation.flag)] = False
    ship_store_file: LocalPath = Path("/var/lib/job_tracker_ship/ship.sqlite")
    ship_run_dir: LocalPath = Path("/run/job_tracker_ship")
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
        return stale_after(self.interval_microseconds)

    def terms(self, tracker: str = "") -> Terms:
        """How the tracker with that id speaks to its sources."""
        return Terms(
            interval=self.controller_interval,
            load_timeout=self.load_timeout,
            clock=clock.now,
            ssh_config=self.ssh_config,
            state_folder=self.store_file.parent,
            tracker=tracker,
            words=(self.start_keyword, self.error_keyword, self.end_keyword),
        )

    @property
    def quiet(self) -> Quiet | None:
        """The quiet window, if there is one."""
        if self.quiet_from is None or self.quiet_until is None or self.quiet_from == self.quiet_until:
            return None
        return Quiet(begin=self.quiet_from, end=self.quiet_until)

    @property
    def control(self) -> Path:
        """The tracker's own queue, which is where its operators speak; by default in a directory beside the store."""
        return self.control_queue or self.store_file.parent / "control" / "queue.sqlite"

    def control_host(self) -> Host:
        """That queue as a source: heard like any other on this host, with the program's own Python."""
        return Host(
            name=OPERATOR,
            connection="local",
            message_queue=str(self.control),
            message_queue_handler=str(PACKAGED_HANDLER),
            python=sys.executable,
            is_ours=True,
        )

    @property
    def events(self) -> Path:
        """The file that programs read events from; by default beside the view."""
        return self.events_file or self.view_file.parent / "events.sqlite"

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
        words = ("start", self.start_keyword), ("error", self.error_keyword), ("end", self.end_keyword)
        yield from _alike(
            {f"jobs_{name}_keyword": word for name, word in (*words, ("warning", self.warning_keyword)) if word}
        )
        yield from _alike(
            {
                "log_file": real_path(self.log_file),
                "view_file": real_path(self.view_file),
                "store_file": real_path(self.store_file),
                "events_file": real_path(self.events),
                "control_queue": real_path(self.control),
                "ship_store_file": real_path(self.ship_store_file),
            }
        )


def _alike(values: Mapping[str, str]) -> Iterator[Contradiction]:
    """Each key whose value is also that of one before it."""
    for first, second in combinations(values, 2):
        if values[first] == values[second]:
            yield second, f"{notation.shown(values[second])} is also {first}"


class SourceHost(Section):
    """source_hosts: a host with a message queue, or a server with jobs of its own, and how to get there.

    `user` is empty and `key` and `known_hosts` are None where ssh's own defaults hold; their `~` is expanded by whoever
    connects.
    """

    SSH_ONLY: ClassVar = ("port", "user", "key", "known_hosts")

    connection: Annotated[
        Literal["ssh", "local", "ogc"], BeforeValidator(notation.one_of("ssh", "local", servers.OGC))
    ] = "ssh"
    hostname: Annotated[str, BeforeValidator(notation.hostname)]
    name: Annotated[str, BeforeValidator(notation.source_name)]
    port: Annotated[int, BeforeValidator(notation.whole(1, 65535))] = 22
    user: OptionalText = ""
    key: OptionalPath = None
    known_hosts: OptionalPath = None
    message_queue: HostPath = ""
    message_queue_handler: HostPath = "/usr/local/lib/job_tracker/message-queue.py"
    python: Text = "python3"
    checkmk_host: Annotated[str, BeforeValidator(notation.source_name)] | None = None
    url: Annotated[str, BeforeValidator(servers.url)] = ""
    dialect: Annotated[str, BeforeValidator(notation.one_of("auto", "ogc", "wpst"))] = "auto"
    env: Annotated[str, BeforeValidator(notation.name)] = ""
    poll_interval: Annotated[int, BeforeValidator(notation.interval)] = Field(
        default=20 * MICROSECONDS, alias="poll_interval_in_sec"
    )
    parallel_requests: Annotated[int, BeforeValidator(notation.whole(1, 64))] = 1
    process_to_job: Annotated[tuple[tuple[str, str], ...], BeforeValidator(servers.rules)] = ()
    bearer_token_file: LocalPath | None = None
    password_file: LocalPath | None = None
    client_certificate: LocalPath | None = None
    ca_file: LocalPath | None = None
    lag: Seconds = Field(default=0, alias="server_lag_in_sec")
    adopt: Annotated[str, BeforeValidator(notation.one_of("open", "all", "none"))] = "open"
    include_inputs: Annotated[bool, BeforeValidator(notation.flag)] = False

    @property
    def shown_on(self) -> str:
        """The host in Checkmk that this one is."""
        return self.checkmk_host or self.name

    def is_queue(self, path: Path) -> bool:
        """Whether its queue is that file of this host, by whatever name."""
        return self.connection == "local" and real_path(self.message_queue) == real_path(path)

    @classmethod
    def with_defaults(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A local source needs no hostname and has the packaged handler; a hostname is a name if there is no other."""
        if notation.shown(given.get("connection")).lower() == "'local'":
            given = {"hostname": "localhost", "message_queue_handler": str(PACKAGED_HANDLER)} | given
        elif notation.shown(given.get("connection")).lower() == "'ogc'":
            given = {"hostname": servers.host_of(given.get("url")) or "localhost"} | given
        # Where both are missing, one fault is enough; a host that is not understood is told at its own key.
        host = given.get("hostname", "unnamed")
        return {"name": host if notation.is_source_name(host) else "unnamed"} | given

    @staticmethod
    def contradictions(given: Mapping[str, Any]) -> Iterator[Contradiction]:
        """An address of IPv6 can be no name of a service; what a server has, a queue has not."""
        yield from servers.contradictions(given)
        host = given.get("hostname")
        if given.get("name") is None and isinstance(host, str) and ":" in host and notation.is_address(host):
            yield (
                "name",
                f"is missing; the address {notation.shown(host)} has colons and cannot be it",
            )

    def host(self) -> Host:
        """What whoever connects has to know; a port that was not given may still come from an ssh_config."""
        shared = {field.name for field in fields(Host)}.intersection(type(self).model_fields) - {"port"}
        port = self.port if "port" in self.model_fields_set else None
        return Host(port=port, server=self._server(), **{name: getattr(self, name) for name in shared})

    def _server(self) -> Server | None:
        names = (field.name for field in fields(Server))
        return Server(**{name: getattr(self, name) for name in names}) if self.connection == servers.OGC else None


@cache
def keys_of(section: type[Section]) -> tuple[str, ...]:
    """List the keys of a section as they are written in the file."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


def restart_needed(before: Settings, after: Settings) -> list[str]:
    """The keys that changed and that a reload does not take up: where files lie that are open already."""
    names = ("run_dir", "store_file", "control_queue", "view_file", "events_file", "log_file", "log_level")
    return [name for name in names if getattr(before, name) != getattr(after, name)]
