"""The view: what the command line shows, in one SQLite file that anybody of the group may read.

Rule: derived and harmless when lost; it is built anew at every start, beside the old one, and renamed into place.
Rule: it never holds up the daemon: what is published goes to a thread, and what that thread cannot write is said once
and built anew later.

Readers are in `view_reading`, the documents in `documents`, the thread and its tables in `view_tables`.
"""

import contextlib
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from job_tracker.core.messages import Message
from job_tracker.core.standing import Outcome, Run
from job_tracker.store.documents import (
    MESSAGES,
    Document,
    Publication,
    message_document,
    run_document,
    tells_something,
)
from job_tracker.store.view_tables import Table, Worker, encode

log = logging.getLogger("job_tracker")

Row = TypeVar("Row")

TABLES = ("jobs", "promises", "runs", "changes", "messages", "unmatched", "outbox", "meta")
BACKLOG = 500
"""Requests the thread may be behind; beyond, it hangs or the disk is too slow, and memory must not pay for it."""

UNDONE = (
    "json_extract(value, '$.serial') > ?"
    " AND json_extract(value, '$.status_from') <> 3 AND json_extract(value, '$.status_to') <> 3"
)
"""Changes after a serial, which a job that is folded again writes anew."""

RETRY_AFTER = 60.0
"""Seconds until a view that could not be written is built anew."""

REBUILDING = 120.0
"""Seconds that writing a whole view may take, at most."""

CLOSING = 0.5
"""Seconds that the end of the daemon waits for the last publication."""


class View:
    """The published view.  clock: seconds, for pauses only."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._history = 0
        self._worker: Worker | None = None
        self._tables: dict[str, Table] = {}
        self._changes: dict[str, int] = {}
        self._messages: dict[str, int] = {}
        self._failing = ""
        self._retry_at = 0.0

    @property
    def rebuild_due(self) -> bool:
        """The view could not be written, and it is time to build it anew: call `rebuild` instead of `publish`."""
        self._look()
        return self._worker is None and self._clock() >= self._retry_at

    def rebuild(
        self,
        jobs: Iterable[Document],
        runs: Iterable[tuple[str, Run]],
        changes: Iterable[tuple[str, Document]],
        unmatched: Iterable[Document],
        meta: Document,
        messages: Iterable[tuple[str, Message]] = (),
    ) -> bool:
        """Build the whole view beside the old one and put it in its place; False: it could not be, as was logged.

        jobs: `documents.job_documents`.  runs, changes, messages: those kept of all jobs, each job's in their order.
        """
        self._let_go()
        try:
            self._build(jobs, runs, changes, unmatched, meta, messages)
            worker = Worker(self.path, journal_mode="DELETE")
            self._tables = {name: Table(worker, name) for name in TABLES}
        except (OSError, sqlite3.Error) as failure:
            self._fail(str(failure))
            return False
        self._worker = worker
        if self._failing:
            log.info("view works again path=%s", self.path)
        self._failing = ""
        return True

    def publish(self, publication: Publication) -> None:
        """Hand over what is new; returns at once, and does nothing while the view waits to be built anew."""
        self._look()
        if self._worker is None:
            return
        try:
            self._write(publication)
            self._tables["meta"].commit(blocking=False)
        except sqlite3.Error as failure:
            self._fail(str(failure))

    def close(self) -> None:
        """Let the last publication be written, if that takes no longer than half a second."""
        if self._worker is not None:
            self._worker.finish(CLOSING)
        self._worker = None

    # -- publishing ----------------------------------------------------------------------------------------------

    def _write(self, new: Publication) -> None:
        tables = self._tables
        for key, count, serial in new.rewound:
            tables["runs"].discard_after(run_key(key, count), end_of(key))
            # What could not be seen at the time stays in the history, as in the ledger.
            tables["changes"].discard_after(f"{key} ", end_of(key), UNDONE, serial)
        tables["runs"].discard(run_key(key, order) for key, order in new.outdated)
        tables["runs"].update((run_key(key, run.order), run_document(run)) for key, run in new.runs)
        tables["messages"].update(self._slotted(new.messages))
        numbered = [(key, self._next_number(key), change) for key, change in new.changes]
        tables["changes"].update((change_key(key, number), change) for key, number, change in numbered)
        outdated = ((key, number - self._history) for key, number, _ in numbered if number > self._history)
        tables["changes"].discard(change_key(key, number) for key, number in outdated)
        tables["jobs"].update((document["job"], document) for document in new.jobs)
        for name, documents in (("unmatched", new.unmatched), ("outbox", new.outbox)):
            if documents is not None:
                tables[name].discard_after("", "~")
                tables[name].update(_in_order(documents))
        tables["meta"].update([("meta", new.meta)])

    def _next_number(self, job: str) -> int:
        number = self._changes[job] = self._changes.get(job, 0) + 1
        return number

    def _slotted(self, messages: Iterable[tuple[str, Message]]) -> Iterator[tuple[str, Document]]:
        for key, message in messages:
            slot = self._messages[key] = (self._messages.get(key, -1) + 1) % MESSAGES
            yield f"{key} {slot}", message_document(message)

    # -- rebuilding ----------------------------------------------------------------------------------------------

    def _build(
        self,
        jobs: Iterable[Document],
        runs: Iterable[tuple[str, Run]],
        changes: Iterable[tuple[str, Document]],
        unmatched: Iterable[Document],
        meta: Document,
        messages: Iterable[tuple[str, Message]],
    ) -> None:
        self._changes, self._messages, self._history = {}, {}, meta["history"]
        beside = self.path.with_name(f"{self.path.name}.new")
        make_empty(beside)
        try:
            builder = _Builder(Worker(beside, journal_mode="OFF"))
            counts = dict(builder.jobs(jobs))
            kept = ((key, run) for key, run in runs if key in counts and self._is_kept(run, counts[key]))
            builder.put("runs", ((run_key(key, run.order), run_document(run)) for key, run in kept))
            telling = _last((each for each in changes if each[0] in counts and tells_something(each[1])), self._history)
            builder.put("changes", ((change_key(key, self._next_number(key)), change) for key, change in telling))
            known = _last((each for each in messages if each[0] in counts), MESSAGES)
            builder.put("messages", self._slotted(known))
            builder.put("unmatched", _in_order(unmatched))
            builder.put("meta", [("meta", meta)])
            builder.finish()
            # The journal of a daemon that was killed belongs to the old file; SQLite would roll it back into the new.
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}-journal").unlink()
            beside.replace(self.path)
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()

    def _is_kept(self, run: Run, count: int) -> bool:
        return run.order > count - self._history or run.outcome is Outcome.OPEN or run.errors > 0

    # -- failing -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find out whether the thread still does its work."""
        if self._worker is None:
            return
        if not self._worker.is_well:
            self._fail(self._worker.reason)
        elif self._worker.backlog > BACKLOG:
            self._fail(f"{self._worker.backlog} requests wait to be written")

    def _fail(self, reason: str) -> None:
        if not self._failing:
            log.warning("view failed, it is built anew later path=%s error=%s", self.path, reason)
        self._failing = reason
        self._retry_at = self._clock() + RETRY_AFTER
        self._let_go()

    def _let_go(self) -> None:
        """Ask the thread to end; it may hang in a system call, and nobody waits for it."""
        if self._worker is not None:
            self._worker.finish(0)
        self._worker = None
        self._tables = {}


