"""Clock changes: when they come, and which clock times they leave out or double."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from test_starts import BERLIN, at

from job_tracker.core.schedules.clock_changes import ClockChange, changes
from job_tracker.moments import MICROSECONDS, MINUTE

HOUR = 60 * MINUTE
UTC = ZoneInfo("UTC")
SPRING = ClockChange(moment=at("2026-03-29 01:00", UTC), before=HOUR, after=2 * HOUR)
AUTUMN = ClockChange(moment=at("2026-10-25 01:00", UTC), before=2 * HOUR, after=HOUR)


def test_a_years_changes_are_found_to_the_second() -> None:
    """What is told of the night ahead is wrong by an hour if the moment is."""
    assert list(changes(BERLIN, at("2026-01-01 00:00"))) == [SPRING, AUTUMN]
    assert [each.is_gap for each in (SPRING, AUTUMN)] == [True, False]


@pytest.mark.parametrize(("seconds", "expected"), [(-1, SPRING), (0, AUTUMN)])
def test_a_change_that_has_come_is_not_to_come(seconds: int, expected: ClockChange) -> None:
    """The same night is not announced once more."""
    assert next(changes(BERLIN, SPRING.moment + seconds * MICROSECONDS)) == expected


def test_a_change_of_half_an_hour_and_one_at_midnight_are_found() -> None:
    """Not all clocks are set by an hour, at two."""
    lord_howe = next(changes(ZoneInfo("Australia/Lord_Howe"), at("2026-01-01 00:00")))
    beirut = next(changes(ZoneInfo("Asia/Beirut"), at("2026-01-01 00:00")))

    assert lord_howe.before - lord_howe.after == 30 * MINUTE
    assert beirut.moment == at("2026-03-28 22:00", UTC)


def test_clocks_that_are_never_set_have_no_changes() -> None:
    """Nor is any looked for beyond what was asked."""
    assert not list(changes(UTC, at("2026-01-01 00:00")))
    assert not list(changes(BERLIN, at("2026-01-01 00:00"), days=30))


@pytest.mark.parametrize(
    ("change", "day", "minutes", "concerned"),
    [
        (SPRING, "2026-03-29", 119, False),
        (SPRING, "2026-03-29", 120, True),
        (SPRING, "2026-03-29", 179, True),
        (SPRING, "2026-03-29", 180, False),
        (SPRING, "2026-03-30", 150, False),
        (AUTUMN, "2026-10-25", 120, True),
        (AUTUMN, "2026-10-25", 180, False),
    ],
)
def test_a_clock_time_in_between_is_concerned(change: ClockChange, day: str, minutes: int, concerned: bool) -> None:
    """From two to three clocks show nothing in spring, and everything twice in autumn."""
    assert change.concerns(date.fromisoformat(day).toordinal(), minutes) is concerned
