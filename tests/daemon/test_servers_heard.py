"""Jobs of other servers through the real daemon: judged like any other, and each state told once."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from job_server import JobServer
from running import Line, Tracker, in_memory, wait_until

from job_tracker.events.reading import EventsReader
from job_tracker.view.reading import read_meta

KILLS = int(os.environ.get("KILLS", "20"))
"""A tenth of what `make soak` does."""


@pytest.fixture
def place() -> Iterator[Path]:
    with in_memory() as made:
        yield made


def on_demand(name: str, timeout: str) -> Line:
    return {"name": name, "env": "ADES", "cyclic_or_daily": "on_demand", "timeout_in_hh:mm:ss": timeout}


def tracker_of(home: Path, server: JobServer, *jobs: Line, **more: object) -> Tracker:
    """A tracker that asks nobody but this server, and often."""
    tracker = Tracker(
        home,
        *jobs,
        sources=(),
        controller_interval_in_sec=0.3,
        controller_data_load_timeout_in_sec=1,
        controller_message_grace_period_in_sec=0.5,
    )
    rule = {"process": "(.+)-[0-9.]+", "job": r"\1"}
    section = {"name": "ades1", "connection": "ogc", "url": server.url, "env": "ADES", "poll_interval_in_sec": 0.1}
    tracker.servers = [{**section, "process_to_job": [rule], **more}]
    tracker.configure()
    return tracker


def state(tracker: Tracker, job: str) -> str:
    return (tracker.run_dir / f"job_tracker.{job}__ADES.state").read_text(encoding="utf-8")


def is_shown(word: str, tracker: Tracker, job: str) -> bool:
    return word in state(tracker, job)


def told(tracker: Tracker) -> list[Line]:
    """All events so far."""
    reader = EventsReader(tracker.view.parent / "events.sqlite")
    found, seq = [], 0
    while part := reader.after(seq):
        found += part
        seq = part[-1]["seq"]
    reader.close()
    return found


def test_what_could_not_be_seen_is_unknown_and_judged_as_of_its_moment_later(place: Path) -> None:
    """Promise 1 over HTTP: a server that is away over two jobs' deadlines proves nothing about either.

    When it is back, the one that ended in time was never late, and the one that did not is late since its deadline.
    """
    server = JobServer(processes=["good-1", "late-1"])
    with server.running():
        tracker = tracker_of(place, server, on_demand("good", "00:00:05"), on_demand("late", "00:00:05"))
        tracker.start()
        server.submit("g1", "running", process="good-1")
        server.submit("l1", "running", process="late-1")
        for job in ("good", "late"):
            wait_until(partial(is_shown, "RUNNING since", tracker, job), f"{job} to run")
    try:
        for job in ("good", "late"):
            wait_until(partial(is_shown, "UNKNOWN", tracker, job), f"{job} to be unseen")
        unseen = [state(tracker, job)[0] for job in ("good", "late")]
        good = server.move("g1", "successful")
        good.metrics["workflow"]["time_end"] = good.metrics["workflow"]["time_start"]
        with server.running():
            wait_until(lambda: "NOT_RUNNING" in state(tracker, "good"), "good to have ended")
            wait_until(lambda: "TIMEOUT" in state(tracker, "late"), "late to be late")
            statuses = [state(tracker, job)[0] for job in ("good", "late")]
            tracker.stop()
    finally:
        tracker.close()

    assert unseen == ["3", "3"]
    assert statuses == ["0", "2"]
    timeouts = [each for each in told(tracker) if each["kind"] == "run.timeout"]
    assert [each["job"] for each in timeouts] == ["late__ADES"]
    assert abs(timeouts[0]["at"] - timeouts[0]["begin"] - 5.5) < 0.001  # as of its deadline, not as of when it was seen


def test_a_job_is_told_once_over_kills_at_any_moment(place: Path) -> None:
    """Between seeing and storing, between storing and telling: three states of a job are three events, in order."""
    chance = random.Random(11)
    server = JobServer(dialect="ogc", processes=["load-1"])
    steps = ["accepted", "running", "successful"]
    at = {f"j{number}": 0 for number in range(60)}
    tracker = tracker_of(place, server, on_demand("load", "01:00:00"), adopt="all")
    with server.running():
        tracker.servers[0]["url"] = server.url
        tracker.configure()
        try:
            tracker.start()
            for _ in range(KILLS):
                for id in chance.sample(sorted(at), 20):
                    if at[id] < 3:
                        server.submit(id, process="load-1") if at[id] == 0 else server.move(id, steps[at[id]])
                        at[id] += 1
                time.sleep(chance.uniform(0, 0.3))  # when the kill falls is what is tried
                tracker.kill()
                tracker.launch()
            for id in at:
                server.submit(id, process="load-1") if at[id] == 0 else None
                server.move(id, "successful")
            wait_until(lambda: len(ended(tracker)) == len(at), "all jobs to have ended")
            tracker.stop()
        finally:
            tracker.close()

    events = [each for each in told(tracker) if each["kind"] == "remote.status"]
    assert Counter((each["id"], each["to"]) for each in events).most_common(1)[0][1] == 1
    for id in at:
        seen = [each["to"] for each in events if each["id"] == id]
        assert seen == [each for each in steps if each in seen]
        assert seen[-1] == "successful"
    runs = [
        each for each in told(tracker) if each["kind"] in ("run.started", "run.succeeded", "run.failed", "run.lost")
    ]
    assert Counter(each["kind"] for each in runs) == {"run.started": 60, "run.succeeded": 60}


def events_of(tracker: Tracker) -> list[Line]:
    """What was told of the server's jobs."""
    events = told(tracker) if (tracker.view.parent / "events.sqlite").exists() else []
    return [each for each in events if each["kind"] == "remote.status"]


