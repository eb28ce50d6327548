"""Words: a hint, the history it is drawn from, and how durations are proposed.

Rule: pure; nothing is said of a job whose history is shorter than `NEEDED`, for a few runs are no habit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from job_tracker.core.jobs import Job
from job_tracker.core.standing import ENDED_WELL, Run
from job_tracker.moments import DAY, MICROSECONDS, span

NEEDED = 20
"""Runs that have to be known of a job before anything is said of it."""

ROUND = (5, 10, 15, 20, 30, 45)
"""Durations that people write, in seconds, in minutes, and below in hours."""
ROUND_SECONDS = (
    *ROUND,
    *(60 * each for each in (1, 2, *ROUND)),
    *(3600 * each for each in (1, 1.5, 2, 3, 4, 6, 8, 12, 18, 24)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What looks wrong with a promise, and what would say what is done instead.

    job: its key, or `global_config`.  lines: keys and values as a configuration has them.  without: keys to leave out.
    """

    job: str
    kind: str
    text: str
    lines: Mapping[str, Any]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is kept of a job.  runs: the oldest first.  promised_since: when its promise changed last."""

    job: Job
    runs: Sequence[Run]
    promised_since: int
    starts: tuple[int, ...] = field(init=False)
    """When its runs began under this promise, as far as that was seen."""

    def __post_init__(self) -> None:
        seen = (run.begun for run in self.runs if run.begun is not None)
        object.__setattr__(self, "starts", tuple(sorted(each for each in seen if each >= self.promised_since)))

    @property
    def is_enough(self) -> bool:
        """Whether there are starts enough to speak of a habit."""
        return len(self.starts) >= NEEDED

    @property
    def durations(self) -> list[int]:
        """How long the runs took that ended well, whatever was promised then; the shortest first."""
        ended = ((run.begun, run.ended) for run in self.runs if run.outcome in ENDED_WELL)
        return sorted(end - begun for begun, end in ended if begun is not None and end is not None and end >= begun)


def rounded_up(duration: int) -> int:
    """The next longer duration that somebody would write."""
    for seconds in ROUND_SECONDS:
        if duration <= seconds * MICROSECONDS:
            return round(seconds * MICROSECONDS)
    return -(-duration // DAY) * DAY


def says(job: Job, kind: str, text: str, lines: Mapping[str, Any], *without: str) -> Hint:
    """A hint about a job."""
    return Hint(job=job.key, kind=kind, text=text, lines=lines, without=without)


def written(duration: int) -> str:
    """A duration as a configuration has it."""
    return span(duration)
