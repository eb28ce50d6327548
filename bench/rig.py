"""The rig: what every measurement needs, a place for its files, a configuration, real processes, and their costs.

Rule: whatever is started here is ended here, and whatever is written lies under one directory that goes away.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "job_tracker" / "onhost" / "message-queue.py"
LOCAL_CHECK = ROOT / "job_tracker" / "onhost" / "local-check.sh"
PATIENCE = 60.0
"""Seconds after which a measurement gives up."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.  met: None where nothing was promised."""

    figure: str
    measured: str
    target: str = ""
    comparison: str = ""
    met: bool | None = None
    values: dict[str, float] = field(default_factory=dict)


class GaveUpError(Exception):
    """Something did not happen in time; the measurement is worth nothing."""


def promise(number: int) -> Json:
    """Two jobs in three are cyclic, one is daily."""
    job: Json = {"name": name_of(number), "env": "P", "timeout_in_hh:mm:ss": "00:30:00"}
    if number % 3:
        return job | {"cyclic_or_daily": "cyclic", "cyclic_interval_in_hh:mm:ss": "04:00:00"}
    start = f"{number // 3 % 24:02d}:30"
    return job | {
        "cyclic_or_daily": "daily",
        "daily_start_time_in_hh:mm": start,
        "start_max_delay_in_hh:mm:ss": "03:00:00",
    }


class Place:
    """Where the files of one measurement lie."""

    def __init__(self, home: Path, *, jobs: int, made_by: Callable[[int], Json], sections: Json) -> None:
        self.home, self.jobs, self.made_by, self.sections = home, jobs, made_by, sections
        self.queue, self.store = home / "queue.sqlite", home / "store.sqlite"
        self.wake = home / "queue.sqlite.wake"
        self.log, self.config = home / "job_tracker.log", home / "job_tracker.cfg"
        self.run_dir = Path(tempfile.mkdtemp(prefix="bench-run-", dir=default_base()))  # as /run: always in memory
        self.config.write_text(json.dumps(self._configuration()), encoding="utf-8")

    def _configuration(self) -> Json:
        return {
            "global_config": {
                "no_timeout_for_cyclic_jobs_from_in_hh:mm": "22:00",
                "no_timeout_for_cyclic_jobs_until_in_hh:mm": "02:00",
                "time_zone": "Europe/Berlin",
                "run_dir": str(self.run_dir),
                "store_file": str(self.store),
                "view_file": str(self.home / "view.sqlite"),
                "log_file": str(self.log),
                "log_level": "info",
            },
            "source_hosts": [
                {
                    "name": "here",
                    "connection": "local",
                    "message_queue": str(self.queue),
                    "message_queue_handler": str(HANDLER),
                    "python": sys.executable,
                }
            ],
            "jobs": [self.made_by(number) for number in range(self.jobs)],
            **self.sections,
        }

    def state_file(self, number: int) -> Path:
        """The state file of a job."""
        return self.run_dir / f"job_tracker.{name_of(number)}__P.state"

    def state_files(self) -> dict[str, tuple[int, int]]:
        """Every state file with what changes when it is written anew."""
        with os.scandir(self.run_dir) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".state")]
        return {name: (status.st_ino, status.st_mtime_ns) for name, status in found}


def name_of(number: int) -> str:
    """A job's name, about as long as they are in the field."""
    return f"LOAD_WAREHOUSE_{number:05d}"


def runs(jobs: int, rounds: int, *, until: float, apart: float) -> Iterator[Json]:
    """Messages of so many runs of each job, in their order, the last one before a moment; one run in ten fails."""
    for turn in range(rounds):
        begun = until - (rounds - turn) * apart
        for event, after in (("STARTED", 0.0), ("SUCCESS", apart / 2)):
            for number in range(jobs):
                failed = event == "SUCCESS" and turn < rounds - 1 and (turn + number) % 10 == 0
                yield {
                    "timestamp": round(begun + after + number * apart / 4 / jobs, 6),
                    "instance": "P",
                    "job": name_of(number),
                    "event": "ERROR" if failed else event,
                    "message": "ORA-01555: snapshot too old" if failed else f"rows={number * 17 + turn}",
                }


