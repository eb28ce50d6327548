"""A tracker in this process whose notifications go through the real command to a real FIFO.

Rule: only time and the source are ours: the clock stands until it is told to go on, and the source says what the test
says.  The ledger, the loop, the courier's thread, send-notification.py and the FIFO are the real ones.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from job_tracker.config.reading import Config, load
from job_tracker.core.operator_word import OPERATOR
from job_tracker.daemon.loop import Loop
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.event_console.keeper import EventConsoleOutput
from job_tracker.outputs.view.keeper import ViewOutput
from job_tracker.ports import Contact, Delivery, Report

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "job_tracker" / "onhost" / "send-notification.py"
QUEUE_TOOL = TOOL.with_name("message-queue.py")
T0 = 1_763_950_000
"""Epoch seconds at which the tracker in this process begins."""

LINE = re.compile(r"<(\d+)>@(\d{10}) (\S+) (\S+): (.+)")
STATUSES = {5: 0, 4: 1, 2: 2, 3: 3}


class Event(NamedTuple):
    """What arrived; status as the priority says it."""

    status: int
    at: int
    application: str
    text: str


class Receiver:
    """The Event Console's FIFO, and whoever reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self.descriptor = -1
        self.data = b""

    def come(self) -> None:
        """Begin to read."""
        self.descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def go(self) -> None:
        """Stop to read."""
        self.read()
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1

    def read(self) -> None:
        """Take what waits in the pipe."""
        with contextlib.suppress(BlockingIOError):
            while self.descriptor >= 0 and (part := os.read(self.descriptor, 65536)):
                self.data += part

    @property
    def events(self) -> list[Event]:
        """All that has arrived, in order."""
        self.read()
        assert not self.data or self.data.endswith(b"\n")
        found = [LINE.fullmatch(line) for line in self.data.decode().splitlines()]
        return [Event(STATUSES[int(m[1]) % 8], int(m[2]), m[4], m[5]) for m in found if m]


def job(name: str, **keys: Any) -> dict[str, Any]:
    """A cyclic job, of which nothing is expected for a year."""
    entry = {"name": name, "env": "P", "cyclic_or_daily": "cyclic", "source_host": "app1"}
    return {**entry, "cyclic_interval_in_hh:mm:ss": "8760:00:00", "timeout_in_hh:mm:ss": "8760:00:00", **keys}


def write_config(directory: Path, jobs: Iterable[dict[str, Any]], **keys: Any) -> Path:
    """A configuration that sends events into `events` below the directory."""
    settings = {
        "time_zone": "UTC",
        "monitoring_backend_based_on_event_or_status": "event",
        "notification_command": [sys.executable, "-I", str(TOOL), "--config", str(directory / "targets.cfg")],
        "notification_host": "em1",
        "controller_interval_in_sec": 10,
        "log_file": str(directory / "log"),
        "run_dir": str(directory / "run"),
        "view_file": str(directory / "view.sqlite"),
        "store_file": str(directory / "store.sqlite"),
        **keys,
    }
    (directory / "run").mkdir(exist_ok=True)
    (directory / "targets.cfg").write_text(f"to = pipe:{directory}/events\ntimeout = 0.5\n")
    source = {"name": "app1", "connection": "local", "message_queue": str(directory / "queue" / "q.sqlite")}
    path = directory / "job_tracker.cfg"
    tree = {"global_config": settings, "source_hosts": [source], "jobs": list(jobs)}
    path.write_text(json.dumps(tree))
    return path


class SilentSource:
    """A source that says nothing by itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self) -> None:
        """Nothing to connect to."""

    def confirm(self, delivery: Delivery, nonce: str) -> None:
        """Nothing to delete."""

    def reconnect(self) -> None:
        """Nothing to try again."""

    def stop(self) -> None:
        """Nothing to end."""


class Tracker:
    """The loop, one cycle at a time."""

    def __init__(self, config_path: Path, now: float = T0) -> None:
        self.config_path = config_path
        self.moment = round(now * MICROSECONDS)
        self.number = 0
        self.begin(load(config_path))

    def begin(self, config: Config) -> None:
        """As the daemon begins."""
        ledger, _ = open_ledger(config.settings.store_file)
        self.loop = Loop(
            config,
            ledger,
            lambda _config, name, *_: SilentSource(name),
            config_path=self.config_path,
            now=lambda: self.moment,
        )
        self.loop.begin()
        self.loop.mailbox.put(  # no operator has said anything, and that is known
            Report(source=OPERATOR, contact=Contact.REACHABLE, since=self.moment),
            Delivery(source=OPERATOR, queue="c", elements=(), through=0, received=0, drained=self.moment, size=0),
        )

    @property
    def event_console(self) -> EventConsoleOutput:
        """The output that has a command."""
        return next(each for each in self.loop.outputs if isinstance(each, EventConsoleOutput))

    @property
    def view(self) -> ViewOutput:
        """The output that the command line reads."""
        return next(each for each in self.loop.outputs if isinstance(each, ViewOutput))

    def line(self, job: str) -> str:
        """What the state file of a job says."""
        return (self.run_dir / f"job_tracker.{job}__P.state").read_text(encoding="utf-8")

    def service(self, name: str = "job_tracker") -> str:
        """A service's line, the daemon's own where none is named."""
        lines = (self.run_dir / "job_tracker.services").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines[1:] if line.split(" ")[1] == name)

    @property
    def run_dir(self) -> Path:
        """Where the files are that the monitoring reads."""
        return self.config_path.parent / "run"

    def restart(self) -> None:
        """Stop, and begin anew with what is kept."""
        self.close()
        self.begin(load(self.config_path))

    def hears(
        self, *messages: tuple[float, str, str] | tuple[float, str, str, str], drained: bool = True, uid: str = "u"
    ) -> None:
        """The source delivers messages (seconds after T0, job, event, text) and a cycle is made; uid: how it begins."""
        elements = []
        for at, name, event, *text in messages:
            self.number += 1
            element = {"_id": self.number, "uid": f"{uid}{self.moment}-{self.number}", "timestamp": T0 + at}
            elements.append({**element, "job": name, "instance": "P", "event": event, "message": "".join(text)})
        until = self.moment if drained else None
        self.loop.mailbox.put(
            Delivery(
                source="app1",
                queue="q",
                elements=tuple(elements),
                through=self.number if elements else 0,
                received=self.moment,
                drained=until,
                size=0,
            )
        )
        self.loop.cycle()

    def passes(self, seconds: float) -> None:
        """Time passes, and a cycle is made."""
        self.moment += round(seconds * MICROSECONDS)
        self.loop.cycle()

    def until(self, look: Callable[[], Any], *, passing: float = 0.0) -> Any:
        """Cycle until look finds something; passing: seconds that pass with each cycle."""
        limit = time.monotonic() + 40
        while not (found := look()):
            assert time.monotonic() < limit, self.loop.undelivered()
            self.loop.mailbox.sleep(0.02)
            self.passes(passing)
        return found

    def settled(self) -> bool:
        """Nothing waits and nothing is under way."""
        told = self.event_console
        return not self.loop.ledger.outbox.subjects() and not told.courier.busy

    def report(self, contact: Contact) -> None:
        """Say how the source stands."""
        self.loop.mailbox.put(Report(source="app1", contact=contact, since=self.moment))

    def close(self) -> None:
        """As the daemon stops."""
        self.loop.stop()
