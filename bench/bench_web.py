"""Measures the pages: how soon a browser hears, how long a page takes, what they cost, and the tracker beside them.

The tracker is played: its view and its events are written by the real writers, at the pace that is named. Wall times
are only worth something on a machine that has nothing else to do; server and browsers each want a core.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))
sys.path.insert(2, str(Path(__file__).resolve().parent.parent / "tests" / "kit"))

import beside
from browsers import Browser
from published import T0, Published, cyclic, jobs_of
from rig import Row, cpu_seconds, default_base, median, memory, percentile
from web_server import WebServer

from job_tracker import clock
from job_tracker.events.file import EventsFile
from job_tracker.events.reading import EventsReader
from job_tracker.moments import DAY, MICROSECONDS

HOUR = 3600 * MICROSECONDS
PAGES = (
    ("/", "the board, 200 rows", 0.15, 120_000),
    ("/api/v1/timeline?back=18&ahead=6", "the night of 500 jobs, 24 hours", 0.4, 0),
    ("/api/v1/jobs?limit=200", "200 jobs for a program", 0.15, 0),
)
EMPTY = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
async def nothing(request):
    return PlainTextResponse("")
app = Starlette(routes=[Route("/", nothing)])
uvicorn.run(app, port=int(sys.argv[1]), http="h11", loop="asyncio", log_level="error")
"""


WRITER = ThreadPoolExecutor(1)
"""The one thread that plays the tracker, for SQLite's connections are a thread's own."""


class Played:
    """A tracker of many jobs, and its events.  told: of each event, when it was written."""

    def __init__(self, home: Path, jobs: int) -> None:
        self.names = [f"LOAD_{number:05d}" for number in range(jobs)]
        now = clock.now()
        promised = [cyclic(name, group=f"group{number % 40:02d}") for number, name in enumerate(self.names)]
        self.tracker = Published(home / "view.sqlite", jobs_of(*promised), now=now - HOUR)
        self.tracker.step(now, [])
        self.events = EventsFile(home / "events.sqlite", "bench")
        self.events.keep, self.events.most = 30 * DAY, 1 << 30
        self.events.open()
        self.seq = 1
        self.tell(self.names[:1])

    def tell(self, names: list[str]) -> None:
        """Each of these jobs starts: in the events, and a moment later in the view."""
        now = clock.now()
        body = json.dumps({"begin": now / MICROSECONDS})
        rows = [
            (self.seq + n + 1, now, now, "run.started", f"{name}__P", 1, 0, None, body) for n, name in enumerate(names)
        ]
        self.seq += len(rows)
        self.events.take(rows, now)
        at = (now - T0) // MICROSECONDS
        self.tracker.step(now, [self.tracker.message(at, name, "STARTED") for name in names])


@contextmanager
def served(home: Path, jobs: int) -> Iterator[tuple[WebServer, Played, str]]:
    """The pages over a tracker that is played."""
    played = WRITER.submit(Played, home, jobs).result()
    with WebServer(home) as server:
        server.add("root", "cop")
        server.start()
        yield server, played, server.token("root")


async def streamed(
    server: WebServer, played: Played, token: str, browsers: int, rate: int, seconds: float
) -> list[float]:
    """So many browsers hear of so many events a second."""
    open_ones = [Browser(server.port, token) for _ in range(browsers)]
    tasks = [asyncio.create_task(each.run()) for each in open_ones]
    while not all(each.is_open for each in open_ones):
        await asyncio.sleep(0.05)
    begun, told = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        due = int(passed * rate) - told
        if due > 0:
            names = [played.names[(told + number) % len(played.names)] for number in range(due)]
            await asyncio.get_running_loop().run_in_executor(WRITER, played.tell, names)
            told += due
        await asyncio.sleep(0.01)
    until = time.monotonic() + 10
    while time.monotonic() < until and any(len(each.heard) < told for each in open_ones):
        await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lost = sum(told - len(each.heard) for each in open_ones)
    assert lost == 0, f"{lost} events were not heard"
    return [each for browser in open_ones for each in browser.heard]


async def held(server: WebServer, token: str, count: int) -> int:
    """So many streams at once; how many are open."""
    open_ones = [Browser(server.port, token) for _ in range(count)]
    tasks = [asyncio.create_task(each.run()) for each in open_ones]
    until = time.monotonic() + 60
    while time.monotonic() < until and not all(each.is_open for each in open_ones):
        await asyncio.sleep(0.1)
    found = sum(each.is_open and not task.done() for each, task in zip(open_ones, tasks, strict=True))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def pages(server: WebServer, token: str, path: str, times: int = 15) -> tuple[float, int]:
    """The median of the seconds that a page takes, and its bytes."""
    with server.client(token) as client:
        client.get(path)
        taken, size = [], 0
        for _ in range(times):
            begun = time.monotonic()
            answer = client.get(path)
            taken.append(time.monotonic() - begun)
            assert answer.status_code == 200, answer.text[:200]
            size = len(answer.content)
    return median(taken), size


