"""As JSON: documents for programs, with moments and durations in seconds, as messages have them.

Rule: one JSON document; whatever is named here as a moment or a duration is a number of seconds, everywhere.
"""

from typing import Any

from job_tracker.moments import MICROSECONDS

MOMENTS = frozenset(
    {
        *("at", "found", "begun", "ended", "timeout_at", "since", "deadline", "expected", "next_start"),
        *("known_since", "promised_since", "unheard_since", "written", "started", "stopped", "drained", "lags_from"),
        *("moment", "received", "claimed", "first", "last", "last_message", "stored"),
        *("next_try", "ends"),
    }
)
DURATIONS = frozenset(
    {
        "interval",
        "max_delay",
        "max_early",
        "timeout",
        "grace",
        "clock_offset",
        "latency",
        "latency_median",
        "latency_worst",
        "took",
        *("unseen", "shortest", "median", "p95", "longest"),
    }
)
LISTS_OF_MOMENTS = frozenset({"moved_by_quiet_window", "then"})
SECONDS = MOMENTS | DURATIONS


def in_seconds(value: Any, name: str = "") -> Any:
    """A document with its microseconds as seconds."""
    if isinstance(value, dict):
        return {key: in_seconds(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [in_seconds(each, "moved" if name in LISTS_OF_MOMENTS else "") for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and (name in SECONDS or name == "moved"):
        return value / MICROSECONDS
    return value
