"""How moments and durations are written for programs."""

from datetime import UTC, datetime
from typing import Any

from job_tracker.moments import MICROSECONDS
from job_tracker.telling.as_json import DURATIONS, LISTS_OF_MOMENTS, MOMENTS

_OF_EVENTS = frozenset({"at", "created", "begin", "end", "first", "until", "unheard_since"})


def moment(microseconds: int) -> str:
    """As RFC 3339 has it, in UTC: 2026-11-23T01:14:07.250000Z."""
    whole, rest = divmod(microseconds, MICROSECONDS)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def optional(microseconds: int | None) -> str | None:
    """Likewise, where there is one."""
    return None if microseconds is None else moment(microseconds)


def seconds(microseconds: int | None) -> float | None:
    """A duration."""
    return None if microseconds is None else microseconds / MICROSECONDS


def event(as_kept: dict[str, Any]) -> dict[str, Any]:
    """An event, whose moments the file has as seconds."""
    return {
        key: moment(round(value * MICROSECONDS)) if key in _OF_EVENTS and isinstance(value, int | float) else value
        for key, value in as_kept.items()
    }


def told(value: Any, name: str = "") -> Any:
    """A document of the view as the API tells it: moments as RFC 3339 has them, durations in seconds."""
    if isinstance(value, dict):
        return {key: told(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        inner = "at" if name in LISTS_OF_MOMENTS else ""
        return [told(each, inner) for each in value]
    if isinstance(value, int) and not isinstance(value, bool):
        if name in MOMENTS:
            return moment(value)
        if name in DURATIONS:
            return value / MICROSECONDS
    return value
