"""Looking: all hints that the histories of some jobs give.

Rule: hints are told and nothing else; who reads them decides.
"""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from job_tracker.view.hints import delays, ends, habits, timeouts, zones
from job_tracker.view.hints.words import Hint, Past


def about_job(past: Past, meant: Sequence[ZoneInfo]) -> Iterator[Hint]:
    """All there is to say of one job.  meant: the zones that its times may be those of, the likeliest first."""
    of_starts = list(zones.about(past, meant)) or list(habits.about_weekdays(past))
    yield from of_starts or delays.about(past)  # what comes at other times is no question of a delay
    yield from timeouts.about(past)
    yield from ends.about(past)
    yield from habits.about_skipped(past)
