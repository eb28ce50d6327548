"""Checkpoints: standings of a job from which it can be folded again, and the history that one of them still needs.

Rule: a job can be folded again from before any of the runs that are kept; what lies before that is let go of.
"""

from job_tracker.core.folding import reach
from job_tracker.core.messages import Position
from job_tracker.core.record import Record
from job_tracker.core.refolding import EARLIEST
from job_tracker.core.standing import Standing
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import Row, standing_to_text

CHANGES_PER_RUN = 10

SILENCE_KEPT = 20_000
"""Deadlines of a silent job that its history reaches back over: a clock that was a week ahead leaves ten thousand of a
job of every minute."""


class Checkpoints:
    """Them, on the ledger's connection, within its transactions.  job: its id in the ledger."""

    def __init__(self, access: Access) -> None:
        self._connection = access.connection

    def begin(self, job: int, standing: Standing, floor: Position | None) -> None:
        """The standing that nothing can be folded before."""
        self._connection.execute(
            "INSERT INTO checkpoints (job, serial, runs, moment, source, number, standing) VALUES (?,?,?,?,?,?,?)",
            (
                job,
                standing.serial,
                standing.count,
                *_place(floor),
                standing_to_text(standing, with_runs=True),
            ),
        )

    def rewind(self, job: int, rewound: Standing) -> None:
        """Forget those behind a standing."""
        self._connection.execute("DELETE FROM checkpoints WHERE job = ? AND serial > ?", (job, rewound.serial))

    def clear(self, job: int) -> None:
        """Forget all of a job."""
        self._connection.execute("DELETE FROM checkpoints WHERE job = ?", (job,))

    def keep(self, job: int, record: Record, runs_kept: int) -> None:
        """Keep a record's checkpoints, and let go of the history that none of those to be kept needs."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO checkpoints (job, serial, runs, moment, source, number, standing)"
            " VALUES (?,?,?,?,?,?,?)",
            (
                (job, each.serial, each.count, *_place(reach(each)), standing_to_text(each, with_runs=True))
                for each in record.checkpoints
            ),
        )
        standing, kept = record.standing, runs_kept
        bounds = (job, standing.count - kept, standing.serial - CHANGES_PER_RUN * max(kept, 100))
        unneeded = "FROM checkpoints WHERE job = ? AND (runs <= ? OR serial <= ?)"
        newest = self._connection.execute(f"SELECT max(serial) {unneeded}", bounds).fetchone()[0]
        if newest is None:
            return
        # the newest of those before the job's last message: what is judged of silence may have to be taken back
        serial, runs, *place = self._connection.execute(
            f"SELECT serial, runs, moment, source, number {unneeded} AND serial >= ?"
            " ORDER BY moment IS NULL OR (moment, source, number) <= (?, ?, ?) DESC, serial DESC LIMIT 1",
            (*bounds, min(newest, standing.serial - SILENCE_KEPT), *(standing.last or EARLIEST)),
        ).fetchone()
        self._connection.execute(
            "DELETE FROM checkpoints WHERE job = ? AND serial < ? AND serial <> ?", (job, newest, serial)
        )
        self._connection.execute("DELETE FROM changes WHERE job = ? AND serial < ?", (job, newest))
        self._connection.execute(
            "DELETE FROM messages WHERE job = ? AND (moment, source, number) <= (?, ?, ?)", (job, *place)
        )
        self._connection.execute(
            "DELETE FROM runs WHERE job = ? AND number <= ? AND number <= ? AND outcome <> 'open' AND errors = 0"
            " AND number <> ?",
            (job, runs, standing.count - kept, 0 if standing.newest_closed is None else standing.newest_closed.order),
        )


def _place(position: Position | None) -> Row:
    return (None, None, None) if position is None else position
