"""Zones: starts that come a whole number of hours off every day, as those of a host whose clock is in another zone.

Rule: a hint is given only where none of the last starts was near one that was expected, and all of them would have
been by another zone, or at another hour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import MINUTE
from job_tracker.view.hints.words import NEEDED, Hint, Past, says
from job_tracker.view.promises import minutes

BEFORE, BEHIND = 5 * MINUTE, 10 * MINUTE
"""So near is near: what a busy host or a queue makes of a clock time."""
HOURS_OFF = tuple(sign * hours for hours in range(1, 13) for sign in (1, -1))


def about(past: Past, zones: Sequence[ZoneInfo]) -> Iterator[Hint]:
    """Say by which zone, or how many hours off, a job starts.  zones: those that may be meant, the likeliest first."""
    starts, last = past.job.starts, past.starts[-NEEDED:]
    if starts is None or not past.is_enough or any(_is_near(starts, each) for each in last):
        return
    zone = next((each for each in zones if _all_near(replace(starts, zone=each), last)), None)
    shift = next((each for each in HOURS_OFF if _all_near(_shifted(starts, each), last)), None)
    off = f"none of its last {len(last)} starts came when it was expected"
    if shift is not None:
        off = f"each of its last {len(last)} starts came {_hours(shift)}"
    if zone is not None:
        text = f"{off}, as if its times were those of {zone.key}"
        if _has_times(starts, shift):
            text += f"; or it is meant to start at {' and '.join(_times(starts, shift))}"
        yield says(past.job, "zone", text, {"time_zone": zone.key})
    elif _has_times(starts, shift):
        times = _times(starts, shift)
        lines = {"daily_start_time_in_hh:mm": times[0] if len(times) == 1 else times}
        yield says(past.job, "zone", f"{off}; its host may show the time of another zone", lines)


def _is_near(starts: Starts, begun: int) -> bool:
    expected = starts.latest_at_or_before(begun + BEFORE)
    return expected is not None and begun - expected <= BEHIND


def _all_near(starts: Starts | None, last: Sequence[int]) -> bool:
    return starts is not None and all(_is_near(starts, each) for each in last)


def _shifted(starts: Starts, hours: int) -> Starts | None:
    """The same starts some hours later; what cron makes of a field nobody can shift."""
    if not isinstance(starts, Daily):
        return None
    return replace(starts, times=tuple(sorted((each + hours * 60) % (24 * 60) for each in starts.times)))


def _has_times(starts: Starts, shift: int | None) -> bool:
    return shift is not None and isinstance(starts, Daily)


def _times(starts: Starts, shift: int | None) -> list[str]:
    moved = None if shift is None else _shifted(starts, shift)
    return [minutes(each) for each in moved.times] if isinstance(moved, Daily) else []


def _hours(shift: int) -> str:
    many = f"{abs(shift)} hour{'' if abs(shift) == 1 else 's'}"
    return f"{many} {'later' if shift > 0 else 'earlier'} than expected"
