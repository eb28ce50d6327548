"""Warned and skipped runs, exit codes, runs that end too soon, and ends that somebody caused."""

from typing import Any

import pytest
from story import HOUR, Story, T, cyclic, daily, on_demand

from job_tracker.core.jobs import Job
from job_tracker.core.signals import Keywords, Signal

WARNS = Keywords(warning="WARNING")
CODES = {0: Signal.END, 3: Signal.WARNING, 7: Signal.SKIPPED, 9: Signal.ERROR}


def begun_of(story: Story) -> int:
    """When the first run began."""
    begun = story.runs[0].begun
    assert begun is not None
    return begun


def coded(**keys: Any) -> Job:
    """A job whose exit codes say how a run ended; seven: there was nothing to do."""
    return cyclic(exit_codes=CODES, may_skip=True, **keys)


# --- warned -----------------------------------------------------------------------------------------------------------


def test_a_run_that_ended_with_a_warning_is_a_warn_whatever_the_threshold_shows() -> None:
    """“State WARNING (status 1, whatever status_below_threshold says, unless 2 by the threshold)”."""
    story = Story(cyclic(status_below=0), keywords=WARNS).hears("STARTED", at=0).hears("WARNING", at=10)

    assert story.shown == ("WARNING", 1, 0, 0)
    assert story.hears("STARTED", at=600).shown == ("RUNNING", 0, 0, 0)


