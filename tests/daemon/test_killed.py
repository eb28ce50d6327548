"""The tracker killed with SIGKILL before each of its writes in turn, and started again: as if nothing had happened.

What is killed is a real daemon over a real queue; the point where it dies is counted in its own calls to SQLite and to
the run directory, so that none is left out: each in `make soak`, and every fifth in `make test`.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from running import SLOW, Line, Tracker, cyclic, daily, in_memory, said, wait_until
from soaking import EVERY

LAUNCHER = Path(__file__).parents[1] / "kit" / "fatal_writes.py"
MOST_WRITES = 2000


class Launcher:
    """Starts trackers that die at a chosen write."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors.open("ab")
        self.alive: int | None = None
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, str(LAUNCHER)], stdin=pipe, stdout=pipe, stderr=self.errors, text=True, bufsize=1
        )

    def start(self, tracker: Tracker, chosen: int) -> int:
        """Start one; its process id."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{tracker.config} {chosen}\n")
        self.alive = self._read()
        return self.alive

    def end(self) -> int:
        """Wait for the end of the one that was started; its exit code."""
        code = self._read()
        self.alive = None
        return code

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """Leave nothing behind, whatever the test left undone."""
        if self.alive is not None:
            os.kill(self.alive, signal.SIGKILL)
        self.process.kill()
        self.process.communicate(timeout=SLOW)
        self.errors.close()


@pytest.fixture
def place() -> Iterator[Path]:
    with in_memory() as made:
        yield made


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    made = Launcher(tmp_path / "stderr")
    yield made
    made.close()


def jobs() -> list[Line]:
    """What is promised; every interval is long, so that no deadline falls into the test's own minutes."""
    now = time.time()
    return [
        cyclic("LOAD", "05:00:00", "00:50:00", max_errors_before_alerting=2),
        cyclic("CHAIN", "03:00:00", "01:30:00", cyclic_interval_counts_from="end"),
        daily("NIGHT", time.strftime("%H:%M", time.gmtime(now - 7 * 3600))),
    ]


def messages(now: float) -> list[Line]:
    """A day: starts, ends, errors, one late, one of a stranger, two runs side by side."""
    return [
        said("LOAD", "STARTED", now - 80000),
        said("LOAD", "SUCCESS", now - 79000),
        said("STRANGER", "STARTED", now - 70000),
        said("CHAIN", "STARTED", now - 60000, run="a"),
        said("CHAIN", "STARTED", now - 59900, run="b"),
        said("LOAD", "ROWS", now - 50000),
        said("LOAD", "STARTED", now - 40000),
        said("LOAD", "ERROR", now - 78500, message="late, and from before a start that was missed"),
        said("CHAIN", "ERROR", now - 59000, run="b", exit_code=3),
        said("NIGHT", "STARTED", now - 7 * 3600 + 100),
        said("CHAIN", "SUCCESS", now - 58000, run="a"),
        said("NIGHT", "SUCCESS", now - 6 * 3600),
        said("LOAD", "STARTED", now - 1000),
    ]


@pytest.fixture
def begun(place: Path) -> Tracker:
    """A tracker that began a day ago, has been down since, and has a queue full of what happened meanwhile."""
    tracker = Tracker(place / "begun", *jobs(), controller_interval_in_sec=10, controller_data_load_timeout_in_sec=60)
    now = time.time()
    tracker.begin_store(now - 86400)
    tracker.queue.add(*messages(now))
    return tracker


def copy_of(begun: Tracker, home: Path) -> Tracker:
    """The same tracker with the same past in another directory."""
    shutil.copytree(begun.home, home)
    tracker = Tracker(home, *begun.jobs, **begun.settings)
    tracker.configure()
    return tracker


def known(tracker: Tracker) -> dict[str, list[Any]]:
    """All that the ledger knows, but for the moments at which it learned it, and for its own bookkeeping."""
    statements = {
        "jobs": "SELECT key, promise, runs, standing FROM jobs ORDER BY key",
        "runs": "SELECT * FROM runs ORDER BY job, number",
        "days": "SELECT * FROM days ORDER BY job, day",
        "marks": "SELECT * FROM marks ORDER BY job, serial",
        "messages": "SELECT job, moment, source, number, claimed, name, env, event, text, uid, run, exit_code"
        " FROM messages ORDER BY job, moment, source, number",
        "changes": "SELECT job, serial, at, state_from, status_from, state_to, status_to, errors, missed, text"
        " FROM changes ORDER BY job, serial, at",
        "taken": "SELECT uid FROM taken ORDER BY uid",
        "unmatched": "SELECT source, name, env, reason, count, sample FROM unmatched",
    }
    found = {name: tracker.ledger(statement) for name, statement in statements.items()}
    found["jobs"] = [(key, promise, runs, standing_of(text)) for key, promise, runs, text in found["jobs"]]
    return found


