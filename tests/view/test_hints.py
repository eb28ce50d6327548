"""Hints: what a history says about a promise, what the configuration makes of their lines, and when nothing is said.

Histories are made here of clock times on the wall and the standard library's zones, not of what the program expects.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_tracker.config.reading import Config, parse
from job_tracker.core.standing import Outcome, Run
from job_tracker.moments import MICROSECONDS, MINUTE
from job_tracker.view.hints import delays, looking, names
from job_tracker.view.hints.words import NEEDED, Hint, Past

SECOND = MICROSECONDS
HOUR = 60 * MINUTE
UTC, BERLIN, NEW_YORK = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
FIRST = datetime(2026, 2, 2)  # noqa: DTZ001 - a day on the wall, of whichever zone
"""A Monday, eight weeks before the clocks are changed in Berlin."""
NIGHTLY = {
    "cyclic_or_daily": "daily",
    "daily_start_time_in_hh:mm": "02:00",
    "start_max_delay_in_hh:mm:ss": "00:10:00",
    "timeout_in_hh:mm:ss": "01:00:00",
}
HOURLY = {
    "cyclic_or_daily": "cyclic",
    "cyclic_interval_in_hh:mm:ss": "01:00:00",
    "start_max_delay_in_hh:mm:ss": "00:05:00",
    "timeout_in_hh:mm:ss": "01:00:00",
}
Document = dict[str, Any]


def configured(job: Document, **others: Any) -> Config:
    """A configuration of one job, and of whatever else is said."""
    said = {
        "global_config": {"time_zone": "Europe/Berlin"},
        "source_hosts": [{"connection": "local", "name": "app1", "message_queue": "q"}],
        "jobs": [{"name": "LOAD", "env": "P", **job}],
    }
    return parse(json.dumps(said | others), name="job_tracker.cfg")


def followed(job: Document, hint: Hint) -> Document:
    """The job with the lines of a hint in the place of its own."""
    return {key: value for key, value in job.items() if key not in hint.without} | dict(hint.lines)


def at(days: Iterable[int], clock: str, zone: ZoneInfo = BERLIN) -> list[int]:
    """The moments at which clocks show a time, on days counted from the first."""
    hours, minutes = map(int, clock.split(":"))
    walls = (FIRST + timedelta(days=day, hours=hours, minutes=minutes) for day in days)
    return [round(wall.replace(tzinfo=zone).timestamp()) * SECOND for wall in walls]


def runs_of(starts: Sequence[int], took: Sequence[int] = (20 * MINUTE,), **changes: Any) -> list[Run]:
    """A run for each start; what they take is said in turn."""
    said: Document = {"outcome": Outcome.WELL, "id": None} | changes
    lasted = [took[number % len(took)] for number in range(len(starts))]
    return [
        Run(order=number, begun=begun, ended=begun + each, **said)
        for number, (begun, each) in enumerate(zip(starts, lasted, strict=True), 1)
    ]


def hints_of(job: Document, runs: Sequence[Run], since: int = 0) -> list[Hint]:
    """All that is said of a job with such runs."""
    [promise] = configured(job).jobs.by_key.values()
    past = Past(job=promise, runs=runs, promised_since=since)
    return [*looking.about_job(past, [UTC, BERLIN, NEW_YORK]), *delays.about_grace([past], 0)]


def the_only_one(job: Document, runs: Sequence[Run]) -> tuple[Hint, Document]:
    """The only hint of a job, and the job as it proposes it, of which nothing more is said."""
    [hint] = hints_of(job, runs)
    better = followed(job, hint)
    assert not hints_of(better, runs)
    return hint, better


# -- what is said, and that the configuration takes it --------------------------------------------------------------


def test_starts_by_the_clock_of_another_zone_name_the_zone() -> None:
    """A host in UTC starts the load of two o'clock at three in winter and at four in summer: no clock time fits."""
    hint, _ = the_only_one(NIGHTLY, runs_of(at(range(40, 70), "02:03", UTC)))

    assert hint.kind == "zone"
    assert hint.lines == {"time_zone": "UTC"}
    assert "those of UTC" in hint.text


