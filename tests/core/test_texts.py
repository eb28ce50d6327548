"""The lines that an operator reads: every state has its word, since when, and why, in the job's own time.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise; moments
are seconds after midnight of 11 June 2025.
"""

from dataclasses import replace
from datetime import date

import pytest
from story import HOUR, Story, cyclic, daily

from job_tracker.core.schedules.calendars import Calendar, Days
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.texts import clock, describe
from job_tracker.moments import span


def test_a_job_not_heard_of_says_by_when_its_first_start_is_expected() -> None:
    """“a job not heard of yet is 0 and says by when its first start is expected”."""
    assert Story(cyclic()).text == (
        "NEVER_RAN since 2025-06-11 00:00:00: no message yet, the first start is expected by 2025-06-11 00:10:05"
    )


def test_a_running_job_says_by_when_it_has_to_end() -> None:
    """The promise in force at this moment."""
    assert Story(cyclic()).hears("STARTED", at=10).text == (
        "RUNNING since 2025-06-11 00:00:10: to end by 2025-06-11 00:01:55"
    )


def test_runs_side_by_side_are_counted() -> None:
    """The first to be late is the one that matters."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b")

    assert story.text == "RUNNING since 2025-06-11 00:00:00: 2 runs, to end by 2025-06-11 00:01:45"


def test_a_job_at_rest_says_how_long_it_took_and_when_it_is_expected() -> None:
    """What one asks first."""
    assert Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=75).text == (
        "NOT_RUNNING since 2025-06-11 00:01:15: last run took 00:01:15, next start expected by 2025-06-11 00:10:05"
    )


def test_a_job_at_rest_whose_start_was_not_seen_claims_no_duration() -> None:
    """It began at an unknown moment."""
    assert Story(cyclic()).hears("SUCCESS", at=75).text == (
        "NOT_RUNNING since 2025-06-11 00:01:15: next start expected by 2025-06-11 00:11:20"
    )


def test_a_run_after_an_error_says_why_it_is_still_an_alarm() -> None:
    """A CRIT says why: the state is about the new run, the alarm about the one before."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, message="ORA-01555").hears("STARTED", at=600)

    assert story.text == (
        "RUNNING since 2025-06-11 00:10:00 (1 of 1 errors): to end by 2025-06-11 00:11:45;"
        " last error 2025-06-11 00:00:10: ORA-01555"
    )


def test_a_run_after_a_lost_one_names_it() -> None:
    """Or nobody would know what to look for on the host."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("STARTED", at=50)

    assert story.text == (
        "RUNNING since 2025-06-11 00:00:00 (1 of 1 errors): to end by 2025-06-11 00:02:35;"
        " the run of 2025-06-11 00:00:00 never ended"
    )


def test_a_start_that_is_missed_behind_an_error_is_said_with_it() -> None:
    """The second reason must not hide behind the first."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, message="exit code 3").passes(to=700)

    assert story.text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 1 errors, 1 missed start): exit code 3;"
        " no start since it was expected at 2025-06-11 00:10:00"
    )


def test_an_error_says_what_the_job_said() -> None:
    """As in the contract: `ERROR since … (2 of 2 errors): ORA-01555 snapshot too old`."""
    story = Story(cyclic(max_errors=2)).hears("STARTED", at=0).hears("ERROR", at=10)

    story.hears("ERROR", at=20, message="ORA-01555 snapshot too old")

    assert story.text == "ERROR since 2025-06-11 00:00:10 (2 of 2 errors): ORA-01555 snapshot too old"


def test_an_error_without_text_tells_the_exit_code() -> None:
    """Better than nothing."""
    assert Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, exit_code=0).text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 1 errors): exit code 0"
    )


def test_an_error_that_says_nothing_at_all_is_said_to_be_one() -> None:
    """A text is never without a reason."""
    assert Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 1 errors): the job reported an error"
    )


def test_an_error_and_missed_starts_are_both_counted() -> None:
    """The two promises that are broken."""
    story = Story(cyclic(max_errors=3)).hears("STARTED", at=0).hears("ERROR", at=10, message="no").passes(to=1205)

    assert story.text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 3 errors, 2 missed starts): no;"
        " no start since it was expected at 2025-06-11 00:10:00"
    )


def test_a_timeout_says_how_long_it_runs_and_how_long_it_may() -> None:
    """Since when it is late, and since when it runs."""
    assert Story(cyclic()).hears("STARTED", at=10).passes(to=115).text == (
        "TIMEOUT since 2025-06-11 00:01:55 (1 of 1 errors): running since 2025-06-11 00:00:10, 00:01:40 allowed"
    )


def test_a_timeout_by_the_clock_names_the_clock_time() -> None:
    """“an hour allowed” would be untrue of a run that had half of one."""
    story = Story(daily("02:00", delay=HOUR, end_by="03:30")).hears("STARTED", at=2 * HOUR + 3000)

    assert story.passes(to=4 * HOUR).text == (
        "TIMEOUT since 2025-06-11 03:30:05 (1 of 1 errors): running since 2025-06-11 02:50:00,"
        " to end by 2025-06-11 03:30:00"
    )