def test_without_a_keyword_a_warning_is_any_other_event() -> None:
    """“jobs_warning_keyword (default none)”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("WARNING", at=10)

    assert story.shown == ("RUNNING", 0, 0, 0)


def test_a_warning_forgets_errors_as_an_end_does() -> None:
    """“*warning* does what an end does”."""
    story = Story(cyclic(), keywords=WARNS).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=600)

    story.hears("WARNING", at=610)

    assert story.shown == ("WARNING", 1, 0, 0)


def test_the_last_word_of_a_warned_run_counts() -> None:
    """“an end for it makes it a success, a warning for one that ended well makes it warned”."""
    story = Story(cyclic(), keywords=WARNS).hears("STARTED", at=0, run="a").hears("WARNING", at=10, run="a")

    assert story.hears("SUCCESS", at=20, run="a").shown[0] == "NOT_RUNNING"
    assert story.hears("WARNING", at=30, run="a").shown[0] == "WARNING"
    assert story.hears("ERROR", at=40, run="a").shown == ("ERROR", 2, 1, 0)
    assert story.runs[0].ended == story.standing.last_end == begun_of(story) + 30_000_000  # where it was


def test_a_warned_job_that_counted_enough_is_critical() -> None:
    """“unless 2 by the threshold”: an older run fails beside one that warned."""
    story = Story(cyclic(), keywords=WARNS).hears("STARTED", at=0, run="a").hears("STARTED", at=5, run="b")

    story.hears("WARNING", at=10, run="b").hears("ERROR", at=20, run="a")

    assert story.shown == ("WARNING", 2, 1, 0)


# --- exit codes -------------------------------------------------------------------------------------------------------


def test_an_end_or_an_error_is_what_its_exit_code_says() -> None:
    """“an end or error message whose `exit_code` is listed is taken as that word instead; a start never is”."""
    story = Story(coded())

    story.hears("STARTED", at=0, exit_code=9)
    assert story.shown[0] == "RUNNING"
    assert story.hears("ERROR", at=10, exit_code=3).shown[:2] == ("WARNING", 1)
    assert story.hears("STARTED", at=600).hears("ERROR", at=610, exit_code=0).shown[:2] == ("NOT_RUNNING", 0)
    assert story.hears("STARTED", at=1200).hears("SUCCESS", at=1210, exit_code=9).shown[:2] == ("ERROR", 2)
    assert story.hears("STARTED", at=1800).hears("SUCCESS", at=1810, exit_code=4).shown[:2] == ("NOT_RUNNING", 0)


# --- skipped ----------------------------------------------------------------------------------------------------------


def test_a_skipped_run_leaves_what_the_run_before_it_said() -> None:
    """“Wherever §5 says *the newest run* it is the newest that was not skipped”: the failure stays the newest word."""
    story = Story(coded()).hears("STARTED", at=0, run="a").hears("ERROR", at=10, run="a", exit_code=1)
    story.hears("STARTED", at=600, run="b")

    story.hears("ERROR", at=610, run="b", exit_code=7)

    assert story.shown == ("ERROR", 2, 1, 0)
    assert [run.outcome.value for run in story.runs] == ["badly", "skipped"]


def test_a_skipped_run_brings_back_a_warning() -> None:
    """The warned run has no errors, and is kept all the same while a newer one may be skipped."""
    story = Story(coded()).hears("STARTED", at=0, run="a").hears("ERROR", at=10, run="a", exit_code=3)
    story.hears("STARTED", at=600, run="b")

    assert story.hears("ERROR", at=610, run="b", exit_code=7).shown == ("WARNING", 1, 0, 0)


def test_where_all_were_skipped_nothing_runs() -> None:
    """“where all were skipped the state is NOT_RUNNING”."""
    story = Story(coded()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=10, run="a", exit_code=7)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_skipped_run_counts_for_what_is_expected_next() -> None:
    """“only for what is expected next … a skipped run's start and end count like any”."""
    story = Story(coded()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=10, run="a", exit_code=7)

    story.passes(to=606)

    assert story.last == (605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_run_that_is_not_open_cannot_be_skipped() -> None:
    """“closes its run as skipped if that is open, else changes nothing”, and does not make a job seen."""
    story = Story(coded())

    assert story.hears("ERROR", at=0, run="a", exit_code=7).shown == ("NEVER_RAN", 0, 0, 0)
    story.hears("STARTED", at=10, run="b").hears("ERROR", at=20, run="b", exit_code=1)
    assert story.hears("ERROR", at=30, run="b", exit_code=7).shown == ("ERROR", 2, 1, 0)


def test_only_a_run_with_an_id_can_be_skipped() -> None:
    """“only for a message with an id; any other stays what it says”."""
    story = Story(coded()).hears("STARTED", at=0)

    assert story.hears("ERROR", at=10, exit_code=7).shown == ("ERROR", 2, 1, 0)


def test_the_last_word_counts_for_a_skipped_run() -> None:
    """“as for one that ended well”: a failure leaves its end, a success moves it."""
    story = Story(coded()).hears("STARTED", at=0, run="a").hears("ERROR", at=10, run="a", exit_code=7)

    story.hears("ERROR", at=20, run="a", exit_code=1)
    assert story.shown == ("ERROR", 2, 1, 0)
    assert story.standing.last_end == begun_of(story) + 10_000_000
    assert story.hears("SUCCESS", at=30, run="a", exit_code=0).shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.standing.last_end == begun_of(story) + 30_000_000


def test_a_late_run_is_not_lost_by_a_start_where_runs_may_be_skipped() -> None:
    """The newer one may find the older still at work and do nothing; its end proves that the older one hangs."""
    story = Story(coded(max_errors=9)).hears("STARTED", at=0, run="a").passes(to=110)

    story.hears("STARTED", at=600, run="b")
    assert story.shown[0] == "TIMEOUT"
    story.hears("ERROR", at=601, run="b", exit_code=7)
    assert [run.outcome.value for run in story.runs] == ["open", "skipped"]
    story.hears("STARTED", at=610, run="c").hears("SUCCESS", at=620, run="c")
    assert [run.outcome.value for run in story.runs] == ["lost", "skipped", "well"]
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)  # “so a success forgets its errors”


def test_a_newer_run_whose_start_was_not_seen_loses_the_late_one_too() -> None:
    """“its start seen or not”."""
    story = Story(coded(max_errors=9)).hears("STARTED", at=0, run="a").passes(to=110)

    story.hears("ERROR", at=120, run="b", exit_code=1)

    assert [run.outcome.value for run in story.runs] == ["lost", "badly"]
    assert story.shown == ("ERROR", 0, 2, 0)


