"""What is new in the store since one looked last: PostgreSQL's NOTIFY, found by looking.

Rule: whoever begins to listen is told of what waits already, for it may have come before he did.
"""

from collections.abc import Iterable

from job_tracker.engine.embedded.asked import Asked, Rows

ANY_QUEUE = "procrastinate_any_queue_v1"
OF_QUEUE = "procrastinate_queue_v1#"


class Listening:
    """What one listener has been told."""

    def __init__(self, channels: Iterable[str]) -> None:
        self._channels = list(channels)
        self._newest: int | None = None
        self._ends: set[int] = set()

    def news(self, asked: Asked) -> Rows:
        """Of each queue the newest job; and each running one whose end was asked for."""
        if self._newest is None:
            found = asked.rows(
                "SELECT queue_name, max(id) AS id FROM procrastinate_jobs WHERE status = 'todo' GROUP BY queue_name"
            )
            self._newest = asked.rows("SELECT coalesce(max(id), 0) AS id FROM procrastinate_jobs")[0]["id"]
        else:
            found = asked.rows(
                "SELECT queue_name, max(id) AS id FROM procrastinate_jobs WHERE id > :newest GROUP BY queue_name",
                newest=self._newest,
            )
            self._newest = max([self._newest, *(row["id"] for row in found)])
        ends = asked.rows(
            "SELECT queue_name, id FROM procrastinate_jobs WHERE status = 'doing' AND abort_requested ORDER BY id"
        )
        untold = [row for row in ends if row["id"] not in self._ends]
        self._ends = {row["id"] for row in ends}
        return [*self._said("job_inserted", found), *self._said("abort_job_requested", untold)]

    def _said(self, kind: str, rows: Rows) -> Rows:
        return [
            {"channel": channel, "payload": {"type": kind, "job_id": row["id"]}}
            for row in rows
            for channel in self._channels
            if channel in (ANY_QUEUE, OF_QUEUE + row["queue_name"])
        ]
