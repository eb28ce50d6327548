"""Expected starts: days that are named and open, closed days that move, cron on the nights of changes, how early."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from job_tracker.core.schedules.calendars import EVERY_DAY, MON_FRI, Calendar, Days
from job_tracker.core.schedules.cron import Cron, check
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import DAY, MICROSECONDS, MINUTE

BERLIN = ZoneInfo("Europe/Berlin")
NOON = 12 * 60


def at(wall: str, zone: ZoneInfo = BERLIN) -> int:
    """A clock time of a zone, in microseconds."""
    return round(datetime.fromisoformat(wall).replace(tzinfo=zone).timestamp()) * MICROSECONDS


def held(*days: str, name: str = "closed") -> Calendar:
    """A calendar of some days."""
    ordinals = frozenset(date.fromisoformat(day).toordinal() for day in days)
    return Calendar(name=name, days=ordinals, first=date(2020, 1, 1).toordinal(), last=date(2036, 1, 1).toordinal())


def daily(*times: int, zone: ZoneInfo = BERLIN, **keys: Any) -> Daily:
    """Starts at some times, at noon if none is given."""
    days = Days(
        weekdays=keys.pop("weekdays", EVERY_DAY), only_on=keys.pop("only_on", ()), not_on=keys.pop("not_on", ())
    )
    return Daily(zone=zone, times=times or (NOON,), days=days, **keys)


def shown(starts: Starts, first: str, count: int) -> list[str]:
    """The starts from a clock time on, on the clocks of their zone."""
    found: list[str] = []
    moment = starts.next_at_or_after(at(first, starts.zone))
    while moment is not None and len(found) < count:
        found.append(f"{datetime.fromtimestamp(moment // MICROSECONDS, starts.zone):%m-%d %H:%M}")
        moment = starts.next_at_or_after(moment + 1)
    return found


def test_days_that_nothing_narrows_are_all_days() -> None:
    """“A rule that excludes nothing changes nothing.”"""
    every = daily()
    narrowed = daily(not_on=(held(),), days_of_month=tuple(range(1, 32)), closed_day=ClosedDay.NEXT)

    assert shown(narrowed, "2026-02-20", 40) == shown(every, "2026-02-20", 40)


@pytest.mark.parametrize(
    ("keys", "first", "expected"),
    [
        ({"weekdays": MON_FRI}, "2026-05-01", ["05-01 12:00", "05-04 12:00", "05-05 12:00"]),
        ({"weekdays": MON_FRI, "not_on": (held("2026-05-01"),)}, "2026-05-01", ["05-04 12:00", "05-05 12:00"]),
        ({"days_of_month": (31,)}, "2026-03-01", ["03-31 12:00", "05-31 12:00", "07-31 12:00"]),
        ({"days_of_month": (-1,)}, "2026-01-31", ["01-31 12:00", "02-28 12:00", "03-31 12:00"]),
        ({"days_of_month": (-31,)}, "2026-02-02", ["03-01 12:00", "05-01 12:00"]),
        ({"working_days_of_month": (-1,), "weekdays": MON_FRI}, "2026-05-01", ["05-29 12:00", "06-30 12:00"]),
        ({"working_days_of_month": (1,), "weekdays": MON_FRI}, "2026-08-01", ["08-03 12:00", "09-01 12:00"]),
        ({"only_on": (held("2026-02-28"),)}, "2026-01-01", ["02-28 12:00"]),
        ({"only_on": (held("2026-02-28"), held("2026-03-03"))}, "2026-01-01", ["02-28 12:00", "03-03 12:00"]),
        ({"only_on": (held("2026-03-01"),), "days_of_month": (2,)}, "2026-01-01", []),
    ],
)
def test_a_day_has_starts_if_it_is_named_and_open(keys: dict[str, Any], first: str, expected: list[str]) -> None:
    """“by all of them that are given; without any, every day is”."""
    assert shown(daily(**keys), first, len(expected) or 1) == expected


@pytest.mark.parametrize(
    ("closed_day", "expected"),
    [
        (ClosedDay.SKIP, ["02-15 12:00"]),
        (ClosedDay.NEXT, ["01-26 12:00", "02-15 12:00"]),
        (ClosedDay.PREVIOUS, ["01-02 12:00", "02-15 12:00"]),
    ],
)
def test_the_start_of_a_closed_day_is_left_out_or_moves(closed_day: ClosedDay, expected: list[str]) -> None:
    """“their E move to the nearest later (earlier) open day … whatever names that, at the same clock times”."""
    shut = held(*(f"2026-01-{day:02d}" for day in range(3, 26)))

    starts = daily(days_of_month=(15,), not_on=(shut,), closed_day=closed_day)

    assert shown(starts, "2026-01-01", len(expected)) == expected


@pytest.mark.parametrize(("closed", "expected"), [(31, ["02-01 12:00"]), (32, ["12-31 12:00"])])
def test_a_start_moves_at_most_31_days(closed: int, expected: list[str]) -> None:
    """A calendar of a whole closed summer must not gather a summer's starts on one day."""
    first = date(2026, 1, 1).toordinal()
    shut = held(*(date.fromordinal(first + step).isoformat() for step in range(closed)))
    only = held("2026-01-01", "2026-12-31", name="only")

    assert shown(daily(only_on=(only,), not_on=(shut,), closed_day=ClosedDay.NEXT), "2026-01-01", 1) == expected