def test_the_defaults_of_ends_that_somebody_caused_leave_the_loss_where_it_was() -> None:
    """“the defaults … do not count”: without a code of its own a job loses a late run by the next start."""
    story = Story(cyclic(exit_codes={-1: Signal.SKIPPED}, max_errors=9)).hears("STARTED", at=0, run="a").passes(to=110)

    story.hears("STARTED", at=120, run="b")

    assert [run.outcome.value for run in story.runs] == ["lost", "open"]


# --- too short --------------------------------------------------------------------------------------------------------


def test_a_run_that_ends_too_soon_ended_badly() -> None:
    """“ended after 00:00:03, at least 00:05:00 was promised”: a load of nothing is no load."""
    story = Story(cyclic(timeout=600, soonest=300)).hears("STARTED", at=0).hears("SUCCESS", at=3)

    assert story.shown == ("ERROR", 2, 1, 0)
    assert story.text.endswith("(1 of 1 errors): ended after 00:00:03, at least 00:05:00 was promised")


@pytest.mark.parametrize(("ends", "state"), [(299, "ERROR"), (300, "NOT_RUNNING")])
def test_a_run_that_takes_just_as_long_as_promised_ended_well(ends: float, state: str) -> None:
    """“less than this after the start of its run”."""
    story = Story(cyclic(timeout=600, soonest=300)).hears("STARTED", at=0).hears("SUCCESS", at=ends)

    assert story.shown[0] == state


def test_a_second_end_that_comes_late_enough_makes_it_a_success() -> None:
    """“taken as an error in all that §5 says of one”: so the last word counts."""
    story = Story(cyclic(timeout=600, soonest=300)).hears("STARTED", at=0, run="a").hears("SUCCESS", at=3, run="a")

    assert story.hears("SUCCESS", at=4, run="a").shown == ("ERROR", 2, 2, 0)
    assert story.hears("SUCCESS", at=301, run="a").shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_run_whose_start_was_not_seen_has_no_length() -> None:
    """“after the start of its run, where that was seen”."""
    assert Story(cyclic(timeout=600, soonest=300)).hears("SUCCESS", at=3).shown[0] == "NOT_RUNNING"


# --- a clock that stepped inside a run --------------------------------------------------------------------------------


def test_a_start_behind_its_own_end_is_the_start_of_that_run() -> None:
    """The host's clock was set back between the two: the end has the larger `_id` and the earlier moment."""
    story = Story(cyclic(timeout=600, soonest=300))

    story.hears_at_once(100, {"event": "SUCCESS", "timestamp": stamp(50), "run": "a", "_id": 2})
    story.hears_at_once(101, {"event": "STARTED", "timestamp": stamp(60), "run": "a", "_id": 1})

    (run,) = story.runs
    assert (run.begun, run.ended, run.outcome.value) == (run.ended, run.begun, "well")
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    story.hears("SUCCESS", at=102, run="a")  # “min_duration touches no message of that run”
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.standing.last_start == run.begun


def test_a_start_with_the_id_of_a_run_that_ended_before_it_begins_a_new_one() -> None:
    """Its `_id` is the larger one: the id is used again."""
    story = Story(cyclic()).hears("SUCCESS", at=50, run="a").hears("STARTED", at=60, run="a")

    assert [run.outcome.value for run in story.runs] == ["well", "open"]


