"""The shipping process, as an operator runs it: what it sends, from where on, what it says, and what it is asked."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import LOCAL_CHECK, Tracker, cyclic, said, wait_until
from shipping import TRACKER, Document, Events, Shipping, running


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    made = Events(tmp_path / "events.sqlite")
    yield made
    made.close()


def to_file(tmp_path: Path, name: str = "lines", **keys: Any) -> Document:
    return {"name": name, "to": "jsonl", "path": str(tmp_path / f"{name}.jsonl"), **keys}


def told(tmp_path: Path, name: str = "lines") -> list[Document]:
    """The whole lines; one that is being written at this moment is read later, as any reader does."""
    path = tmp_path / f"{name}.jsonl"
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def numbers(tmp_path: Path, name: str = "lines") -> list[int]:
    return [each["seq"] for each in told(tmp_path, name)]


def test_each_event_is_a_line_as_the_command_line_prints_it(tmp_path: Path, events: Events) -> None:
    """What a program reads from a file is what it would read from `job_tracker events --json`."""
    events.add(3)
    with running(Shipping(tmp_path, to_file(tmp_path, **{"from": "beginning"}))) as shipping:
        wait_until(lambda: len(told(tmp_path)) == 4)
        events.add(2, text="späť ' +++ \n")
        wait_until(lambda: len(told(tmp_path)) == 6)

        printed = shipping.command("events", "--json").stdout.splitlines()

    assert [json.loads(line) for line in printed] == told(tmp_path)
    assert told(tmp_path)[1]["tracker"] == TRACKER


def test_what_a_job_reports_is_shipped_while_the_tracker_lives_stops_and_comes_back(tmp_path: Path) -> None:
    """The whole way, from a job's report to the line, with the real daemon at the other end of the events file."""
    tracker = Tracker(tmp_path / "tracker", cyclic("LOAD"))
    shipping = Shipping(
        tmp_path, to_file(tmp_path, **{"from": "beginning"}), events_file=str(tracker.view.parent / "events.sqlite")
    )
    try:
        tracker.start()
        with running(shipping):
            tracker.queue.add(said("LOAD", "STARTED"))
            wait_until(lambda: "run.started" in [each["kind"] for each in told(tmp_path)], "the start")
            tracker.stop()
            tracker.queue.add(said("LOAD", "SUCCESS"))
            tracker.start()
            wait_until(lambda: "run.succeeded" in [each["kind"] for each in told(tmp_path)], "the end")
            tracker.kill()
            tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "ERROR"))
            tracker.start()
            wait_until(lambda: "run.failed" in [each["kind"] for each in told(tmp_path)], "the fault")
            printed = shipping.command("events", "--json").stdout.splitlines()
            wait_until(lambda: len(told(tmp_path)) >= len(printed), "all of it")

        assert told(tmp_path)[: len(printed)] == [json.loads(line) for line in printed]
    finally:
        tracker.close()


def test_a_new_shipper_begins_now_unless_it_is_told_otherwise(tmp_path: Path, events: Events) -> None:
    """Thirty days of events at once are what somebody has to ask for."""
    events.add(3)
    with running(Shipping(tmp_path, to_file(tmp_path), to_file(tmp_path, "all", **{"from": "beginning"}))) as shipping:
        wait_until(lambda: numbers(tmp_path, "all") == [999, 1000, 1001, 1002])
        wait_until(lambda: shipping.status("lines").get("seq") == 1002)
        events.add(1)

        wait_until(lambda: numbers(tmp_path) == [1003])


def test_a_restart_goes_on_where_it_was(tmp_path: Path, events: Events) -> None:
    """Stopped, killed, or away while the tracker went on: each event once."""
    shipping = Shipping(tmp_path, to_file(tmp_path, **{"from": "beginning"}))
    with running(shipping):
        events.add(3)
        wait_until(lambda: len(told(tmp_path)) == 4)
        assert shipping.stop() == 0
        assert "stopped by=SIGTERM" in shipping.log.read_text()
    events.add(700)
    with running(shipping):
        wait_until(lambda: len(told(tmp_path)) > 100)
        shipping.kill()
    with running(shipping):
        wait_until(lambda: len(told(tmp_path)) == 704)

    assert numbers(tmp_path) == list(range(999, 1703))