def test_without_a_change_of_the_clocks_both_readings_are_said() -> None:
    """In one winter nobody can tell UTC from a start that was meant an hour later."""
    hint, _ = the_only_one(NIGHTLY, runs_of(at(range(30), "03:02")))

    assert hint.lines == {"time_zone": "UTC"}
    assert "1 hour later than expected" in hint.text
    assert "or it is meant to start at 03:00" in hint.text


def test_starts_hours_off_by_no_zone_that_is_named_name_the_clock_time() -> None:
    """A zone is only proposed where somebody may have meant it."""
    job = NIGHTLY | {"daily_start_time_in_hh:mm": ["10:00", "14:00"]}
    starts = sorted(at(range(30), "07:01") + at(range(30), "11:01"))

    hint, better = the_only_one(job, runs_of(starts))

    assert better["daily_start_time_in_hh:mm"] == ["07:00", "11:00"]
    assert "3 hours earlier" in hint.text


def test_cron_is_told_of_another_zone_too() -> None:
    """Its fields are not shifted by anybody but the zone."""
    job = HOURLY | {"cyclic_or_daily": "cron", "cron_expression": "30 4 * * mon-fri"}
    del job["cyclic_interval_in_hh:mm:ss"]
    days = [day for day in range(60) if day % 7 < 5]

    hint, _ = the_only_one(job, runs_of(at(days, "04:31", NEW_YORK)))

    assert hint.lines == {"time_zone": "America/New_York"}


@pytest.mark.parametrize(
    ("job", "starts", "lines"),
    [
        (NIGHTLY, at(range(30), "02:20"), {"start_max_delay_in_hh:mm:ss": "00:30:00"}),
        (
            NIGHTLY | {"start_max_delay_in_hh:mm:ss": "04:00:00"},
            at(range(30), "02:02"),
            {"start_max_delay_in_hh:mm:ss": "00:10:00"},
        ),
        (
            HOURLY,
            [number * 2 * HOUR for number in range(200_000, 200_040)],
            {"cyclic_interval_in_hh:mm:ss": "02:00:00", "start_max_delay_in_hh:mm:ss": "00:05:00"},
        ),
        (
            HOURLY | {"start_max_delay_in_hh:mm:ss": "03:00:00"},
            [number * HOUR for number in range(400_000, 400_040)],
            {"start_max_delay_in_hh:mm:ss": "00:05:00"},
        ),
    ],
)
def test_a_delay_is_always_or_never_used_up(job: Document, starts: list[int], lines: Document) -> None:
    """One alarms each day for nothing, the other keeps a missed start back for hours."""
    hint, _ = the_only_one(job, runs_of(starts))

    assert hint.kind == "delay"
    assert hint.lines == lines


def test_a_grace_that_nobody_needs_is_said_once() -> None:
    """It is added to every deadline of every job."""
    said = {"controller_message_grace_period_in_sec": 600, "time_zone": "Europe/Berlin"}
    [job] = configured(NIGHTLY, global_config=said).jobs.by_key.values()
    past = Past(job=job, runs=runs_of(at(range(30), "02:00")), promised_since=0)

    [hint] = delays.about_grace([past, past], 2 * SECOND)

    assert hint.job == "global_config"
    assert hint.lines == {"controller_message_grace_period_in_sec": 10}
    assert configured(NIGHTLY, global_config=said | dict(hint.lines)).settings.grace_microseconds == 10 * SECOND
    assert not list(delays.about_grace([past, past], 200 * SECOND))


