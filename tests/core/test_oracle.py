"""The oracle is right by itself: scenarios worked out by hand, and what must hold for any case.

Rule: the numbers here were computed on paper from the contract, never copied from an answer.
"""

import random
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cases import Case, cases, random_case, smaller
from hypothesis import HealthCheck, given, settings
from oracle import SECOND, at_clock, replay

T = 1_700_000_000  # 2023-11-14 22:13:20 UTC
Line = dict[str, Any]


def world(*jobs: Line, hosts: tuple[str, ...] = ("app1",), **keys: Any) -> Line:
    """A configuration in UTC with a grace of 5 seconds and a patience of 15."""
    base = {
        "controller_message_grace_period_in_sec": 5,
        "controller_interval_in_sec": 10,
        "controller_data_load_timeout_in_sec": 5,
        "time_zone": "UTC",
    }
    return {
        "global_config": base | keys,
        "source_hosts": [{"name": name, "hostname": name} for name in hosts],
        "jobs": list(jobs),
    }


def cyclic(interval: str = "00:10:00", timeout: str = "00:01:40", **keys: Any) -> Line:
    """A job every ten minutes that may take a hundred seconds."""
    return {
        "name": "LOAD",
        "env": "P",
        "cyclic_or_daily": "cyclic",
        "cyclic_interval_in_hh:mm:ss": interval,
        "timeout_in_hh:mm:ss": timeout,
    } | keys


def daily(clock: str, timeout: str = "01:00:00", **keys: Any) -> Line:
    """A job once a day."""
    return {
        "name": "LOAD",
        "env": "P",
        "cyclic_or_daily": "daily",
        "daily_start_time_in_hh:mm": clock,
        "timeout_in_hh:mm:ss": timeout,
    } | keys


def said(second: float, event: str, run: str | None = None, **keys: Any) -> Line:
    """A message so many seconds after T."""
    line = {"timestamp": T + second, "instance": "P", "job": "LOAD", "event": event, "source": "app1"} | keys
    return line if run is None else line | {"run": run}


def out(opens: float, closes: float, source: str = "app1") -> Line:
    """An outage, in seconds after T."""
    return {"source": source, "unreachable_from": T + opens, "unreachable_until": T + closes}


def told(config: Line, lines: list[Line], until: float, start: float | None = None) -> list[tuple[Any, ...]]:
    """The changes as (seconds after T, from, to, status, errors, missed)."""
    changes, _ = replay(config, lines, None if start is None else T + start, T + until)
    return [(c["at"] - T, c["from"], c["to"], c["status"], c["errors"], c["missed"]) for c in changes]


