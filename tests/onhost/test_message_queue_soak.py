"""Many producers, a drain that goes on, and SIGKILL for all of them at random: the promise as a whole."""

import contextlib
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from queue_tool import Answer, Queue, Serve
from soaking import IS_SOAK

PRODUCERS = 16
MESSAGES = 2000 if IS_SOAK else 500  # of each producer
KILLS_OF_PRODUCERS = 32 if IS_SOAK else 8
KILLS_OF_SERVE = 24 if IS_SOAK else 6

# A producer writes down what it is about to add, adds it, and writes down that add has returned. Each message is a
# transaction of its own; the tool is imported because the start of 32,000 Pythons is not what is tested here.
PRODUCER = """
import importlib.util, os, sys, time
tool, queue, name, first, last, journal = sys.argv[1:]
spec = importlib.util.spec_from_file_location("message_queue", tool)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(int(first), int(last)):
    given = {"instance": "P", "job": name, "event": str(number), "uid": "{}-{}".format(name, number)}
    os.write(log, b"?%d\\n" % number)
    try:
        module.store(queue, [module.make_message(given, time.time())])
        os.write(log, b"+%d\\n" % number)
    except module.QueueError as error:
        os.write(log, b"-%d\\n" % number)
"""


class Producer:
    """One producer and its journal, started again after the last message it had tried."""

    def __init__(self, queue: Queue, name: str, directory: Path) -> None:
        self.queue, self.name, self.journal = queue, name, directory / name
        self.journal.touch()
        self.start()

    def start(self) -> None:
        first = 1 + max((int(line[1:]) for line in self.lines("?")), default=-1)
        arguments = [str(self.queue.tool), str(self.queue.path), self.name, str(first), str(MESSAGES)]
        self.process = subprocess.Popen([sys.executable, "-I", "-c", PRODUCER, *arguments, str(self.journal)])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self, kind: str) -> list[str]:
        return [line for line in self.journal.read_text().splitlines() if line.startswith(kind)]

    def uids(self, kind: str) -> set[str]:
        return {f"{self.name}-{line[1:]}" for line in self.lines(kind)}


@dataclass
class Tally:
    """What the drain has counted, as a tracker's ledger would know it."""

    chance: random.Random
    counted: Counter[str] = field(default_factory=Counter)
    confirmed: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    nonces: list[str | None] = field(default_factory=lambda: [None])
    is_serve_doomed: bool = False  # it is killed at one of the next answers


def test_every_message_whose_add_returned_is_counted_once_whoever_is_killed(one_queue: Queue, tmp_path: Path) -> None:
    """The ledger knows uids, as the tracker's does. A message travels twice only if its confirmation was cut off."""
    chance = random.Random(20)
    disk = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    one_queue.path = Path(disk.name) / "q.sqlite"
    producers: list[Producer] = []
    tally = Tally(chance=chance)
    total, drained_since_kill = PRODUCERS * MESSAGES, 0
    kills: Counter[str] = Counter()

    with disk, contextlib.ExitStack() as stack:
        for number in range(PRODUCERS):
            producers.append(Producer(one_queue, f"JOB{number}", tmp_path))
            stack.callback(producers[-1].kill)
        serve = one_queue.serve(opened_by="t")
        while True:
            finished = all(producer.process.poll() == 0 for producer in producers)
            try:
                drained_since_kill += drain(serve, tally, finished)
            except (ConnectionError, TimeoutError):  # serve was killed in the middle of an answer
                serve.close()
                tally.is_serve_doomed = False
                kills["serve"] += 1
                serve = one_queue.serve(opened_by="t")
                assert serve.greeting["nonce"] in tally.nonces[-2:]
                continue
            if finished and not one_queue_depth(serve):
                break
            if drained_since_kill > total / (KILLS_OF_PRODUCERS + KILLS_OF_SERVE):
                drained_since_kill = 0
                if kills["producer"] < KILLS_OF_PRODUCERS and kills["producer"] <= kills["serve"]:
                    victim = chance.choice(producers)
                    kills["producer"] += victim.process.poll() is None
                    victim.kill()
                    victim.start()
                elif kills["serve"] < KILLS_OF_SERVE:
                    tally.is_serve_doomed = True

    tried: set[str] = set()
    returned: set[str] = set()
    for producer in producers:
        tried |= producer.uids("?")
        returned |= producer.uids("+")
    assert returned <= set(tally.counted) <= tried
    assert len(tried) == total
    assert len(returned) >= total - KILLS_OF_PRODUCERS - 0.01 * total
    assert {uid for uid, times in tally.counted.items() if times > 1} <= tally.doubtful
    assert kills["producer"] >= KILLS_OF_PRODUCERS / 2
    assert kills["serve"] >= KILLS_OF_SERVE / 2


def one_queue_depth(serve: Serve) -> int:
    return int(serve.ask("ping")["depth"])


def drain(serve: Serve, tally: Tally, finished: bool) -> int:
    """One take and its confirmation, as the tracker does it; the number of messages. ConnectionError if serve died."""
    answer = ask(serve, tally, do="take", max=tally.chance.choice([5, 200, 1000]), wait=0 if finished else 1)
    uids = [message["uid"] for message in answer["messages"]]
    assert not tally.confirmed.intersection(uids), "a confirmed message came back"
    tally.counted.update(uids)
    tally.doubtful.update(uids)  # until the confirmation is answered
    if not uids:
        return 0
    nonce = f"{tally.chance.getrandbits(64):x}"
    tally.nonces.append(nonce)
    ids = [message["_id"] for message in answer["messages"]]
    assert ask(serve, tally, do="confirm", through=ids[-1], nonce=nonce)["removed"] == len(ids)
    tally.confirmed.update(uids)
    tally.doubtful.difference_update(uid for uid in uids if tally.counted[uid] == 1)
    return len(uids)


def ask(serve: Serve, tally: Tally, **request: object) -> Answer:
    """Ask; a serve whose time has come is killed somewhere between request and answer.

    On a busy machine producers may hold the queue for longer than serve waits: whoever hears that begins anew.
    """
    serve.send(json.dumps(request).encode() + b"\n")
    if tally.is_serve_doomed and tally.chance.random() < 0.5:
        with contextlib.suppress(subprocess.TimeoutExpired):
            serve.process.wait(tally.chance.uniform(0, 0.01))
        serve.process.kill()
    answer = serve.read()
    if answer is None or answer.get("error") == "queue-busy":
        raise ConnectionError
    assert "error" not in answer, answer
    return answer
