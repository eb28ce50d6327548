"""Measures the tracker over SSH: fifty real sshd's on this machine, and beside each figure its target.

Rule: what is compared runs side by side in one run, on the same hosts, with the same messages.
Rule: a cycle is measured from outside: from the moment in which fifty stopped `serve` go on, to the last empty queue.
Beside it stands how long it takes until the monitoring has been told of all of it, which comes after.

    make bench-ssh              all of it, a few minutes
    bench_ssh.py --hosts 10     quicker;  --only cycle|latency|backlog|idle|growth
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests" / "hosts")]

import light  # noqa: E402 - found by the line above
from rig import ROOT, GaveUpError, Row, cpu_seconds, median, memory, percentile, wait_for  # noqa: E402 - likewise

JOBS_PER_HOST = 10
ROUNDS = 7
BACKLOG = 50_000
LATENCY_TRIES = 200
IDLE_SECONDS = 20.0
SSH = ("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-F", "none", "-o", "LogLevel=ERROR")


@dataclass
class Running:
    """A tracker of ours, its files, and the hosts it drains."""

    process: "subprocess.Popen[bytes]"
    home: Path
    hosts: Sequence[light.Host]

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def connected(self) -> int:
        """How many of its sources are reachable, by its services file."""
        path = self.home / "run" / "job_tracker.services"
        text = path.read_text() if path.exists() else ""
        return text.count(" - reachable since ")


def job_name(host: light.Host, number: int) -> str:
    """A job of a host."""
    return f"LOAD_{host.name}_{number:02d}"


def configuration(lab: light.Lab, hosts: Sequence[light.Host], home: Path, **further: Any) -> dict[str, Any]:
    """All hosts with ten jobs each, and what else the global section is to say."""
    promise = {
        "cyclic_or_daily": "cyclic",
        "cyclic_interval_in_hh:mm:ss": "04:00:00",
        "timeout_in_hh:mm:ss": "01:00:00",
    }
    return {
        "global_config": {
            "run_dir": str(home / "run"),
            "store_file": str(home / "store.sqlite"),
            "view_file": str(home / "view.sqlite"),
            "log_file": str(home / "job_tracker.log"),
            "time_zone": "UTC",
            **further,
        },
        "source_hosts": [
            {
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
            for host in hosts
        ],
        "jobs": [
            {"name": job_name(host, number), "env": "P", "source_host": host.name, **promise}
            for host in hosts
            for number in range(JOBS_PER_HOST)
        ],
    }


@contextmanager
def tracker(lab: light.Lab, hosts: Sequence[light.Host], **further: Any) -> Iterator[Running]:
    """A tracker that is connected to all hosts, which have new queues: the tracker before would be in its way."""
    renew(hosts)
    with started(lab, hosts, **further) as running:
        try:
            wait_for(lambda: running.connected() == len(hosts), "connections", running.process)
            yield running
        except GaveUpError:
            print((running.home / "job_tracker.log").read_text()[-2000:])
            raise


def renew(hosts: Sequence[light.Host]) -> None:
    """Give hosts new queues."""
    for host in hosts:
        host.queue.unlink(missing_ok=True)


@contextmanager
def started(lab: light.Lab, hosts: Sequence[light.Host], **further: Any) -> Iterator[Running]:
    """A tracker that has only just been started."""
    with tempfile.TemporaryDirectory(prefix="bench-ssh-", dir=base()) as directory:
        home = Path(directory)
        (home / "run").mkdir()
        (home / "job_tracker.cfg").write_text(json.dumps(configuration(lab, hosts, home, **further)))
        command = [sys.executable, "-m", "job_tracker", "run", "-c", str(home / "job_tracker.cfg")]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            yield Running(process, home, hosts)
        finally:
            process.terminate()
            process.wait(30)


def put_in(host: light.Host, event: str) -> None:
    """A message of each of its jobs."""
    host.add(*(job_name(host, number) for number in range(JOBS_PER_HOST)), event=event)


def fill(hosts: Sequence[light.Host], event: str) -> None:
    """Ten messages on every host."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda host: put_in(host, event), hosts))