def standing_of(text: str) -> Line:
    """A standing as it is kept, but for when it was last delivered to, and for where steps ended (its checkpoint)."""
    standing: Line = json.loads(text)
    del standing["checkpointed"], standing["delivered"]
    return standing


def told(tracker: Tracker) -> dict[str, str]:
    """What the state files say."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(tracker.run_dir.glob("job_tracker.*.state"))}


def is_drained(tracker: Tracker, after: int) -> bool:
    """All that was in the queue is confirmed, and the services file was written since a moment."""
    with closing(sqlite3.connect(tracker.queue.path, timeout=SLOW)) as connection:
        if connection.execute("SELECT count(*) FROM messages").fetchone()[0]:
            return False
    return tracker.services_file.stat().st_mtime_ns > after


def is_caught_up(tracker: Tracker, after: int) -> bool:
    """Moreover, the state files say how it ends."""
    return (
        is_drained(tracker, after) and "RUNNING" in tracker.line("LOAD") and "5 missed starts" in tracker.line("CHAIN")
    )


def live_on(launcher: Launcher, tracker: Tracker) -> None:
    """Start it once more; when it has caught up, it is stopped as an operator stops it."""
    after = time.time_ns()
    pid = launcher.start(tracker, 0)
    wait_until(lambda: is_caught_up(tracker, after), "the restarted tracker to catch up")
    os.kill(pid, signal.SIGTERM)
    assert launcher.end() == 0


def die_at(launcher: Launcher, tracker: Tracker, chosen: int) -> bool:
    """Start it to be killed at a write; False if it has caught up without getting there, and was stopped."""
    after = time.time_ns()
    pid = launcher.start(tracker, chosen)

    wait_until(lambda: is_dead(pid) or is_caught_up(tracker, after), "the tracker to die, or to catch up")
    if not is_dead(pid):
        os.kill(pid, signal.SIGTERM)
    code = launcher.end()
    assert code in (0, -signal.SIGKILL)
    return code != 0


def is_dead_or_drained(pid: int, tracker: Tracker, after: int) -> bool:
    return is_dead(pid) or is_drained(tracker, after)


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("part", [0, 1])
def test_killed_at_any_write_it_ends_in_the_same_board_with_the_same_changes(
    launcher: Launcher, begun: Tracker, place: Path, part: int
) -> None:
    """Neither a message nor a verdict is lost, repeated or told otherwise; the parts take turns in where they die."""
    unharmed = copy_of(begun, place / "unharmed")
    live_on(launcher, unharmed)
    expected, expected_lines = known(unharmed), told(unharmed)

    deaths = 0
    for chosen in range(1 + part * EVERY, MOST_WRITES, 2 * EVERY):
        tracker = copy_of(begun, place / str(chosen))
        died = die_at(launcher, tracker, chosen)
        deaths += died
        live_on(launcher, tracker)

        assert known(tracker) == expected, chosen
        assert told(tracker) == expected_lines, chosen
        assert tracker.ledger("SELECT nonce FROM sources") == [(tracker.queue.nonce(),)], chosen
        assert not re.search("restored|replaced|[0-9] ERROR", tracker.log()), chosen
        assert sorted(path.name for path in tracker.run_dir.iterdir()) == [
            *sorted(expected_lines),
            "job_tracker.services",
        ]
        shutil.rmtree(tracker.home)
        if not died:
            break

    assert deaths > 20 // EVERY
    assert [row[:5] for row in expected["unmatched"]] == [("app1", "STRANGER", "P", "unknown_job", 1)]
    assert len(expected["messages"]) == 12


def test_killed_while_the_store_is_made_it_begins_anew(launcher: Launcher, place: Path) -> None:
    """A new store is there whole or not at all; what was in the queue before the first start counts.

    At every third write at most, for the tables are made one after the other.
    """
    deaths = 0
    for chosen in range(1, 60, 3 * EVERY):
        tracker = Tracker(place / str(chosen), *jobs(), controller_data_load_timeout_in_sec=60)
        tracker.queue.add(said("LOAD", "STARTED"), said("CHAIN", "STARTED"))
        after = time.time_ns()
        pid = launcher.start(tracker, chosen)
        wait_until(partial(is_dead_or_drained, pid, tracker, after))
        if not is_dead(pid):
            os.kill(pid, signal.SIGTERM)
        deaths += launcher.end() != 0

        after = time.time_ns()
        pid = launcher.start(tracker, 0)
        wait_until(partial(is_drained, tracker, after), "the tracker to catch up")
        os.kill(pid, signal.SIGTERM)
        assert launcher.end() == 0

        assert tracker.ledger("SELECT key, runs FROM jobs ORDER BY key") == [
            ("CHAIN__P", 1),
            ("LOAD__P", 1),
            ("NIGHT__P", 0),
        ], chosen
        assert sorted(path.name for path in tracker.store.parent.iterdir()) == ["control", tracker.store.name]

    assert deaths > 10 // EVERY
