"""Many messages at once: through the core alone, through the whole daemon, through a replay."""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rig import ROOT, Row, add, cpu_seconds, memory, place, runs, tracker, wait_for

from job_tracker.config.reading import load
from job_tracker.core.board import Watermark, make_board
from job_tracker.core.intake import take_in
from job_tracker.core.memory import Memory
from job_tracker.core.step import step
from job_tracker.daemon.starting import calm_garbage_collection
from job_tracker.moments import MICROSECONDS

JOBS = 1_000
ROUNDS = 25
MESSAGES = JOBS * ROUNDS * 2
BATCH = 5_000
TIMES = 5
"""The core is measured so often; the best counts, for the others say more of what else ran here."""


def core(base: Path) -> Iterator[Row]:
    """The core folds messages that are read already, in batches as a source delivers them."""
    with place(base, jobs=JOBS) as where:
        jobs = load(where.config).jobs
        now = round(time.time() * MICROSECONDS)
        recorded = runs(JOBS, ROUNDS, until=now / MICROSECONDS, apart=120.0)
        elements = [{**message, "_id": n, "uid": str(n)} for n, message in enumerate(recorded, 1)]
        reading = time.process_time()
        messages = take_in(jobs, "here", elements, now, lambda _: False).messages
        reading = time.process_time() - reading
    calm_garbage_collection()  # as the daemon does
    walls, processes = [], []
    for _ in range(TIMES):
        board = make_board(jobs, {}, {}, messages[0].moment)
        memory_of_it = Memory(board)
        spent = [0.0, 0.0]
        for at in range(0, MESSAGES, BATCH):
            batch = messages[at : at + BATCH]
            mark = {"here": Watermark(drained=batch[-1].moment, lags_from=batch[-1].moment)}
            wall, process = time.perf_counter(), time.process_time()
            made = step(board, jobs, batch, mark, batch[-1].moment, memory_of_it)
            spent[0] += time.perf_counter() - wall
            spent[1] += time.process_time() - process
            board = made.board
            memory_of_it.keep(made.records)
        walls.append(spent[0])
        processes.append(spent[1])
    wall_rate, rate = MESSAGES / min(walls), MESSAGES / min(processes)
    yield Row(
        figure=f"the core folds, {JOBS:,} jobs",
        target=">= 50,000 messages/s",
        measured=f"{rate:,.0f}/s of CPU time",
        comparison=f"{wall_rate:,.0f}/s by the clock; reading JSON objects as messages: {MESSAGES / reading:,.0f}/s",
        met=rate >= 50_000,
        values={"per_cpu_second": rate, "per_second": wall_rate, "intake_per_cpu_second": MESSAGES / reading},
    )


def daemon(base: Path) -> Iterator[Row]:
    """A real tracker finds a full queue: from connecting until everything is in state files and confirmed."""
    with place(base, jobs=JOBS) as where:
        adding = add(where.queue, runs(JOBS, ROUNDS, until=time.time() - 1, apart=120.0))
        with tracker(where) as running:
            running.wait_for_state_files()
            wait_for(lambda: where.wake.exists(), "a connection to the queue", running.process)
            begun = time.monotonic()
            used = cpu_seconds(running.pid)
            connection = sqlite3.connect(where.queue)
            wait_for(lambda: is_empty(connection), "an empty queue", running.process)
            took = time.monotonic() - begun
            used = cpu_seconds(running.pid) - used
            connection.close()
            served = cpu_seconds(running.serve())
            texts = [where.state_file(number).read_text() for number in range(JOBS)]
            assert all(" NOT_RUNNING since " in text for text in texts)
            most = memory(running.pid, "VmHWM")
    yield Row(
        figure=f"the daemon stores and shows, {MESSAGES:,} waiting messages",
        target=">= 10,000 messages/s",
        measured=f"{MESSAGES / took:,.0f}/s, {took:.1f} s",
        comparison=f"CPU {used:.1f} s, serve {served:.1f} s; at most {most:.0f} MB; add -j - took {adding:.1f} s",
        met=MESSAGES / took >= 10_000,
        values={"per_second": MESSAGES / took, "cpu_seconds": used, "most_megabytes": most},
    )


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether all was confirmed; a look that comes at a bad moment is none."""
    try:
        return connection.execute("SELECT 1 FROM messages LIMIT 1").fetchone() is None
    except sqlite3.OperationalError:
        return False


def replay(base: Path) -> Iterator[Row]:
    """The command line's replay of as many messages, with the start of the program and the printing of all changes."""
    with place(base, jobs=JOBS) as where:
        recorded = where.home / "messages.jsonl"
        lines = runs(JOBS, ROUNDS, until=time.time() - 1, apart=120.0)
        recorded.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        command = [sys.executable, "-m", "job_tracker", "replay", "-c", str(where.config), "--messages", str(recorded)]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        with open(os.devnull, "wb") as nowhere:
            subprocess.run([*command, "--json"], cwd=ROOT, stdout=nowhere, check=True)
        took = time.monotonic() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield Row(
        figure=f"replay, {MESSAGES:,} messages",
        measured=f"{MESSAGES / took:,.0f}/s, {took:.1f} s",
        comparison=f"CPU {used:.1f} s",
        values={"per_second": MESSAGES / took, "cpu_seconds": used},
    )
