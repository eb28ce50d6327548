"""A tracker as an operator runs it: a process, a configuration, queues, and the files it leaves; all in one directory.

Rule: nothing here stands in for the real thing, and nothing waits for a time: what is waited for is a condition.
"""

import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from job_tracker.config.reading import load
from job_tracker.ledger.opening import open_ledger

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "job_tracker" / "onhost" / "message-queue.py"
LOCAL_CHECK = ROOT / "job_tracker" / "onhost" / "local-check.sh"
SLOW = 60.0
"""Seconds after which a test gives up waiting for what should take none."""

_spec = importlib.util.spec_from_file_location("message_queue", TOOL)
assert _spec is not None
assert _spec.loader is not None
message_queue = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(message_queue)

Line = dict[str, Any]


def missing(reason: str) -> NoReturn:
    """Skip for want of something on this machine; where CI promises to have everything, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must not skip: {reason}")
    pytest.skip(reason)


def wait_until(is_so: Callable[[], object], what: str = "", *, seconds: float = SLOW) -> None:
    """Wait for a condition; a file that is being replaced at this very moment makes it false."""
    until = time.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except FileNotFoundError:
            pass
        assert time.monotonic() < until, f"in vain waited for {what or is_so}"
        time.sleep(0.01)  # the pace of looking; the condition decides


@contextmanager
def file_system(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own, as large as mount's `size` says; the test is skipped where that is not possible."""
    if os.geteuid() != 0:
        missing("needs root, to mount a file system")
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        missing("not allowed to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(directory: Path) -> Path:
    """Leave no room on a file system; the file to be removed again."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return filler
    raise AssertionError("it never became full")


@contextmanager
def in_memory() -> Iterator[Path]:
    """A directory in memory where there is one: what a process has written survives its death there as on a disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="job-tracker-test-", dir=memory) as name:
        yield Path(name)


def cyclic(name: str, interval: str = "01:00:00", timeout: str = "00:10:00", **keys: Any) -> Line:
    """A job's entry in the configuration."""
    return {
        "name": name,
        "env": "P",
        "cyclic_or_daily": "cyclic",
        "cyclic_interval_in_hh:mm:ss": interval,
        "timeout_in_hh:mm:ss": timeout,
        **keys,
    }


def daily(name: str, at: str, timeout: str = "01:00:00", **keys: Any) -> Line:
    """A daily job's entry in the configuration."""
    return {
        "name": name,
        "env": "P",
        "cyclic_or_daily": "daily",
        "daily_start_time_in_hh:mm": at,
        "timeout_in_hh:mm:ss": timeout,
        **keys,
    }


def said(job: str, event: str, timestamp: float | None = None, **more: Any) -> Line:
    """A message as a producer gives it to `add`."""
    return {"instance": "P", "job": job, "event": event, "timestamp": timestamp, **more}


class Queue:
    """A queue file on this host."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, *messages: Line) -> list[Line]:
        """What `add -j -` does; gives the messages as they are stored."""
        made = [message_queue.make_message(each, time.time()) for each in messages]
        message_queue.store(str(self.path), made)
        return made

    def tool(self, *arguments: str) -> str:
        """Any other verb."""
        command = [sys.executable, "-I", str(TOOL), "-f", str(self.path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def query(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Look into the file past the tool, or do to it what the tool would refuse."""
        with closing(sqlite3.connect(self.path, timeout=SLOW)) as connection, connection:
            return connection.execute(statement, tuple(values)).fetchall()

    def depth(self) -> int:
        """How many messages wait there."""
        return int(self.query("SELECT count(*) FROM messages")[0][0])

    def wait_until_empty(self) -> None:
        """Wait until all of it is confirmed."""
        wait_until(lambda: not self.depth(), f"{self.path} to be drained")

    def nonce(self) -> str | None:
        """What the last confirmation left there."""
        nonce: str | None = self.query("SELECT value FROM meta WHERE name = 'nonce'")[0][0]
        return nonce


