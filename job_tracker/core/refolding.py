"""Refolding: a job's messages and deadlines are folded again, because something turned up that belongs between them.

Rule: the result is the one that an observer who had heard everything in order would have.
"""

from dataclasses import replace

from job_tracker.core.folding import (
    Archive,
    Change,
    Past,
    Record,
    checkpoint_if_due,
    fold_deadline,
    fold_message,
    reach,
)
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position
from job_tracker.core.standing import Run, Standing
from job_tracker.core.states import Shown
from job_tracker.core.verdicts import shown

Limit = tuple[int, ...]
"""A moment, or a whole deadline, that those to be judged come before."""


class _OlderRunError(Exception):
    """A message names a run from before the checkpoint, which may have changed since: begin before that run."""


def refold(
    jobs: Jobs,
    job: Job,
    record: Record,
    late: Message | None,
    *,
    limit: int,
    archive: Archive,
) -> None:
    """Fold a job again with a late message, or with the deadline that a message overtook; the record tells the result.

    limit: microseconds, before which deadlines could be judged before this step.
    """
    skipped = record.standing.skipped
    position: Position = late.position if late is not None else (skipped.moment if skipped else 0, "", 0)
    rewound = None if record.rewound is None else reach(record.rewound)
    if rewound is not None:
        position = min(position, rewound)
    older_than: int | None = None
    while True:
        past = archive.past(job.key, position, older_than)
        attempt = _Refold(jobs, job, past, archive, can_go_back=past.floor is not None and older_than is None)
        try:
            attempt.run(_in_order(past, record, late), _limit(record.standing, late, limit))
        except _OlderRunError as named:
            older_than = named.args[0]
            continue
        break
    if late is not None:
        record.messages.append(_not_before(past, late))
    standing = attempt.record.standing
    standing.blind, standing.source, standing.covered = (
        record.standing.blind,
        record.standing.source,
        record.standing.covered,
    )
    record.standing, record.runs, record.changes = standing, attempt.record.runs, attempt.record.changes
    record.checkpoints, record.rewound = attempt.record.checkpoints, past.checkpoint


class _Refold:
    """One attempt to fold a past again."""

    def __init__(self, jobs: Jobs, job: Job, past: Past, archive: Archive, *, can_go_back: bool) -> None:
        self.jobs, self.job, self.archive, self.can_go_back = jobs, job, archive, can_go_back
        self.first = past.checkpoint.count
        self.record = Record(standing=past.checkpoint.fork())

    def run(self, messages: list[Message], limit: Limit) -> None:
        """Fold the messages, and between and after them the deadlines before a limit."""
        for message in messages:
            self.judge(min(limit, (message.moment,)))
            self.fold(message)
        self.judge(limit)

    def judge(self, limit: Limit) -> None:
        standing = self.record.standing
        while (deadline := standing.deadline) is not None and deadline < limit:
            before = shown(self.job, standing)
            fold_deadline(standing, self.job, deadline)
            self.note(deadline.moment, before)

    def fold(self, message: Message) -> None:
        standing = self.record.standing
        before = shown(self.job, standing)
        fold_message(standing, self.jobs, self.job, message, self.shelf)
        self.note(message.moment, before)

    def note(self, moment: int, before: Shown) -> None:
        record, standing = self.record, self.record.standing
        after = shown(self.job, standing)
        record.runs.update(standing.changed)
        standing.changed.clear()
        if after != before:
            record.changes.append(Change(at=moment, job=self.job, before=before, after=after, standing=standing.fork()))
        checkpoint_if_due(record)

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id that this attempt has let go of, else the one the ledger keeps from before."""
        mine = [run for run in self.record.runs.values() if run.id == id]
        if mine:
            return max(mine, key=lambda run: run.order)
        kept = self.archive.run(self.job.key, id)
        if kept is None or kept.order > self.first:
            return None
        if self.can_go_back:
            raise _OlderRunError(kept.order)
        return kept


def _limit(standing: Standing, late: Message | None, limit: int) -> Limit:
    """Deadlines before this are judged: those that could be before, or else the one that can be only now."""
    judged: Limit = (-1 if standing.judged is None else standing.judged + 1,)
    if late is None and standing.skipped is not None:
        moment, rank, run = standing.skipped
        return max(judged, (moment, rank, run + 1))
    return max(judged, (limit,))


def _in_order(past: Past, record: Record, late: Message | None) -> list[Message]:
    fresh = [*record.messages] if late is None else [*record.messages, _not_before(past, late)]
    fresh = [message for message in fresh if past.floor is None or message.position > past.floor]
    return sorted([*past.messages, *fresh], key=lambda message: message.position)


def _not_before(past: Past, message: Message) -> Message:
    """A message from before the kept history is folded at its very beginning."""
    if past.floor is None or message.position > past.floor:
        return message
    return replace(message, moment=past.floor[0] + 1)
