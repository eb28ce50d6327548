"""The clock set back: it ran ahead, and what was judged by it of a time to come is undone.

Rule: what can be judged again from what is kept is taken back by itself, once the clock has stood for a while: one that
is wrong now, as after a boot, is set right in that time, and then nothing has happened.
Rule: a promise that was made ahead, and a message that was heard ahead, are undone only where somebody asks for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from job_tracker.core import deadlines
from job_tracker.core.board import Clock, newcomer
from job_tracker.core.folding import BEHIND, settle
from job_tracker.core.jobs import Job
from job_tracker.core.pen import Pen
from job_tracker.core.record import Archive
from job_tracker.core.refolding import take_back
from job_tracker.core.schedules.quiet import move_timeout
from job_tracker.core.sight import Sight, owners
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.moments import MINUTE

PATIENCE = 2 * MINUTE
"""How long a clock has to stand behind what it has shown before it is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """How many jobs were promised something, or were heard of, at a time to come, and up to when."""

    jobs: int
    until: int


NOTHING_AHEAD = Ahead(jobs=0, until=0)


def is_believed(clock: Clock, now: int) -> bool:
    """Whether a clock that was set back has stood for long enough."""
    return clock.back_since is not None and now - clock.back_since >= PATIENCE


def is_judged_ahead(standing: Standing, moment: int) -> bool:
    """A deadline was judged, could not be seen, or was covered by a former source, that lies after a moment."""
    return (
        standing.former_source_drained > moment
        or (standing.judged is not None and standing.judged > moment)
        or (standing.unseen is not None and standing.unseen.deadline > moment)
    )


def waits_for(job: Job, standing: Standing, sight: Sight) -> frozenset[str]:
    """The sources that have to be drained by the right clock first; until then nobody can say what of it was right."""
    if standing.judged is None or standing.judged <= sight.now:
        return frozenset()
    return frozenset(source for source in owners(job, standing, sight.jobs) if source not in sight.drained)


def reaches_back(job: Job, standing: Standing, now: int, archive: Archive) -> bool:
    """Whether a job's kept history begins before now; else it began when the clock was ahead, and stays."""
    if standing.judged is None or standing.judged <= now:
        return True
    floor = archive.past(job.key, (now, BEHIND, 0), None).floor
    return floor is None or floor[0] <= now


def see_nothing_ahead(pen: Pen, sight: Sight, archive: Archive) -> int:
    """Take back what a job was judged, and seen or not seen, ahead of now; returns how much was done."""
    standing, now = pen.record.standing, sight.now
    if standing.unseen is not None and standing.unseen.deadline > now:
        standing.unseen = None
    if standing.former_source_drained > now:
        standing.former_source_drained = -1
    if standing.judged is None or standing.judged <= now:
        return 1
    limit = sight.horizon(pen.job, standing)
    return 1 + take_back(sight.jobs, pen.job, pen.record, limit=limit, now=now, archive=archive)


def ahead_of(standings: Iterable[Standing], moment: int) -> Ahead:
    """What only `count_from_now` can undo."""
    found = [until for until in map(lies_ahead_until, standings) if until > moment]
    return Ahead(jobs=len(found), until=max(found)) if found else NOTHING_AHEAD


def lies_ahead_until(standing: Standing) -> int:
    """The latest moment that a promise was made at, or that a message was heard of."""
    return max(standing.promised_since, -1 if standing.last is None else standing.last[0])


def count_from_now(standing: Standing, job: Job, now: int) -> Standing:
    """The same history with all that lies ahead of now taken as now; the promise counts from now."""
    if not standing.serial:
        return newcomer(job, now)
    fresh = standing.fork()
    fresh.known_since = min(fresh.known_since, now)
    if fresh.judged is not None and fresh.judged > now:
        fresh.judged, fresh.missed = now, 0
    if fresh.last is not None and fresh.last[0] > now:
        fresh.last, fresh.judged = None, now
    for run in fresh.runs:
        fresh.put(_not_after(run, job, now))
    fresh.last_start, fresh.last_end = _earlier(fresh.last_start, now), _earlier(fresh.last_end, now)
    fresh.last_begun, fresh.paused_until = _earlier(fresh.last_begun, now), _earlier(fresh.paused_until, now)
    if fresh.pause is not None:
        fresh.pause = replace(fresh.pause, begin=min(fresh.pause.begin, now))
    fresh.errors = sum(run.errors for run in fresh.runs)
    fresh.since = min(fresh.since, now)
    fresh.former_source_drained, fresh.checkpointed = -1, fresh.serial
    deadlines.renew(fresh, job, now)
    settle(fresh, now)
    return fresh


def _not_after(run: Run, job: Job, now: int) -> Run:
    """A run as if its messages were of now; an open one has no errors but its timeouts: those that had passed."""
    run = replace(run, begun=_earlier(run.begun, now), ended=_earlier(run.ended, now))
    if run.outcome is not Outcome.OPEN:
        return run
    assert run.begun is not None, "an open run has begun"
    passed, moment = 0, move_timeout(job.windows, run.begun + job.timeout + job.grace, job.grace)
    while moment <= now and passed < run.timeouts:
        passed += 1
        moment = move_timeout(job.windows, moment + job.timeout, job.grace)
    return replace(run, errors=passed, timeouts=passed)


def _earlier(moment: int | None, now: int) -> int | None:
    return None if moment is None else min(moment, now)
