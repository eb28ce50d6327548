"""The tracker: lets messages and deadlines speak in the order of their moments.

Rule: the board and the archive are the whole memory; how often `step` is called changes nothing in the result.
Rule: a deadline is judged once all sources the job belongs to are drained past it; until then silence proves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from operator import attrgetter
from types import MappingProxyType

from job_tracker.core.board import NEVER, Board, Clock, Watermarks
from job_tracker.core.folding import (
    Archive,
    Change,
    Record,
    checkpoint_if_due,
    due,
    fold_deadline,
    fold_message,
    horizon,
    is_before,
    is_late,
    newest_of,
    owners,
)
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.refolding import refold, unfold
from job_tracker.core.setback import PATIENCE, is_believed, is_judged_ahead, reaches_back, see_nothing_ahead
from job_tracker.core.standing import Blind, Deadline, Rank, Run, Standing
from job_tracker.core.states import UNSEEN, Shown
from job_tracker.core.verdicts import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step made: the new board, the changes in the order they were found, what to write, when to wake.

    records: by job.  wake: microseconds, None if nothing but a message can change anything.
    unheard: messages that are to be given to the next step, for there was too much to do before them.
    is_set_back: all that it did was to take back what had been judged by a clock that ran ahead.
    """

    board: Board
    changes: tuple[Change, ...]
    records: Mapping[str, Record]
    wake: int | None
    unheard: tuple[Message, ...]
    is_set_back: bool


def step(
    board: Board,
    jobs: Jobs,
    messages: Iterable[Message],
    watermarks: Watermarks,
    now: int,
    archive: Archive,
    most: int | None = None,
) -> Step:
    """Let messages and deadlines speak in the order of their moments, up to now.

    messages: of configured jobs, from sources that may speak for them, each heard for the first time.
    most: deadlines and refolded messages after which it stops, to go on with the next step: an absence of months, or a
    clock set ahead by years, holds more than fits into the memory or into a minute.  Late messages of a job are then
    folded together, and make one change instead of one each.
    """
    # a watermark ahead of the clock was set by a clock that ran wrong: nobody has looked that far
    drained = {source: moment for source, moment in board.drained.items() if moment <= now + 1}
    if len(drained) < len(board.drained):
        board = replace(board, drained=MappingProxyType(dict(drained)))
    for source, watermark in watermarks.items():
        if watermark.drained is not None and watermark.drained <= now + 1:
            drained[source] = max(watermark.drained, drained.get(source, -1))
    hand = _Hand(board, jobs, MappingProxyType(drained), watermarks, now, archive, most)
    return hand.step(sorted(messages, key=lambda message: message.position))


