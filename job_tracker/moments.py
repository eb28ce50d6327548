"""Moments: whole microseconds since the epoch, the durations between them, and how both are written for people.

Rule: nothing here asks for the time; whoever has a moment was given it.
"""

from datetime import datetime, tzinfo
from functools import lru_cache

MICROSECONDS = 1_000_000
"""In a second."""
MINUTE = 60 * MICROSECONDS
DAY = 24 * 60 * MINUTE


def clock_text(moment: int, zone: tzinfo) -> str:
    """A moment as the clocks of a zone show it: 2026-11-23 02:14:07."""
    return _clock_text(moment // MICROSECONDS, zone)


@lru_cache(maxsize=4096)
def _clock_text(second: int, zone: tzinfo) -> str:
    """Kept, because the monitoring, the ledger, the view and the log are told of the same moments."""
    return datetime.fromtimestamp(second, zone).isoformat(" ")[:19]  # half of strftime's time


def span(duration: int) -> str:
    """A duration in microseconds as hh:mm:ss."""
    seconds = duration // MICROSECONDS
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def stale_after(interval: int) -> int:
    """How old what a tracker at work keeps up to date can become; interval: the longest pause between two cycles."""
    return max(60 * MICROSECONDS, 3 * interval)
