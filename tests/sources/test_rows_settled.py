"""Rows that say nothing new: not read again while they are what they were, and never overlooked when they are not."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from job_server import PROCESS, Job, JobServer
from server_asking import asked, server_of
from sourcing import now

from job_tracker.core.events import Event
from job_tracker.moments import MINUTE
from job_tracker.ports import RemoteJob
from job_tracker.sources.ogc.client import Client
from job_tracker.sources.ogc.following import Follower
from job_tracker.sources.ogc.reading import Sighting, digest_of
from job_tracker.sources.ogc.sweep import METRICS_AWAITED, Sweeper, Swept

DIALECTS = pytest.mark.parametrize("dialect", ["wpst", "ogc"])


@dataclass(kw_only=True)
class Watcher:
    """Whoever sweeps a server.  heard: ids that the last sweep told of; holds: whether what is new is kept as known.

    forgets: whether each sweep is made by one who knows no rows.
    """

    client: Client
    dialect: str
    follower: Follower
    holds: bool = True
    forgets: bool = False
    ahead: int = 0
    known: dict[str, RemoteJob] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sweeper: Sweeper | None = None

    def sweep(self, times: int = 1) -> Swept:
        for _ in range(times):
            if self.sweeper is None or self.forgets:
                self.sweeper = Sweeper([self.client], self.dialect, clock=lambda: now() + self.ahead)
            self.heard = []
            swept = self.sweeper.sweep(self.known, "", self.follower.is_of_no_interest, self._found)
            for job in swept.absent:
                self.known[job.id] = replace(job, absent_since=swept.begun)
            for job in swept.gone:
                self._take(self.follower.gone(job, swept.begun, "then"))
        return swept

    def told(self) -> list[tuple[str, str, str]]:
        return [(each.kind, each.body["id"], each.body["to"]) for each in self.events]

    def _found(self, sighting: Sighting) -> bool:
        self.heard.append(sighting.id)
        followed = self.follower.follow(self.known.get(sighting.id), sighting)
        self._take(followed)
        return followed is not None

    def _take(self, followed: Any) -> None:
        if followed is not None and self.holds:
            self.known[followed.job.id] = followed.job
            self.events += followed.events


@contextmanager
def watching(server: JobServer, **more: Any) -> Iterator[Watcher]:
    described = server_of(server.url, adopt="all")
    client = Client(described, deadline=30.0, clock=now)
    follower = Follower("ades1", described, ("STARTED", "ERROR", "SUCCESS"), None)
    try:
        yield Watcher(client=client, dialect=server.dialect, follower=follower, **more)
    finally:
        client.close()


@DIALECTS
def test_a_row_that_said_nothing_new_of_an_ended_job_is_not_heard_again(dialect: str) -> None:
    """Ten thousand jobs of last year are in each list; what they cost is their bytes, and no more."""
    with JobServer(dialect=dialect).running() as server, watching(server) as watcher:
        for number in range(30):
            server.submit(f"a{number}", "successful")
        server.submit("open", "running")
        watcher.sweep(2)
        before = list(watcher.heard)
        swept = watcher.sweep()

    assert len(before) == 31
    assert watcher.heard == ["open"]
    assert len(swept.listing.rows) == 31
    assert (swept.absent, swept.gone, swept.doubt) == ([], [], "")


@DIALECTS
def test_a_word_that_changes_after_the_end_is_told(dialect: str) -> None:
    """What was a success may be dismissed a day later; the last word counts."""
    with JobServer(dialect=dialect).running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", "successful")
        for _ in range(4):
            sweeps.next()
        server.dismiss("a1")
        sweeps.next()

    assert sweeps.kept.told("a1") == ["successful", "dismissed"]


def test_metrics_that_come_when_nobody_awaits_them_any_more_are_told_once() -> None:
    """They are asked for during a quarter of an hour; after that the list has them, in a row that was the same long."""
    with JobServer(switches={"no_metrics"}).running() as server, watching(server) as watcher:
        server.submit("a1", "successful")
        watcher.sweep(2)
        watcher.ahead = METRICS_AWAITED + MINUTE
        watcher.sweep(2)
        before = list(watcher.heard)
        server.jobs["a1"].metrics = {"workflow": {"exit_code": 0}}
        watcher.sweep(3)

    assert before == []
    assert watcher.told() == [("remote.status", "a1", "successful"), ("remote.metrics", "a1", "successful")]


def test_a_process_that_is_told_later_is_known() -> None:
    """A job's name is made of it."""
    with JobServer(dialect="ogc").running() as server, watching(server) as watcher:
        job = server.submit("a1", "successful", more={"processID": None})
        watcher.sweep(3)
        before = watcher.known["a1"].process
        job.more = {}
        watcher.sweep()

    assert (before, watcher.known["a1"].process) == ("", PROCESS)


@DIALECTS
def test_a_row_that_vanishes_and_comes_back_as_it_was_is_listed_again(dialect: str) -> None:
    """What is not listed is forgotten after weeks; whatever came back must not be."""
    with JobServer(dialect=dialect).running() as server, watching(server) as watcher:
        job = server.submit("a1", "successful")
        server.submit("a2", "successful")
        watcher.sweep(3)
        server.forget("a1")
        watcher.sweep()
        absent = watcher.known["a1"].absent_since
        server.jobs["a1"] = job
        watcher.sweep()

    assert absent is not None
    assert watcher.known["a1"].absent_since is None
    assert watcher.told().count(("remote.status", "a1", "successful")) == 1