class _Hand:
    """One step under way; it forks each standing it touches once, so the old board stays as it was."""

    def __init__(
        self,
        board: Board,
        jobs: Jobs,
        drained: Mapping[str, int],
        watermarks: Watermarks,
        now: int,
        archive: Archive,
        most: int | None,
    ) -> None:
        self.board, self.jobs, self.drained, self.watermarks = board, jobs, drained, watermarks
        self.now, self.archive, self.most = now, archive, most
        self.done = 0
        self.clock = board.clock.shows(now, jobs.grace)
        self.late: dict[str, list[Message]] = {}
        self.records: dict[str, Record] = {}
        self.changes: list[Change] = []
        self.agenda: list[tuple[int, int, int, int, str]] = []
        self.waiting: dict[str, Job] = {}
        self.messages: list[Message] = []
        self.to_come: dict[str, list[int]] = {}

    def step(self, messages: list[Message]) -> Step:
        self.messages = messages
        for message in reversed(messages):
            self.to_come.setdefault(message.key, []).append(message.moment)
        if is_believed(self.clock, self.now) and self.take_back():
            return self.made(self.board.drained, self.now, messages, is_set_back=True)
        self.give_to_sources()
        self.find_due()
        for at, message in enumerate(messages):
            while self.agenda and self.agenda[0][0] < message.moment:
                if self.is_enough:
                    return self.stop_before(self.agenda[0][0] + 1, messages[at:])
                self.judge(*heappop(self.agenda))
            if self.is_enough:
                return self.stop_before(message.moment, messages[at:])
            self.hear(message)
        while self.agenda:
            if self.is_enough:
                return self.stop_before(self.agenda[0][0] + 1, [])
            self.judge(*heappop(self.agenda))
        return self.made(self.drained, self.look_around())

    @property
    def is_enough(self) -> bool:
        return self.most is not None and self.done >= self.most

    def stop_before(self, moment: int, unheard: list[Message]) -> Step:
        """What was made so far; of the sources no more is believed than what has been heard and judged of them."""
        for key in [*self.late]:
            self.fold_late(self.jobs.by_key[key])
        before = self.board.drained
        drained = {source: max(min(upto, moment), before.get(source, -1)) for source, upto in self.drained.items()}
        return self.made(drained, self.now, unheard)

    def take_back(self) -> bool:
        """The clock was set back, or may have been: take back what is ahead of it; whether there was anything.

        That is a step of its own, for what comes after may ask the archive for what it leaves.
        """
        rest = 0
        for key, standing in self.board.standings():
            if is_judged_ahead(standing, self.now + self.jobs.grace):
                if self.is_enough:
                    return True
                rest += not self.take_back_of(self.jobs.by_key[key], standing)
        if not rest:
            self.clock = Clock(latest=self.now)
        return bool(self.records)

    def take_back_of(self, job: Job, standing: Standing) -> bool:
        """False if that has to wait until its sources are drained by the right clock."""
        is_judged = standing.judged is not None and standing.judged > self.now
        if is_judged and not all(source in self.drained for source in owners(job, standing, self.jobs)):
            return False
        if is_judged and not reaches_back(job, self.now, self.archive):
            return True
        record = self.record_of(job)
        before = shown(job, record.standing)
        see_nothing_ahead(record.standing, self.now)
        self.done += 1
        if is_judged:
            limit = horizon(job, record.standing, self.jobs, self.drained, self.now)
            self.done += unfold(self.jobs, job, record, limit=limit, now=self.now, archive=self.archive)
        self.note(job, record, self.now, before, in_history=False)
        return True

    def made(
        self, drained: Mapping[str, int], wake: int, unheard: Iterable[Message] = (), *, is_set_back: bool = False
    ) -> Step:
        touched = {key: record.standing for key, record in self.records.items()}
        board = self.board.updated(self.jobs, touched, drained, self.clock)
        if wake > self.now:
            wake = min(wake, board.wake_after(self.now))
            if self.clock.back_since is not None and not is_believed(self.clock, self.now):
                wake = min(wake, self.clock.back_since + PATIENCE)
        return Step(
            board=board,
            changes=tuple(self.changes),
            records=self.records,
            wake=None if wake == NEVER else wake,
            unheard=tuple(unheard),
            is_set_back=is_set_back,
        )

    def find_due(self) -> None:
        for key in self.board.concerned(self.now):
            self.waiting[key] = self.jobs.by_key[key]
        for key, job in self.waiting.items():
            self.plan(job, self.records[key].standing if key in self.records else self.board.standing(job))

    def give_to_sources(self) -> None:
        """A job belongs to the source that delivered last; deadlines that the one before covered stay covered.

        A step before this may have heard of a later delivery, and left this message unheard.
        """
        for message in sorted(self.messages, key=attrgetter("received")):
            job = self.jobs.by_key[message.key]
            if message.received < self.board.standing(job).delivered <= self.now:
                continue
            standing = self.record_of(job).standing
            if message.source != standing.source:
                covered = horizon(job, standing, self.jobs, self.board.drained, self.now - 1)
                standing.source, standing.covered = message.source, max(covered, standing.covered)
                self.waiting[job.key] = job
            standing.delivered = message.received

    def plan(self, job: Job, standing: Standing) -> None:
        """Put the job's next judgement on the agenda, if its sources are drained far enough.

        One that the job's next message comes before is left to that message, which may move it.
        """
        if standing.skipped is not None:
            if standing.skipped.moment < horizon(job, standing, self.jobs, self.drained, self.now):
                self.put_on_agenda(job, standing.skipped)
            return
        to_come = self.to_come.get(job.key)
        if standing.deadline is None or (to_come and to_come[-1] <= standing.deadline.moment):
            return
        deadline = due(job, standing, self.jobs, self.drained, self.now)
        if deadline is not None:
            self.put_on_agenda(job, deadline)

    def put_on_agenda(self, job: Job, deadline: Deadline) -> None:
        """At equal moments: timeouts, then missed starts, then the order of configuration."""
        heappush(self.agenda, (deadline.moment, deadline.rank, job.order, deadline.run, job.key))

    def record_of(self, job: Job) -> Record:
        record = self.records.get(job.key)
        if record is None:
            record = self.records[job.key] = Record(standing=self.board.standing(job).fork())
        return record

    def hear(self, message: Message) -> None:
        job = self.jobs.by_key[message.key]
        to_come = self.to_come[job.key]
        to_come.pop()
        record = self.record_of(job)
        standing = record.standing
        if is_late(standing, message):
            self.late.setdefault(job.key, []).append(message)
            if self.most is None or not to_come or not is_before(standing, to_come[-1]):
                self.fold_late(job)
            return
        self.fold_late(job)
        standing = record.standing
        before = shown(job, standing)
        fold_message(standing, self.jobs, job, message, lambda id: self.shelf(record, job, id))
        record.messages.append(message)
        self.note(job, record, message.moment, before, in_history=True)

    def fold_late(self, job: Job) -> None:
        """Fold what came late of a job where it belongs, all of it at once."""
        late = self.late.pop(job.key, None)
        if late:
            record = self.record_of(job)
            before = shown(job, record.standing)
            self.refold(job, record, late)
            self.note(job, record, late[-1].moment, before, in_history=False)

    def judge(self, moment: int, rank: int, order: int, run: int, key: str) -> None:
        job = self.jobs.by_key[key]
        self.fold_late(job)
        standing = self.records[key].standing if key in self.records else self.board.standing(job)
        if (standing.skipped or standing.deadline) != (moment, rank, run):
            return  # a message has moved it since it was planned
        self.done += 1
        if standing.skipped is not None:
            record = self.record_of(job)
            before = shown(job, record.standing)
            self.refold(job, record, ())
            self.note(job, record, moment, before, in_history=False)
            return
        record = self.record_of(job)
        before = shown(job, record.standing)
        fold_deadline(record.standing, job, Deadline(moment, Rank(rank), run))
        self.note(job, record, moment, before, in_history=True)

    def refold(self, job: Job, record: Record, late: Sequence[Message]) -> None:
        """Fold the job again with what had been judged before; deadlines that can be judged only now come after."""
        limit = horizon(job, self.board.standing(job), self.jobs, self.board.drained, self.now - 1)
        self.done += refold(self.jobs, job, record, late, limit=limit, now=self.now, archive=self.archive)

    def note(self, job: Job, record: Record, moment: int, before: Shown, *, in_history: bool) -> None:
        """Keep what an item changed, and plan what it leads to; a refold has written the history itself."""
        standing = record.standing
        if standing.changed:
            record.runs.update(standing.changed)
            standing.changed.clear()
        standing.blind = self.still_blind(job, standing, before)
        self.tell(job, record, moment, before, in_history=in_history)
        checkpoint_if_due(record)
        self.plan(job, standing)

    def still_blind(self, job: Job, standing: Standing, before: Shown) -> Blind | None:
        """What cannot be seen after an item: while more of the job is to come, nothing new."""
        blind, deadline = standing.blind, standing.skipped or standing.deadline
        if blind is not None and before.status == UNSEEN and deadline is not None and deadline.moment == blind.deadline:
            return blind  # until that very deadline is judged
        if deadline is None or deadline.moment > self.now or (blind is None and self.to_come.get(job.key)):
            return None
        blind = self.blindness(job, standing)
        return blind if blind is not None and blind.since < self.now else None

    def tell(self, job: Job, record: Record, moment: int, before: Shown, *, in_history: bool = True) -> None:
        after = shown(job, record.standing)
        if after != before:
            change = Change(at=moment, job=job, before=before, after=after, standing=record.standing.fork())
            self.changes.append(change)
            if in_history:
                record.changes.append(change)

    def shelf(self, record: Record, job: Job, id: str) -> Run | None:
        """The newest run with an id: of this step, or of those the archive keeps; what was rewound is no more."""
        kept = self.archive.run(job.key, id, record.standing.count if record.rewound is None else record.rewound.count)
        return newest_of(record.runs, id, kept)

    def look_around(self) -> int:
        """Find the jobs whose deadline has passed unseen for too long; return when the next will have, or NEVER."""
        concerned = dict(self.waiting)
        concerned.update((key, self.jobs.by_key[key]) for key in self.records)
        onsets: list[tuple[int, int, Job, Blind | None]] = []
        wakes: list[int] = []
        for key, job in concerned.items():
            standing = self.records[key].standing if key in self.records else self.board.standing(job)
            if standing.deadline is not None and standing.deadline.moment > self.now:
                wakes.append(standing.deadline.moment)
            blind = self.blindness(job, standing)
            if blind is not None and blind.since > self.now:
                wakes.append(blind.since)
                blind = None
            if blind != standing.blind:
                onsets.append((blind.since if blind else self.now, job.order, job, blind))
        for moment, _order, job, blind in sorted(onsets, key=lambda onset: onset[:2]):
            record = self.record_of(job)
            before = shown(job, record.standing)
            record.standing.blind = blind
            self.tell(job, record, moment, before)
        return min(wakes, default=NEVER)

    def blindness(self, job: Job, standing: Standing) -> Blind | None:
        """The passed deadline that no watermark covers, and from when that is UNKNOWN; it may lie ahead."""
        deadline = standing.skipped or standing.deadline
        if deadline is None or deadline.moment > self.now:
            return None
        passed = deadline.moment
        known = standing.blind if standing.blind is not None and standing.blind.deadline == passed else None
        if known is not None and passed < horizon(job, standing, self.jobs, self.drained, self.now):
            return None
        lagging = [
            (self.lags_from(source, passed), source)
            for source in owners(job, standing, self.jobs)
            if self.drained.get(source, -1) <= passed
        ]
        if not lagging:
            return None
        lags_from, source = min(lagging)
        since = max(passed, lags_from + self.jobs.tolerance)
        if known is None:
            return Blind(since=since, deadline=passed, source=source, unheard_since=lags_from)
        if since > self.now or any(name == known.source for _, name in lagging):
            return known
        return replace(known, source=source, unheard_since=lags_from)  # the one that was named is back

    def lags_from(self, source: str, passed: int) -> int:
        """Since when nothing is known of a source; if a clock that ran wrong says that, since the deadline passed."""
        watermark = self.watermarks.get(source)
        moment = self.board.drained.get(source, self.now) if watermark is None else watermark.lags_from
        return moment if moment <= self.now else passed
