"""Texts: what a job's state means, in a line that an operator can read at 3 a.m.

Rule: every text begins with the state's word, says since when, and why.  Rule: times are in the job's own zone.
"""

from job_tracker.core.deadlines import to_end_by
from job_tracker.core.jobs import Job
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.signals import CANCELED, DISMISSED, GONE
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.core.states import State
from job_tracker.core.verdicts import is_silenced, shown
from job_tracker.moments import clock_text, span

FARTHEST_BACK = 100
"""Missed starts that are counted back one by one to tell the first."""


def describe(job: Job, standing: Standing) -> str:
    """The line for the monitoring; one line, not yet cut to anybody's limits."""
    if standing.pause is not None and is_silenced(standing):
        return f"{_seen(job, standing)}; paused until {clock(job, standing.pause.end)} {standing.pause.text}"
    return _seen(job, standing)


def _seen(job: Job, standing: Standing) -> str:
    if standing.unseen is None:
        return _known(job, standing)
    unseen = f"cannot tell: {standing.unseen.source} unreachable since {clock(job, standing.unseen.unheard_since)}"
    if shown(job, standing).state is State.UNKNOWN:
        when = "before that" if standing.since <= standing.unseen.since else "as far as it is heard"
        return f"UNKNOWN since {clock(job, standing.unseen.since)}: {unseen}; {when}: {_known(job, standing)}"
    when = "since then" if standing.since <= standing.unseen.since else "still"
    return f"{_known(job, standing)}; {when} {unseen}"


def clock(job: Job, moment: int) -> str:
    """A moment on the job's clock."""
    return clock_text(moment, job.zone)


def _known(job: Job, standing: Standing) -> str:
    begin = f"{standing.state.value} since {clock(job, standing.since)}{_counts(job, standing)}"
    reason = "; ".join(part for part in (_reason(job, standing), _behind(job, standing)) if part)
    return f"{begin}: {reason}" if reason else begin


def _counts(job: Job, standing: Standing) -> str:
    counts = []
    if standing.errors:
        within = standing.errors <= job.max_errors
        counts.append(f"{standing.errors} of {job.max_errors} errors" if within else f"{standing.errors} errors")
    if standing.missed:
        counts.append(f"{standing.missed} missed start{'s' if standing.missed > 1 else ''}")
    return f" ({', '.join(counts)})" if counts else ""


def _reason(job: Job, standing: Standing) -> str:
    match standing.state:
        case State.ERROR:
            return _failure(standing.newest)
        case State.TIMEOUT:
            return _overdue(job, standing)
        case State.DELAYED:
            return _delay(job, standing)
        case State.RUNNING:
            return _progress(job, standing)
        case State.NOT_RUNNING:
            return _rest(job, standing)
        case State.WARNING:
            return _warning(job, standing)
        case State.NEVER_RAN | State.UNKNOWN:  # pragma: no branch (there is no other state, and UNKNOWN is only shown)
            deadline = "" if standing.missed_at is None else f", the first start is expected by {_by(job, standing)}"
            return f"no message yet{deadline}"


def _behind(job: Job, standing: Standing) -> str:
    """What counts besides, where the state is about something else: the error before, and the starts after it."""
    failed = [run for run in standing.runs if run.errors and run.outcome in (Outcome.BADLY, Outcome.LOST)]
    if standing.state is State.ERROR:
        expected = standing.expected if job.starts is None else _walk_back(job.starts, standing)
        return _not_since(job, expected) if standing.missed and expected is not None else ""
    if not failed or standing.state not in (State.RUNNING, State.NOT_RUNNING):
        return ""
    last = failed[-1]
    if last.outcome is Outcome.LOST:
        return f"the run of {clock(job, last.begun)} never ended" if last.begun is not None else "a run never ended"
    when = f" {clock(job, last.ended)}" if last.ended is not None else ""
    return f"last error{when}: {_failure(last)}"


def _failure(run: Run | None) -> str:
    assert run is not None, "a run ended badly"
    return run.text or _code(run) or "the job reported an error"


def _code(run: Run) -> str:
    """An exit code; those that no process has are said in words."""
    if run.exit_code is None:
        return ""
    caused = {CANCELED: "canceled", DISMISSED: "dismissed", GONE: "gone: it is no longer known where it ran"}
    return caused.get(run.exit_code, f"exit code {run.exit_code}")


def _warning(job: Job, standing: Standing) -> str:
    newest = standing.newest
    assert newest is not None, "a run ended with a warning"
    return ", ".join(part for part in (newest.text or _code(newest) or "the job warns", _rest(job, standing)) if part)


def _overdue(job: Job, standing: Standing) -> str:
    late = [run for run in standing.runs if run.outcome is Outcome.OPEN and run.timeouts and run.begun is not None]
    oldest = late[0]
    assert oldest.begun is not None
    others = f" and {len(late) - 1} more" if len(late) > 1 else ""
    return f"running since {clock(job, oldest.begun)}{others}, {_allowed(job, oldest.begun)}"


def _allowed(job: Job, begun: int) -> str:
    """How long a run may take, or by when it had to end where that came first."""
    end = to_end_by(job, begun)
    return f"to end by {clock(job, end)}" if end < begun + job.timeout else f"{span(job.timeout)} allowed"


def _delay(job: Job, standing: Standing) -> str:
    """The first missed start; not when it was expected, if since then an end put it off or the promise has changed."""
    expected = standing.expected
    if job.starts is not None:  # it already awaits the next one
        expected = _first_missed(job, job.starts, standing)
    is_of_before = standing.known_since <= standing.since < standing.promised_since
    if expected is None or expected > standing.since or is_of_before:
        return "an expected start did not come"
    return _not_since(job, expected)


def _not_since(job: Job, expected: int) -> str:
    return f"no start since it was expected at {clock(job, expected)}"


def _first_missed(job: Job, starts: Starts, standing: Standing) -> int | None:
    """The first of the starts that were missed; some of them may have been missed behind an error, before DELAYED."""
    first = starts.latest_at_or_before(standing.since - job.max_delay - job.grace)
    before = _walk_back(starts, standing)
    return before if first is None else min(first, before)


def _walk_back(starts: Starts, standing: Standing) -> int:
    """As many starts back as were missed."""
    before = standing.awaits_from
    for _ in range(min(standing.missed, FARTHEST_BACK)):
        found = starts.latest_at_or_before(before - 1)
        if found is None:
            break
        before = found
    return before


def _progress(job: Job, standing: Standing) -> str:
    running = [run for run in standing.runs if run.outcome is Outcome.OPEN]
    deadlines = [run.timeout_at for run in running if run.timeout_at is not None]
    many = f"{len(running)} runs, " if len(running) > 1 else ""
    return f"{many}to end by {clock(job, min(deadlines))}" if deadlines else ""


def _rest(job: Job, standing: Standing) -> str:
    newest = standing.newest
    took = ""
    if newest is not None and newest.begun is not None and newest.ended is not None and not newest.is_out_of_order:
        took = f"last run took {span(newest.ended - newest.begun)}"
    following = "" if standing.missed_at is None else f"next start expected by {_by(job, standing)}"
    return ", ".join(part for part in (took, following) if part)


def _by(job: Job, standing: Standing) -> str:
    return "" if standing.missed_at is None else clock(job, standing.missed_at)
