"""Reading events: from where a reader has come to, with or without a daemon that writes.

Rule: reading changes nothing and holds up nobody; it needs no right but to read the file.
Rule: a reader asks by number, and is told the numbers that it will not see.

The file is in WAL mode while the daemon writes, and after it was killed, or was stopped while somebody read: then its
-wal and -shm lie beside it and can be read.  Stopped with nobody reading, it is a plain file.  Where it says WAL and
they are gone, all of it is in the file itself, and it is read as one that nobody changes.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from job_tracker.errors import JobTrackerError
from job_tracker.events.layout import APPLICATION, COLUMNS, LAYOUT, Row, document

AT_ONCE = 1_000
BUSY = 5.0
"""Seconds to wait while the daemon replaces or closes the file."""


class EventsUnreadable(JobTrackerError):
    """The events file cannot be read; nothing is told, for what would be told might lack something."""


class EventsMissing(EventsUnreadable):
    """There is no events file, or none yet."""


class EventsReader:
    """One reader of the file.  tracker: whose events they are.  Not for several threads."""

    def __init__(self, path: Path) -> None:
        """Raises EventsUnreadable."""
        self.path, self.tracker = path, ""
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._version = -1
        self._is_frozen = False
        self._open()

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def after(self, seq: int, most: int = AT_ONCE) -> list[dict[str, Any]]:
        """The events behind a number, in order.  Raises EventsUnreadable."""
        return self._ask(f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?", seq, most)

    def newest(self, most: int) -> list[dict[str, Any]]:
        """The last events, in order.  Raises EventsUnreadable."""
        return self._ask(f"SELECT {COLUMNS} FROM events ORDER BY seq DESC LIMIT ?", most)[::-1]

    def backwards(self, below: int = 1 << 62) -> Iterator[dict[str, Any]]:
        """All events below a number, the newest first.  Raises EventsUnreadable."""
        statement = f"SELECT {COLUMNS} FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?"
        while rows := self._ask(statement, below, AT_ONCE):
            yield from rows
            below = rows[-1]["seq"]

    def runs_of(self, job: str, since: int) -> list[dict[str, Any]]:
        """The events of a job's runs that became true since a moment in microseconds.  Raises EventsUnreadable."""
        condition = "job = ? AND run IS NOT NULL AND at >= ?"
        return self._ask(f"SELECT {COLUMNS} FROM events WHERE {condition} ORDER BY seq", job, since)

    def newest_of(self, job: str, kind: str, most: int) -> list[dict[str, Any]]:
        """The last events of a kind that are of a job, the newest first.  Raises EventsUnreadable."""
        condition = "job = ? AND kind = ?"
        return self._ask(f"SELECT {COLUMNS} FROM events WHERE {condition} ORDER BY seq DESC LIMIT ?", job, kind, most)

    def has_changed(self) -> bool:
        """Whether there may be more since this was asked last; a few microseconds.  Raises EventsUnreadable."""
        if self._connection is None or self._is_frozen or _identity(self.path) != self._identity:
            return self._reopened()
        try:
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return self._reopened()
        changed, self._version = version != self._version, version
        return changed

    def _reopened(self) -> bool:
        """The file is another one, or was closed by its writer; while there is none there is nothing new."""
        if self._is_frozen and _identity(self.path) == self._identity and not Path(f"{self.path}-wal").exists():
            return False
        if not self.path.exists():
            return False
        self.close()
        self._open()
        return True

    def _ask(self, statement: str, *values: int | str) -> list[dict[str, Any]]:
        rows: list[Row] = []
        for is_last in (False, True):
            try:
                connection = self._connection or self._open()
                rows = connection.execute(statement, values).fetchall()
                break
            except sqlite3.Error as failure:
                self.close()
                if is_last:
                    raise self._unreadable(str(failure)) from failure
        return [document(row, self.tracker) for row in rows]

    def _open(self) -> sqlite3.Connection:
        self._identity = _identity(self.path)
        if self._identity is None:
            why = "there is no such file; the daemon makes it at its start, unless event_log is off"
            raise EventsMissing(str(self._unreadable(why)))
        if not os.access(self.path, os.R_OK):
            raise self._unreadable("you may not read it; it is for members of its group")
        until = time.monotonic() + BUSY
        while True:
            try:
                return self._opened()
            except sqlite3.OperationalError as failure:
                if time.monotonic() > until:
                    raise self._unreadable(str(failure)) from failure
                time.sleep(0.05)  # the writer is about to make, or to remove, what lies beside the file
            except sqlite3.Error as failure:
                raise self._unreadable(str(failure)) from failure

    def _opened(self) -> sqlite3.Connection:
        self._version = -1
        try:
            self._connection, self._is_frozen = self._connected(), False
        except sqlite3.OperationalError:
            if Path(f"{self.path}-wal").exists():
                raise
            self._connection, self._is_frozen = self._connected("&immutable=1"), True
        return self._connection

    def _connected(self, how: str = "") -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path.absolute()))}?mode=ro{how}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            if (application, layout) != (APPLICATION, LAYOUT):
                raise sqlite3.DatabaseError("is no events file of this version of job_tracker")
            row = connection.execute("SELECT value FROM meta WHERE name = 'tracker'").fetchone()
            self.tracker = "" if row is None else str(row[0])
        except BaseException:
            connection.close()
            raise
        return connection

    def _unreadable(self, reason: str) -> EventsUnreadable:
        return EventsUnreadable(f"{self.path} cannot be read: {reason}; name another with -c CONFIG or --events FILE")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
