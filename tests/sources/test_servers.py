"""Jobs of other servers: heard once each, in either dialect, whatever the server does."""

import json
import random
import threading
import time
from contextlib import closing, suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_server import PROCESS, JobServer
from running import SLOW
from server_asking import TERMS, Kept, asked, secret, server_of
from sourcing import now

from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Contact
from job_tracker.sources.ogc.asking import ask_all
from job_tracker.sources.ogc.client import Client
from job_tracker.sources.ogc.listing import OGC, path_of
from job_tracker.sources.ogc.reading import Sighting


@pytest.mark.parametrize("dialect", ["wpst", "ogc"])
def test_a_job_is_heard_from_its_start_to_its_end(dialect: str) -> None:
    """The least that is promised: what a server's job goes through is what a job of ours would have reported."""
    with (
        JobServer(dialect=dialect).running() as server,
        asked(server, process_to_job=((r"(.+)-[0-9.]+", r"\1"),)) as sweeps,
    ):
        sweeps.first()
        server.submit("sentinel-1.0-a1")
        sweeps.next()
        server.move("sentinel-1.0-a1", "running")
        sweeps.next()
        server.move("sentinel-1.0-a1", "successful")
        report = sweeps.next()
        sweeps.next()

    kept = sweeps.kept
    assert kept.told("sentinel-1.0-a1") == ["accepted", "running", "successful"]
    assert kept.said("sentinel-1.0-a1") == ["STARTED", "SUCCESS"]
    assert {(each["job"], each["instance"]) for each in kept.elements.values()} == {("sentinel", "ADES")}
    assert kept.repeated == 0
    assert report.contact is Contact.REACHABLE
    assert report.differs == ""
    assert sweeps.drained is not None


def status_of(server: JobServer, override: Any, path: str = "*") -> None:
    server.overridden[path] = override if callable(override) else (lambda _: override)


def test_three_states_are_told_once_however_often_it_begins_again() -> None:
    """A restart repeats nothing and hides nothing: what the ledger holds is where the next one goes on."""
    kept = Kept()
    with JobServer().running() as server:
        server.submit("a1")
        for status in ("accepted", "running", "successful", "successful"):
            server.move("a1", status)
            for _ in range(3):
                with asked(server, kept, adopt="all") as sweeps:
                    sweeps.first()

    assert kept.told("a1") == ["accepted", "running", "successful"]
    assert kept.said("a1") == ["STARTED", "SUCCESS"]
    assert [each.kind for each in kept.events.values()].count("remote.metrics") == 1
    assert kept.repeated == 0


def test_a_kill_before_the_ledger_holds_it_tells_the_same_again() -> None:
    """What was handed over and not stored is found once more, with the same uids: so it counts once."""
    kept, lost = Kept(), Kept()
    with JobServer().running() as server:
        with asked(server, kept) as sweeps:
            sweeps.first()
        server.submit("a1", "running")
        with asked(server, replace(lost, memento=kept.memento)) as sweeps:
            killed = sweeps.box.delivery()
        with asked(server, kept) as sweeps:
            sweeps.first()

    assert {each["uid"] for each in killed.elements} == set(kept.elements)
    assert {each.body["uid"] for each in killed.events} == set(kept.events)


@pytest.mark.parametrize(("adopt", "heard"), [("open", {"open"}), ("all", {"open", "ended"}), ("none", set())])
def test_what_was_there_before_is_adopted_as_configured(adopt: str, heard: set[str]) -> None:
    """A server with ten years of jobs floods nobody; what begins after the first look is always told."""
    with JobServer(dialect="ogc").running() as server:
        server.submit("ended", "running")
        server.move("ended", "successful", finished=time.time() - 3600)
        server.submit("open", "running")
        with asked(server, adopt=adopt) as sweeps:
            sweeps.first()
            server.submit("new", "running")
            server.move("open", "successful")
            sweeps.next()

    assert {each["run"] for each in sweeps.kept.elements.values()} == heard | {"new"}
    assert set(sweeps.kept.remote) == {"ended", "open", "new"}


