"""Ten thousand jobs: how fast the tracker starts, and what it costs while nothing and while little happens."""

import importlib.util
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType

from rig import (
    HANDLER,
    Json,
    Place,
    Row,
    Tracker,
    add_command,
    cpu_seconds,
    median,
    memory,
    name_of,
    percentile,
    place,
    runs,
    tracker,
    wait_for,
)

from job_tracker.config.reading import load
from job_tracker.core.board import Watermark, make_board
from job_tracker.core.intake import take_in, uid_of
from job_tracker.core.step import step
from job_tracker.ledger.ledger import Entry
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import MICROSECONDS

JOBS = 10_000
HISTORY = 20
PROMISES = 72
"""Different ones among them: the jobs of `rig.promise` repeat themselves after so many."""

IDLE_SECONDS = 15.0
ADDS = 100


def start(base: Path) -> Iterator[Row]:
    """Start with an empty store, then again with what the first start has made of it."""
    with place(base, jobs=JOBS) as where:
        with tracker(where) as running:
            took = running.wait_for_state_files()
            used = running.start_cpu
        with tracker(where) as running:
            again = running.wait_for_state_files()
    yield Row(
        figure="start, 10,000 jobs, empty store",
        target="<= 3 s",
        measured=f"{took:.2f} s",
        comparison=f"CPU {used:.2f} s; {again:.2f} s when started again",
        met=took <= 3,
        values={"seconds": took, "cpu_seconds": used, "again_seconds": again},
    )


def resident(base: Path) -> Iterator[Row]:
    """One tracker with a past: start, memory, rest, one message, many single messages."""
    with place(base, jobs=JOBS) as where:
        write_history(where)
        with tracker(where) as running:
            took = running.wait_for_state_files()
            yield Row(
                figure=f"start, 10,000 jobs, {HISTORY} runs of each kept",
                target="<= 3 s",
                measured=f"{took:.2f} s",
                comparison=f"CPU {running.start_cpu:.2f} s; {where.store.stat().st_size / 1e6:.0f} MB of store",
                met=took <= 3,
                values={"seconds": took, "cpu_seconds": running.start_cpu},
            )
            running.moment_of("contact=reachable")
            heard = time.monotonic() - running.began
            wait_for((where.home / "view.sqlite").exists, "view", running.process)
            viewed = time.monotonic() - running.began
            yield Row(
                figure="until sources are heard, until the view is whole",
                measured=f"{heard:.2f} s, {viewed:.1f} s",
                comparison="meanwhile messages are taken and state files written",
                values={"heard_seconds": heard, "view_seconds": viewed},
            )
            time.sleep(3.0)
            yield rest(running)
            yield one_file(running)
            yield latency_in_one_process(running)
            yield latency(running)
            yield resident_memory(running)


def rest(running: Tracker) -> Row:
    """What it costs while nothing happens."""
    serve = running.serve()
    before = cpu_seconds(running.pid), cpu_seconds(serve), time.monotonic()
    time.sleep(IDLE_SECONDS)
    elapsed = time.monotonic() - before[2]
    own = (cpu_seconds(running.pid) - before[0]) / elapsed * 100
    served = (cpu_seconds(serve) - before[1]) / elapsed * 100
    return Row(
        figure="idle CPU, 10,000 jobs",
        target="< 1 % of a core",
        measured=f"{own:.2f} %",
        comparison=f"serve on the source host {served:.2f} %; over {elapsed:.0f} s",
        met=own < 1,
        values={"percent": own, "serve_percent": served},
    )


def resident_memory(running: Tracker) -> Row:
    """What it holds, and what it held at most."""
    now, most, serve = memory(running.pid), memory(running.pid, "VmHWM"), memory(running.serve())
    return Row(
        figure="resident memory, 10,000 jobs",
        target="< 200 MB",
        measured=f"{now:.0f} MB",
        comparison=f"at most {most:.0f} MB so far; serve {serve:.0f} MB",
        met=now < 200,
        values={"megabytes": now, "most_megabytes": most, "serve_megabytes": serve},
    )


def one_file(running: Tracker) -> Row:
    """How many state files one message changes."""
    where = running.place
    before = where.state_files()
    subprocess.run(add_command(where.queue, 0, "STARTED"), check=True)
    wait_for(lambda: where.state_files() != before, "a changed state file")
    time.sleep(1.0)
    after = where.state_files()
    changed = sum(before[name] != after[name] for name in after)
    return Row(
        figure="state files one message changes",
        target="1",
        measured=str(changed),
        comparison=f"of {len(after)}",
        met=changed == 1,
        values={"files": changed},
    )


def latency(running: Tracker) -> Row:
    """From the start of an `add` process to the changed state file, and what the process alone takes."""
    seconds, process_seconds = [], []
    for number in range(1, ADDS + 1):
        begun, changed = time.monotonic(), watch(running.place.state_file(number))
        process = subprocess.Popen(add_command(running.place.queue, number, "STARTED"))
        ended = None
        while not changed():
            if ended is None and process.poll() is not None:
                ended = time.monotonic()
            time.sleep(0.0003)
        seconds.append(time.monotonic() - begun)
        process.wait()
        process_seconds.append((ended or time.monotonic()) - begun)
        time.sleep(0.02)
    return _latency_row(
        "add to state file, process start included",
        seconds,
        f"the add process alone: median {median(process_seconds) * 1000:.0f} ms",
        promised=False,
    )


