"""Shipping as an operator runs it: a real events file, written as the daemon writes it, and the real process.

Rule: nothing waits for a time: what is waited for is a condition.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from running import wait_until

from job_tracker.events.file import EventsFile
from job_tracker.moments import DAY, MICROSECONDS

Document = dict[str, Any]
TRACKER = "t-1"


class Events:
    """The events file of a tracker that tells what the test says."""

    def __init__(self, path: Path, first: int = 1000) -> None:
        self.file = EventsFile(path, TRACKER)
        self.file.keep, self.file.most = 3650 * DAY, 1 << 40
        self.file.open()
        self.next = first

    def add(self, count: int = 1, *, kind: str = "run.started", job: str = "LOAD__P", **body: Any) -> list[int]:
        """So many events, told together; their numbers."""
        now = time.time_ns() // 1000
        numbers = list(range(self.next, self.next + count))
        self.next += count
        doc = {"begin": now / MICROSECONDS, "source": "app1", **body}
        self.file.take([(seq, now, now, kind, job, 1, 0, None, json.dumps({**doc, "n": seq})) for seq in numbers], now)
        return numbers

    def skip(self, count: int) -> None:
        """Numbers that nobody will see."""
        self.next += count

    def close(self) -> None:
        """As a daemon that stops."""
        self.file.close()


class Shipping:
    """The process, its configuration and what it leaves."""

    def __init__(self, directory: Path, *shippers: Document, **settings: Any) -> None:
        self.directory = directory
        self.config = directory / "job_tracker.cfg"
        self.run_dir, self.store = directory / "run", directory / "state" / "ship.sqlite"
        self.settings = {
            "events_file": str(directory / "events.sqlite"),
            "ship_store_file": str(self.store),
            "ship_run_dir": str(self.run_dir),
            "time_zone": "UTC",
            **settings,
        }
        self.configure(*shippers)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = directory / "ship.log"

    def configure(self, *shippers: Document) -> None:
        """Write the configuration."""
        draft = self.config.with_suffix(".new")
        draft.write_text(json.dumps({"global_config": self.settings, "shippers": list(shippers)}))
        draft.rename(self.config)

    def start(self, **environment: str) -> None:
        """Run it, until it is ready."""
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "job_tracker", "ship", "-c", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        wait_until(lambda: self.has_ended() or "started version" in self.log.read_text()[begun:], "a start")
        assert not self.has_ended(), self.log.read_text()

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    def reload(self, *shippers: Document) -> None:
        """Another configuration, taken up or refused."""
        before = self.log.read_text().count("configuration re")
        self.configure(*shippers)
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.read_text().count("configuration re") > before, "a reload")

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of the command line, with the configuration."""
        words = [sys.executable, "-m", "job_tracker", *arguments, "-c", str(self.config)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def status(self, name: str) -> Document:
        """How a shipper stands, as the process wrote it last."""
        found = json.loads((self.store.parent / "status.json").read_text())
        return next((each for each in found["shippers"] if each["name"] == name), {})

    def service(self, name: str) -> str:
        """A service's line."""
        lines = (self.run_dir / "job_tracker.services").read_text().splitlines()
        return next((line for line in lines if line.split(" ")[1:2] == [name]), "")


@contextmanager
def running(shipping: Shipping, **environment: str) -> Iterator[Shipping]:
    """The process, for as long as the block lasts."""
    shipping.start(**environment)
    try:
        yield shipping
    finally:
        if shipping.process is not None:
            shipping.kill()
