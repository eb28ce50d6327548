"""Records: what a step leaves behind of one job, and what it may ask of the past.

Rule: whatever is not in a record has not changed; whatever an archive answers was in a record before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from job_tracker.core.board import Board
from job_tracker.core.jobs import Job
from job_tracker.core.messages import Message, Position
from job_tracker.core.standing import Pause, Run, Standing
from job_tracker.core.states import Shown

CHECKPOINT_EVERY = 64
"""Messages and deadlines of a job between two checkpoints: what a late message costs to fold again, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something became true of a job: `at` that moment; standing: what the job carried then."""

    at: int
    job: Job
    before: Shown
    after: Shown
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is remembered of a job: a standing of then, and the messages folded since, in order.

    floor: how far that standing reaches; nothing can be folded before it.  None: it is the job's first.
    """

    checkpoint: Standing
    floor: Position | None
    messages: tuple[Message, ...]


class Archive(Protocol):
    """What the ledger remembers of jobs beyond the board; asked only when a message comes late or names an old run."""

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """From the latest checkpoint before a position, and before a run's beginning; else from the earliest kept."""

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """The newest run of a job that carries an id, of those up to an order."""


class Trace(NamedTuple):
    """What one item did: its moment, whose word it was (empty: a deadline), the runs it put; what was missed then.

    serial: which of the job's items it was.  is_alarm: whether the job is critical since, or still.
    """

    moment: int
    source: str
    runs: tuple[Run, ...]
    missed: int
    pause: Pause | None
    serial: int
    is_alarm: bool


@dataclass(slots=True, kw_only=True)
class Record:
    """What a step did to one job, for the ledger: nothing else has to be written.

    rewound: the standing from which the job was folded again; what was kept since is replaced by what is here.
    trail: of all items folded since the standing before, or the one rewound to; None where nobody wants to know.
    """

    standing: Standing
    runs: dict[int, Run] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    checkpoints: list[Standing] = field(default_factory=list)
    rewound: Standing | None = None
    trail: list[Trace] | None = None

    def checkpoint_if_due(self) -> None:
        """Keep the standing now and then, so that a late message need not fold a job's whole life again."""
        standing = self.standing
        if standing.serial - standing.checkpointed >= CHECKPOINT_EVERY and standing.overtaken is None:
            standing.checkpointed = standing.serial
            self.checkpoints.append(standing.fork())


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step made: the new board, the changes in the order they were found, what to write, when to wake.

    records: by job.  wake: microseconds, None if nothing but a message can change anything.
    unheard: messages that are to be given to the next step, for there was too much to do before them.
    is_set_back: all that it did was to take back what had been judged by a clock that ran ahead.
    """

    board: Board
    changes: tuple[Change, ...]
    records: Mapping[str, Record]
    wake: int | None
    unheard: tuple[Message, ...]
    is_set_back: bool


def newest_of(written: Mapping[int, Run], id: str, kept: Run | None) -> Run | None:
    """The newest run with an id, of those written just now and the one kept from before."""
    named = [run for run in written.values() if run.id == id and (kept is None or run.order >= kept.order)]
    return max(named, key=lambda run: run.order, default=kept)