@pytest.mark.parametrize(
    ("timeout", "took", "proposed"),
    [
        ("01:00:00", [50 * MINUTE, 55 * MINUTE], "03:00:00"),
        ("10:00:00", [2 * MINUTE, 5 * MINUTE], "00:20:00"),
        ("01:00:00", [3 * SECOND], "00:05:00"),
    ],
)
def test_a_timeout_is_near_the_median_or_a_hundred_times_above(timeout: str, took: list[int], proposed: str) -> None:
    """One is an alarm that waits for a slow night, the other lets a hanging run hang all day."""
    job = NIGHTLY | {"timeout_in_hh:mm:ss": timeout}

    hint, _ = the_only_one(job, runs_of(at(range(30), "02:00"), took))

    assert hint.lines == {"timeout_in_hh:mm:ss": proposed}


def test_a_long_timeout_is_left_alone_that_a_run_has_needed() -> None:
    """The median says nothing of the night on which all of it was loaded anew."""
    job = NIGHTLY | {"timeout_in_hh:mm:ss": "10:00:00"}

    assert not hints_of(job, runs_of(at(range(30), "02:00"), [2 * MINUTE] * 29 + [4 * HOUR]))


def test_an_end_that_comes_before_the_usual_one_is_said() -> None:
    """It would alarm on each ordinary night."""
    job = NIGHTLY | {"end_by_in_hh:mm": "02:45", "timeout_in_hh:mm:ss": "03:00:00"}

    hint, _ = the_only_one(job, runs_of(at(range(30), "02:00"), [50 * MINUTE, 60 * MINUTE]))

    assert hint.lines == {"end_by_in_hh:mm": "03:30"}
    assert "00:45:00 after its expected start" in hint.text


def test_a_cyclic_job_that_keeps_to_weekdays_is_a_daily_one() -> None:
    """Every 24 hours is no promise for it: it is red each Sunday."""
    job = HOURLY | {"cyclic_interval_in_hh:mm:ss": "24:00:00", "cyclic_interval_counts_from": "end"}
    days = [day for day in range(40) if day % 7 < 5 and day != 9]  # a holiday changes nothing

    hint, better = the_only_one(job, runs_of(at(days, "06:12")))

    assert hint.kind == "weekdays"
    assert better == {
        "cyclic_or_daily": "daily",
        "daily_start_time_in_hh:mm": "06:10",
        "weekdays": "mon-fri",
        "start_max_delay_in_hh:mm:ss": "00:15:00",
        "timeout_in_hh:mm:ss": "01:00:00",
    }


def test_a_cyclic_job_that_starts_all_day_on_weekdays_is_quiet_on_the_others() -> None:
    """It stays cyclic; what it had of quiet windows stays, too."""
    job = HOURLY | {"cyclic_interval_in_hh:mm:ss": "04:00:00", "quiet_windows": [{"from": "01:00", "until": "02:00"}]}
    days = [day for day in range(40) if day % 7 < 6]
    starts = sorted(start for hour in range(0, 24, 4) for start in at(days, f"{hour:02d}:00"))

    hint, _ = the_only_one(job, runs_of(starts))

    assert hint.lines["quiet_windows"] == [
        {"from": "01:00", "until": "02:00"},
        {"from": "00:00", "until": "24:00", "weekdays": "sun"},
    ]


def test_a_job_that_is_always_skipped_has_lost_its_lock() -> None:
    """A run that found nothing to do counts as a start, so nothing else would ever say it."""
    job = NIGHTLY | {"exit_codes": {"success": [3], "skipped": [75, 76]}}
    runs = runs_of(at(range(30), "02:00"), outcome=Outcome.SKIPPED, exit_code=75)

    hint, better = the_only_one(job, runs)

    assert hint.kind == "skipped"
    assert better["exit_codes"] == {"success": [3], "warning": [75], "skipped": [76]}
    assert not hints_of(job, [*runs[:-1], *runs_of(at([31], "02:00"))])