@pytest.mark.parametrize(("start", "runs"), [(55, 1), (56, 2)])
def test_by_two_sources_the_clocks_may_differ_by_the_grace(start: float, runs: int) -> None:
    """“or from another source at most the grace earlier”."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("ERROR", at=50, run="a", source="app1")

    story.hears("STARTED", at=start, run="a", source="app2")

    assert len(story.runs) == runs


# --- jobs that nobody expects -----------------------------------------------------------------------------------------


def test_a_job_on_demand_is_never_late_and_still_hangs_and_fails() -> None:
    """“no start is ever expected or missed; timeout, errors and all else as for the others”."""
    story = Story(on_demand()).passes(to=30 * 24 * HOUR)

    assert story.shown == ("NEVER_RAN", 0, 0, 0)
    assert story.text.endswith("no message yet")
    story.hears("STARTED", at=30 * 24 * HOUR + 1).passes(to=30 * 24 * HOUR + 107)
    assert story.shown == ("TIMEOUT", 2, 1, 0)
    story.hears("ERROR", at=30 * 24 * HOUR + 108).hears("ERROR", at=90 * 24 * HOUR)
    assert story.shown == ("ERROR", 2, 3, 0)
    assert len(story.runs) == 1  # “for *which run* no start is ever next”


# --- to end by --------------------------------------------------------------------------------------------------------


def test_a_run_has_to_end_by_the_clock_time_that_was_promised() -> None:
    """The nightly load starts late and has to be over when the offices open, whatever its timeout says."""
    story = Story(daily("02:00", timeout=4 * HOUR, delay=3 * HOUR, end_by="06:00"))

    story.hears("STARTED", at=3 * HOUR).passes(to=6 * HOUR + 6)

    assert story.last == (6 * HOUR + 5, "RUNNING", "TIMEOUT", 2, 1, 0)
    story.passes(to=10 * HOUR + 6)
    assert story.shown == ("TIMEOUT", 2, 2, 0)  # “further ones a full timeout each after that”


def test_a_run_that_begins_behind_that_time_has_its_timeout() -> None:
    """“whose start belongs to E and lies before B”."""
    story = Story(daily("02:00", timeout=HOUR, delay=3 * HOUR, end_by="06:00", max_errors=9))

    story.hears("STARTED", at=6 * HOUR).passes(to=7 * HOUR + 6)

    assert story.last[0] == 7 * HOUR + 5


def test_a_start_before_a_reload_makes_the_start_expected_behind_it() -> None:
    """“also one before a reload”: begun four minutes early, it is not missed because somebody changed the timeout."""
    story = Story(daily("02:00")).hears("STARTED", at=2 * HOUR - 240).hears("SUCCESS", at=2 * HOUR - 200)

    story.promise_changes(2 * HOUR - 100, daily("02:00", timeout=2 * HOUR)).passes(to=3 * HOUR)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


# --- further names, and what is decided once --------------------------------------------------------------------------


def test_a_job_is_heard_under_its_further_names() -> None:
    """“A pair of job and instance belongs to one job, configured or reported”."""
    story = Story(cyclic(), names={("Load warehouse", "PROD"): "LOAD__P"})

    story.hears("STARTED", at=0, job="Load warehouse", instance="PROD")

    assert story.shown[0] == "RUNNING"
    assert story.archive.messages["LOAD__P"][0].name == "Load warehouse"


def test_what_a_message_means_stays_what_it_meant_when_it_came() -> None:
    """“decided once, at arrival, and stored; a reload changes it for later messages only”."""
    story = Story(coded(max_errors=9)).hears("STARTED", at=0, run="a").hears("ERROR", at=10, run="a", exit_code=3)
    object.__setattr__(story.jobs.by_key["LOAD__P"], "exit_codes", {})

    story.hears("STARTED", at=5, run="b", arrives=20)  # folds the job again

    assert story.archive.messages["LOAD__P"][-1].signal is Signal.WARNING
    assert [run.outcome.value for run in story.runs] == ["warned", "open"]


def test_what_a_run_used_is_kept_with_it() -> None:
    """As measured on its host; a number that cannot be read costs nothing but itself."""
    usage = {"user_sec": 1.5, "waits": 3, "note": "x", "bad": True}

    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10, usage=usage)

    assert story.runs[0].usage == {"user_sec": 1.5, "waits": 3}


def stamp(moment: float) -> float:
    """A story's moment as a message's timestamp."""

    return T + moment


def test_a_job_that_uses_none_of_this_is_judged_as_ever() -> None:
    """“A rule that excludes nothing changes nothing”: the same words, codes that nobody sends, a length of nothing."""
    plain, promised = Story(cyclic()), Story(coded(soonest=0), keywords=WARNS, names={("X", "Y"): "LOAD__P"})

    for story in (plain, promised):
        story.hears("STARTED", at=0, run="a").hears("SUCCESS", at=10, run="a", exit_code=0)
        story.hears("STARTED", at=600, run="b").hears("ERROR", at=610, run="b", exit_code=1).passes(to=3 * HOUR)

    assert promised.lines == plain.lines
    assert promised.shown == plain.shown
