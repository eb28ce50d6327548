"""The walk of one step through messages and deadlines; the theory stands at the head of `step`.

Rule: each standing that is touched is forked once, so the old board stays as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from operator import attrgetter

from job_tracker.core.board import NEVER, Board, Clock
from job_tracker.core.clock_set_back import (
    PATIENCE,
    is_believed,
    is_judged_ahead,
    reaches_back,
    see_nothing_ahead,
    waits_for,
)
from job_tracker.core.folding import is_before, is_late
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.pen import Pen
from job_tracker.core.record import Archive, Change, Record, Step, newest_of
from job_tracker.core.refolding import refold
from job_tracker.core.sight import Sight
from job_tracker.core.standing import Deadline, Rank, Run, Standing, Unseen
from job_tracker.core.states import Shown


class Walk:
    """One step under way; it forks each standing it touches once, so the old board stays as it was."""

    def __init__(
        self, board: Board, jobs: Jobs, sight: Sight, archive: Archive, most: int | None, *, trail: bool = False
    ) -> None:
        self.board, self.jobs, self.sight = board, jobs, sight
        self.now, self.archive, self.most, self.trail = sight.now, archive, most, trail
        self.done = 0
        self.clock = board.clock.shows(self.now, jobs.grace)
        self.late: dict[str, list[Message]] = {}
        self.pens: dict[str, Pen] = {}
        self.changes: list[Change] = []
        self.agenda: list[tuple[int, int, int, int, str]] = []
        self.waiting: dict[str, Job] = {}
        self.to_come: dict[str, list[int]] = {}

    def step(self, messages: list[Message]) -> Step:
        """Walk through messages, in order, and the deadlines between them."""
        for message in reversed(messages):
            self.to_come.setdefault(message.key, []).append(message.moment)
        if is_believed(self.clock, self.now) and self.take_back():
            return self.made(self.board.drained, self.now, messages, is_set_back=True)
        self.give_to_sources(messages)
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
        return self.made(self.sight.drained, self.find_unseen())

    @property
    def is_enough(self) -> bool:
        """Whether as much was done as one step may."""
        return self.most is not None and self.done >= self.most

    def stop_before(self, moment: int, unheard: list[Message]) -> Step:
        """What was made so far; of the sources no more is believed than what has been heard and judged of them."""
        for key in [*self.late]:
            self.fold_late(self.pen_of(self.jobs.by_key[key]))
        before = self.board.drained
        drained = {
            source: max(min(upto, moment), before.get(source, -1)) for source, upto in self.sight.drained.items()
        }
        return self.made(drained, self.now, unheard)

    def made(
        self, drained: Mapping[str, int], wake: int, unheard: Iterable[Message] = (), *, is_set_back: bool = False
    ) -> Step:
        """What the walk comes to; wake: at the latest, unheard: messages that the next step has to hear."""
        records = {key: pen.record for key, pen in self.pens.items()}
        touched = {key: record.standing for key, record in records.items()}
        if self.clock.waiting and not self.clock.waiting.isdisjoint(touched):
            self.clock = replace(self.clock, missing=frozenset())
        board = self.board.updated(self.jobs, touched, drained, self.clock)
        if wake > self.now:
            wake = min(wake, board.wake_after(self.now))
            if self.clock.back_since is not None and not is_believed(self.clock, self.now):
                wake = min(wake, self.clock.back_since + PATIENCE)
        return Step(
            board=board,
            changes=tuple(self.changes),
            records=records,
            wake=None if wake == NEVER else wake,
            unheard=tuple(unheard),
            is_set_back=is_set_back,
        )

    # -- the clock was set back ----------------------------------------------------------------------------------

    def take_back(self) -> bool:
        """The clock was set back, or may have been: take back what is ahead of it; whether there was anything.

        That is a step of its own, for what comes after may ask the archive for what it leaves.  All jobs are looked at
        once; after that only those that have to wait for their sources, and only when one of these is back.
        """
        known, missing = self.clock.waiting, self.clock.missing
        if known is not None and missing and missing.isdisjoint(self.sight.drained):
            return False
        keys = [key for key, _ in self.board.standings()] if known is None else sorted(known)
        waiting: dict[str, frozenset[str]] = {}
        for key in keys:
            job = self.jobs.by_key[key]
            standing = self.board.standing(job)
            if not is_judged_ahead(standing, self.now + self.jobs.grace):
                continue
            if self.is_enough:
                return True
            away = waits_for(job, standing, self.sight)
            if away:
                waiting[key] = away
            else:
                self.take_back_of(job)
        if waiting:
            away = frozenset().union(*waiting.values())
            self.clock = replace(self.clock, waiting=frozenset(waiting), missing=away)
        else:
            self.clock = Clock(latest=self.now)
        return bool(self.pens)

    def take_back_of(self, job: Job) -> None:
        """Judge a job anew without what lies ahead of a clock that was set back, where it was judged so far."""
        if not reaches_back(job, self.board.standing(job), self.now, self.archive):
            return
        pen = self.pen_of(job)
        self.done += see_nothing_ahead(pen, self.sight, self.archive)
        self.go_on(pen, pen.note(self.now, in_history=False))

    # -- what comes next -----------------------------------------------------------------------------------------

    def give_to_sources(self, messages: list[Message]) -> None:
        """A job belongs to the source that delivered last; deadlines that the one before was past stay judgeable.

        A step before this may have heard of a later delivery, and left this message unheard.
        """
        for message in sorted(messages, key=attrgetter("received")):
            job = self.jobs.by_key[message.key]
            if message.source == OPERATOR:
                continue
            if message.received < self.standing_of(job).delivered <= self.now:
                continue
            standing = self.pen_of(job).record.standing
            if message.source != standing.source:
                former = self.sight.former_horizon(job, standing)
                standing.former_source_drained = max(former, standing.former_source_drained)
                standing.source = message.source
                self.waiting[job.key] = job
            standing.delivered = message.received

    def find_due(self) -> None:
        """Put on the agenda the deadlines of all that may have one by now."""
        for key in self.board.concerned(self.now):
            self.waiting[key] = self.jobs.by_key[key]
        for job in self.waiting.values():
            self.plan(job, self.standing_of(job))

    def plan(self, job: Job, standing: Standing) -> None:
        """Put the job's next judgement on the agenda, if its sources are drained far enough.

        One that the job's next message comes before is left to that message, which may move it.
        """
        if standing.overtaken is None:
            to_come = self.to_come.get(job.key)
            if standing.deadline is None or (to_come and to_come[-1] <= standing.deadline.moment):
                return
        deadline = self.sight.due(job, standing)
        if deadline is not None:  # at equal moments: timeouts, then missed starts, then the order of configuration
            heappush(self.agenda, (deadline.moment, deadline.rank, job.order, deadline.run, job.key))

    # -- what happens --------------------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Let a message speak, or put it to those that came late."""
        pen = self.pen_of(self.jobs.by_key[message.key])
        to_come = self.to_come[message.key]
        to_come.pop()
        standing = pen.record.standing
        if is_late(standing, message):
            self.late.setdefault(message.key, []).append(message)
            if self.most is None or not to_come or not is_before(standing, to_come[-1]):
                self.fold_late(pen)
            return
        self.fold_late(pen)
        pen.record.messages.append(message)
        self.go_on(pen, pen.message(message))

    def judge(self, moment: int, rank: int, _order: int, run: int, key: str) -> None:
        """Let a deadline count, or fold the job again where a message has overtaken it."""
        job = self.jobs.by_key[key]
        if key in self.late:
            self.fold_late(self.pen_of(job))
        standing = self.standing_of(job)
        if (standing.overtaken or standing.deadline) != (moment, rank, run):
            return  # a message has moved it since it was planned
        self.done += 1
        pen = self.pen_of(job)
        if standing.overtaken is not None:
            self.refold(pen, (), moment)
        else:
            self.go_on(pen, pen.deadline(Deadline(moment, Rank(rank), run)))

    def fold_late(self, pen: Pen) -> None:
        """Fold what came late of a job where it belongs, all of it at once."""
        late = self.late.pop(pen.job.key, None)
        if late:
            self.refold(pen, late, late[-1].moment)

    def refold(self, pen: Pen, late: Sequence[Message], moment: int) -> None:
        """Fold the job again with what had been judged before; deadlines that can be judged only now come after."""
        limit = self.sight.former_horizon(pen.job, self.board.standing(pen.job))
        self.done += refold(self.jobs, pen.job, pen.record, late, limit=limit, now=self.now, archive=self.archive)
        self.go_on(pen, pen.note(moment, in_history=False))

    def go_on(self, pen: Pen, change: Change | None) -> None:
        """Tell the change that an item made, and plan what it leads to."""
        if change is not None:
            self.changes.append(change)
        self.plan(pen.job, pen.record.standing)

    # -- what cannot be seen -------------------------------------------------------------------------------------

    def find_unseen(self) -> int:
        """Find the jobs whose deadline has passed unseen for too long; return when the next will have, or NEVER."""
        concerned = dict(self.waiting)
        concerned.update((key, pen.job) for key, pen in self.pens.items())
        onsets: list[tuple[int, int, Job, Unseen | None]] = []
        wakes: list[int] = []
        for job in concerned.values():
            standing = self.standing_of(job)
            if standing.deadline is not None and standing.deadline.moment > self.now:
                wakes.append(standing.deadline.moment)
            unseen = self.sight.unseen(job, standing)
            if unseen is not None and unseen.since > self.now:
                wakes.append(unseen.since)
                unseen = None
            if unseen != standing.unseen:
                onsets.append((unseen.since if unseen else self.now, job.order, job, unseen))
        for moment, _order, job, unseen in sorted(onsets, key=lambda onset: onset[:2]):
            pen = self.pen_of(job)
            pen.record.standing.unseen = unseen
            change = pen.change(moment)
            if change is not None:
                self.changes.append(change)
        return min(wakes, default=NEVER)

    # -- who is touched ------------------------------------------------------------------------------------------

    def standing_of(self, job: Job) -> Standing:
        """What a job carries by now."""
        pen = self.pens.get(job.key)
        return self.board.standing(job) if pen is None else pen.record.standing

    def pen_of(self, job: Job) -> Pen:
        """The pen of a job that is touched."""
        pen = self.pens.get(job.key)
        if pen is None:
            record = Record(standing=self.board.standing(job).fork(), trail=[] if self.trail else None)
            pen = self.pens[job.key] = _WalkPen(self.jobs, job, record, self.archive, self.sight)
        return pen


class _WalkPen(Pen):
    """Writes what happens to one job for the first time."""

    __slots__ = ("archive", "sight")

    def __init__(self, jobs: Jobs, job: Job, record: Record, archive: Archive, sight: Sight) -> None:
        super().__init__(jobs, job, record)
        self.archive, self.sight = archive, sight

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id: of this step, or of those the archive keeps; what was rewound is no more."""
        record = self.record
        last = record.standing if record.rewound is None else record.rewound
        return newest_of(record.runs, id, self.archive.run(self.job.key, id, last.count))

    def look(self, standing: Standing, before: Shown, *, is_news: bool) -> Unseen | None:
        """As somebody sees it who looks after each item."""
        return self.sight.still_unseen(self.job, standing, before, is_news=is_news)
