"""Folding: one message or one deadline at a time enters a job's standing.

Rule: messages are folded by moment, source and number, not by arrival; one that comes late is folded where it belongs.
"""

from job_tracker.core import deadlines, runs
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position, Signal, signal_of
from job_tracker.core.runs import Shelf
from job_tracker.core.standing import Deadline, Standing
from job_tracker.core.verdicts import state_of

BEHIND = chr(0x10FFFF)
"""In a position's place of the source: behind all messages of the moment."""


def fold_message(standing: Standing, jobs: Jobs, job: Job, message: Message, shelf: Shelf) -> None:
    """Let a message speak."""
    standing.last = message.position
    standing.serial += 1
    if standing.deadline is not None and standing.deadline.moment < message.moment and standing.overtaken is None:
        standing.overtaken = standing.deadline
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
