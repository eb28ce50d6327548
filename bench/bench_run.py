"""Measures `message-queue.py run`: what it costs a job to be wrapped, beside the same job without it.

Wall times are only worth something on a machine that has nothing else to do; each pair is measured in turns.
"""

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from rig import HANDLER, Row, default_base, median, wait_for

BYTES = 1_000_000_000
ROUNDS = 5
WRAPPERS = 200
KILLED = 50

# 100 MB/s for three seconds, 64 KiB at a time; what it takes longer is what its writes waited for.
PACED = """
import os, sys, time
data, begun = bytes(65536), time.monotonic()
for number in range(3 * 100_000_000 // 65536):
    os.write(2, data)
    late = begun + number * 65536 / 1e8 - time.monotonic()
    if late > 0:
        time.sleep(late)
"""


def wrapped(queue: Path, *options: str) -> list[str]:
    """The command line in front of a command."""
    tool = [sys.executable, "-I", str(HANDLER), "-f", str(queue)]
    return [*tool, "run", "--instance", "P", "--job", "BENCH", *options, "--"]


def in_turns(first: Callable[[], float], second: Callable[[], float]) -> tuple[float, float]:
    """The medians of two measurements, taken alternately."""
    pairs = [(first(), second()) for _ in range(ROUNDS)]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


