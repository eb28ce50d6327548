"""Verdicts: the state and the status that a standing amounts to.

Rule: nothing here changes anything; the first condition that holds decides.
"""

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.standing import Outcome, Standing
from job_tracker.core.states import CRIT, OK, UNSEEN, WARN, Shown, State


def state_of(standing: Standing) -> State:
    """The state, watermarks apart."""
    newest = standing.newest
    if newest is not None and newest.outcome is Outcome.BADLY:
        return State.ERROR
    running = False
    for run in standing.runs:
        if run.outcome is Outcome.OPEN:
            if run.timeouts:
                return State.TIMEOUT
            running = True
    if standing.missed:
        return State.DELAYED
    if running:
        return State.RUNNING
    if newest is None:
        return State.NOT_RUNNING if standing.runs else State.NEVER_RAN
    return State.WARNING if newest.outcome is Outcome.WARNED else State.NOT_RUNNING


def status_of(job: Job, standing: Standing) -> int:
    """Checkmk's status, watermarks apart; a daily job does not wait a second night for its threshold."""
    counted = standing.errors + standing.missed
    if standing.pause is not None and is_silenced(standing):
        return OK
    if counted >= job.max_errors:
        return CRIT
    if standing.state is State.WARNING:
        return WARN
    if not counted:
        return OK
    if job.kind is Kind.DAILY and (standing.missed or is_overdue(standing)):
        return CRIT
    return job.status_below  # until nothing is counted any more: a WARN that went with each start would come with each


def is_alarm(job: Job, standing: Standing) -> bool:
    """Whether it is critical, whatever could be seen at the time."""
    return standing.pause is None and status_of(job, standing) == CRIT


def is_silenced(standing: Standing) -> bool:
    """Somebody has paused the job; not once the end of the pause has passed, though nobody could judge it yet."""
    pause, unseen = standing.pause, standing.unseen
    return pause is not None and (unseen is None or unseen.since < pause.end)


def is_overdue(standing: Standing) -> bool:
    """An open run is past its timeout."""
    return any(run.timeouts and run.outcome is Outcome.OPEN for run in standing.runs)


def shown(job: Job, standing: Standing) -> Shown:
    """What the monitoring is told: UNKNOWN while a deadline has passed unseen, unless an alarm is known already."""
    status = status_of(job, standing)
    if standing.unseen is not None and status == OK:
        return Shown(State.UNKNOWN, UNSEEN, standing.errors, standing.missed)
    return Shown(standing.state, status, standing.errors, standing.missed)
