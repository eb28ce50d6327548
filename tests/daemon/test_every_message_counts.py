"""Many producers, a daemon that drains them, and SIGKILL for all of them at random: every message counts once.

The soak of the queue alone, with an `add` for each message, is beside the queue's own tests; here a producer stores a
few messages at once, all or none, so that the daemon gets its fill.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from running import SLOW, TOOL, Queue, Tracker, cyclic, in_memory, wait_until
from soaking import IS_SOAK

PRODUCERS = 16
MESSAGES = 2000 if IS_SOAK else 400  # of each producer
ROUNDS = 8 if IS_SOAK else 4
VICTIMS = 3  # producers killed in a round; the daemon is killed in each

# A producer writes down what it is about to store, stores it, and writes down that this has returned.
PRODUCER = """
import importlib.util, os, random, sys, time
tool, queue, name, first, last, journal = sys.argv[1:]
spec = importlib.util.spec_from_file_location("message_queue", tool)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
first, last = int(first), int(last)
while first < last:
    behind = min(last, first + random.randint(1, 9))
    uids = ["%s-%d" % (name, number) for number in range(first, behind)]
    given = [{"instance": "P", "job": name, "event": "SUCCESS", "uid": uid} for uid in uids]
    os.write(log, b"? %d %d\\n" % (first, behind))
    try:
        module.store(queue, [module.make_message(each, time.time()) for each in given])
        os.write(log, b"+ %d %d\\n" % (first, behind))
    except module.QueueError:
        os.write(log, b"- %d %d\\n" % (first, behind))
    first = behind
"""


class Producer:
    """One producer and its journal; it goes on behind the last message it had tried, as far as it is told."""

    def __init__(self, queue: Queue, name: str, journal: Path) -> None:
        self.queue, self.name, self.journal = queue, name, journal
        self.journal.touch()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, last: int) -> None:
        arguments = [str(TOOL), str(self.queue.path), self.name, str(self.tried()), str(last), str(self.journal)]
        self.process = subprocess.Popen([sys.executable, "-I", "-c", PRODUCER, *arguments])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(SLOW)

    def is_done(self) -> bool:
        assert self.process is not None
        return self.process.poll() == 0

    def tried(self) -> int:
        """How many messages it has begun to store."""
        return max((behind for _, behind in self.noted("?")), default=0)

    def noted(self, kind: str) -> list[tuple[int, int]]:
        """What it wrote down, as (first, behind); half a line is none."""
        lines = [line.split() for line in self.journal.read_text().split("\n")[:-1]]
        return [(int(line[1]), int(line[2])) for line in lines if line[0] == kind]

    def uids(self, kind: str) -> set[str]:
        return {f"{self.name}-{number}" for first, behind in self.noted(kind) for number in range(first, behind)}


def have_tried(producers: list[Producer], goal: int) -> bool:
    return sum(producer.tried() for producer in producers) >= goal


def has_drained_since(tracker: Tracker, nonce: str | None) -> bool:
    return tracker.queue.nonce() != nonce


@pytest.fixture
def place() -> Iterator[Path]:
    with in_memory() as made:
        yield made


def test_every_message_whose_add_returned_is_counted_once_whoever_is_killed(place: Path) -> None:
    """In the ledger, after a bounded number of deaths: each uid once, and as many runs as messages."""
    chance = random.Random(7)
    names = [f"JOB{number}" for number in range(PRODUCERS)]
    tracker = Tracker(place, *map(cyclic, names), job_history_entry_count=1_000_000)
    tracker.start()
    producers = [Producer(tracker.queue, name, place / name) for name in names]

    try:
        total, kills = PRODUCERS * MESSAGES, 0
        for number in range(1, ROUNDS + 1):
            nonce, last = tracker.queue.nonce(), MESSAGES * number // ROUNDS
            goal = sum(producer.tried() for producer in producers) + chance.randrange(total // ROUNDS)
            for producer in producers:
                producer.start(last)
            wait_until(partial(have_tried, producers, goal), f"{goal} messages")
            for victim in chance.sample(producers, VICTIMS):
                kills += not victim.is_done()
                victim.kill()
                victim.start(last)
            wait_until(partial(has_drained_since, tracker, nonce), "the daemon to drain")
            tracker.kill()
            tracker.start()
            wait_until(lambda: all(producer.is_done() for producer in producers), "the producers to end")
        tracker.wait_until_drained()
        tracker.stop()
    finally:
        tracker.close()
        for producer in producers:
            if producer.process is not None:
                producer.kill()

    returned = set().union(*(producer.uids("+") for producer in producers))
    attempted = set().union(*(producer.uids("?") for producer in producers))
    counted = [uid for (uid,) in tracker.ledger("SELECT uid FROM messages")]
    assert len(counted) == len(set(counted))
    assert returned <= set(counted) <= attempted
    assert len(attempted) == total
    assert len(returned) > total * 0.95
    assert tracker.ledger("SELECT sum(runs) FROM jobs") == [(len(counted),)]
    assert tracker.ledger("SELECT count(*) FROM unmatched") == [(0,)]
    assert "restored" not in tracker.log()
    assert kills >= ROUNDS
