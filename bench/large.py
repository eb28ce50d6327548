"""Ten thousand jobs: how fast the tracker starts, and what it costs while nothing and while little happens."""

import importlib.util
import os
import subprocess
import time
from collections.abc import Iterator
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
    percentile,
    place,
    runs,
    tracker,
    wait_for,
)

from job_tracker.config.reading import load
from job_tracker.core.board import Watermark, make_board
from job_tracker.core.intake import take_in, uid_of
from job_tracker.core.jobs import MICROSECONDS
from job_tracker.core.tracker import step
from job_tracker.store.ledger import Entry
from job_tracker.store.opening import open_ledger

JOBS = 10_000
HISTORY = 20
IDLE_SECONDS = 15.0
ADDS = 100


def start(base: Path) -> Iterator[Row]:
    """Start with an empty store, then again with what the first start has made of it."""
    with place(base, jobs=JOBS) as where:
        with tracker(where) as running:
            took = running.wait_for_state_files()
        with tracker(where) as running:
            again = running.wait_for_state_files()
    yield Row(
        figure="start, 10,000 jobs, empty store",
        target="<= 3 s",
        measured=f"{took:.2f} s",
        comparison=f"{again:.2f} s when started again",
        met=took <= 3,
        values={"seconds": took, "again_seconds": again},
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
                comparison=f"{where.store.stat().st_size / 1e6:.0f} MB of store",
                met=took <= 3,
                values={"seconds": took},
            )
            wait_for(lambda: (where.home / "view.sqlite").exists(), "view", running.process)
            running.moment_of("contact=reachable")
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
    own, served = ((cpu_seconds(pid) - old) / elapsed * 100 for pid, old in ((running.pid, before[0]), (serve, before[1])))
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
    return _latency_row(
        "add to state file, 10,000 jobs", seconds, f"storing it alone: median {median(storing) * 1000:.1f} ms", promised=True
    )


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


def watch(path: Path):  # noqa: ANN201
    """Whether a file has been replaced since now."""
    before = os.stat(path).st_ino
    return lambda: os.stat(path).st_ino != before


def wait_for_quickly(changed) -> None:  # noqa: ANN001
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
    """Give the store a past, through the core and the ledger as the daemon does, but without its processes."""
    jobs = load(where.config).jobs
    now = time.time()
    since = round((now - 30 * 3600) * MICROSECONDS)
    ledger, _ = open_ledger(where.store)
    board = make_board(jobs, ledger.settle(jobs, since), {}, since)
    messages = runs(where.jobs, HISTORY, until=now - 60, apart=1800)
    numbered = ({**message, "_id": n, "uid": f"history-{n}"} for n, message in enumerate(messages, 1))
    while elements := list(islice(numbered, where.jobs)):
        moment = round(elements[-1]["timestamp"] * MICROSECONDS)
        intake = take_in(jobs, "here", elements, moment, lambda uid: False)
        mark = {"here": Watermark(drained=moment, lags_from=moment)}
        made = step(board, jobs, intake.messages, mark, moment, ledger)
        taken = tuple(map(uid_of, elements))
        ledger.save(Entry(records=made.records, drained=made.board.drained, now=moment, mementos={}, taken=taken))
        board = made.board
    ledger.close()