ENDS = [
    ("successful", "SUCCESS", 0),
    ("failed", "ERROR", 1),
    ("dismissed", "ERROR", -2),
    ("canceled", "ERROR", -2),
    ("succeeded", "SUCCESS", None),
    ("exception", "ERROR", None),
]


@pytest.mark.parametrize(("status", "event", "exit_code"), ENDS)
def test_each_word_for_an_end_is_understood(status: str, event: str, exit_code: int | None) -> None:
    """Servers have words of their own; each is the end that it means, with the code by which operators treat it."""
    with JobServer().running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", "running")
        sweeps.next()
        server.move("a1", status.upper())
        if exit_code in (0, 1):
            server.move("a1", status)
        sweeps.next()

    last = list(sweeps.kept.elements.values())[-1]
    assert (last["event"], last.get("exit_code")) == (event, exit_code)
    assert sweeps.kept.said("a1") == ["STARTED", event]


def test_a_run_that_nobody_saw_start_has_its_start_from_its_times() -> None:
    """Between two looks a job may run whole: its start is told as well, or a start would count as missed."""
    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", "running")
        job = server.move("a1", "failed", message="out of memory")
        sweeps.next()

    first, last = sweeps.kept.elements.values()
    assert (first["event"], last["event"], last["message"]) == ("STARTED", "ERROR", "out of memory")
    assert (first["timestamp"], last["timestamp"]) == (round(job.started or 0, 6), round(job.finished or 0, 6))


@pytest.mark.parametrize("switch", ["", "gone_410"])
def test_a_job_is_gone_after_a_whole_list_and_its_own_404(switch: str) -> None:
    """A run whose server no longer knows it is closed, and somebody is told: else it would seem to run for ever."""
    with JobServer(dialect="ogc", switches={switch}).running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.forget("a1")
        sweeps.next()
        sweeps.next()

    last = list(sweeps.kept.elements.values())[-1]
    assert (last["event"], last["exit_code"]) == ("ERROR", -3)
    assert last["message"].startswith("no longer known to the server; it was running since 20")
    assert sweeps.kept.told("a1") == ["running", "gone"]


def test_a_job_that_is_only_not_listed_goes_on() -> None:
    """A server may show a part of its jobs; what its own address still tells of is not gone."""
    with JobServer().running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.processes.remove(PROCESS)
        sweeps.next()
        server.move("a1", "successful")
        sweeps.next()

    assert sweeps.kept.told("a1") == ["running", "successful"]


def test_a_server_whose_name_changed_is_not_believed() -> None:
    """A WPS-T server that is started without a name has another one and an empty memory: its jobs are not all gone."""
    with JobServer(switches={"right_404"}).running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.identity = "ades-random-7"
        kept = server.jobs.pop("a1")
        report = sweeps.next()
        doubted = sweeps.kept.told("a1")
        server.jobs["a1"], server.identity = kept, "ades-pbs-dev"
        again = sweeps.next()

    assert doubted == ["running"]
    assert "the server's memory is not the one we knew: it is ades-random-7, and was ades-pbs-dev" in report.differs
    assert again.differs == ""


def test_a_server_that_lost_most_of_its_jobs_at_once_is_not_believed() -> None:
    """Its database is gone, not their jobs; thirty alarms at once would say the wrong thing thirty times."""
    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        for number in range(30):
            server.submit(f"a{number}", "running")
        sweeps.next()
        server.forget(*(f"a{number}" for number in range(25)))
        report = sweeps.next()

    assert "25 of 30 jobs vanished at once" in report.differs
    assert all(each.body["to"] == "running" for each in sweeps.kept.events.values())


PAGES = ["relative_next", "duplicates", "limit_ignored", "limit_refused", "version_2", "ids_only", ""]


@pytest.mark.parametrize("switch", PAGES)
def test_every_job_of_many_pages_is_heard(switch: str) -> None:
    """Each server pages its own way; only the links that it gives are followed."""
    with JobServer(dialect="ogc", page=7, switches={switch}).running() as server, asked(server) as sweeps:
        for number in range(40):
            server.submit(f"a{number}", "running")
        report = sweeps.next()

    assert len(sweeps.kept.elements) == 40
    assert (report.differs, sweeps.drained is None) == ("", False)