def stamp(text: str) -> int:
    """Read a moment in UTC as epoch seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


# --- deadlines --------------------------------------------------------------------------------------------------------


def test_a_timeout_counts_one_error_and_each_further_full_timeout_one_more() -> None:
    """The worked example: a start, and no end within a hundred seconds and the grace of five."""
    changes, final = replay(world(cyclic()), [said(0, "STARTED")], None, T + 205)

    assert changes == [
        {"at": T, "job": "LOAD__P", "from": "NEVER_RAN", "to": "RUNNING", "status": 0, "errors": 0, "missed": 0},
        {"at": T + 105.0, "job": "LOAD__P", "from": "RUNNING", "to": "TIMEOUT", "status": 2, "errors": 1, "missed": 0},
        {"at": T + 205.0, "job": "LOAD__P", "from": "TIMEOUT", "to": "TIMEOUT", "status": 2, "errors": 2, "missed": 0},
    ]
    assert final == {"LOAD__P": {"state": "TIMEOUT", "status": 2, "errors": 2, "missed": 0}}


def test_a_job_never_heard_of_is_missed_from_known_since() -> None:
    """The promise starts when the job is configured, not at its first message."""
    config = world(cyclic(**{"start_max_delay_in_hh:mm:ss": "00:00:30"}))

    assert told(config, [], 1300, start=0) == [
        (635, "NEVER_RAN", "DELAYED", 2, 0, 1),
        (1235, "DELAYED", "DELAYED", 2, 0, 2),
    ]


def test_a_message_at_the_very_moment_of_a_deadline_is_in_time() -> None:
    """Start 0, due 600, deadline 605; the end at 105 and the start at 605 are each in the last moment."""
    lines = [said(0, "STARTED"), said(105, "SUCCESS"), said(605, "STARTED")]

    assert told(world(cyclic()), lines, 650) == [
        (0, "NEVER_RAN", "RUNNING", 0, 0, 0),
        (105, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (605, "NOT_RUNNING", "RUNNING", 0, 0, 0),
    ]


def test_an_interval_that_counts_from_the_end_is_due_after_the_end() -> None:
    """Ended at 90, due at 690, late at 695; counted from the start it would have been 605."""
    lines = [said(0, "STARTED"), said(90, "SUCCESS")]

    assert told(world(cyclic(cyclic_interval_counts_from="end")), lines, 700)[-1] == (
        695,
        "NOT_RUNNING",
        "DELAYED",
        2,
        0,
        1,
    )


def test_a_run_longer_than_its_interval_is_due_again_an_interval_after_its_end() -> None:
    """Started 0, ended 700: nothing is missed at 605, the next is due at 1300."""
    lines = [said(0, "STARTED"), said(700, "SUCCESS")]

    assert told(world(cyclic(timeout="01:00:00")), lines, 1305) == [
        (0, "NEVER_RAN", "RUNNING", 0, 0, 0),
        (700, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (1305, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


@pytest.mark.parametrize(
    ("zone", "clock", "day", "moment"),
    [
        ("Europe/Berlin", "02:30", "2025-03-30", "2025-03-30T01:00"),
        ("Europe/Berlin", "02:30", "2025-10-26", "2025-10-26T00:30"),
        ("Australia/Lord_Howe", "02:15", "2025-10-05", "2025-10-04T15:30"),
        ("Australia/Lord_Howe", "01:45", "2025-04-06", "2025-04-05T14:45"),
        ("America/Santiago", "00:00", "2025-09-07", "2025-09-07T04:00"),
        ("America/Santiago", "23:30", "2025-04-05", "2025-04-06T02:30"),
    ],
)
def test_an_expected_start_in_a_dst_night_is_the_first_valid_moment(
    zone: str, clock: str, day: str, moment: str
) -> None:
    """In spring the first moment after the gap, in autumn the first of the two."""
    assert at_clock(ZoneInfo(zone), datetime.fromisoformat(day).date(), clock) == stamp(moment) * SECOND


def test_a_daily_job_that_does_not_start_is_an_alarm_whatever_its_threshold() -> None:
    """A night is not to be waited for twice: E is 02:30 Berlin, which does not exist, so 01:00:00 UTC."""
    config = world(daily("02:30", max_errors_before_alerting=3), time_zone="Europe/Berlin")

    changes, _ = replay(config, [], stamp("2025-03-29T12:00"), stamp("2025-03-31T12:00"))

    # The day after it is 02:30 CEST again, 00:30 UTC.
    assert [(c["at"], c["status"], c["missed"]) for c in changes] == [
        (stamp("2025-03-30T01:00") + 5, 2, 1),
        (stamp("2025-03-31T00:30") + 5, 2, 2),
    ]


def test_expected_starts_that_pass_while_a_daily_run_is_open_are_forgiven() -> None:
    """T is 22:13:20.  E at 23:00 daily; the run ends in the last moment of the second day's deadline."""
    begins, deadline = stamp("2023-11-14T23:00") - T, stamp("2023-11-15T23:00") + 5 - T
    lines = [said(begins, "STARTED"), said(deadline, "SUCCESS")]

    assert told(world(daily("23:00", timeout="48:00:00")), lines, deadline + 86_400, start=0) == [
        (begins, "NEVER_RAN", "RUNNING", 0, 0, 0),
        (deadline, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (deadline + 86_400, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_a_daily_start_counts_for_its_day_only_if_it_is_not_too_early() -> None:
    """E at 23:00: 22:55:00 is just early enough with five minutes, one second before is the day before's."""
    early = stamp("2023-11-14T22:55") - T
    good = [said(early, "STARTED"), said(early + 10, "SUCCESS")]
    bad = [said(early - 1, "STARTED"), said(early + 10, "SUCCESS")]

    assert told(world(daily("23:00")), good, 3600, start=0)[-1][2] == "NOT_RUNNING"
    assert told(world(daily("23:00")), bad, 3600, start=0)[-1] == (early + 305, "NOT_RUNNING", "DELAYED", 2, 0, 1)


# --- quiet windows ----------------------------------------------------------------------------------------------------

QUIET: Line = {
    "no_timeout_for_cyclic_jobs_from_in_hh:mm": "22:20",
    "no_timeout_for_cyclic_jobs_until_in_hh:mm": "01:00",
}
QUIET_END = 10_000  # 2023-11-15 01:00 UTC is 10,000 seconds after T; the window begins at 400


def test_a_missed_start_in_a_window_that_wraps_midnight_waits_an_interval_beyond_its_end() -> None:
    """Deadline 605 lies in [400, 10000): it moves to 10000 + 600 + 5, and the next counts from there."""
    lines = [said(0, "STARTED"), said(50, "SUCCESS")]

    assert told(world(cyclic(), **QUIET), lines, 11_300)[2:] == [
        (QUIET_END + 605, "NOT_RUNNING", "DELAYED", 2, 0, 1),
        (QUIET_END + 1205, "DELAYED", "DELAYED", 2, 0, 2),
    ]


def test_an_interval_as_long_as_the_hours_outside_is_missed_at_the_windows_end() -> None:
    """Outside are 21 h 20 min; interval + L + G are just that, so the deadline moves to the window's end + G."""
    hours = {"cyclic_interval_in_hh:mm:ss": "21:19:55"}
    lines = [said(-76_000, "STARTED"), said(-75_000, "SUCCESS")]  # due at 795, inside the window

    assert told(world(cyclic(timeout="01:00:00", **hours), **QUIET), lines, 12_000)[-1] == (
        QUIET_END + 5,
        "NOT_RUNNING",
        "DELAYED",
        2,
        0,
        1,
    )


def test_a_timeout_in_the_window_moves_to_its_end_and_the_following_count_from_there() -> None:
    """Start 350, timeout at 455 in the window: 10005, then 10105."""
    assert told(world(cyclic(), **QUIET), [said(350, "STARTED")], 10_105)[1:] == [
        (QUIET_END + 5, "RUNNING", "TIMEOUT", 2, 1, 0),
        (QUIET_END + 105, "TIMEOUT", "TIMEOUT", 2, 2, 0),
    ]


def test_a_run_lost_within_one_window_counts_nothing() -> None:
    """Both starts at 500 and 600 lie in the window; the third at 10000 is behind it, and its loss counts."""
    lines = [said(500, "STARTED"), said(600, "STARTED"), said(QUIET_END, "STARTED")]

    assert told(world(cyclic(), **QUIET), lines, QUIET_END) == [
        (500, "NEVER_RAN", "RUNNING", 0, 0, 0),
        (QUIET_END, "RUNNING", "RUNNING", 2, 1, 0),
    ]


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_without_id_is_lost_when_the_next_begins() -> None:
    """No end was ever seen: one error, forgotten by the next success."""
    lines = [said(0, "STARTED"), said(50, "STARTED"), said(60, "SUCCESS")]

    assert told(world(cyclic()), lines, 100)[1:] == [
        (50, "RUNNING", "RUNNING", 2, 1, 0),
        (60, "RUNNING", "NOT_RUNNING", 0, 0, 0),
    ]


def test_runs_with_ids_are_open_side_by_side_and_a_success_hides_no_other() -> None:
    """a fails with b open; b's success, begun later, forgets a's error, but a's success does not close b."""
    failed = [said(0, "STARTED", "a"), said(10, "STARTED", "b"), said(20, "ERROR", "a"), said(30, "SUCCESS", "b")]
    hanging = [said(0, "STARTED", "a"), said(10, "STARTED", "b"), said(20, "SUCCESS", "a")]

    assert told(world(cyclic()), failed, 100)[1:] == [
        (20, "RUNNING", "RUNNING", 2, 1, 0),
        (30, "RUNNING", "NOT_RUNNING", 0, 0, 0),
    ]
    assert told(world(cyclic()), hanging, 115)[1:] == [(115, "RUNNING", "TIMEOUT", 2, 1, 0)]


def test_an_older_success_does_not_clear_a_newer_failure() -> None:
    """b failed after a began; a's end forgets only a and what closed before it."""
    lines = [said(0, "STARTED", "a"), said(10, "STARTED", "b"), said(20, "ERROR", "b"), said(30, "SUCCESS", "a")]

    assert told(world(cyclic()), lines, 100)[1:] == [(20, "RUNNING", "ERROR", 2, 1, 0)]


def test_errors_below_the_threshold_show_the_status_for_that() -> None:
    """Threshold 3, below it 1: the status is 2 at the third error and stays 2 while it runs again."""
    config = world(cyclic(max_errors_before_alerting=3, status_below_threshold=1))
    lines = [said(0, "STARTED")] + [said(s, "ERROR") for s in (10, 20, 30)] + [said(40, "STARTED"), said(50, "SUCCESS")]

    assert told(config, lines, 60)[1:] == [
        (10, "RUNNING", "ERROR", 1, 1, 0),
        (20, "ERROR", "ERROR", 1, 2, 0),
        (30, "ERROR", "ERROR", 2, 3, 0),
        (40, "ERROR", "RUNNING", 2, 3, 0),
        (50, "RUNNING", "NOT_RUNNING", 0, 0, 0),
    ]


def test_an_end_without_a_start_is_a_run_that_makes_the_job_due_after_it() -> None:
    """The start was not seen: due is the end + interval."""
    assert told(world(cyclic()), [said(100, "SUCCESS")], 705, start=0) == [
        (100, "NEVER_RAN", "NOT_RUNNING", 0, 0, 0),
        (705, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_other_events_do_not_make_a_job_seen() -> None:
    """A note is kept and changes nothing; the first start is still due from known since."""
    assert told(world(cyclic()), [said(100, "NOTE")], 605, start=0) == [(605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


# --- what arrives otherwise -------------------------------------------------------------------------------------------


def test_a_late_message_prints_one_line_dated_at_its_timestamp() -> None:
    """The end at 50 arrives at 150, behind the timeout at 105: that never was; the deadline at 605 stands."""
    lines = [said(0, "STARTED"), said(50, "SUCCESS", received=T + 150)]

    assert told(world(cyclic()), lines, 605)[1:] == [
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (50, "TIMEOUT", "NOT_RUNNING", 0, 0, 0),
        (605, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_a_late_message_with_nothing_behind_it_lets_deadlines_print_their_own_lines() -> None:
    """The first message of all arrives after its run's timeouts have passed."""
    assert told(world(cyclic()), [said(0, "STARTED", received=T + 210)], 210) == [
        (0, "NEVER_RAN", "RUNNING", 0, 0, 0),
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (205, "TIMEOUT", "TIMEOUT", 2, 2, 0),
    ]


def test_the_same_uid_counts_once_and_without_one_twice() -> None:
    """A message may travel twice."""
    twice = [said(0, "STARTED"), said(10, "ERROR", uid="u"), said(10, "ERROR", uid="u", received=T + 20)]
    other = [said(0, "STARTED"), said(10, "ERROR"), said(10, "ERROR", received=T + 20)]

    assert told(world(cyclic()), twice, 100)[-1] == (10, "RUNNING", "ERROR", 2, 1, 0)
    assert told(world(cyclic()), other, 100)[-1] == (10, "ERROR", "ERROR", 2, 2, 0)


def test_a_timestamp_beyond_the_grace_is_taken_as_the_arrival() -> None:
    """Five seconds ahead are believed, six are not."""
    near, far = [said(105, "STARTED", received=T + 100)], [said(106, "STARTED", received=T + 100)]

    assert told(world(cyclic()), near, 150, start=0) == [(105, "NEVER_RAN", "RUNNING", 0, 0, 0)]
    assert told(world(cyclic()), far, 150, start=0) == [(100, "NEVER_RAN", "RUNNING", 0, 0, 0)]


# --- what cannot be seen ----------------------------------------------------------------------------------------------


def test_a_deadline_in_an_outage_is_unknown_until_the_source_is_back() -> None:
    """Gone at 600, deadline 605, patience until 615; back at 700 with the start of 603 (and none was missed)."""
    begin = [said(0, "STARTED"), said(50, "SUCCESS"), out(600, 700)]
    late = [*begin, said(603, "STARTED", received=T + 700), said(650, "SUCCESS", received=T + 700)]

    assert told(world(cyclic()), begin, 800)[2:] == [
        (615, "NOT_RUNNING", "UNKNOWN", 3, 0, 0),
        (605, "UNKNOWN", "DELAYED", 2, 0, 1),
    ]
    assert told(world(cyclic()), late, 800)[2:] == [
        (615, "NOT_RUNNING", "UNKNOWN", 3, 0, 0),
        (603, "UNKNOWN", "RUNNING", 0, 0, 0),
        (650, "RUNNING", "NOT_RUNNING", 0, 0, 0),
    ]


def test_an_outage_shorter_than_the_patience_is_not_shown() -> None:
    """Back at 615, in the moment in which it would have become UNKNOWN."""
    lines = [said(0, "STARTED"), said(50, "SUCCESS"), out(600, 615)]

    assert told(world(cyclic()), lines, 800)[2:] == [(605, "NOT_RUNNING", "DELAYED", 2, 0, 1)]


def test_outages_that_touch_are_one() -> None:
    """There is no moment between them at which the start that is due by 605 could have been heard, or missed."""
    lines = [said(0, "STARTED"), said(50, "SUCCESS"), out(600, 650), out(650, 700)]

    assert told(world(cyclic()), lines, 690)[2:] == [(615, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)]


def test_a_known_alarm_stays_through_an_outage() -> None:
    """It must neither page again nor hide the error; what was missed meanwhile is counted when the source is back."""
    lines = [said(0, "STARTED"), said(50, "ERROR"), out(600, 700)]

    assert told(world(cyclic()), lines, 800)[1:] == [
        (50, "RUNNING", "ERROR", 2, 1, 0),
        (605, "ERROR", "ERROR", 2, 1, 1),
    ]


def test_a_job_without_source_host_is_judged_by_the_source_of_its_newest_message() -> None:
    """app2 is away all the time; before the first message the job belongs to both, afterwards to app1."""
    config, away = world(cyclic(), hosts=("app1", "app2")), out(0, 5000, "app2")

    assert told(config, [away], 700, start=0) == [(605, "NEVER_RAN", "UNKNOWN", 3, 0, 0)]
    assert told(config, [said(10, "SUCCESS"), away], 700, start=0) == [
        (10, "NEVER_RAN", "NOT_RUNNING", 0, 0, 0),
        (615, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


# --- any case ---------------------------------------------------------------------------------------------------------

patient = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(cases(most=15))
def test_stopping_earlier_only_leaves_out_the_end(case: Case) -> None:
    """Whatever is printed up to a moment does not depend on what comes after it."""
    config, lines, start, _ = case
    middle = min(line["timestamp"] for line in lines if "timestamp" in line) + 300

    whole, _ = replay(config, lines, start, middle + 3600)
    part, _ = replay(config, lines, start, middle)

    assert whole[: len(part)] == part


@patient
@given(cases(most=15, outages=False, late=False))
def test_the_order_of_arrival_does_not_change_the_end(case: Case) -> None:
    """What is known in the end is folded by its own moments."""
    config, lines, start, _ = case
    last = max(line["timestamp"] for line in lines)
    start = min(line["timestamp"] for line in lines) if start is None else start
    late = [line | {"received": line["timestamp"] + place * 7919 % 600} for place, line in enumerate(lines)]

    _, at_once = replay(config, lines, start, last + 600)
    _, shuffled = replay(config, late, start, last + 600)

    assert at_once == shuffled


def test_random_cases_are_many_and_different() -> None:
    """Every state is met, and a case can be made smaller while it still shows the same."""
    states = set()
    for seed in range(60):
        states |= {change["to"] for change in replay(*random_case(random.Random(seed)))[0]}

    assert states == {"UNKNOWN", "RUNNING", "NOT_RUNNING", "ERROR", "TIMEOUT", "DELAYED"}

    def fails(case: Case) -> bool:
        return any(change["to"] == "ERROR" for change in replay(*case)[0])

    case = next(c for c in (random_case(random.Random(s)) for s in range(60)) if fails(c))
    assert len(smaller(case, fails)[1]) == 1
