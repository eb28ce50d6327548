"""Limits: what this machine allows, and what the parts take that stand outside the tracker."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rig import HANDLER, LOCAL_CHECK, Place, Row, add, add_command, median, name_of, place, runs

from job_tracker import clock
from job_tracker.outputs.checkmk.files import services_text
from job_tracker.outputs.checkmk.line import service_line
from job_tracker.sources.local.child import ChildTransport
from job_tracker.sources.queue.conversation import Conversation

ROWS = 50_000
BATCH = 5_000
ADDS = 60
CHECKS = 25
LINE = "^[0-3] [A-Za-z0-9_.:@+-]+ - [^ ]"
"""How a service line without figures begins."""


def adding(base: Path) -> Iterator[Row]:
    """Messages added as jobs do it, one process each, and all by one process."""
    with place(base, jobs=1) as where:
        begun = time.monotonic()
        for number in range(ADDS):
            subprocess.run(add_command(where.queue, number, "STARTED"), check=True)
        one_by_one = ADDS / (time.monotonic() - begun)
        bare = [sys.executable, "-I", "-c", "pass"]
        begun = time.monotonic()
        for _ in range(ADDS):
            subprocess.run(bare, check=True)
        starts = ADDS / (time.monotonic() - begun)
        together = ROWS / add(where.queue, runs(1_000, ROWS // 2_000, until=time.time(), apart=60.0))
    yield Row(
        figure="messages added, a process each",
        measured=f"{one_by_one:,.0f}/s",
        comparison=f"{starts:,.0f}/s for a Python that does nothing; {together:,.0f}/s by one add -j -",
        values={"per_second": one_by_one, "bare_python_per_second": starts, "together_per_second": together},
    )


def sqlite(base: Path) -> Iterator[Row]:
    """As many rows into SQLite and out again, with the queue's own table and safety, and nothing else."""
    with place(base, jobs=1) as where:
        connection = sqlite3.connect(where.home / "raw.sqlite", isolation_level=None)
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute(
            "CREATE TABLE messages (_id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, timestamp REAL,"
            " instance TEXT, job TEXT, event TEXT, message TEXT, run TEXT, exit_code INTEGER)"
        )
        rows = [(os.urandom(16).hex(), n / 7, "P", name_of(n % 1000), "STARTED", f"rows={n}") for n in range(ROWS)]
        insert = "INSERT INTO messages VALUES (NULL, ?, ?, ?, ?, ?, ?, NULL, NULL)"
        begun = time.monotonic()
        for at in range(0, ROWS, BATCH):
            in_one_transaction(connection, insert, rows[at : at + BATCH])
        inserted = time.monotonic()
        for at in range(0, ROWS, BATCH):
            numbers = [(number,) for number in range(at + 1, at + BATCH + 1)]
            in_one_transaction(connection, "DELETE FROM messages WHERE _id = ?", numbers)
        deleted = time.monotonic()
        connection.close()
    yield Row(
        figure=f"raw SQLite, {ROWS:,} rows in and out",
        measured=f"{ROWS / (deleted - begun):,.0f}/s",
        comparison=f"insert {ROWS / (inserted - begun):,.0f}/s, delete {ROWS / (deleted - inserted):,.0f}/s",
        values={"per_second": ROWS / (deleted - begun), "insert_per_second": ROWS / (inserted - begun)},
    )


def in_one_transaction(connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """All of them, or none."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(statement, rows)
    connection.execute("COMMIT")


def serve(base: Path) -> Iterator[Row]:
    """A queue is taken and confirmed as the daemon does it, by somebody who does nothing else."""
    with place(base, jobs=1) as where:
        add(where.queue, runs(1_000, ROWS // 2_000, until=time.time(), apart=60.0))
        transport = ChildTransport([sys.executable, "-I", str(HANDLER), "-f", str(where.queue), "serve"])
        conversation = Conversation(transport, load_timeout=10, clock=clock.now)
        try:
            begun = time.monotonic()
            conversation.greet()
            conversation.open("bench")
            connected = time.monotonic()
            heard, answers = 0, 0
            while (taken := conversation.take(BATCH, 0.0)).elements:
                conversation.confirm(taken.through, f"nonce-{heard}")
                heard, answers = heard + len(taken.elements), answers + 1
            done = time.monotonic()
        finally:
            transport.close()
    assert heard == ROWS
    yield Row(
        figure=f"serve, {ROWS:,} messages taken and confirmed",
        measured=f"{ROWS / (done - connected):,.0f}/s",
        comparison=f"{answers} answers; connecting took {(connected - begun) * 1000:.0f} ms",
        values={"per_second": ROWS / (done - connected), "connect_seconds": connected - begun},
    )


def check(base: Path) -> Iterator[Row]:
    """The local check beside `cat` of the same file, with the pipe that the agent reads from, under each awk here."""
    for services in (1_000, 10_000):
        with place(base, jobs=1) as where:
            text = "NOT_RUNNING since 2026-11-23 02:14:07: last run took 00:12:31, next start expected by 02:30:05"
            lines = (service_line(status=0, service=f"job_{name_of(n)}__P", text=text) for n in range(services))
            content = services_text(lines, written=time.time(), stale_after=3600)
            (where.run_dir / "job_tracker.services").write_text(content, encoding="utf-8")
            for awk in filter(shutil.which, ("mawk", "gawk")):
                yield check_with(awk, where, services)


def check_with(awk: str, where: Place, services: int) -> Row:
    """The local check with one awk, and what that one takes to look at each line once, without any limit."""
    tools = where.home / awk
    tools.mkdir()
    (tools / "awk").symlink_to(str(shutil.which(awk)))
    path = str(where.run_dir / "job_tracker.services")
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "LC_ALL": "C",
        "JOB_TRACKER_RUN_DIR": str(where.run_dir),
        "JOB_TRACKER_STATE_DIR": str(where.home / "check"),
    }
    checks, cats, looks = [], [], []
    for _ in range(CHECKS):
        checks.append(seconds_of(["/bin/sh", str(LOCAL_CHECK)], environment, services))
        cats.append(seconds_of(["cat", path], environment, services + 2))
        looks.append(seconds_of(["/bin/sh", "-c", f"exec awk '/{LINE}/' {path}"], environment, services))
    took, plain, least = (median(each) * 1000 for each in (checks, cats, looks))
    return Row(
        figure=f"local check, {services:,} services, {awk}",
        target="<= 8 x cat",
        measured=f"{took:.1f} ms, {took / plain:.1f} x",
        comparison=f"cat {plain:.1f} ms; one regular expression a line, nothing else, {least / plain:.1f} x",
        met=took <= 8 * plain,
        values={"milliseconds": took, "cat_milliseconds": plain, "looking_milliseconds": least},
    )


def seconds_of(command: list[str], environment: dict[str, str], lines: int) -> float:
    """How long a command takes that prints so many lines."""
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    took = time.monotonic() - begun
    assert done.stdout.count(b"\n") == lines
    return took
