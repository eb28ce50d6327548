"""Runs: what the messages of one job add up to.

Rule: a run is opened, closed, lost or found again here and nowhere else.  Rule: nothing here knows deadlines.

A standing keeps only the runs that can still matter: open ones, the newest, and those whose errors are not forgotten.
The others are on the shelf (the ledger's, outside the core), where a message that names one by id finds it again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from enum import Enum

from job_tracker.core.jobs import Job
from job_tracker.core.messages import Message, Position
from job_tracker.core.schedule import quiet_window
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
    missed: expected starts missed since the last start.  expected: the start awaited, missed_at: its next deadline;
    both None while the newest run is open.  day, made: daily jobs only, the local day awaited and the expected starts
    made at or after it.  last: where the last message was folded.  judged: the last deadline counted.  skipped: the
    earliest deadline that a message overtook before it could be judged.  serial: messages and deadlines ever folded.
    checkpointed: the serial of the last checkpoint.
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
    expected: int | None = None
    missed_at: int | None = None
    day: int = 0
    made: tuple[int, ...] = ()
    last: Position | None = None
    judged: int | None = None
    skipped: int | None = None
    serial: int = 0
    checkpointed: int = 0
    state: State = State.UNKNOWN
    since: int = 0
    blind: Blind | None = None
    deadline: int | None = None
    changed: dict[int, Run] = field(default_factory=dict, compare=False, repr=False)

    @property
    def newest(self) -> Run | None:
        """The run whose first message came last."""
        return self.runs[-1] if self.runs else None

    def fork(self) -> "Standing":
        """A copy to work on; the original stays as it was."""
        other = object.__new__(Standing)  # several times faster than dataclasses.replace, and done once a change
        for name in _FIELDS:
            setattr(other, name, getattr(self, name))
        other.changed = {}
        return other

    def put(self, run: Run) -> None:
        """Take a run in, in place of the one of the same order."""
        others = [other for other in self.runs if other.order != run.order]
        at = len(others)
        while at and others[at - 1].order > run.order:
            at -= 1
        self.runs = (*others[:at], run, *others[at:])
        self.changed[run.order] = run


_FIELDS = tuple(each.name for each in fields(Standing) if each.name != "changed")

Shelf = Callable[[str], Run | None]
"""Finds the newest run with an id among those a standing no longer keeps."""


def start(standing: Standing, job: Job, message: Message) -> bool:
    """Open a run; older open ones are lost unless both have ids and the older is in time.  False: nothing changed."""
    if message.run is not None and any(run.id == message.run and run.outcome is Outcome.OPEN for run in standing.runs):
        return False
    for run in standing.runs:
        if run.outcome is Outcome.OPEN and (run.id is None or message.run is None or run.timeouts):
            _lose(standing, job, run, message.moment)
    standing.missed = 0
    standing.last_start = message.moment
    _open(standing, message, begun=message.moment)
    return True


def end(standing: Standing, message: Message, *, next_start: int | None, shelf: Shelf) -> bool:
    """Close a run well, and forget its errors and those of all closed runs before it.  True: its start was not seen."""
    run = _which(standing, message, next_start, shelf)
    unseen = run is None
    if run is None:
        run = _unseen(standing, message)
    standing.put(
        replace(
            run,
            outcome=Outcome.WELL,
            ended=message.moment,
            timeout_at=None,
            text=message.text,
            exit_code=message.exit_code,
        )
    )
    standing.last_end = _later(standing.last_end, message.moment)
    for older in standing.runs:
        if older.order <= run.order and older.outcome is not Outcome.OPEN and older.errors:
            standing.errors -= older.errors
            standing.put(replace(older, errors=0))
    return unseen


def error(standing: Standing, message: Message, *, next_start: int | None, shelf: Shelf) -> bool:
    """Count an error and close the run badly; one that has ended keeps its end.  True: its start was not seen."""
    run = _which(standing, message, next_start, shelf)
    unseen = run is None
    if run is None:
        run = _unseen(standing, message)
    ended = run.ended if run.outcome in (Outcome.WELL, Outcome.BADLY) else message.moment
    standing.put(
        replace(
            run,
            outcome=Outcome.BADLY,
            ended=ended,
            timeout_at=None,
            errors=run.errors + 1,
            text=message.text or run.text,
            exit_code=message.exit_code,
        )
    )
    standing.errors += 1
    standing.last_end = _later(standing.last_end, ended)
    return unseen


def shed(standing: Standing) -> None:
    """Let go of the runs that no longer matter: closed, forgotten, and not the newest."""
    newest = standing.newest
    if len(standing.runs) > 1 and not all(_matters(run) for run in standing.runs[:-1]):
        standing.runs = tuple(run for run in standing.runs if run is newest or _matters(run))


def _matters(run: Run) -> bool:
    return run.outcome is Outcome.OPEN or run.errors > 0


def _which(standing: Standing, message: Message, next_start: int | None, shelf: Shelf) -> Run | None:
    """The run that an end or error speaks of; None: one whose start was not seen."""
    if message.run is not None:
        kept = (run for run in reversed(standing.runs) if run.id == message.run)
        return next(kept, None) or shelf(message.run)
    opened = (run for run in reversed(standing.runs) if run.outcome is Outcome.OPEN)
    found = next(opened, None)
    if found is not None:
        return found
    newest = standing.newest
    if newest is None or newest.outcome is not Outcome.BADLY or standing.missed:
        return None
    return newest if next_start is None or message.moment < next_start else None


def _open(standing: Standing, message: Message, *, begun: int | None) -> Run:
    standing.count += 1
    run = Run(order=standing.count, id=message.run, begun=begun, text=message.text)
    standing.runs = (*standing.runs, run)
    standing.changed[run.order] = run
    return run


def _unseen(standing: Standing, message: Message) -> Run:
    standing.missed = 0
    return _open(standing, message, begun=None)


def _lose(standing: Standing, job: Job, run: Run, moment: int) -> None:
    """Close a run as lost; that counts an error, unless its timeout did or a quiet window excuses both starts."""
    counts = 0 if run.timeouts or _same_quiet_window(job, run.begun, moment) else 1
    standing.errors += counts
    standing.put(replace(run, outcome=Outcome.LOST, timeout_at=None, errors=run.errors + counts))


def _same_quiet_window(job: Job, first: int | None, second: int) -> bool:
    window = None if first is None else quiet_window(job, first)
    return window is not None and window[0] <= second < window[1]


def _later(known: int | None, moment: int | None) -> int | None:
    moments: Iterable[int] = (each for each in (known, moment) if each is not None)
    return max(moments, default=None)