def test_starts_that_move_to_the_same_moment_are_one() -> None:
    """“E of one moment are one.”"""
    starts = daily(weekdays=MON_FRI, closed_day=ClosedDay.NEXT)

    assert shown(starts, "2026-05-01", 3) == ["05-01 12:00", "05-04 12:00", "05-05 12:00"]


def test_a_start_is_looked_for_up_to_ten_years_away() -> None:
    """29 February on a Saturday comes every 28 years; a leap day is found, one of 2040 is not."""
    assert shown(daily(days_of_month=(29,), only_on=(held("2028-02-29"),)), "2026-01-01", 1) == ["02-29 12:00"]
    assert daily(only_on=(held("2036-05-01"),)).next_at_or_after(at("2026-01-01")) is None
    assert daily(only_on=(held("2016-05-01"),)).latest_at_or_before(at("2027-01-01")) is None


@pytest.mark.parametrize(
    ("expression", "night", "expected"),
    [
        ("30 2 * * *", "2026-03-29", ["03-29 03:00", "03-30 02:30"]),
        ("0,30 2,3 * * *", "2026-03-29", ["03-29 03:00", "03-29 03:30", "03-30 02:00"]),
        ("*/30 2 * * *", "2026-03-29", ["03-30 02:00", "03-30 02:30"]),
        ("30 2 * * *", "2026-10-25", ["10-25 02:30", "10-26 02:30"]),
        ("*/30 2 * * *", "2026-10-25", ["10-25 02:00", "10-25 02:30", "10-25 02:00", "10-25 02:30"]),
    ],
)
def test_cron_on_the_nights_of_changes_mar_and_oct(expression: str, night: str, expected: list[str]) -> None:
    """Fixed times move behind the gap and count once; those of each minute are left out, and come twice."""
    assert shown(Cron(zone=BERLIN, expression=expression), night, len(expected)) == expected


@pytest.mark.parametrize(("expression", "following"), [("0 2 * * *", "12-31 02:00"), ("0 12 30 * *", "01-30 12:00")])
def test_cron_leaves_nothing_of_a_day_that_was_skipped(expression: str, following: str) -> None:
    """Samoa had no 30 December 2011: nobody waits on the 31st for a load of the 30th."""
    starts = Cron(zone=ZoneInfo("Pacific/Apia"), expression=expression)

    assert shown(starts, "2011-12-29 23:00", 1) == [following]


@pytest.mark.parametrize("expression", ["*/7 3-21/5 * * *", "5,10 4 1-7 * mon", "0 0 l * *", "59 23 * jan-mar fri#2"])
def test_a_day_without_changes_is_what_cronsim_finds_on_it(expression: str) -> None:
    """It is laid out from the fields that cronsim has read; the library itself has to agree."""
    starts = Cron(zone=BERLIN, expression=expression)
    begin = datetime(2026, 1, 1, tzinfo=BERLIN)
    found, moment = [], starts.next_at_or_after(at("2026-01-01"))
    for start in CronSim(expression, begin.replace(year=2025, month=12, day=31, hour=23, minute=59, second=59)):
        if start >= datetime(2026, 3, 1, tzinfo=BERLIN):
            break
        found.append(round(start.timestamp()) * MICROSECONDS)

    for each in found:
        assert moment == each
        moment = starts.next_at_or_after(each + 1)


