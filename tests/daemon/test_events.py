"""Events as a program gets them from a running tracker: each once, in order, or a gap that names what is missing."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from running import SLOW, Line, Tracker, cyclic, in_memory, said, wait_until

from job_tracker.events.reading import EventsReader

MESSAGES = int(os.environ.get("JOB_TRACKER_EVENTS_MESSAGES", "600"))
KILLS = int(os.environ.get("JOB_TRACKER_EVENTS_KILLS", "4"))
"""For a while of it: 10000 and 30."""


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with in_memory() as home:
        made = Tracker(home, cyclic("LOAD", "30:00:00"), cyclic("NIGHT", "30:00:00"))
        yield made
        made.close()


def events_file(tracker: Tracker) -> Path:
    """Beside the view, where nobody says anything else."""
    return tracker.view.parent / "events.sqlite"


def told(tracker: Tracker, after: int = 0) -> list[Line]:
    """All that is to be read behind a number."""
    reader = EventsReader(events_file(tracker))
    found: list[Line] = []
    while more := reader.after(found[-1]["seq"] if found else after):
        found += more
    reader.close()
    return found


def kinds(tracker: Tracker) -> list[tuple[str, str | None]]:
    return [(each["kind"], each.get("job")) for each in told(tracker)]


def test_what_a_job_does_is_told_with_its_numbers(tracker: Tracker) -> None:
    """From the first start: the jobs there are, the source that was reached, and the run as it goes."""
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED", run="a"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.queue.add(said("LOAD", "ERROR", run="a", message="ORA-01555", exit_code=3))
    tracker.wait_for("LOAD", "ERROR")
    wait_until(lambda: ("run.failed", "LOAD__P") in kinds(tracker), "the run's end")

    found = told(tracker)

    assert [each["kind"] for each in found[:3]] == ["gap", "job.added", "job.added"]
    assert [each["seq"] for each in found[1:]] == list(range(found[1]["seq"], found[1]["seq"] + len(found) - 1))
    (source,) = [each for each in found if each["kind"] == "source.changed"]
    assert (source["source"], source["from"], source["to"]) == ("app1", None, "reachable")
    (end,) = [each for each in found if each["kind"] == "run.failed"]
    assert (end["job"], end["run"], end["exit_code"], end["text"]) == (
        "LOAD__P",
        {"number": 1, "id": "a"},
        3,
        "ORA-01555",
    )
    (_, change) = [each for each in found if each["kind"] == "job.changed"]
    assert (change["from"]["state"], change["to"]["state"], change["to"]["status"]) == ("RUNNING", "ERROR", 2)


def test_a_reload_tells_what_it_adds_and_removes(tracker: Tracker) -> None:
    """Whoever lists jobs learns that one is gone without asking again for all of them."""
    tracker.start()
    tracker.jobs = [cyclic("LOAD", "20:00:00"), cyclic("NEW")]
    tracker.configure()

    tracker.reload()

    wait_until(lambda: ("job.removed", "NIGHT__P") in kinds(tracker), "the removal")
    assert kinds(tracker)[-3:] == [("job.added", "NEW__P"), ("job.promised", "LOAD__P"), ("job.removed", "NIGHT__P")]


def test_with_the_log_off_there_is_no_file_and_no_row(tracker: Tracker) -> None:
    """Who does not want it gets, and pays for, nothing of it."""
    tracker.configure(event_log=False)
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")

    tracker.stop()

    assert not events_file(tracker).exists()
    assert tracker.ledger("SELECT count(*) FROM events") == [(0,)]


def test_a_file_that_cannot_be_written_stops_nothing_and_is_filled_later(tracker: Tracker) -> None:
    """The daemon's service says so; jobs are judged and told as ever, and what was kept is told once it can be."""
    events_file(tracker).mkdir()
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.wait_for_service("job_tracker", "events are not told")
    events_file(tracker).rmdir()
    tracker.stop()

    tracker.start()

    wait_until(lambda: ("run.started", "LOAD__P") in kinds(tracker), "what was kept")
    assert "events are not told" not in tracker.services()["job_tracker"]


def test_a_store_that_was_put_back_uses_no_number_twice(tracker: Tracker) -> None:
    """A copy of yesterday knows nothing of today's numbers; they are named as a gap, and the file goes on behind."""
    tracker.start()
    tracker.stop()
    copy = tracker.store.read_bytes()
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.stop()
    before = told(tracker)
    tracker.store.write_bytes(copy)

    tracker.start()
    tracker.queue.add(said("NIGHT", "STARTED"))
    wait_until(lambda: ("run.started", "NIGHT__P") in kinds(tracker), "what came since")

    found = told(tracker)
    assert found[: len(before)] == before
    gap = found[len(before)]
    assert (gap["kind"], gap["to"]) == ("gap", gap["seq"])
    assert gap["from"] <= before[-1]["seq"] < gap["seq"]


