"""Faults that servers of jobs were seen with, each by a switch of the stand-in: what it costs, and whom."""

import json
from collections import Counter
from typing import Any

import pytest
from job_server import PROCESS, JobServer
from server_asking import Sweeps, asked

from job_tracker.ports import Contact
from job_tracker.sources.ogc.times import moment


def sweep_until(sweeps: Sweeps, told: dict[str, str]) -> None:
    """Sweep until each of these jobs was told so, without the pauses after sweeps that failed."""
    for _ in range(500):
        if all(sweeps.kept.told(id)[-1:] == [status] for id, status in told.items()):
            return
        sweeps.source.reconnect()
        sweeps.first()
    raise AssertionError(sweeps.box.items[-3:])


@pytest.mark.parametrize("burst", [1, 4, 15, 40])
def test_bursts_of_a_locked_database_lose_nothing_and_repeat_nothing(burst: int) -> None:
    """A connection is left open there for each request: for a while all fails, lists as well, and then nothing does."""
    ids = [f"a{number}" for number in range(12)]
    with JobServer(burst=burst).running() as server, asked(server, adopt="all") as sweeps:
        for id in ids:
            server.submit(id)
        for status in ("accepted", "running", "successful"):
            for id in ids:
                server.move(id, status)
            sweep_until(sweeps, dict.fromkeys(ids, status))

    assert {id: sweeps.kept.told(id) for id in ids} == {id: ["accepted", "running", "successful"] for id in ids}
    assert {id: sweeps.kept.said(id) for id in ids} == {id: ["STARTED", "SUCCESS"] for id in ids}
    assert sweeps.kept.repeated == 0


def test_words_where_numbers_were_cost_the_numbers_only() -> None:
    """On Kubernetes nobody measures: a job's end is as it is, and its metrics are told as the server wrote them."""
    with JobServer(switches={"kubernetes"}).running() as server, asked(server) as sweeps:
        sweeps.first()
        for id, status in (("good", "successful"), ("bad", "failed")):
            server.submit(id, "running")
            server.move(id, status)
        sweeps.next()

    good, bad = server.jobs["good"], server.jobs["bad"]
    ends = {each["run"]: each for each in sweeps.kept.elements.values() if each["event"] != "STARTED"}
    assert {id: each["event"] for id, each in ends.items()} == {"good": "SUCCESS", "bad": "ERROR"}
    assert not any("exit_code" in each for each in ends.values())
    assert [ends["good"]["timestamp"], ends["bad"]["timestamp"]] == [
        round(each.finished or 0, 6) for each in (good, bad)
    ]
    (told,) = [
        each.body for each in sweeps.kept.events.values() if each.kind == "remote.metrics" and each.body["id"] == "good"
    ]
    assert told["metrics"] == good.metrics
    assert told["node"] == "node-3"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("accepted", ["ERROR"]),
        ("running", ["STARTED", "ERROR"]),
        ("successful", ["STARTED", "SUCCESS"]),
        ("failed", ["STARTED", "ERROR"]),
    ],
)
def test_whatever_is_dismissed_is_told_and_ends_only_what_had_not_ended(before: str, said: list[str]) -> None:
    """WPS-T writes `dismissed` over any status and the metrics away: a success does not become an alarm by that."""
    with JobServer().running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", before)
        sweeps.next()
        server.dismiss("a1")
        sweeps.next()
        sweeps.next()

    assert sweeps.kept.told("a1") == [before, "dismissed"]
    assert sweeps.kept.said("a1") == said
    kinds = Counter(each.kind for each in sweeps.kept.events.values())
    assert kinds["remote.metrics"] == (before in ("successful", "failed"))


def test_500_for_a_job_that_is_not_there_is_no_proof_that_it_is_gone() -> None:
    """WPS-T says so where 404 was meant, and where its database is locked: the run goes on, and somebody is told."""
    with JobServer().running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.forget("a1")
        reports = [sweeps.next() for _ in range(4)]

    assert sweeps.kept.told("a1") == ["running"]
    assert "job a1 could not be read" in reports[-1].differs
    assert "answers 500" in reports[-1].differs


@pytest.mark.parametrize("switches", [set(), {"jobs_of_hidden"}])
def test_the_jobs_of_a_process_that_is_undeployed_are_followed(switches: set[str]) -> None:
    """It is no longer listed; its jobs answer still, and their list does on some servers."""
    with JobServer(switches=switches).running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.processes.remove(PROCESS)
        sweeps.next()
        server.move("a1", "failed")
        report = sweeps.next()

    assert sweeps.kept.told("a1") == ["running", "failed"]
    assert report.differs == ""


def test_a_server_that_began_anew_under_another_name_answers_500_and_nothing_is_gone() -> None:
    """Started without a name it has a new one, an empty memory, and a KeyError for each job that it had."""
    with JobServer().running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.identity, server.jobs = "ades-random-8", {}
        sweeps.next()
        server.submit("b1", "running")
        report = sweeps.next()

    assert sweeps.kept.told("a1") == ["running"]
    assert sweeps.kept.told("b1") == ["running"]
    assert report.contact is Contact.REACHABLE


