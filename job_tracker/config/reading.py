"""Configuration: from files to what the program is built of, or all that is wrong with them at once.

Rule: each fault has its place: `jobs[3] "LOAD_DWH__P": timeout_in_hh:mm:ss: '1:75:00' is not hh:mm:ss`.
Rule: a faulty entry hides neither the faults of others nor those between it and others: names are compared as they
are written, not as they were understood.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from job_tracker import clock
from job_tracker.config import calendars, notation, recommendations
from job_tracker.config import text as config_text
from job_tracker.config.calendars import CalendarEntry
from job_tracker.config.faults import Fault, Hints, SectionT, examine, kind_of, placed, repetitions
from job_tracker.config.groups import NO_GROUP, Group, read_group, with_defaults
from job_tracker.config.included import INCLUDE, Document, read_included
from job_tracker.config.jobs import JobEntry
from job_tracker.config.labels import entry_name, job_name, label, source_name
from job_tracker.config.promises import jobs_of
from job_tracker.config.quiet import too_quiet, unknown_calendars
from job_tracker.config.settings import Section, Settings, SourceHost, keys_of
from job_tracker.config.shippers import ShipperEntry
from job_tracker.config.text import Tree
from job_tracker.config.web import Web
from job_tracker.core.jobs import Jobs
from job_tracker.core.schedules.calendars import Calendar
from job_tracker.errors import ConfigError
from job_tracker.moments import MICROSECONDS

GLOBAL_CONFIG, SOURCE_HOSTS, JOBS = "global_config", "source_hosts", "jobs"
GROUPS, CALENDARS, SHIPPERS, WEB = "groups", "calendars", "shippers", "web"
MODELS: Mapping[str, type[Section]] = {
    GLOBAL_CONFIG: Settings,
    SOURCE_HOSTS: SourceHost,
    JOBS: JobEntry,
    CALENDARS: CalendarEntry,
    SHIPPERS: ShipperEntry,
    WEB: Web,
}
SECTIONS = (GLOBAL_CONFIG, SOURCE_HOSTS, JOBS, GROUPS, CALENDARS, SHIPPERS, WEB, INCLUDE)
INCLUDED_SECTIONS = (JOBS, GROUPS, CALENDARS)
DAEMON_SERVICE = "job_tracker"

AloneT = TypeVar("AloneT", Settings, Web)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without faults; recommendations are sentences about what it allows but nobody may want."""

    jobs: Jobs
    sources: tuple[SourceHost, ...]
    settings: Settings
    recommendations: tuple[str, ...]
    calendars: Mapping[str, Calendar]
    shippers: tuple[ShipperEntry, ...] = ()
    web: Web


def load(path: Path | str, *, today: date | None = None) -> Config:
    """Read a configuration file, JSON or YAML; relative paths in it start where it lies.

    today: the day that calendars are read around, and that recommendations look ahead from.
    """
    path = Path(path)
    text = config_text.read_file(path)
    return parse(text, name=notation.escaped(str(path), 200), base=path.absolute().parent, today=today)


def parse(text: str, *, name: str, base: Path | None = None, today: date | None = None) -> Config:
    """Read a configuration's text; name is the place of what has no other, base is where relative paths start."""
    reading = begin(text, name, base or Path.cwd(), today)
    settings, web = reading.settings(), reading.alone(Web, WEB)
    sources = reading.sources(settings)
    shippers = reading.shippers(settings)
    entries = reading.jobs(settings)
    if reading.faults:
        raise ConfigError(reading.faults)
    jobs = jobs_of(settings, sources, entries, reading.calendars)
    return Config(
        jobs=jobs,
        sources=sources,
        settings=settings,
        calendars=reading.calendars,
        shippers=shippers,
        web=web,
        recommendations=(
            *recommendations.about(settings, sources, entries, jobs, reading.calendars, reading.groups, reading.today),
            *(each for shipper in shippers for each in shipper.recommendations()),
            *web.recommendations(),
        ),
    )


