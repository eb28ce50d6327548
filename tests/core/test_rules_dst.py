"""The rules for the nights in which clocks are changed, in three zones that do it differently.

Berlin moves by an hour at 02:00 and 03:00.  Lord Howe moves by half an hour.  Santiago moves at midnight, so that a
day may begin at 01:00, or have its last hour twice.  All moments below are UTC, worked out from the zones' rules.
"""

import pytest
from story import HOUR, Story, at, cyclic, daily, quiet

from job_tracker.core.jobs import Job

SPRING = [
    ("Europe/Berlin", "02:30", "2025-03-29 12:00", "2025-03-30 01:00:00"),
    ("Australia/Lord_Howe", "02:15", "2025-10-04 12:00", "2025-10-04 15:30:00"),
    ("America/Santiago", "00:00", "2025-09-06 12:00", "2025-09-07 04:00:00"),
    ("America/Santiago", "00:30", "2025-09-06 12:00", "2025-09-07 04:00:00"),
]
AUTUMN = [
    ("Europe/Berlin", "02:30", "2025-10-25 12:00", "2025-10-26 00:30:00", HOUR),
    ("Australia/Lord_Howe", "01:45", "2025-04-05 12:00", "2025-04-05 14:45:00", HOUR / 2),
    ("America/Santiago", "23:30", "2025-04-05 12:00", "2025-04-06 02:30:00", HOUR),
]


def starts_of(job: Job, first: str, count: int) -> list[int | None]:
    """The expected starts of a job, from one on."""
    assert job.starts is not None
    found = [job.starts.next_at_or_after(at(first))]
    while len(found) < count and found[-1] is not None:
        found.append(job.starts.next_at_or_after(found[-1] + 1))
    return found


@pytest.mark.parametrize(("zone", "clock", "known", "moment"), SPRING)
def test_a_start_that_does_not_exist_is_the_first_valid_moment_after_the_gap(
    zone: str, clock: str, known: str, moment: str
) -> None:
    """“an E that does not exist (spring) is the first valid moment after the gap”."""
    story = Story(daily(clock, zone=zone), known_since=known)

    assert story.standing.expected == at(moment)


@pytest.mark.parametrize(("zone", "clock", "known", "moment", "_again"), AUTUMN)
def test_a_start_that_exists_twice_is_the_first(zone: str, clock: str, known: str, moment: str, _again: float) -> None:
    """“one that exists twice (autumn) is the first”."""
    story = Story(daily(clock, zone=zone), known_since=known)

    assert story.standing.expected == at(moment)


@pytest.mark.parametrize(("zone", "clock", "known", "moment", "again"), AUTUMN)
def test_a_start_that_exists_twice_is_expected_once(
    zone: str, clock: str, known: str, moment: str, again: float
) -> None:
    """A night is one night: made at its first moment, nothing is missed at its second."""
    second = at(moment) / 1e6 + again - 1_749_600_000
    story = Story(daily(clock, zone=zone), known_since=known)

    story.hears("STARTED", at=moment).hears("SUCCESS", at=moment).passes(to=second + 20 * HOUR)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


@pytest.mark.parametrize(
    ("zone", "clock", "days"),
    [
        ("Europe/Berlin", "02:30", ["2025-03-29 01:30", "2025-03-30 01:00", "2025-03-31 00:30"]),
        ("Europe/Berlin", "02:30", ["2025-10-25 00:30", "2025-10-26 00:30", "2025-10-27 01:30"]),
        ("Australia/Lord_Howe", "02:15", ["2025-10-03 15:45", "2025-10-04 15:30", "2025-10-05 15:15"]),
        ("Australia/Lord_Howe", "01:45", ["2025-04-04 14:45", "2025-04-05 14:45", "2025-04-06 15:15"]),
        ("America/Santiago", "00:30", ["2025-09-06 04:30", "2025-09-07 04:00", "2025-09-08 03:30"]),
        ("America/Santiago", "23:30", ["2025-04-05 02:30", "2025-04-06 02:30", "2025-04-07 03:30"]),
    ],
)
def test_every_local_day_has_one_expected_start(zone: str, clock: str, days: list[str]) -> None:
    """“an expected start E per local day”: none is skipped and none is doubled around a change."""
    job = daily(clock, zone=zone)

    assert starts_of(job, days[0], 3) == [at(day) for day in days]


def test_a_daily_job_is_missed_at_the_moment_after_the_gap() -> None:
    """02:30 does not exist in Berlin on 30 March: late is who has not started at 03:00:05 there."""
    story = Story(daily("02:30", zone="Europe/Berlin"), known_since="2025-03-29 12:00").passes(to="2025-03-30 01:00:05")

    assert story.changes[-1].at == at("2025-03-30 01:00:05")
    assert story.shown == ("DELAYED", 2, 0, 1)


