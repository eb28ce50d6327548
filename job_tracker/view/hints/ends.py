"""Ends: a clock time by which runs have to end that comes before a run of usual length could."""

from collections.abc import Iterator
from statistics import median_low

from job_tracker.core.schedules.local_time import local_day, local_moment
from job_tracker.moments import DAY, MINUTE, span
from job_tracker.view.hints.words import NEEDED, Hint, Past, rounded_up, says
from job_tracker.view.promises import minutes

END_BY = "end_by_in_hh:mm"


def about(past: Past) -> Iterator[Hint]:
    """Say by when the runs of a job could end."""
    job, took = past.job, past.durations
    if job.starts is None or job.starts.end_clock is None or len(took) < NEEDED or not past.starts:
        return
    expected = job.starts.latest_at_or_before(past.starts[-1] + job.starts.max_early)
    end = None if expected is None else job.starts.end_by(expected)
    if expected is None or end is None or end - expected >= median_low(took):
        return
    enough = rounded_up(took[-1] + took[-1] // 4)
    text = (
        f"it has to end {span(end - expected)} after its expected start, and {len(took)} runs took "
        f"{span(median_low(took))} in the median, {span(took[-1])} at most"
    )
    lines = {END_BY: minutes(_clock(past, expected + enough))} if enough < DAY else {}
    yield says(job, "end_by", text, lines, *(() if lines else (END_BY,)))


def _clock(past: Past, moment: int) -> int:
    """What clocks show at a moment, in minutes after midnight."""
    zone = past.job.zone
    return (moment - local_moment(zone, local_day(zone, moment), 0)) // MINUTE
