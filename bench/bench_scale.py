"""Measures one tracker with a thousand sources: as many connections to real sshd's, beside each figure its target.

Rule: the tracker runs as it comes, with its default intervals, limits and a job on each host.
Rule: the queues behind the forced command are simulated by one light thread (responders.py), so that this machine can
hold them; the sshd's, the keys, the links that are cut and the connections are real.

    make bench-scale                  all of it, some minutes
    bench_scale.py --sources 300      quicker
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests" / "hosts")]

import light  # noqa: E402 - found by the line above
from responders import RELAY, Responders  # noqa: E402 - likewise
from rig import ROOT, Row, cpu_seconds, default_base, memory, percentile  # noqa: E402 - likewise

HOSTS = 30
START_LIMIT, IDLE_LIMIT, MEMORY_LIMIT, LATENCY_LIMIT = 60.0, 15.0, 250.0, 500.0
IDLE_SECONDS = 30.0
CUT_SECONDS, HEALED_SECONDS = 30.0, 60.0
PATIENCE = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source: the host it is on, its queue, its job's state file."""

    name: str
    host: light.Host
    queue: str
    state: Path

    @property
    def job(self) -> str:
        """Its only job."""
        return f"LOAD_{self.name}"


class Fleet:
    """The tracker, its sources, and what they have to tell."""

    def __init__(self, home: Path, lab: light.Lab, count: int) -> None:
        self.home, self.lab = home, lab
        self.run_dir = home / "run"
        self.run_dir.mkdir()
        self.responders = Responders(home / "responders")
        relay = home / "relay.pl"
        relay.write_text(RELAY)
        for host in lab.hosts:
            host.authorize(lab.forced(host, f"exec perl {relay} {home}/responders"))
        self.sources = [self._source(number) for number in range(count)]
        self.config = home / "job_tracker.cfg"
        self.config.write_text(json.dumps(self._configuration()))
        self.process: subprocess.Popen[bytes] | None = None

    def _source(self, number: int) -> Source:
        name = f"s{number:04d}"
        state = self.run_dir / f"job_tracker.LOAD_{name}__P.state"
        return Source(
            name=name, host=self.lab.hosts[number % len(self.lab.hosts)], queue=f"/var/queue/{name}.sqlite", state=state
        )

    def _configuration(self) -> dict[str, object]:
        promise = {"cyclic_or_daily": "cyclic", "cyclic_interval_in_hh:mm:ss": "04:00:00"}
        promise |= {"env": "P", "timeout_in_hh:mm:ss": "01:00:00"}
        files = {"store_file": "store.sqlite", "view_file": "view.sqlite", "log_file": "job_tracker.log"}
        return {
            "global_config": {
                "time_zone": "UTC",
                "run_dir": str(self.run_dir),
                **{key: str(self.home / name) for key, name in files.items()},
            },
            "source_hosts": [
                {
                    "name": source.name,
                    "hostname": source.host.address,
                    "port": source.host.port,
                    "user": source.host.user,
                    "key": str(self.lab.key),
                    "known_hosts": str(self.lab.known_hosts),
                    "message_queue": source.queue,
                }
                for source in self.sources
            ],
            "jobs": [{"name": source.job, "source_host": source.name, **promise} for source in self.sources],
        }

    @property
    def pid(self) -> int:
        """The tracker's process."""
        assert self.process is not None
        return self.process.pid

    @contextmanager
    def tracker(self) -> Iterator[float]:
        """The tracker, and when it was started."""
        command = [sys.executable, "-m", "job_tracker", "run", "-c", str(self.config)]
        began = time.monotonic()
        with (self.home / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            yield began
        finally:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def reachable(self) -> int:
        """How many sources are, by the services file."""
        path = self.run_dir / "job_tracker.services"
        return path.read_text().count(" - reachable since ") if path.exists() else 0

    def latencies(self, sources: Sequence[Source], event: str, seconds: float) -> list[float]:
        """A message in each queue, evenly within so many seconds; seconds until each state file was written."""
        before = {source.name: source.state.stat().st_mtime_ns for source in sources}
        began, asked = time.monotonic(), {}
        for number, source in enumerate(sources):
            time.sleep(max(0.0, began + seconds * number / len(sources) - time.monotonic()))
            asked[source.name] = time.time()
            self.responders.add(source.queue, source.job, event)
        await_true(lambda: all(each.state.stat().st_mtime_ns != before[each.name] for each in sources), "state files")
        return [each.state.stat().st_mtime_ns / 1e9 - asked[each.name] for each in sources]


def starting(fleet: Fleet, began: float) -> Iterator[Row]:
    """From the start of the process to the last source heard."""
    count = len(fleet.sources)
    await_true(lambda: fleet.reachable() == count, f"{count} connections")
    took = time.monotonic() - began
    yield Row(
        figure=f"{count:,} sources heard, from the start of the process",
        measured=f"{took:.1f} s",
        target=f"< {START_LIMIT:.0f} s",
        comparison=f"{cpu_seconds(fleet.pid):.1f} s of the tracker's CPU time",
        met=took < START_LIMIT,
    )


def idle(fleet: Fleet) -> Iterator[Row]:
    """What it costs while nothing happens."""
    time.sleep(5.0)  # the start's own work
    used, begun = cpu_seconds(fleet.pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    share = (cpu_seconds(fleet.pid) - used) / (time.monotonic() - begun) * 100
    threads, descriptors = len(os.listdir(f"/proc/{fleet.pid}/task")), len(os.listdir(f"/proc/{fleet.pid}/fd"))
    yield Row(
        figure="idle: CPU of one core",
        measured=f"{share:.1f} %",
        target=f"< {IDLE_LIMIT:.0f} %",
        comparison=f"{threads:,} threads, {descriptors:,} descriptors",
        met=share < IDLE_LIMIT,
    )
    resident = memory(fleet.pid)
    yield Row(
        figure="resident memory",
        measured=f"{resident:.0f} MB",
        target=f"< {MEMORY_LIMIT:.0f} MB",
        comparison=f"{memory(fleet.pid, 'VmHWM'):.0f} MB at most so far",
        met=resident < MEMORY_LIMIT,
    )


def messages(fleet: Fleet) -> Iterator[Row]:
    """One message each, all within a second."""
    yield from of_latency("one message each within a second, to state file", fleet, fleet.sources, "STARTED", 1.0, None)


def cut_off(fleet: Fleet) -> Iterator[Row]:
    """A third of the links is taken down and up again; the others must not feel it."""
    cut = fleet.lab.hosts[: len(fleet.lab.hosts) // 3]
    others = [source for source in fleet.sources if source.host not in cut]
    for host in cut:
        host.cut()
    yield from of_latency(
        f"{len(fleet.sources) - len(others)} cut off; of the others",
        fleet,
        others,
        "SUCCESS",
        CUT_SECONDS,
        LATENCY_LIMIT,
    )
    for host in cut:
        host.heal()
    healed = time.monotonic()
    yield from of_latency("these come back; of the others", fleet, others, "STARTED", CUT_SECONDS, LATENCY_LIMIT)
    await_true(lambda: fleet.reachable() == len(fleet.sources), "all to be back")
    took = time.monotonic() - healed
    yield Row(
        figure="all heard again, from the healing of the links",
        measured=f"{took:.1f} s",
        target=f"< {HEALED_SECONDS + 10:.0f} s",
        comparison="a pause between two tries is a minute at most",
        met=took < HEALED_SECONDS + 10,
    )


def of_latency(
    what: str, fleet: Fleet, sources: Sequence[Source], event: str, seconds: float, limit: float | None
) -> Iterator[Row]:
    """The 99th percentile of some latencies, with the median beside it."""
    taken = fleet.latencies(sources, event, seconds)
    middle, worst = percentile(taken, 0.5) * 1000, percentile(taken, 0.99) * 1000
    yield Row(
        figure=f"{what}: p99 of {len(taken):,}",
        measured=f"{worst:,.0f} ms",
        target="" if limit is None else f"< {limit:.0f} ms",
        comparison=f"median {middle:,.0f} ms, longest {max(taken) * 1000:,.0f} ms",
        met=None if limit is None else worst < limit,
    )


def await_true(happened: Callable[[], object], what: str) -> None:
    """Look every twentieth of a second: looking costs, too."""
    until = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: waited in vain for {PATIENCE:.0f} s")
        time.sleep(0.05)


def show(rows: Iterator[Row], told: list[Row]) -> None:
    """Print each row as soon as it is known."""
    for row in rows:
        verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
        print(f"{row.figure:<72} {row.measured:>12}  {row.target:<12} {verdict:<8} {row.comparison}", flush=True)
        told.append(row)


def main() -> int:
    """Measure; exit code 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=1000)
    given = parser.parse_args()
    if reason := light.missing():
        parser.error(reason)
    if not light.is_root() or shutil.which("perl") is None:
        parser.error("needs root, for links that can be cut, and perl, for a relay that costs little")
    told: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-scale-", dir=default_base()) as directory:
        home = Path(directory)
        home.chmod(0o755)
        with light.lab(HOSTS, base=default_base()) as lab:
            fleet = Fleet(home, lab, given.sources)
            print(f"{given.sources:,} sources on {HOSTS} sshd's, each in namespaces of its own", flush=True)
            with fleet.tracker() as began:
                try:
                    show(starting(fleet, began), told)
                    for measure in (idle, messages, cut_off):
                        show(measure(fleet), told)
                except TimeoutError as error:
                    print(f"gave up: {error}; {fleet.reachable()} reachable", flush=True)
                    print((home / "job_tracker.log").read_text()[-3000:])
                    return 1
    return 1 if any(row.met is False for row in told) else 0


if __name__ == "__main__":
    sys.exit(main())
