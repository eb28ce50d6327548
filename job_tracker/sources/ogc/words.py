"""Words: what the status that a server gives to a job means.

Rule: a table; a word that is not in it changes nothing but what is shown, and is said.
"""

from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """Where a job of another server is."""

    WAITING = "waiting"
    RUNNING = "running"
    GOOD = "good"
    BAD = "bad"
    DISMISSED = "dismissed"
    GONE = "gone"
    STRANGE = "strange"


GONE = "gone"
"""Our own word for a job that its server no longer knows."""

PHASES: Mapping[str, Phase] = {
    "accepted": Phase.WAITING,
    "created": Phase.WAITING,
    "queued": Phase.WAITING,
    "pending": Phase.WAITING,
    "unknown": Phase.WAITING,
    "running": Phase.RUNNING,
    "started": Phase.RUNNING,
    "paused": Phase.RUNNING,
    "successful": Phase.GOOD,
    "succeeded": Phase.GOOD,
    "finished": Phase.GOOD,
    "failed": Phase.BAD,
    "error": Phase.BAD,
    "exception": Phase.BAD,
    "dismissed": Phase.DISMISSED,
    "canceled": Phase.DISMISSED,
    "cancelled": Phase.DISMISSED,
    GONE: Phase.GONE,
}

ENDED = frozenset({Phase.GOOD, Phase.BAD, Phase.DISMISSED, Phase.GONE})


def phase_of(status: str) -> Phase:
    """What a word means; PBS's `unknown-not-qref` and its like are of jobs that run, and are asked about again."""
    return Phase.RUNNING if status.startswith("unknown-") else PHASES.get(status, Phase.STRANGE)


def has_ended(status: str) -> bool:
    """Whether nothing more is to come of a job."""
    return phase_of(status) in ENDED
