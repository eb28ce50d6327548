"""Schedules as JSON has them: whoever shows them reads what the tracker judges by."""

import json
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from job_tracker.core.schedules.calendars import MON_FRI, Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.local_time import local_moment
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.schedules.written import starts_read, starts_written, window_written, windows_read

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, LAST = date(2024, 1, 1).toordinal(), date(2028, 12, 31).toordinal()
HOLIDAYS = Calendar(
    name="holidays",
    days=frozenset({date(2026, 3, 30).toordinal(), date(2026, 4, 3).toordinal()}),
    first=FIRST,
    last=LAST,
)
EARLY = 300_000_000
PLAIN = Daily(zone=BERLIN, max_early=EARLY, times=(150,))


@pytest.mark.parametrize(
    "starts",
    [
        PLAIN,
        replace(PLAIN, times=(150, 600), end_clock=720),
        replace(PLAIN, days=Days(weekdays=MON_FRI, not_on=(HOLIDAYS,)), closed_day=ClosedDay.NEXT),
        replace(PLAIN, days_of_month=(1, -1)),
        replace(PLAIN, working_days_of_month=(2, -1), days=Days(weekdays=MON_FRI)),
        replace(PLAIN, days=Days(only_on=(HOLIDAYS,))),
        Cron(zone=BERLIN, max_early=EARLY, expression="*/20 1-3 * * *", days=Days(weekdays=MON_FRI)),
    ],
    ids=["plain", "several times", "closed days", "days of the month", "working days", "only on", "cron"],
)
def test_what_was_written_expects_the_same_starts_again(starts: Starts) -> None:
    """A page that drew other starts than the tracker awaits would accuse jobs that are on time."""
    begin = local_moment(BERLIN, date(2026, 3, 20).toordinal(), 0)

    written = json.loads(json.dumps(starts_written(starts)))
    again = starts_read(written, BERLIN, EARLY, 150 if starts == PLAIN or "times" not in written else None)

    assert again is not None
    assert _next(again, begin, 40) == _next(starts, begin, 40)
    first = _next(starts, begin, 1)[0]
    assert again.end_by(first) == starts.end_by(first)


def test_a_job_without_times_of_its_own_has_none_when_it_is_read() -> None:
    """A cyclic job's next start follows its last one, not a clock."""
    assert starts_written(None) == {}
    assert starts_read({}, BERLIN, 0, None) is None


def test_quiet_windows_come_back_with_their_days() -> None:
    """A shading on a day without a window would excuse what alarms."""
    rules = (Quiet(begin=1320, end=120), Quiet(begin=600, end=660, days=Days(weekdays=MON_FRI)))
    noon = local_moment(BERLIN, date(2026, 3, 28).toordinal(), 720)

    again = windows_read(json.loads(json.dumps([window_written(rule) for rule in rules])), BERLIN)

    assert again is not None
    day = noon // 86_400_000_000
    assert again.around(day) == Windows(zone=BERLIN, rules=rules).around(day)
    assert windows_read([], BERLIN) is None


def _next(starts: Starts, begin: int, count: int) -> list[int]:
    found: list[int] = []
    following = starts.next_at_or_after(begin)
    while following is not None and len(found) < count:
        found.append(following)
        following = starts.next_at_or_after(following + 1)
    return found