class _Builder:
    """Fills a new file; waits for the disk, so that memory stays small."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._tables = {name: Table(worker, name) for name in TABLES}

    def jobs(self, documents: Iterable[Document]) -> Iterator[tuple[str, int]]:
        """Put jobs and promises in; gives each job's key and the number of its runs."""
        jobs, promises = [], []
        for document in documents:
            key = document["job"]
            promises.append((key, encode(document.pop("promise"))))
            jobs.append((key, encode(document)))
            yield key, document["runs"]
        self._tables["jobs"].put(jobs)
        self._tables["promises"].put(promises)

    def put(self, table: str, documents: Iterable[tuple[str, Any]]) -> None:
        """Put documents in, a few thousand at a time."""
        part: list[tuple[str, str]] = []
        for key, document in documents:
            part.append((key, encode(document)))
            if len(part) == 4000:
                self._tables[table].put(part)
                part = []
                self._wait()
        self._tables[table].put(part)

    def finish(self) -> None:
        """Commit and close; raises what went wrong."""
        self._tables["meta"].commit(blocking=False)
        if not self._worker.finish(REBUILDING):
            raise sqlite3.OperationalError(self._worker.reason)

    def _wait(self) -> None:
        until = time.monotonic() + REBUILDING
        while self._worker.backlog > 40:
            if not self._worker.is_well or time.monotonic() > until:
                raise sqlite3.OperationalError(self._worker.reason)
            time.sleep(0.001)


def run_key(job: str, order: int) -> str:
    """Where a run lies; in the order of its beginning."""
    return f"{job} {order:012d}"


def change_key(job: str, number: int) -> str:
    """Where a change lies; in the order in which they were found."""
    return f"{job} {number:012d}"


def end_of(job: str) -> str:
    """Behind all keys of a job's rows: '!' follows the blank, and no job's name holds either."""
    return f"{job}!"


def make_empty(path: Path) -> None:
    """An empty file that the group may read; whatever lay there is removed first, a link not followed."""
    for leftover in (path, Path(f"{path}-journal")):
        with contextlib.suppress(FileNotFoundError):
            leftover.unlink()
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
    try:
        os.fchmod(file, 0o640)
    finally:
        os.close(file)


def _in_order(rows: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    for number, row in enumerate(rows):
        yield f"{number:06d}", row


def _last(rows: Iterable[tuple[str, Row]], most: int) -> Iterator[tuple[str, Row]]:
    """The last few of each job; a job's rows follow each other."""
    for _, group in groupby(rows, key=lambda row: row[0]):
        yield from deque(group, maxlen=most)
