"""Sources as tests start them: a mailbox that remembers, and a queue on this host with what drains it."""

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from job_tracker.ports import Contact, Delivery, Host, Memento, Report, Terms
from job_tracker.sources.making import make_source
from job_tracker.sources.queue.source import DrainingSource

TOOL = Path(__file__).parents[2] / "job_tracker" / "onhost" / "message-queue.py"
SLOW = 90.0  # seconds after which a test gives up waiting for what should take none
A_DAY = 86400.0
SECOND = 1_000_000
GREETING = {
    "serve": "message-queue", "protocol": 1, "version": "0", "python": "3", "queue": "q1",
    "clock": 1.7e9, "depth": 0, "highest": 0, "nonce": None, "drainer": None,
}  # fmt: skip
OPENED = {"done": "open", "lease": 1, "nonce": None, "queue": "q1", "depth": 0, "highest": 0, "clock": 1.7e9}


def now() -> int:
    return time.time_ns() // 1000


class Box:
    """A mailbox that remembers, so that a test can wait for what it holds."""

    def __init__(self) -> None:
        self.items: list[Delivery | Report] = []
        self.changed = threading.Condition()

    def put(self, *items: Delivery | Report) -> None:
        with self.changed:
            self.items.extend(items)
            self.changed.notify_all()

    def wait_for(self, wanted: Callable[[Delivery | Report], bool], after: int = 0) -> Delivery | Report:
        """The first item like that, from the one with that number on."""

        def found() -> list[Delivery | Report]:
            return [item for item in self.items[after:] if wanted(item)]

        with self.changed:
            assert self.changed.wait_for(found, SLOW), self.items[-5:]
            return found()[0]

    def report(self, contact: Contact, text: str = "", after: int = 0) -> Report:
        item = self.wait_for(
            lambda item: isinstance(item, Report) and item.contact is contact and text in item.text, after
        )
        assert isinstance(item, Report)
        return item

    def delivery(self, after: int = 0) -> Delivery:
        """The first delivery with messages."""
        item = self.wait_for(lambda item: isinstance(item, Delivery) and bool(item.elements), after)
        assert isinstance(item, Delivery)
        return item

    def empty(self, after: int = 0) -> Delivery:
        item = self.wait_for(lambda item: isinstance(item, Delivery) and not item.elements, after)
        assert isinstance(item, Delivery)
        return item

    def notices(self) -> list[str]:
        return [item.notice for item in self.items if isinstance(item, Report) and item.notice]


TERMS = Terms(interval=0.2, load_timeout=10.0, clock=now, tracker="t1")


class Place:
    """A queue, and the sources that drain it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "q.sqlite"
        self.host = Host(
            name="here",
            connection="local",
            message_queue=str(self.path),
            message_queue_handler=str(TOOL),
            python=sys.executable,
        )
        self.sources: list[DrainingSource] = []

    def source(
        self, box: Box, host: Host | None = None, memento: Memento | None = None, **terms: Any
    ) -> DrainingSource:
        """A source that has been started."""
        made = make_source(host or self.host, replace(TERMS, **terms), box, memento or Memento())
        assert isinstance(made, DrainingSource)
        self.sources.append(made)
        made.start()
        return made

    def script(self, text: str, **host: Any) -> Host:
        """A far side that misbehaves: a Python script, with the queue's greeting and answers at hand."""
        handler = self.directory / "handler.py"
        handler.write_text(
            "import json, os, sys, time\n"
            f"GREETING, OPENED = json.loads({json.dumps(GREETING)!r}), json.loads({json.dumps(OPENED)!r})\n"
            "def say(words): print(words if isinstance(words, str) else json.dumps(words), flush=True)\n"
            "def hear(): return sys.stdin.readline()\n" + text
        )
        return replace(self.host, message_queue_handler=str(handler), **host)

    def tool(self, *arguments: str, stdin: str = "") -> str:
        command = [sys.executable, "-I", str(TOOL), "-f", str(self.path), *arguments]
        return subprocess.run(command, input=stdin, text=True, check=True, capture_output=True).stdout

    def add(self, *names: str) -> None:
        lines = [json.dumps({"instance": "P", "job": name, "event": "STARTED"}) for name in names]
        self.tool("add", "-j", "-", stdin="\n".join(lines))

    def count(self) -> int:
        return int(self.tool("count"))


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """No thread and no descriptor may remain of what happens here; what others left behind may vanish meanwhile."""
    gc.collect()
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    assert set(threading.enumerate()) - threads == set()
    assert _descriptors() - descriptors == set()


def _descriptors() -> set[tuple[str, str]]:
    """What is open, by number and by what it leads to: each socket and pipe has a name of its own."""
    found = set()
    for number in os.listdir("/dev/fd"):
        with suppress(OSError):  # the one that the directory was read by
            found.add((number, os.readlink(f"/dev/fd/{number}")))
    return found


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for what no condition variable tells."""
    until = time.monotonic() + SLOW
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
