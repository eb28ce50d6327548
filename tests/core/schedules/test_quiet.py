"""Quiet windows of a job: those of several days, those that touch, and where deadlines move."""

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from test_starts import at, daily, held

from job_tracker.core.schedules.calendars import MON_FRI, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.quiet import Quiet, Windows, left_outside, move_expected, move_missed_start
from job_tracker.moments import DAY, MICROSECONDS, MINUTE

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 60 * MINUTE
GRACE = 5 * MICROSECONDS
WEEKEND = 0b1100000


def windows(*rules: tuple[int, int, Days]) -> Windows:
    """Windows from, until (hours) and days."""
    return Windows(zone=BERLIN, rules=tuple(Quiet(begin=b * 60, end=e * 60, days=days) for b, e, days in rules))


def test_windows_that_touch_are_one() -> None:
    """“Those that overlap or touch are one”: Friday's evening and the weekend."""
    quiet = windows((0, 24, Days(weekdays=WEEKEND)), (20, 0, Days(weekdays=0b0010000)), (23, 2, Days(weekdays=WEEKEND)))

    assert quiet.window_at(at("2026-05-02 12:00")) == (at("2026-05-01 20:00"), at("2026-05-04 02:00"))


def test_a_short_window_within_a_long_one_hides_nothing() -> None:
    """A window of the day before may end behind one that begins later."""
    quiet = windows((12, 11, Days(weekdays=0b0000001)), (1, 2, Days(weekdays=0b0000010)), (11, 13, Days(weekdays=2)))

    assert quiet.window_at(at("2026-05-05 12:30")) == (at("2026-05-04 12:00"), at("2026-05-05 13:00"))


def test_what_begins_and_ends_within_the_week_is_found_whole_and_no_longer() -> None:
    """All but one hour on Sunday is quiet; a look over that hour must not go on to the week before, for ever."""
    quiet = windows(
        (0, 24, Days(weekdays=0b0111111)), (0, 2, Days(weekdays=0b1000000)), (3, 24, Days(weekdays=0b1000000))
    )

    spans = {quiet.window_at(at(f"2026-05-{day:02d} 12:00")) for day in range(4, 11)}

    first = at("2026-05-03 03:00"), at("2026-05-10 02:00")
    assert spans == {first, (at("2026-05-10 03:00"), at("2026-05-17 02:00"))}


def test_a_window_belongs_to_the_day_of_its_begin() -> None:
    """Friday's night is quiet until Saturday morning, Thursday's is not."""
    quiet = windows((22, 6, Days(weekdays=0b0010000)))

    assert quiet.window_at(at("2026-05-02 05:00")) == (at("2026-05-01 22:00"), at("2026-05-02 06:00"))
    assert quiet.window_at(at("2026-05-01 05:00")) is None


def test_a_window_may_be_of_calendars() -> None:
    """`only_on` and `not_on` narrow a window as they narrow a job."""
    quiet = windows((0, 24, Days(only_on=(held("2026-05-01"),))))

    assert quiet.window_at(at("2026-05-01 12:00")) == (at("2026-05-01"), at("2026-05-02"))
    assert quiet.window_at(at("2026-05-02 12:00")) is None


def test_a_missed_start_is_patient_unless_the_next_window_is_nearer() -> None:
    """“or, if a window begins after that end and at or before that moment, to the window's end + G”."""
    quiet = windows((8, 9, Days()), (10, 11, Days()))
    inside = at("2026-05-04 08:30")

    assert move_missed_start(quiet, inside, 59 * MINUTE, GRACE) == at("2026-05-04 09:59")
    assert move_missed_start(quiet, inside, 60 * MINUTE, GRACE) == at("2026-05-04 09:00") + GRACE


