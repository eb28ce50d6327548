"""Deadlines: the moments at which silence starts to count.

Rule: a deadline is computed from the promise and the runs alone; whether it may be judged is decided in `tracker`.
Rule: a deadline that is counted names the next one, so that what a quiet window moved, the following ones count from.
"""

from dataclasses import replace

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules import local_time
from job_tracker.core.standing import Deadline, Outcome, Rank, Standing


def next_deadline(standing: Standing) -> Deadline | None:
    """The deadline that comes first."""
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
    standing.judged = deadline.moment
    standing.deadline = next_deadline(standing)


def first_timeout(standing: Standing, job: Job, begun: int) -> int:
    """The first timeout of a run that begins at a moment; a promise changed after that judges later ones only.

    From one quiet window to the next at once, for what is heard after a long absence may be a great many such runs.
    """
    deadline = local_time.move_timeout(job, begun + job.timeout + job.grace)
    while _is_renewed(standing) and deadline < standing.promised_since:
        goal = local_time.next_quiet(job, deadline, standing.promised_since)
        steps = -(-(goal - deadline) // job.timeout)
        deadline = local_time.move_timeout(job, deadline + steps * job.timeout)
    return deadline


def await_start(standing: Standing, job: Job) -> None:
    """Set the next missed start after a message; none is awaited while the newest run is open."""
    newest = standing.newest
    if newest is not None and newest.outcome is Outcome.OPEN:
        standing.expected = standing.missed_at = None
    elif job.kind is Kind.DAILY:
        _await_daily(standing, job)
    else:
        _await_cyclic(standing, job)
    standing.deadline = next_deadline(standing)


def make_expected(standing: Standing, job: Job, moment: int) -> None:
    """A start at a moment, seen or not, makes the expected start it belongs to (daily jobs)."""
    if job.kind is not Kind.DAILY:
        return
    day = local_time.day_of_latest_start(job, moment + job.max_early)
    if standing.count == 1:  # the first run ever seen may be older than the promise; what is expected follows it
        standing.day = min(standing.day, day)
    first = local_time.expected_start(job, standing.day)
    made = {*standing.made, local_time.expected_start(job, day)}
    standing.made = tuple(sorted(each for each in made if each >= first))


def next_start(standing: Standing, job: Job) -> int | None:
    """The moment from which a start counts for the next expected one; None while the newest run is open."""
    if standing.expected is None or job.kind is Kind.CYCLIC:
        return standing.expected
    day, expected = standing.day, standing.expected
    while standing.made and expected <= standing.made[-1]:
        day += 1
        expected = local_time.expected_start(job, day)
    return expected - job.max_early


def renew(standing: Standing, job: Job, now: int) -> None:
    """A promise that changed counts from now: expected starts and timeouts before it are not judged by it."""
    standing.promised_since = now
    standing.expected = standing.overtaken = standing.unseen = None
    for run in standing.runs:
        if run.outcome is Outcome.OPEN and run.begun is not None:
            standing.put(replace(run, timeout_at=first_timeout(standing, job, run.begun)))
    if job.kind is Kind.DAILY:
        standing.day = local_time.day_of_first_start(job, now)
        standing.made = ()
    await_start(standing, job)


def _is_renewed(standing: Standing) -> bool:
    return standing.promised_since != standing.known_since


def _await_cyclic(standing: Standing, job: Job) -> None:
    due = _due(standing, job)
    if _is_renewed(standing) and due < standing.promised_since:
        due += -(-(standing.promised_since - due) // job.interval) * job.interval
    if due != standing.expected:
        standing.expected = due
        standing.missed_at = local_time.move_missed_start(job, due + job.max_delay + job.grace)


def _due(standing: Standing, job: Job) -> int:
    """The next start of a cyclic job: an interval after the last start, or after the last end where that decides."""
    newest = standing.newest
    if newest is None:
        return standing.promised_since + job.interval
    start, end = standing.last_start, standing.last_end
    if end is not None and (
        job.counts_from_end or newest.begun is None or start is None or end >= start + job.interval
    ):
        return end + job.interval
    assert start is not None, "a closed run has begun or has ended"
    return start + job.interval


def _await_daily(standing: Standing, job: Job) -> None:
    """Skip what was made, and what passed while the newest run was open or at the very moment of its end."""
    ended = standing.newest.ended if standing.newest is not None else None
    patience = job.max_delay + job.grace
    day = standing.day
    expected = local_time.expected_start(job, day)
    while expected in standing.made or (ended is not None and expected + patience <= ended):
        day += 1
        expected = local_time.expected_start(job, day)
    standing.day, standing.expected, standing.missed_at = day, expected, expected + patience
    standing.made = tuple(each for each in standing.made if each >= expected)


def _count_timeout(standing: Standing, job: Job, deadline: Deadline) -> None:
    for run in standing.runs:
        if run.order == deadline.run:
            following = local_time.move_timeout(job, deadline.moment + job.timeout)
            standing.put(replace(run, errors=run.errors + 1, timeouts=run.timeouts + 1, timeout_at=following))
    standing.errors += 1


def _count_missed_start(standing: Standing, job: Job) -> None:
    standing.missed += 1
    if job.kind is Kind.DAILY:
        standing.day += 1
        _await_daily(standing, job)
    else:
        assert standing.missed_at is not None, "it is the deadline that counts"
        standing.missed_at = local_time.move_missed_start(job, standing.missed_at + job.interval)
