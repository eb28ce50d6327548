"""A year of expected starts, computed once more by other means: days by dateutil's rules, cron by croniter.

Neither of these is used by the program.  What a change of the clocks does to a clock time is worked out here by trying
each offset that the zone has on that day.
"""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from dateutil import rrule

from job_tracker.core.schedules.calendars import Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import MICROSECONDS

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "Africa/Casablanca",  # its summer is interrupted by Ramadan
    "America/Santiago",  # clocks are changed at midnight
    "America/Havana",  # and here, where midnight itself does not exist, or exists twice
    "Australia/Lord_Howe",  # by half an hour
)
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
DAY = timedelta(days=1)
CLOSED = {
    date(2026, month, day) for month, day in ((1, 1), (1, 6), (4, 3), (4, 6), (5, 1), (12, 24), (12, 25), (12, 31))
}
TIMES = [0, 1, 30, 60, 90, 105, 120, 135, 150, 179, 180, 720, 1410, 1439]
BEGIN, END = (datetime.fromisoformat(each) for each in ("2025-11-01", "2027-02-01"))
ONLY = {FIRST + timedelta(days=each) for each in range(0, 365, 9)}


def calendar(name: str, days: Iterable[date]) -> Calendar:
    held = frozenset(each.toordinal() for each in days)
    return Calendar(name=name, days=held, first=date(2020, 1, 1).toordinal(), last=date(2036, 1, 1).toordinal())


