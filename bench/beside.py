"""Beside the pages: what the tracker's work costs it while they are looked at, and while there are none, in turns.

A real tracker takes the same messages again and again.  Its own CPU time is judged: by the clock, pages and browsers
take from the same cores, and how much says more of the machine than of the tracker.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from browsers import looking
from rig import Place, Row, Tracker, add, cpu_seconds, median, place, runs, tracker, wait_for
from throughput import is_empty
from web_server import WebServer

JOBS, ROUNDS, APART = 1_000, 4, 0.5
"""Runs of each job in a turn, all begun within the last two seconds."""
MESSAGES = JOBS * ROUNDS * 2
MOST = 1.05

Cost = tuple[float, float]
"""Of a turn: CPU seconds of the tracker, and seconds by the clock."""


def pages(base: Path, browsers: int, turns: int) -> Iterator[Row]:
    """One line: the tracker with pages against the tracker without."""
    without: list[Cost] = []
    beside: list[Cost] = []
    with place(base, jobs=JOBS) as where, tracker(where) as running:
        running.wait_for_state_files()
        wait_for(lambda: where.wake.exists(), "a connection to the queue", running.process)
        _turn(where, running)  # the first one warms up
        for _ in range(turns):
            without.append(_turn(where, running))
            with _looked_at(where, browsers):
                beside.append(_turn(where, running))
    (cpu, wall), (cpu_beside, wall_beside) = _middle(without), _middle(beside)
    yield Row(
        figure=f"the tracker beside the pages, {browsers} browsers, {MESSAGES:,} messages, {turns} turns each",
        measured=f"{cpu_beside / cpu:.3f} times its CPU time without ({cpu:.2f} s)",
        target=f"<= {MOST}",
        comparison=f"by the clock {wall_beside / wall:.2f} times, on the cores that it shares with them",
        met=cpu_beside / cpu <= MOST,
        values={"ratio": cpu_beside / cpu},
    )


def _turn(where: Place, running: Tracker) -> Cost:
    begun, used = time.monotonic(), cpu_seconds(running.pid)
    add(where.queue, runs(JOBS, ROUNDS, until=time.time() - 0.1, apart=APART))
    with closing(sqlite3.connect(where.queue)) as queue:
        wait_for(lambda: is_empty(queue), "an empty queue", running.process)
    return cpu_seconds(running.pid) - used, time.monotonic() - begun


@contextmanager
def _looked_at(where: Place, browsers: int) -> Iterator[None]:
    home = where.home / "pages"
    home.mkdir(exist_ok=True)
    with WebServer(home) as server:
        server.view = where.home / "view.sqlite"
        server.configure()
        if not (home / "web" / "web.sqlite").exists():
            server.add("root", "cop")
        server.start()
        with looking(server.port, server.token("root"), browsers) as looking_on:
            wait_for(lambda: all(each.is_open for each in looking_on), "open streams")
            yield
            wait_for(lambda: all(each.heard for each in looking_on), "events in the browsers")
        server.stop()


def _middle(costs: list[Cost]) -> Cost:
    return median(cpu for cpu, _ in costs), median(wall for _, wall in costs)
