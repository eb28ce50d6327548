"""Refolding: a job's messages and deadlines are folded again, because something turned up that belongs between them.

Rule: the result is the one that an observer who had heard everything in order would have.
"""

from collections.abc import Sequence
from dataclasses import replace

from job_tracker.core.folding import (
    BEHIND,
    Archive,
    Change,
    Past,
    Record,
    checkpoint_if_due,
    fold_deadline,
    fold_message,
    newest_of,
    reach,
)
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message, Position, Signal, signal_of
from job_tracker.core.standing import Run, Standing
from job_tracker.core.states import Shown
from job_tracker.core.verdicts import shown

EARLIEST: Position = (-1, "", 0)
"""Before everything."""

Limit = tuple[int, ...]
"""A moment, or a whole deadline, that those to be judged come before."""


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
    skipped = record.standing.skipped
    position: Position = min((each.position for each in late), default=(skipped.moment if skipped else 0, "", 0))
    if record.rewound is not None:  # what the archive keeps from later on is no more
        position = min(position, reach(record.rewound) or EARLIEST)
    before = _limit(record.standing, limit, now, overtaken=not late)
    return _fold_again(jobs, job, record, late, position, before, archive)


def unfold(jobs: Jobs, job: Job, record: Record, *, limit: int, now: int, archive: Archive) -> int:
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
    standing.blind, standing.source = before.blind, before.source
    standing.delivered, standing.covered = before.delivered, before.covered
    record.standing, record.runs, record.changes = standing, attempt.record.runs, attempt.record.changes
    record.checkpoints, record.rewound = attempt.record.checkpoints, past.checkpoint
    return attempt.folded


class _Refold:
    """One attempt to fold a past again."""

    def __init__(self, jobs: Jobs, job: Job, past: Past, archive: Archive, *, can_go_back: bool) -> None:
        self.jobs, self.job, self.archive, self.can_go_back = jobs, job, archive, can_go_back
        self.first = past.checkpoint.count
        self.folded = 0
        self.record = Record(standing=past.checkpoint.fork())
        self.record.runs.update((run.order, run) for run in past.checkpoint.runs)  # as they were, whatever came after

    def look_for_older_runs(self, messages: list[Message]) -> None:
        """What these messages did to a run from before the checkpoint can be undone only from before that run.

        Where that is forgotten, the run is at least without errors again: it had none, or it would have been kept.
        """
        known = {run.id for run in self.record.standing.runs}
        for message in messages:
            if message.run is not None and message.run not in known:
                known.add(message.run)
                if signal_of(message.event, self.jobs.keywords) in (Signal.END, Signal.ERROR):
                    run = self.shelf(message.run)
                    if run is not None:
                        self.record.runs[run.order] = run

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
        self.folded += 1
        record, standing = self.record, self.record.standing
        after = shown(self.job, standing)
        record.runs.update(standing.changed)
        standing.changed.clear()
        if after != before:
            record.changes.append(Change(at=moment, job=self.job, before=before, after=after, standing=standing.fork()))
        checkpoint_if_due(record)

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id that this attempt has let go of, else the one the ledger keeps from before."""
        kept = self.archive.run(self.job.key, id, self.first)
        found = newest_of(self.record.runs, id, kept)
        if kept is None or found is not kept:
            return found
        if self.can_go_back:
            raise _OlderRunError(kept.order)
        return replace(kept, errors=0)


def _limit(standing: Standing, limit: int, now: int, *, overtaken: bool) -> Limit:
    """Deadlines before this are judged: those that could be before, or else the one that can be only now."""
    judged: Limit = (-1 if standing.judged is None or standing.judged > now else standing.judged + 1,)
    if overtaken and standing.skipped is not None:
        moment, rank, run = standing.skipped
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
