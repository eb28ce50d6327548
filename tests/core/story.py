"""A small language in which the tests of the core tell what a job did and what the tracker made of it.

Rule: a story is told in order; time passes only by `passes`, `hears` and the source's coming and going.
Rule: moments are seconds after midnight of 11 June 2025, UTC, or a text such as "2025-03-30 01:00:05" in UTC.
Between two sentences the tracker looks at exactly the moments that it asked to be woken at, as the daemon does.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from job_tracker.core.board import Board, Watermark, make_board, renewed
from job_tracker.core.clock_set_back import PATIENCE
from job_tracker.core.intake import take_in, uid_of
from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.memory import Memory
from job_tracker.core.record import Change, Step
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.core.standing import Run, Standing
from job_tracker.core.step import step
from job_tracker.core.texts import describe
from job_tracker.core.verdicts import shown
from job_tracker.moments import MICROSECONDS

T = 1_749_600_000
"""Midnight of 11 June 2025, UTC, in epoch seconds: an ordinary Wednesday."""

HOUR = 3600
Moment = float | str
Line = tuple[Any, ...]


def at(moment: Moment) -> int:
    """A story's moment in microseconds since the epoch."""
    if isinstance(moment, str):
        return round(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * MICROSECONDS)
    return round((T + moment) * MICROSECONDS)


def cyclic(interval: float = 600, timeout: float = 100, name: str = "LOAD", zone: str = "UTC", **keys: Any) -> Job:
    """A job every ten minutes that may take a hundred seconds; the grace is five."""
    return _job(name, zone, keys, kind=Kind.CYCLIC, interval=_span(interval), timeout=_span(timeout))


def daily(clock: str, timeout: float = HOUR, name: str = "LOAD", zone: str = "UTC", **keys: Any) -> Job:
    """A job once a day that may start five minutes early and may take an hour; the grace is five seconds."""
    early = _span(keys.pop("early", 300))
    end_by = keys.pop("end_by", None)
    end_clock = None if end_by is None else _minutes(end_by)
    starts = Daily(zone=ZoneInfo(zone), max_early=early, times=(_minutes(clock),), end_clock=end_clock)
    return _job(name, zone, keys, kind=Kind.DAILY, starts=starts, timeout=_span(timeout))


def on_demand(timeout: float = 100, name: str = "LOAD", zone: str = "UTC", **keys: Any) -> Job:
    """A job that somebody starts when it is wanted, and that may take a hundred seconds."""
    return _job(name, zone, keys, kind=Kind.ON_DEMAND, timeout=_span(timeout))


def quiet(begin: str, end: str) -> Quiet:
    """A quiet window between two clock times."""
    return Quiet(begin=_minutes(begin), end=_minutes(end))


def said(event: str, at: Moment, **keys: Any) -> dict[str, Any]:
    """A message as it lies in a queue; keys: run, uid, exit_code, job, message."""
    return {"event": event, "timestamp": _seconds(at)} | keys


