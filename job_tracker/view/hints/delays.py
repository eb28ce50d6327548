"""Delays: how much of its delay and grace a job uses up: always all of it, or never any.

Rule: a delay that is never used up only hides for so long that a start is missed; one that is always used up alarms on
days on which nothing is wrong.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from job_tracker.core.jobs import Kind
from job_tracker.moments import DAY, MICROSECONDS, MINUTE, span
from job_tracker.view.hints.words import NEEDED, Hint, Past, rounded_up, says, written

GENEROUS = 60 * MINUTE
"""A delay that is shorter may be never used up."""
GENEROUS_GRACE = MINUTE
SMALL_PART = 20
"""Never used up: not even the twentieth part of it."""
LEAST_GRACE = 5 * MICROSECONDS
MAX_DELAY = "start_max_delay_in_hh:mm:ss"
INTERVAL = "cyclic_interval_in_hh:mm:ss"
GRACE = "controller_message_grace_period_in_sec"


def about(past: Past) -> Iterator[Hint]:
    """Say what the delay of a job should be."""
    job, late = past.job, lateness(past)
    if len(late) < NEEDED:
        return
    if min(late) > 0.9 * (job.max_delay + job.grace):
        yield from _always_late(past, late)
    elif job.max_delay >= GENEROUS and max(late) * SMALL_PART <= job.max_delay:
        lines = {MAX_DELAY: written(rounded_up(max(5 * MINUTE, 3 * max(late))))}
        most = span(max(0, *late))
        text = f"it was never more than {most} late, so its delay of {span(job.max_delay)} only hides a missed start"
        yield says(job, "delay", text, lines)


def about_grace(pasts: Sequence[Past], clock_offset: int) -> Iterator[Hint]:
    """Say that the grace of all jobs is never used up.  clock_offset: the farthest that a source's clock is off."""
    beyond = [each - past.job.max_delay for past in pasts for each in lateness(past)]
    if len(beyond) < NEEDED:
        return
    grace, most = pasts[0].job.grace, max(0, clock_offset, *beyond)
    if grace >= GENEROUS_GRACE and most * SMALL_PART <= grace:
        enough = rounded_up(max(LEAST_GRACE, 3 * most))
        text = (
            f"of {len(beyond)} starts none was more than {span(most)} behind its delay, so the grace of {span(grace)} "
            "only holds up every alarm"
        )
        yield Hint(job="global_config", kind="grace", text=text, lines={GRACE: enough // MICROSECONDS})


def lateness(past: Past) -> list[int]:
    """How long after each expected start a job began, in microseconds; of a cyclic job, after it was due."""
    return list(_after_interval(past) if past.job.kind is Kind.CYCLIC else _after_expected(past))


def _always_late(past: Past, late: Sequence[int]) -> Iterator[Hint]:
    """A cyclic job has another interval than was promised; any other one starts later."""
    job = past.job
    lines: dict[str, str] = {}
    rest, promised = max(late), "delay"
    if job.kind is Kind.CYCLIC:
        interval = (job.interval + min(late)) // MINUTE * MINUTE or job.interval + min(late)
        lines[INTERVAL], promised = written(interval), "interval and delay"
        rest = job.interval + max(late) - interval
    delay = max(job.max_delay, rounded_up(rest + rest // 2))
    lines[MAX_DELAY] = written(delay)
    if job.starts is None or job.starts.is_dense or delay + job.starts.max_early < DAY:
        text = f"its starts always use up their {promised}: they were {span(min(late))} to {span(max(late))} late"
        yield says(job, "delay", text, lines)


def _after_expected(past: Past) -> Iterator[int]:
    """Of the first start that made each expected one."""
    starts, seen = past.job.starts, None
    for begun in past.starts if starts is not None else ():
        expected = starts.made_by(begun) if starts is not None else None
        if expected is not None and expected != seen:
            seen = expected
            yield begun - expected


def _after_interval(past: Past) -> Iterator[int]:
    """Where no quiet window excuses the silence between two starts."""
    job = past.job
    ends = {run.begun: run.ended for run in past.runs}
    for before, begun in pairwise(past.starts):
        since = ends.get(before) if job.counts_from_end else before
        if since is None:
            continue
        due = since + job.interval
        if job.windows is None or job.windows.window_at(due + job.max_delay + job.grace) is None:
            yield begun - due
