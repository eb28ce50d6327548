"""The outbox: notifications that are not known to be delivered, and what of each subject was told last.

Rule: a notification is written in the transaction of the change it tells of, and removed in a later one, after the
delivery; between the two it may be delivered a second time, but never not at all.
Rule: it is bounded; the oldest that a newer one of the same subject supersedes goes first, the newest of one never,
and none that is being delivered: it would be told, and counted as forgotten as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from job_tracker.core.notices import Notices
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import TOLD, WAITING, checked

MOST = 10_000
"""Rows kept, besides those being delivered; more only where more subjects than that have something to tell."""

NOTHING = ("", 0)
"""A subject, and the id up to which its rows are being delivered: none are."""


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
    """The two tables, on the ledger's connection.  trims: how often rows had to go."""

    def __init__(self, access: Access, most: int = MOST) -> None:
        self._access, self._connection, self.most = access, access.connection, most
        self.trims = 0
        self._carried: tuple[str, int] = NOTHING

    def put(self, notices: Notices, now: int) -> None:
        """Write what is to be told, and what will have been told then, in the caller's transaction."""
        self._connection.executemany(
            "INSERT INTO outbox (job, at, state, status, text, stored) VALUES (?, ?, ?, ?, ?, ?)",
            ((each.subject, each.at, each.state, each.status, each.text, now) for each in notices.notices),
        )
        if notices.notices:
            self._trim()
        self._connection.executemany(
            "INSERT OR REPLACE INTO told (job, state, status) VALUES (?, ?, ?)",
            ((job, state, status) for job, (state, status) in notices.told.items() if status),
        )
        gone = ((job,) for job, (_, status) in notices.told.items() if not status)
        self._connection.executemany("DELETE FROM told WHERE job = ?", gone)

    def add(self, notices: Notices, now: int) -> None:
        """The same in a transaction of its own.  Raises StoreFailed."""
        with self._access.writing():
            self.put(notices, now)

    def waiting(self, after: int = 0) -> list[Waiting]:
        """What waits behind an id, in the order in which it became known.  Raises StoreFailed."""
        names = ("id", "job", "at", "state", "status", "text", "stored", "superseded")
        with self._access.reading():
            rows = self._connection.execute(
                "SELECT id, job, at, state, status, text, stored, superseded FROM outbox WHERE id > ? ORDER BY id",
                (after,),
            )
            return [Waiting(**dict(zip(names, checked(row, WAITING), strict=True))) for row in rows]

    def told(self) -> dict[str, tuple[str, int]]:
        """The state and the status last told of every subject whose status was not 0.  Raises StoreFailed."""
        with self._access.reading():
            rows = self._connection.execute("SELECT job, state, status FROM told")
            return {job: (state, status) for job, state, status in (checked(row, TOLD) for row in rows)}

    def carry(self, rows: Sequence[Waiting]) -> None:
        """Let none of these go, which are all that waits of a subject, until they are delivered; none: it failed."""
        self._carried = (rows[-1].job, rows[-1].id) if rows else NOTHING

    def delivered(self, ids: Iterable[int]) -> None:
        """Remove what was delivered, which is no longer carried.  Raises StoreFailed; may be called again."""
        with self._access.writing():
            self._connection.executemany("DELETE FROM outbox WHERE id = ?", ((id,) for id in ids))
        self._carried = NOTHING

    def clear(self) -> None:
        """Forget all of it: nobody is to be told any more.  Raises StoreFailed."""
        with self._access.writing():
            self._connection.execute("DELETE FROM outbox")
            self._connection.execute("DELETE FROM told")
        self._carried = NOTHING

    def _trim(self) -> None:
        count = self._connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        if count <= self.most:
            return
        self.trims += 1
        excess = count - self.most * 9 // 10  # not one at a time, which would look at all of them each time
        surplus = self._connection.execute(
            "SELECT id, job, superseded FROM outbox WHERE NOT (job = ? AND id <= ?)"
            " AND id NOT IN (SELECT max(id) FROM outbox GROUP BY job) ORDER BY id LIMIT ?",
            (*self._carried, excess),
        ).fetchall()
        self._connection.executemany("DELETE FROM outbox WHERE id = ?", ((id,) for id, _, _ in surplus))
        self._connection.executemany(
            "UPDATE outbox SET superseded = superseded + ? WHERE id = "
            "(SELECT min(id) FROM outbox WHERE job = ? AND NOT (job = ? AND id <= ?))",
            ((superseded + 1, job, *self._carried) for _, job, superseded in surplus),
        )
