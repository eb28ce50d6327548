"""Following the view: for whoever keeps in memory what it says, and wants to know only what has changed since.

Rule: as with all reading, nothing is changed, and the file's lock is held no longer than one small answer takes.

A row that is written anew gets a number behind all others (sqlitedict replaces it, and SQLite numbers rows so), hence
what changed is what lies behind the last number that was seen.  A view that is built anew is another file.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from job_tracker.view import reading
from job_tracker.view.documents import Document
from job_tracker.view.reading import ViewUnreadable

AT_ONCE = 500
"""Jobs read in one transaction: some milliseconds, while the daemon waits at most a second for its lock."""

BUSY = 1.0

_CHANGED = """
SELECT jobs.rowid, jobs.value, promises.value FROM jobs JOIN promises USING (key)
WHERE jobs.rowid > ? ORDER BY jobs.rowid LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is new.  is_whole: it is all there is.  jobs: their documents, each with its promise; to be used up."""

    meta: Document
    is_whole: bool
    jobs: Iterator[tuple[Document, Document]]


class Following:
    """One follower of a view.  Not for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._version = self._seen = -1

    def look(self) -> Look | None:
        """What has changed since the last look was used up, None if nothing has.  Raises ViewUnreadable."""
        identity = _identity(self.path)
        is_whole = self._connection is None or identity is None or identity != self._identity
        try:
            connection = self._open(identity) if is_whole else self._connection
            assert connection is not None  # noqa: S101 - opened, or it raised
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._version:
                return None
            row = connection.execute("SELECT value FROM meta WHERE key = 'meta'").fetchone()
            self._version = version
        except sqlite3.Error:
            self.close()
            return self._in_a_roundabout_way()
        meta = reading.checked(self.path, "{}" if row is None else str(row[0]))
        return Look(meta=meta, is_whole=is_whole, jobs=self._changed(connection))

    def close(self) -> None:
        """Let go of it; the next look is at all of it."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _open(self, identity: tuple[int, int] | None) -> sqlite3.Connection:
        self.close()
        reading.check_access(self.path)
        uri = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
        self._connection.execute("PRAGMA cache_size = -256")
        self._identity, self._version, self._seen = identity, -1, -1
        return self._connection

    def _changed(self, connection: sqlite3.Connection) -> Iterator[tuple[Document, Document]]:
        while True:
            try:
                rows = connection.execute(_CHANGED, (self._seen, AT_ONCE)).fetchall()
            except sqlite3.Error as failure:
                self.close()
                raise ViewUnreadable(f"{self.path} cannot be read at the moment: {failure}") from failure
            for number, job, promise in rows:
                self._seen = number
                yield json.loads(job), json.loads(promise)
            if len(rows) < AT_ONCE:
                return

    def _in_a_roundabout_way(self) -> Look:
        """A view that a killed daemon left half written, or that is being replaced."""
        meta, jobs = reading.read_jobs(self.path)
        return Look(meta=meta, is_whole=True, jobs=((job, job["promise"]) for job in jobs))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