@pytest.mark.parametrize("switches", [{"endless_next", "limit_ignored"}, {"same_next"}, {"next_elsewhere"}])
def test_a_list_that_does_not_end_is_not_whole(switches: set[str]) -> None:
    """Nothing is gone by it and no silence proves anything, but what it shows is heard; the sweep ends."""
    with JobServer(dialect="ogc", switches=switches).running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        server.submit("a2", "running")
        report = sweeps.next()
        server.forget("a2")
        sweeps.next()

    assert "the list of jobs is not whole" in report.differs
    assert sweeps.drained is None
    assert sweeps.kept.told("a2") == ["running"]


def no_http(handler: Any) -> None:
    """Bytes that are no answer."""
    handler.wfile.write(b"\x00\x01\x02")
    handler.close_connection = True


def drip(handler: Any) -> None:
    """A byte now and then, for ever."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    with suppress(OSError):
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)  # the drip


def drip_head(handler: Any) -> None:
    """The same before the head has ended."""
    handler.close_connection = True
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X: y\r\n")
            time.sleep(0.05)  # the drip


DEEP = b'{"statusInfo":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BAD_ANSWERS = {
    "no_json": (200, b"<html>Welcome</html>"),
    "a_list": (200, []),
    "a_number": (200, 7),
    "nothing": (200, b""),
    "deep": (200, DEEP),
    "digits": (200, b'{"statusInfo": {"status": ' + b"9" * 5000 + b"}}"),
    "no_status": (200, {"statusInfo": {"jobID": "bad"}}),
    "status_is_a_number": (200, {"statusInfo": {"jobID": "bad", "status": 3}}),
    "of_another_job": (200, {"statusInfo": {"jobID": "other", "status": "failed"}}),
    "not_utf_8": (200, b'{"statusInfo": {"jobID": "bad", "status": "\xff\xfe"}}'),
    "error": (500, b"database is locked"),
    "no_http": no_http,
    "drip": drip,
    "drip_head": drip_head,
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_one_bad_job_costs_itself_only(bad: str) -> None:
    """The others are heard in the same sweep, silence still proves something, and in the end somebody is told."""
    override = BAD_ANSWERS[bad]
    with JobServer().running() as server:
        server.submit("bad", "running")
        server.submit("good", "running")
        answer = override if callable(override) else (lambda _: override)
        status_of(server, lambda handler: answer(handler) or None, f"/processes/{PROCESS}/jobs/bad")
        terms = replace(TERMS, load_timeout=0.5)
        with asked(server, terms=terms) as sweeps:
            reports = [sweeps.first() for _ in range(7)]
            server.move("good", "successful")
            sweeps.next()
            drained = sweeps.drained
            server.overridden.clear()
            server.move("bad", "successful")
            well = sweeps.next()

    assert sweeps.kept.told("good") == ["running", "successful"]
    assert sweeps.kept.told("bad") == ["running", "successful"]
    assert drained is not None
    assert "job bad could not be read" in reports[-1].differs
    assert well.differs == ""


def test_a_row_that_is_none_costs_itself_only() -> None:
    """A list may hold whatever a database held."""
    rows: list[object] = [
        None,
        7.5,
        True,
        "",
        [],
        {"status": "running"},
        {"jobID": None},
        {"jobID": "x" * 501, "status": "running"},
    ]
    with JobServer(dialect="ogc").running() as server:
        job = server.submit("a1", "running")
        status_of(server, (200, {"jobs": [*rows, server.info(job)]}), "/jobs")
        with asked(server) as sweeps:
            report = sweeps.first()

    assert sweeps.kept.told("a1") == ["running"]
    assert f"and is left out ({len(rows)} so)" in report.differs


STRANGE_IDS = ["a/b?c#d", "it's", "a+++b", "two\nlines", "..", "ünï", "%2e", " blank ", "x" * 500]


@pytest.mark.parametrize("id", STRANGE_IDS)
def test_an_id_may_hold_anything(id: str) -> None:
    """It is quoted where it is asked for, and told as it is."""
    with JobServer().running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit(id)
        sweeps.next()
        server.move(id, "successful")
        sweeps.next()

    assert sweeps.kept.told(id) == ["accepted", "successful"]
    assert [each for each in server.requests if ".." in each.split("/")] == []


def test_a_word_that_nobody_knows_changes_nothing_and_is_said() -> None:
    """A server of tomorrow: the run goes on, and the source names the word."""
    with JobServer().running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.move("a1", "hibernating")
        report = sweeps.next()
        server.move("a1", "unknown-no-exit-code")
        sweeps.next()

    assert sweeps.kept.said("a1") == ["STARTED"]
    assert "job a1 has the status 'hibernating'" in report.differs


def test_a_dismissed_success_stays_a_success() -> None:
    """WPS-T writes `dismissed` over any status: that is told, and changes nothing of how the run ended."""
    with JobServer().running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.move("a1", "successful")
        sweeps.next()
        server.move("a1", "dismissed", metrics={})
        server.jobs["a1"].shown = "dismissed"
        sweeps.next()

    assert sweeps.kept.told("a1") == ["running", "successful", "dismissed"]
    assert sweeps.kept.said("a1") == ["STARTED", "SUCCESS"]


def test_metrics_that_come_later_are_told_once() -> None:
    """PBS measures after the end; they are waited for, and told when they are there."""
    with JobServer(switches={"no_metrics"}).running() as server, asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server.move("a1", "successful")
        sweeps.next()
        before = [each.kind for each in sweeps.kept.events.values()]
        server.jobs["a1"].metrics = {"workflow": {"exit_code": 0, "memory_max_gb": float("nan")}}
        sweeps.next()
        sweeps.next()

    kinds = [each.kind for each in sweeps.kept.events.values()]
    assert (before.count("remote.metrics"), kinds.count("remote.metrics")) == (0, 1)
    told = list(sweeps.kept.events.values())[-1]
    assert told.body["metrics"] == {"workflow": {"exit_code": 0, "memory_max_gb": None}}


BAD_TIMES = [None, "", "Z", "NoneZ", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 7, True, {"a": 1}, "tomorrow"]


@pytest.mark.parametrize("time_", BAD_TIMES)
def test_a_time_that_is_none_is_not_known(time_: Any) -> None:
    """What nobody set is written in many ways; the run is heard all the same, as of when it was seen."""
    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        sweeps.first()
        began = time.time()
        server.submit("a1", "running", more=dict.fromkeys(("created", "started", "finished", "updated"), time_))
        sweeps.next()
        server.move("a1", "successful")
        sweeps.next()

    moments = [each["timestamp"] for each in sweeps.kept.elements.values()]
    assert sweeps.kept.said("a1") == ["STARTED", "SUCCESS"]
    assert began - 1 <= moments[0] <= moments[1] <= time.time()


def test_an_end_before_its_start_is_at_its_start() -> None:
    """A server whose clock was set back in between must not make a run end before it began."""
    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", "running")
        job = server.move("a1", "successful")
        job.finished = (job.started or 0) - 3600
        sweeps.next()

    first, last = sweeps.kept.elements.values()
    assert first["timestamp"] == last["timestamp"]


def test_a_clock_that_is_an_hour_ahead_is_measured_and_allowed_for() -> None:
    """Its jobs would lie in the future, and be taken as of now; the drift is said as of any source."""
    with JobServer(dialect="ogc", clock_ahead=3600).running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", "running")
        report = sweeps.next()

    (element,) = sweeps.kept.elements.values()
    assert abs(element["timestamp"] - time.time()) < 60
    assert report.clock_offset is not None
    assert abs(report.clock_offset / MICROSECONDS - 3600) < 3


def test_inputs_and_what_runs_behind_are_left_where_they_are() -> None:
    """They hold paths to credentials; they are neither handed over nor kept, unless somebody wants them."""
    with JobServer().running() as server:
        server.submit("a1", "running")
        with asked(server) as sweeps:
            sweeps.first()
        with asked(server, include_inputs=True) as wanted:
            wanted.first()

    told = json.dumps([dict(each.body) for each in sweeps.kept.events.values()])
    assert ".netrc" not in told + json.dumps(list(sweeps.kept.elements.values()))
    assert ".netrc" not in repr(sweeps.kept.remote)
    (event,) = wanted.kept.events.values()
    assert "inputs" not in event.body or ".netrc" in json.dumps(event.body["inputs"])


def test_a_text_of_a_megabyte_and_half_a_character_is_cut_and_whole() -> None:
    """Whatever is written there fits a file and a terminal."""
    with JobServer(dialect="ogc").running() as server, asked(server) as sweeps:
        sweeps.first()
        server.submit("a1", "running")
        server.move("a1", "failed", message="x" * 1_000_000 + "\ud800")
        sweeps.next()

    last = list(sweeps.kept.elements.values())[-1]
    assert len(last["message"]) <= 500
    last["message"].encode()


def test_what_has_ended_is_not_asked_again() -> None:
    """Ten thousand jobs of last year cost a sweep nothing but their lines in the list."""
    with JobServer(dialect="ogc").running() as server, asked(server, adopt="all") as sweeps:
        for number in range(50):
            server.submit(f"a{number}", "running")
            server.move(f"a{number}", "successful")
        server.submit("open", "running")
        sweeps.next()
        server.requests.clear()
        sweeps.next()
        asked_for = list(server.requests)

    assert set(asked_for) == {"/jobs?limit=1000", "/jobs/open"}


def test_several_are_asked_side_by_side() -> None:
    """A server that takes its time for each is swept in a part of that."""
    meeting = threading.Barrier(4)

    def met(handler: Any) -> None:
        if "/jobs/" in handler.path:
            meeting.wait(SLOW)

    with JobServer(dialect="ogc").running() as server:
        for number in range(8):
            server.submit(f"a{number}", "running")
        status_of(server, met)
        with asked(server, parallel_requests=4, terms=replace(TERMS, load_timeout=SLOW)) as sweeps:
            sweeps.first()

    assert len(sweeps.kept.elements) == 8


def test_whoever_leaves_before_the_last_answer_leaves_nobody_asking() -> None:
    """A thread that asks on behind its owner opens what was closed already, and nobody closes it again."""
    meeting, let_go = threading.Barrier(4), threading.Event()

    def held(handler: Any) -> None:
        meeting.wait(SLOW)
        if not handler.path.endswith("a0"):
            let_go.wait(SLOW)

    with JobServer(dialect="ogc").running() as server:
        jobs = [
            Sighting(id=server.submit(f"a{number}", "running").id, process=PROCESS, seen=now()) for number in range(8)
        ]
        status_of(server, held)
        clients = [Client(server_of(server.url), deadline=SLOW, clock=now) for _ in range(4)]
        with closing(ask_all(clients, jobs, lambda each: path_of(OGC, each))) as answers:
            next(answers)
        asking = [each for each in threading.enumerate() if each.name == "asks a server"]
        let_go.set()
        for client in clients:
            client.close()

    assert asking == []


def test_a_server_that_is_away_is_unreachable_and_heard_when_it_is_back() -> None:
    """Nothing is lost by it: what happened meanwhile is told, as of when it did."""
    server = JobServer(dialect="ogc")
    with server.running(), asked(server) as sweeps:
        server.submit("a1", "running")
        sweeps.next()
        server_is_up = server.running()
    with asked(server, sweeps.kept) as again:
        away = again.first()
        server.move("a1", "successful")
        with server_is_up:
            while again.first().contact is not Contact.REACHABLE:
                pass

    assert away.contact is Contact.UNREACHABLE
    assert server.url in away.text
    assert again.kept.told("a1") == ["running", "successful"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_lets_us_not_in_is_refused(status: int) -> None:
    """Somebody has to change something, here or there; it is tried again all the same."""
    with JobServer(dialect="ogc").running() as server:
        status_of(server, (status, {}))
        with asked(server) as sweeps:
            report = sweeps.first()

    assert report.contact is Contact.REFUSED
    assert "is the credential the right one?" in report.text


def redirect(location: str) -> Any:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        handler.close_connection = True

    return answer


def test_a_redirect_to_another_server_is_refused_before_it_is_asked() -> None:
    """The credential would be shown to whoever the first one names."""
    with JobServer(dialect="ogc").running() as server, JobServer(dialect="ogc").running() as other:
        status_of(server, redirect(f"{other.url}/jobs"), "/jobs")
        with asked(server) as sweeps:
            report = sweeps.first()

    assert report.contact is Contact.REFUSED
    assert "which is another server" in report.text
    assert other.requests == []


def test_a_redirect_on_the_server_itself_is_followed() -> None:
    """A slash that is missing is no reason to be deaf."""
    with JobServer(dialect="ogc").running() as server:
        server.submit("a1", "running")
        status_of(server, redirect("/moved/../jobs/"), "/jobs")
        status_of(server, lambda _: server.listed({}), "/jobs/")
        with asked(server) as sweeps:
            sweeps.first()

    assert sweeps.kept.told("a1") == ["running"]


def test_an_answer_that_never_ends_ends_the_sweep() -> None:
    """Bytes are counted, and time: neither a list without an end nor one that drips holds up the source."""
    for endless in (drip, drip_head, lambda _: (200, b"[" + b"1," * 40_000_000 + b"1]")):
        with JobServer(dialect="ogc").running() as server:
            status_of(server, endless)
            with asked(server, terms=replace(TERMS, load_timeout=0.5), dialect="ogc") as sweeps:
                report = sweeps.first()

        assert report.contact is Contact.UNREACHABLE


def test_credentials_are_sent_from_files_that_only_we_can_read(tmp_path: Path) -> None:
    """A token that others can read is refused with what to do, and nothing is asked."""
    token = secret(tmp_path, "token", "s3cret\n")
    password = secret(tmp_path, "password", "pass word")
    shared = secret(tmp_path, "shared", "s3cret", mode=0o644)
    with JobServer(dialect="ogc").running() as server:
        for more in ({"bearer_token_file": token}, {"user": "ann", "password_file": password}):
            with asked(server, **more) as sweeps:
                assert sweeps.first().contact is Contact.REACHABLE
        heard = set(server.credentials)
        server.requests.clear()
        with asked(server, bearer_token_file=shared) as sweeps:
            refused = sweeps.first()

    assert heard == {"Bearer s3cret", "Basic YW5uOnBhc3Mgd29yZA=="}
    assert refused.contact is Contact.REFUSED
    assert "is open to others (mode 0644)" in refused.text
    assert "s3cret" not in refused.text
    assert server.requests == []


def test_the_dialect_is_found_once_and_kept() -> None:
    """What `auto` found is not looked for again at each start, when the server may be half-way up."""
    kept = Kept()
    with JobServer().running() as server:
        with asked(server, kept) as sweeps:
            report = sweeps.first()
        server.requests.clear()
        with asked(server, kept) as sweeps:
            sweeps.first()

    assert report.about.startswith("wpst server ades-pbs-dev, 0 jobs known, 0 not ended")
    assert server.requests[0] == "/processes"


def test_whatever_is_killed_and_in_whatever_order_the_sequence_is_the_same() -> None:
    """Kills between finding and storing, at random: nothing twice, nothing hidden, in order for each job."""
    chance = random.Random(7)
    kept = Kept()
    steps = {f"a{number}": ["accepted", "running", "successful"] for number in range(20)}
    shown: dict[str, list[str]] = {id: [] for id in steps}
    with JobServer(switches={"right_404"}).running() as server:
        with asked(server, kept) as sweeps:
            sweeps.first()
        while any(len(shown[id]) < 3 for id in steps):
            for id in chance.sample(sorted(steps), 5):
                if len(shown[id]) < 3:
                    status = steps[id][len(shown[id])]
                    server.submit(id) if status == "accepted" else server.move(id, status)
                    shown[id].append(status)
            copy = deepcopy(kept)
            with asked(server, kept) as sweeps:
                sweeps.first()
            if chance.random() < 0.4:  # the ledger never held it
                kept = copy
                with asked(server, kept) as sweeps:
                    sweeps.first()

    for id in steps:
        told = kept.told(id)
        assert told == [each for each in steps[id] if each in told]
        assert told[-1] == "successful"
        assert kept.said(id) == ["STARTED", "SUCCESS"]
    assert kept.repeated == 0
