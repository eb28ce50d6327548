"""Tracking: a real `job_tracker run` over light hosts, producers that add all the while, and what must come out.

Rule: a message counts if its `add` returned 0; then it is in the ledger once, and its job has counted it once.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import light

from job_tracker.errors import JobTrackerError
from job_tracker.view.reading import read_jobs, read_meta

ROOT = Path(light.__file__).resolve().parents[2]
PATIENCE = 60.0
TOO_MANY = 1_000_000


def wait_until(true: Callable[[], bool], told: Callable[[], object] = lambda: "waited in vain") -> None:
    """Look until something is true; told: what to show if it never is."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, told()
        time.sleep(0.02)


class Tracker:
    """The daemon, its files, and its hosts, each with one job that counts errors."""

    def __init__(
        self, home: Path, lab: light.Lab, hosts: Sequence[light.Host], *, load_timeout: float = 2.0, further: str = ""
    ) -> None:
        self.home, self.hosts = home, hosts
        self.config, self.store, self.view = home / "job_tracker.cfg", home / "store" / "s.sqlite", home / "view.sqlite"
        self.run_dir, self.log = home / "run", home / "log"
        (home / "run").mkdir()
        (home / "store").mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.expected: int | None = None
        settings: dict[str, Any] = {"controller_data_load_timeout_in_sec": load_timeout, "time_zone": "UTC"}
        settings |= {"controller_interval_in_sec": 1, "run_dir": str(self.run_dir), "view_file": str(self.view)}
        settings |= {"store_file": str(self.store), "log_file": str(self.log)}
        if further:
            ssh_config = lab.directory / f"ssh_config-{home.name}"  # where a user who is not root can read it
            ssh_config.write_text(further)
            settings["ssh_config"] = str(ssh_config)
        self.config.write_text(
            json.dumps(
                {
                    "global_config": settings,
                    "source_hosts": [section(lab, host) for host in hosts],
                    "jobs": [promise(host) for host in hosts],
                }
            )
        )

    def start(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "job_tracker", "run", "-c", str(self.config)]
        with (self.home / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=stderr)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGHUP only once it would not die of it."""
        assert self.process is not None
        if number is signal.SIGHUP:
            wait_until(lambda: (self.run_dir / "job_tracker.services").exists())
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it with SIGKILL; its services file is removed, so that the next start can be told."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)
        (self.run_dir / "job_tracker.services").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it in order."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def errors(self) -> Counter[str]:
        """By host, the errors that its job has counted, as the command line would show them."""
        with contextlib.suppress(JobTrackerError):
            _, jobs = read_jobs(self.view)
            return Counter({job["job"].removesuffix("__P"): job["errors"] for job in jobs})
        return Counter()

    def sources(self) -> dict[str, Any]:
        """By host, how the tracker stands with it."""
        with contextlib.suppress(JobTrackerError):
            told: dict[str, Any] = read_meta(self.view)["sources"]
            return told
        return {}

    def taken(self) -> int:
        """How many messages the ledger has taken in, each counted once; the daemon, while it runs, lets nobody look."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=20)) as store:
            return int(store.execute("SELECT count(*) FROM taken").fetchone()[0])

    def services(self) -> str:
        """What the monitoring is told."""
        path = self.run_dir / "job_tracker.services"
        return path.read_text() if path.exists() else ""

    def logged(self) -> str:
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    def wait_for_contact(self, *hosts: light.Host) -> None:
        """Wait until it reaches these hosts, or all; what was pausing tries again at once."""
        names = [host.name for host in hosts or self.hosts]
        hurried = [0.0]

        def reached() -> bool:
            sources = self.sources()
            if all(sources.get(name, {}).get("contact") == "reachable" for name in names):
                return True
            if time.monotonic() - hurried[0] > 3 and (self.run_dir / "job_tracker.services").exists():
                hurried[0] = time.monotonic()
                self.signal(signal.SIGHUP)
            return False

        wait_until(reached, lambda: (self.sources(), self.logged()[-1500:]))


class Producer:
    """Jobs on a host that report without a pause; `added` counts the messages whose add returned 0."""

    def __init__(self, host: light.Host, batch: int = 3) -> None:
        self.host, self.batch = host, batch
        self.added = self.failed = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._produce, daemon=True)

    def __enter__(self) -> "Producer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(PATIENCE)

    def _produce(self) -> None:
        while not self._ending.is_set():
            self.add()
            self._ending.wait(0.05)

    def add(self) -> None:
        """Add a batch in one process."""
        try:
            self.host.add(*[self.host.name] * self.batch, event="ERROR")
        except subprocess.CalledProcessError:
            self.failed += 1
        else:
            self.added += self.batch


def section(lab: light.Lab, host: light.Host) -> dict[str, Any]:
    """A host in the configuration."""
    return {
        "name": host.name,
        "hostname": host.address,
        "port": host.port,
        "user": host.user,
        "key": str(lab.key),
        "known_hosts": str(lab.known_hosts),
        "message_queue": str(host.queue),
        "message_queue_handler": str(light.TOOL),
        "python": light.PYTHON,
    }


def promise(host: light.Host) -> dict[str, Any]:
    """A job that counts the errors of one long run."""
    return {
        "name": host.name,
        "env": "P",
        "source_host": host.name,
        "cyclic_or_daily": "cyclic",
        "cyclic_interval_in_hh:mm:ss": "900:00:00",
        "timeout_in_hh:mm:ss": "800:00:00",
        "max_errors_before_alerting": TOO_MANY,
    }


@contextlib.contextmanager
def tracking(tracker: Tracker) -> Iterator[Tracker]:
    """A tracker that has seen each job begin, and ends with the test; then its ledger is compared as well."""
    for host in tracker.hosts:
        host.add(host.name, event="STARTED")
    tracker.start()
    try:
        tracker.wait_for_contact()
        yield tracker
    finally:
        tracker.stop()
    assert tracker.expected is None or tracker.taken() == tracker.expected


def everything_is_counted(tracker: Tracker, producers: Sequence[Producer]) -> None:
    """Nothing is lost and nothing is counted twice: every job has counted its messages, and every queue is empty."""
    expected = Counter({producer.host.name: producer.added for producer in producers})
    tracker.wait_for_contact(*(producer.host for producer in producers))
    wait_until(
        lambda: tracker.errors() == expected and all(producer.host.count() == 0 for producer in producers),
        lambda: (expected, tracker.errors(), tracker.logged()[-1500:]),
    )
    tracker.expected = sum(expected.values()) + len(tracker.hosts)


@contextlib.contextmanager
def small_file_system(directory: Path, size: str = "3m") -> Iterator[None]:
    """A file system of its own under a directory, soon full."""
    light.run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(directory))
    try:
        yield
    finally:
        light.run("umount", "--lazy", str(directory), check=False)


def fill(directory: Path) -> Path:
    """Leave no byte free; removing the file makes room."""
    path = directory / "filling"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    assert os.statvfs(directory).f_bavail == 0
    return path