def seconds(command: list[str], *, through_pipe: bool = False) -> float:
    """How long a command takes whose error output goes to /dev/null, or into a pipe that is read."""
    begun = time.monotonic()
    if not through_pipe:
        subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
        return time.monotonic() - begun
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        subprocess.run(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def throughput(queue: Path) -> Iterator[Row]:
    """Bytes a second through --tail, as fast as they come."""
    job = ["sh", "-c", f"exec head -c {BYTES} /dev/zero >&2"]
    for through_pipe, name in ((False, "/dev/null"), (True, "a pipe to cat")):
        plain, tailed = in_turns(
            partial(seconds, job, through_pipe=through_pipe),
            partial(seconds, [*wrapped(queue, "--tail", "5"), *job], through_pipe=through_pipe),
        )
        rate = BYTES / tailed / 1e6
        yield Row(
            figure=f"1 GB of error output through --tail into {name}",
            target=">= 400 MB/s",
            measured=f"{rate:.0f} MB/s",
            comparison=f"without run {BYTES / plain / 1e6:.0f} MB/s",
            met=rate >= 400,
        )


def paced(queue: Path) -> Iterator[Row]:
    """A producer of 100 MB/s."""
    job = [sys.executable, "-I", "-c", PACED]
    plain, tailed = in_turns(lambda: seconds(job), lambda: seconds([*wrapped(queue, "--tail", "5"), *job]))
    _, alone = in_turns(lambda: seconds(["true"]), lambda: seconds([*wrapped(queue, "--tail", "5"), "true"]))
    yield Row(
        figure="300 MB of error output at 100 MB/s through --tail",
        target="not slowed",
        measured=f"{tailed:.3f} s, of which {alone:.3f} s are run's own start and end",
        comparison=f"without run {plain:.3f} s",
        met=tailed - alone <= plain * 1.02,
    )


def started(queue: Path) -> Iterator[Row]:
    """From the start of the wrapper to the start of the command: the command's own start is subtracted."""
    job = [sys.executable, "-I", "-c", "import time; print(time.monotonic())"]

    def begins(command: list[str]) -> float:
        before = time.monotonic()
        return float(subprocess.run(command, capture_output=True, check=True).stdout) - before

    for options in ((), ("--tail", "5", "--tail-stdout")):
        plain, behind = in_turns(partial(begins, job), partial(begins, [*wrapped(queue, *options), *job]))
        bare, _ = in_turns(lambda: seconds([sys.executable, "-I", "-c", ""]), lambda: 0.0)
        took = behind - plain
        yield Row(
            figure="run … -- COMMAND until COMMAND starts" + (", with --tail --tail-stdout" if options else ""),
            target="" if options else "<= 25 ms",
            measured=f"{took * 1000:.1f} ms",
            comparison=f"python -I -c '' {bare * 1000:.1f} ms",
            met=None if options else took <= 0.025,
        )


def at_once(queue: Path) -> Iterator[Row]:
    """Two hundred wrapped jobs that run at the same time, and end at the same time."""
    gate = queue.parent / "gate"
    os.mkfifo(gate)
    job = ["sh", "-c", f"read line <{gate}; echo oops >&2; exit 3"]
    begun = time.monotonic()
    processes = [
        subprocess.Popen([*wrapped(queue, "--tail", "5"), *job], stderr=subprocess.DEVNULL) for _ in range(WRAPPERS)
    ]
    wait_for(lambda: depth(queue) >= WRAPPERS, "all starts noted")
    running = time.monotonic() - begun
    size = sum(private_kib(pid) for each in processes for pid in family(each.pid)) / 1024
    begun = time.monotonic()
    opened = os.open(gate, os.O_WRONLY)
    os.write(opened, b"\n" * WRAPPERS)
    os.close(opened)
    codes = [each.wait(120) for each in processes]
    ended = time.monotonic() - begun
    messages = listed(queue)
    whole = [each for each in messages if each["event"] == "ERROR" and each["message"].endswith("oops")]
    yield Row(
        figure=f"{WRAPPERS} wrapped jobs at once, with --tail",
        target="all noted, all ended as their commands",
        measured=f"{len(whole)} ends noted with their last line, {codes.count(3)} exit codes;"
        f" all started in {running:.1f} s, all ended in {ended:.1f} s",
        comparison=f"{size / WRAPPERS:.1f} MB of its own each, relay and witness included",
        met=len(whole) == WRAPPERS and codes.count(3) == WRAPPERS,
    )


def killed(queue: Path) -> Iterator[Row]:
    """SIGKILL for the wrapper, and then the job writes more than any pipe holds."""
    gate, log, done = (queue.parent / name for name in ("kill-gate", "log", "done"))
    survived = 0
    for number in range(KILLED):
        for path in (gate, log, done):
            path.unlink(missing_ok=True)
        os.mkfifo(gate)
        script = f"echo ready >&2; read line <{gate}; head -c 300000 /dev/zero >&2 && echo $? >{done}"
        with log.open("wb") as stderr:
            process = subprocess.Popen([*wrapped(queue, "--tail", "5"), "sh", "-c", script], stderr=stderr)
        wait_for(lambda: log.stat().st_size == 6, "the job runs")
        process.send_signal(signal.SIGKILL)
        process.wait()
        gate.write_bytes(b"\n")
        with contextlib.suppress(Exception):
            wait_for(lambda: done.exists() and log.stat().st_size == 300_006, f"job {number} survives")
            survived += done.read_text() == "0\n"
    yield Row(
        figure=f"SIGKILL for {KILLED} wrappers, then 300 KB written by each job",
        target="all arrive",
        measured=f"{survived} jobs went on, and all they wrote arrived",
        met=survived == KILLED,
    )


def depth(queue: Path) -> int:
    """How many messages the queue holds; none while it is not there."""
    done = subprocess.run(
        [sys.executable, "-I", str(HANDLER), "-f", str(queue), "count"], capture_output=True, check=False
    )
    return int(done.stdout or 0)


def listed(queue: Path) -> list[dict[str, str]]:
    """All messages of the queue."""
    done = subprocess.run(
        [sys.executable, "-I", str(HANDLER), "-f", str(queue), "list"], capture_output=True, check=True
    )
    messages: list[dict[str, str]] = json.loads(done.stdout)
    return messages


def family(pid: int) -> list[int]:
    """A wrapper and those of its children that are ours, not the command."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ours = [int(each) for each in children if b"message-queue" in Path(f"/proc/{each}/cmdline").read_bytes()]
    return [pid, *ours]


def private_kib(pid: int) -> int:
    """The memory that would be free without this process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def main() -> int:
    """Measure; exit code 1 if a target was missed."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}", flush=True)
    rows: list[Row] = []
    for bench in (started, throughput, paced, at_once, killed):
        with tempfile.TemporaryDirectory(prefix="bench-run-", dir=default_base()) as home:
            for row in bench(Path(home) / "queue.sqlite"):
                rows.append(row)
                verdict = {None: "", True: "met", False: "MISSED"}[row.met]
                print(f"{row.figure}\n    {row.measured} [{row.target} {verdict}]; {row.comparison}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
