"""The rules for the state and for Checkmk's status.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise.
"""

import pytest
from story import HOUR, Story, cyclic, daily

# --- state, the first that holds --------------------------------------------------------------------------------------


def test_a_failed_newest_run_is_an_error_although_another_hangs() -> None:
    """ERROR stands before TIMEOUT."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b").passes(to=105)

    story.hears("ERROR", at=106, run="b")

    assert story.shown == ("ERROR", 2, 2, 0)


def test_a_failed_newest_run_is_an_error_although_a_start_is_missed() -> None:
    """ERROR stands before DELAYED."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).passes(to=605)

    assert story.shown == ("ERROR", 2, 1, 1)


def test_a_hanging_run_is_a_timeout_although_a_start_is_missed() -> None:
    """TIMEOUT stands before DELAYED: a hangs, b ended well, and nobody has started since."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("SUCCESS", at=20, run="b").passes(to=615)

    assert (story.shown[0], story.shown[3]) == ("TIMEOUT", 1)


def test_a_missed_start_is_a_delay_although_a_run_is_open() -> None:
    """DELAYED stands before RUNNING."""
    story = Story(cyclic(timeout=HOUR)).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("SUCCESS", at=20, run="b").passes(to=615)

    assert story.shown == ("DELAYED", 2, 0, 1)


def test_an_open_run_is_running_although_the_newest_has_ended() -> None:
    """RUNNING stands before NOT_RUNNING."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("SUCCESS", at=20, run="b")

    assert story.shown == ("RUNNING", 0, 0, 0)


def test_an_older_failure_is_not_shown_as_error_while_the_newest_runs() -> None:
    """“ERROR (the newest run ended badly)”: the state speaks of the newest, the status of the errors."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=600)

    assert story.shown == ("RUNNING", 2, 1, 0)


def test_a_job_not_heard_of_yet_is_unknown_and_ok() -> None:
    """“a job not heard of yet is 0”."""
    assert Story(cyclic()).shown == ("NEVER_RAN", 0, 0, 0)


def test_a_lost_run_is_not_one_that_is_open() -> None:
    """Nobody waits for its end; with the end of the run that lost it, nothing runs."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("STARTED", at=10).hears("SUCCESS", at=20)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


# --- status -----------------------------------------------------------------------------------------------------------


def test_the_first_error_is_an_alarm_by_default() -> None:
    """A threshold of 1."""
    assert Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).shown == ("ERROR", 2, 1, 0)


@pytest.mark.parametrize("below", [0, 1])
def test_errors_below_the_threshold_show_the_status_for_that(below: int) -> None:
    """“otherwise, in ERROR, TIMEOUT or DELAYED, `status_below_threshold`”."""
    story = Story(cyclic(max_errors=3, status_below=below)).hears("STARTED", at=0).hears("ERROR", at=10)

    assert story.shown == ("ERROR", below, 1, 0)


def test_the_third_error_is_an_alarm_at_a_threshold_of_three() -> None:
    """“2 if `errors + missed ≥ max_errors_before_alerting`”."""
    story = Story(cyclic(max_errors=3, status_below=1)).hears("STARTED", at=0)

    story.hears("ERROR", at=10).hears("ERROR", at=20).hears("ERROR", at=30)

    assert [line[3] for line in story.lines] == [0, 1, 1, 2]


def test_errors_and_missed_starts_add_up() -> None:
    """Two errors and one missed start are three."""
    story = Story(cyclic(max_errors=3)).hears("STARTED", at=0).hears("ERROR", at=10).hears("ERROR", at=20)

    story.passes(to=605)

    assert story.shown == ("ERROR", 2, 2, 1)


def test_one_error_and_one_missed_start_are_two() -> None:
    """They add up, whatever their bits look like."""
    story = Story(cyclic(max_errors=2)).hears("STARTED", at=0).hears("ERROR", at=10).passes(to=605)

    assert story.shown == ("ERROR", 2, 1, 1)


def test_timeouts_count_towards_the_threshold() -> None:
    """The third full timeout is an alarm at a threshold of three."""
    story = Story(cyclic(max_errors=3)).hears("STARTED", at=0).passes(to=305)

    assert [(line[0], line[3]) for line in story.lines] == [(0, 0), (105, 0), (205, 0), (305, 2)]


def test_missed_starts_of_a_cyclic_job_count_towards_the_threshold() -> None:
    """The third missed start is an alarm at a threshold of three."""
    story = Story(cyclic(max_errors=3, status_below=1)).passes(to=1805)

    assert [line[3] for line in story.lines] == [1, 1, 2]


def test_a_daily_job_that_missed_its_start_is_an_alarm_whatever_its_threshold() -> None:
    """“for a daily job also if `missed` > 0 … (a night is not to be waited for twice)”."""
    story = Story(daily("02:00", max_errors=3)).passes(to=2 * HOUR + 5)

    assert story.shown == ("DELAYED", 2, 0, 1)


def test_a_daily_job_that_hangs_is_an_alarm_whatever_its_threshold() -> None:
    """“or an open run is past its timeout”."""
    story = Story(daily("02:00", max_errors=3)).hears("STARTED", at=2 * HOUR).passes(to=3 * HOUR + 5)

    assert story.shown == ("TIMEOUT", 2, 1, 0)


def test_a_daily_job_whose_newest_run_failed_while_an_older_hangs_is_an_alarm() -> None:
    """The state is ERROR, but an open run is past its timeout all the same."""
    story = Story(daily("02:00", max_errors=9)).hears("STARTED", at=2 * HOUR, run="a")
    story.hears("STARTED", at=2 * HOUR + 10, run="b").passes(to=3 * HOUR + 5)

    story.hears("ERROR", at=3 * HOUR + 6, run="b")

    assert story.shown == ("ERROR", 2, 2, 0)


def test_a_daily_job_with_an_error_below_its_threshold_is_no_alarm() -> None:
    """Errors are tolerated as for any other job; it is silence that is not."""
    story = Story(daily("02:00", max_errors=3, status_below=1)).hears("STARTED", at=2 * HOUR)

    story.hears("ERROR", at=2 * HOUR + 10)

    assert story.shown == ("ERROR", 1, 1, 0)


def test_a_daily_run_that_timed_out_and_failed_is_counted_like_any_other() -> None:
    """It is closed, so no open run is past its timeout any more."""
    story = Story(daily("02:00", max_errors=3)).hears("STARTED", at=2 * HOUR).passes(to=3 * HOUR + 5)

    story.hears("ERROR", at=3 * HOUR + 6)

    assert story.shown == ("ERROR", 0, 2, 0)


def test_a_job_that_failed_often_enough_stays_critical_until_it_succeeds() -> None:
    """“a job that failed often enough stays 2 while it runs again, until it succeeds”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=600)
    assert story.shown == ("RUNNING", 2, 1, 0)

    story.hears("SUCCESS", at=650)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_job_below_its_threshold_keeps_its_status_while_it_runs_again() -> None:
    """“while errors + missed > 0 …, so that a WARN does not flap with each start”; a success ends it."""
    story = Story(cyclic(max_errors=3, status_below=1)).hears("STARTED", at=0).hears("ERROR", at=10)

    story.hears("STARTED", at=600)

    assert story.shown == ("RUNNING", 1, 1, 0)
    assert story.hears("SUCCESS", at=610).shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_late_job_is_ok_again_from_its_start() -> None:
    """“a late job is 0 again from its start”."""
    story = Story(cyclic()).passes(to=605).hears("STARTED", at=610)

    assert story.last == (610, "DELAYED", "RUNNING", 0, 0, 0)