def test_rows_that_are_not_read_are_there() -> None:
    """One job that is gone among many that have ended is no server that lost its memory."""
    with JobServer(dialect="ogc").running() as server, watching(server) as watcher:
        for number in range(30):
            server.submit(f"a{number}", "successful")
        server.submit("open", "running")
        watcher.sweep(3)
        server.forget("open")
        swept = watcher.sweep()

    assert ([each.id for each in swept.gone], swept.doubt) == (["open"], "")


@DIALECTS
def test_what_nobody_kept_is_heard_again_from_the_same_row(dialect: str) -> None:
    """A sweep that fails at its end is thrown away; what its rows said is news until the ledger holds it."""
    with JobServer(dialect=dialect).running() as server, watching(server) as watcher:
        job = server.submit("a1", "successful")
        watcher.sweep(3)
        server.forget("a1")
        watcher.sweep()
        server.jobs["a1"] = job
        watcher.holds = False
        watcher.sweep(3)
        absent = watcher.known["a1"].absent_since
        watcher.holds = True
        watcher.sweep()

    assert absent is not None
    assert watcher.known["a1"].absent_since is None


def test_a_row_is_read_again_where_something_else_is_known_of_its_job() -> None:
    """What a row comes to depends on both: one that said nothing new may do so now."""
    with JobServer(dialect="ogc").running() as server, watching(server) as watcher:
        server.submit("a1", "successful")
        watcher.sweep(3)
        watcher.known["a1"] = replace(watcher.known["a1"], status="gone")
        watcher.sweep()

    assert watcher.known["a1"].status == "successful"


def test_the_first_row_of_a_job_counts_whether_it_is_read_or_not() -> None:
    """A list that has a job twice, with two words, must not tell them in turn for ever."""
    with JobServer(dialect="ogc").running() as server, watching(server) as watcher:
        first, second = (Job(id="a1", process=PROCESS, status=word, created=1e9) for word in ("successful", "failed"))
        server.overridden["/jobs"] = lambda _: (200, {"jobs": [server.info(first), server.info(second)]})
        watcher.sweep(4)

    assert watcher.told() == [("remote.status", "a1", "successful")]
    assert watcher.heard == []


def test_a_row_that_cannot_be_read_is_said_each_time() -> None:
    """As long as it is so; a fault that is said once and then no more is taken to be mended."""
    with JobServer(dialect="ogc").running() as server, watching(server) as watcher:
        server.submit("a1", "successful")
        watcher.sweep(2)
        server.overridden["/jobs"] = lambda _: (200, {"jobs": [{"jobID": "a1"}]})
        said = [len(watcher.sweep().listing.faults) for _ in range(3)]

    assert said == [1, 1, 1]
    assert watcher.known["a1"].absent_since is None


def test_a_row_that_is_nested_too_deep_has_no_digest() -> None:
    """It could be read just so, and not be written any more: it is read each time."""
    row: Any = []
    for _ in range(100_000):
        row = [row]

    assert digest_of(row, "") == b""
    assert digest_of([], "") != digest_of([], "p") != digest_of([1], "p")
    assert digest_of({"a": 1}, "") != digest_of({"a": True}, "")
    assert digest_of("\ud800", "\ud800") != b""


@DIALECTS
@pytest.mark.parametrize("seed", range(3))
def test_who_knows_the_rows_comes_to_the_same_as_who_reads_them_all(dialect: str, seed: int) -> None:
    """Whatever a server does with its jobs, nothing may be told more, less or in another order."""
    servers = [JobServer(dialect=dialect, switches={"right_404"}) for _ in range(2)]
    with (
        servers[0].running(),
        servers[1].running(),
        watching(servers[0]) as knowing,
        watching(servers[1], forgets=True) as reading,
    ):
        for server in servers:
            for number in range(8):
                server.submit(f"a{number}", "running")
        chance = random.Random(seed)
        away: list[dict[str, Job]] = [{}, {}]
        for _ in range(15):
            for _ in range(chance.randint(0, 3)):
                happen(chance.randrange(1 << 30), servers, away)
            knowing.ahead = reading.ahead = knowing.ahead + chance.choice((0, MINUTE, METRICS_AWAITED))
            knowing.sweep()
            reading.sweep()

    assert knowing.told() == reading.told()
    assert {id: state_of(job) for id, job in knowing.known.items()} == {
        id: state_of(job) for id, job in reading.known.items()
    }


def happen(what: int, servers: list[JobServer], away: list[dict[str, Job]]) -> None:
    """One thing, the same on each server: a job moves, is dismissed, vanishes, comes back, or is measured late."""
    for server, hidden in zip(servers, away, strict=True):
        chance = random.Random(what)
        id, deed = (
            f"a{chance.randrange(8)}",
            chance.choice(("move", "end", "end", "dismiss", "hide", "back", "measure")),
        )
        job = server.jobs.get(id)
        if job is None:
            if deed == "back":
                server.jobs[id] = hidden.pop(id)
        elif deed == "hide":
            hidden[id] = server.jobs.pop(id)
        elif deed == "dismiss":
            server.dismiss(id)
        elif deed == "measure":
            job.metrics = {"workflow": {"exit_code": 0}}
        else:
            word = "running" if deed == "move" else chance.choice(("successful", "failed"))
            server.move(id, word, metrics={}, shown=chance.choice((word, job.shown)))


def state_of(job: RemoteJob) -> tuple[Any, ...]:
    return job.status, job.process, job.step, job.is_started, job.is_ended, job.metrics, job.absent_since is None