class Tracker:
    """A tracker's directory, and its process while there is one."""

    def __init__(self, home: Path, *jobs: Line, sources: Iterable[str] = ("app1",), **settings: Any) -> None:
        self.home = home
        self.config = home / "job_tracker.cfg"
        self.run_dir = home / "run"
        self.store = home / "store" / "job_tracker.sqlite"
        self.view = home / "view" / "view.sqlite"
        self.log_file = home / "log" / "job_tracker.log"
        self.stderr = home / "stderr"
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.view.parent.mkdir(exist_ok=True)
        self.jobs = list(jobs)
        self.servers: list[Line] = []
        self.queues = {name: Queue(home / "queues" / f"{name}.sqlite") for name in sources}
        self.settings: Line = {
            "controller_interval_in_sec": 0.5,
            "controller_data_load_timeout_in_sec": 20,
            "time_zone": "UTC",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.configure()

    @property
    def control(self) -> Path:
        """The queue in which operators speak."""
        return self.store.parent / "control" / "queue.sqlite"

    @property
    def queue(self) -> Queue:
        """The first source's queue."""
        return next(iter(self.queues.values()))

    def configure(self, **settings: Any) -> None:
        """Write the configuration as it now is."""
        self.settings |= settings
        places = {
            "run_dir": str(self.run_dir),
            "store_file": str(self.store),
            "view_file": str(self.view),
            "log_file": str(self.log_file),
        }
        hosts = [
            {"name": name, "connection": "local", "message_queue": str(queue.path), "python": sys.executable}
            for name, queue in self.queues.items()
        ]
        hosts += self.servers
        tree = {"global_config": {**places, **self.settings}, "source_hosts": hosts, "jobs": self.jobs}
        self.config.write_text(json.dumps(tree, indent=1), encoding="utf-8")

    def begin_store(self, moment: float) -> None:
        """Make the store as a tracker does that starts for the first time, at a moment of the past (epoch seconds)."""
        ledger, _ = open_ledger(self.store)
        ledger.settle(load(self.config).jobs, round(moment * 1_000_000))
        ledger.close()

    # -- the process ---------------------------------------------------------------------------------------------

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the process, and wait for nothing."""
        command = [sys.executable, "-m", "job_tracker", "run", "-c", str(self.config)]
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        return self.process

    def start(self, *, reachable: Iterable[str] | None = None) -> None:
        """Start, and wait until it has written its files and reached its sources."""
        begun = time.time_ns()
        process = self.launch()
        names = list(self.queues) if reachable is None else list(reachable)

        def is_ready() -> bool:
            assert process.poll() is None, self.complaints()
            services = self.services() if self.services_file.stat().st_mtime_ns >= begun else {}
            return "job_tracker" in services and all(
                "reachable since" in services.get(f"job_source_{name}", "") for name in names
            )

        wait_until(is_ready, "the tracker to start")

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """End it as systemd does; the seconds it took.  It must end well."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(SLOW)
        took = time.monotonic() - begun
        assert code == 0, self.complaints()
        self.process = None
        return took

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(SLOW)
        self.process = None

    def close(self) -> None:
        """Leave nothing behind, whatever the test left undone."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(SLOW)

    def reload(self) -> None:
        """Ask for a reload, and wait until it has said what came of it."""
        before = self.reloads()
        self.send(signal.SIGHUP)
        wait_until(lambda: self.reloads() > before, "the reload")

    def reloads(self) -> int:
        """How often it was asked for one, as far as it has said what came of it."""
        log = self.log()
        return log.count("configuration reloaded") + log.count("not reloaded, ")

    def serve_pids(self) -> list[int]:
        """The processes that serve hosts' queues, those that ended and are not reaped among them."""
        assert self.process is not None
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            found += map(int, task.read_text().split())
        return [pid for pid in found if str(self.control).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    # -- what it leaves ------------------------------------------------------------------------------------------

    @property
    def services_file(self) -> Path:
        """What the local check reads."""
        return self.run_dir / "job_tracker.services"

    def state_file(self, job: str) -> Path:
        """The state file of a job of the environment P."""
        return self.run_dir / f"job_tracker.{job}__P.state"

    def line(self, job: str) -> str:
        """What the state file of a job says."""
        return self.state_file(job).read_text(encoding="utf-8")

    def state(self, job: str) -> str:
        """The state's word in it."""
        return self.line(job).split(" ", 3)[3].split(" ", 1)[0]

    def status(self, job: str) -> int:
        """The status in it."""
        return int(self.line(job)[0])

    def wait_for(self, job: str, text: str) -> None:
        """Wait until a job's state file says that."""
        wait_until(lambda: text in self.line(job), f"{text!r} in the state file of {job}")

    def wait_until_drained(self) -> None:
        """Wait until nothing is left in the queues: all of it is confirmed."""
        for queue in self.queues.values():
            queue.wait_until_empty()

    def services(self) -> dict[str, str]:
        """The services file's lines by the service's name."""
        lines = self.services_file.read_text(encoding="utf-8").splitlines()
        assert lines[-1] == "# end"
        return {line.split(" ", 2)[1]: line for line in lines[1:-1]}

    def wait_for_service(self, name: str, text: str) -> None:
        """Wait until a service's line says that."""
        wait_until(lambda: text in self.services().get(name, ""), f"{text!r} in the service {name}")

    def check(self) -> dict[str, str]:
        """What the agent would print now: the local check's lines by the service's name."""
        kept = str(self.run_dir.parent / "check")
        environment = {**os.environ, "JOB_TRACKER_RUN_DIR": str(self.run_dir), "JOB_TRACKER_STATE_DIR": kept}
        done = subprocess.run(
            ["sh", str(LOCAL_CHECK)], env=environment, check=True, capture_output=True, text=True, timeout=SLOW
        )
        assert done.stderr == ""
        return {line.split(" ", 2)[1]: line for line in done.stdout.splitlines()}

    def log(self) -> str:
        """The log so far."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def wait_for_log(self, text: str) -> None:
        """Wait until the log says that."""
        wait_until(lambda: text in self.log(), f"{text!r} in the log")

    def complaints(self) -> str:
        """What went to stderr."""
        return self.stderr.read_text(encoding="utf-8", errors="replace")

    def command(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command of the command line."""
        return subprocess.run(
            [sys.executable, "-m", "job_tracker", *arguments], capture_output=True, text=True, check=False, **options
        )

    def shown(self, *arguments: str) -> Any:
        """What a command that reads the view says with --json."""
        done = self.command(*arguments, "--json", "--view", str(self.view))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ledger(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Look into the store; only while no tracker runs, for it keeps others out."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=rw", uri=True)) as connection:
            return connection.execute(statement, tuple(values)).fetchall()


def changes_of(tracker: Tracker) -> dict[str, list[Line]]:
    """Every change that the ledger holds, by job, in the order in which they were found."""
    found: dict[str, list[Line]] = {}
    rows = tracker.ledger(
        "SELECT key, at, state_from, state_to, status_to, errors, missed, text FROM changes"
        " JOIN jobs ON jobs.id = job ORDER BY changes.id"
    )
    names = ("job", "at", "from", "to", "status", "errors", "missed", "text")
    for row in rows:
        line = dict(zip(names, row, strict=True))
        found.setdefault(row[0], []).append({**line, "at": line["at"] / 1_000_000})
    return found
