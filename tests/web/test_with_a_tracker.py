"""The pages beside a tracker that is really there: from a message on a host to a browser, and back to the tracker."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Tracker, cyclic, said, wait_until
from web_server import Stream, WebServer


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Tracker]:
    made = Tracker(tmp_path / "tracker", cyclic("LOAD"), cyclic("OTHER"))
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path, tracker: Tracker) -> Iterator[WebServer]:
    tracker.start()
    with WebServer(tmp_path) as made:
        made.view = tracker.view
        made.configure()
        made.add("olga", permissions=("job://LOAD__P/x",))
        made.add("root", "cop")
        yield made.start()


def kinds(stream: Stream) -> list[str]:
    return [event["kind"] for event in stream.named("event") if event.get("job") == "LOAD__P"]


def state(client: Any) -> str:
    return str(client.get("/api/v1/jobs/LOAD__P").json()["job"]["state"])


def test_a_message_is_seen_and_a_death_of_the_tracker_too(server: WebServer, tracker: Tracker) -> None:
    """What a browser is told is what the tracker has judged; and once nobody judges, everything is grey."""
    client = server.client(server.token("olga"))
    stream = Stream(client)
    wait_until(lambda: stream.named("hello"))
    asked = server.client(server.token("olga"))

    tracker.queue.add(said("LOAD", "STARTED", time.time()), said("OTHER", "STARTED", time.time()))
    wait_until(lambda: "run.started" in kinds(stream))
    wait_until(lambda: any("LOAD__P" in (rows["changed"] or ()) for rows in stream.named("jobs")))
    seen = state(asked)
    tracker.kill()
    wait_until(lambda: stream.named("health")[-1]["stale"])
    dead = asked.get("/api/v1/jobs").json()
    tracker.start()
    wait_until(lambda: not stream.named("health")[-1]["stale"])

    assert seen == "RUNNING"
    assert (dead["stale"], [job["state"] for job in dead["jobs"]]) == (True, ["RUNNING"])
    assert "the tracker has ended without saying so" in [each["why"] for each in stream.named("health")]
    assert "OTHER" not in stream.text


def test_nothing_lacks_over_a_restart_of_both(server: WebServer, tracker: Tracker) -> None:
    """Whoever keeps the last number misses no run and hears of none twice."""
    stream = Stream(server.client(server.token("root")))
    wait_until(lambda: stream.named("hello"))
    first = stream.named("hello")[0]["seq"]
    server.stop()
    tracker.queue.add(said("LOAD", "STARTED", time.time()))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.stop()
    tracker.start()
    tracker.queue.add(said("LOAD", "SUCCESS", time.time()))
    tracker.wait_for("LOAD", "NOT_RUNNING")

    server.start()
    again = Stream(server.client(server.token("root")), f"/api/v1/events/stream?after={first}")
    wait_until(lambda: "run.succeeded" in kinds(again))

    numbers = [event["seq"] for event in again.named("event")]
    assert numbers == list(range(first + 1, first + 1 + len(numbers)))
    assert [kind for kind in kinds(again) if kind.startswith("run.")] == ["run.started", "run.succeeded"]


def test_a_pause_from_the_pages_is_judged_by_the_tracker(server: WebServer, tracker: Tracker) -> None:
    """The way back: with the name of whoever is logged in, and only of a job that he may act on."""
    wait_until(tracker.control.exists)
    with server.client(server.token("olga")) as client:
        answer = client.post("/api/v1/jobs/LOAD__P/pause", json={"seconds": 3600, "why": "disk is swapped"})
        other = client.post("/api/v1/jobs/OTHER__P/pause", json={"why": "x"})
        wait_until(lambda: client.get("/api/v1/jobs").json()["jobs"][0]["paused_until"])
        told = client.get("/api/v1/jobs").json()["jobs"][0]["text"]

    assert (answer.status_code, other.status_code) == (202, 404)
    assert "olga" in told
    assert "disk is swapped" in told
