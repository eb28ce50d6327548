"""Times: moments on the clock of a job, durations, and how old a view is.

Rule: a moment is shown in the zone of the job it belongs to; the view's own, in that of what is shown beside it.
"""

import math
import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from job_tracker.core import states
from job_tracker.core.messages import LATEST
from job_tracker.errors import JobTrackerError
from job_tracker.moments import DAY, MICROSECONDS, MINUTE, span, stale_after
from job_tracker.telling.harmless import safe

STATUS_WORDS = dict(enumerate(states.STATUS_WORDS))

_CLOCKED = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])")
_COUNTED = re.compile(r"([0-9]{1,5})([dhm])")


class NoSuchMoment(JobTrackerError):
    """A moment or a length on the command line is none; nothing was done."""


@lru_cache(maxsize=256)
def zone_of(name: str | None) -> tzinfo | None:
    """A zone by its name, None for this host's; UTC where this host does not know it."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return UTC


def local(moment: int, zone: str | None) -> datetime:
    """A moment in microseconds on the clocks of a zone."""
    return datetime.fromtimestamp(moment // MICROSECONDS, UTC).astimezone(zone_of(zone))


def clock(moment: int | None, zone: str | None) -> str:
    """Date and time, empty if there is no moment."""
    return "" if moment is None else f"{local(moment, zone):%Y-%m-%d %H:%M:%S}"


def short(moment: int | None, zone: str | None, now: int) -> str:
    """As short as can be without being misread: the time if it is today's, else with month and day."""
    if moment is None:
        return ""
    shown, today = local(moment, zone), local(now, zone)
    if shown.date() == today.date():
        return f"{shown:%H:%M:%S}"
    return f"{shown:%m-%d %H:%M:%S}" if abs(moment - now) < 180 * 86400 * MICROSECONDS else f"{shown:%Y-%m-%d %H:%M:%S}"


def took(run: dict[str, Any], now: int | None = None) -> str:
    """How long a run took, or has been running by now; empty if its begin or its end was not seen."""
    begun, ended = run["begun"], run["ended"]
    if begun is None:
        return ""
    if run["outcome"] == "open":
        return "" if now is None else span(max(0, now - begun))
    return "" if ended is None else span(max(0, ended - begun))


def ago(duration: int) -> str:
    """A duration as one would say it."""
    seconds = max(0, duration) // MICROSECONDS
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def is_stale(meta: dict[str, Any], now: int) -> bool:
    """Whether a view is older than a working daemon lets it become."""
    return meta["stopped"] is not None or now - meta["written"] > stale_after(meta["interval"])


def age(meta: dict[str, Any], now: int, *, is_alive: bool, zone: str | None = None) -> str:
    """How old a view is, and what that means; zone: of what is shown beside it."""
    written = meta["written"]
    when = f"as of {short(written, zone, now)}, {ago(now - written)} ago"
    if meta["stopped"] is not None:
        return f"{when}; STALE: the daemon was stopped then"
    if not is_alive:
        return f"{when}; STALE: the daemon (pid {meta['pid']}) does not run any more"
    if is_stale(meta, now):
        return f"{when}; STALE: the daemon (pid {meta['pid']}) has written nothing since"
    return f"{when}; the daemon (pid {meta['pid']}) runs since {short(meta['started'], zone, now)}"


def hours(begin: int, end: int) -> str:
    """A daily window, given in minutes after midnight."""
    return f"{begin // 60:02d}:{begin % 60:02d} to {end // 60:02d}:{end % 60:02d}"


def moment(option: str, given: str | None, zone: tzinfo) -> int | None:
    """A moment in microseconds: epoch seconds, or an ISO date and time, in a zone unless it names its own."""
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            read = datetime.fromisoformat(given)
        except ValueError:
            raise NoSuchMoment(
                f"{option} {safe(given)}: neither epoch seconds nor a date and time like 2026-11-23T02:00:00"
            ) from None
        seconds = (read if read.tzinfo is not None else read.replace(tzinfo=zone)).timestamp()
    if not math.isfinite(seconds) or not 0 <= seconds <= LATEST:
        raise NoSuchMoment(f"{option} {safe(given)}: not a moment between 1970 and 9892")
    return round(seconds * MICROSECONDS)


def duration(option: str, given: str) -> int:
    """A length in microseconds: hh:mm:ss as in the configuration, or as 2d, 36h, 90m."""
    clocked, counted = _CLOCKED.fullmatch(given), _COUNTED.fullmatch(given)
    if clocked is not None:
        hours_, minutes, seconds = map(int, clocked.groups())
        return ((hours_ * 60 + minutes) * 60 + seconds) * MICROSECONDS
    if counted is None:
        raise NoSuchMoment(f"{option} {safe(given)}: neither hh:mm:ss nor a number of days, hours or minutes like 2d")
    return int(counted[1]) * {"d": DAY, "h": 60 * MINUTE, "m": MINUTE}[counted[2]]
