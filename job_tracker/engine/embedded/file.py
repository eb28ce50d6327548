"""The file of the embedded store: how it comes to be, is opened, and is written by one at a time.

Rule: a store that cannot be read is never taken for an empty one; a new one is whole before it has its name.
Rule: a process has one connection, which its threads take in turns; a child that was forked opens its own.
Rule: what is committed is on the disk (WAL, synchronous=FULL).
"""

import os
import sqlite3
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from job_tracker.engine.embedded import layout
from job_tracker.errors import StoreRefused

BUSY_SECONDS = 0.05
"""How long SQLite itself waits for a lock; an event loop stands still within it."""

OPEN_SECONDS = 10.0
"""How long an opening waits for another that is setting the file up, or recovers it after a crash."""

PAUSE_SECONDS = 0.01

_left_to_parents: list[sqlite3.Connection] = []
"""What a fork brought along: closing it in the child would clear away what the parent still writes."""


class File:
    """An open store."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it.  Raises StoreRefused."""
        self.path = path
        self._pid, self._turn, self._connection = os.getpid(), threading.Lock(), _opened(path)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection, as long as nobody else of this process has it.  Raises sqlite3.Error, StoreRefused."""
        if self._pid != os.getpid():
            _left_to_parents.append(self._connection)
            self._pid, self._turn, self._connection = os.getpid(), threading.Lock(), _opened(self.path)
        with self._turn:
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:  # not even a rollback was possible
                    self._connection.close()
                    self._connection = _opened(self.path)

    def close(self) -> None:
        """Let go of it."""
        if self._pid == os.getpid():
            self._connection.close()
        else:
            _left_to_parents.append(self._connection)


def connect(path: Path) -> sqlite3.Connection:
    """A connection of one's own, for a transaction in which requests and jobs are written together.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise sqlite3.DatabaseError(f"its journal can only be {mode}; a local file system is needed")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # a full /tmp is no reason not to claim something
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """As the only one who writes; what fails in it was never there.  Nothing may be awaited within."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """Within somebody else's transaction; what fails in it was never there."""
    connection.execute("SAVEPOINT procrastinate")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO procrastinate")
        connection.execute("RELEASE procrastinate")
        raise
    connection.execute("RELEASE procrastinate")


def is_locked(failure: BaseException) -> bool:
    """Whether another process has it just now."""
    code = getattr(failure, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _opened(path: Path) -> sqlite3.Connection:
    until = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            if not os.path.lexists(path):
                _make(path)
            _look_at(path)
            connection = connect(path)
            try:
                layout.check(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error, layout.Foreign) as failure:
            if not is_locked(failure) or time.monotonic() > until:
                raise StoreRefused(f"{path} cannot be opened: {failure}; mend that, then start again") from failure
            time.sleep(PAUSE_SECONDS)
        else:
            return connection


def _look_at(path: Path) -> None:
    """Refuse what SQLite would take for an empty database, or would wait for."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreRefused(f"{path} is not a regular file; name another store, or move it away to begin anew")
    if found.st_size == 0:
        raise StoreRefused(f"{path} is empty, what was queued is lost; restore a copy, or remove it to begin anew")


def _make(path: Path) -> None:
    """Lay a new store out under another name, then give it its own, unless a sibling was first."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.new")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            with transaction(connection):
                layout.make(connection)
        finally:
            connection.close()
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # what is claimed from now on is known nowhere but in a file of that name
    finally:
        os.close(directory)
