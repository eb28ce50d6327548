"""Refolding: a job's messages and deadlines are folded again, because something turned up that belongs between them.

Rule: the result is the one that an observer who had heard everything in order would have.
"""

from collections.abc import Mapping
from dataclasses import replace

from job_tracker.core.folding import (
    Archive,
    Change,
    Past,
    Record,
    checkpoint_if_due,
    due,
    fold_deadline,
    fold_message,
    reach,
)
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position
from job_tracker.core.runs import Run
from job_tracker.core.states import Shown
from job_tracker.core.verdicts import shown


class _OlderRunError(Exception):
    """A message names a run from before the checkpoint, which may have changed since: begin before that run."""


def refold(
    jobs: Jobs,
    job: Job,
    record: Record,
    late: Message | None,
    *,
    drained: Mapping[str, int],
    until: int,
    archive: Archive,
) -> None:
    """Fold a job again with a late message, or with deadlines that can be judged only now; the record tells the result.

    until: microseconds, the last moment a deadline may have.
    """
    skipped = record.standing.skipped
    position: Position = late.position if late is not None else (skipped or 0, "", 0)
    rewound = None if record.rewound is None else reach(record.rewound)
    if rewound is not None:
        position = min(position, rewound)
    older_than: int | None = None
    while True:
        past = archive.past(job.key, position, older_than)
        attempt = _Refold(jobs, job, past, archive, can_go_back=past.floor is not None and older_than is None)
        try:
            attempt.run(_in_order(past, record, late), drained, until)
        except _OlderRunError as named:
            older_than = named.args[0]
            continue
        break
    if late is not None:
        record.messages.append(_not_before(past, late))
    standing = attempt.record.standing
    standing.blind = record.standing.blind
    record.standing, record.runs, record.changes = standing, attempt.record.runs, attempt.record.changes
    record.checkpoints, record.rewound = attempt.record.checkpoints, past.checkpoint


class _Refold:
    """One attempt to fold a past again."""

    def __init__(self, jobs: Jobs, job: Job, past: Past, archive: Archive, *, can_go_back: bool) -> None:
        self.jobs, self.job, self.archive, self.can_go_back = jobs, job, archive, can_go_back
        self.first = past.checkpoint.count
        self.record = Record(standing=past.checkpoint.fork())

    def run(self, messages: list[Message], drained: Mapping[str, int], until: int) -> None:
        for message in messages:
            self.judge(drained, min(until, message.moment - 1))
            self.fold(message)
        self.judge(drained, until)

    def judge(self, drained: Mapping[str, int], until: int) -> None:
        standing = self.record.standing
        while (deadline := due(self.job, standing, self.jobs, drained, until)) is not None:
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


def _in_order(past: Past, record: Record, late: Message | None) -> list[Message]:
    fresh = [*record.messages] if late is None else [*record.messages, _not_before(past, late)]
    fresh = [message for message in fresh if past.floor is None or message.position > past.floor]
    return sorted([*past.messages, *fresh], key=lambda message: message.position)


def _not_before(past: Past, message: Message) -> Message:
    """A message from before the kept history is folded at its very beginning."""
    if past.floor is None or message.position > past.floor:
        return message
    return replace(message, moment=past.floor[0] + 1)