def test_an_exit_code_that_no_process_has_is_said_in_words() -> None:
    """Nobody knows by heart what -3 is."""
    assert Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, exit_code=-3).text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 1 errors): gone: it is no longer known where it ran"
    )


def test_a_run_whose_end_lies_before_its_start_claims_no_duration() -> None:
    """A clock was set meanwhile: 0 seconds would be a guess."""
    story = Story(cyclic()).hears("STARTED", at=10, run="r").hears("SUCCESS", at=9, arrives=11, run="r")

    assert story.text == "NOT_RUNNING since 2025-06-11 00:00:09: next start expected by 2025-06-11 00:10:15"


@pytest.mark.parametrize(("count", "words"), [(2, " and 1 more"), (3, " and 2 more")])
def test_several_timeouts_are_counted(count: int, words: str) -> None:
    """The oldest is named."""
    story = Story(cyclic(max_errors=9))
    for number in range(count):
        story.hears("STARTED", at=10 + number, run=f"r{number}")

    story.passes(to=118)

    assert story.text == (
        f"TIMEOUT since 2025-06-11 00:01:55 ({count} of 9 errors): running since 2025-06-11 00:00:10{words}, "
        "00:01:40 allowed"
    )


def test_a_run_that_is_still_in_time_is_not_counted_with_those_that_hang() -> None:
    """a hangs, b runs."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b").passes(to=105)

    assert story.text == (
        "TIMEOUT since 2025-06-11 00:01:45 (1 of 1 errors): running since 2025-06-11 00:00:00, 00:01:40 allowed"
    )


def test_a_delay_says_when_the_start_was_expected() -> None:
    """Due at 600, late since 635."""
    assert Story(cyclic(delay=30)).passes(to=635).text == (
        "DELAYED since 2025-06-11 00:10:35 (1 missed start): no start since it was expected at 2025-06-11 00:10:00"
    )


def test_a_longer_delay_still_names_the_first_start_that_was_missed() -> None:
    """Since then nothing has started."""
    assert Story(cyclic(delay=30)).passes(to=1300).text == (
        "DELAYED since 2025-06-11 00:10:35 (2 missed starts): no start since it was expected at 2025-06-11 00:10:00"
    )


def test_a_daily_delay_names_the_first_start_that_was_missed() -> None:
    """Two nights later it is still the first one since which nothing has started."""
    assert Story(daily("02:00", delay=600)).passes(to=50 * HOUR + 605).text == (
        "DELAYED since 2025-06-11 02:10:05 (3 missed starts): no start since it was expected at 2025-06-11 02:00:00"
    )


def test_a_daily_delay_that_an_error_hid_names_the_start_and_not_the_moment_it_came_to_light() -> None:
    """The night's start was missed behind the ERROR; that run's late success leaves it at 03:00."""
    story = (
        Story(daily("02:00", delay=600))
        .hears("STARTED", at=2 * HOUR, run="a")
        .hears("ERROR", at=2 * HOUR + 60, run="a")
    )

    assert story.passes(to=26 * HOUR + 605).hears("SUCCESS", at=27 * HOUR, run="a").text == (
        "DELAYED since 2025-06-12 03:00:00 (1 missed start): no start since it was expected at 2025-06-12 02:00:00"
    )


def test_a_daily_delay_of_several_nights_behind_an_error_names_the_first_of_them() -> None:
    """Those of the 12th and the 13th were missed; the late success comes at 03:00 on the 13th."""
    story = Story(daily("02:00", delay=600)).hears("ERROR", at=2 * HOUR, run="a")

    assert story.passes(to=50 * HOUR + 605).hears("SUCCESS", at=51 * HOUR, run="a").text == (
        "DELAYED since 2025-06-13 03:00:00 (2 missed starts): no start since it was expected at 2025-06-12 02:00:00"
    )


def test_a_delay_from_before_a_new_promise_names_no_start_of_the_new_one() -> None:
    """Missed at 02:00 by the old promise; the new one has a start at 01:00, which nobody expected that night."""
    story = Story(daily("02:00", delay=600)).passes(to=2 * HOUR + 605)

    assert story.promise_changes(3 * HOUR, daily("01:00", delay=600)).text == (
        "DELAYED since 2025-06-11 02:10:05 (1 missed start): an expected start did not come"
    )


def test_a_delay_whose_next_start_was_put_off_since_does_not_name_a_start_to_come() -> None:
    """Missed at 605; an end of the old run at 650 puts the next start off to 1250."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=50, run="a").passes(to=605)

    assert story.hears("SUCCESS", at=650, run="a").text == (
        "DELAYED since 2025-06-11 00:10:05 (1 missed start): an expected start did not come"
    )


