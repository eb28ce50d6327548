"""The rules for messages: what starts, ends and errors make of a job's runs.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise.
"""

import pytest
from story import Story, cyclic, daily, quiet

from job_tracker.core.standing import Outcome


def outcomes(story: Story) -> list[str]:
    """How each run of the job ended, in the order of their beginning."""
    return [run.outcome.value for run in story.runs]


# --- start ------------------------------------------------------------------------------------------------------------


def test_a_start_opens_a_run_at_the_messages_timestamp() -> None:
    """“start: opens a run at the message's timestamp”, not at its arrival."""
    story = Story(cyclic()).hears("STARTED", at=10, arrives=40)

    assert story.lines == [(10, "NEVER_RAN", "RUNNING", 0, 0, 0)]
    assert story.runs[0].begun == story.now - 30_000_000


def test_with_a_start_nothing_is_missed_any_more() -> None:
    """“`missed` becomes 0”: whoever starts late has started."""
    story = Story(cyclic()).passes(to=1300)

    story.hears("STARTED", at=1301)

    assert story.lines == [
        (605, "NEVER_RAN", "DELAYED", 2, 0, 1),
        (1205, "DELAYED", "DELAYED", 2, 0, 2),
        (1301, "DELAYED", "RUNNING", 0, 0, 0),
    ]


@pytest.mark.parametrize(("older", "newer"), [(None, None), ("a", None), (None, "b")])
def test_an_older_open_run_is_lost_if_either_has_no_id(older: str | None, newer: str | None) -> None:
    """“closed as lost if either of the two has no run id”: nobody could tell their ends apart."""
    story = Story(cyclic()).hears("STARTED", at=0, run=older)

    story.hears("STARTED", at=50, run=newer)

    assert outcomes(story) == ["lost", "open"]
    assert story.last == (50, "RUNNING", "RUNNING", 2, 1, 0)


def test_runs_with_different_ids_are_open_side_by_side() -> None:
    """“Otherwise runs with different ids may be open side by side”: overlapping runs are nobody's fault."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b")

    assert outcomes(story) == ["open", "open"]
    assert story.shown == ("RUNNING", 0, 0, 0)


def test_an_older_run_that_has_timed_out_is_lost_although_both_have_ids() -> None:
    """“or if it has counted as timed out”: the next start shows that nobody waits for it any more."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").passes(to=106)

    story.hears("STARTED", at=110, run="b")

    assert outcomes(story) == ["lost", "open"]


def test_a_lost_run_counts_one_error() -> None:
    """“A lost run counts one error”: no end was ever seen."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("STARTED", at=50)

    assert [run.errors for run in story.runs] == [1, 0]


def test_a_lost_run_that_has_timed_out_counts_nothing_more() -> None:
    """“unless it has counted as timed out”: one fault is one error."""
    story = Story(cyclic()).hears("STARTED", at=0).passes(to=106)

    story.hears("STARTED", at=110)

    assert story.lines[1:] == [
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (110, "TIMEOUT", "RUNNING", 2, 1, 0),
    ]


def test_every_older_open_run_is_lost_to_a_start_without_id() -> None:
    """The rule holds for each of them, not only for the newest."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("STARTED", at=20)

    assert outcomes(story) == ["lost", "lost", "open"]
    assert story.shown == ("RUNNING", 2, 2, 0)


def test_a_second_start_with_the_id_of_an_open_run_changes_nothing() -> None:
    """“a second start with the id of an open run changes nothing”: nor does it move the timeout."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="a").passes(to=105)

    assert len(story.runs) == 1
    assert story.last == (105, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_ids_are_the_same_if_they_read_the_same() -> None:
    """Two messages bring two texts."""
    first, second = ("".join(["r", str(number)]) for number in (17, 17))
    assert first is not second

    story = Story(cyclic()).hears("STARTED", at=0, run=first).hears("STARTED", at=50, run=second)

    assert outcomes(story) == ["open"]


def test_a_second_start_with_an_open_runs_id_loses_no_other_run() -> None:
    """It changes nothing, although a run that has timed out would be lost to any other start."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=90, run="b").passes(to=106)

    story.hears("STARTED", at=110, run="b")

    assert outcomes(story) == ["open", "open"]


