"""Written: schedules as JSON has them, for whoever keeps them or shows them, and read from it again.

Rule: what a schedule does not use is not written, so that what is added to the program changes nothing that was kept.
Rule: what was written and read again expects the same starts, on the days for which its calendars were read.
"""

from base64 import b64decode, b64encode
from functools import lru_cache
from typing import Any
from zlib import compress, decompress
from zoneinfo import ZoneInfo

from job_tracker.core.schedules.calendars import EVERY_DAY, Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.core.schedules.starts import Starts

CALENDAR = "days"
"""The key of an object that tells of the days of calendars, and of nothing else."""

Document = dict[str, Any]


def starts_written(starts: Starts | None) -> Document:
    """What an expected start may be beside one time on every day."""
    more: Document = {}
    match starts:
        case Daily():
            more["times"] = starts.times if len(starts.times) > 1 else None
            more["days_of_month"] = starts.days_of_month
            more["working_days_of_month"] = starts.working_days_of_month
            more["closed_day"] = starts.closed_day.value if starts.closed_day is not ClosedDay.SKIP else None
            more["on"] = _days_written(starts.days)
        case Cron():
            more["cron"] = starts.expression
            more["on"] = _days_written(starts.days)
    if starts is not None and starts.end_clock is not None:
        more["end_by"] = [starts.end_clock]
    return {key: value for key, value in more.items() if value}


def starts_read(written: Document, zone: ZoneInfo, max_early: int, time: int | None) -> Starts | None:
    """The starts again; time: of one that has a single one, which is written elsewhere."""
    end_clock = written["end_by"][0] if "end_by" in written else None
    days = _days_read(written.get("on", {}))
    if "cron" in written:
        return Cron(zone=zone, max_early=max_early, end_clock=end_clock, expression=written["cron"], days=days)
    times = written.get("times", () if time is None else (time,))
    if not times:
        return None
    return Daily(
        zone=zone,
        max_early=max_early,
        end_clock=end_clock,
        times=tuple(times),
        days=days,
        days_of_month=tuple(written.get("days_of_month", ())),
        working_days_of_month=tuple(written.get("working_days_of_month", ())),
        closed_day=ClosedDay(written.get("closed_day", ClosedDay.SKIP.value)),
    )


def window_written(rule: Quiet) -> list[Any]:
    """A quiet window."""
    return [rule.begin, rule.end, _days_written(rule.days)]


def windows_read(written: list[list[Any]], zone: ZoneInfo) -> Windows | None:
    """Quiet windows again; None if there are none."""
    rules = tuple(Quiet(begin=begin, end=end, days=_days_read(days)) for begin, end, days in written)
    return Windows(zone=zone, rules=rules) if rules else None


def _days_written(days: Days) -> Document:
    found: Document = {"weekdays": days.weekdays if days.weekdays != EVERY_DAY else None}
    found |= {"only_on": _calendars_written(days.only_on), "not_on": _calendars_written(days.not_on)}
    return {key: value for key, value in found.items() if value}


def _days_read(written: Document) -> Days:
    return Days(
        weekdays=written.get("weekdays", EVERY_DAY),
        only_on=_calendars_read(written.get("only_on")),
        not_on=_calendars_read(written.get("not_on")),
    )


@lru_cache(maxsize=1024)
def _calendars_written(calendars: tuple[Calendar, ...]) -> Document | None:
    """The days that one of some calendars holds; as bits, for they may be thousands, in each of ten thousand jobs."""
    if not calendars:
        return None
    first, last = max(each.first for each in calendars), min(each.last for each in calendars)
    days = frozenset().union(*(each.days for each in calendars))
    bits = sum(1 << day - first for day in days if first <= day <= last)
    packed = compress(bits.to_bytes((last - first) // 8 + 1, "little"), 9)
    return {CALENDAR: [first, last, b64encode(packed).decode()]}


def _calendars_read(written: Document | None) -> tuple[Calendar, ...]:
    return () if written is None else (_calendar(*written[CALENDAR]),)


@lru_cache(maxsize=256)
def _calendar(first: int, last: int, packed: str) -> Calendar:
    """Kept, for thousands of jobs may go by the same days."""
    bits = int.from_bytes(decompress(b64decode(packed)), "little")
    days = frozenset(first + at for at in range(last - first + 1) if bits >> at & 1)
    return Calendar(name="", days=days, first=first, last=last)
