"""The operator's word: pauses, their ends, and marks."""

from dataclasses import replace
from typing import Any

import pytest
from checkpointing import Checkpointing
from story import HOUR, Story, T, at, cyclic, daily, on_demand, quiet, said

from job_tracker.core.clock_set_back import count_from_now
from job_tracker.core.operator_word import OPERATOR, decode_word
from job_tracker.errors import BadMessage

DAY = 24 * HOUR


def word(story: Story, event: str, at: float, until: float | None = None, **keys: Any) -> Story:
    """Somebody says something of the job."""
    note: dict[str, Any] = {"author": "anna", "why": "the disk is moved"}
    if until is not None:
        note["until"] = T + until
    return story.hears(event, at=at, source=OPERATOR, message=note, **keys)


def test_a_paused_job_is_ok_and_says_who_paused_it_until_when_and_why() -> None:
    """“The status is 0 throughout”: it silences, and hides nothing from who reads."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10, message="disk full")

    word(story, "PAUSE", 20, until=HOUR)

    assert story.shown == ("ERROR", 0, 1, 0)
    assert story.text == (
        "ERROR since 2025-06-11 00:00:10 (1 of 1 errors): disk full; "
        "paused until 2025-06-11 01:00:00 by anna: the disk is moved"
    )


def test_the_end_of_a_pause_is_a_moment_of_its_own_and_counts_nothing() -> None:
    """The alarm that was there before is there again, dated from the end."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10)

    word(story, "PAUSE", 20, until=300).passes(to=400)

    assert story.last == (300, "ERROR", "ERROR", 2, 1, 0)


def test_deadlines_within_a_pause_do_not_count_and_what_lay_in_it_is_expected_anew() -> None:
    """“no due before end + interval”, and a run that was late in it has its timeout once more."""
    story = word(Story(cyclic()), "PAUSE", 10, until=2000)

    story.passes(to=2604)
    assert story.shown == ("NEVER_RAN", 0, 0, 0)
    assert story.passes(to=2606).last == (2605, "NEVER_RAN", "DELAYED", 2, 0, 1)


