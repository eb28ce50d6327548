"""Finding: what a step gives cause to tell, from what it wrote down and the board before it.

THE TRAIL.  Where events are wanted, each item that is folded for good leaves a `Trace`: its moment, the runs it put,
the starts missed by then, and the pause.  Walked through from the standing before, the trail names each event with its
own moment, however many items a step folded.

FOLDED AGAIN.  A job that was folded again leaves the trail of all that was folded, told or not.  What the log has is
not told again; what only the trail has is new, and late; what only the log has is no longer so, and is named by
whatever takes its place, or by the job's change.  Beyond the log's reach nobody knows what was told: there only what
the messages of this step themselves say is new.

NO FLOOD.  What a job showed in between is one change a step, and not told where nothing is left of it; missed starts
found at once are one event.  What became true of runs is told of each, and is `late` where it was over already.

Rule: pure, and asked after the step; a step that leaves no trail costs nothing here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from job_tracker.core import events
from job_tracker.core.board import Board
from job_tracker.core.events import Event, Log
from job_tracker.core.folding import reach
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.record import Archive, Change, Record, Step, Trace
from job_tracker.core.standing import Outcome, Pause, Run, Standing
from job_tracker.core.states import UNSEEN, Shown
from job_tracker.core.texts import describe
from job_tracker.moments import MICROSECONDS


def found(made: Step, before: Board, jobs: Jobs, archive: Archive, log: Log) -> list[Event]:
    """The events of a step, in the order in which they became true; before: the board it was made from.

    archive and log: as they were before the step.
    """
    changes: dict[str, list[Change]] = {}
    for change in made.changes:
        changes.setdefault(change.job.key, []).append(change)
    everything: list[Event] = []
    for key, record in made.records.items():
        job = jobs.by_key[key]
        trail = _Trail(job, record, before.standing(job), archive, log)
        withdrawn: tuple[int, ...] = ()
        if record.rewound is None:
            of_job = trail.told_late()
        else:
            of_job, withdrawn = _only_new(trail, record.rewound, log)
        everything += of_job
        everything += _of_changes(job, changes.get(key, ()), withdrawn, record)
    everything.sort(key=lambda event: event.at)
    return everything


def of_change(change: Change) -> Event:
    """What a job shows instead of what it showed before."""
    return _changed(change.job, change.before, change)


class _Trail:
    """One job's trail, walked through once.  events: as found; missed: the moments of deadlines that counted.

    runs: as they are by the item that is looked at; over: those that are no longer open behind all items.
    """

    def __init__(self, job: Job, record: Record, before: Standing, archive: Archive, log: Log) -> None:
        self.job, self.record, self.archive, self.log = job, record, archive, log
        self.before = before
        self.start = start = before if record.rewound is None else record.rewound
        self.runs: dict[int, Run] = {run.order: run for run in start.runs}
        self.over: dict[int, bool] = {}
        for trace in record.trail or ():
            self.over.update((run.order, run.outcome is not Outcome.OPEN) for run in trace.runs)
        self.ends: dict[int, Event] = {}
        self.events: list[Event] = []
        self.missed: list[int] = []
        missed, pause = start.missed, start.pause
        for trace in record.trail or ():
            for run in trace.runs if len(trace.runs) == 1 else sorted(trace.runs, key=attrgetter("order")):
                self.events += self._of_run(trace, run)
                self.runs[run.order] = run
            if trace.missed > missed:
                self.missed.append(trace.moment)
            if trace.pause != pause:
                self.events += self._of_pause(trace, pause)
            missed, pause = trace.missed, trace.pause

    def is_news(self, moment: int, *, is_deadline: bool) -> bool:
        """Whether nobody can have been told, for all that the log has forgotten.

        What lies behind all that was folded before is new, and so is a deadline that a message had overtaken.
        """
        place, overtaken = reach(self.before), self.before.overtaken
        if moment >= self.log.reach or place is None or moment > place[0]:
            return True
        if any(message.moment == moment for message in self.record.messages):
            return True
        return is_deadline and overtaken is not None and moment >= overtaken.moment

    def told_late(self) -> list[Event]:
        """All of it, and what was over already is late."""
        told: dict[Event | int, Event] = {}
        for event in self.events:
            late, corrects = event.late or self._is_overruled(event), event.corrects
            if corrects:
                corrects = tuple(told.get(each, each) for each in corrects)
            changes = late is not event.late or corrects
            told[event] = replace(event, late=late, corrects=corrects) if changes else event
        result = [*told.values()]
        if self.missed:
            result.append(events.of_missed(self.job, self.missed, late=not self.record.standing.missed))
        return result

    def _is_overruled(self, event: Event) -> bool:
        """Whether a later word on the same run took the place of this end."""
        return event.kind in events.END_KINDS and event.run is not None and self.ends.get(event.run) is not event

    def _of_run(self, trace: Trace, run: Run) -> Iterator[Event]:
        before, job, source = self._before(run), self.job, trace.source
        if run.begun is not None and (before is None or before.begun is None):
            yield events.of_run(events.STARTED, trace.moment, job, run, source, late=self.over[run.order])
        if run.timeouts and not (before is not None and before.timeouts):
            yield events.of_run(events.TIMEOUT, trace.moment, job, run, "", late=self.over[run.order])
        if run.outcome is Outcome.OPEN:
            return
        was_open = before is None or before.outcome is Outcome.OPEN
        if before is not None and _end_of(before) == _end_of(run):
            return
        kind = events.MARKED if source == OPERATOR and run.outcome is not Outcome.LOST else events.ENDS[run.outcome]
        event = events.of_run(kind, trace.moment, job, run, source)
        if before is not None and not was_open:
            event = replace(event, corrects=self._end_told(before))
        self.ends[run.order] = event
        yield event

    def _before(self, run: Run) -> Run | None:
        """The run as it was; one that the standing no longer kept is on the shelf."""
        known = self.runs.get(run.order)
        if known is None and run.id is not None and run.order <= self.start.count:
            shelved = self.archive.run(self.job.key, run.id, run.order)
            return shelved if shelved is not None and shelved.order == run.order else None
        return known

    def _end_told(self, run: Run) -> tuple[Event | int, ...]:
        """What was told last of how a run ended, if that is known."""
        if run.order in self.ends:
            return (self.ends[run.order],)
        since = next((each - 1 for each in (run.begun, run.ended) if each is not None), -1)
        told = self.log.of(self.job.key, since)
        return tuple(seq for seq, each in told if each.kind in events.END_KINDS and _names(each, run))[-1:]

    def _of_pause(self, trace: Trace, before: Pause | None) -> Iterator[Event]:
        pause, key = trace.pause, self.job.key
        if pause is None:
            yield events.of_job(events.RESUMED, trace.moment, key)
        elif pause.end > trace.moment:
            until, moved = pause.end / MICROSECONDS, before is not None
            told = events.of_job(events.PAUSED, trace.moment, key, until=until, text=pause.text, moved=moved)
            yield told if self.record.standing.pause is not None else replace(told, late=True)


class _Fact(NamedTuple):
    """What makes two events the same."""

    kind: str
    at: int
    id: str | None
    other_end: float | None


def _only_new(trail: _Trail, rewound: Standing, log: Log) -> tuple[list[Event], tuple[int, ...]]:
    """Of a job that was folded again: what was not told before, and the numbers of what is no longer so."""
    place = reach(rewound)
    floor = -1 if place is None else place[0]
    told = [(seq, each) for seq, each in log.of(trail.job.key, floor) if each.kind in events.OF_FOLDING]
    same = _numbers([(seq, each) for seq, each in told if each.kind != events.MISSED])
    overruled = {each for event in trail.events for each in event.corrects}
    known: dict[Event, int] = {}
    new: list[Event] = []
    for event in trail.events:
        numbers = same.get(_fact(event), [])
        if event in overruled:  # by what came behind it: nothing to tell any more, if it was not told
            known.update((event, seq) for seq in numbers[:1])
        elif numbers:
            numbers.pop(0)
        elif event.at > floor and trail.is_news(event.at, is_deadline=event.kind == events.TIMEOUT):
            new.append(event)
    left = [seq for numbers in same.values() for seq in numbers]
    missed, gone = _missed_anew(trail, [each for each in told if each[1].kind == events.MISSED], floor)
    late, left = _in_place_of(new, known, left, dict(told))
    return [*late, *missed], tuple(sorted([*left, *gone]))


def _in_place_of(
    new: list[Event], known: Mapping[Event, int], left: list[int], told: Mapping[int, Event]
) -> tuple[list[Event], list[int]]:
    """Late events that name what they correct; and what nothing took the place of."""
    result: list[Event] = []
    by_event: dict[Event, Event] = {}
    for event in new:
        corrects: list[Event | int] = []
        for each in event.corrects:
            named = by_event.get(each, known.get(each)) if isinstance(each, Event) else each
            corrects += [] if named is None or (isinstance(named, int) and named not in left) else [named]
        if event.kind in events.END_KINDS:
            corrects += [seq for seq in left if told[seq].kind in events.END_KINDS and _is_of_same(told[seq], event)]
        corrects = list(dict.fromkeys(corrects))
        left = [seq for seq in left if seq not in corrects]
        by_event[event] = replace(event, late=True, corrects=tuple(corrects))
        result.append(by_event[event])
    return result, left


def _missed_anew(trail: _Trail, told: list[tuple[int, Event]], floor: int) -> tuple[list[Event], list[int]]:
    """Missed starts that were not told, and the numbers of those that were and are none."""
    new, gone = [], []
    open_moments = [each for each in trail.missed if trail.is_news(each, is_deadline=True)]
    for seq, event in told:
        first = round(event.body["first"] * MICROSECONDS)
        inside = [each for each in trail.missed if first <= each <= event.at]
        open_moments = [each for each in open_moments if each not in inside]
        if first <= floor or len(inside) == event.body["count"]:
            continue
        if inside:
            new.append(replace(events.of_missed(trail.job, inside, late=True), corrects=(seq,)))
        else:
            gone.append(seq)
    if open_moments:
        is_over = not trail.record.standing.missed or trail.record.standing.judged != open_moments[-1]
        new.append(events.of_missed(trail.job, open_moments, late=is_over))
    return new, gone


def _of_changes(job: Job, changes: Iterable[Change], withdrawn: tuple[int, ...], record: Record) -> Iterator[Event]:
    """What the job shows now instead of what it showed before the step; withdrawn: what is no longer so."""
    found = list(changes)
    if found and found[0].before != found[-1].after:
        yield _changed(job, found[0].before, found[-1], withdrawn)
    elif withdrawn:
        at = (
            found[-1].at
            if found
            else max((message.moment for message in record.messages), default=record.standing.since)
        )
        text = "what was told of it before is judged anew"
        yield Event(kind=events.CHANGED, at=at, job=job.key, late=True, corrects=withdrawn, body={"text": text})


def _changed(job: Job, before: Shown, last: Change, corrects: tuple[int, ...] = ()) -> Event:
    after, unseen = last.after, last.standing.unseen
    body: dict[str, Any] = {"from": _words(before), "to": _words(after), "text": describe(job, last.standing)}
    kind = events.CHANGED
    if (before.status == UNSEEN) != (after.status == UNSEEN):
        kind = events.UNSEEN if after.status == UNSEEN else events.SEEN
    if kind == events.UNSEEN and unseen is not None:
        body |= {"source": unseen.source, "unheard_since": unseen.unheard_since / MICROSECONDS}
    return Event(kind=kind, at=last.at, job=job.key, corrects=corrects, body=body)


def _words(shown: Shown) -> dict[str, str | int]:
    return {"state": shown.state.value, "status": shown.status, "errors": shown.errors, "missed": shown.missed}


def _numbers(told: list[tuple[int, Event]]) -> dict[_Fact, list[int]]:
    result: dict[_Fact, list[int]] = {}
    for seq, event in told:
        result.setdefault(_fact(event), []).append(seq)
    return result


def _fact(event: Event) -> _Fact:
    return _Fact(event.kind, event.at, event.id, event.body.get("begin", event.body.get("until")))


def _end_of(run: Run) -> tuple[Outcome, int | None, bool]:
    """What is told of a run's end; one whose start is seen later has a length from then on."""
    return run.outcome, run.ended, run.begun is None


def _names(event: Event, run: Run) -> bool:
    """Whether an event tells of a run; its order may have moved since."""
    return event.id == run.id and (run.id is not None or event.run == run.order)


def _is_of_same(told: Event, event: Event) -> bool:
    """Whether both tell of one run: its number may have moved, and without an id it is known by its begin."""
    if told.id is not None or event.id is not None:
        return told.id == event.id
    return told.run == event.run if told.body["begin"] is None else told.body["begin"] == event.body["begin"]
