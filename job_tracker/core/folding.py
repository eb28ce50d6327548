"""Folding: one message or one deadline at a time enters a job's standing.

Rule: messages are folded by moment, source and number, not by arrival; one that comes late is folded where it belongs.
"""

from job_tracker.core import deadlines, pauses, runs
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position
from job_tracker.core.runs import Shelf
from job_tracker.core.signals import Signal, signal_of
from job_tracker.core.standing import Deadline, Outcome, Rank, Standing
from job_tracker.core.verdicts import state_of

OUTCOMES = {Signal.END: Outcome.WELL, Signal.WARNING: Outcome.WARNED, Signal.ERROR: Outcome.BADLY}

BEHIND = chr(0x10FFFF)
"""In a position's place of the source: behind all messages of the moment."""


def fold_message(standing: Standing, jobs: Jobs, job: Job, message: Message, shelf: Shelf) -> None:
    """Let a message speak."""
    standing.last = message.position
    standing.serial += 1
    if standing.deadline is not None and standing.deadline.moment < message.moment and standing.overtaken is None:
        standing.overtaken = standing.deadline
    if not _hear(standing, jobs, job, message, shelf):
        return
    runs.shed(standing)
    deadlines.await_start(standing, job)
    settle(standing, message.moment)


def _hear(standing: Standing, jobs: Jobs, job: Job, message: Message, shelf: Shelf) -> bool:
    """Whether it changed anything that state and deadlines follow from."""
    signal = message.signal or signal_of(message.event, jobs.keywords)
    match signal:
        case Signal.START:
            timeout_at = deadlines.first_timeout(standing, job, message.moment)
            if not runs.start(standing, job, message, timeout_at=timeout_at):
                return False
            deadlines.make_expected(standing, job, message.moment)
        case Signal.END | Signal.WARNING | Signal.ERROR:
            following = deadlines.next_start(standing, job)
            if runs.close(standing, job, message, OUTCOMES[signal], next_start=following, shelf=shelf):
                deadlines.make_expected(standing, job, message.moment)
        case Signal.SKIPPED:
            return runs.skip(standing, message, shelf=shelf)
        case Signal.PAUSE:
            pauses.pause(standing, message)
        case Signal.RESUME:
            pauses.resume(standing, message)
        case _:
            return False
    return True


def fold_deadline(standing: Standing, job: Job, deadline: Deadline) -> None:
    """Let a deadline count, or a pause end."""
    standing.serial += 1
    standing.judged = deadline.moment
    if deadline.rank is Rank.PAUSE_OVER:
        pauses.over(standing, job)
        deadlines.await_start(standing, job)
    else:
        deadlines.count(standing, job, deadline)
    settle(standing, deadline.moment)


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
