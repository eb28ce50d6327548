"""Memory: an archive that keeps everything, for replays and tests; the ledger is the one that lasts.

Rule: what a step wrote is kept before the next step asks.
"""

from collections.abc import Mapping

from job_tracker.core.board import Board
from job_tracker.core.messages import Message, Position
from job_tracker.core.record import Past, Record
from job_tracker.core.standing import Run, Standing


class Memory:
    """All messages and runs of all jobs since a first board."""

    def __init__(self, board: Board) -> None:
        self.first: dict[str, Standing] = dict(board.standings())
        self.messages: dict[str, list[Message]] = {}
        self.runs: dict[str, dict[int, Run]] = {}

    def keep(self, records: Mapping[str, Record]) -> None:
        """Take in what a step wrote."""
        for key, record in records.items():
            self.messages.setdefault(key, []).extend(record.messages)
            self.messages[key].sort(key=lambda message: message.position)
            if record.rewound is not None:
                self.runs[key] = {}
            self.runs.setdefault(key, {}).update(record.runs)

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """Everything since the beginning, whatever is asked."""
        return Past(checkpoint=self.first[key], floor=None, messages=tuple(self.messages.get(key, ())))

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """The newest run with an id, of those up to an order."""
        named = [run for run in self.runs.get(key, {}).values() if run.id == id and run.order <= up_to]
        return max(named, key=lambda run: run.order, default=None)
