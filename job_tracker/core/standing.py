"""Standing: the words for what a job carries from one step to the next.

Rule: words only; who opens and closes runs is `runs`, who computes deadlines is `deadlines`.

A standing keeps only the runs that can still matter: open ones, the newest, and those whose errors are not forgotten.
The others are on the shelf (the ledger's, outside the core), where a message that names one by id finds it again.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from job_tracker.core.messages import Position
from job_tracker.core.states import State


class Outcome(Enum):
    """How a run ended; LOST: a newer run began and no end was ever seen."""

    OPEN = "open"
    WELL = "well"
    BADLY = "badly"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job, from its first message to its last.

    order: 1 for the job's first run.  begun: microseconds, None if the start was not seen.  errors: counted and not
    forgotten.  timeouts: full timeouts it has counted.  timeout_at: its next one, None once it is closed.
    """

    order: int
    id: str | None
    begun: int | None
    outcome: Outcome = Outcome.OPEN
    ended: int | None = None
    errors: int = 0
    timeouts: int = 0
    timeout_at: int | None = None
    text: str = ""
    exit_code: int | None = None


class Rank(IntEnum):
    """What comes first at one moment."""

    TIMEOUT = 0
    MISSED_START = 1


class Deadline(NamedTuple):
    """A moment in microseconds, and what is late from then on; run: the order of the one that timed out."""

    moment: int
    rank: Rank
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """A deadline has passed unseen: since when that counts, which source, and since when it is not heard."""

    since: int
    deadline: int
    source: str
    unheard_since: int


@dataclass(slots=True, kw_only=True)
class Standing:
    """What a job carries; changed only by the step that forked it.

    runs: the ones that matter, in order, the newest last.  count: runs ever begun.  errors: the sum over runs.
    missed: expected starts missed since the last start.  source: the one that delivered last; delivered: when that was;
    covered: how far those before it had been drained when it did.  expected: the start awaited, missed_at: its next
    deadline; both None while the newest run is open.  day, made: daily jobs only, the local day awaited and the
    expected starts made at or after it.  last: where the last message was folded.  judged: the last deadline counted.
    skipped: the first deadline that a message overtook before it could be judged.  serial: messages and deadlines ever
    folded.  checkpointed: the serial of the last checkpoint.  deadline: the one that comes first.  changed: runs put
    since the fork.
    """

    known_since: int
    promised_since: int
    runs: tuple[Run, ...] = ()
    count: int = 0
    errors: int = 0
    missed: int = 0
    last_start: int | None = None
    last_end: int | None = None
    source: str | None = None
    delivered: int = -1
    covered: int = -1
    expected: int | None = None
    missed_at: int | None = None
    day: int = 0
    made: tuple[int, ...] = ()
    last: Position | None = None
    judged: int | None = None
    skipped: Deadline | None = None
    serial: int = 0
    checkpointed: int = 0
    state: State = State.UNKNOWN
    since: int = 0
    blind: Blind | None = None
    deadline: Deadline | None = None
    changed: dict[int, Run] = field(default_factory=dict, compare=False, repr=False)

    @property
    def newest(self) -> Run | None:
        """The run whose first message came last."""
        return self.runs[-1] if self.runs else None

    def fork(self) -> "Standing":
        """A copy to work on; the original stays as it was."""
        other = object.__new__(Standing)  # done once a change: written out, it takes a tenth of dataclasses.replace
        other.known_since, other.promised_since = self.known_since, self.promised_since
        other.runs, other.count, other.errors, other.missed = self.runs, self.count, self.errors, self.missed
        other.last_start, other.last_end = self.last_start, self.last_end
        other.source, other.delivered, other.covered = self.source, self.delivered, self.covered
        other.expected, other.missed_at, other.day, other.made = self.expected, self.missed_at, self.day, self.made
        other.last, other.judged, other.skipped = self.last, self.judged, self.skipped
        other.serial, other.checkpointed = self.serial, self.checkpointed
        other.state, other.since = self.state, self.since
        other.blind, other.deadline = self.blind, self.deadline
        other.changed = {}
        return other

    def put(self, run: Run) -> None:
        """Take a run in, in place of the one of the same order."""
        self.changed[run.order] = run
        if self.runs and self.runs[-1].order == run.order:  # nearly always it is the newest
            self.runs = (*self.runs[:-1], run)
            return
        others = [other for other in self.runs if other.order != run.order]
        self.runs = tuple(sorted([*others, run], key=lambda each: each.order))