def test_a_lost_store_of_cursors_is_made_good_by_the_number_that_arrived_last(tmp_path: Path, events: Events) -> None:
    """As the documentation has it; without that, `from: beginning` writes all of it a second time."""
    shipper = to_file(tmp_path, **{"from": "beginning"})
    shipping = Shipping(tmp_path, shipper)
    with running(shipping):
        events.add(3)
        wait_until(lambda: len(told(tmp_path)) == 4)
        shipping.stop()
    for each in shipping.store.parent.glob("ship.sqlite*"):
        each.unlink()
    events.add(2)
    shipping.configure({**shipper, "enabled": False})
    with running(shipping):
        answer = shipping.command("ship", "--from", str(numbers(tmp_path)[-1] + 1), "lines")
        shipping.reload(shipper)
        events.add(1)
        wait_until(lambda: len(told(tmp_path)) >= 7)
        shipping.stop()

    assert "goes on with event 1003" in answer.stdout
    assert numbers(tmp_path) == list(range(999, 1006))


def test_an_older_copy_of_the_cursors_repeats_no_line(tmp_path: Path, events: Events) -> None:
    """A restored host: what lies in the file behind the mark is read before anything is written."""
    shipping = Shipping(tmp_path, to_file(tmp_path, **{"from": "beginning"}))
    with running(shipping):
        events.add(3)
        wait_until(lambda: len(told(tmp_path)) == 4)
        shipping.stop()
    copy = shipping.store.read_bytes()
    with running(shipping):
        events.add(3)
        wait_until(lambda: len(told(tmp_path)) == 7)
        shipping.stop()
    shipping.store.write_bytes(copy)
    with running(shipping):
        events.add(1)
        wait_until(lambda: len(told(tmp_path)) >= 8)
        shipping.stop()

    assert numbers(tmp_path) == list(range(999, 1007))


def test_only_what_is_wanted_is_sent_and_texts_are_left_out(tmp_path: Path, events: Events) -> None:
    """Texts of jobs are strangers' words, which not every target should hold."""
    wanted = {"jobs": "LOAD_*", "kinds": ["run.*"], "sources": "app1"}
    with running(Shipping(tmp_path, to_file(tmp_path, only=wanted, texts=False, **{"from": "beginning"}))):
        events.add(1, text="secret")
        events.add(1, job="OTHER__P")
        events.add(1, kind="job.changed", text="secret")
        events.add(1, source="app2")
        events.add(1, job="LOAD_2__P", text="secret")
        wait_until(lambda: len(told(tmp_path)) == 2)

        assert numbers(tmp_path) == [1000, 1004]
        assert "secret" not in (tmp_path / "lines.jsonl").read_text()


def test_what_was_gone_before_it_was_sent_is_critical(tmp_path: Path, events: Events) -> None:
    """Numbers that nobody will send any more are the one thing that must not pass in silence."""
    events.add(3)
    shipping = Shipping(tmp_path, to_file(tmp_path, **{"from": "beginning"}))
    with running(shipping):
        wait_until(lambda: len(told(tmp_path)) == 4)
        assert shipping.service("job_shipper_lines").startswith("0 ")

        events.skip(5)
        events.add(1)

        wait_until(lambda: shipping.service("job_shipper_lines").startswith("2 "))
        assert "events 1003 to 1007 were gone before they were sent" in shipping.service("job_shipper_lines")
        assert told(tmp_path)[-2]["kind"] == "gap"