def test_a_name_that_is_nearly_a_jobs_is_one_more_name_of_it() -> None:
    """Names it had already stay; one that differs by its number is another job's."""
    job = NIGHTLY | {"reported_as": ["Lade Alles"]}
    jobs = configured(job).jobs
    rows = [{"name": "LAOD", "env": "P"}, {"name": "LAOD", "env": "P"}, {"name": "LOAD_2", "env": "P"}]

    [hint] = names.about(rows, jobs)

    assert hint.lines == {"reported_as": [{"job": "Lade Alles", "instance": "P"}, {"job": "LAOD", "instance": "P"}]}
    assert configured(followed(job, hint)).jobs.of("LAOD", "P") is not None


# -- when nothing is said -------------------------------------------------------------------------------------------


def test_a_short_history_is_no_habit() -> None:
    """One start less than is needed, and as many under this promise."""
    starts = at(range(NEEDED), "05:20", UTC)

    assert hints_of(NIGHTLY, runs_of(starts, [50 * MINUTE]))
    assert not hints_of(NIGHTLY, runs_of(starts[1:], [50 * MINUTE]))
    assert not hints_of(NIGHTLY, runs_of(starts), since=starts[0] + 1)


NOISE = st.lists(st.floats(min_value=0, max_value=1), min_size=70, max_size=70)


def cyclic_starts(minutes: int, delay: int, noise: Sequence[float]) -> tuple[Document, list[int]]:
    """A cron job that is heard a little later each time."""
    job = HOURLY | {"cyclic_interval_in_hh:mm:ss": f"{minutes // 60:02d}:{minutes % 60:02d}:00"}
    begin = at([0], "00:30")[0]
    return job, [begin + number * minutes * MINUTE + int(delay * each) for number, each in enumerate(noise)]


def daily_starts(minutes: int, delay: int, noise: Sequence[float]) -> tuple[Document, list[int]]:
    """A nightly job over a change of the clocks, on working days where the minute is odd."""
    clock = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    days = [day for day in range(len(noise)) if minutes % 2 == 0 or day % 7 < 5]
    job = NIGHTLY | {"daily_start_time_in_hh:mm": clock} | ({"weekdays": "mon-fri"} if minutes % 2 else {})
    starts = at(days, clock)
    return job, [start + int(delay * each) for start, each in zip(starts, noise, strict=False)]


def cron_starts(minutes: int, delay: int, noise: Sequence[float]) -> tuple[Document, list[int]]:
    """Twice an hour, by cron."""
    job = {"cyclic_or_daily": "cron", "cron_expression": f"{minutes % 30},{minutes % 30 + 30} * * * *"}
    begin = at([0], f"00:{minutes % 30:02d}")[0]
    return job, [begin + number * 30 * MINUTE + int(delay * each) for number, each in enumerate(noise)]


@given(
    made=st.sampled_from([cyclic_starts, daily_starts, cron_starts]),
    minutes=st.integers(min_value=10, max_value=1440),
    delay=st.integers(min_value=1, max_value=20),
    usual=st.integers(min_value=2, max_value=120),
    times=st.floats(min_value=2, max_value=90),
    noise=NOISE,
    slow=NOISE,
)
def test_a_job_that_keeps_its_promise_is_told_nothing(
    made: Callable[[int, int, Sequence[float]], tuple[Document, list[int]]],
    minutes: int,
    delay: int,
    usual: int,
    times: float,
    noise: list[float],
    slow: list[float],
) -> None:
    """Who reads hints that are none reads none any more: ordinary noise of starts and durations is no hint."""
    job, starts = made(minutes, delay * MINUTE // 2, noise)
    timeout = int(usual * times)
    job |= {
        "start_max_delay_in_hh:mm:ss": f"00:{delay:02d}:00",
        "timeout_in_hh:mm:ss": f"{timeout // 60:02d}:{timeout % 60:02d}:00",
    }
    took = [int(usual * MINUTE * (0.8 + 0.4 * each)) for each in slow]

    assert not hints_of(job, runs_of(starts, took))