def test_a_file_that_could_be_read_only_later_may_be_ahead_all_the_same(tracker: Tracker) -> None:
    """A store of yesterday, and a file that nobody could open at the start: no number of today's means two things."""
    tracker.start()
    tracker.stop()
    copy = tracker.store.read_bytes()
    tracker.start()
    for event in ("STARTED", "SUCCESS") * 5:
        tracker.queue.add(said("LOAD", event))
    wait_until(lambda: kinds(tracker).count(("run.succeeded", "LOAD__P")) == 5, "what is told")
    tracker.stop()
    before = told(tracker)[-1]["seq"]
    tracker.store.write_bytes(copy)
    aside = events_file(tracker).rename(events_file(tracker).with_name("aside"))
    events_file(tracker).mkdir()
    tracker.start()
    tracker.wait_for_service("job_tracker", "events are not told")
    events_file(tracker).rmdir()
    aside.rename(events_file(tracker))

    tracker.queue.add(said("NIGHT", "STARTED"))
    wait_until(lambda: "events are not told" not in tracker.services()["job_tracker"], "a file that is open")
    tracker.queue.add(said("NIGHT", "SUCCESS"))

    wait_until(lambda: ("run.succeeded", "NIGHT__P") in kinds(tracker), "what came since")
    assert told(tracker, before)[0]["kind"] == "gap"


def test_a_log_that_is_switched_off_lags_no_more(tracker: Tracker) -> None:
    """Whoever cannot have the file and does without it is not warned of it until the next start."""
    events_file(tracker).mkdir()
    tracker.start()
    tracker.wait_for_service("job_tracker", "events are not told")

    tracker.configure(event_log=False)
    tracker.reload()

    wait_until(lambda: "events are not told" not in tracker.services()["job_tracker"], "a service without it")


def test_a_lost_store_is_a_gap(tracker: Tracker) -> None:
    """A new store begins with numbers of today, and whoever followed learns that he may have missed something."""
    tracker.start()
    tracker.stop()
    last = told(tracker)[-1]
    for file in tracker.store.parent.glob(f"{tracker.store.name}*"):
        file.unlink()

    tracker.launch()
    wait_until(lambda: told(tracker, last["seq"]), "the new store's events")

    gap, *rest = told(tracker, last["seq"])
    assert (gap["kind"], gap["from"], gap["to"]) == ("gap", last["seq"] + 1, rest[0]["seq"] - 1)
    assert rest[0]["kind"] == "job.added"
    assert rest[0]["tracker"] != last["tracker"]


class Follower:
    """`job_tracker events --follow --json`, and what it printed; stopped and started, it goes on where it was."""

    def __init__(self, tracker: Tracker) -> None:
        self.path = events_file(tracker)
        self.read: list[dict[str, Any]] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Go on behind the last event read."""
        after = self.read[-1]["seq"] if self.read else 0
        command = [sys.executable, "-m", "job_tracker", "events", "--json", "--follow", "--after", str(after)]
        self.process = subprocess.Popen([*command, "--events", str(self.path)], stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._collect, args=(self.process,))
        self.thread.start()

    def stop(self) -> None:
        """Kill it in the midst of whatever it does; of half a line nothing was read."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(SLOW)
        self.thread.join(SLOW)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _collect(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                self.read.append(json.loads(line))


def is_over_or_drained(tracker: Tracker, until: float) -> bool:
    return time.monotonic() > until or not tracker.queue.depth()


def test_who_follows_has_each_event_once_and_in_order_whatever_is_killed(
    tracker: Tracker, request: pytest.FixtureRequest
) -> None:
    """The daemon is killed again and again, the file removed once, the reader stopped and started.

    What is missing is named by a gap; here it is nothing, for the ledger still has what the removed file had.
    """
    rng = random.Random(15)
    follower = Follower(tracker)
    tracker.start()
    tracker.stop()
    follower.start()
    per_round = MESSAGES // 2 // (KILLS + 1)
    sent: list[str] = []
    request.addfinalizer(follower.stop)
    for turn in range(KILLS + 1):
        tracker.launch()
        for _ in range(per_round):
            run = f"r{len(sent)}"
            sent.append(run)
            tracker.queue.add(said("LOAD", "STARTED", run=run), said("LOAD", "SUCCESS", run=run))
        if turn < KILLS:
            wait_until(partial(is_over_or_drained, tracker, time.monotonic() + rng.uniform(0.3, 2)), "a chance moment")
            tracker.kill()
        if turn == KILLS // 2:
            events_file(tracker).unlink(missing_ok=True)
            follower.stop()
            follower.start()
    tracker.wait_until_drained()

    def ends(read: list[dict[str, Any]]) -> list[str]:
        return [each["run"]["id"] for each in read if each["kind"] == "run.succeeded"]

    wait_until(lambda: len(ends(follower.read)) >= len(sent), "the reader to have all of it")
    follower.stop()
    tracker.stop()

    numbers = [each["seq"] for each in follower.read]
    assert numbers == sorted(set(numbers))
    lacking = [
        (one["seq"] + 1, other["seq"] - 1)
        for one, other in zip(follower.read, follower.read[1:], strict=False)
        if other["seq"] != one["seq"] + 1 and other["kind"] != "gap"
    ]
    assert lacking == []
    assert sorted(ends(follower.read)) == sorted(sent)
    assert sorted(each["run"]["id"] for each in follower.read if each["kind"] == "run.started") == sorted(sent)