@contextmanager
def empty_route() -> Iterator[WebServer]:
    """The limit of a page: a route of Starlette that answers nothing, on the same server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", EMPTY, str(port)])
    bare = WebServer.__new__(WebServer)
    bare.address, bare._clients = f"http://127.0.0.1:{port}", []
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield bare
    finally:
        process.terminate()
        process.wait()


def bare_query(events: Path, seq: int) -> float:
    """The limit of the stream: one look for what is new, in seconds."""
    reader = EventsReader(events)
    begun = time.monotonic()
    for _ in range(100):
        reader.after(seq - 100, 100)
    reader.close()
    return (time.monotonic() - begun) / 100


def row(figure: str, found: str, target: str, comparison: str, met: bool) -> Row:
    """A line of the table."""
    return Row(figure=figure, measured=found, target=target, comparison=comparison, met=met)


def idle(run: "Run") -> Iterator[Row]:
    """Nobody looks, and nothing happens."""
    before = cpu_seconds(run.pid)
    time.sleep(run.asked.seconds)
    share = (cpu_seconds(run.pid) - before) / run.asked.seconds
    yield row("idle, of a core", f"{share:.2%}", "< 0.5 %", "nothing runs, nobody looks", share < 0.005)


def stream(run: "Run") -> Iterator[Row]:
    """How soon a browser hears of what happens."""
    asked = run.asked
    heard = asyncio.run(streamed(run.server, run.played, run.token, asked.browsers, asked.rate, asked.seconds))
    half, most = percentile(heard, 0.5), percentile(heard, 0.99)
    query = bare_query(run.home / "events.sqlite", run.played.seq)
    beside = f"the bare query of 100 events takes {query * 1000:.1f} ms, and is made every 50 ms"
    name = f"event to browser, {asked.browsers} of them, {asked.rate} events a second"
    found = f"p50 {half * 1000:.0f} ms, p99 {most * 1000:.0f} ms"
    yield row(name, found, "150 and 500 ms", beside, half <= 0.15 and most <= 0.5)


def pages_of(run: "Run") -> Iterator[Row]:
    """How long pages take, and how large they are."""
    with empty_route() as bare:
        nothing, _ = pages(bare, "", "/")
        for path, name, limit, most_bytes in PAGES:
            taken, size = pages(run.server, run.token, path)
            target = f"{limit * 1000:.0f} ms" + (f", {most_bytes / 1000:.0f} KB" if most_bytes else "")
            beside = f"an empty route of the same server takes {nothing * 1000:.1f} ms"
            is_met = taken <= limit and (not most_bytes or size <= most_bytes)
            yield row(name, f"{taken * 1000:.0f} ms, {size / 1000:.0f} KB", target, beside, is_met)


def streams_of(run: "Run") -> Iterator[Row]:
    """How many streams it holds, and what it needs after all this."""
    asked = run.asked
    count = asyncio.run(held(run.server, run.token, asked.streams))
    yield row("streams at once", f"{count} open", f"{asked.streams}", "", count == asked.streams)
    used = memory(run.pid)
    yield row(f"memory with {asked.jobs} jobs, after all this", f"{used:.0f} MB", "< 120 MB", "", used < 120)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The pages at work over a tracker that is played.  pid: of the pages."""

    asked: argparse.Namespace
    home: Path
    server: WebServer
    played: Played
    token: str

    @property
    def pid(self) -> int:
        """Of the process that serves the pages."""
        assert self.server.process is not None
        return self.server.process.pid


PARTS = {"idle": idle, "stream": stream, "pages": pages_of, "streams": streams_of}
TRACKER = "tracker"


def measured(home: Path, asked: argparse.Namespace) -> Iterator[Row]:
    """The figures that were asked for."""
    if parts := [part for name, part in PARTS.items() if name in asked.only]:
        with served(home, asked.jobs) as (server, played, token):
            run = Run(asked=asked, home=home, server=server, played=played, token=token)
            for part in parts:
                yield from part(run)
            WRITER.submit(played.tracker.close).result()
    if TRACKER in asked.only:
        yield from beside.pages(home, asked.browsers, asked.turns)


def main() -> int:
    """Measure; exit code 1 if a target was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--turns", type=int, default=5, help="of the tracker with and without pages")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, TRACKER], default=[*PARTS, TRACKER])
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}", flush=True)
    is_missed = False
    with tempfile.TemporaryDirectory(prefix="bench-web-", dir=default_base()) as home:
        for each in measured(Path(home), asked):
            is_missed |= not each.met
            verdict = "met" if each.met else "MISSED"
            print(f"{each.figure}\n    {each.measured} [{each.target} {verdict}]; {each.comparison}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