def latency_in_one_process(running: Tracker) -> Row:
    """From the call of `add` in an interpreter that runs to the changed state file; and what storing alone takes."""
    queue, seconds, storing = message_queue(), [], []
    for number in range(ADDS + 1, 2 * ADDS + 1):
        message: Json = {"instance": "P", "job": f"LOAD_WAREHOUSE_{number:05d}", "event": "STARTED"}
        begun, changed = time.monotonic(), watch(running.place.state_file(number))
        queue.store(str(running.place.queue), [queue.make_message(message, time.time())])
        storing.append(time.monotonic() - begun)
        wait_for_quickly(changed)
        seconds.append(time.monotonic() - begun)
        time.sleep(0.02)
    comparison = f"storing it alone: median {median(storing) * 1000:.1f} ms"
    return _latency_row("add to state file, 10,000 jobs", seconds, comparison, promised=True)


def _latency_row(figure: str, seconds: list[float], comparison: str, *, promised: bool) -> Row:
    middle, slow = median(seconds) * 1000, percentile(seconds, 0.99) * 1000
    return Row(
        figure=figure,
        target="median < 50 ms" if promised else "",
        measured=f"median {middle:.0f} ms, p99 {slow:.0f} ms",
        comparison=comparison,
        met=middle < 50 if promised else None,
        values={"median_ms": middle, "p99_ms": slow},
    )


def watch(path: Path) -> Callable[[], bool]:
    """Whether a file has been replaced since now."""
    before = os.stat(path).st_ino
    return lambda: os.stat(path).st_ino != before


def wait_for_quickly(changed: Callable[[], bool]) -> None:
    """Look three times a millisecond."""
    until = time.monotonic() + 10
    while not changed() and time.monotonic() < until:
        time.sleep(0.0003)


def message_queue() -> ModuleType:
    """The queue's tool as a module; it has a hyphen in its name because it is a command."""
    spec = importlib.util.spec_from_file_location("message_queue", HANDLER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_history(where: Place) -> None:
    """Give the store a past: that of one job of each promise through the core, the other jobs' copied from theirs."""
    jobs = load(where.config).jobs
    now = time.time()
    since = round((now - 30 * 3600) * MICROSECONDS)
    ledger, _ = open_ledger(where.store)
    board = make_board(jobs, ledger.settle(jobs, since), {}, since)
    messages = runs(PROMISES, HISTORY, until=now - 60, apart=1800)
    numbered = ({**message, "_id": n, "uid": f"history-{n}"} for n, message in enumerate(messages, 1))
    while elements := list(islice(numbered, PROMISES)):
        moment = round(elements[-1]["timestamp"] * MICROSECONDS)
        intake = take_in(jobs, "here", elements, moment, lambda _: False)
        mark = {"here": Watermark(drained=moment, lags_from=moment)}
        made = step(board, jobs, intake.messages, mark, moment, ledger.history)
        taken = tuple(map(uid_of, elements))
        ledger.save(Entry(records=made.records, drained=made.board.drained, now=moment, mementos={}, taken=taken))
        board = made.board
    ledger.close()
    copy_history(where)


def copy_history(where: Place) -> None:
    """What the first jobs have lived through, every later job with the same promise has too."""
    connection = sqlite3.connect(where.store)
    connection.execute("CREATE TEMP TABLE twins (id INTEGER PRIMARY KEY, first INTEGER, name TEXT)")
    ids = {key.removesuffix("__P"): id for id, key in connection.execute("SELECT id, key FROM jobs")}
    twins = [
        (ids[name_of(number)], ids[name_of(number % PROMISES)], name_of(number))
        for number in range(PROMISES, where.jobs)
    ]
    connection.executemany("INSERT INTO twins VALUES (?, ?, ?)", twins)
    connection.execute("DELETE FROM checkpoints WHERE job IN (SELECT id FROM twins)")
    other = {"job": "twins.id", "name": "twins.name", "uid": "uid || '-' || twins.id", "id": "rows.id"}
    for table in ("runs", "messages", "checkpoints", "changes"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = [column for column in columns if (table, column) != ("changes", "id")]
        values = ", ".join(other.get(column, f"rows.{column}") for column in columns)
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 - names of ours
            f" SELECT {values} FROM twins JOIN {table} AS rows ON rows.job = twins.first"
        )
    connection.execute(
        "UPDATE jobs SET (runs, standing) = (SELECT old.runs, old.standing FROM twins JOIN jobs AS old"
        " ON old.id = twins.first WHERE twins.id = jobs.id) WHERE id IN (SELECT id FROM twins)"
    )
    connection.execute("INSERT OR IGNORE INTO taken SELECT uid, 0 FROM messages")
    connection.commit()
    connection.close()