def test_cron_starts_on_the_days_that_calendars_admit() -> None:
    """“of the days that `only_on` and `not_on` admit”."""
    starts = Cron(zone=BERLIN, expression="0 12 * * *", days=Days(not_on=(held("2026-05-01"),)))

    assert shown(starts, "2026-04-30", 2) == [
        "04-30 12:00",
        "05-02 12:00",
    ]


def test_how_early_a_start_may_be_is_bounded_by_half_the_time_since_the_one_before() -> None:
    """“where the job lists several times, and for cron, at most half of the time since the E before it”."""
    twice = daily(600, 610, max_early=30 * MINUTE)
    once = daily(600, max_early=30 * MINUTE)

    assert twice.early(at("2026-05-04 10:10")) == 5 * MINUTE
    assert twice.early(at("2026-05-04 10:00")) == 30 * MINUTE
    assert once.early(at("2026-05-04 10:00")) == 30 * MINUTE


def test_the_first_start_of_all_has_no_such_bound() -> None:
    """“the first E has no such bound”."""
    starts = daily(600, 610, only_on=(held("2026-05-04"),), max_early=DAY)

    assert starts.early(at("2026-05-04 10:00")) == DAY
    assert starts.early(at("2026-05-04 10:10")) == 5 * MINUTE


def test_a_start_makes_the_latest_that_it_is_not_too_early_for() -> None:
    """“makes the latest E with E − early(E) ≤ start … where there is none it makes none”."""
    starts = daily(600, 610, only_on=(held("2026-05-04"),), max_early=30 * MINUTE)

    made = [starts.made_by(at(f"2026-05-04 {clock}")) for clock in ("09:29", "09:30", "10:04", "10:05")]

    first, second = at("2026-05-04 10:00"), at("2026-05-04 10:10")
    assert made == [None, first, first, second]


@pytest.mark.parametrize(
    ("end", "start", "expected"),
    [
        (7 * 60, "2026-05-04 06:00", "2026-05-04 07:00"),
        (7 * 60, "2026-05-04 07:00", "2026-05-05 07:00"),
        (150, "2026-03-28 23:00", "2026-03-29 03:00"),
    ],
)
def test_a_run_ends_by_the_first_such_time_after_its_start(end: int, start: str, expected: str) -> None:
    """“B is the first moment after E that is this local time of some day, resolved like an E.”"""
    assert daily(end_clock=end).end_by(at(start)) == at(expected)


def test_all_moments_are_utc_however_the_day_is_called() -> None:
    """One look at the number itself."""
    expected = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)

    assert daily().next_at_or_after(at("2026-07-01")) == round(expected.timestamp()) * MICROSECONDS


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("0 6 * *", "has not five fields"),
        ("0 6 * * 1", None),
        ("0 6 * * " + ",".join(["1"] * 600), "is longer than"),
        ("61 6 * * *", "minute"),
    ],
)
def test_an_expression_that_cannot_be_read_is_named(expression: str, fault: str | None) -> None:
    """Whoever wrote it learns what is wrong with it, before the first night without its job."""
    found = check(expression)

    assert found is None if fault is None else fault in (found or "").lower()


def test_what_an_expression_names_is_not_what_calendars_admit() -> None:
    """So that a day that is left out can be told from one that nobody meant."""
    starts = Cron(zone=BERLIN, expression="0 6 1 5 *", days=Days(not_on=(held("2026-05-01"),)))
    day = date(2026, 5, 1).toordinal()

    assert starts.names(day)
    assert not starts.has_starts_on(day)
    assert not starts.names(day + 1)


@pytest.mark.parametrize(
    ("closed_day", "moved"),
    [(ClosedDay.SKIP, None), (ClosedDay.NEXT, "2026-05-04"), (ClosedDay.PREVIOUS, "2026-04-30")],
)
def test_the_day_to_which_a_closed_day_moves_is_told(closed_day: ClosedDay, moved: str | None) -> None:
    """It is what the schedule shows beside the day that is left out."""
    starts = daily(weekdays=MON_FRI, not_on=(held("2026-05-01"),), days_of_month=(1,), closed_day=closed_day)

    found = starts.moved_to(date(2026, 5, 1).toordinal())

    assert found == (None if moved is None else date.fromisoformat(moved).toordinal())
