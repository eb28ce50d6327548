"""The ledger: what the tracker knows for certain, in one SQLite file.

Rule: a step is saved in one transaction or not at all; whoever confirms a message has seen that transaction end.
Rule: a message adds rows; it never rewrites a job's history (but for one that comes late, which belongs into it).
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from job_tracker.core.events import Event
from job_tracker.core.folding import reach
from job_tracker.core.intake import Unmatched
from job_tracker.core.jobs import Jobs
from job_tracker.core.notices import Notices
from job_tracker.core.record import Change, Record
from job_tracker.core.settling import settled, told_of
from job_tracker.core.standing import Run, Standing
from job_tracker.core.tallies import Mark
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.ledger.access import GARBLED, Access
from job_tracker.ledger.checkpoints import Checkpoints
from job_tracker.ledger.codec import (
    DRAINED,
    MEMENTO,
    change_to_row,
    checked,
    message_to_row,
    run_from_row,
    run_to_row,
    standing_from_text,
    standing_to_text,
)
from job_tracker.ledger.days import Days
from job_tracker.ledger.events import EventLog
from job_tracker.ledger.history import CHANGE_COLUMNS, MESSAGE_COLUMNS, RUN_COLUMNS, History
from job_tracker.ledger.outbox import Outbox
from job_tracker.ledger.promises import is_same_promise, promise_to_text
from job_tracker.ledger.remote_jobs import RemoteJobs
from job_tracker.ledger.spans import Spans
from job_tracker.ledger.strays import Strays
from job_tracker.moments import DAY
from job_tracker.ports import Memento, RemoteJob

REMEMBERED_DAYS = 35
"""How long the uid of a message is remembered: a queue restored from a backup of last month repeats nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one step leaves behind.

    records: by job.  drained: watermarks by source, microseconds.  mementos: of the sources that may be confirmed.
    taken: the uids of all messages taken, matched or not.  notices: what is to be told of all this.
    forgotten: names and environments of which nothing unmatched is kept any more.
    is_set_back: the clock was ahead of now; what these jobs did then is no more, nor any watermark.
    events: what became true by all this.  marks: by job, what besides runs counts for the statistics of days.
    remote: jobs of other servers as they were seen, each with its source.
    """

    records: Mapping[str, Record]
    drained: Mapping[str, int]
    now: int
    mementos: Mapping[str, Memento]
    taken: tuple[str, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    forgotten: tuple[tuple[str, str], ...] = ()
    notices: Notices | None = None
    is_set_back: bool = False
    events: tuple[Event, ...] = ()
    marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)
    remote: tuple[tuple[str, RemoteJob], ...] = ()


class Ledger:
    """The tracker's own file.  Not for several threads.

    history: what is kept of each job, checkpoints: from where it can be folded again.  strays: what belongs to none.
    outbox: what is to be delivered.  events: what was told.  days, spans: what it came to, of jobs and of sources,
    while the event log is on.  remote_jobs: what was last seen of other servers' jobs.  tracker: our id.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path
        self._access = Access(connection, path)
        self._ids: dict[str, int] = dict(connection.execute("SELECT key, id FROM jobs"))
        self._runs_kept = 100
        self._pruned_on = -1
        self.tracker = str(connection.execute("SELECT value FROM facts WHERE name = 'tracker'").fetchone()[0])
        self.history = History(self._access, self._ids)
        self.checkpoints = Checkpoints(self._access)
        self.strays = Strays(self._access)
        self.outbox = Outbox(self._access)
        self.events = EventLog(self._access)
        self.days = Days(self._access, self._ids)
        self.spans = Spans(self._access)
        self.remote_jobs = RemoteJobs(self._access)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def settle(self, jobs: Jobs, now: int, *, is_asked_to: bool = False) -> dict[str, Standing]:
        """The standing of every configured job; new ones are known since now, changed promises count from now.

        is_asked_to: what lies ahead of now is taken as now.  Raises StoreFailed, and StoreRefused where what is kept
        makes no sense.
        """
        try:
            kept = self._standings()
            promises: dict[str, str] = dict(self._connection.execute("SELECT key, promise FROM jobs"))
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a table is missing; anything else may pass
                raise damaged(self.path, failure) from failure
            raise StoreFailed(f"{self.path} could not be read: {failure}") from failure
        except (sqlite3.Error, *GARBLED) as failure:
            raise damaged(self.path, failure) from failure
        texts = {key: promise_to_text(job) for key, job in jobs.by_key.items()}
        changed = {key for key, text in texts.items() if key in promises and not is_same_promise(promises[key], text)}
        found = settled(jobs, kept, changed, now, is_asked_to=is_asked_to)
        standings = {key: found.standings[key] for key in found.renewed}
        renewed = {key: Record(standing=each, runs=dict(each.changed)) for key, each in standings.items()}
        with self._access.writing():
            self.days.settle(jobs, now, is_on=self.events.is_on)
            self.spans.settle(jobs.sources, now, is_on=self.events.is_on)
            sums = self.days.before(renewed)
            for key in found.new:
                self._enroll(key, texts[key], found.standings[key])
            for key, change in found.renewed.items():
                self._renew(key, texts[key], found.standings[key], change, now)
            # The same promise may be told by another text: its calendars cover later years now.
            others = [(text, key) for key, text in texts.items() if key in promises and promises[key] != text]
            self._connection.executemany("UPDATE jobs SET promise = ? WHERE key = ?", others)
            removed = [(key,) for key in kept if key not in jobs.by_key]
            self._connection.executemany("UPDATE jobs SET promise = '' WHERE key = ?", removed)
            self.days.after(renewed, {}, sums, now)
            place = self.events.put(told_of(found, promises, changed, jobs, now), now)
        self.days.took(renewed, sums)
        self.events.took(place)
        self._runs_kept = jobs.history
        return dict(found.standings)

    def drained(self) -> dict[str, int]:
        """The furthest watermark of each source.  Raises StoreFailed, as every question may."""
        with self._access.reading():
            rows = self._connection.execute("SELECT name, drained FROM sources WHERE drained IS NOT NULL").fetchall()
            return dict(checked(row, DRAINED) for row in rows)

    def mementos(self) -> dict[str, Memento]:
        """What was left in each source's queue."""
        with self._access.reading():
            rows = self._connection.execute("SELECT name, queue, nonce, nonce_before FROM sources")
            found = (checked(row, MEMENTO) for row in rows)
            return {name: Memento(queue=queue, nonce=nonce, nonce_before=old) for name, queue, nonce, old in found}

    def known(self, uids: Iterable[str]) -> set[str]:
        """Those of some uids that were taken before."""
        found: set[str] = set()
        wanted = list(uids)
        for at in range(0, len(wanted), 500):
            part = wanted[at : at + 500]
            marks = ",".join("?" * len(part))
            with self._access.reading():
                rows = self._connection.execute(f"SELECT uid FROM taken WHERE uid IN ({marks})", part)
                found.update(uid for (uid,) in rows)
        return found

    def save(self, entry: Entry) -> None:
        """Write a step, whole or not at all.  Raises StoreFailed; the same entry may be saved again later."""
        with self._access.writing():
            sums = self.days.before(entry.records)
            self._save_records(entry)
            self.days.after(entry.records, entry.marks, sums, entry.now)
            self.spans.put(entry.events, entry.now)
            self._save_sources(entry)
            self.remote_jobs.put(entry.remote)
            day = entry.now // DAY
            self._connection.executemany(
                "INSERT OR IGNORE INTO taken (uid, day) VALUES (?, ?)", ((uid, day) for uid in entry.taken)
            )
            self.strays.forget(entry.forgotten)
            self.strays.put(entry.unmatched)
            if entry.notices is not None:
                self.outbox.put(entry.notices, entry.now)
            place = self.events.put(entry.events, entry.now)
            if day != self._pruned_on:
                self._connection.execute("DELETE FROM taken WHERE day < ?", (day - REMEMBERED_DAYS,))
                self.remote_jobs.prune(entry.now)
                self._pruned_on = day
        self.days.took(entry.records, sums)
        self.events.took(place)

    # -- what save is made of ------------------------------------------------------------------------------------

    def _save_records(self, entry: Entry) -> None:
        records = [(self._ids[key], record) for key, record in entry.records.items()]
        for job, record in records:
            if record.rewound is not None:
                self._rewind(job, record.rewound)
        write = self._connection.executemany
        self._write_runs((key, run) for key, record in entry.records.items() for run in record.runs.values())
        write(
            f"INSERT OR IGNORE INTO messages (job, {MESSAGE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            ((job, *message_to_row(message)) for job, record in records for message in record.messages),
        )
        self._write_changes(((job, change) for job, record in records for change in record.changes), entry.now)
        if entry.is_set_back:
            write("DELETE FROM changes WHERE job = ? AND at > ?", ((job, entry.now) for job, _ in records))
            self._connection.execute("UPDATE sources SET drained = NULL WHERE drained > ?", (entry.now + 1,))
        write(
            "UPDATE jobs SET runs = ?, standing = ? WHERE id = ?",
            (
                (record.standing.count, standing_to_text(record.standing, with_runs=False), job)
                for job, record in records
            ),
        )
        for job, record in records:
            if record.checkpoints:
                self.checkpoints.keep(job, record, self._runs_kept)

    def _write_runs(self, runs: Iterable[tuple[str, Run]]) -> None:
        """Write runs by their job's key, each with the day on which it is counted."""
        self._connection.executemany(
            f"INSERT OR REPLACE INTO runs (job, {RUN_COLUMNS}, counted_on) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            ((self._ids[key], *run_to_row(run), self.days.day_of(key, run)) for key, run in runs),
        )

    def _write_changes(self, changes: Iterable[tuple[int, Change]], found: int) -> None:
        self._connection.executemany(
            f"INSERT INTO changes (job, {CHANGE_COLUMNS}, found) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            ((job, *change_to_row(change), found) for job, change in changes),
        )

    def _rewind(self, job: int, rewound: Standing) -> None:
        """Undo what is about to be written again; what was not seen at the time stays in the history."""
        self._connection.execute("DELETE FROM runs WHERE job = ? AND number > ?", (job, rewound.count))
        self.checkpoints.rewind(job, rewound)
        self._connection.execute(
            "DELETE FROM changes WHERE job = ? AND serial > ? AND status_from <> 3 AND status_to <> 3",
            (job, rewound.serial),
        )

    def _begin_anew(self, job: int, standing: Standing, now: int) -> None:
        """Let a standing be the one that nothing can be folded before, and nothing that it holds again."""
        self.checkpoints.clear(job)
        self._connection.execute("DELETE FROM changes WHERE job = ? AND at > ?", (job, now))
        self.days.begin_anew(job)
        floor = reach(standing)
        if floor is not None:
            self._connection.execute(
                "DELETE FROM messages WHERE job = ? AND (moment, source, number) > (?, ?, ?)", (job, *floor)
            )
        self.checkpoints.begin(job, standing, floor)

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

    # -- what settle is made of ----------------------------------------------------------------------------------

    def _standings(self) -> dict[str, Standing]:
        runs: dict[int, dict[int, Run]] = {}
        live = f"SELECT job, {RUN_COLUMNS} FROM runs WHERE outcome = 'open' OR errors > 0"
        columns = ", ".join(f"runs.{name}" for name in RUN_COLUMNS.split(", "))
        last = f"SELECT job, {columns} FROM jobs JOIN runs ON job = jobs.id AND number = jobs.runs"
        closed = "SELECT max(number) FROM runs WHERE job = jobs.id AND outcome NOT IN ('open', 'skipped')"
        newest = f"SELECT job, {columns} FROM jobs JOIN runs ON job = jobs.id AND number = ({closed})"
        for statement in (live, last, newest):
            for row in self._connection.execute(statement):
                runs.setdefault(row[0], {})[row[1]] = run_from_row(row[1:])
        return {
            key: standing_from_text(text, tuple(runs[job][number] for number in sorted(runs.get(job, ()))))
            for job, key, text in self._connection.execute("SELECT id, key, standing FROM jobs").fetchall()
        }

    def _enroll(self, key: str, promise: str, standing: Standing) -> None:
        cursor = self._connection.execute(
            "INSERT INTO jobs (key, promise, runs, standing) VALUES (?, ?, 0, ?)",
            (key, promise, standing_to_text(standing, with_runs=False)),
        )
        self._ids[key] = cursor.lastrowid or 0
        self.checkpoints.begin(self._ids[key], standing, None)

    def _renew(self, key: str, promise: str, standing: Standing, change: Change | None, now: int) -> None:
        job = self._ids[key]
        self._connection.execute(
            "UPDATE jobs SET promise = ?, standing = ? WHERE id = ?",
            (promise, standing_to_text(standing, with_runs=False), job),
        )
        self._write_runs([(key, run) for run in standing.changed.values()])
        self._begin_anew(job, standing, now)
        if change is not None:
            self._write_changes([(job, change)], now)


def damaged(path: Path, failure: Exception) -> StoreRefused:
    """What to say of a store that makes no sense, and what to do."""
    reason = " ".join(str(failure).split())
    return StoreRefused(f"{path} is damaged ({reason}); restore a copy, or move it away to begin anew")
