"""Kept history: the archive of a replay, which remembers and forgets as the ledger does, in little memory.

Rule: what is kept of a job reaches back to a checkpoint from which everything since can be folded again; it grows with
`job_history_entry_count`, not with the number of messages.  Messages are kept packed: they are wanted again only where
one comes late.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from job_tracker.core.board import Board
from job_tracker.core.folding import reach
from job_tracker.core.messages import Message, Position
from job_tracker.core.record import Past, Record
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.ledger.checkpoints import CHANGES_PER_RUN, SILENCE_KEPT
from job_tracker.ledger.codec import message_from_row, message_to_row
from job_tracker.ledger.ledger import REMEMBERED_DAYS
from job_tracker.moments import DAY
from job_tracker.replay.spool import packed, unpacked


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A standing of then; nothing can be folded before its floor, None if it is the job's first."""

    floor: Position | None
    standing: Standing


@dataclass(slots=True)
class Kept:
    """What is remembered of one job.

    packed: messages between two checkpoints, with the last of their positions.  fresh: those since.  runs: those with
    an id, by order.
    """

    checkpoints: list[Checkpoint]
    packed: list[tuple[Position, bytes]] = field(default_factory=list)
    fresh: list[Message] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)


class KeptHistory:
    """`core.folding.Archive` for a replay.  history: runs kept per job."""

    def __init__(self, board: Board, history: int) -> None:
        self.history = history
        self.kept = {key: Kept([Checkpoint(None, standing)]) for key, standing in board.standings()}

    def keep(self, records: Mapping[str, Record]) -> None:
        """Take in what a step wrote."""
        for key, record in records.items():
            kept = self.kept[key]
            if record.rewound is not None:
                _rewind(kept, record.rewound)
            kept.fresh.extend(record.messages)
            for run in record.runs.values():
                if run.id is not None:  # nobody asks for the others
                    kept.runs[run.order] = run
            if record.checkpoints:
                kept.checkpoints.extend(Checkpoint(reach(each), each) for each in record.checkpoints)
                self._forget(kept, record.standing)

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """From the latest checkpoint before a position, and before a run's beginning; else from the earliest kept."""
        kept = self.kept[key]
        found = kept.checkpoints[0]
        for each in reversed(kept.checkpoints):
            is_before = each.floor is None or each.floor < position
            if is_before and (run is None or each.standing.count < run):
                found = each
                break
        blocks = [block for last, block in kept.packed if found.floor is None or last > found.floor]
        messages = [message_from_row(row, key) for block in blocks for row in unpacked(block)] + kept.fresh
        since = [each for each in messages if found.floor is None or each.position > found.floor]
        since.sort(key=lambda message: message.position)
        return Past(checkpoint=found.standing, floor=found.floor, messages=tuple(since))

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """The newest run of a job that carries an id, of those up to an order."""
        for order, run in reversed(self.kept[key].runs.items()):
            if run.id == id and order <= up_to:
                return run
        return None

    def _forget(self, kept: Kept, standing: Standing) -> None:
        """Pack what lies between checkpoints, and let go of what none of those to be kept needs, as the ledger does."""
        if kept.fresh:
            last = max(message.position for message in kept.fresh)
            kept.packed.append((last, packed(map(message_to_row, kept.fresh))))
            kept.fresh = []
        runs, serial = standing.count - self.history, standing.serial - CHANGES_PER_RUN * max(self.history, 100)
        old = [each for each in kept.checkpoints if each.standing.count <= runs or each.standing.serial <= serial]
        if not old:
            return
        newest = old[-1].standing.serial
        spoken = [each for each in old if each.floor is None or (standing.last and each.floor <= standing.last)]
        least = min(newest, standing.serial - SILENCE_KEPT)
        oldest = next((each for each in reversed(spoken) if each.standing.serial >= least), old[-1])
        kept.checkpoints = [e for e in kept.checkpoints if e.standing.serial >= newest or e is oldest]
        if oldest.floor is not None:
            kept.packed = [each for each in kept.packed if each[0] > oldest.floor]
        forgotten = min(oldest.standing.count, runs)
        for order in [order for order, run in kept.runs.items() if order <= forgotten and not _matters(run)]:
            del kept.runs[order]


class TakenUids:
    """Which messages were taken, remembered by the day for as long as the ledger does."""

    def __init__(self) -> None:
        self._days: dict[int, set[str | bytes]] = {}

    def add(self, uid: str, received: int) -> bool:
        """Take a uid in; whether it is new.  received: microseconds, never less than before."""
        short = _short(uid)
        if any(short in taken for taken in self._days.values()):
            return False
        day = received // DAY
        if day not in self._days:
            self._days = {each: taken for each, taken in self._days.items() if each >= day - REMEMBERED_DAYS}
            self._days[day] = set()
        self._days[day].add(short)
        return True


def _short(uid: str) -> str | bytes:
    """A uid as message-queue.py makes them, in a third of the room."""
    try:
        return bytes.fromhex(uid) if len(uid) == 32 and uid.islower() else uid
    except ValueError:
        return uid


def _rewind(kept: Kept, rewound: Standing) -> None:
    """What is about to be written again is no more."""
    kept.runs = {order: run for order, run in kept.runs.items() if order <= rewound.count}
    kept.checkpoints = [each for each in kept.checkpoints if each.standing.serial <= rewound.serial]


def _matters(run: Run) -> bool:
    return run.outcome is Outcome.OPEN or run.errors > 0