def test_a_delay_behind_an_open_older_run_names_the_start_too() -> None:
    """b ended at 20; the next start was due at 610."""
    story = Story(cyclic(timeout=HOUR)).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    assert story.hears("SUCCESS", at=20, run="b").passes(to=615).text == (
        "DELAYED since 2025-06-11 00:10:15 (1 missed start): no start since it was expected at 2025-06-11 00:10:10"
    )


def test_what_cannot_be_told_says_whom_nobody_hears_and_what_was_known() -> None:
    """“cannot tell: app1 unreachable since 02:10”, and what was the case before."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=75).source_vanishes(at=600).passes(to=700)

    assert story.text == (
        "UNKNOWN since 2025-06-11 00:10:15: cannot tell: app1 unreachable since 2025-06-11 00:10:00; before that: "
        "NOT_RUNNING since 2025-06-11 00:01:15: last run took 00:01:15, next start expected by 2025-06-11 00:10:05"
    )


def test_a_known_alarm_says_since_when_more_cannot_be_told() -> None:
    """“A known alarm stays as it is, with that added to its text”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, message="no").source_vanishes(at=600)

    assert story.passes(to=700).text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 1 errors): no; since then cannot tell: "
        "app1 unreachable since 2025-06-11 00:10:00"
    )


def test_an_alarm_from_within_an_outage_says_that_more_still_cannot_be_told() -> None:
    """The deadline of 605 is not seen since 605; the other source tells of an error long after."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2")).source_vanishes(at=100, source="app2")
    story.hears("STARTED", at=700).hears("ERROR", at=710, message="no")

    assert story.text == (
        "ERROR since 2025-06-11 00:11:50 (1 of 1 errors): no; still cannot tell: "
        "app2 unreachable since 2025-06-11 00:01:40"
    )


def test_moments_are_on_the_jobs_own_clock() -> None:
    """The operator of a job in Lord Howe reads its own time: ten and a half hours ahead of UTC."""
    assert Story(cyclic(zone="Australia/Lord_Howe")).hears("STARTED", at=10).text == (
        "RUNNING since 2025-06-11 10:30:10: to end by 2025-06-11 10:31:55"
    )


def test_a_moment_is_shown_by_the_second_it_lies_in() -> None:
    """Microseconds are cut, not rounded: nothing is said to have happened before it did."""
    job = cyclic()

    assert clock(job, 1_749_600_000_999_999) == "2025-06-11 00:00:00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00"), (61, "00:01:01"), (3599, "00:59:59"), (90_061, "25:01:01"), (360_000, "100:00:00")],
)
def test_a_span_may_be_longer_than_a_day(seconds: int, text: str) -> None:
    """As it is written in the configuration."""
    assert span(seconds * 1_000_000 + 999_999) == text


def test_every_text_begins_with_the_word_of_the_state_shown() -> None:
    """“Texts always carry the state word”: so that a reader of any of them knows."""
    story = Story(cyclic(max_errors=9)).hears("STARTED", at=0).passes(to=110).hears("ERROR", at=111)
    story.passes(to=700).source_vanishes(at=710).passes(to=2000)

    for change in story.changes:
        assert describe(change.job, change.standing).startswith(f"{change.after.state.value} since ")


def test_a_reason_that_is_not_known_is_left_out() -> None:
    """A standing written by hand, or by another version, is still told in a sentence."""
    story = Story(cyclic()).hears("STARTED", at=0)
    standing = story.standing.fork()
    standing.put(replace(standing.runs[0], timeout_at=None))

    assert describe(story.job, standing) == "RUNNING since 2025-06-11 00:00:00"


def test_what_is_heard_while_something_cannot_be_told_is_not_said_to_have_been_before() -> None:
    """UNKNOWN since 605 for what app2 may have to tell; app1 has told of a start at 610."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2"))
    story.source_vanishes(at=100, source="app2").passes(to=606)
    assert "; before that: NEVER_RAN since 2025-06-11 00:00:00: no message yet" in story.text

    assert story.hears("STARTED", at=610).text == (
        "UNKNOWN since 2025-06-11 00:10:05: cannot tell: app2 unreachable since 2025-06-11 00:01:40; "
        "as far as it is heard: RUNNING since 2025-06-11 00:10:10: to end by 2025-06-11 00:11:55"
    )


def test_where_fewer_starts_were_than_are_counted_the_first_of_them_is_told() -> None:
    """A calendar that was exchanged may name fewer days than were missed by the old one."""
    the_day = date(2025, 6, 11).toordinal()
    once = Calendar(name="once", days=frozenset({the_day}), first=the_day, last=the_day)
    job = daily("06:00")
    starts = Daily(zone=job.zone, max_early=0, times=(360,), days=Days(only_on=(once,)))
    story = Story(replace(job, starts=starts)).passes(7 * HOUR)
    standing = story.standing.fork()
    standing.missed = 3

    assert describe(story.job, standing) == story.text.replace("1 missed start", "3 missed starts")
