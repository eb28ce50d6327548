"""Remote jobs: what was last seen of each job of another server.

Rule: written with the step that it gave cause to, so that whoever looks again after a kill finds the same new.
Rule: one that its server no longer lists is kept as long as the uids of messages: a server put back repeats nothing.
"""

from collections.abc import Iterable

from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import REMOTE_JOB, checked
from job_tracker.moments import DAY
from job_tracker.ports import RemoteJob

KEPT_DAYS = 35
COLUMNS = "id, process, status, step, is_started, is_ended, is_ignored, metrics, since, absent_since"


class RemoteJobs:
    """Them, on the ledger's connection; all but `every` within its transactions."""

    def __init__(self, access: Access) -> None:
        self._access, self._connection = access, access.connection

    def every(self) -> dict[str, dict[str, RemoteJob]]:
        """By source and id.  Raises StoreFailed."""
        found: dict[str, dict[str, RemoteJob]] = {}
        with self._access.reading():
            for row in self._connection.execute(f"SELECT source, {COLUMNS} FROM remote_jobs"):
                source, id, process, status, step, *said, since, absent_since = checked(row, REMOTE_JOB)
                started, ended, ignored, metrics = map(bool, said)
                found.setdefault(source, {})[id] = RemoteJob(
                    id=id,
                    process=process,
                    status=status,
                    step=step,
                    is_started=started,
                    is_ended=ended,
                    is_ignored=ignored,
                    metrics=metrics,
                    since=since,
                    absent_since=absent_since,
                )
        return found

    def put(self, seen: Iterable[tuple[str, RemoteJob]]) -> None:
        """Each with its source."""
        self._connection.executemany(
            f"INSERT OR REPLACE INTO remote_jobs (source, {COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                (
                    *(source, each.id, each.process, each.status, each.step, each.is_started, each.is_ended),
                    *(each.is_ignored, each.metrics, each.since, each.absent_since),
                )
                for source, each in seen
            ),
        )

    def prune(self, now: int) -> None:
        """Let go of those that were not listed for so long."""
        self._connection.execute("DELETE FROM remote_jobs WHERE absent_since < ?", (now - KEPT_DAYS * DAY,))
