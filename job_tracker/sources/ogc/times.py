"""Times: how servers write moments, and what can be read of it.

Rule: what cannot be a moment of a job is none; a time without a zone is UTC.
"""

from datetime import UTC, datetime
from typing import Any

from job_tracker.moments import MICROSECONDS

FIRST, LAST = 2000, 2200
"""Years: before and after them nobody has run a job; a year 0 or 9999 stands for something else."""


def moment(value: Any) -> int | None:
    """Microseconds since 1970 of what a server wrote, `2022-09-01T00:00:00+0000` or the like, or seconds; or None."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            read = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            read = datetime.fromisoformat(value.strip())
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    if not FIRST <= read.year < LAST:
        return None
    aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return round(aware.timestamp() * MICROSECONDS)