def test_the_monitoring_and_the_command_line_are_told(tmp_path: Path, events: Events) -> None:
    """Shipping that died must not stay green: its services are printed by the same local check as the tracker's."""
    shipping = Shipping(tmp_path, to_file(tmp_path))
    with running(shipping):
        wait_until(lambda: shipping.service("job_shipper_lines").endswith("through 0"))

        assert (
            shipping.service("job_tracker_ship") == "0 job_tracker_ship - shippers: 1, events sent since the start: 0"
        )
        assert oct((tmp_path / "state" / "status.json").stat().st_mode & 0o777) == "0o640"
        assert oct((tmp_path / "state" / "ship.sqlite").stat().st_mode & 0o777) == "0o600"
        lists = tmp_path / "lists"
        lists.mkdir()
        part = tmp_path / "job_tracker_ship"
        part.symlink_to(shipping.run_dir)
        (lists / "local_check_dirs").write_text(f"{part}\n")
        environment = {"JOB_TRACKER_LISTS": str(lists), "JOB_TRACKER_STATE_DIR": str(tmp_path / "c")}
        printed = __import__("subprocess").run(
            ["sh", str(LOCAL_CHECK)], env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        assert shipping.service("job_shipper_lines") in printed.stdout.splitlines()
        shown = shipping.command("shippers")
        assert "lines" in shown.stdout
        assert "works" in shown.stdout
        assert json.loads(shipping.command("shippers", "--json").stdout)["shippers"][0]["name"] == "lines"


def test_a_target_that_cannot_be_written_is_critical_and_the_others_go_on(tmp_path: Path, events: Events) -> None:
    """A directory that nobody made does not make itself; once it is there everything arrives."""
    bad = {"name": "bad", "to": "jsonl", "path": str(tmp_path / "none" / "x.jsonl")}
    shipping = Shipping(tmp_path, bad, to_file(tmp_path))
    with running(shipping):
        wait_until(lambda: shipping.status("bad").get("seq") == shipping.status("lines").get("seq") == 0)
        events.add(3)
        wait_until(lambda: len(told(tmp_path)) == 4)
        wait_until(lambda: shipping.service("job_shipper_bad").startswith("2 "))
        assert "its directory is not there" in shipping.service("job_shipper_bad")

        (tmp_path / "none").mkdir()

        wait_until(lambda: shipping.service("job_shipper_bad").startswith("0 "))
    assert len((tmp_path / "none" / "x.jsonl").read_text().splitlines()) == 4


def test_a_changed_configuration_is_taken_up_and_a_faulty_one_refused(tmp_path: Path, events: Events) -> None:
    """A renamed shipper is a new one; a slip of somebody's keeps nothing from being sent."""
    shipping = Shipping(tmp_path, to_file(tmp_path))
    with running(shipping):
        wait_until(lambda: shipping.status("lines").get("seq") == 0)
        events.add(2)
        wait_until(lambda: len(told(tmp_path)) == 3)

        shipping.reload({**to_file(tmp_path), "name": "renamed"})
        wait_until(lambda: shipping.status("renamed").get("seq") == 1001)
        events.add(1)
        wait_until(lambda: numbers(tmp_path) == [999, 1000, 1001, 1002])

        shipping.reload({**to_file(tmp_path), "to": "nowhere"})
        wait_until(lambda: "configuration refused" in shipping.service("job_tracker_ship"))
        events.add(1)
        wait_until(lambda: len(told(tmp_path)) == 5)


def test_a_second_process_is_refused(tmp_path: Path, events: Events) -> None:
    """Two that share cursors would each send what the other has sent."""
    with running(Shipping(tmp_path, to_file(tmp_path))) as shipping:
        again = shipping.command("ship")

    assert again.returncode == 1
    assert "it runs already" in again.stderr


def test_an_operator_sets_a_shipper_back(tmp_path: Path, events: Events) -> None:
    """Whoever lost a target fills it again; the running process hears of it within a second."""
    shipping = Shipping(tmp_path, to_file(tmp_path, **{"from": "beginning"}))
    with running(shipping):
        events.add(5)
        wait_until(lambda: len(told(tmp_path)) == 6)

        asked = shipping.command("ship", "--from", "1003", "lines")

        assert asked.returncode == 0, asked.stderr
        wait_until(lambda: len(told(tmp_path)) == 8)
    assert numbers(tmp_path)[-2:] == [1003, 1004]
    unknown = shipping.command("ship", "--from", "1", "nobody")
    assert unknown.returncode == 2
    assert "nobody: there is no such shipper" in unknown.stderr
    assert shipping.command("ship", "lines").returncode == 2


def test_events_that_are_not_there_yet_are_waited_for(tmp_path: Path) -> None:
    """After a boot nobody says that the daemon comes first."""
    shipping = Shipping(tmp_path, to_file(tmp_path, **{"from": "beginning"}))
    with running(shipping):
        wait_until(lambda: "there is no such file" in shipping.service("job_tracker_ship"))

        events = Events(tmp_path / "events.sqlite")
        events.add(2)

        wait_until(lambda: len(told(tmp_path)) == 3)
        events.close()


def test_it_says_ready_to_systemd_and_ends_by_a_signal(tmp_path: Path, events: Events) -> None:
    """Type=notify: whoever starts it waits for this word."""
    import socket

    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(address))
        supervisor.settimeout(60)
        with running(Shipping(tmp_path, to_file(tmp_path)), NOTIFY_SOCKET=str(address)) as shipping:
            assert [supervisor.recv(1000), supervisor.recv(1000)] == [b"READY=1", b"WATCHDOG=1"]
            assert shipping.process is not None
            shipping.process.send_signal(signal.SIGHUP)
            assert supervisor.recv(1000).startswith(b"RELOADING=1")
            assert supervisor.recv(1000) == b"READY=1"
            assert shipping.stop() == 0
            assert supervisor.recv(1000) == b"STOPPING=1"
