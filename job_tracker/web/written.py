"""How moments and durations are written for programs."""

from datetime import UTC, datetime
from typing import Any

from job_tracker.moments import MICROSECONDS


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


def event(told: dict[str, Any]) -> dict[str, Any]:
    """An event, whose moments the file has as seconds."""
    return {**told, **{key: moment(round(told[key] * MICROSECONDS)) for key in ("at", "created")}}
