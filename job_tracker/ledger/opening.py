"""Opening: how a ledger comes to be, or is refused.

Rule: a store that cannot be read is never taken for an empty one.  Rule: a new store is whole before it has its name.
"""

import os
import sqlite3
import stat
import uuid
from datetime import UTC, datetime
from pathlib import Path

from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.ledger import layout
from job_tracker.ledger.access import GARBLED
from job_tracker.ledger.ledger import Ledger, damaged
from job_tracker.moments import MICROSECONDS

LOCK_SECONDS = 2.0
SMALLEST = 512
"""Bytes: no database is shorter, and SQLite takes a file of fewer than a hundred for an empty one."""


def open_ledger(path: Path) -> tuple[Ledger, str]:
    """Open the store, or make it where there is none; with it, what the log should say of that.

    Raises StoreRefused with what to do.
    """
    exists = os.path.lexists(path)
    try:
        if exists:
            _look_at(path)
        else:
            _make(path)
        ledger, migrated_from = _open(path)
    except sqlite3.OperationalError as failure:
        raise StoreRefused(f"{path} cannot be opened: {failure}; {_advice(failure)}") from failure
    except OSError as failure:
        raise StoreRefused(f"{path} cannot be opened: {failure.strerror}; mend that, then start again") from failure
    except (sqlite3.DatabaseError, *GARBLED) as failure:
        raise damaged(path, failure) from failure
    if not exists:
        return ledger, f"store made path={path}: nothing was known before, every job is known since now"
    if migrated_from is not None:
        return (
            ledger,
            f"store migrated path={path} layout={migrated_from}->{layout.LAYOUT} copy={_copy_of(path, migrated_from)}",
        )
    try:
        return ledger, f"store opened path={path}{_known_until(ledger)}"
    except StoreFailed as failure:
        ledger.close()
        raise StoreRefused(f"{failure}; mend that or restore a copy, then start again") from failure


def _known_until(ledger: Ledger) -> str:
    """When it was last drained into: a copy put back in place tells with it from when its history is missing."""
    moment = max(ledger.drained().values(), default=None)
    return "" if moment is None else f" last_drained={datetime.fromtimestamp(moment // MICROSECONDS, UTC):%F %T} UTC"


def _look_at(path: Path) -> None:
    """Refuse what SQLite would take for an empty database, or would wait for."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreRefused(f"{path} is not a regular file; name another store_file, or move it away to begin anew")
    if found.st_size == 0:
        raise StoreRefused(f"{path} is empty, what was known is lost; restore a copy, or remove it to begin anew")
    if found.st_size < SMALLEST:
        raise sqlite3.DatabaseError(f"no more than {found.st_size} bytes are left")


def _make(path: Path) -> None:
    """Lay a new store out under another name, then give it its own."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute("BEGIN")
        layout.make(connection)
        connection.execute("INSERT INTO facts (name, value) VALUES ('tracker', ?)", (uuid.uuid4().hex,))
        connection.execute("COMMIT")
    finally:
        connection.close()
    os.rename(draft, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # what is confirmed from now on is known nowhere but in a file of that name
    finally:
        os.close(directory)


def _open(path: Path) -> tuple[Ledger, int | None]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=LOCK_SECONDS)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second tracker on one store would undo the first
        connection.execute("BEGIN EXCLUSIVE")
        found = layout.check(connection, path)
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")  # a full /tmp is no reason not to know something
        if found < layout.LAYOUT:
            _migrate(connection, path, found)
        return Ledger(connection, path), found if found < layout.LAYOUT else None
    except BaseException:
        connection.close()
        raise


def _migrate(connection: sqlite3.Connection, path: Path, found: int) -> None:
    """Keep a copy of the older store, so that the older program can be installed again; then migrate."""
    kept = _copy_of(path, found)
    os.close(os.open(kept, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    copy = sqlite3.connect(kept)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    connection.execute("BEGIN EXCLUSIVE")
    layout.migrate(connection, found)
    connection.execute("COMMIT")


def _copy_of(path: Path, found: int) -> Path:
    return path.with_name(f"{path.name}.layout{found}")


def _advice(failure: Exception) -> str:
    if "locked" in str(failure):
        return "another tracker is using it; stop that one first"
    return "mend that, then start again"
