"""Refolding: a job's messages and deadlines are folded again, because something turned up that belongs between them.

Rule: the result is the one that an observer who had heard everything in order would have.
"""

from collections.abc import Sequence
from dataclasses import replace

from job_tracker.core.folding import BEHIND, reach
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position
from job_tracker.core.pen import Pen
from job_tracker.core.record import Archive, Past, Record, newest_of
from job_tracker.core.signals import Signal, signal_of
from job_tracker.core.standing import Run, Standing, Unseen
from job_tracker.core.states import Shown

EARLIEST: Position = (-1, "", 0)
"""Before everything."""

Limit = tuple[int, ...]
"""A moment, or a whole deadline, that those to be judged come before."""


ENDS = (Signal.END, Signal.WARNING, Signal.ERROR, Signal.SKIPPED)
"""Signals that may close, or find again, a run of long ago."""


class _OlderRunError(Exception):
    """A message names a run from before the checkpoint, which may have changed since: begin before that run."""


def refold(
    jobs: Jobs,
    job: Job,
    record: Record,
    late: Sequence[Message],
    *,
    limit: int,
    now: int,
    archive: Archive,
) -> int:
    """Fold a job again with late messages, or with the deadline that a message overtook; the record tells the result.

    limit: microseconds, before which deadlines could be judged before this step.  Returns how much was folded.
    What was judged by a clock that ran ahead of now is not judged again.
    """
    overtaken = record.standing.overtaken
    position: Position = min((each.position for each in late), default=(overtaken.moment if overtaken else 0, "", 0))
    if record.rewound is not None:  # what the archive keeps from later on is no more
        position = min(position, reach(record.rewound) or EARLIEST)
    before = _limit(record.standing, limit, now, with_overtaken=not late)
    return _fold_again(jobs, job, record, late, position, before, archive)


def take_back(jobs: Jobs, job: Job, record: Record, *, limit: int, now: int, archive: Archive) -> int:
    """Fold a job again without what was judged of a time yet to come; returns how much was folded.

    limit: microseconds, before which its deadlines may be judged by the right clock.
    """
    return _fold_again(jobs, job, record, (), (now, BEHIND, 0), (limit,), archive)


def _fold_again(
    jobs: Jobs,
    job: Job,
    record: Record,
    late: Sequence[Message],
    position: Position,
    limit: Limit,
    archive: Archive,
) -> int:
    older_than: int | None = None
    while True:
        past = archive.past(job.key, position, older_than)
        can_go_back = older_than is None or past.checkpoint.count < older_than
        attempt = _Refold(jobs, job, past, archive, can_go_back=can_go_back)
        attempt.record.trail = None if record.trail is None else []
        try:
            attempt.look_for_older_runs([*past.messages, *record.messages])
            attempt.run(_in_order(past, record, late), limit)
        except _OlderRunError as named:
            older_than = named.args[0]
            continue
        break
    record.messages.extend(_not_before(past, each) for each in late)
    standing = attempt.record.standing
    before = record.standing
    standing.unseen, standing.source = before.unseen, before.source
    standing.delivered, standing.former_source_drained = before.delivered, before.former_source_drained
    record.standing, record.runs, record.changes = standing, attempt.record.runs, attempt.record.changes
    record.checkpoints, record.rewound = attempt.record.checkpoints, past.checkpoint
    record.trail = attempt.record.trail
    return attempt.folded


class _Refold:
    """One attempt to fold a past again."""

    def __init__(self, jobs: Jobs, job: Job, past: Past, archive: Archive, *, can_go_back: bool) -> None:
        self.jobs, self.job, self.archive, self.can_go_back = jobs, job, archive, can_go_back
        self.first = past.checkpoint.count
        self.folded = 0
        self.record = Record(standing=past.checkpoint.fork())
        self.record.runs.update((run.order, run) for run in past.checkpoint.runs)  # as they were, whatever came after
        self.pen = _RefoldPen(jobs, job, self.record, archive, self.first, can_go_back=can_go_back)

    def look_for_older_runs(self, messages: list[Message]) -> None:
        """What these messages did to a run from before the checkpoint can be undone only from before that run.

        Where that is forgotten, the run is at least without errors again: it had none, or it would have been kept.
        """
        known = {run.id for run in self.record.standing.runs}
        for message in messages:
            if message.run is not None and message.run not in known:
                known.add(message.run)
                if (message.signal or signal_of(message.event, self.jobs.keywords)) in ENDS:
                    run = self.pen.shelf(message.run)
                    if run is not None:
                        self.record.runs[run.order] = run

    def run(self, messages: list[Message], limit: Limit) -> None:
        """Fold the messages, and between and after them the deadlines before a limit."""
        for message in messages:
            self.judge(min(limit, (message.moment,)))
            self.pen.message(message)
            self.folded += 1
        self.judge(limit)

    def judge(self, limit: Limit) -> None:
        while (deadline := self.record.standing.deadline) is not None and deadline < limit:
            self.pen.deadline(deadline)
            self.folded += 1


class _RefoldPen(Pen):
    """Writes a past once more."""

    __slots__ = ("archive", "can_go_back", "first")

    def __init__(
        self, jobs: Jobs, job: Job, record: Record, archive: Archive, first: int, *, can_go_back: bool
    ) -> None:
        super().__init__(jobs, job, record)
        self.archive, self.first, self.can_go_back = archive, first, can_go_back

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id that this attempt has let go of, else the one the ledger keeps from before."""
        kept = self.archive.run(self.job.key, id, self.first)
        found = newest_of(self.record.runs, id, kept)
        if kept is None or found is not kept:
            return found
        if self.can_go_back:
            raise _OlderRunError(kept.order)
        return replace(kept, errors=0)

    def look(self, standing: Standing, before: Shown, *, is_news: bool) -> Unseen | None:
        """How far could be seen at the time is not asked again; the step looks around when all is folded."""
        return standing.unseen


def _limit(standing: Standing, limit: int, now: int, *, with_overtaken: bool) -> Limit:
    """Deadlines before this are judged: those that could be before, or else the one that can be only now."""
    judged: Limit = (-1 if standing.judged is None or standing.judged > now else standing.judged + 1,)
    if with_overtaken and standing.overtaken is not None:
        moment, rank, run = standing.overtaken
        return max(judged, (moment, rank, run + 1))
    return max(judged, (limit,))


def _in_order(past: Past, record: Record, late: Sequence[Message]) -> list[Message]:
    fresh = [*record.messages, *(_not_before(past, each) for each in late)]
    fresh = [message for message in fresh if past.floor is None or message.position > past.floor]
    return sorted([*past.messages, *fresh], key=lambda message: message.position)


def _not_before(past: Past, message: Message) -> Message:
    """A message from before the kept history is folded at its very beginning."""
    if past.floor is None or message.position > past.floor:
        return message
    return replace(message, moment=past.floor[0] + 1)
