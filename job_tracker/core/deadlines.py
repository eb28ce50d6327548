"""Deadlines: the moments at which silence starts to count.

Rule: a deadline is computed from the promise and the runs alone; whether it may be judged is decided in `sight`.
Rule: a deadline that is counted names the next one, so that what a quiet window moved, the following ones count from.
"""

from dataclasses import replace

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.quiet import move_expected, move_missed_start, move_timeout
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.standing import Deadline, Outcome, Rank, Standing


def next_deadline(standing: Standing) -> Deadline | None:
    """The deadline that comes first; while the job is paused that is the end of the pause."""
    if standing.pause is not None:
        return Deadline(standing.pause.end, Rank.PAUSE_OVER, 0)
    found = None
    for run in standing.runs:
        if run.timeout_at is not None and (found is None or run.timeout_at < found.moment):
            found = Deadline(run.timeout_at, Rank.TIMEOUT, run.order)
    missed_at = standing.missed_at
    if missed_at is not None and (found is None or missed_at < found.moment):
        return Deadline(missed_at, Rank.MISSED_START, 0)
    return found


def count(standing: Standing, job: Job, deadline: Deadline) -> None:
    """Let a deadline count, and set the one after it."""
    if deadline.rank is Rank.TIMEOUT:
        _count_timeout(standing, job, deadline)
    else:
        _count_missed_start(standing, job)
    standing.deadline = next_deadline(standing)


def first_timeout(standing: Standing, job: Job, begun: int) -> int:
    """The first timeout of a run that begins at a moment; a promise changed after that judges later ones only.

    From one quiet window to the next at once, for what is heard after a long absence may be a great many such runs.
    """
    windows, until = job.windows, standing.promised_since
    deadline = move_timeout(windows, to_end_by(job, begun) + job.grace, job.grace)
    while _is_renewed(standing) and deadline < until:
        goal = until if windows is None else windows.next_begin_after(deadline, until)
        steps = -(-(goal - deadline) // job.timeout)
        deadline = move_timeout(windows, deadline + steps * job.timeout, job.grace)
    return deadline


def await_start(standing: Standing, job: Job) -> None:
    """Set the next missed start after a message; none is awaited while the last run is open."""
    latest = standing.latest
    if latest is not None and latest.outcome is Outcome.OPEN:
        standing.expected = standing.missed_at = None
    elif job.starts is not None:
        _await_expected(standing, job, job.starts)
    elif job.kind is Kind.CYCLIC:
        _await_cyclic(standing, job)
    standing.deadline = next_deadline(standing)


def make_expected(standing: Standing, job: Job, moment: int) -> None:
    """A start at a moment, seen or not, makes the expected start it belongs to, and forgives all before it."""
    made = None if job.starts is None else job.starts.made_by(moment)
    if made is None:
        return
    # the first run ever seen may be older than the promise; what is expected follows it
    standing.awaits_from = made + 1 if standing.count == 1 else max(standing.awaits_from, made + 1)


def next_start(standing: Standing, job: Job) -> int | None:
    """The moment from which a start counts for the next expected one; None if none is awaited."""
    if standing.expected is None or job.starts is None:
        return standing.expected
    expected = job.starts.next_at_or_after(standing.awaits_from)
    return None if expected is None else expected - job.starts.early(expected)


def renew(standing: Standing, job: Job, now: int) -> None:
    """A promise that changed counts from now: expected starts and timeouts before it are not judged by it."""
    standing.promised_since = now
    standing.expected = standing.overtaken = standing.unseen = None
    for run in standing.runs:
        if run.outcome is Outcome.OPEN and run.begun is not None:
            standing.put(replace(run, timeout_at=first_timeout(standing, job, run.begun)))
    standing.awaits_from = now
    if job.starts is not None and standing.last_begun is not None:
        made = job.starts.made_by(standing.last_begun)  # a start before it may have made one behind it
        standing.awaits_from = now if made is None else max(now, made + 1)
    await_start(standing, job)


def deadline_of(job: Job, starts: Starts, expected: int) -> int:
    """The moment from which an expected start is missed."""
    return move_expected(job.windows, starts, expected, job.max_delay, job.grace)


def _is_renewed(standing: Standing) -> bool:
    return standing.promised_since != standing.known_since


def _await_cyclic(standing: Standing, job: Job) -> None:
    due = _due(standing, job)
    if standing.paused_until is not None:
        due = max(due, standing.paused_until + job.interval)
    if _is_renewed(standing) and due < standing.promised_since:
        due += -(-(standing.promised_since - due) // job.interval) * job.interval
    if due != standing.expected:
        standing.expected = due
        standing.missed_at = _moved_missed_start(job, due + job.max_delay + job.grace)


def _due(standing: Standing, job: Job) -> int:
    """The next start of a cyclic job: an interval after the last start, or after the last end where that decides."""
    latest = standing.latest
    if latest is None:
        return standing.promised_since + job.interval
    start, end = standing.last_start, standing.last_end
    if end is not None and (
        job.counts_from_end or latest.begun is None or start is None or end >= start + job.interval
    ):
        return end + job.interval
    assert start is not None, "a closed run has begun or has ended"
    return start + job.interval


def _await_expected(standing: Standing, job: Job, starts: Starts) -> None:
    """Await the next start; those that passed while the last run was open, or at its very end, are forgiven."""
    ended = standing.latest.ended if standing.latest is not None else None
    expected = starts.next_at_or_after(standing.awaits_from)
    if ended is not None:
        expected = _first_behind(job, starts, expected, ended)
    standing.expected = expected
    standing.missed_at = None if expected is None else deadline_of(job, starts, expected)
    if expected is not None:
        standing.awaits_from = expected


def _first_behind(job: Job, starts: Starts, expected: int | None, passed: int) -> int | None:
    """The first of the starts from one on whose deadline lies behind a moment."""
    while expected is not None and deadline_of(job, starts, expected) <= passed:
        expected = starts.next_at_or_after(expected + 1)
    return expected


def to_end_by(job: Job, begun: int) -> int:
    """When a run that begins at a moment has to end: in time, and by the clock time that is promised of its start."""
    latest = begun + job.timeout
    made = None if job.starts is None else job.starts.made_by(begun)
    if job.starts is None or made is None:
        return latest
    end_by = job.starts.end_by(made)
    return latest if end_by is None or begun >= end_by else min(latest, end_by)


def _moved_missed_start(job: Job, deadline: int) -> int:
    return move_missed_start(job.windows, deadline, job.interval + job.max_delay + job.grace, job.grace)


def _count_timeout(standing: Standing, job: Job, deadline: Deadline) -> None:
    for run in standing.runs:
        if run.order == deadline.run:
            following = move_timeout(job.windows, deadline.moment + job.timeout, job.grace)
            standing.put(replace(run, errors=run.errors + 1, timeouts=run.timeouts + 1, timeout_at=following))
    standing.errors += 1


def _count_missed_start(standing: Standing, job: Job) -> None:
    standing.missed += 1
    assert standing.expected is not None, "it is the start that was missed"
    assert standing.missed_at is not None, "it is the deadline that counts"
    if job.starts is not None:
        following = _first_behind(job, job.starts, standing.expected, standing.missed_at)  # of one moment, one counts
        standing.awaits_from = standing.missed_at if following is None else following  # all before it are passed
        _await_expected(standing, job, job.starts)
    else:
        standing.missed_at = _moved_missed_start(job, standing.missed_at + job.interval)
