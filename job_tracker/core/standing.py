"""Standing: the words for what a job carries from one step to the next.

Rule: words only; who opens and closes runs is `runs`, who computes deadlines is `deadlines`.

A standing keeps only the runs that can still matter: open ones, the last, the newest that was closed and not
skipped, and those whose errors are not forgotten.
The others are on the shelf (the ledger's, outside the core), where a message that names one by id finds it again.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from job_tracker.core.messages import Position, Usage
from job_tracker.core.states import State


class Outcome(Enum):
    """How a run ended; LOST: a newer run began and no end was ever seen; SKIPPED: it found nothing to do."""

    OPEN = "open"
    WELL = "well"
    WARNED = "warned"
    BADLY = "badly"
    SKIPPED = "skipped"
    LOST = "lost"


ENDED_WELL = (Outcome.WELL, Outcome.WARNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job, from its first message to its last.

    order: 1 for the job's first run.  begun: microseconds, None if the start was not seen.  errors: counted and not
    forgotten.  timeouts: full timeouts it has counted.  timeout_at: its next one, None once it is closed.  usage: what
    it used, as measured on its host.  is_out_of_order: its start came behind its end, by a clock that stepped.
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
    usage: Usage | None = field(default=None, hash=False)
    is_out_of_order: bool = False


class Rank(IntEnum):
    """What comes first at one moment."""

    PAUSE_OVER = -1
    TIMEOUT = 0
    MISSED_START = 1


class Deadline(NamedTuple):
    """A moment in microseconds, and what is late from then on; run: the order of the one that timed out."""

    moment: int
    rank: Rank
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A deadline has passed unseen: since when that counts, which source, and since when it is not heard."""

    since: int
    deadline: int
    source: str
    unheard_since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing counts from begin to before end, because somebody said so; text: who, and why."""

    begin: int
    end: int
    text: str


@dataclass(slots=True, kw_only=True)
class Standing:
    """What a job carries; changed only by the step that forked it.  Moments are microseconds."""

    known_since: int
    promised_since: int
    #: the runs that matter, in order, the last one last
    runs: tuple[Run, ...] = ()
    #: runs ever begun
    count: int = 0
    #: the sum over the runs
    errors: int = 0
    #: expected starts missed since the last start
    missed: int = 0
    last_start: int | None = None
    last_end: int | None = None
    #: when the last run began, seen or not, and the message that made it
    last_begun: int | None = None
    opened_by: Position | None = None
    #: the one that delivered last, and when that was
    source: str | None = None
    delivered: int = -1
    #: how far the sources before that one were drained when it spoke; see `step`
    former_source_drained: int = -1
    #: the start awaited, and its next deadline; both None while the newest run is open
    expected: int | None = None
    missed_at: int | None = None
    #: daily and cron jobs: the first expected start at or after it is awaited
    awaits_from: int = 0
    #: where the last message was folded
    last: Position | None = None
    #: the last deadline counted
    judged: int | None = None
    #: the first deadline that a message went past before it could be judged; see `step`
    overtaken: Deadline | None = None
    #: messages and deadlines ever folded; what that was at the last checkpoint
    serial: int = 0
    checkpointed: int = 0
    state: State = State.NEVER_RAN
    since: int = 0
    #: somebody has paused the job; the end of the last pause that a cyclic job's next start lay in
    pause: Pause | None = None
    paused_until: int | None = None
    #: the deadline that has passed and cannot be judged; see `step`
    unseen: Unseen | None = None
    #: the one that comes first
    deadline: Deadline | None = None
    #: runs put since the fork
    changed: dict[int, Run] = field(default_factory=dict, compare=False, repr=False)

    @property
    def latest(self) -> Run | None:
        """The run whose first message came last, be it skipped: what is expected next follows it."""
        return self.runs[-1] if self.runs else None

    @property
    def newest(self) -> Run | None:
        """The latest of the runs that were not skipped: what is said of the job follows it."""
        for run in reversed(self.runs):
            if run.outcome is not Outcome.SKIPPED:
                return run
        return None

    @property
    def newest_closed(self) -> Run | None:
        """The newest of those that are closed: what is said of the job once all that are open were skipped."""
        for run in reversed(self.runs):
            if run.outcome is not Outcome.SKIPPED and run.outcome is not Outcome.OPEN:
                return run
        return None

    def fork(self) -> "Standing":
        """A copy to work on; the original stays as it was."""
        other = object.__new__(Standing)  # done once a change: written out, it takes a tenth of dataclasses.replace
        other.known_since, other.promised_since = self.known_since, self.promised_since
        other.runs, other.count, other.errors, other.missed = self.runs, self.count, self.errors, self.missed
        other.last_start, other.last_end = self.last_start, self.last_end
        other.last_begun, other.opened_by = self.last_begun, self.opened_by
        other.source, other.delivered, other.former_source_drained = (
            self.source,
            self.delivered,
            self.former_source_drained,
        )
        other.expected, other.missed_at, other.awaits_from = self.expected, self.missed_at, self.awaits_from
        other.last, other.judged, other.overtaken = self.last, self.judged, self.overtaken
        other.serial, other.checkpointed = self.serial, self.checkpointed
        other.state, other.since = self.state, self.since
        other.pause, other.paused_until = self.pause, self.paused_until
        other.unseen, other.deadline = self.unseen, self.deadline
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
