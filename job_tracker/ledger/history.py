"""History: what the ledger keeps of each job, read back.

Rule: what is kept reaches back to a standing from which everything since can be folded again.
"""

from collections.abc import Mapping
from typing import Any

from job_tracker.core.messages import Message, Position
from job_tracker.core.record import Past
from job_tracker.core.standing import ENDED_WELL, Run
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import CHANGE, SUBJECT, Row, checked, message_from_row, run_from_row, standing_from_text

RUN_COLUMNS = "number, id, begun, outcome, ended, errors, timeouts, timeout_at, text, exit_code, usage, is_out_of_order"
MESSAGE_COLUMNS = (
    "moment, source, number, claimed, received, name, env, event, text, uid, run, exit_code, signal, usage, until"
)
CHANGE_COLUMNS = "serial, at, state_from, status_from, state_to, status_to, errors, missed, text"
COMING_AND_GOING = (
    "(status_from = 0 AND status_to = 0"
    " AND state_from IN ('RUNNING', 'NOT_RUNNING') AND state_to IN ('RUNNING', 'NOT_RUNNING'))"
)


class History:
    """`core.record.Archive` over the ledger's tables, and what the view and notifications show.

    ids: by key of the job.  Every question may raise StoreFailed.
    """

    def __init__(self, access: Access, ids: Mapping[str, int]) -> None:
        self._access, self._ids = access, ids

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """See `core.record.Archive`."""
        job = self._ids[key]
        with self._access.reading():
            moment, source, number, text = self._checkpoint(job, position, 1 << 62 if run is None else run)
            floor = None if moment is None else (moment, source, number)
            rows = self._access.connection.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE job = ? AND (moment, source, number) > (?, ?, ?)"
                " ORDER BY moment, source, number",
                (job, *(floor or (-1, "", 0))),
            )
            messages = tuple(message_from_row(row, key) for row in rows)
            return Past(checkpoint=standing_from_text(text), floor=floor, messages=messages)

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """See `core.record.Archive`."""
        with self._access.reading():
            row = self._access.connection.execute(
                f"SELECT {RUN_COLUMNS} FROM runs WHERE job = ? AND id = ? AND number <= ? ORDER BY number DESC LIMIT 1",
                (self._ids[key], id, up_to),
            ).fetchone()
            return None if row is None else run_from_row(row)

    def last_runs(self, key: str, most: int) -> list[Run]:
        """The last runs of a job, the newest first."""
        with self._access.reading():
            rows = self._access.connection.execute(
                f"SELECT {RUN_COLUMNS} FROM runs WHERE job = ? ORDER BY number DESC LIMIT ?", (self._ids[key], most)
            )
            return [run_from_row(row) for row in rows]

    def last_successes(self) -> dict[str, int]:
        """When each job ended well last, of those that have a kept run that did."""
        with self._access.reading():
            rows = self._access.connection.execute(
                "SELECT key, max(ended) FROM runs JOIN jobs ON jobs.id = job WHERE outcome IN (?, ?) GROUP BY key",
                tuple(each.value for each in ENDED_WELL),
            )
            return dict(checked(row, SUBJECT) for row in rows)

    def runs(self, key: str) -> list[Run]:
        """Every kept run of a job, in order."""
        with self._access.reading():
            rows = self._access.connection.execute(
                f"SELECT {RUN_COLUMNS} FROM runs WHERE job = ? ORDER BY number", (self._ids[key],)
            )
            return [run_from_row(row) for row in rows]

    def changes(self, key: str) -> list[dict[str, Any]]:
        """The kept changes of a job but for its comings and goings, in the order they were found."""
        names = [*CHANGE_COLUMNS.split(", "), "found"]
        with self._access.reading():
            rows = self._access.connection.execute(
                f"SELECT {CHANGE_COLUMNS}, found FROM changes WHERE job = ? AND NOT {COMING_AND_GOING} ORDER BY id",
                (self._ids[key],),
            )
            return [dict(zip(names, checked(row, CHANGE), strict=True)) for row in rows]

    def messages(self, key: str, most: int = 10) -> list[Message]:
        """The last messages of a job, in order."""
        with self._access.reading():
            rows = self._access.connection.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE job = ?"
                " ORDER BY moment DESC, source DESC, number DESC LIMIT ?",
                (self._ids[key], most),
            ).fetchall()
            return [message_from_row(row, key) for row in reversed(rows)]

    def _checkpoint(self, job: int, position: Position, runs: int) -> Row:
        """The newest checkpoint before a position and a number of runs; else the oldest there is."""
        connection = self._access.connection
        row: Row | None = connection.execute(
            "SELECT moment, source, number, standing FROM checkpoints WHERE job = ? AND runs < ?"
            " AND (moment IS NULL OR (moment, source, number) < (?, ?, ?)) ORDER BY serial DESC LIMIT 1",
            (job, runs, *position),
        ).fetchone()
        if row is None:
            row = connection.execute(
                "SELECT moment, source, number, standing FROM checkpoints WHERE job = ? ORDER BY serial LIMIT 1", (job,)
            ).fetchone()
        if row is None:
            raise ValueError("a job without a checkpoint")
        return row
