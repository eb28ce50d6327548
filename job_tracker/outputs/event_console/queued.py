"""Queued: what people are shown of notifications that wait.

Rule: shown is what the outbox holds; where it cannot be read, what it held last.
"""

import contextlib
from collections.abc import Collection
from typing import Any

from job_tracker.errors import StoreFailed
from job_tracker.ledger.outbox import Outbox, Waiting
from job_tracker.retries import Pauses

SHOWN = 200
"""Subjects that the command line shows, the ones that wait longest."""


class Queued:
    """The outbox, read only where it has changed."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._newest: list[tuple[Waiting, int, int]] = []
        self._newest_as_of = -1
        self._count, self._count_as_of = 0, -1

    def count(self) -> int:
        """How many notifications wait."""
        if self._count_as_of != self._outbox.writes:
            try:
                self._count, self._count_as_of = self._outbox.count(), self._outbox.writes
            except StoreFailed:  # whoever tells them says so
                return self._count
        return self._count

    def documents(self, pauses: Pauses, under_way: Collection[str]) -> list[dict[str, Any]]:
        """A document for each subject, the one that waits longest first; under_way: those being delivered."""
        if self._newest_as_of != self._outbox.writes:
            with contextlib.suppress(StoreFailed):  # what was known last is better than nothing
                self._newest, self._newest_as_of = self._outbox.newest(SHOWN), self._outbox.writes
        return [
            {
                "subject": row.job,
                "state": row.state,
                "status": row.status,
                "at": row.at,
                "text": row.text,
                "waiting": changes,
                "stored": since,
                "tries": pauses.tries.get(row.job, 0),
                "next_try": pauses.moment(row.job),
                "reason": _reason(row.job, pauses, is_under_way=row.job in under_way),
            }
            for row, changes, since in self._newest
        ]


def _reason(subject: str, pauses: Pauses, *, is_under_way: bool) -> str:
    failed = pauses.problems.get(subject) or (pauses.problem if pauses.is_down else "")
    if is_under_way:
        return f"being tried again, for {failed}" if failed else "being delivered"
    return failed or "its turn has not come yet"
