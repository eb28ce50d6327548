"""A job's messages folded once more, in order, one item at a time, by somebody who heard them all in time."""

from collections.abc import Iterable, Iterator

from job_tracker.core.folding import fold_deadline, fold_message
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.signals import Signal, signal_of
from job_tracker.core.standing import Rank, Run, Standing
from job_tracker.core.states import State

SIGNALS = {Rank.PAUSE_OVER: Signal.PAUSE_OVER, Rank.TIMEOUT: Signal.TIMEOUT, Rank.MISSED_START: Signal.MISSED}

Transition = tuple[State, Signal, State]


class Observer:
    """Folds a job from its first standing, and notes which state each signal led to from which."""

    def __init__(self, jobs: Jobs, job: Job, first: Standing) -> None:
        self.jobs, self.job, self.standing = jobs, job, first.fork()
        self.runs: dict[int, Run] = {}

    def watch(self, messages: Iterable[Message], limit: int) -> Iterator[Transition]:
        """All messages, and between and after them the deadlines before a moment."""
        for message in sorted(messages, key=lambda each: each.position):
            yield from self.judge(min(limit, message.moment))
            old = self.standing.state
            fold_message(self.standing, self.jobs, self.job, message, self.shelf)
            self.runs.update(self.standing.changed)
            yield old, message.signal or signal_of(message.event, self.jobs.keywords), self.standing.state
        yield from self.judge(limit)

    def judge(self, limit: int) -> Iterator[Transition]:
        """The deadlines before a moment."""
        while (deadline := self.standing.deadline) is not None and deadline.moment < limit:
            old = self.standing.state
            fold_deadline(self.standing, self.job, deadline)
            self.runs.update(self.standing.changed)
            yield old, SIGNALS[deadline.rank], self.standing.state

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id."""
        return max((run for run in self.runs.values() if run.id == id), key=lambda run: run.order, default=None)