def test_a_second_start_with_an_open_runs_id_makes_no_expected_start() -> None:
    """Repeated the next night, five minutes early, it is still the run of the night before."""
    tomorrow = 26 * 3600
    story = Story(daily("02:00", timeout=90 * 3600)).hears("STARTED", at=7200, run="a")

    story.hears("STARTED", at=tomorrow - 300, run="a").hears("SUCCESS", at=tomorrow - 200, run="a")
    story.passes(to=tomorrow + 5)

    assert story.last == (tomorrow + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_start_with_the_id_of_a_closed_run_opens_a_new_one() -> None:
    """“a start with the id of a closed run opens a new one”: a job whose ids are not random is judged all the same."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=50, run="a")

    story.hears("STARTED", at=600, run="a")

    assert outcomes(story) == ["well", "open"]


# --- end --------------------------------------------------------------------------------------------------------------


def test_an_end_closes_the_run_well() -> None:
    """“end: closes the run well”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=50)

    assert story.last == (50, "RUNNING", "NOT_RUNNING", 0, 0, 0)
    assert outcomes(story) == ["well"]


def test_an_end_forgets_the_errors_of_its_run_and_of_closed_runs_before_it() -> None:
    """“forgets its errors and those of all closed runs before it”: what works now has been mended."""
    story = Story(cyclic(max_errors=9)).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=20)
    story.passes(to=125)
    assert story.shown == ("TIMEOUT", 0, 2, 0)

    story.hears("SUCCESS", at=130)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert [run.errors for run in story.runs] == [0, 0]


def test_an_end_keeps_the_errors_of_other_open_runs() -> None:
    """“Errors of other open runs … stay”: a success does not hide a run that hangs."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b").passes(to=105)

    story.hears("SUCCESS", at=110, run="b")

    assert story.shown == ("TIMEOUT", 2, 1, 0)


def test_an_older_success_does_not_clear_a_newer_failure() -> None:
    """“Errors … of later runs stay”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")
    story.hears("ERROR", at=20, run="b")

    story.hears("SUCCESS", at=30, run="a")

    assert story.shown == ("ERROR", 2, 1, 0)


# --- error ------------------------------------------------------------------------------------------------------------


def test_an_error_counts_one_and_closes_the_run_badly() -> None:
    """“error: counts one error and closes the run badly”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50)

    assert story.last == (50, "RUNNING", "ERROR", 2, 1, 0)
    assert outcomes(story) == ["badly"]


def test_each_further_error_counts_one_more_and_leaves_the_end() -> None:
    """“each further error message of it counts one more and leaves its end where it was”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50)
    ended = story.runs[0].ended

    story.hears("ERROR", at=60).hears("ERROR", at=70)

    assert (story.runs[0].errors, story.runs[0].ended) == (3, ended)


def test_a_run_that_failed_does_not_time_out() -> None:
    """A closed run has no deadline of its own."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).passes(to=600)

    assert story.last == (50, "RUNNING", "ERROR", 2, 1, 0)


# --- the last word counts ---------------------------------------------------------------------------------------------


def test_an_end_for_a_run_that_ended_badly_makes_it_a_success_and_is_its_end() -> None:
    """“an end for a run that ended badly makes it a success and is its end”: it was tried again inside the run."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).hears("SUCCESS", at=90)

    assert story.last == (90, "ERROR", "NOT_RUNNING", 0, 0, 0)
    assert outcomes(story) == ["well"]
    assert story.runs[0].ended == story.now