def cycles(lab: light.Lab, hosts: Sequence[light.Host]) -> Iterator[Row]:
    """A full cycle with ten new messages on each host, against ssh and message-queue.py, in turn."""
    one_by_one, sixteen, ours, told = [], [], [], []
    for host in hosts:
        put_in(host, "STARTED")
    for turn in range(2):
        began = time.monotonic()
        for host in hosts:
            remove(lab, host)
        one_by_one.append(time.monotonic() - began)
        fill(hosts, "SUCCESS")
        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda host: remove(lab, host), hosts))
        sixteen.append(time.monotonic() - began)
        if turn == 0:
            fill(hosts, "STARTED")
    # A serve that is stopped while the messages are put in must not be given up meanwhile.
    with tracker(lab, hosts, controller_data_load_timeout_in_sec=60) as running:
        serves = [pid for host in hosts for pid in host.serves()]
        assert len(serves) == len(hosts), (len(serves), len(hosts))
        for turn in range(ROUNDS):
            for host, pid in zip(hosts, serves, strict=True):
                stop(host, pid)
            fill(hosts, "SUCCESS" if turn % 2 else "STARTED")
            time.sleep(0.5)  # what the adds have left to write is not the tracker's
            before = [host.queue.stat().st_mtime_ns for host in hosts]
            shown = {file: file.stat().st_mtime_ns for file in (running.home / "run").glob("*.state")}
            began, clock = time.monotonic(), time.time()
            for pid in serves:
                os.kill(pid, signal.SIGCONT)
            for host, written in zip(hosts, before, strict=True):
                wait_for(lambda host=host, written=written: is_confirmed(host, written), "a confirmation")
            ours.append(time.monotonic() - began)
            for file, written in shown.items():
                wait_for(lambda file=file, written=written: file.stat().st_mtime_ns != written, "a state file")
            told.append(max(file.stat().st_mtime_ns for file in shown) / 1e9 - clock)
            assert all(host.count() == 0 for host in hosts)
    cycle = median(ours)
    for name, walls, target in (("host after host", one_by_one, 200), ("16 at once", sixteen, 80)):
        ratio = min(walls) / cycle
        yield Row(
            figure=f"(a) cycle, {len(hosts)} hosts x {JOBS_PER_HOST} messages, against ssh {name}",
            measured=f"{ratio:,.0f} times",
            target=f">= {target} times",
            comparison=f"{cycle * 1000:,.0f} ms against {min(walls):,.2f} s",
            met=ratio >= target,
            values={"cycle_seconds": cycle, "ssh_seconds": min(walls)},
        )
    yield Row(
        figure="(a) the same cycle, until the last of all state files is written",
        measured=f"{median(told) * 1000:,.0f} ms",
        target="",
        met=None,
        values={"told_seconds": median(told)},
    )


def stop(host: light.Host, serve: int) -> None:
    """Stop a `serve` where it holds no lock, which would be in the way of the messages that are put in now."""
    os.kill(serve, signal.SIGSTOP)
    while not is_free(host):
        os.kill(serve, signal.SIGCONT)
        time.sleep(0.01)
        os.kill(serve, signal.SIGSTOP)


def is_free(host: light.Host) -> bool:
    """Whether a queue can be written."""
    with closing(sqlite3.connect(host.queue, timeout=0, isolation_level=None)) as queue:
        try:
            queue.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        queue.execute("ROLLBACK")
        return True


def remove(lab: light.Lab, host: light.Host) -> None:
    """What a script would do: log in, take the messages out, log out."""
    options = ["-i", str(lab.free_key), "-o", f"UserKnownHostsFile={lab.known_hosts}", "-p", str(host.port)]
    goal = f"{host.user}@{host.address}"
    command = f"{light.PYTHON} -I {light.TOOL} -f {host.queue} remove"
    done = subprocess.run(["ssh", *SSH, *options, goal, command], capture_output=True, timeout=60, check=True)
    assert len(json.loads(done.stdout)) == JOBS_PER_HOST


def is_confirmed(host: light.Host, before: int) -> bool:
    """Whether a queue was written and its journal is gone; a look inside would hold up who writes."""
    return host.queue.stat().st_mtime_ns != before and not Path(f"{host.queue}-journal").exists()


def is_empty(queue: sqlite3.Connection) -> bool:
    """Whether everything was confirmed."""
    return bool(queue.execute("SELECT NOT EXISTS (SELECT 1 FROM messages)").fetchone()[0])


def latencies(lab: light.Lab, hosts: Sequence[light.Host]) -> Iterator[Row]:
    """From the call of `add` on a host to the changed state file: with all well, one that hangs, one cut off."""
    odd, *others = hosts
    with tracker(lab, hosts) as running:
        time.sleep(2.0)  # the start's own work
        well = list(latencies_of(running, others, "STARTED"))
        odd.signal(signal.SIGSTOP, "message-queue.py")
        hanging = list(latencies_of(running, others, "SUCCESS"))
        odd.signal(signal.SIGCONT, "message-queue.py")
        odd.cut()
        try:
            cut_off = list(latencies_of(running, others, "STARTED"))
        finally:
            odd.heal()
    bare = median(list(start_times())) * 1000
    alone = f"of which {bare:.0f} ms are the start and the end of a Python"
    beside = ((", while one of them hangs", hanging, ""), (", while one of them is cut off", cut_off, ""))
    for name, taken, remark in (("", well, alone), *beside):
        middle, worst = median(taken) * 1000, percentile(taken, 0.99) * 1000
        yield Row(
            figure=f"(b) add to state file, {len(hosts)} hosts{name}: median of {len(taken)}",
            measured=f"{middle:.1f} ms",
            target="< 60 ms",
            comparison=remark,
            met=middle < 60,
            values={"median_ms": middle},
        )
        yield Row(
            figure="(b) the same, 99th percentile",
            measured=f"{worst:.1f} ms",
            target="< 250 ms",
            met=worst < 250,
            values={"p99_ms": worst},
        )


