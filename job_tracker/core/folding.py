"""Folding: one message or one deadline at a time enters a job's standing.

Rule: messages are folded by moment, source and number, not by arrival; one that comes late is folded where it belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from job_tracker.core import deadlines, runs
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position, Signal, signal_of
from job_tracker.core.runs import Shelf
from job_tracker.core.standing import Deadline, Run, Standing
from job_tracker.core.states import Shown
from job_tracker.core.verdicts import state_of

CHECKPOINT_EVERY = 64
"""Messages and deadlines of a job between two checkpoints: what a late message costs to fold again, about."""


BEHIND = chr(0x10FFFF)
"""In a position's place of the source: behind all messages of the moment."""


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


@dataclass(slots=True, kw_only=True)
class Record:
    """What a step did to one job, for the ledger: nothing else has to be written.

    rewound: the standing from which the job was folded again; what was kept since is replaced by what is here.
    """

    standing: Standing
    runs: dict[int, Run] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    checkpoints: list[Standing] = field(default_factory=list)
    rewound: Standing | None = None


def fold_message(standing: Standing, jobs: Jobs, job: Job, message: Message, shelf: Shelf) -> None:
    """Let a message speak."""
    standing.last = message.position
    standing.serial += 1
    if standing.deadline is not None and standing.deadline.moment < message.moment and standing.skipped is None:
        standing.skipped = standing.deadline
    match signal_of(message.event, jobs.keywords):
        case Signal.START:
            timeout_at = deadlines.first_timeout(standing, job, message.moment)
            if not runs.start(standing, job, message, timeout_at=timeout_at):
                return
            deadlines.make_expected(standing, job, message.moment)
        case Signal.END:
            following = deadlines.next_start(standing, job)
            if runs.end(standing, message, next_start=following, shelf=shelf):
                deadlines.make_expected(standing, job, message.moment)
        case Signal.ERROR:
            following = deadlines.next_start(standing, job)
            if runs.error(standing, message, next_start=following, shelf=shelf):
                deadlines.make_expected(standing, job, message.moment)
        case _:
            return
    runs.shed(standing)
    deadlines.await_start(standing, job)
    settle(standing, message.moment)


def fold_deadline(standing: Standing, job: Job, deadline: Deadline) -> None:
    """Let a deadline count."""
    standing.serial += 1
    deadlines.count(standing, job, deadline)
    settle(standing, deadline.moment)


def newest_of(written: Mapping[int, Run], id: str, kept: Run | None) -> Run | None:
    """The newest run with an id, of those written just now and the one kept from before."""
    named = [run for run in written.values() if run.id == id and (kept is None or run.order >= kept.order)]
    return max(named, key=lambda run: run.order, default=kept)


def settle(standing: Standing, moment: int) -> None:
    """Derive the state anew, and since when it holds."""
    state = state_of(standing)
    if state is not standing.state:
        standing.state = state
        standing.since = moment


def is_late(standing: Standing, message: Message) -> bool:
    """Something of the job that comes after this message has been folded already."""
    reached = reach(standing)
    return reached is not None and message.position < reached


def is_before(standing: Standing, moment: int) -> bool:
    """Whatever is said of a moment is late."""
    reached = reach(standing)
    return reached is not None and moment < reached[0]


def reach(standing: Standing) -> Position | None:
    """The place of the last message or deadline folded; a deadline stands behind all messages of its moment."""
    if standing.judged is None or (standing.last is not None and standing.last[0] > standing.judged):
        return standing.last
    return (standing.judged, BEHIND, 0)


def horizon(job: Job, standing: Standing, jobs: Jobs, drained: Mapping[str, int], now: int) -> int:
    """Deadlines before this moment may be judged: the sources the job belongs to, or did then, are past them."""
    limit = now + 1
    for source in owners(job, standing, jobs):
        limit = min(limit, drained.get(source, -1))
    return max(limit, min(standing.covered, now + 1))


def owners(job: Job, standing: Standing, jobs: Jobs) -> tuple[str, ...]:
    """The sources a job belongs to: those it names, else the one that delivered last, else all."""
    if job.sources:
        return job.sources
    return (standing.source,) if standing.source in jobs.sources else jobs.sources


def due(job: Job, standing: Standing, jobs: Jobs, drained: Mapping[str, int], now: int) -> Deadline | None:
    """The job's next deadline, if it may be judged."""
    deadline = standing.deadline
    if deadline is None or deadline.moment > now:
        return None
    return deadline if deadline.moment < horizon(job, standing, jobs, drained, now) else None


def checkpoint_if_due(record: Record) -> None:
    """Keep the standing now and then, so that a late message need not fold a job's whole life again."""
    standing = record.standing
    if standing.serial - standing.checkpointed >= CHECKPOINT_EVERY and standing.skipped is None:
        standing.checkpointed = standing.serial
        record.checkpoints.append(standing.fork())
