"""Configuration: from a file to what the program is built of, or all that is wrong with it at once.

Rule: each fault has its place: `jobs[3] "LOAD_DWH__P": timeout_in_hh:mm:ss: '1:75:00' is not hh:mm:ss`.
Rule: a faulty entry hides neither the faults of others nor those between it and others: names are compared as they
are written, not as they were understood.

The keys are in `settings`, what their values look like in `notation` and `zones`, reading a file in `text`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from job_tracker.config import notation, recommendations
from job_tracker.config import text as config_text
from job_tracker.config.faults import Fault, Hints, SectionT, examine, kind_of, placed, repetitions
from job_tracker.config.settings import JobEntry, Section, Settings, SourceHost, early, keys_of
from job_tracker.config.text import Tree
from job_tracker.core.jobs import Job, Jobs, Keywords, Kind
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.quiet import Windows
from job_tracker.errors import ConfigError

GLOBAL_CONFIG, SOURCE_HOSTS, JOBS = "global_config", "source_hosts", "jobs"
SECTIONS: Mapping[str, type[Section]] = {GLOBAL_CONFIG: Settings, SOURCE_HOSTS: SourceHost, JOBS: JobEntry}
DAEMON_SERVICE = "job_tracker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without faults; recommendations are sentences about what it allows but nobody may want."""

    jobs: Jobs
    sources: tuple[SourceHost, ...]
    settings: Settings
    recommendations: tuple[str, ...]


def load(path: Path | str) -> Config:
    """Read a configuration file, JSON or YAML; relative paths in it start where it lies."""
    path = Path(path)
    text = config_text.read_file(path)
    return parse(text, name=notation.escaped(str(path), 200), base=path.absolute().parent)


def parse(text: str, *, name: str, base: Path | None = None) -> Config:
    """Read a configuration's text; name is the place of what has no other, base is where relative paths start."""
    tree = config_text.read(text, name=name)
    if not isinstance(tree, dict):
        raise ConfigError([f"{name}: is {kind_of(tree)}, not an object with {', '.join(SECTIONS)}"])
    reading = _Reading(tree=tree, base=base or Path.cwd())
    settings = reading.settings()
    sources = reading.sources(settings)
    entries = reading.jobs(settings)
    if reading.faults:
        raise ConfigError(reading.faults)
    return Config(
        jobs=_jobs(settings, sources, entries),
        sources=sources,
        settings=settings,
        recommendations=tuple(recommendations.about(settings, sources, entries)),
    )


def known_keys() -> dict[str, tuple[str, ...]]:
    """List the keys of each section, in the order of the models."""
    return {name: keys_of(section) for name, section in SECTIONS.items()}