def test_a_run_that_was_late_in_a_pause_has_its_time_once_more() -> None:
    """“an open run whose timeout … lay in it has its next at end + timeout + G”."""
    story = word(Story(cyclic()).hears("STARTED", at=0), "PAUSE", 10, until=2000)

    story.passes(to=2104)
    assert story.shown == ("RUNNING", 0, 0, 0)
    assert story.passes(to=2106).last == (2105, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_a_timeout_at_the_very_end_of_a_pause_counts() -> None:
    """“[its moment, its end)”, and the end comes first at equal moments."""
    story = word(Story(cyclic()).hears("STARTED", at=0), "PAUSE", 10, until=105).passes(to=106)

    assert story.last == (105, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_a_deadline_at_the_very_moment_of_the_pause_does_not_count() -> None:
    """“A message at the very moment of a deadline is folded before it”."""
    story = word(Story(cyclic()).hears("STARTED", at=0), "PAUSE", 105, until=200).passes(to=304)

    assert story.shown == ("RUNNING", 0, 0, 0)
    assert story.passes(to=306).last == (305, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_the_last_expected_start_of_a_pause_is_forgiven_with_all_before_it() -> None:
    """Two nights in a pause: the third is expected as ever."""
    story = word(Story(daily("02:00")), "PAUSE", HOUR, until=DAY + 3 * HOUR).passes(to=2 * DAY + HOUR)

    assert story.shown == ("NEVER_RAN", 0, 0, 0)
    assert story.passes(to=2 * DAY + 3 * HOUR).last == (2 * DAY + 2 * HOUR + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)


def test_an_expected_start_whose_deadline_alone_lies_in_a_pause_is_forgiven_too() -> None:
    """“or whose deadline does”."""
    story = word(Story(daily("02:00", delay=HOUR)), "PAUSE", 2.5 * HOUR, until=4 * HOUR).passes(to=DAY)

    assert story.shown == ("NEVER_RAN", 0, 0, 0)


def test_what_comes_after_a_pause_is_moved_out_of_quiet_windows_as_ever() -> None:
    """“moved out of quiet windows as ever”."""
    job = cyclic(quiet=quiet("00:30", "02:00"))
    story = word(Story(job).hears("STARTED", at=0), "PAUSE", 10, until=0.5 * HOUR + 1)

    story.passes(to=2 * HOUR + 6)

    assert story.last == (2 * HOUR + 5, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_messages_are_folded_as_ever_in_a_pause() -> None:
    """It silences and stops nothing."""
    story = word(Story(cyclic()), "PAUSE", 0, until=HOUR).hears("STARTED", at=10).hears("ERROR", at=20)

    assert story.shown == ("ERROR", 0, 1, 0)
    assert story.passes(to=HOUR + 1).last == (HOUR, "ERROR", "ERROR", 2, 1, 0)


def test_a_resume_ends_a_pause_at_its_moment_and_changes_nothing_without_one() -> None:
    """“a resume ends it at the resume's moment; a resume without one changes nothing”."""
    story = word(Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=1), "RESUME", 5)
    assert story.shown == ("ERROR", 2, 1, 0)

    word(story, "PAUSE", 10, until=HOUR)
    word(story, "RESUME", 100)

    assert story.passes(to=101).last == (100, "ERROR", "ERROR", 2, 1, 0)


@pytest.mark.parametrize(("until", "ends"), [(2 * HOUR, 2 * HOUR), (100, 200), (300, 300)])
def test_a_pause_within_a_pause_moves_its_end_but_not_before_its_own_moment(until: float, ends: float) -> None:
    """The later word counts; and one that lies back ends it now."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=1)
    word(story, "PAUSE", 10, until=HOUR)

    word(story, "PAUSE", 200, until=until)

    ended = [line[0] for line in story.passes(to=ends + 1).lines if line[1:4] == ("ERROR", "ERROR", 2)]
    assert ended == [ends]


def test_a_pause_at_the_very_end_of_one_still_moves_it() -> None:
    """“one at the very moment of its end still moves it”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=1)
    word(story, "PAUSE", 10, until=100)

    word(story, "PAUSE", 100, until=300)

    assert [line[0] for line in story.passes(to=400).lines if line[1:4] == ("ERROR", "ERROR", 2)] == [300]


def test_a_pause_without_length_changes_nothing_outside_one() -> None:
    """Its end is not behind its moment."""
    story = word(Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=1), "PAUSE", 10, until=10)

    assert story.shown == ("ERROR", 2, 1, 0)


def test_a_pause_that_names_no_end_lasts_a_day() -> None:
    """And one of ten years ends after one."""
    story = word(Story(cyclic()), "PAUSE", 10)
    assert story.standing.pause is not None
    assert story.standing.pause.end == at(DAY + 10)

    word(story, "PAUSE", 20, until=3650 * DAY)

    assert story.standing.pause.end == at(366 * DAY + 20)


def test_a_pause_that_is_heard_late_is_folded_where_it_belongs() -> None:
    """The control queue was away: the start that was missed meanwhile is not missed."""
    story = Story(cyclic(), archive=Checkpointing).hears("STARTED", at=0).hears("SUCCESS", at=10).passes(to=700)
    assert story.shown == ("DELAYED", 2, 0, 1)

    word(story, "PAUSE", 500, until=HOUR, arrives=710)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.passes(to=HOUR + 606).last == (HOUR + 605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_no_deadline_waits_for_the_operator_and_no_job_belongs_to_him() -> None:
    """His queue has no watermark, and his word changes no owner."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", at=0, source="app2").hears("SUCCESS", at=5)

    word(story, "RESUME", 10)

    assert story.standing.source in ("app1", "app2")
    assert story.passes(to=606).shown == ("DELAYED", 2, 0, 1)


def test_a_paused_job_is_ok_also_while_its_source_is_away() -> None:
    """“also instead of UNKNOWN by watermark”; once the pause is over nobody can tell again."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=5).source_vanishes(at=100).passes(to=700)
    assert story.shown[:2] == ("UNKNOWN", 3)

    word(story, "PAUSE", 710, until=HOUR)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)

    assert story.passes(to=HOUR + 1).last == (HOUR, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_an_error_is_told_behind_the_end_of_a_pause_that_nobody_could_judge_yet() -> None:
    """“The status is 0 throughout”, so not after it: what is known already is neither hidden nor UNKNOWN."""
    known = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=5)
    word(known, "PAUSE", 10, until=1000).source_vanishes(at=900).passes(to=1001)
    assert known.last == (1000, "ERROR", "ERROR", 2, 1, 0)

    heard = Story(cyclic(interval=24 * HOUR)).hears("SUCCESS", at=0)
    word(heard, "PAUSE", 100, until=1000).source_vanishes(at=900).passes(to=1400)
    assert heard.last == (1000, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)
    assert heard.hears("ERROR", at=1500).last == (1500, "UNKNOWN", "ERROR", 2, 1, 0)


@pytest.mark.parametrize("begins", [20, 60])
def test_what_happened_within_a_pause_is_told_silenced_however_late_it_is_heard(begins: float) -> None:
    """“The status is 0 throughout”: the alarm of an error at 50 begins with the pause's end, as if heard in time."""
    story = Story(on_demand(timeout=HOUR)).source_vanishes(at=10)
    word(story, "PAUSE", begins, until=600).passes(to=700)
    assert story.last == (600, "NEVER_RAN", "UNKNOWN", 3, 0, 0)

    story.source_returns(800, said("ERROR", 50))

    assert story.lines[-2:] == [(50, "UNKNOWN", "ERROR", 0, 1, 0), (600, "ERROR", "ERROR", 2, 1, 0)]


def test_what_says_nothing_of_a_job_does_not_end_before_the_pause_does_what_nobody_can_tell() -> None:
    """“ends when the watermark passes D; the verdict then keeps its own moment”: nothing became true at 50."""
    story = Story(on_demand(timeout=HOUR)).source_vanishes(at=10)
    word(story, "PAUSE", 20, until=600).passes(to=700)

    story.source_returns(800, said("HALF", 50))

    assert story.lines[1:] == [(600, "UNKNOWN", "NEVER_RAN", 0, 0, 0)]


def test_an_alarm_that_is_back_behind_a_pause_is_not_silenced_again_by_what_says_nothing() -> None:
    """The end of the pause is past, though nobody could judge it: OK and CRIT once more would page for nothing."""
    story = Story(on_demand(timeout=HOUR)).hears("ERROR", at=5).source_vanishes(at=10)
    word(story, "PAUSE", 20, until=600).passes(to=700)
    assert story.last == (600, "ERROR", "ERROR", 2, 1, 0)

    story.source_returns(800, said("HALF", 50))

    assert story.last == (600, "ERROR", "ERROR", 2, 1, 0)


def test_neither_pause_nor_resume_makes_a_job_seen() -> None:
    """It has said nothing itself."""
    story = word(Story(on_demand()), "PAUSE", 10, until=20)

    assert word(story.passes(to=30), "RESUME", 40).shown == ("NEVER_RAN", 0, 0, 0)


def test_a_mark_is_a_message_without_an_id() -> None:
    """A success by hand forgets the errors; neither exit codes nor a promised length touch it."""
    story = Story(cyclic(timeout=600, soonest=300)).hears("STARTED", at=0, run="a").hears("ERROR", at=400, run="a")

    word(story, "SUCCESS", 410, run="x", exit_code=9)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    word(story, "ERROR", 2000)
    assert story.shown[:2] == ("ERROR", 2)
    assert story.text.endswith("marked by anna: the disk is moved")


def test_a_mark_may_end_a_run_sooner_than_was_promised() -> None:
    """“neither exit_codes nor min_duration touch them”."""
    story = word(Story(cyclic(timeout=600, soonest=300)).hears("STARTED", at=0), "SUCCESS", 10)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_the_operator_may_speak_for_a_job_that_names_its_source() -> None:
    """“It may speak for every job”."""
    story = Story(cyclic(sources=("app1",)), sources=("app1", "app2")).hears("STARTED", at=0, source="app1")

    assert word(story, "SUCCESS", 10).shown[0] == "NOT_RUNNING"


@pytest.mark.parametrize(
    ("event", "note", "reason"),
    [
        ("STARTED", {"author": "anna"}, "event: none of the operator's words"),
        ("PAUSE", "not JSON", "message: not a JSON object"),
        ("PAUSE", {"until": "tomorrow"}, "message: until is not a moment"),
        ("PAUSE", {"author": 7}, "message: author is not a text"),
    ],
)
def test_anything_else_in_his_queue_is_kept_aside(event: str, note: Any, reason: str) -> None:
    """With the reason."""
    story = Story(cyclic()).hears(event, at=0, source=OPERATOR, message=note)

    assert story.shown == ("NEVER_RAN", 0, 0, 0)
    assert story.unmatched[0].startswith(reason)


def test_his_words_mean_nothing_from_a_host() -> None:
    """“mean this only there”: no host can silence its own jobs."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=1).hears("PAUSE", at=2)

    assert story.shown == ("ERROR", 2, 1, 0)


@pytest.mark.parametrize("element", [None, 7, "PAUSE", ["PAUSE"]])
def test_a_word_that_is_no_object_is_refused(element: Any) -> None:
    """The file of an operator's word may be written by hand, too."""
    with pytest.raises(BadMessage, match=r"^not a JSON object but "):
        decode_word(element, received=at(0), grace=0)


def test_a_pause_that_a_clock_ahead_began_begins_no_later_than_now() -> None:
    """Else what happens until the clock is there once more would count as if nobody had paused the job."""
    story = Story(cyclic()).clock_turns(10_000)
    word(story, "PAUSE", 10_000, until=20_000)

    standing = count_from_now(story.standing, story.job, at(100))

    assert standing.pause == replace(story.standing.pause or pytest.fail("paused"), begin=at(100))
