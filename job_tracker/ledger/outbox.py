"""The outbox: notifications that are not known to be delivered, and what of each subject was told last.

Rule: a notification is written in the transaction of the change it tells of, and removed in a later one, after the
delivery; between the two it may be delivered a second time, but never not at all.
Rule: it is bounded; the oldest that a newer one of the same subject supersedes goes first, the newest of one never.
It is trimmed while nothing is being delivered, or something would be told, and counted as forgotten as well.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from job_tracker.core.notices import Notices, is_kept
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import SUBJECT, TOLD, WAITING, checked

MOST = 10_000
"""Rows kept; more only while some are being delivered, or where more subjects than that have something to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notification that waits.  job: its subject, a job's key or a source's name behind `source_`.

    at: when it became true; stored: when it was written.  superseded: older ones of the subject that had to go.
    """

    id: int
    job: str
    at: int
    state: str
    status: int
    text: str
    stored: int
    superseded: int


class Outbox:
    """The two tables, on the ledger's connection.  writes: how often what waits may have changed."""

    def __init__(self, access: Access, most: int = MOST) -> None:
        self._access, self._connection, self.most = access, access.connection, most
        self._first: dict[str, int] | None = None
        self.writes = 0

    def put(self, notices: Notices, now: int) -> None:
        """Write what is to be told, and what will have been told then, in the caller's transaction."""
        if notices.notices:
            self._changes()
        self._connection.executemany(
            "INSERT INTO outbox (job, at, state, status, text, stored) VALUES (?, ?, ?, ?, ?, ?)",
            ((each.subject, each.at, each.state, each.status, each.text, now) for each in notices.notices),
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO told (job, state, status) VALUES (?, ?, ?)",
            ((job, *told) for job, told in notices.told.items() if is_kept(told)),
        )
        gone = ((job,) for job, told in notices.told.items() if not is_kept(told))
        self._connection.executemany("DELETE FROM told WHERE job = ?", gone)

    def add(self, notices: Notices, now: int) -> None:
        """The same in a transaction of its own.  Raises StoreFailed."""
        with self._access.writing():
            self.put(notices, now)

    def subjects(self) -> Mapping[str, int]:
        """The first id of each subject of which something waits, the one that waits longest first.  Raises StoreFailed.

        It is asked for at each turn, and read only where something was written since.
        """
        if self._first is None:
            with self._access.reading():
                rows = self._connection.execute("SELECT job, min(id) FROM outbox GROUP BY job ORDER BY min(id)")
                self._first = dict(checked(row, SUBJECT) for row in rows)
        return self._first

    def waiting(self, subjects: Collection[str] | None = None) -> list[Waiting]:
        """What waits, or waits of some subjects, in the order in which it became known.  Raises StoreFailed."""
        marks = ",".join("?" * len(subjects or ()))
        chosen = "" if subjects is None else f"WHERE job IN ({marks})"
        names = ("id", "job", "at", "state", "status", "text", "stored", "superseded")
        with self._access.reading():
            rows = self._connection.execute(
                f"SELECT id, job, at, state, status, text, stored, superseded FROM outbox {chosen} ORDER BY id",  # noqa: S608 - ours
                tuple(subjects or ()),
            )
            return [Waiting(**dict(zip(names, checked(row, WAITING), strict=True))) for row in rows]

    def newest(self, most: int) -> list[tuple[Waiting, int, int]]:
        """Of the subjects that wait longest: the newest row, how many changes it stands for, and since when.

        Raises StoreFailed.
        """
        names = ("id", "job", "at", "state", "status", "text", "stored", "superseded")
        with self._access.reading():
            rows = self._connection.execute(
                "SELECT id, outbox.job, at, state, status, text, stored, superseded, changes, since FROM outbox JOIN"
                " (SELECT job, min(id) AS first, max(id) AS last, count(*) + sum(superseded) AS changes,"
                " min(stored) AS since FROM outbox GROUP BY job ORDER BY first LIMIT ?) ON id = last ORDER BY first",
                (most,),
            )
            return [
                (Waiting(**dict(zip(names, checked(row[:8], WAITING), strict=True))), int(row[8]), int(row[9]))
                for row in rows
            ]

    def count(self) -> int:
        """How many notifications wait.  Raises StoreFailed."""
        with self._access.reading():
            return int(self._connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def told(self) -> dict[str, tuple[str, int]]:
        """The state and the status last told of every subject that is not well, or paused.  Raises StoreFailed."""
        with self._access.reading():
            rows = self._connection.execute("SELECT job, state, status FROM told")
            return {job: (state, status) for job, state, status in (checked(row, TOLD) for row in rows)}

    def delivered(self, through: Mapping[str, int]) -> None:
        """Remove what was delivered, of each subject up to an id.  Raises StoreFailed; may be called again."""
        with self._access.writing():
            self._changes()
            self._connection.executemany("DELETE FROM outbox WHERE job = ? AND id <= ?", through.items())

    def clear(self) -> None:
        """Forget all of it: nobody is to be told any more.  Raises StoreFailed."""
        with self._access.writing():
            self._changes()
            self._connection.execute("DELETE FROM outbox")
            self._connection.execute("DELETE FROM told")

    def trim(self) -> None:
        """Let go of what is too much; only while nothing is being delivered.  Raises StoreFailed."""
        count = self.count()
        if count <= self.most:
            return
        excess = count - self.most * 9 // 10  # not one at a time, which would look at all of them each time
        with self._access.writing():
            self._changes()
            surplus = self._connection.execute(
                "SELECT id, job, superseded FROM outbox WHERE id NOT IN (SELECT max(id) FROM outbox GROUP BY job)"
                " ORDER BY id LIMIT ?",
                (excess,),
            ).fetchall()
            self._connection.executemany("DELETE FROM outbox WHERE id = ?", ((id,) for id, _, _ in surplus))
            self._connection.executemany(
                "UPDATE outbox SET superseded = superseded + ? WHERE id = (SELECT min(id) FROM outbox WHERE job = ?)",
                ((superseded + 1, job) for _, job, superseded in surplus),
            )

    def _changes(self) -> None:
        self._first = None
        self.writes += 1