def test_a_deadline_is_not_before_that_of_the_start_before_it() -> None:
    """An hour of grace: 07:58's deadline of 08:58 is quiet and moves to 10:00; 08:05 is not late at 09:05 already."""
    quiet, starts = windows((8, 9, Days())), daily(478, 485)

    moved = [move_expected(quiet, starts, at(f"2026-05-04 {clock}"), 0, HOUR) for clock in ("07:58", "08:05")]

    assert moved == [at("2026-05-04 10:00")] * 2


def test_a_deadline_that_was_moved_from_window_to_window_holds_up_those_after_it() -> None:
    """Two hours of grace: 01:30 moves to 04:00, which is quiet again, and so to 06:30; 06:20 waits for it."""
    quiet = Windows(zone=BERLIN, rules=(Quiet(begin=60, end=120), Quiet(begin=210, end=270)))

    moved = move_expected(quiet, daily(4 * 60 + 20, 23 * 60 + 30), at("2026-05-05 04:20"), 0, 2 * HOUR)

    assert moved == at("2026-05-05 06:30")


@pytest.mark.parametrize("grace", [0, 5, 600, 3600, 7200, 20_000])
def test_deadlines_are_never_out_of_order_and_are_what_a_walk_from_the_first_finds(grace: int) -> None:
    """“moved out of quiet windows, but not before that of the E before it”, over windows nearer than the grace."""
    quiet = windows((1, 2, Days()), (3, 4, Days(weekdays=MON_FRI)), (9, 11, Days()), (22, 1, Days(weekdays=WEEKEND)))
    starts = Cron(zone=BERLIN, expression="*/20 * * * *")
    begin, found, walked = at("2026-04-30"), [], []
    moment, highest = starts.next_at_or_after(begin - 2 * DAY), 0

    while moment is not None and moment < begin + 4 * DAY:
        base = moment + grace * MICROSECONDS
        while (window := quiet.window_at(base)) is not None:
            base = window[1] + grace * MICROSECONDS
        highest = max(highest, base)
        if moment >= begin:
            walked.append(highest)
            found.append(move_expected(quiet, starts, moment, 0, grace * MICROSECONDS))
        moment = starts.next_at_or_after(moment + 1)

    assert found == walked
    assert all(before <= after for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), (7 * DAY, 7 * DAY)),
        (((0, 24, Days()),), (0, 0)),
        (((1, 24, Days()),), (7 * HOUR, HOUR)),
        (((0, 24, Days(weekdays=MON_FRI)),), (2 * DAY, 2 * DAY)),
        (((23, 1, Days()), (0, 2, Days(weekdays=1))), (22 * 7 * HOUR - HOUR, 22 * HOUR)),
        (((0, 24, Days(only_on=(held(),))),), (7 * DAY, 7 * DAY)),
        (((0, 24, Days(not_on=(held("2026-05-01"),))),), (0, 0)),
    ],
)
def test_what_windows_leave_of_a_week(rules: tuple[tuple[int, int, Days], ...], expected: tuple[int, int]) -> None:
    """“in a week of 168 clock hours”, however days and calendars fall."""
    assert left_outside(windows(*rules).rules) == expected


def test_a_daily_starts_deadline_moves_to_the_windows_end_and_the_grace() -> None:
    """“that of an E to its end + G”."""
    quiet, starts = windows((11, 13, Days())), daily()

    moved = move_expected(quiet, starts, at("2026-05-04 12:00"), 0, GRACE)

    assert moved == at("2026-05-04 13:00") + GRACE


def test_the_window_that_ended_last_is_found_where_it_ended_late_enough() -> None:
    """What was put off by a window is looked for behind it, and not behind one of last week."""
    quiet = windows((22, 6, Days(weekdays=0b0010000)))
    begin, end = at("2026-05-01 22:00"), at("2026-05-02 06:00")

    assert quiet.latest_ended_by(end, begin) == (begin, end)
    assert quiet.latest_ended_by(end - 1, begin) is None
    assert quiet.latest_ended_by(end + 3 * DAY, end - 1) == (begin, end)
    assert quiet.latest_ended_by(end + 3 * DAY, end) is None
