"""Setback: the tracker's clock ran ahead and is set back, so what was judged of a time yet to come is taken back.

Rule: nothing that people are told rests on a moment that has not come; the grace is how well clocks have to agree.
"""

from dataclasses import replace

from job_tracker.core import schedule
from job_tracker.core.board import newcomer, renewed
from job_tracker.core.folding import BEHIND, Archive, Record, settle
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.refolding import unfold
from job_tracker.core.standing import Outcome, Run, Standing


def is_ahead(standing: Standing, moment: int) -> bool:
    """Something was judged or promised, or could not be seen, at a time after a moment."""
    return (
        standing.promised_since > moment
        or standing.covered > moment
        or (standing.judged is not None and standing.judged > moment)
        or (standing.blind is not None and standing.blind.deadline > moment)
    )


def take_back(jobs: Jobs, job: Job, record: Record, *, now: int, archive: Archive) -> int:
    """Let a job stand as if nobody had been ahead of now; returns how much work that was."""
    standing = record.standing
    standing.blind = None
    standing.covered = min(standing.covered, now)
    right_until = now + jobs.grace
    if standing.promised_since <= right_until and (standing.judged is None or standing.judged <= right_until):
        return 0
    floor = archive.past(job.key, (now, BEHIND, 0), None).floor
    if standing.promised_since <= right_until and (floor is None or floor[0] <= now):
        return 1 + unfold(jobs, job, record, now=now, archive=archive)
    record.standing = _begun_anew(standing, job, now)
    record.begins_anew = True
    return 1


def _begun_anew(standing: Standing, job: Job, now: int) -> Standing:
    """What is left where nothing is kept from before the clock ran ahead: the promise counts from now."""
    if not standing.serial:
        return newcomer(job, now)
    standing.known_since = min(standing.known_since, now)
    fresh = renewed(standing, job, now)
    if fresh.judged is not None and fresh.judged > now:
        fresh.judged, fresh.missed = now, 0
        for run in fresh.runs:
            if run.outcome is Outcome.OPEN:
                fresh.put(_with_timeouts_until(run, job, now))
        fresh.errors = sum(run.errors for run in fresh.runs)
    if fresh.last is not None and fresh.last[0] > now:
        fresh.last, fresh.judged = None, now
    fresh.checkpointed = fresh.serial
    settle(fresh, now)
    return fresh


def _with_timeouts_until(run: Run, job: Job, now: int) -> Run:
    """An open run has no errors but its timeouts: those that had passed."""
    assert run.begun is not None, "an open run has begun"
    passed, moment = 0, schedule.move_timeout(job, run.begun + job.timeout + job.grace)
    while moment <= now and passed < run.timeouts:
        passed += 1
        moment = schedule.move_timeout(job, moment + job.timeout)
    return replace(run, errors=passed, timeouts=passed)