def test_a_job_that_stays_accepted_for_ever_begins_nothing() -> None:
    """WPS-T on a platform that it does not know takes a job and forgets it: no run of it is judged."""
    with JobServer().running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1")
        for _ in range(3):
            sweeps.next()

    assert sweeps.kept.told("a1") == ["accepted"]
    assert sweeps.kept.elements == {}


NO_METRICS: list[Any] = [None, [], ["workflow"], 7, "", "none", "{broken", {"workflow": None}, {"workflow": []}]


@pytest.mark.parametrize("metrics", NO_METRICS)
def test_metrics_that_are_none_cost_themselves(metrics: Any) -> None:
    """They are text, null, a list, whatever the database had; the job has ended all the same."""
    with JobServer(switches={"no_metrics"}).running() as server, asked(server) as sweeps:
        server.submit("a1", "running", more={"metrics": metrics})
        sweeps.next()
        server.move("a1", "successful")
        sweeps.next()

    assert sweeps.kept.said("a1") == ["STARTED", "SUCCESS"]


def test_metrics_that_are_written_as_text_are_read() -> None:
    """A WPS-T list has them so; NaN in them, which JSON does not have, is none."""
    written = '{"workflow": {"exit_code": 3, "memory_max_gb": NaN, "node": {"hostname": "pbs7"}}}'
    with JobServer(switches={"no_metrics"}).running() as server, asked(server) as sweeps:
        server.submit("a1", "running", more={"metrics": written})
        sweeps.next()
        server.move("a1", "failed")
        sweeps.next()

    last = list(sweeps.kept.elements.values())[-1]
    assert (last["event"], last["exit_code"]) == ("ERROR", 3)
    (told,) = [each.body for each in sweeps.kept.events.values() if each.kind == "remote.metrics"]
    assert told["metrics"]["workflow"] == {"exit_code": 3, "memory_max_gb": None, "node": {"hostname": "pbs7"}}


def test_an_id_with_half_a_character_costs_itself_only() -> None:
    """It cannot be asked for; the list tells of it, and the others are heard."""
    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        server.submit("half \ud800", "running")
        server.submit("a1", "running")
        report = sweeps.next()

    assert sweeps.kept.told("a1") == ["running"]
    assert report.contact is Contact.REACHABLE
    json.dumps([dict(each.body) for each in sweeps.kept.events.values()]).encode()
    "".join(sweeps.kept.remote).encode()


def test_a_list_that_is_cut_where_nobody_asked_is_whole_where_its_limit_is_taken() -> None:
    """A server without links shows 100 jobs unless more are asked for: the 101st would be invisible."""
    with JobServer(dialect="ogc", switches={"no_links"}).running() as server, asked(server) as sweeps:
        for number in range(130):
            server.submit(f"a{number}", "running")
        report = sweeps.next()

    assert len(sweeps.kept.elements) == 130
    assert (report.differs, sweeps.drained is None) == ("", False)


def test_a_next_page_in_the_header_is_followed() -> None:
    """Weaver names it there."""
    pages = {"": (["a1", "a2"], 2), "page=2": (["a3"], None)}

    def listed(handler: Any) -> tuple[int, Any]:
        _, _, query = handler.path.partition("?")
        ids, following = pages["page=2" if "page=2" in query else ""]
        if following is not None:
            with_link(handler, f'<{server.url}/jobs?page={following}>; rel="next"')
        return 200, {"jobs": ids}

    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        for number in (1, 2, 3):
            server.submit(f"a{number}", "running")
        server.overridden["/jobs"] = listed
        report = sweeps.next()

    assert sorted(sweeps.kept.remote) == ["a1", "a2", "a3"]
    assert report.differs == ""


def with_link(handler: Any, link: str) -> None:
    """Let the head of its answer have it."""
    end = handler.end_headers

    def ended() -> None:
        handler.send_header("Link", link)
        handler.end_headers = end
        end()

    handler.end_headers = ended


def test_a_server_that_answers_nothing_but_faults_is_unreachable() -> None:
    """All of it is dead, whatever its web server says: jobs are not judged, and nothing is gone."""
    with JobServer().running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.overridden["*"] = lambda _: (503, b"<html>no server is available</html>")
        report = sweeps.next()

    assert report.contact is Contact.UNREACHABLE
    assert sweeps.kept.told("a1") == ["running"]


MOMENTS = [
    ("2022-09-01T00:00:00+0000", 1661990400),
    ("2022-09-01T00:00:00.5Z", 1661990400.5),
    ("2022-09-01T00:00:00", 1661990400),
    ("2022-09-01 02:00:00.000000+02:00", 1661990400),
    (1661990400, 1661990400),
]


@pytest.mark.parametrize(("written", "seconds"), MOMENTS)
def test_each_way_to_write_a_moment_is_the_same_moment(written: Any, seconds: float) -> None:
    """One server writes three of them; a time without a zone is UTC, not that of this host."""
    assert moment(written) == round(seconds * 1_000_000)
