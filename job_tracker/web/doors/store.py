"""The store of the web part: users, roles, tokens, what was tried in vain, and who did what.

Rule: it holds no secret that would open a door: passwords as argon2id has them, tokens as their SHA-256.
Rule: what one process changes, the other sees at its next look: the command line and the server share the file.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from job_tracker.errors import JobTrackerError

APPLICATION = 0x6A6F6277
"""'jobw': SQLite's application id."""

LAYOUT = 1
BUSY = 5.0

READY_ROLES = {"cop": ("cop",), "standard_user": (), "viewer": ("job://.*/r",), "operator": ("job://.*/x",)}
"""Made with the store."""

TABLES = """
CREATE TABLE users (name TEXT PRIMARY KEY, password TEXT, active INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL,
    seen INTEGER) WITHOUT ROWID;
CREATE TABLE roles (name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE permissions (role TEXT NOT NULL, permission TEXT NOT NULL, PRIMARY KEY (role, permission)) WITHOUT ROWID;
CREATE TABLE members (user TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (user, role)) WITHOUT ROWID;
CREATE TABLE tokens (hash TEXT PRIMARY KEY, user TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL,
    number INTEGER NOT NULL, reads_only INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, used INTEGER,
    expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX tokens_of_user ON tokens (user);
CREATE TABLE tries (who TEXT PRIMARY KEY, failures INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE places (user TEXT NOT NULL, address TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (user, address))
    WITHOUT ROWID;
CREATE TABLE audit (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, author TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, address TEXT NOT NULL, text TEXT NOT NULL)
"""

BESIDE = "CREATE TABLE IF NOT EXISTS profiles (name TEXT PRIMARY KEY, realname TEXT, email TEXT) WITHOUT ROWID"
"""What clients of core4 give a user besides; made where it lacks, for a program of before does not look at it."""


class WebStoreUnusable(JobTrackerError):
    """The store of users cannot be used; nobody is let in, and the message says what to do."""


class Store:
    """The file, and one connection that threads take turns at."""

    def __init__(self, path: Path, now: int) -> None:
        """Open it, or make it where there is none.  Raises WebStoreUnusable."""
        self.path = path
        self._lock = threading.RLock()
        try:
            if not path.exists():
                _make(path, now)
            _refuse_others(path)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY, check_same_thread=False)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
            found = [self._connection.execute(f"PRAGMA {each}").fetchone()[0] for each in _MARKS]
            if found == [APPLICATION, LAYOUT]:
                self._connection.execute(BESIDE)
        except (OSError, sqlite3.Error) as failure:
            raise WebStoreUnusable(f"{path}: {failure}") from failure
        if found != [APPLICATION, LAYOUT]:
            self._connection.close()
            raise WebStoreUnusable(f"{path} is no store of users of this version; name another one in web: store_file")

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._connection.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask.  Raises WebStoreUnusable."""
        with self._lock, self._told():
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """Ask for one row; None where there is none."""
        return next(iter(self.rows(statement, *values)), None)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Change some of it, all or nothing.  Raises WebStoreUnusable."""
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def version(self) -> tuple[int, int]:
        """Another value after each change, whoever made it; some microseconds."""
        with self._lock, self._told():
            others = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return int(others), self._connection.total_changes

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as failure:
            raise WebStoreUnusable(f"{self.path}: {failure}") from failure


def note(connection: sqlite3.Connection, at: int, author: str, what: str, subject: str, *, address: str = "",
         text: str = "") -> None:  # fmt: skip
    """Put down who did what, in the transaction of what was done."""
    connection.execute(
        "INSERT INTO audit (at, author, what, subject, address, text) VALUES (?, ?, ?, ?, ?, ?)",
        (at, author[:100], what, subject[:300], address[:100], text[:500]),
    )
    connection.execute("DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?", (MOST_AUDITED,))


MOST_AUDITED = 100_000
_MARKS = ("application_id", "user_version")


def _make(path: Path, now: int) -> None:
    """Lay it out under another name, for its owner alone, then give it its own."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    file = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:  # root makes it for whoever serves the pages, who owns the directory
        owner = path.parent.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)
    os.close(file)
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        for statement in TABLES.split(";"):
            connection.execute(statement)
        for name, permissions in READY_ROLES.items():
            put_role(connection, name, permissions, now)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
        connection.close()
        os.link(draft, path)  # whoever was first made it
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def put_role(connection: sqlite3.Connection, name: str, permissions: Iterable[str], now: int) -> None:
    """Make a role, or give one other permissions."""
    connection.execute("INSERT OR IGNORE INTO roles (name, created) VALUES (?, ?)", (name, now))
    connection.execute("DELETE FROM permissions WHERE role = ?", (name,))
    rows: Sequence[tuple[str, str]] = [(name, permission) for permission in permissions]
    connection.executemany("INSERT OR IGNORE INTO permissions (role, permission) VALUES (?, ?)", rows)


def _refuse_others(path: Path) -> None:
    """It is for its owner alone, and so whoever else could read it has already been let in too far."""
    if path.stat().st_mode & 0o077:
        raise WebStoreUnusable(f"{path} can be read by others; `chmod 600 {path}`, and change what they may have read")
