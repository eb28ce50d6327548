"""The events file: what is told of the ledger's log to everybody of the group, filled by number.

Rule: derived; a crash between ledger and file loses and repeats nothing, for what is lacking is asked by number.
Rule: numbers that are not in it are named by a row `gap`, at the place of the last of them; each file begins with one.
Rule: it is written in WAL mode, so that no reader holds up the writer; where nobody reads it is left without a journal.
"""

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from job_tracker.errors import StoreFailed
from job_tracker.events.layout import APPLICATION, COLUMNS, LAYOUT, MARKS, TABLES, Row

log = logging.getLogger("job_tracker")

BITE = 500
"""Rows that go at once, of those that are too old or too many."""

ROW_SIZE = 150

WAL_MOST = 64_000_000
"""Bytes beside the file that only a reader who does not let go can have made; then it is begun anew without him."""


class EventsFile:
    """The file, and the connection that writes it.  keep: microseconds, most: bytes; last: the newest number in it."""

    def __init__(self, path: Path, tracker: str) -> None:
        self.path, self.tracker = path, tracker
        self.keep, self.most = 0, 0
        self.last = 0
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._size = 0

    def open(self) -> None:
        """Open it, or make it where there is none.  Raises StoreFailed with what to do."""
        if self._connection is not None and self._identity == _identity(self.path):
            if not self._is_held():
                return
            log.warning("events file begun anew, somebody reads it and does not let go path=%s", self.path)
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._let_go()
        try:
            if not os.path.lexists(self.path):
                _make(self.path)
            self._connection = self._connected()
            self._identity = _identity(self.path)
        except (OSError, sqlite3.Error) as failure:
            self._let_go()
            raise StoreFailed(f"{self.path}: {failure}") from failure

    def take(self, rows: Sequence[Row], now: int) -> None:
        """Put rows in, which lie behind `last`, and let go of a few that are too old.  Raises StoreFailed."""
        connection = self._connection
        if connection is None:
            raise StoreFailed(f"{self.path}: it is not open")
        try:
            connection.execute("BEGIN IMMEDIATE")
            lacking = self._gap(rows[0], now) if rows else None
            fresh = [*([] if lacking is None else [lacking]), *rows]
            connection.executemany(f"INSERT OR IGNORE INTO events ({COLUMNS}) VALUES ({MARKS})", fresh)
            size = self._size + sum(ROW_SIZE + len(row[-1]) for row in fresh)
            size = self._pruned(connection, size, now)
            connection.execute("COMMIT")
        except sqlite3.Error as failure:
            self._let_go()
            raise StoreFailed(f"{self.path}: {failure}") from failure
        self._size = size
        if rows:
            self.last = rows[-1][0]

    def close(self) -> None:
        """Leave a file that can be read by whoever may not write beside it; who reads now is not disturbed."""
        if self._connection is None:
            return
        with contextlib.suppress(sqlite3.Error):  # somebody reads: then its -wal and -shm stay, and are enough
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._let_go()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.05)
        try:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
                raise sqlite3.DatabaseError("is not an events file of job_tracker; name another events_file")
            if connection.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
                raise sqlite3.DatabaseError("is laid out by another version; remove it, and it is filled again")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self.last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            # what was let go leaves the file as long as it was
            pages -= connection.execute("PRAGMA freelist_count").fetchone()[0]
            self._size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('tracker', ?)", (self.tracker,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _gap(self, row: Row, now: int) -> Row | None:
        """The row that names what is lacking before another one; None if nothing is, or if that row says so itself."""
        seq, kind, doc = row[0], row[3], row[8]
        if seq == self.last + 1 or (kind == "gap" and self.last and json.loads(doc)["from"] <= self.last + 1):
            return None
        why = "the tracker knows no more of them: its store is a new one, or they were told too long ago"
        if not self.last:
            why = "this file begins here"
        return _gap_row(self.last + 1 if self.last else 0, seq - 1, now, why)

    def _pruned(self, connection: sqlite3.Connection, size: int, now: int) -> int:
        """Let go of a few that are too old, or too many; the file begins with what says so."""
        oldest = connection.execute("SELECT created FROM events ORDER BY seq LIMIT 1 OFFSET 1").fetchone()
        if oldest is None or (oldest[0] >= now - self.keep and size <= self.most):
            return size
        rows = connection.execute(
            "SELECT seq, created, length(doc) FROM events ORDER BY seq LIMIT ?", (BITE + 1,)
        ).fetchall()
        kept = 0
        while kept + 1 < len(rows) and (rows[kept][1] < now - self.keep or size > self.most or not kept):
            size -= ROW_SIZE + rows[kept][2]
            kept += 1
        cut = rows[kept - 1][0]
        connection.execute("DELETE FROM events WHERE seq <= ?", (cut,))
        gap = _gap_row(0, cut, rows[kept][1], "they were told too long ago, and are kept no longer")
        connection.execute(f"INSERT INTO events ({COLUMNS}) VALUES ({MARKS})", gap)
        return size

    def _is_held(self) -> bool:
        """Whether somebody reads in a transaction without an end, so that nothing written can go into the file."""
        with contextlib.suppress(FileNotFoundError):
            return os.stat(f"{self.path}-wal").st_size > WAL_MOST
        return False

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _make(path: Path) -> None:
    """Lay a new file out under another name, then give it its own; what belonged to one of before is removed."""
    draft = path.with_name(f"{path.name}.new")
    for leftover in (draft, Path(f"{path}-wal"), Path(f"{path}-shm")):
        leftover.unlink(missing_ok=True)
    file = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    os.fchmod(file, 0o640)
    os.close(file)
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
    finally:
        connection.close()
    draft.rename(path)


def _gap_row(begin: int, end: int, now: int, why: str) -> Row:
    doc = json.dumps({"from": begin, "to": end, "why": why}, separators=(",", ":"))
    return (end, now, now, "gap", None, None, 0, None, doc)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