class Story:
    """A tracker, its sources and its jobs, from a moment on."""

    def __init__(
        self,
        *jobs: Job,
        sources: tuple[str, ...] = ("app1",),
        known_since: Moment = 0,
        patience: float = 15,
        archive: Callable[[Board], Any] = Memory,
        **keys: Any,
    ) -> None:
        placed = [_placed(job, order) for order, job in enumerate(jobs)]
        self.jobs = Jobs(
            by_key={job.key: job for job in placed},
            sources=sources,
            tolerance=_span(patience),
            grace=placed[0].grace,
            **keys,
        )
        self.job = placed[0]
        self.now = at(known_since)
        self.board = make_board(self.jobs, {}, {}, self.now)
        self.archive = archive(self.board)
        self.gone: dict[str, int] = {}
        self.patience = 0
        self.taken: set[str] = set()
        self.numbers = 0
        self.changes: list[Change] = []
        self.found: list[list[Change]] = []
        self.unmatched: list[str] = []
        self.drifting: set[str] = set()
        self.wake: int | None = None
        self.steps: list[Step] = []
        self.look()

    # what happens

    def hears(self, event: str, at: Moment, *, arrives: Moment | None = None, **keys: Any) -> "Story":
        """A message arrives, by default at the moment that it names."""
        source = keys.pop("source", self.jobs.sources[0])
        return self.hears_at_once(at if arrives is None else arrives, said(event, at, **keys), source=source)

    def hears_at_once(self, arrives: Moment, *elements: Any, source: str | None = None) -> "Story":
        """Some messages arrive together."""
        source = self.jobs.sources[0] if source is None else source
        moment = at(arrives)
        if moment > self.now:
            self._pass(moment - 1)
            self.now = moment
        assert moment == self.now, "a story is told in order; say when it arrives"
        intake = take_in(self.jobs, source, [self._element(e) for e in elements], moment, self.taken.__contains__)
        self.taken.update(uid for uid in map(uid_of, elements) if uid)
        self.unmatched += [each.reason for each in intake.unmatched]
        self.drifting |= intake.drifting
        self.look(intake.messages)
        return self

    def passes(self, to: Moment) -> "Story":
        """Time passes, with nothing to hear."""
        self._pass(at(to))
        return self

    def source_vanishes(self, at: Moment, source: str | None = None) -> "Story":
        """A source gives no answer from a moment on."""
        moment = _moment(at)
        self._pass(moment - 1)
        self.gone[source or self.jobs.sources[0]] = moment
        return self.passes(at)

    def source_returns(self, at: Moment, *elements: Any, source: str | None = None) -> "Story":
        """A source is drained again, and delivers what was left in its queue meanwhile."""
        name = source or self.jobs.sources[0]
        self._pass(_moment(at) - 1)
        self.gone.pop(name)
        return self.hears_at_once(at, *elements, source=name)

    def clock_turns(self, to: Moment) -> "Story":
        """The tracker's clock shows another time from one moment to the next."""
        self.now = at(to)
        self.look()
        return self

    def clock_is_set_back(self, to: Moment) -> "Story":
        """It does, and stands for as long as it takes to be believed."""
        self.clock_turns(to)
        self.now += PATIENCE - 1
        self.look()
        self.now += 1
        while self.look().wake == self.now:
            pass
        return self

    def promise_changes(self, at: Moment, job: Job) -> "Story":
        """The configuration is read anew, and says something else of the (only) job."""
        self.passes(at)
        standing = renewed(self.standing, job, self.now)
        self.jobs = Jobs(
            by_key={job.key: job}, sources=self.jobs.sources, tolerance=self.jobs.tolerance, grace=job.grace
        )
        self.job = job
        self.board = make_board(self.jobs, {job.key: standing}, self.board.drained, self.now)
        if isinstance(self.archive, Memory):
            self.archive = Memory(self.board)
        else:
            self.archive.begin_anew(job.key, standing)
        self.look()
        return self

    # what is to be seen

    @property
    def standing(self) -> Standing:
        """What the first job carries."""
        return self.board.standing(self.job)

    @property
    def runs(self) -> list[Run]:
        """All runs of the first job that were ever put, in order."""
        runs = self.archive.runs.get(self.job.key, {})
        return [runs[order] for order in sorted(runs)]

    @property
    def shown(self) -> tuple[str, int, int, int]:
        """State, status, errors and missed of the first job."""
        return self.shown_of(self.job)

    def shown_of(self, job: Job) -> tuple[str, int, int, int]:
        """State, status, errors and missed of a job."""
        job = self.jobs.by_key[job.key]
        state, status, errors, missed = shown(job, self.board.standing(job))
        return state.value, status, errors, missed

    @property
    def text(self) -> str:
        """What the monitoring is told of the first job."""
        return describe(self.job, self.standing)

    @property
    def lines(self) -> list[Line]:
        """Every change of the first job: when it became true, what it showed before, and then."""
        return [_line(change) for change in self.changes if change.job.key == self.job.key]

    @property
    def last(self) -> Line:
        """The last change of the first job."""
        return self.lines[-1]

    @property
    def asks_for(self) -> float | None:
        """When the tracker wishes to be woken."""
        return None if self.wake is None else _after_midnight(self.wake)

    # how it is done

    def look(self, messages: Iterable[Any] = ()) -> Step:
        """One step of the tracker, now."""
        made = step(self.board, self.jobs, messages, self.watermarks(), self.now, self.archive)
        self.archive.keep(made.records)
        self.board, self.wake = made.board, made.wake
        self.changes += made.changes
        self.found.append(list(made.changes))
        self.steps.append(made)
        return made

    def watermarks(self) -> dict[str, Watermark]:
        """Sources are drained at every moment, those that are gone as far as they were then."""
        known = {source: Watermark(drained=self.now + 1, lags_from=self.now) for source in self.jobs.sources}
        gone = {
            name: Watermark(drained=gone, lags_from=gone, patience=self.patience) for name, gone in self.gone.items()
        }
        return known | gone

    def _pass(self, moment: int) -> None:
        assert moment >= self.now - 1, "a story is told in order"
        while self.wake is not None and self.wake <= moment:
            assert self.wake > self.now, "a wake-up is never past"
            self.now = self.wake
            self.look()
        if moment > self.now:
            self.now = moment
            self.look()

    def _element(self, element: Any) -> Any:
        if not isinstance(element, dict):
            return element
        self.numbers += 1
        return {"_id": self.numbers, "instance": self.job.env, "job": self.job.name} | element


def _job(name: str, zone: str, keys: dict[str, Any], **found: Any) -> Job:
    spans = {"delay": "max_delay", "grace": "grace", "soonest": "min_duration"}
    found["grace"] = _span(5)
    window = keys.pop("quiet", None)
    found["windows"] = None if window is None else Windows(zone=ZoneInfo(zone), rules=(window,))
    for key, value in keys.items():
        found[spans.get(key, key)] = _span(value) if key in spans else value
    return Job(name=name, env="P", zone=ZoneInfo(zone), **found)


def _placed(job: Job, order: int) -> Job:
    object.__setattr__(job, "order", order)
    return job


def _line(change: Change) -> Line:
    before, after = change.before, change.after
    moment = _after_midnight(change.at)
    return moment, before.state.value, after.state.value, after.status, after.errors, after.missed


def _span(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _moment(moment: Moment) -> int:
    return at(moment)


def _seconds(moment: Moment) -> float:
    return at(moment) / MICROSECONDS


def _after_midnight(moment: int) -> float:
    return moment / MICROSECONDS - T if moment % MICROSECONDS else moment // MICROSECONDS - T