def test_intervals_are_elapsed_seconds() -> None:
    """“Intervals are elapsed seconds”: four hours over Berlin's spring change are four hours."""
    story = Story(cyclic(interval=4 * HOUR, zone="Europe/Berlin"), known_since="2025-03-30 00:00")

    story.passes(to="2025-03-30 04:00:05")

    assert story.changes[-1].at == at("2025-03-30 04:00:05")


@pytest.mark.parametrize(
    ("zone", "window", "inside", "ends"),
    [
        ("Europe/Berlin", ("01:30", "02:30"), "2025-03-30 00:45", ("2025-03-30 00:30", "2025-03-30 01:00")),
        ("Europe/Berlin", ("02:15", "03:15"), "2025-03-30 01:10", ("2025-03-30 01:00", "2025-03-30 01:15")),
        ("Europe/Berlin", ("01:30", "02:30"), "2025-10-26 00:00", ("2025-10-25 23:30", "2025-10-26 00:30")),
        ("Europe/Berlin", ("02:30", "03:30"), "2025-10-26 01:45", ("2025-10-26 00:30", "2025-10-26 02:30")),
        ("Australia/Lord_Howe", ("01:30", "02:15"), "2025-10-04 15:20", ("2025-10-04 15:00", "2025-10-04 15:30")),
        ("Australia/Lord_Howe", ("01:45", "03:00"), "2025-04-05 15:00", ("2025-04-05 14:45", "2025-04-05 16:30")),
        ("America/Santiago", ("23:30", "00:30"), "2025-09-07 03:45", ("2025-09-07 03:30", "2025-09-07 04:00")),
        ("America/Santiago", ("23:30", "00:30"), "2025-04-06 03:30", ("2025-04-06 02:30", "2025-04-06 04:30")),
    ],
)
def test_a_quiet_windows_ends_are_resolved_like_expected_starts(
    zone: str, window: tuple[str, str], inside: str, ends: tuple[str, str]
) -> None:
    """“the span between its two ends resolved like an E”: shorter in spring, longer in autumn."""
    job = cyclic(zone=zone, quiet=quiet(*window))

    assert job.windows is not None
    assert job.windows.window_at(at(inside)) == (at(ends[0]), at(ends[1]))


def test_a_quiet_window_inside_a_gap_is_empty() -> None:
    """From 02:15 to 02:45 does not exist in Berlin on 30 March: both ends are 03:00, and nothing is quiet."""
    job = cyclic(zone="Europe/Berlin", quiet=quiet("02:15", "02:45"))

    assert job.windows is not None
    assert job.windows.window_at(at("2025-03-30 01:00")) is None


def test_a_quiet_window_holds_the_repeated_hour_whole() -> None:
    """From 02:00 to 03:00 in Berlin on 26 October lasts two hours; the missed start waits for the end of both."""
    job = cyclic(zone="Europe/Berlin", quiet=quiet("02:00", "03:00"))
    story = Story(job, known_since="2025-10-26 00:00").passes(to="2025-10-26 02:10:05")

    assert story.changes[0].at == at("2025-10-26 02:10:05")


def test_an_early_start_before_the_gap_counts_for_the_day_of_the_gap() -> None:
    """E is 01:00 UTC; at 00:55 it is 01:55 in Berlin, five minutes early by any clock that runs."""
    story = Story(daily("02:30", zone="Europe/Berlin"), known_since="2025-03-29 12:00")

    story.hears("STARTED", at="2025-03-30 00:55").hears("SUCCESS", at="2025-03-30 00:56").passes(to="2025-03-30 12:00")

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_zone_that_skipped_a_whole_day_expected_no_start_on_it_twice() -> None:
    """Samoa had no 30 December 2011: its start is the first moment of the 31st, whose own is two hours later."""
    job = daily("02:00", zone="Pacific/Apia")

    assert starts_of(job, "2011-12-29 12:00", 3) == [
        at("2011-12-29 12:00"),
        at("2011-12-30 10:00"),
        at("2011-12-30 12:00"),
    ]


def test_a_start_moved_into_the_next_day_is_still_the_first_expected() -> None:
    """Known since the first moment of the 31st in Samoa, which is when the 30th's start is expected."""
    story = Story(daily("02:00", zone="Pacific/Apia"), known_since="2011-12-30 10:00")

    assert story.standing.expected == at("2011-12-30 10:00")


def test_a_start_may_lie_before_a_moment_of_the_day_before() -> None:
    """St. John's set its clocks of 2010 back at a minute past midnight, to 23:01: midnight came no more."""
    job = daily("00:00", zone="America/St_Johns")
    second_pass = at("2010-11-07 03:00")

    assert job.starts is not None
    assert job.starts.latest_at_or_before(second_pass) == at("2010-11-07 02:30")
