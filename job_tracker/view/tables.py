"""View tables: sqlitedict's dictionaries, made fit for a loop that must not wait.

Rule: nobody waits here without a limit, and the first error ends the worker with its transaction undone.
Rule: values are JSON, never pickle.

What of sqlitedict 2.1 is done differently, each with its reason:

- Every SqliteDict opens a connection and a thread of its own; four tables would lock each other out and could not
  change together.  Here all tables of a file share one worker, so a commit shows all of them or none.
- An error in a statement is kept for the next call while the worker goes on, and a later commit would show half of a
  publication.  An error in a commit kills the thread, and whoever waits for its answer waits for ever.  Here any error
  ends the worker, which undoes what is not committed and remembers why.
- `update` queues one request a row and notes the caller's stack for each.  Here a request carries many rows.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

from sqlitedict import SqliteDict, SqliteMultithread

ROWS_PER_REQUEST = 400
"""Twice that many parameters stay below the 999 of an SQLite before 3.32."""

PATIENCE = 3.0
"""Seconds that anybody waits for the worker."""

BUSY = 1.0
"""Seconds that the worker waits for a reader to let go of the file."""

# Its errors arrive in `Worker.failure` and are said once, by whoever owns the view.
logging.getLogger("sqlitedict").addHandler(logging.NullHandler())
logging.getLogger("sqlitedict").propagate = False

encode = json.JSONEncoder(separators=(",", ":")).encode
decode = json.loads


class _Undone(BaseException):
    """Ends the worker at its first error; not an Exception, because sqlitedict catches those and goes on."""


class _Cursor(sqlite3.Cursor):
    def execute(self, statement: str, parameters: Any = (), /) -> Self:
        try:
            return super().execute(statement, parameters)
        except Exception as failure:
            raise _Undone from failure


class Worker(SqliteMultithread):  # type: ignore[misc]  # sqlitedict has no types
    """The thread that holds the connection.  failure: why it ended before its time."""

    failure: BaseException | None = None
    connection: sqlite3.Connection | None = None

    def __init__(self, path: Path, *, journal_mode: str) -> None:
        super().__init__(str(path), autocommit=False, journal_mode=journal_mode, outer_stack=False)
        self.name = "view"

    def _connect(self) -> tuple[sqlite3.Connection, sqlite3.Cursor]:
        self.connection = sqlite3.connect(self.filename, timeout=BUSY, check_same_thread=False)
        self.connection.execute(f"PRAGMA journal_mode = {self.journal_mode}")
        self.connection.execute("PRAGMA synchronous = OFF")
        # A large publication is held back until it is committed: what spills into the file shuts readers out.
        self.connection.execute("PRAGMA cache_size = -8000")
        return self.connection, self.connection.cursor(_Cursor)

    def run(self) -> None:
        """Work until asked to close, or until something fails."""
        try:
            super().run()
        except _Undone as undone:
            self.failure = undone.__cause__
        except Exception as failure:  # noqa: BLE001 - it ends this thread, and is told by who asks whether it is well
            self.failure = failure
        finally:
            if self.failure is not None and self.connection is not None:
                self.connection.close()

    @property
    def is_well(self) -> bool:
        """Whether what is asked now will be done."""
        return self.failure is None and bool(self.is_alive())

    @property
    def backlog(self) -> int:
        """Requests not yet begun."""
        return int(self.reqs.qsize())

    def select(self, req: str, arg: Any = None) -> Iterator[Any]:
        """Rows, as they come; unlike sqlitedict's own, it gives up when the worker has ended or hangs."""
        answers: Queue[Any] = Queue()
        self.execute(req, arg, answers)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = answers.get(timeout=0.05)
            except Empty:
                if not self.is_alive() or time.monotonic() > until:
                    raise sqlite3.OperationalError(self.reason) from self.failure
                continue
            if answer == "--no more--":
                return
            yield answer

    def check_raise_error(self) -> None:
        """Nothing: sqlitedict's own would wait here until the file is open; an error is in `failure`."""

    def commit(self, blocking: bool = False) -> None:
        """Ask for a commit; nobody waits for it, not even each new table."""
        super().commit(blocking=False)

    def end(self) -> None:
        """Ask to do what was asked for, and to close; `has_ended_well` says when that is so."""
        self.close(force=True)

    @property
    def has_ended_well(self) -> bool | None:
        """Whether all that was asked for was done; None: it is still at it."""
        return None if self.is_alive() else self.failure is None and not self.backlog

    @property
    def reason(self) -> str:
        """Why it does not work."""
        return f"no answer for {PATIENCE:g} s" if self.failure is None else str(self.failure) or repr(self.failure)

    def finish(self, patience: float) -> bool:
        """Do what was asked, close, and say whether all of it was done within so many seconds."""
        self.end()
        self.join(patience)
        return self.has_ended_well is True


class Table(SqliteDict):  # type: ignore[misc]  # sqlitedict has no types
    """One table of JSON documents by key; everything but `update` and the two removals is sqlitedict's."""

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker = worker
        super().__init__(
            worker.filename, tablename=name, encode=encode, decode=decode, outer_stack=False, journal_mode="DELETE"
        )

    def _new_conn(self) -> Worker:
        return self._worker

    def update(self, items: Iterable[tuple[str, Any]] = (), **_: Any) -> None:
        """Put documents in, many with each request; returns at once."""
        self.put((key, encode(value)) for key, value in items)

    def put(self, rows: Iterable[tuple[str, str]]) -> None:
        """Put texts in that are JSON already."""
        for part, marks in _parts(rows, "(?,?)"):
            flat = [value for row in part for value in row]
            self.conn.execute(f'REPLACE INTO "{self.tablename}" (key, value) VALUES {marks}', flat)  # noqa: S608 - ours

    def discard(self, keys: Iterable[str]) -> None:
        """Remove some keys, there or not; returns at once."""
        for part, marks in _parts(keys, "?"):
            self.conn.execute(f'DELETE FROM "{self.tablename}" WHERE key IN ({marks})', part)  # noqa: S608 - ours

    def discard_after(self, key: str, end: str, condition: str = "1", *parameters: Any) -> None:
        """Remove all between two keys, both excluded, that fulfil a condition in SQL; returns at once."""
        statement = f'DELETE FROM "{self.tablename}" WHERE key > ? AND key < ? AND {condition}'  # noqa: S608 - ours
        self.conn.execute(statement, (key, end, *parameters))


def _parts(items: Iterable[Any], mark: str) -> Iterator[tuple[Sequence[Any], str]]:
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == ROWS_PER_REQUEST:
            yield part, ",".join([mark] * len(part))
            part = []
    if part:
        yield part, ",".join([mark] * len(part))