def latencies_of(running: Running, hosts: Sequence[light.Host], event: str) -> Iterator[float]:
    """Seconds for one message after the other, each of another host and job."""
    for turn in range(LATENCY_TRIES):
        host, number = hosts[turn % len(hosts)], turn // len(hosts) % JOBS_PER_HOST
        name = job_name(host, number)
        state = running.home / "run" / f"job_tracker.{name}__P.state"
        before = state.stat().st_mtime_ns
        called = time.time()
        host.tool("add", "--instance", "P", "--job", name, "--event", event)
        wait_for(lambda state=state, before=before: state.stat().st_mtime_ns != before, "a state file")
        yield state.stat().st_mtime_ns / 1e9 - called


def start_times() -> Iterator[float]:
    """How long a Python takes that does nothing."""
    for _ in range(10):
        began = time.monotonic()
        subprocess.run([light.PYTHON, "-I", "-c", "import json, sqlite3, argparse, subprocess"], check=True)
        yield time.monotonic() - began


def backlog(lab: light.Lab, hosts: Sequence[light.Host]) -> Iterator[Row]:
    """A queue that grew while the tracker was away: from its first answer to the empty queue."""
    host = hosts[0]
    renew([host])
    lines = [
        json.dumps(
            {"instance": "P", "job": job_name(host, n // 2 % JOBS_PER_HOST), "event": ("STARTED", "SUCCESS")[n % 2]}
        )
        for n in range(BACKLOG)
    ]
    host.tool("add", "-j", "-", stdin="\n".join(lines))
    with started(lab, [host]) as running, closing(sqlite3.connect(host.queue, timeout=10)) as queue:
        wait_for(lambda: len(host.serves()) == 1, "a connection", running.process)
        began, used = time.monotonic(), cpu_seconds(running.pid)
        wait_for(lambda: is_empty(queue), "an empty queue", running.process)
        took, used = time.monotonic() - began, cpu_seconds(running.pid) - used
    rate = BACKLOG / took
    yield Row(
        figure=f"(c) {BACKLOG:,} waiting messages on one host: drained, judged, stored, confirmed",
        measured=f"{rate:,.0f}/s",
        target=">= 10,000/s",
        comparison=f"{took:.1f} s, from the start of serve; {used:.1f} s of the tracker's CPU time",
        met=rate >= 10_000,
        values={"per_second": rate},
    )


def idle(lab: light.Lab, hosts: Sequence[light.Host], *, judged: bool = True) -> Iterator[Row]:
    """What the tracker costs while nothing happens."""
    began = time.monotonic()
    with tracker(lab, hosts) as running:
        connected = time.monotonic() - began
        time.sleep(3.0)
        used, begun = cpu_seconds(running.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (cpu_seconds(running.pid) - used) / (time.monotonic() - begun) * 100
        resident = memory(running.pid)
        threads = len(os.listdir(f"/proc/{running.pid}/task"))
    yield Row(
        figure=f"(d) idle with {len(hosts)} hosts: CPU of one core",
        measured=f"{share:.2f} %",
        target="< 1 %" if judged else "",
        comparison=f"{threads} threads; all connected {connected:.1f} s after its start",
        met=share < 1 if judged else None,
        values={"percent": share},
    )
    yield Row(
        figure=f"(d) memory with {len(hosts)} hosts",
        measured=f"{resident:.0f} MB",
        target="< 100 MB" if judged else "",
        met=resident < 100 if judged else None,
        values={"megabytes": resident},
    )


def base() -> Path:
    """Memory where there is some: fifty hosts have fifty disks, and this machine has one."""
    return light.IN_MEMORY if os.access(light.IN_MEMORY, os.W_OK) else light.BASE


def show(rows: Iterator[Row], told: list[Row]) -> None:
    """Print each row as soon as it is known."""
    for row in rows:
        verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
        print(f"{row.figure:<72} {row.measured:>12}  {row.target:<14} {verdict:<8} {row.comparison}", flush=True)
        told.append(row)


def main() -> int:
    """Measure; exit code 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--only", choices=("cycle", "latency", "backlog", "idle", "growth"))
    given = parser.parse_args()
    if reason := light.missing():
        parser.error(reason)
    told: list[Row] = []

    def is_wanted(name: str) -> bool:
        return given.only in (None, name)

    with light.lab(given.hosts, base=base()) as lab:
        print(
            f"{given.hosts} sshd's, each in namespaces of its own" if not lab.loopback else f"{given.hosts} on loopback"
        )
        hosts = lab.hosts
        for name, measure in (("cycle", cycles), ("latency", latencies), ("backlog", backlog), ("idle", idle)):
            if is_wanted(name):
                show(measure(lab, hosts), told)
        if is_wanted("growth"):
            show(idle(lab, hosts[:10], judged=False), told)
            lab.up(200 - len(hosts))
            show(idle(lab, lab.hosts, judged=False), told)
    return 1 if any(row.met is False for row in told) else 0


if __name__ == "__main__":
    sys.exit(main())