@dataclass(kw_only=True)
class _Reading:
    """One reading of a configuration, section by section; what is wrong gathers in `faults`.

    source_places, job_places, service_places: where each name was used first.
    """

    tree: dict[str, Tree]
    base: Path
    faults: list[str] = field(default_factory=list)
    hints: Hints = field(default_factory=Hints)
    source_places: dict[str, str] = field(default_factory=dict)
    job_places: dict[str, str] = field(default_factory=dict)
    service_places: dict[str, str] = field(default_factory=lambda: {DAEMON_SERVICE: "the daemon's own"})
    all_sources_named: bool = True

    def __post_init__(self) -> None:
        for key in self.tree:
            if key not in SECTIONS:
                self.fault("top level", (key, self.hints.unknown_key(key, tuple(SECTIONS))))
        self.fault("top level", *repetitions(self.tree))

    def settings(self) -> Settings:
        """Read global_config; what is wrong in it has its default, so that the rest can be judged all the same."""
        given = self.tree.get(GLOBAL_CONFIG)
        if isinstance(given, list) and len(given) == 1:
            given = given[0]
        if given is None:
            return Settings()
        if not isinstance(given, dict):
            self.faults.append(f"{GLOBAL_CONFIG}: is {kind_of(given)}, not an object or a list holding one")
            return Settings()
        examined = examine(Settings, given, self.base, self.hints)
        self.fault(GLOBAL_CONFIG, *examined.faults)
        sound = set(keys_of(Settings)).difference(key for key, _ in examined.faults)
        settings = examined.section or Settings.model_validate(
            {key: value for key, value in given.items() if key in sound}, context={"base": self.base}
        )
        self.fault(GLOBAL_CONFIG, *settings.contradictions(given))
        return settings

    def sources(self, settings: Settings) -> tuple[SourceHost, ...]:
        """Read source_hosts, and note which names there are."""
        found = []
        for index, given in enumerate(self.entries(SOURCE_HOSTS)):
            name = _source_name(given)
            place = f"{SOURCE_HOSTS}[{index}]{_label(name)}"
            found.append(self.examine(SourceHost, given, place))
            if name is None:
                self.all_sources_named = False
            elif name in self.source_places:
                self.fault(place, ("name", f"is already the name of {self.source_places[name]}"))
            else:
                self.source_places[name] = f"{SOURCE_HOSTS}[{index}]"
                self.claim_service(f"{settings.service_prefix}source_{name}", place)
        return tuple(source for source in found if source is not None)

    def jobs(self, settings: Settings) -> list[JobEntry]:
        """Read jobs, and compare each with the settings, the sources and the jobs before it."""
        found = []
        for index, given in enumerate(self.entries(JOBS)):
            name = _job_name(given)
            place = f"{JOBS}[{index}]{_label(name)}"
            entry = self.examine(JobEntry, given, place)
            if entry is not None:
                found.append(entry)
            if not isinstance(given, dict):
                continue
            self.fault(place, *JobEntry.contradictions(given, settings.grace_microseconds))
            self.check_sources(place, given.get("source_host"))
            if name in self.job_places:
                self.fault(place, ("name", f"with this env it is already the name of {self.job_places[name]}"))
            elif name is not None and "__" in name:
                self.job_places[name] = f"{JOBS}[{index}]"
                self.claim_service(f"{settings.service_prefix}{name}", place)
        return found

    def entries(self, section: str) -> Sequence[Tree]:
        given = self.tree.get(section)
        if given is None:
            return ()
        if isinstance(given, list):
            return given
        self.faults.append(f"{section}: is {kind_of(given)}, not a list")
        return ()

    def examine(self, section: type[SectionT], given: Tree, place: str) -> SectionT | None:
        if not isinstance(given, dict):
            self.faults.append(f"{place}: is {kind_of(given)}, not an object")
            return None
        examined = examine(section, given, self.base, self.hints)
        self.fault(place, *examined.faults)
        return examined.section

    def check_sources(self, place: str, given: Tree) -> None:
        if given is None or not self.all_sources_named:
            return
        names = [name for name in (given if isinstance(given, list) else [given]) if isinstance(name, str)]
        for name in dict.fromkeys(names):
            if name not in self.source_places:
                hint = self.hints.near(name, tuple(self.source_places))
                self.fault(place, ("source_host", f"{notation.shown(name)} is not the name of a source host{hint}"))

    def claim_service(self, service: str, place: str) -> None:
        if service in self.service_places:
            reason = f"its service {notation.shown(service, 300)} is also that of {self.service_places[service]}"
            self.fault(place, ("name", reason))
        self.service_places.setdefault(service, place)

    def fault(self, place: str, *faults: Fault) -> None:
        self.faults += [placed(place, fault) for fault in faults]


def _jobs(settings: Settings, sources: Sequence[SourceHost], entries: Sequence[JobEntry]) -> Jobs:
    jobs = (_job(entry, settings, order) for order, entry in enumerate(entries))
    return Jobs(
        by_key={job.key: job for job in jobs},
        sources=tuple(source.name for source in sources),
        tolerance=settings.interval_microseconds + settings.load_timeout_microseconds,
        grace=settings.grace_microseconds,
        history=settings.history,
        keywords=Keywords(start=settings.start_keyword, error=settings.error_keyword, end=settings.end_keyword),
    )


def _job(entry: JobEntry, settings: Settings, order: int) -> Job:
    daily, zone = entry.kind is Kind.DAILY, entry.time_zone or settings.time_zone
    earliest = early(settings.grace_microseconds) if entry.max_early is None else entry.max_early
    return Job(
        name=entry.name,
        env=entry.env,
        kind=entry.kind,
        timeout=entry.timeout,
        grace=settings.grace_microseconds,
        zone=zone,
        interval=entry.interval,
        counts_from_end=entry.counts_from == "end",
        starts=Daily(zone=zone, max_early=earliest, times=(entry.daily_start,)) if daily else None,
        max_delay=entry.max_delay,
        max_errors=entry.max_errors,
        status_below=entry.status_below,
        windows=None if daily or settings.quiet is None else Windows(zone=zone, rules=(settings.quiet,)),
        sources=entry.source_host,
        order=order,
    )


def _source_name(given: Tree) -> str | None:
    """Give the name a source is written with, which is its hostname if it has no other."""
    if not isinstance(given, dict):
        return None
    for key in ("name", "hostname"):
        name = given.get(key)
        if name is not None:
            return name if isinstance(name, str) else None
    return "localhost" if given.get("connection") == "local" else None


def _job_name(given: Tree) -> str | None:
    """Give the name__env a job is written with, or as much of it as there is."""
    if not isinstance(given, dict):
        return None
    parts = [part for part in (given.get("name"), given.get("env")) if isinstance(part, str)]
    return "__".join(parts) if isinstance(given.get("name"), str) else None


def _label(name: str | None) -> str:
    return "" if name is None else f' "{notation.escaped(name, 2 * notation.MAX_NAME + 2)}"'
