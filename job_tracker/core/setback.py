"""Setback: the clock that steps are made by ran ahead and is set back; what that said of a time to come is undone.

Rule: what can be judged again from what is kept is taken back by itself, once the clock has stood for a while: one that
is wrong now, as after a boot, is set right in that time, and then nothing has happened.
Rule: a promise that was made ahead, and a message that was heard ahead, are undone only where somebody asks for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from job_tracker.core import deadlines
from job_tracker.core.board import Clock, newcomer
from job_tracker.core.folding import BEHIND, Archive, settle
from job_tracker.core.jobs import Job
from job_tracker.core.schedules import local_time
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
    """A deadline was judged, could not be seen, or was covered by a source, that lies after a moment."""
    return (
        standing.covered > moment
        or (standing.judged is not None and standing.judged > moment)
        or (standing.blind is not None and standing.blind.deadline > moment)
    )


def see_nothing_ahead(standing: Standing, now: int) -> None:
    """Forget what could not be seen, and what was covered, after now."""
    if standing.blind is not None and standing.blind.deadline > now:
        standing.blind = None
    if standing.covered > now:
        standing.covered = -1


def reaches_back(job: Job, now: int, archive: Archive) -> bool:
    """Whether the kept history of a job begins before now; else it began when the clock was ahead."""
    floor = archive.past(job.key, (now, BEHIND, 0), None).floor
    return floor is None or floor[0] <= now


def ahead_of(standings: Iterable[Standing], moment: int) -> Ahead:
    """What only `counted_anew` can undo."""
    found = [until for until in map(lies_ahead_until, standings) if until > moment]
    return Ahead(jobs=len(found), until=max(found)) if found else NOTHING_AHEAD


def lies_ahead_until(standing: Standing) -> int:
    """The latest moment that a promise was made at, or that a message was heard of."""
    return max(standing.promised_since, -1 if standing.last is None else standing.last[0])


def counted_anew(standing: Standing, job: Job, now: int) -> Standing:
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
    fresh.errors = sum(run.errors for run in fresh.runs)
    fresh.since = min(fresh.since, now)
    fresh.covered, fresh.checkpointed = -1, fresh.serial
    deadlines.renew(fresh, job, now)
    settle(fresh, now)
    return fresh


def _not_after(run: Run, job: Job, now: int) -> Run:
    """A run as if its messages were of now; an open one has no errors but its timeouts: those that had passed."""
    run = replace(run, begun=_earlier(run.begun, now), ended=_earlier(run.ended, now))
    if run.outcome is not Outcome.OPEN:
        return run
    assert run.begun is not None, "an open run has begun"
    passed, moment = 0, local_time.move_timeout(job, run.begun + job.timeout + job.grace)
    while moment <= now and passed < run.timeouts:
        passed += 1
        moment = local_time.move_timeout(job, moment + job.timeout)
    return replace(run, errors=passed, timeouts=passed)


def _earlier(moment: int | None, now: int) -> int | None:
    return None if moment is None else min(moment, now)