def test_an_error_that_names_a_run_that_ended_well_makes_it_a_failure_and_leaves_its_end() -> None:
    """“an error that names, by id, a run that ended well makes it a failure and leaves its end”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=50, run="a")
    ended = story.runs[0].ended

    story.hears("ERROR", at=60, run="a")

    assert story.last == (60, "NOT_RUNNING", "ERROR", 2, 1, 0)
    assert story.runs[0].ended == ended


def test_an_error_after_a_success_does_not_move_when_the_next_start_is_due() -> None:
    """The end stays at 50, so where the interval counts from the end the deadline stays 655."""
    story = Story(cyclic(counts_from_end=True)).hears("STARTED", at=0, run="a").hears("SUCCESS", at=50, run="a")

    story.hears("ERROR", at=60, run="a").passes(to=655)

    assert story.last == (655, "ERROR", "ERROR", 2, 1, 1)


def test_a_second_end_moves_the_end() -> None:
    """“a second end moves the end”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=50, run="a")

    story.hears("SUCCESS", at=70, run="a")

    assert story.runs[0].ended == story.now
    assert len(story.runs) == 1


@pytest.mark.parametrize(("event", "outcome"), [("SUCCESS", "well"), ("ERROR", "badly")])
def test_a_lost_run_that_a_message_names_is_found_again(event: str, outcome: str) -> None:
    """“A lost run that an end or error names is found again: the message closes it at its moment”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50)

    story.hears(event, at=60, run="a")

    assert outcomes(story) == [outcome, "open"]
    assert story.runs[0].ended == story.now


def test_what_being_lost_counted_stays_until_a_success() -> None:
    """“what being lost counted stays until a success”: an error of a found run comes on top."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50)

    story.hears("ERROR", at=60, run="a")
    assert story.shown == ("RUNNING", 2, 2, 0)

    story.hears("SUCCESS", at=70, run="a")
    assert story.shown == ("RUNNING", 0, 0, 0)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_runs_text_is_what_its_last_message_said() -> None:
    """The text that an alarm shows is the last word, and an error without text does not hide the reason before it."""
    story = Story(cyclic()).hears("STARTED", at=0, message="begins").hears("ERROR", at=10, message="ORA-01555")
    assert story.runs[0].text == "ORA-01555"

    story.hears("ERROR", at=20)
    assert story.runs[0].text == "ORA-01555"

    story.hears("SUCCESS", at=30)
    assert story.runs[0].text == ""


def test_a_success_that_says_something_says_it_of_the_run() -> None:
    """The text of an end replaces what the start said."""
    story = Story(cyclic()).hears("STARTED", at=0, message="begins").hears("SUCCESS", at=10, message="12 rows")

    assert story.runs[0].text == "12 rows"


