"""The rules for what cannot be seen: a verdict about silence needs a source that is drained past the deadline.

Every story here has a job every 600 seconds that may take 100, a grace of 5, and a patience (controller_interval +
load timeout) of 15 seconds, unless it says otherwise.
"""

import json
from typing import Any

import pytest
from story import Story, T, at, cyclic, said

from job_tracker.core.board import Watermark, make_board
from job_tracker.core.intake import take_in
from job_tracker.core.memory import Memory
from job_tracker.core.step import step
from job_tracker.replay.recording import read
from job_tracker.replay.replay import Replay


def one_run(**keys: Any) -> Story:
    """A job that ran from 0 to 50; its next start is late from 605."""
    return Story(cyclic(**keys)).hears("STARTED", at=0).hears("SUCCESS", at=50)


# --- UNKNOWN ----------------------------------------------------------------------------------------------------------


def test_a_source_that_is_asked_now_and_then_may_be_silent_for_as_long() -> None:
    """A server that is asked each minute has not gone away between two looks: 600 + 15 + 60."""
    patient = one_run()
    patient.patience = 60_000_000

    patient.source_vanishes(at=600).passes(to=700)

    assert patient.last == (675, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_a_deadline_that_no_watermark_covers_is_not_judged() -> None:
    """“a deadline D is judged once the watermarks of all sources the job belongs to are later than D”."""
    story = one_run().source_vanishes(at=600).passes(to=610)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_watermark_at_the_deadline_itself_does_not_cover_it() -> None:
    """“later than D”: a message of that very moment may still lie in the queue."""
    story = one_run().source_vanishes(at=605).passes(to=619)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)

    story.passes(to=620)

    assert story.last == (620, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_a_watermark_just_behind_the_deadline_covers_it() -> None:
    """Gone a microsecond later, and the start is known to be missed."""
    story = one_run().source_vanishes(at=605.000001)

    assert story.last == (605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_an_ok_job_becomes_unknown_once_the_watermark_lags_by_more_than_the_patience() -> None:
    """“That becomes true at the later of D and watermark + interval + load timeout”: 600 + 15, for D is 605."""
    story = one_run().source_vanishes(at=600).passes(to=700)

    assert story.last == (615, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_an_ok_job_becomes_unknown_at_the_deadline_if_the_source_has_been_away_for_long() -> None:
    """The later of the two is D here: nothing was to be seen before it, so nothing was amiss."""
    story = one_run().source_vanishes(at=100).passes(to=700)

    assert story.last == (605, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_unknown_counts_nothing() -> None:
    """“counts nothing”: however long it lasts."""
    story = one_run().source_vanishes(at=600).passes(to=5000)

    assert story.shown == ("UNKNOWN", 3, 0, 0)
    assert len(story.lines) == 3


def test_an_outage_that_ends_within_the_patience_is_not_shown() -> None:
    """A source that was away for 14 seconds has been asked again in time."""
    story = one_run().source_vanishes(at=600).source_returns(614)

    assert story.last == (605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_an_outage_without_a_deadline_is_not_shown() -> None:
    """There was nothing to be seen: the source's own service says that it is away."""
    story = one_run().source_vanishes(at=100).source_returns(600)

    assert len(story.lines) == 2


def test_the_verdict_keeps_its_own_moment_when_the_source_is_back() -> None:
    """“ends when the watermark passes D; the verdict then keeps its own moment, so `at` may go back”."""
    story = one_run().source_vanishes(at=600).source_returns(700)

    assert story.lines[2:] == [
        (615, "NOT_RUNNING", "UNKNOWN", 3, 0, 0),
        (605, "UNKNOWN", "DELAYED", 2, 0, 1),
    ]


def test_every_deadline_of_the_outage_is_judged_as_of_its_moment() -> None:
    """“and is judged as of D when the source is back”: three starts were missed."""
    story = one_run().source_vanishes(at=600).source_returns(2000)

    assert [line[0] for line in story.lines[2:]] == [615, 605, 1205, 1805]


def test_what_ran_well_behind_an_outage_raises_no_alarm() -> None:
    """“same runs, same verdicts as if it had been there, no flood of alarms for jobs that ran well meanwhile”."""
    story = one_run().source_vanishes(at=600)

    story.source_returns(1300, said("STARTED", 600), said("SUCCESS", 650), said("STARTED", 1200), said("SUCCESS", 1250))

    assert [line[3] for line in story.lines] == [0, 0, 3, 0, 0, 0, 0]
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_run_that_may_have_timed_out_unseen_is_unknown() -> None:
    """The rule is for deadlines of both kinds."""
    story = Story(cyclic()).hears("STARTED", at=0).source_vanishes(at=50).passes(to=105)

    assert story.last == (105, "RUNNING", "UNKNOWN", 3, 0, 0)


def test_a_run_that_ended_in_time_behind_an_outage_is_known_again() -> None:
    """The success of 80 lay in the queue."""
    story = Story(cyclic()).hears("STARTED", at=0).source_vanishes(at=50)

    story.source_returns(200, said("SUCCESS", 80))

    assert story.lines[1:] == [
        (105, "RUNNING", "UNKNOWN", 3, 0, 0),
        (80, "UNKNOWN", "NOT_RUNNING", 0, 0, 0),
    ]


def test_a_job_never_seen_is_unknown_like_any_other() -> None:
    """“never ran even once” cannot be told either while nobody can look."""
    story = Story(cyclic()).source_vanishes(at=10).passes(to=605)

    assert story.lines == [(605, "NEVER_RAN", "UNKNOWN", 3, 0, 0)]


def test_unknown_moves_on_to_the_next_deadline_with_the_watermark() -> None:
    """The source comes back for a moment, and is away again before the next deadline."""
    story = one_run(max_errors=9).source_vanishes(at=600).source_returns(1190).source_vanishes(at=1200)

    story.passes(to=1300)

    assert story.lines[2:] == [
        (615, "NOT_RUNNING", "UNKNOWN", 3, 0, 0),
        (605, "UNKNOWN", "DELAYED", 0, 0, 1),
        (1215, "DELAYED", "UNKNOWN", 3, 0, 1),
    ]


@pytest.mark.parametrize("together", [True, False])
def test_what_is_heard_at_once_is_told_as_if_each_message_were_looked_at(together: bool) -> None:
    """How often we look changes nothing: of the start alone nobody could tell whether its run was too long."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2")).hears("STARTED", at=0, run="a")
    story.hears("SUCCESS", at=50, run="a").source_vanishes(at=60, source="app2").passes(to=600)
    late = said("STARTED", 400, run="b"), said("SUCCESS", 500, run="b")

    for messages in [late] if together else [late[:1], late[1:]]:
        story.hears_at_once(600, *messages)

    assert story.lines[2:] == [
        (400, "NOT_RUNNING", "UNKNOWN", 3, 0, 0),
        (500, "UNKNOWN", "NOT_RUNNING", 0, 0, 0),
    ]


# --- a known alarm ----------------------------------------------------------------------------------------------------


def two_sources(**keys: Any) -> Story:
    """A job of app1 and app2 that ran from 0 to 50; app2 is away since 100, the next start is late from 605."""
    story = Story(cyclic(sources=("app1", "app2"), **keys), sources=("app1", "app2"))
    story.hears("STARTED", at=0, run="r1").hears("SUCCESS", at=50, run="r1")
    return story.source_vanishes(at=100, source="app2").passes(to=608)


def test_unknown_lasts_until_the_watermark_passes_the_deadline_whatever_another_source_says() -> None:
    """“ends when the watermark passes D”: app1's start at 610 does not tell what app2 would have told of 605."""
    story = two_sources().hears("STARTED", at=610, run="r2")
    assert story.shown == ("UNKNOWN", 3, 0, 0)
    assert story.last == (605, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)

    story.source_returns(650, source="app2")

    assert story.last == (605, "UNKNOWN", "RUNNING", 0, 0, 0)


def test_unknown_lasts_when_an_end_moves_the_next_start() -> None:
    """An end of r1 at 610 puts the next start off; that the one of 605 was missed stays to be judged."""
    story = two_sources().hears("SUCCESS", at=610, run="r1")
    assert story.shown == ("UNKNOWN", 3, 0, 0)

    story.source_returns(650, source="app2")

    assert story.last == (605, "UNKNOWN", "DELAYED", 2, 0, 1)


def test_unknown_lasts_when_an_error_below_the_threshold_closes_the_run_that_may_have_been_too_long() -> None:
    """The run of 0 was too long at 105, for all that is known; app1 says at 110 that it failed."""
    story = Story(cyclic(sources=("app1", "app2"), max_errors=2), sources=("app1", "app2"))
    story.hears("STARTED", at=0).source_vanishes(at=50, source="app2").passes(to=108)

    story.hears("ERROR", at=110)
    assert story.shown == ("UNKNOWN", 3, 1, 0)
    story.source_returns(150, source="app2")

    assert story.last == (105, "UNKNOWN", "ERROR", 2, 2, 0)


def test_unknown_begins_for_an_overtaken_deadline_as_well() -> None:
    """app2 is away since 600: UNKNOWN is true from 615 on, though app1 has told of a start at 610."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2"))
    story.hears("STARTED", at=0).hears("SUCCESS", at=50).source_vanishes(at=600, source="app2")

    story.hears("STARTED", at=610)
    assert story.shown == ("RUNNING", 0, 0, 0)
    story.passes(to=616)

    assert story.last == (615, "RUNNING", "UNKNOWN", 3, 0, 0)


def test_a_known_alarm_stays_as_it_is() -> None:
    """“it must neither page again nor hide the error”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).source_vanishes(at=600).passes(to=700)

    assert story.last == (50, "RUNNING", "ERROR", 2, 1, 0)


def test_a_known_alarm_says_what_cannot_be_seen() -> None:
    """“with that added to its text”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).source_vanishes(at=600).passes(to=700)

    assert story.text.endswith("; since then cannot tell: app1 unreachable since 2025-06-11 00:10:00")


def test_a_warning_stays_as_it_is_too() -> None:
    """“a job whose status is 0 becomes UNKNOWN”: one that shows 1 has said what is wrong."""
    story = Story(cyclic(max_errors=3, status_below=1)).hears("STARTED", at=0).hears("ERROR", at=50)

    story.source_vanishes(at=600).passes(to=700)

    assert story.shown == ("ERROR", 1, 1, 0)


def test_an_alarm_that_ends_behind_an_outage_leaves_the_state_that_is_known() -> None:
    """At 700 the success of 610 is heard, and with it everything up to 700."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).source_vanishes(at=600)

    story.source_returns(700, said("STARTED", 605), said("SUCCESS", 610))

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_message_through_an_outage_that_clears_an_alarm_leaves_what_cannot_be_told() -> None:
    """The queue delivers, but is not drained past 605: the run of 590 is well, the start after it is not known."""
    story = Story(cyclic(timeout=1000)).hears("STARTED", at=0).hears("ERROR", at=50).source_vanishes(at=60)

    story.passes(to=700).hears("SUCCESS", at=590, arrives=700)

    assert story.lines[-2:] == [
        (50, "RUNNING", "ERROR", 2, 1, 0),
        (590, "ERROR", "UNKNOWN", 3, 0, 0),
    ]


def test_outages_of_a_recording_that_touch_are_one() -> None:
    """There is no moment between them at which the start that is due by 605 could have been heard, or missed."""
    jobs = Story(cyclic()).jobs
    load = {"job": "LOAD", "instance": "P"}
    heard = [said("STARTED", 0) | load, said("SUCCESS", 50) | load]
    gone = [
        {"source": "app1", "unreachable_from": T + second, "unreachable_until": T + second + 50}
        for second in (600, 650)
    ]

    replay = Replay(jobs, read(map(json.dumps, [*heard, *gone]), jobs), until=at(690))
    changes = [(change.at, change.after.state.value) for change in replay.changes()]

    assert changes[2:] == [(at(615), "UNKNOWN")]


# --- whose watermark --------------------------------------------------------------------------------------------------


def test_a_job_that_names_its_source_is_judged_by_that() -> None:
    """Another source may be away for as long as it likes."""
    story = Story(cyclic(sources=("app1",)), sources=("app1", "app2")).source_vanishes(at=10, source="app2")

    story.passes(to=605)

    assert story.lines == [(605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_job_that_names_several_is_judged_by_all_of_them() -> None:
    """“the watermarks of all sources the job belongs to”."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2")).source_vanishes(at=10, source="app2")

    story.passes(to=605)

    assert story.lines == [(605, "NEVER_RAN", "UNKNOWN", 3, 0, 0)]


def test_a_job_that_names_none_belongs_to_all_before_its_first_message() -> None:
    """“before the first one to all”."""
    story = Story(cyclic(), sources=("app1", "app2")).source_vanishes(at=10, source="app2").passes(to=605)

    assert story.lines == [(605, "NEVER_RAN", "UNKNOWN", 3, 0, 0)]


def test_a_job_that_names_none_belongs_to_the_source_that_spoke_last() -> None:
    """“it belongs to the source that last delivered a message of it”."""
    story = Story(cyclic(), sources=("app1", "app2")).source_vanishes(at=10, source="app2")

    story.hears("STARTED", at=20).hears("SUCCESS", at=30).passes(to=625)

    assert story.last == (625, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_job_moves_to_the_source_that_speaks_for_it() -> None:
    """Its newest message came from app2, and that is away."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", at=20).hears("SUCCESS", at=30, source="app2")

    story.source_vanishes(at=100, source="app2").passes(to=625)

    assert story.last == (625, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_the_source_that_delivered_last_is_whose_message_came_last_not_whose_moment_is_the_latest() -> None:
    """“last delivered”: app2 tells at 40 of 25, app1 told at 30 of 30; the job is app2's, and that is away."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", at=20).hears("SUCCESS", at=30)

    story.hears("NOTE", at=25, arrives=40, source="app2").source_vanishes(at=100, source="app2").passes(to=625)

    assert story.last == (625, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_of_what_two_sources_deliver_to_one_step_the_later_arrival_decides() -> None:
    """A step that has slept hears both at once, app2's of 40 and app1's of 30."""
    story = Story(cyclic(), sources=("app1", "app2"))
    load = {"_id": 1, "instance": "P", "job": "LOAD"}
    heard = [
        *take_in(story.jobs, "app2", [{**said("STARTED", 25), **load}], at(40), lambda _: False).messages,
        *take_in(story.jobs, "app1", [{**said("SUCCESS", 30), **load}], at(30), lambda _: False).messages,
    ]

    made = step(story.board, story.jobs, heard, {}, at(50), Memory(story.board))

    assert made.records["LOAD__P"].standing.source == "app2"


def test_who_delivered_last_does_not_depend_on_how_much_one_step_does() -> None:
    """A step of one refolds app2's, which came last; what it leaves unheard, app1's of 31, is not the last word."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", at=20).hears("SUCCESS", at=30)
    load = {"instance": "P", "job": "LOAD"}
    heard = [
        *take_in(story.jobs, "app2", [{"_id": 1, **said("NOTE", 25), **load}], at(40), lambda _: False).messages,
        *take_in(story.jobs, "app1", [{"_id": 9, **said("STARTED", 31), **load}], at(31), lambda _: False).messages,
    ]

    first = step(story.board, story.jobs, heard, {}, at(50), story.archive, 1)
    second = step(first.board, story.jobs, first.unheard, {}, at(51), story.archive)

    assert [message.source for message in first.unheard] == ["app1"]
    assert second.board.standing(story.job).source == "app2"


def test_a_clock_that_was_set_back_does_not_keep_a_job_with_its_source() -> None:
    """app1 delivered at 500 of a clock that ran ahead; now it is 100, and app2 delivers."""
    story = Story(cyclic(), sources=("app1", "app2"))
    load = {"_id": 1, "instance": "P", "job": "LOAD"}
    ahead = take_in(story.jobs, "app1", [{**said("STARTED", 20), **load}], at(500), lambda _: False).messages
    after = take_in(story.jobs, "app2", [{**said("SUCCESS", 90), **load}], at(99), lambda _: False).messages

    first = step(story.board, story.jobs, ahead, {}, at(500), story.archive)
    second = step(first.board, story.jobs, after, {}, at(100), story.archive)

    assert second.board.standing(story.job).source == "app2"


def test_deadlines_that_the_source_before_had_covered_stay_covered() -> None:
    """app1 was drained past 605 when app2, not drained since 100, spoke for the first time."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", at=0).hears("SUCCESS", at=50)
    story.source_vanishes(at=100, source="app2").passes(to=605)

    story.hears("STARTED", at=610, source="app2").passes(to=614)

    assert story.lines[2:] == [
        (605, "NOT_RUNNING", "DELAYED", 2, 0, 1),
        (610, "DELAYED", "RUNNING", 0, 0, 0),
    ]


def test_a_deadline_that_turns_up_where_the_source_before_was_drained_is_judged() -> None:
    """app1 was drained up to 300 when app2, not drained since 100, tells of a start at 10: it was too long at 115."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("NOTE", at=0).source_vanishes(at=100, source="app2")

    story.hears("STARTED", at=10, arrives=300, source="app2")

    assert story.shown == ("TIMEOUT", 2, 2, 0)


def test_a_source_that_is_no_longer_configured_holds_nothing_up() -> None:
    """The job's last source was removed: it belongs to all again, and they are drained."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", at=0, source="app2")
    story.hears("SUCCESS", at=50, source="app2")
    jobs = type(story.jobs)(by_key=story.jobs.by_key, sources=("app1",), tolerance=15_000_000, grace=5_000_000)
    story.jobs = jobs

    story.passes(to=605)

    assert story.last == (605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_the_source_that_has_been_away_longest_is_named() -> None:
    """Both are away; the text names the one that decides since when."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2"))
    story.source_vanishes(at=20, source="app2").source_vanishes(at=50, source="app1").passes(to=700)

    assert "app2 unreachable since 2025-06-11 00:00:20" in story.text


# --- the tracker's own start ------------------------------------------------------------------------------------------


def started(*, drained: dict[str, int], watermark: Watermark | None, moments: list[float]) -> list[tuple[float, int]]:
    """What a tracker that starts at 10,000 finds, of a job that never ran: moments with the status then."""
    story = Story(cyclic())
    board = make_board(story.jobs, {"LOAD__P": story.standing}, drained, at(10_000))
    archive, found = Memory(board), []
    for moment in moments:
        watermarks = {} if watermark is None else {"app1": watermark}
        made = step(board, story.jobs, (), watermarks, at(moment), archive)
        archive.keep(made.records)
        board = made.board
        found += [((change.at - at(0)) / 1e6, change.after.status) for change in made.changes]
    return found


def test_after_a_start_no_watermark_exists_and_it_lags_since_the_start() -> None:
    """“After a start of the tracker no watermark exists until the first complete drain; it lags since the tracker's
    start”: the deadline of 605 is UNKNOWN from 10,015 on, not from long ago."""
    lagging = Watermark(drained=None, lags_from=at(10_000))

    assert started(drained={}, watermark=lagging, moments=[10_000, 10_014, 10_015]) == [(10_015, 3)]


def test_the_watermark_of_before_the_restart_still_covers_what_it_covered() -> None:
    """What was drained stays drained: 605 lies before it, and the second deadline, 1205, does not."""
    lagging = Watermark(drained=None, lags_from=at(10_000))

    assert started(drained={"app1": at(700)}, watermark=lagging, moments=[10_000]) == [(605, 2)]


def test_a_source_without_any_word_lags_since_it_was_last_drained() -> None:
    """A source of which nothing is handed in is measured by what the board knows of it."""
    assert started(drained={"app1": at(100)}, watermark=None, moments=[10_000]) == [(605, 3)]


def test_a_source_never_drained_and_without_any_word_lags_from_now() -> None:
    """Nobody could have been told of it before."""
    assert started(drained={}, watermark=None, moments=[10_000]) == []


def test_a_watermark_never_goes_back() -> None:
    """What a source is once known to be drained up to stays so, though a later answer tells of less."""
    story = Story(cyclic()).passes(to=100)
    made = step(
        story.board, story.jobs, (), {"app1": Watermark(drained=at(50), lags_from=at(50))}, at(101), story.archive
    )

    assert made.board.drained == {"app1": at(100) + 1}


@pytest.mark.parametrize("patience", [1, 15, 300])
def test_the_patience_decides_when_unknown_begins(patience: float) -> None:
    """“watermark + interval + load timeout”, or the deadline if that is later."""
    story = Story(cyclic(), patience=patience).source_vanishes(at=600).passes(to=2000)

    assert story.lines == [(max(605, 600 + patience), "NEVER_RAN", "UNKNOWN", 3, 0, 0)]


def test_the_tracker_asks_to_be_woken_when_unknown_begins() -> None:
    """Otherwise a job would stay green until somebody speaks."""
    story = one_run().source_vanishes(at=600).passes(to=606)

    assert story.asks_for == 615


# --- a promise that changes, and sources that change places, while something is not seen ------------------------------


def one_of_two_away() -> Story:
    """A run from 0 to 50, with an id; one of the job's two sources is away from 100 on."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2"))
    return story.hears("STARTED", at=0, run="r").hears("SUCCESS", at=50, run="r").source_vanishes(at=100, source="app2")


@pytest.mark.parametrize("starts", [False, True])
def test_a_changed_promise_leaves_no_deadline_of_before_to_be_judged(starts: bool) -> None:
    """“It counts from the reload; expected starts before it are not judged by it”, nor unseen, nor overtaken."""
    story = one_of_two_away().passes(to=610)
    if starts:
        story.hears("STARTED", at=611, run="s").hears("SUCCESS", at=612, run="s")
    changed = cyclic(interval=1200, sources=("app1", "app2"))

    before = story.shown
    story.promise_changes(620, changed)

    assert before == ("UNKNOWN", 3, 0, 0)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.standing.overtaken is None
    assert story.standing.unseen is None
    story.source_returns(650, source="app2")
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.passes(to=2000).last == ((611 if starts else 0) + 1205, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_unknown_names_a_source_that_is_away_now() -> None:
    """The first to go comes back, and the second has gone meanwhile: it is not seen since the same moment."""
    story = one_of_two_away().source_vanishes(at=600, source="app1").passes(to=700)
    first = story.text
    story.source_returns(710, source="app2").passes(to=1000)

    assert first.startswith("UNKNOWN since 2025-06-11 00:10:05: cannot tell: app2 unreachable since 2025-06-11 00:01:4")
    assert story.text.startswith(
        "UNKNOWN since 2025-06-11 00:10:05: cannot tell: app1 unreachable since 2025-06-11 00:10:0"
    )
    assert story.last == (605, "NOT_RUNNING", "UNKNOWN", 3, 0, 0)


def test_unknown_names_no_source_that_only_takes_its_time() -> None:
    """app2 comes back, while the last answer of app1 is ten seconds old: nobody would call that unreachable."""
    story = one_of_two_away().source_vanishes(at=600, source="app1").passes(to=609).source_returns(610, source="app2")

    assert "app2 unreachable" in story.text
    assert "app1 unreachable" in story.passes(to=616).text