def ended(tracker: Tracker) -> set[str]:
    """The jobs whose end was told."""
    return {each["id"] for each in events_of(tracker) if each["to"] == "successful"}


def test_how_a_server_stands_is_shown(place: Path) -> None:
    """Its dialect, how many jobs it has, and why it is WARN, in its service and in `sources`."""
    server = JobServer(processes=["load-1"])
    with server.running():
        tracker = tracker_of(place, server, on_demand("load", "01:00:00"))
        try:
            tracker.start()
            server.submit("j1", "running", process="load-1")
            tracker.wait_for_service("job_source_ades1", "wpst server ades-pbs-dev, 1 jobs known, 1 not ended")
            server.move("j1", "hibernating")
            tracker.wait_for_service("job_source_ades1", "job j1 has the status 'hibernating'")
            line = tracker.services()["job_source_ades1"]
            tracker.stop()
        finally:
            tracker.close()

    assert line.startswith("1 ")
    source = read_meta(tracker.view)["sources"]["ades1"]
    assert source["path"] == server.url
    assert "wpst server" in source["about"]


def test_explain_says_what_the_server_said_of_a_job(place: Path) -> None:
    """Paused, or waiting for its start: no message says that, and whoever is called at night would ask the server."""
    server = JobServer(processes=["load-1"])
    with server.running():
        tracker = tracker_of(place, server, on_demand("load", "01:00:00"))
        try:
            tracker.start()
            server.submit("over", "running", process="load-1")
            wait_until(lambda: ("over", "running") in statuses(tracker), "its start")
            server.move("over", "successful")
            wait_until(lambda: ended(tracker) == {"over"}, "its end")
            of_ended = explained(tracker)
            server.submit("j1", "running", process="load-1")
            wait_until(lambda: ("j1", "running") in statuses(tracker), "its start")
            server.move("j1", "paused")
            server.submit("j2", process="load-1")
            wait_until(lambda: {("j1", "paused"), ("j2", "accepted")} <= statuses(tracker), "its pause")
            going_on = explained(tracker)
            tracker.stop()
            (tracker.view.parent / "events.sqlite").rename(place / "elsewhere")
            unreadable = explained(tracker)
        finally:
            tracker.close()

    assert of_ended.startswith("ades1 (ades-pbs-dev) says: its job over is successful since ")
    first, second = sorted(going_on.split("\n"))
    assert first.startswith("ades1 (ades-pbs-dev) says: its job j1 is paused since ")
    assert second.startswith("ades1 (ades-pbs-dev) says: its job j2 is accepted since ")
    assert unreadable.startswith("What its server said last is not to be had: ")


def explained(tracker: Tracker) -> str:
    return "\n".join(tracker.shown("explain", "load__ADES")["sentences"]["server"])


def statuses(tracker: Tracker) -> set[tuple[str, str]]:
    return {(each["id"], each["to"]) for each in events_of(tracker)}