def test_the_exit_code_is_the_last_messages() -> None:
    """An exit code belongs to the word that ended the run."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, exit_code=3)

    assert story.runs[0].exit_code == 3


def test_any_other_event_changes_nothing_and_does_not_make_a_job_seen() -> None:
    """“Any other event is kept in the run's record, changes nothing, and does not make a job seen”."""
    story = Story(cyclic()).hears("NOTE", at=100).passes(to=604)
    assert story.shown == ("NEVER_RAN", 0, 0, 0)

    story.passes(to=605)

    assert story.lines == [(605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_another_event_with_the_id_of_a_run_leaves_it_open() -> None:
    """A note inside a run is no end of it."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("NOTE", at=50, run="a")

    assert outcomes(story) == ["open"]


def test_another_event_is_kept_so_that_a_refold_sees_it_too() -> None:
    """“kept”: it is in the archive like every message of the job."""
    story = Story(cyclic()).hears("NOTE", at=100)

    assert [message.event for message in story.archive.messages["LOAD__P"]] == ["NOTE"]


def test_keywords_are_compared_exactly() -> None:
    """“compared with the message's event, exactly”: another spelling is another event."""
    story = Story(cyclic()).hears("started", at=10).hears("STARTED ", at=20)

    assert story.shown == ("NEVER_RAN", 0, 0, 0)


def test_open_the_newest_and_erroneous_runs_are_kept_and_others_let_go() -> None:
    """“Open runs, the newest run and runs whose errors are not yet forgotten are always kept”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")
    story.hears("STARTED", at=20, run="c").hears("SUCCESS", at=30, run="b").hears("ERROR", at=40, run="c")
    story.hears("STARTED", at=50, run="d").hears("STARTED", at=60, run="e").hears("SUCCESS", at=61, run="e")
    assert [run.id for run in story.standing.runs] == ["a", "d", "e"]

    story.hears("ERROR", at=70, run="b")

    assert [run.id for run in story.standing.runs] == ["a", "b", "d", "e"]


def test_a_run_that_ended_well_is_let_go_when_the_next_begins() -> None:
    """A standing does not grow with the job's age."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10).hears("STARTED", at=600)
    story.hears("SUCCESS", at=610).hears("STARTED", at=1200)

    assert [run.order for run in story.standing.runs] == [2, 3]  # the one before is the newest again if this is skipped


def test_errors_are_the_sum_of_the_errors_of_all_runs() -> None:
    """“`errors`, their sum”: a timeout of one, two errors of another, a third that was lost."""
    story = Story(cyclic(max_errors=9)).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b")
    story.hears("ERROR", at=60, run="b").hears("ERROR", at=61, run="b").passes(to=105).hears("STARTED", at=110)

    assert story.standing.errors == sum(run.errors for run in story.runs) == 3
    assert [run.outcome for run in story.runs] == [Outcome.LOST, Outcome.BADLY, Outcome.OPEN]


def test_a_run_lost_in_one_quiet_window_counts_nothing() -> None:
    """“unless … the job is cyclic and both starts lie in the same quiet window”."""
    story = Story(cyclic(quiet=quiet("00:00", "01:00"))).hears("STARTED", at=100).hears("STARTED", at=200)

    assert outcomes(story) == ["lost", "open"]
    assert story.shown == ("RUNNING", 0, 0, 0)


def test_a_run_lost_at_the_very_begin_of_a_quiet_window_counts_nothing() -> None:
    """“[from, until)”: the begin belongs to it, for the one start as for the other."""
    story = Story(cyclic(quiet=quiet("01:00", "02:00")), known_since=3500)

    story.hears("STARTED", at=3600).hears("STARTED", at=3600)

    assert story.shown == ("RUNNING", 0, 0, 0)


def test_a_run_lost_across_the_end_of_a_quiet_window_counts() -> None:
    """Only the older start lies in it: the second one, at its very end, is outside."""
    story = Story(cyclic(quiet=quiet("00:00", "01:00"))).hears("STARTED", at=3590).hears("STARTED", at=3600)

    assert story.shown == ("RUNNING", 2, 1, 0)


def test_a_run_lost_between_two_nights_counts() -> None:
    """Both starts lie in a quiet window, but not in the same one; the first had still time until the second ends."""
    job = cyclic(interval=86_400, timeout=86_400, quiet=quiet("00:00", "01:00"))

    story = Story(job).hears("STARTED", at=3500).hears("STARTED", at=86_500)

    assert [(run.errors, run.timeouts) for run in story.runs] == [(1, 0), (0, 0)]


def test_the_newest_run_with_an_id_is_meant_although_it_was_lost_without_counting() -> None:
    """Two runs named a: the first failed and its error stands; the second was lost in a quiet window, at no cost."""
    story = Story(cyclic(quiet=quiet("01:00", "02:00"), max_errors=5))
    story.hears("STARTED", at=10, run="a").hears("ERROR", at=20, run="a")
    story.hears("STARTED", at=3700, run="a").hears("STARTED", at=3800)

    story.hears("ERROR", at=3810, run="a")

    assert [run.errors for run in story.runs] == [1, 1, 0]
