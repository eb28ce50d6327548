"""The ledger: what the tracker knows for certain, in one SQLite file.

Rule: a step is saved in one transaction or not at all; whoever confirms a message has seen that transaction end.
Rule: a message adds rows; it never rewrites a job's history (but for one that comes late, which belongs into it).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from job_tracker.core.board import newcomer, renewed
from job_tracker.core.folding import Past, Record, reach
from job_tracker.core.intake import Unmatched
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position
from job_tracker.core.schedule import DAY
from job_tracker.core.standing import Run, Standing
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.ports import Memento
from job_tracker.store.codec import (
    Row,
    change_to_row,
    message_from_row,
    message_to_row,
    promise_to_text,
    run_from_row,
    run_to_row,
    standing_from_text,
    standing_to_text,
)
from job_tracker.store.outbox import Outbox

REMEMBERED_DAYS = 35
"""How long the uid of a message is remembered: a queue restored from a backup of last month repeats nothing."""

UNMATCHED_NAMES = 2_000
SAMPLE_LIMIT = 2_000
CHANGES_PER_RUN = 10
RUN_COLUMNS = "number, id, begun, outcome, ended, errors, timeouts, timeout_at, text, exit_code"
MESSAGE_COLUMNS = "moment, source, number, claimed, received, name, env, event, text, uid, run, exit_code"
COMING_AND_GOING = (
    "(status_from = 0 AND status_to = 0"
    " AND state_from IN ('RUNNING', 'NOT_RUNNING') AND state_to IN ('RUNNING', 'NOT_RUNNING'))"
)
CHANGE_COLUMNS = "serial, at, state_from, status_from, state_to, status_to, errors, missed, text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one step leaves behind.

    records: by job.  drained: watermarks by source, microseconds.  mementos: of the sources that may be confirmed.
    taken: the uids of all messages taken, matched or not.  outbox: rows (job, at, state, status, text) to be notified.
    told: by subject of the outbox, the state and status that it has been told once these rows are delivered.
    """

    records: Mapping[str, Record]
    drained: Mapping[str, int]
    now: int
    mementos: Mapping[str, Memento]
    taken: tuple[str, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    outbox: tuple[Row, ...] = ()
    told: Mapping[str, tuple[str, int]] = field(default_factory=dict)


class Ledger:
    """One connection to the tracker's own file; `archive` to the core.  Not for several threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path
        self._ids: dict[str, int] = dict(connection.execute("SELECT key, id FROM jobs"))
        self._history = 100
        self._pruned_on = -1
        self.tracker = self._tracker_id()
        self.outbox = Outbox(connection, self._transaction)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def settle(self, jobs: Jobs, now: int) -> dict[str, Standing]:
        """The standing of every configured job; new ones are known since now, changed promises count from now.

        Raises StoreFailed, and StoreRefused where what is kept makes no sense.
        """
        self._history = jobs.history
        try:
            kept = self._standings()
            promises: dict[str, str] = dict(self._connection.execute("SELECT key, promise FROM jobs"))
        except (sqlite3.Error, ValueError, KeyError, TypeError, IndexError) as failure:
            raise damaged(self.path, failure) from failure
        result: dict[str, Standing] = {}
        with self._transaction():
            for key, job in jobs.by_key.items():
                promise = promise_to_text(job)
                standing = kept.get(key)
                if standing is None:
                    standing = newcomer(job, now)
                    self._enroll(job, promise, standing)
                elif promises[key] != promise:
                    standing = renewed(standing, job, now)
                    self._renew(job, promise, standing)
                result[key] = standing
            removed = [(key,) for key in kept if key not in jobs.by_key]
            self._connection.executemany("UPDATE jobs SET promise = '' WHERE key = ?", removed)
        return result

    def drained(self) -> dict[str, int]:
        """The furthest watermark of each source."""
        return dict(self._connection.execute("SELECT name, drained FROM sources WHERE drained IS NOT NULL"))

    def mementos(self) -> dict[str, Memento]:
        """What was left in each source's queue."""
        rows = self._connection.execute("SELECT name, queue, nonce, nonce_before FROM sources")
        return {name: Memento(queue=queue, nonce=nonce, nonce_before=old) for name, queue, nonce, old in rows}

    def known(self, uids: Iterable[str]) -> set[str]:
        """Those of some uids that were taken before."""
        found: set[str] = set()
        wanted = list(uids)
        for at in range(0, len(wanted), 500):
            part = wanted[at : at + 500]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT uid FROM taken WHERE uid IN ({marks})", part)
            found.update(uid for (uid,) in rows)
        return found

    def save(self, entry: Entry) -> None:
        """Write a step, whole or not at all.  Raises StoreFailed; the same entry may be saved again later."""
        with self._transaction():
            self._save_records(entry)
            self._save_sources(entry)
            day = entry.now // DAY
            self._connection.executemany(
                "INSERT OR IGNORE INTO taken (uid, day) VALUES (?, ?)", ((uid, day) for uid in entry.taken)
            )
            self._save_unmatched(entry.unmatched)
            self.outbox.put(entry.outbox, entry.told, entry.now)
            if day != self._pruned_on:
                self._connection.execute("DELETE FROM taken WHERE day < ?", (day - REMEMBERED_DAYS,))
                self._pruned_on = day

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """See `core.folding.Archive`."""
        job = self._ids[key]
        row = self._connection.execute(
            "SELECT moment, source, number, standing FROM checkpoints WHERE job = ? AND runs < ?"
            " AND (moment IS NULL OR (moment, source, number) < (?, ?, ?)) ORDER BY serial DESC LIMIT 1",
            (job, 1 << 62 if run is None else run, *position),
        ).fetchone()
        if row is None:
            row = self._connection.execute(
                "SELECT moment, source, number, standing FROM checkpoints WHERE job = ? ORDER BY serial LIMIT 1", (job,)
            ).fetchone()
        moment, source, number, text = row
        floor = None if moment is None else (moment, source, number)
        rows = self._connection.execute(
            f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE job = ? AND (moment, source, number) > (?, ?, ?)"
            " ORDER BY moment, source, number",
            (job, *(floor or (-1, "", 0))),
        )
        return Past(
            checkpoint=standing_from_text(text), floor=floor, messages=tuple(message_from_row(each) for each in rows)
        )

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """See `core.folding.Archive`."""
        row = self._connection.execute(
            f"SELECT {RUN_COLUMNS} FROM runs WHERE job = ? AND id = ? AND number <= ? ORDER BY number DESC LIMIT 1",
            (self._ids[key], id, up_to),
        ).fetchone()
        return None if row is None else run_from_row(row)

    def last_runs(self, key: str, most: int) -> list[Run]:
        """The last runs of a job, the newest first."""
        rows = self._connection.execute(
            f"SELECT {RUN_COLUMNS} FROM runs WHERE job = ? ORDER BY number DESC LIMIT ?", (self._ids[key], most)
        )
        return [run_from_row(row) for row in rows]

    def all_runs(self) -> Iterator[tuple[str, Run]]:
        """Every kept run of every job, in order."""
        keys = {job: key for key, job in self._ids.items()}
        for row in self._connection.execute(f"SELECT job, {RUN_COLUMNS} FROM runs ORDER BY job, number"):
            yield keys[row[0]], run_from_row(row[1:])

    def all_changes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every kept change of every job, in the order they were found."""
        keys = {job: key for key, job in self._ids.items()}
        names = [*CHANGE_COLUMNS.split(", "), "found"]
        for row in self._connection.execute(f"SELECT job, {CHANGE_COLUMNS}, found FROM changes ORDER BY job, id"):
            yield keys[row[0]], dict(zip(names, row[1:], strict=True))

    def last_messages(self, most: int = 10) -> Iterator[tuple[str, Message]]:
        """The last messages of every job, each job's in order."""
        for key in sorted(self._ids, key=self._ids.__getitem__):
            for message in self.messages_of(key, most):
                yield key, message

    def runs_of(self, key: str) -> Iterator[Run]:
        """Every kept run of a job, in order."""
        rows = self._connection.execute(
            f"SELECT {RUN_COLUMNS} FROM runs WHERE job = ? ORDER BY number", (self._ids[key],)
        )
        return map(run_from_row, rows.fetchall())

    def changes_of(self, key: str) -> Iterator[dict[str, Any]]:
        """The kept changes of a job but for its comings and goings, in the order they were found."""
        names = [*CHANGE_COLUMNS.split(", "), "found"]
        rows = self._connection.execute(
            f"SELECT {CHANGE_COLUMNS}, found FROM changes WHERE job = ? AND NOT {COMING_AND_GOING} ORDER BY id",
            (self._ids[key],),
        )
        return (dict(zip(names, row, strict=True)) for row in rows.fetchall())

    def messages_of(self, key: str, most: int = 10) -> Iterator[Message]:
        """The last messages of a job, in order."""
        rows = self._connection.execute(
            f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE job = ?"
            " ORDER BY moment DESC, source DESC, number DESC LIMIT ?",
            (self._ids[key], most),
        )
        return map(message_from_row, reversed(rows.fetchall()))

    def unmatched(self) -> list[dict[str, Any]]:
        """What belongs to no configured job, the latest first."""
        names = ("source", "name", "env", "reason", "count", "first", "last", "sample")
        rows = self._connection.execute(
            "SELECT source, name, env, reason, count, first, last, sample FROM unmatched ORDER BY last DESC"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    # -- what save is made of ------------------------------------------------------------------------------------

    def _save_records(self, entry: Entry) -> None:
        records = [(self._ids[key], record) for key, record in entry.records.items()]
        for job, record in records:
            if record.rewound is not None:
                self._rewind(job, record.rewound)
        write = self._connection.executemany
        write(
            f"INSERT OR REPLACE INTO runs (job, {RUN_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            ((job, *run_to_row(run)) for job, record in records for run in record.runs.values()),
        )
        write(
            f"INSERT OR IGNORE INTO messages (job, {MESSAGE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            ((job, *message_to_row(message)) for job, record in records for message in record.messages),
        )
        write(
            f"INSERT INTO changes (job, {CHANGE_COLUMNS}, found) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            ((job, *change_to_row(change), entry.now) for job, record in records for change in record.changes),
        )
        write(
            "UPDATE jobs SET runs = ?, standing = ? WHERE id = ?",
            (
                (record.standing.count, standing_to_text(record.standing, with_runs=False), job)
                for job, record in records
            ),
        )
        for job, record in records:
            if record.checkpoints:
                self._checkpoint(job, record)

    def _rewind(self, job: int, rewound: Standing) -> None:
        """Undo what is about to be written again; what was not seen at the time stays in the history."""
        self._connection.execute("DELETE FROM runs WHERE job = ? AND number > ?", (job, rewound.count))
        self._connection.execute("DELETE FROM checkpoints WHERE job = ? AND serial > ?", (job, rewound.serial))
        self._connection.execute(
            "DELETE FROM changes WHERE job = ? AND serial > ? AND status_from <> 3 AND status_to <> 3",
            (job, rewound.serial),
        )

    def _checkpoint(self, job: int, record: Record) -> None:
        """Keep checkpoints, and let go of the history that none of those to be kept needs."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO checkpoints (job, serial, runs, moment, source, number, standing)"
            " VALUES (?,?,?,?,?,?,?)",
            (
                (job, each.serial, each.count, *_place(reach(each)), standing_to_text(each, with_runs=True))
                for each in record.checkpoints
            ),
        )
        standing, history = record.standing, self._history
        oldest = self._connection.execute(
            "SELECT serial, runs, moment, source, number FROM checkpoints"
            " WHERE job = ? AND (runs <= ? OR serial <= ?) ORDER BY serial DESC LIMIT 1",
            (job, standing.count - history, standing.serial - CHANGES_PER_RUN * max(history, 100)),
        ).fetchone()
        if oldest is None:
            return
        serial, runs, *place = oldest
        self._connection.execute("DELETE FROM checkpoints WHERE job = ? AND serial < ?", (job, serial))
        self._connection.execute("DELETE FROM changes WHERE job = ? AND serial < ?", (job, serial))
        self._connection.execute(
            "DELETE FROM messages WHERE job = ? AND (moment, source, number) <= (?, ?, ?)", (job, *place)
        )
        self._connection.execute(
            "DELETE FROM runs WHERE job = ? AND number <= ? AND number <= ? AND outcome <> 'open' AND errors = 0",
            (job, runs, standing.count - history),
        )

    def _save_sources(self, entry: Entry) -> None:
        self._connection.executemany(
            "INSERT INTO sources (name, drained) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET drained = ?",
            ((name, drained, drained) for name, drained in entry.drained.items()),
        )
        self._connection.executemany(
            "INSERT INTO sources (name, queue, nonce, nonce_before) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET queue = ?2, nonce = ?3, nonce_before = ?4",
            ((name, each.queue, each.nonce, each.nonce_before) for name, each in entry.mementos.items()),
        )

    def _save_unmatched(self, unmatched: tuple[Unmatched, ...]) -> None:
        for each in unmatched:
            name, env = ("", "") if each.message is None else (each.message.name[:200], each.message.env[:200])
            self._connection.execute(
                "INSERT INTO unmatched (source, name, env, reason, count, first, last, sample)"
                " VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, ?6) ON CONFLICT (source, name, env, reason)"
                " DO UPDATE SET count = count + 1, last = ?5, sample = ?6",
                (each.source, name, env, each.reason, each.received, _sample(each.element)),
            )
        if unmatched:
            self._connection.execute(
                "DELETE FROM unmatched WHERE (source, name, env, reason) IN"
                " (SELECT source, name, env, reason FROM unmatched ORDER BY last DESC LIMIT -1 OFFSET ?)",
                (UNMATCHED_NAMES,),
            )

    # -- what settle is made of ----------------------------------------------------------------------------------

    def _standings(self) -> dict[str, Standing]:
        runs: dict[int, dict[int, Run]] = {}
        live = f"SELECT job, {RUN_COLUMNS} FROM runs WHERE outcome = 'open' OR errors > 0"
        columns = ", ".join(f"runs.{name}" for name in RUN_COLUMNS.split(", "))
        newest = f"SELECT job, {columns} FROM jobs JOIN runs ON job = jobs.id AND number = jobs.runs"
        for statement in (live, newest):
            for row in self._connection.execute(statement):
                runs.setdefault(row[0], {})[row[1]] = run_from_row(row[1:])
        return {
            key: standing_from_text(text, tuple(runs[job][number] for number in sorted(runs.get(job, ()))))
            for job, key, text in self._connection.execute("SELECT id, key, standing FROM jobs").fetchall()
        }

    def _enroll(self, job: Job, promise: str, standing: Standing) -> None:
        cursor = self._connection.execute(
            "INSERT INTO jobs (key, promise, runs, standing) VALUES (?, ?, 0, ?)",
            (job.key, promise, standing_to_text(standing, with_runs=False)),
        )
        self._ids[job.key] = cursor.lastrowid or 0
        self._begin_history(job, standing, None)

    def _renew(self, job: Job, promise: str, standing: Standing) -> None:
        self._connection.execute(
            "UPDATE jobs SET promise = ?, standing = ? WHERE key = ?",
            (promise, standing_to_text(standing, with_runs=False), job.key),
        )
        self._connection.executemany(
            f"INSERT OR REPLACE INTO runs (job, {RUN_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            ((self._ids[job.key], *run_to_row(run)) for run in standing.changed.values()),
        )
        self._connection.execute("DELETE FROM checkpoints WHERE job = ?", (self._ids[job.key],))
        self._begin_history(job, standing, reach(standing))

    def _begin_history(self, job: Job, standing: Standing, floor: Position | None) -> None:
        """The standing that nothing can be folded before."""
        self._connection.execute(
            "INSERT INTO checkpoints (job, serial, runs, moment, source, number, standing) VALUES (?,?,?,?,?,?,?)",
            (
                self._ids[job.key],
                standing.serial,
                standing.count,
                *_place(floor),
                standing_to_text(standing, with_runs=True),
            ),
        )

    def _tracker_id(self) -> str:
        row = self._connection.execute("SELECT value FROM facts WHERE name = 'tracker'").fetchone()
        return str(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as failure:
            self._roll_back()
            raise StoreFailed(f"{self.path} could not be written: {failure}") from failure
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # a disk that fails: what was not committed is gone, whatever it says
                self._connection.execute("ROLLBACK")


def damaged(path: Path, failure: Exception) -> StoreRefused:
    """What to say of a store that makes no sense, and what to do."""
    reason = " ".join(str(failure).split())
    return StoreRefused(f"{path} is damaged ({reason}); restore a copy, or move it away to begin anew")


def _place(position: Position | None) -> Row:
    return (None, None, None) if position is None else position


def _sample(element: Any) -> str:
    try:
        return json.dumps(element)[:SAMPLE_LIMIT]
    except (ValueError, RecursionError):
        return '"not to be shown"'
