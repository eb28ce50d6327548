"""Timeouts: near what a run usually takes, or so far from it that a run which hangs is not found."""

from collections.abc import Iterator
from statistics import median_low

from job_tracker.moments import MINUTE, span
from job_tracker.view.hints.words import NEEDED, Hint, Past, rounded_up, says, written

NEAR = 1.25
FAR = 100
LEAST = 5 * MINUTE
"""No shorter timeout is proposed, however short the runs are."""
WORTH_IT = 10
"""A proposal is so many times shorter than the timeout, or it is none."""
TIMEOUT = "timeout_in_hh:mm:ss"


def about(past: Past) -> Iterator[Hint]:
    """Say what the timeout of a job should be."""
    job, took = past.job, past.durations
    if len(took) < NEEDED:
        return
    usual, longest = median_low(took), took[-1]
    runs = f"{len(took)} runs took {span(usual)} in the median, {span(longest)} at most"
    if job.timeout <= NEAR * usual:
        lines = {TIMEOUT: written(rounded_up(max(3 * usual, longest + longest // 2, 2 * job.min_duration)))}
        yield says(job, "timeout", f"its timeout of {span(job.timeout)} is near what is usual: {runs}", lines)
        return
    enough = rounded_up(max(LEAST, 10 * usual, 3 * longest, 2 * job.min_duration))
    if job.timeout > FAR * usual and enough * WORTH_IT <= job.timeout:
        text = f"a run that hangs is not found for {span(job.timeout)}: {runs}"
        yield says(job, "timeout", text, {TIMEOUT: written(enough)})