@contextmanager
def place(
    base: Path, *, jobs: int, made_by: Callable[[int], Json] = promise, sections: Json | None = None
) -> Iterator[Place]:
    """A place of its own, removed afterwards.  made_by: a job's section; sections: further ones."""
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    try:
        where = Place(home, jobs=jobs, made_by=made_by, sections=sections or {})
        try:
            yield where
        finally:
            shutil.rmtree(where.run_dir, ignore_errors=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Tracker:
    """A real `job_tracker run`, as its operator sees it."""

    def __init__(self, where: Place) -> None:
        self.place = where
        self.began, self.start_cpu = time.monotonic(), 0.0
        command = [sys.executable, "-m", "job_tracker", "run", "-c", str(where.config)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid

    def wait_for_state_files(self) -> float:
        """Seconds from its start until the state file of every job is there."""
        wait_for(lambda: (self.place.run_dir / "job_tracker.services").exists(), "state files", self.process)
        took, self.start_cpu = time.monotonic() - self.began, cpu_seconds(self.pid)
        assert len(self.place.state_files()) == self.place.jobs
        return took

    def moment_of(self, words: str) -> float:
        """Epoch seconds of the first line of its log that holds some words."""
        wait_for(lambda: words in self._log(), words, self.process)
        line = next(line for line in self._log().splitlines() if words in line)
        return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()

    def _log(self) -> str:
        return self.place.log.read_text(encoding="utf-8") if self.place.log.exists() else ""

    def serve(self) -> int:
        """The process that serves its queue."""
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        return int(" ".join(path.read_text() for path in children).split()[0])

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(PATIENCE)


@contextmanager
def tracker(where: Place) -> Iterator[Tracker]:
    """A tracker that ends with the measurement."""
    where.log.unlink(missing_ok=True)
    (where.run_dir / "job_tracker.services").unlink(missing_ok=True)
    running = Tracker(where)
    try:
        yield running
    finally:
        running.stop()


def wait_for(happened: Any, what: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Look every two milliseconds until something has happened."""
    until = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > until or (process is not None and process.poll() is not None):
            raise GaveUpError(f"{what}: waited in vain")
        time.sleep(0.002)


def cpu_seconds(pid: int) -> float:
    """What a process and its threads have used, children apart; in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, name: str = "VmRSS") -> float:
    """Resident megabytes of a process: VmRSS now, VmHWM at most so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def add(queue: Path, messages: Iterable[Json]) -> float:
    """Put messages into a queue with one process; seconds it took."""
    text = "\n".join(map(json.dumps, messages)).encode()
    begun = time.monotonic()
    subprocess.run([sys.executable, HANDLER, "-f", queue, "add", "-j", "-"], input=text, check=True)
    return time.monotonic() - begun


def add_command(queue: Path, number: int, event: str) -> list[str]:
    """The command that a job reports with."""
    tool = [sys.executable, str(HANDLER), "-f", str(queue), "add"]
    return [*tool, "--instance", "P", "--job", name_of(number), "--event", event]


def file_system(path: Path) -> str:
    """The kind of file system that a path lies on."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    over = [(len(at), kind) for _, at, kind, *_ in mounts if path.resolve().is_relative_to(at)]
    return max(over)[1]


def default_base() -> Path:
    """Memory where there is some: a slow disk would be measured otherwise, and nothing of ours."""
    shm = Path("/dev/shm")  # noqa: S108 - mkdtemp makes what lies there
    return shm if shm.is_dir() and os.access(shm, os.W_OK) else Path(tempfile.gettempdir())


def median(values: Iterable[float]) -> float:
    """The middle."""
    return statistics.median(values)


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, round(share * len(values)))]
