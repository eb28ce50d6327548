"""The view: what the command line shows, in one SQLite file that anybody of the group may read.

Rule: derived and harmless when lost; it is built anew at every start, beside the old one, and renamed into place.
Rule: it never holds up the daemon: it is built a few jobs at a time, what is published goes to a thread, and what that
thread cannot write is said once and built anew later.

Readers are in `view_reading`, the documents in `documents`, the thread and its tables in `view_tables`, the rows in
`view_rows`.
"""

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from job_tracker.core.messages import Message
from job_tracker.core.standing import Outcome
from job_tracker.errors import StoreFailed
from job_tracker.view.documents import (
    MESSAGES,
    Document,
    Publication,
    message_document,
    run_document,
    tells_something,
)
from job_tracker.view.rows import Past, change_key, days_key, end_of, in_order, of_others, run_key, span_key
from job_tracker.view.tables import Table, Worker, encode

log = logging.getLogger("job_tracker")

TABLES = ("jobs", "promises", "runs", "changes", "messages", "days", "spans", "unmatched", "outbox", "meta")
BACKLOG = 500
"""Requests the thread may be behind; beyond, it hangs or the disk is too slow, and memory must not pay for it."""

BACKLOG_WHILE_BUILDING = 40
"""Beyond, it gets no more of the past, which does not hurry."""

UNDONE = (
    "json_extract(value, '$.serial') > ?"
    " AND json_extract(value, '$.status_from') <> 3 AND json_extract(value, '$.status_to') <> 3"
)
"""Changes after a serial, which a job that is folded again writes anew."""

RETRY_AFTER = 60.0
"""Seconds until a view that could not be written is built anew."""

FINISHING = 10.0
"""Seconds that the last requests of a new view may take, while the daemon does its work."""

CLOSING = 0.5
"""Seconds that the end of the daemon waits for the last publication."""


