"""What a standing says of itself in one place has to agree with what it says in another."""

from dataclasses import fields
from typing import Any

from job_tracker.core.jobs import Job
from job_tracker.core.standing import Outcome, Standing
from job_tracker.core.states import CRIT, OK, UNSEEN, WARN, State
from job_tracker.core.verdicts import is_silenced, shown, state_of

BOOKKEEPING = {"changed", "checkpointed"}
"""What a standing holds besides its verdict: scraps of the step, and when it was last kept for a refold."""

HOW_IT_WAS_LOOKED_AT = BOOKKEEPING | {"former_source_drained"}
"""How far the sources before the present one were drained when that one spoke: a matter of when somebody looked."""

HOW_IT_WAS_HEARD = HOW_IT_WAS_LOOKED_AT | {"source", "delivered"}
"""Who delivered last, and when: a matter of what arrived when."""


def values(standing: Standing, leaving_out: set[str]) -> dict[str, Any]:
    """A standing's fields but for some."""
    return {each.name: getattr(standing, each.name) for each in fields(Standing) if each.name not in leaving_out}


def consistent(standing: Standing) -> bool:
    """Errors are the sum of the runs' errors, the state is what the runs amount to, the newest run is kept, …"""
    opened = [run for run in standing.runs if run.outcome is Outcome.OPEN]
    last_is_open = standing.latest is not None and standing.latest.outcome is Outcome.OPEN
    return (
        standing.errors == sum(run.errors for run in standing.runs)
        and standing.missed >= 0
        and standing.state is state_of(standing)
        and [run.order for run in standing.runs] == sorted({run.order for run in standing.runs})
        and (standing.latest.order if standing.latest else 0) == standing.count
        and all(run.timeout_at is not None for run in opened)
        and all(run.timeout_at is None for run in standing.runs if run not in opened)
        and (standing.missed_at is None or not last_is_open)
        and (standing.pause is None or standing.pause.begin <= standing.pause.end)
    )


def rightly_shown(job: Job, standing: Standing) -> bool:
    """Whether state and status fit together, and to the counts."""
    state, status, errors, missed = shown(job, standing)
    if is_silenced(standing):
        return status == OK
    if status == UNSEEN:
        return (
            state is State.UNKNOWN
            and standing.unseen is not None
            and (errors + missed < job.max_errors or standing.pause is not None)
        )
    if errors + missed >= job.max_errors:
        return status == CRIT
    if state is State.WARNING:
        return status in (WARN, CRIT)
    return status in ((job.status_below, CRIT) if errors + missed else (OK,))