def begin(text: str, name: str, base: Path, today: date | None = None) -> "Reading":
    """Begin to read a configuration's text, section by section."""
    tree = config_text.read(text, name=name)
    if not isinstance(tree, dict):
        raise ConfigError([f"{name}: is {kind_of(tree)}, not an object with {', '.join(SECTIONS)}"])
    today = today or datetime.fromtimestamp(clock.now() // MICROSECONDS, UTC).date()
    return Reading(main=Document(tree=tree, base=base), today=today)


def known_keys() -> dict[str, tuple[str, ...]]:
    """List the keys of each section, in the order of the models."""
    return {name: keys_of(section) for name, section in MODELS.items()}


@dataclass(kw_only=True)
class Reading:
    """One reading of a configuration, section by section; what is wrong gathers in `faults`.

    source_places, service_places, pair_places: where each name, service, and pair of job and instance was used first.
    """

    main: Document
    today: date
    faults: list[str] = field(default_factory=list)
    hints: Hints = field(default_factory=Hints)
    source_places: dict[str, str] = field(default_factory=dict)
    job_places: dict[str, str] = field(default_factory=dict)
    pair_places: dict[tuple[str, str], str] = field(default_factory=dict)
    service_places: dict[str, str] = field(default_factory=lambda: {DAEMON_SERVICE: "the daemon's own"})
    calendars: dict[str, Calendar] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    all_sources_named: bool = True

    def __post_init__(self) -> None:
        for key in self.main.tree:
            if key not in SECTIONS:
                self.fault("top level", (key, self.hints.unknown_key(key, SECTIONS)))
        self.fault("top level", *repetitions(self.main.tree))
        self.documents = [self.main, *read_included(self.main, INCLUDED_SECTIONS, self.hints, self.faults)]

    def settings(self) -> Settings:
        """Read global_config; what is wrong in it has its default, so that the rest can be judged all the same."""
        given = self.main.tree.get(GLOBAL_CONFIG)
        if isinstance(given, list) and len(given) == 1:
            given = given[0]
        return self.alone(Settings, GLOBAL_CONFIG, given, "an object or a list holding one")

    def alone(self, model: type[AloneT], name: str, given: Tree = None, wanted: str = "an object") -> AloneT:
        """Read a section that is one object."""
        given = given or self.main.tree.get(name)
        if not isinstance(given, dict):
            self.faults += [f"{name}: is {kind_of(given)}, not {wanted}"] if given is not None else []
            return model()
        examined = examine(model, given, self.main.base, self.hints)
        self.fault(name, *examined.faults)
        sound = set(keys_of(model)).difference(key for key, _ in examined.faults)
        section = examined.section or model.model_validate(
            {key: value for key, value in given.items() if key in sound}, context={"base": self.main.base}
        )
        self.fault(name, *section.contradictions(given))
        return section

    def sources(self, settings: Settings) -> tuple[SourceHost, ...]:
        """Read source_hosts, and note which names there are."""
        found = []
        for place, base, given in self.entries(SOURCE_HOSTS, [self.main]):
            name = source_name(given)
            named = f"{place}{label(name)}"
            section = self.examine(SourceHost, given, named, base)
            found.append(section)
            if section is not None and section.is_queue(settings.control):
                self.fault(named, ("message_queue", "is the tracker's own control_queue, which no jobs report into"))
            if isinstance(given, dict):
                self.fault(named, *SourceHost.contradictions(given))
            if name is None:
                self.all_sources_named = False
            elif name in self.source_places:
                self.fault(named, ("name", f"is already the name of {self.source_places[name]}"))
            else:
                self.source_places[name] = place
                self.claim_service(f"{settings.service_prefix}source_{name}", named)
        return tuple(source for source in found if source is not None)

    def shippers(self, settings: Settings) -> tuple[ShipperEntry, ...]:
        """Read shippers; source_places are known where the sources were read, too."""
        found, paths = [], dict[Path, str]()
        for place, base, given in self.entries(SHIPPERS, [self.main]):
            name = entry_name(given)
            named = f"{place}{label(name)}"
            section = self.examine(ShipperEntry, given, named, base)
            if isinstance(given, dict):
                self.fault(named, *ShipperEntry.contradictions(given))
            if name is not None:
                self.claim_service(f"{settings.service_prefix}shipper_{name}", named)
            if section is not None:
                found.append(section)
                self.check_sources(named, list(section.only.sources), "only")
            if section is not None and section.path is not None and paths.setdefault(section.path, named) != named:
                self.fault(named, ("path", f"is also that of {paths[section.path]}"))
        return tuple(found)

    def read_calendars(self) -> Iterator[tuple[str, Calendar]]:
        """The days of each calendar; one that is faulty holds none, so that who names it has no fault of it."""
        for name, place, base, given in self.named(CALENDARS):
            entry = self.examine(CalendarEntry, given, place, base)
            if entry is None:
                yield name, Calendar(name=name, days=frozenset(), first=0, last=0)
                continue
            calendar, wrong = calendars.read(name, entry, self.today)
            self.fault(place, *calendars.faults(entry), *wrong)
            yield name, calendar

    def read_groups(self) -> Iterator[tuple[str, Group]]:
        """The defaults of each group."""
        for name, place, base, given in self.named(GROUPS):
            if not isinstance(given, dict):
                self.faults.append(f"{place}: is {kind_of(given)}, not an object")
                continue
            group, wrong = read_group(given, base, self.hints)
            self.fault(place, *wrong)
            self.fault(place, *unknown_calendars(group.defaults, self.calendars, self.hints))
            self.check_sources(place, group.defaults.get("source_host"))
            yield name, group

    def jobs(self, settings: Settings) -> list[JobEntry]:
        """Read jobs, and compare each with the settings, the sources and the jobs before it."""
        self.calendars = dict(self.read_calendars())
        self.groups = dict(self.read_groups())
        found, places = [], []
        for where, base, given in self.entries(JOBS, self.documents):
            name = job_name(given)
            place = f"{where}{label(name)}"
            entry = self.job(given, place, base, settings)
            if entry is not None:
                found.append(entry)
                places.append(place)
                self.pair_places.setdefault((entry.name, entry.env), place)
            if not isinstance(given, dict):
                continue
            if name in self.job_places:
                self.fault(place, ("name", f"with this env it is already the name of {self.job_places[name]}"))
            elif name is not None and "__" in name:
                self.job_places[name] = where
                self.claim_service(f"{settings.service_prefix}{name}", place)
        for entry, place in zip(found, places, strict=True):
            self.check_reported(entry, place)
        return found

    def job(self, given: Tree, place: str, base: Path, settings: Settings) -> JobEntry | None:
        """Read one job, with the defaults of its group."""
        faults_before = len(self.faults)
        if not isinstance(given, dict):
            return self.examine(JobEntry, given, place, base)
        name = given.get("group")
        group = self.groups.get(name, NO_GROUP) if isinstance(name, str) else NO_GROUP
        whole = with_defaults(given, group)
        told = group.faulty.difference(whole)
        entry = self.examine(JobEntry, whole, place, base, passed_over=told)
        contradictions = JobEntry.contradictions(whole, settings.grace_microseconds)
        self.fault(place, *(fault for fault in contradictions if fault[0] not in told))
        self.check_sources(place, given.get("source_host"))
        self.fault(place, *unknown_calendars(given, self.calendars, self.hints))
        if entry is not None and len(self.faults) == faults_before:
            self.fault(place, *too_quiet(entry, settings, self.calendars))
        return entry

    def check_reported(self, entry: JobEntry, place: str) -> None:
        """A job and instance in messages means one job, or none could be found by it."""
        for job, instance in entry.reported_as:
            pair = job, instance or entry.env
            owner = self.pair_places.setdefault(pair, place)
            if owner != place:
                what = f"{notation.shown(pair[0])} with the instance {notation.shown(pair[1])}"
                self.fault(place, ("reported_as", f"{what} is already {owner}"))

    def entries(self, section: str, documents: Sequence[Document]) -> Iterator[tuple[str, Path, Tree]]:
        """Each entry of a section that is a list, with its place and where its relative paths start."""
        for document in documents:
            given = document.tree.get(section)
            if isinstance(given, list):
                for index, each in enumerate(given):
                    yield f"{document.prefix}{section}[{index}]", document.base, each
            elif given is not None:
                self.faults.append(f"{document.prefix}{section}: is {kind_of(given)}, not a list")

    def named(self, section: str) -> Iterator[tuple[str, str, Path, Tree]]:
        """Each entry of a section that is an object, with its name, its place and where its relative paths start."""
        places: dict[str, str] = {}
        for document in self.documents:
            given = document.tree.get(section)
            if given is None:
                continue
            if not isinstance(given, dict):
                self.faults.append(f"{document.prefix}{section}: is {kind_of(given)}, not an object")
                continue
            self.fault(f"{document.prefix}{section}", *repetitions(given))
            for name, each in given.items():
                place = f"{document.prefix}{section}.{notation.escaped(name, 100)}"
                if name in places:
                    self.faults.append(f"{place}: is already {places[name]}")
                else:
                    places[name] = place
                    yield name, place, document.base, each

    def examine(
        self,
        section: type[SectionT],
        given: Tree,
        place: str,
        base: Path,
        passed_over: frozenset[str] = frozenset(),
    ) -> SectionT | None:
        """Read one section; its faults are noted, those of keys passed over were told elsewhere."""
        if not isinstance(given, dict):
            self.faults.append(f"{place}: is {kind_of(given)}, not an object")
            return None
        examined = examine(section, given, base, self.hints)
        self.fault(place, *(fault for fault in examined.faults if fault[0] not in passed_over))
        return examined.section

    def check_sources(self, place: str, given: Tree, key: str = "source_host") -> None:
        """A name of a source that is none is a fault, once all sources are known."""
        if given is None or not self.all_sources_named:
            return
        names = [name for name in (given if isinstance(given, list) else [given]) if isinstance(name, str)]
        for name in dict.fromkeys(names):
            if name not in self.source_places:
                hint = self.hints.near(name, tuple(self.source_places))
                self.fault(place, (key, f"{notation.shown(name)} is not the name of a source host{hint}"))

    def claim_service(self, service: str, place: str) -> None:
        """A service in Checkmk shows one thing; the second who wants its name is at fault."""
        if service in self.service_places:
            reason = f"its service {notation.shown(service, 300)} is also that of {self.service_places[service]}"
            self.fault(place, ("name", reason))
        self.service_places.setdefault(service, place)

    def fault(self, place: str, *faults: Fault) -> None:
        """Note faults of a place; all of them are told at the end."""
        self.faults += [placed(place, fault) for fault in faults]