def seconds_of(starts: Starts, zone: ZoneInfo) -> list[int]:
    """The year's starts as the program has them, in epoch seconds."""
    begin = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    end = datetime(2026, 12, 30, tzinfo=UTC).timestamp()
    found, moment = [], starts.next_at_or_after(int(begin) * MICROSECONDS)
    while moment is not None and moment < end * MICROSECONDS:
        found.append(moment // MICROSECONDS)
        moment = starts.next_at_or_after(moment + 1)
    return found


def within(moments: Iterable[int]) -> list[int]:
    begin = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    end = datetime(2026, 12, 30, tzinfo=UTC).timestamp()
    return sorted({each for each in moments if begin <= each < end})


def showing(zone: ZoneInfo, wall: datetime) -> list[int]:
    """All moments at which clocks show a time, in epoch seconds."""
    offsets = {(wall + shift).replace(tzinfo=zone).utcoffset() for shift in (-2 * DAY, 2 * DAY)}
    offsets |= {wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
    tried = {int((wall - offset).replace(tzinfo=UTC).timestamp()) for offset in offsets if offset is not None}
    return sorted(each for each in tried if datetime.fromtimestamp(each, zone).replace(tzinfo=None) == wall)


def first_at(zone: ZoneInfo, wall: datetime) -> int:
    """The first moment at which clocks show a time, or the first after the gap that it lies in."""
    while not (found := showing(zone, wall)):
        wall += timedelta(minutes=1)
    return found[0]


def named_days(spec: dict[str, list[int]], opened: set[date]) -> set[date]:
    """What dateutil makes of days of the month; working days counted in the list of open days."""
    days = {each.date() for each in rrule.rrule(rrule.DAILY, dtstart=BEGIN, until=END)}
    if spec["days_of_month"]:
        rule = rrule.rrule(rrule.MONTHLY, bymonthday=spec["days_of_month"], dtstart=BEGIN, until=END)
        days &= {each.date() for each in rule}
    if spec["working_days"]:
        months: dict[tuple[int, int], list[date]] = {}
        for each in sorted(opened):
            months.setdefault((each.year, each.month), []).append(each)
        days &= {
            listed[place - 1 if place > 0 else place]
            for listed in months.values()
            for place in spec["working_days"]
            if abs(place) <= len(listed)
        }
    if spec["only"]:
        days &= ONLY
    return days


def moved(days: set[date], opened: set[date], closed_day: ClosedDay) -> set[date]:
    found = days & opened
    step = {ClosedDay.SKIP: 0, ClosedDay.NEXT: 1, ClosedDay.PREVIOUS: -1}[closed_day]
    for each in days - opened if step else ():
        goals = [each + step * distance * DAY for distance in range(1, 32) if each + step * distance * DAY in opened]
        found |= set(goals[:1])
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_daily_starts_is_as_dateutil_has_it(zone: str) -> None:
    """Thirty schedules in each zone, drawn by a seed: weekdays, days of the month, closed days that move."""
    draw, place = random.Random(f"daily {zone}"), ZoneInfo(zone)  # it is the same at each run
    for _ in range(30):
        weekdays = draw.choice([0b1111111, 0b0011111, 0b1100000, 0b1110001, draw.randint(1, 127)])
        spec = {
            "days_of_month": draw.choice([[], [], [1], [-1], [15, 31], [-2, 29], [30, -31]]),
            "working_days": draw.choice([[], [], [1], [-1], [3, -2]]),
            "only": draw.choice([[], [], [1]]),
        }
        closed_day = draw.choice(list(ClosedDay))
        times = sorted(
            draw.sample([0, 1, 30, 60, 90, 105, 120, 135, 150, 179, 180, 720, 1410, 1439], draw.randint(1, 3))
        )
        starts = Daily(
            zone=place,
            times=tuple(times),
            days=Days(
                weekdays=weekdays,
                only_on=(calendar("only", ONLY),) if spec["only"] else (),
                not_on=(calendar("closed", CLOSED),),
            ),
            days_of_month=tuple(spec["days_of_month"]),
            working_days_of_month=tuple(spec["working_days"]),
            closed_day=closed_day,
        )

        by_weekday = [each for each in range(7) if weekdays >> each & 1]
        rule = rrule.rrule(rrule.DAILY, byweekday=by_weekday, dtstart=BEGIN, until=END)
        opened = {each.date() for each in rule} - CLOSED
        days = moved(named_days(spec, opened), opened, closed_day)
        expected = within(
            first_at(place, datetime.combine(day, time()) + timedelta(minutes=each)) for day in days for each in times
        )
        assert seconds_of(starts, place) == expected, starts


CRON = (
    *("0 0 * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 1 * *", "5 4 * * 7", "0 12 13 * 5", "0 0 1,15 * 3"),
    *("59 23 31 * *", "0 2 29 2 *", "30 0 * * 1-5", "0 */6 * * *", "*/20 1-3 * * *", "*/30 * * * sun"),
    *("10-50/20 2 * 3,10,11 *", "0 1 */2 * *", "0 1 */2 * mon", "1 1 1 1 *", "0 3 * * 6,7"),
)
"""Fixed times in the hours of changes, each hour and each minute, both day fields."""


EXPLAINED = {
    # Of an hour that is not named cronsim goes on by hours of elapsed time.  Where clocks are changed by half an hour
    # it then stands half an hour beside the full hour, meets the hour 6 at half past, looks for its minute 0, and finds
    # it an hour too late.  The tracker expects what cronsim finds: nothing at 06:00 of these two days.
    ("Australia/Lord_Howe", "0 */6 * * *"): ["04-05 06:00", "10-04 06:00"],
}
"""Where the two differ, moment by moment."""


def by_croniter(expression: str, zone: ZoneInfo) -> list[int]:
    """What croniter finds on clocks that are never changed, and what Debian's cron makes of that in a change."""
    minute, hour, day, _, weekday = expression.split()
    both = not day.startswith("*") and not weekday.startswith("*")
    cron = croniter(expression, BEGIN, day_or=both)
    walls = []
    while (wall := cron.get_next(datetime)) < END:
        walls.append(wall)
    if minute.startswith("*") or hour.startswith("*"):
        return [each for wall in walls for each in showing(zone, wall)]
    return [first_at(zone, wall) for wall in walls]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", CRON)
def test_a_year_of_cron_is_as_croniter_has_it(zone: str, expression: str) -> None:
    """Fixed times behind the gap once, and of two the first; each hour and minute as often as clocks show it."""
    place = ZoneInfo(zone)

    found, expected = seconds_of(Cron(zone=place, expression=expression), place), within(by_croniter(expression, place))

    differ = sorted(set(expected).symmetric_difference(found))
    assert [f"{datetime.fromtimestamp(each, place):%m-%d %H:%M}" for each in differ] == EXPLAINED.get(
        (zone, expression), []
    )
    assert found == sorted(set(found))
