"""The store of shipping: how far each shipper has come, what could not be sent, and what an operator asks for.

Rule: a cursor moves with what it stands for, in one transaction; what is beyond it and was accepted is kept beside it.
Rule: whoever is not the shipping process only asks: a row in `requests` that the process takes up.
"""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.moments import DAY
from job_tracker.shippers.lines import Mark

APPLICATION = 0x6A6F6273
"""'jobs': SQLite's application id."""

LAYOUT = 1
KEEP_REMOVED = 7 * DAY
"""How long the cursor of a shipper is kept that is no longer configured."""

TABLES = """
CREATE TABLE cursors (
    name TEXT PRIMARY KEY, seq INTEGER NOT NULL, beyond TEXT NOT NULL DEFAULT '[]', mark TEXT, gap TEXT,
    gap_at INTEGER, absent_since INTEGER) WITHOUT ROWID;
CREATE TABLE dead (
    name TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL,
    again INTEGER NOT NULL DEFAULT 0, event TEXT NOT NULL, PRIMARY KEY (name, seq)) WITHOUT ROWID;
CREATE TABLE requests (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, begin INTEGER)
"""

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a shipper has come.

    seq: all up to it is done.  beyond: what was accepted behind that.  mark: where the lines end, of a file.
    gap: what was gone before it could be sent, and gap_at: when that was found, microseconds.
    """

    seq: int
    beyond: frozenset[int] = frozenset()
    mark: Mark = field(default_factory=Mark)
    gap: str = ""
    gap_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that its target will not take.  at: microseconds."""

    seq: int
    at: int
    reason: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an operator asks of a shipper.  begin: the number to begin with; None: try the dead letters again."""

    id: int
    name: str
    begin: int | None


class ShipStore:
    """The file; for several threads."""

    def __init__(self, path: Path, *, is_new: bool = True) -> None:
        """is_new: it may be made.  Raises StoreRefused, StoreFailed."""
        self.path = path
        self._lock = threading.Lock()
        self._version = -1
        try:
            if is_new:
                _make(path)
            elif not path.exists():
                raise StoreRefused(f"{path} is not there: job_tracker ship has not run yet with this configuration")
            self._connection = self._connected()
        except (OSError, sqlite3.Error) as failure:
            hint = "; ask as job_tracker_ship or root" if isinstance(failure, PermissionError) else ""
            raise StoreFailed(f"{path}: {failure}{hint}") from failure

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._connection.close()

    # -- cursors ---------------------------------------------------------------------------------------------------

    def cursor(self, name: str) -> Cursor | None:
        """How far a shipper has come; None for one that is new."""
        rows = self._ask("SELECT seq, beyond, mark, gap, gap_at FROM cursors WHERE name = ?", name)
        if not rows:
            return None
        seq, beyond, mark, gap, gap_at = rows[0]
        place = Mark() if mark is None else Mark(**json.loads(mark))
        return Cursor(seq=seq, beyond=frozenset(json.loads(beyond)), mark=place, gap=gap or "", gap_at=gap_at or 0)

    def begin(self, name: str, seq: int) -> None:
        """A new shipper has all up to a number behind it."""
        with self._transaction() as execute:
            execute("INSERT OR IGNORE INTO cursors (name, seq) VALUES (?, ?)", name, seq)

    def advance(
        self, name: str, seq: int, beyond: Iterable[int] = (), dead: Sequence[DeadLetter] = (), sent: Iterable[int] = ()
    ) -> None:
        """All up to a number is done, and some beyond; dead: refused for good; sent: dead letters that got through."""
        with self._transaction() as execute:
            execute(
                "UPDATE cursors SET seq = max(seq, ?), beyond = ? WHERE name = ?", seq, json.dumps(sorted(beyond)), name
            )
            for letter in dead:
                values = name, letter.seq, letter.at, letter.reason, json.dumps(letter.event)
                execute("INSERT OR REPLACE INTO dead (name, seq, at, reason, event) VALUES (?, ?, ?, ?, ?)", *values)
            for each in sent:
                execute("DELETE FROM dead WHERE name = ? AND seq = ?", name, each)

    def advance_lines(self, name: str, seq: int, mark: Mark, sent: Iterable[int] = ()) -> None:
        """All lines up to a number are in a file that ends there; sent: dead letters whose lines are among them."""
        place = json.dumps({"inode": mark.inode, "offset": mark.offset, "check": mark.check})
        with self._transaction() as execute:
            execute("UPDATE cursors SET seq = max(seq, ?), mark = ? WHERE name = ?", seq, place, name)
            for each in sent:
                execute("DELETE FROM dead WHERE name = ? AND seq = ?", name, each)

    def note_gap(self, name: str, text: str, now: int) -> None:
        """Events were gone before they could be sent."""
        with self._transaction() as execute:
            execute("UPDATE cursors SET gap = ?, gap_at = ? WHERE name = ?", text, now, name)

    def configure(self, names: Iterable[str], now: int) -> list[str]:
        """Note which shippers there are; those are returned, and forgotten, that have not been for seven days."""
        with self._transaction() as execute:
            known = {row[0]: row[1] for row in execute("SELECT name, absent_since FROM cursors")}
            wanted, gone = set(names), []
            for name, since in known.items():
                if name in wanted:
                    execute("UPDATE cursors SET absent_since = NULL WHERE name = ?", name)
                elif since is None:
                    execute("UPDATE cursors SET absent_since = ? WHERE name = ?", now, name)
                elif now - since > KEEP_REMOVED:
                    execute("DELETE FROM cursors WHERE name = ?", name)
                    execute("DELETE FROM dead WHERE name = ?", name)
                    gone.append(name)
        return gone

    # -- dead letters and requests ---------------------------------------------------------------------------------

    def dead(self, name: str, most: int, *, again: bool = False) -> list[DeadLetter]:
        """Dead letters, the newest first; again: only those that are to be tried again, the oldest first."""
        of_name = "SELECT seq, at, reason, event FROM dead WHERE name = ?"
        order = " AND again ORDER BY seq LIMIT ?" if again else " ORDER BY seq DESC LIMIT ?"
        rows = self._ask(of_name + order, name, most)
        return [DeadLetter(seq=seq, at=at, reason=reason, event=json.loads(event)) for seq, at, reason, event in rows]

    def count_dead(self, name: str) -> int:
        """How many there are."""
        return int(self._ask("SELECT count(*) FROM dead WHERE name = ?", name)[0][0])

    def ask_again(self, name: str) -> None:
        """Ask the shipping process to try the dead letters again."""
        self._request(name, None)

    def ask_from(self, name: str, seq: int) -> None:
        """Ask it to go on with a number."""
        self._request(name, seq)

    def has_changed(self) -> bool:
        """Whether somebody else wrote since this was asked last."""
        version = int(self._ask("PRAGMA data_version")[0][0])
        changed, self._version = version != self._version, version
        return changed

    def requests(self, name: str) -> list[Request]:
        """What is asked of a shipper, in order."""
        rows = self._ask("SELECT id, name, begin FROM requests WHERE name = ? ORDER BY id", name)
        return [Request(id=number, name=of, begin=begin) for number, of, begin in rows]

    def take(self, request: Request) -> None:
        """Do what is asked, once."""
        with self._transaction() as execute:
            execute("DELETE FROM requests WHERE id = ?", request.id)
            if request.begin is None:
                execute("UPDATE dead SET again = 1 WHERE name = ?", request.name)
            else:
                seq = max(0, request.begin - 1)
                execute(
                    "UPDATE cursors SET seq = ?, beyond = '[]', gap = NULL, gap_at = NULL WHERE name = ?",
                    *(seq, request.name),
                )

    def _request(self, name: str, begin: int | None) -> None:
        with self._transaction() as execute:
            if not execute("SELECT 1 FROM cursors WHERE name = ?", name):
                known = ", ".join(row[0] for row in execute("SELECT name FROM cursors ORDER BY name")) or "none"
                raise StoreRefused(f"{name}: there is no such shipper in {self.path}; those that have begun: {known}")
            execute("INSERT INTO requests (name, begin) VALUES (?, ?)", name, begin)

    # -- the file --------------------------------------------------------------------------------------------------

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as failure:
            raise StoreFailed(f"{self.path}: {failure}") from failure

    @contextmanager
    def _transaction(self) -> "Iterator[Any]":
        def execute(statement: str, *values: object) -> list[tuple[Any, ...]]:
            return self._connection.execute(statement, values).fetchall()

        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield execute
                self._connection.execute("COMMIT")
            except BaseException as failure:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if isinstance(failure, sqlite3.Error):
                    raise StoreFailed(f"{self.path}: {failure}; it is tried again") from failure
                raise

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
                raise StoreRefused(f"{self.path} is not a store of job_tracker ship; name another ship_store_file")
            if connection.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
                raise StoreRefused(f"{self.path} is laid out by another version of job_tracker; use that one")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection


def status_file(store: Path) -> Path:
    """Where the shipping process leaves how it stands, for whoever may read it: beside its store."""
    return store.with_name("status.json")


def _make(path: Path) -> None:
    """Lay it out under another name, then give it its own; what was half made before is made anew."""
    if os.path.lexists(path):
        return
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
    draft.rename(path)