class View:
    """The published view.  clock: seconds, for pauses only.

    is_building: a new one is being made.  is_ending: it lacks nothing, and its thread writes what is left.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._history = 0
        self._worker: Worker | None = None
        self._tables: dict[str, Table] = {}
        self._changes: dict[str, int] = {}
        self._messages: dict[str, int] = {}
        self.is_building = self.is_ending = False
        self._end_by = 0.0
        self._beside = path.with_name(f"{path.name}.new")
        self._lacking: dict[str, None] = {}
        self._failing = ""
        self._retry_at = 0.0

    @property
    def rebuild_due(self) -> bool:
        """The view could not be written, and it is time to build it anew: call `begin` instead of `publish`."""
        self._look()
        return self._worker is None and self._clock() >= self._retry_at

    @property
    def has_failed(self) -> bool:
        """It could not be kept, and waits to be built anew."""
        return bool(self._failing)

    def begin(self, jobs: Iterable[str], history: int) -> None:
        """Begin a new view beside the old one; `fill` it with what it is `lacking`, then `finish` it."""
        self._let_go()
        self._changes, self._messages, self._history = {}, {}, history
        try:
            make_empty(self._beside)
            self._open(self._beside, journal_mode="OFF")
        except (OSError, sqlite3.Error) as failure:
            self.fail(str(failure))
            return
        self.is_building, self._lacking = True, dict.fromkeys(jobs)

    def lacking(self, most: int) -> list[str]:
        """A few jobs to fill a new view with; none as long as the thread has enough to do."""
        return list(islice(self._lacking, most)) if self._keeps_up else []

    @property
    def is_complete(self) -> bool:
        """A new view lacks nothing, and can be finished."""
        return self.is_building and not self.is_ending and not self._lacking and self._keeps_up

    def fill(self, pasts: Iterable[Past]) -> None:
        """Put all in that is known of some jobs; from now on, publications of them are taken."""
        self._look()
        if self._worker is None:
            return
        rows: dict[str, list[tuple[str, str]]] = {
            name: [] for name in ("promises", "jobs", "runs", "changes", "messages", "days")
        }
        try:
            for past in pasts:
                self._gather(past, rows)
            for name, part in rows.items():
                self._tables[name].put(part)
        except (sqlite3.Error, StoreFailed) as failure:
            self.fail(str(failure))

    def finish(self, unmatched: Iterable[Document], meta: Document, spans: Iterable[Document] = ()) -> None:
        """Let all of a new view be written; `settle` puts it in the old one's place as soon as it is."""
        if self._worker is None:
            return
        try:
            self._write(Publication(meta=meta, unmatched=tuple(unmatched), spans=tuple(spans)))
            self._tables["meta"].commit(blocking=False)
        except sqlite3.Error as failure:
            self.fail(str(failure))
            return
        self._worker.end()
        self.is_ending, self._end_by = True, self._clock() + FINISHING

    def settle(self) -> None:
        """Put a new view that is written in the old one's place; what went wrong is logged.  Returns at once."""
        if self._worker is None or not self.is_ending:
            return
        has_ended_well = self._worker.has_ended_well
        if has_ended_well is None and self._clock() < self._end_by:
            return
        try:
            if has_ended_well is None:
                raise sqlite3.OperationalError(f"not written within {FINISHING:g} s")
            if not has_ended_well:
                raise sqlite3.OperationalError(self._worker.reason)
            # The journal of a daemon that was killed belongs to the old file; SQLite would roll it back into the new.
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}-journal").unlink()
            self._beside.replace(self.path)
            self.is_building = self.is_ending = False
            self._open(self.path, journal_mode="DELETE")
        except (OSError, sqlite3.Error) as failure:
            self.fail(str(failure))
            return
        if self._failing:
            log.info("view works again path=%s", self.path)
        self._failing = ""

    def publish(self, publication: Publication) -> None:
        """Hand over what is new; returns at once, and does nothing while the view waits to be built anew.

        Of jobs that a new view still lacks it takes nothing: they come with `fill`; of none while one is ending.
        """
        self._look()
        if self._worker is None or self.is_ending:
            return
        try:
            self._write(of_others(publication, self._lacking))
            self._tables["meta"].commit(blocking=False)
        except sqlite3.Error as failure:
            self.fail(str(failure))

    def close(self, patience: float = CLOSING) -> None:
        """Let the last publication be written, if that takes no longer than so many seconds."""
        if self._worker is not None:
            self._worker.finish(patience)
        self._worker = None
        self._abandon()

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
        tables["days"].put((days_key(key, month), text) for (key, month), text in new.days.items())
        tables["spans"].update((span_key(span), span) for span in new.spans)
        for name, documents in (("unmatched", new.unmatched), ("outbox", new.outbox)):
            if documents is not None:
                tables[name].discard_after("", "~")
                tables[name].update(in_order(documents))
        tables["meta"].update([("meta", new.meta)])

    def _next_number(self, job: str) -> int:
        number = self._changes[job] = self._changes.get(job, 0) + 1
        return number

    def _slotted(self, messages: Iterable[tuple[str, Message]]) -> Iterator[tuple[str, Document]]:
        for key, message in messages:
            slot = self._messages[key] = (self._messages.get(key, -1) + 1) % MESSAGES
            yield f"{key} {slot}", message_document(message)

    # -- rebuilding ----------------------------------------------------------------------------------------------

    def _open(self, path: Path, *, journal_mode: str) -> None:
        self._worker = Worker(path, journal_mode=journal_mode)
        self._tables = {name: Table(self._worker, name) for name in TABLES}

    @property
    def _keeps_up(self) -> bool:
        return self._worker is not None and self._worker.backlog <= BACKLOG_WHILE_BUILDING

    def _gather(self, past: Past, rows: dict[str, list[tuple[str, str]]]) -> None:
        """All rows of a job, by their tables."""
        document = dict(past.document)
        key, oldest = document["job"], document["runs"] - self._history
        runs = [run for run in past.runs if run.order > oldest or run.outcome is Outcome.OPEN or run.errors > 0]
        changes = [change for change in past.changes if tells_something(change)][-self._history :]
        messages = [(key, message) for message in past.messages][-MESSAGES:]
        rows["promises"].append((key, encode(document.pop("promise"))))
        rows["jobs"].append((key, encode(document)))
        rows["runs"] += [(run_key(key, run.order), encode(run_document(run))) for run in runs]
        rows["changes"] += [(change_key(key, self._next_number(key)), encode(change)) for change in changes]
        rows["days"] += [(days_key(key, month), text) for month, text in past.days]
        rows["messages"] += [(slot, encode(each)) for slot, each in self._slotted(messages)]
        self._lacking.pop(key, None)

    # -- failing -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find out whether the thread still does its work."""
        if self._worker is None or self.is_ending:
            return
        if not self._worker.is_well:
            self.fail(self._worker.reason)
        elif self._worker.backlog > BACKLOG:
            self.fail(f"{self._worker.backlog} requests wait to be written")

    def fail(self, reason: str) -> None:
        """It cannot be kept up to date: say so once, and let it be built anew later."""
        if not self._failing:
            log.warning("view failed, it is built anew later path=%s error=%s", self.path, reason)
        self._failing = reason
        self._retry_at = self._clock() + RETRY_AFTER
        self._let_go()
        self._abandon()

    def _let_go(self) -> None:
        """Ask the thread to end; it may hang in a system call, and nobody waits for it."""
        if self._worker is not None:
            self._worker.finish(0)
        self._worker = None
        self._tables = {}

    def _abandon(self) -> None:
        """Leave nothing of a view that was not finished."""
        if self.is_building:
            with contextlib.suppress(OSError):
                self._beside.unlink()
        self.is_building, self.is_ending, self._lacking = False, False, {}


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
