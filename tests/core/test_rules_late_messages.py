"""The rules for messages that come late, too early, out of order, twice, or not at all.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise.
"""

from functools import partial
from typing import Any

import pytest
from checkpointing import Checkpointing
from story import Story, at, cyclic, daily, quiet, said

from job_tracker.core import deadlines, record
from job_tracker.core.board import Board
from job_tracker.core.intake import take_in
from job_tracker.core.messages import Position
from job_tracker.core.record import Past
from job_tracker.core.schedules.quiet import Windows, move_timeout
from job_tracker.core.standing import Run, Standing
from job_tracker.core.step import step


def lost_and_found(**keys: Any) -> Story:
    """A job whose run of 0 to 50 seems to hang, for its end is still under way."""
    return Story(cyclic(**keys)).hears("STARTED", at=0).passes(to=150)


def test_a_late_message_is_folded_where_it_belongs() -> None:
    """“Messages are folded by timestamp …, not by arrival”: the run ended at 50, so it never was too long."""
    story = lost_and_found().hears("SUCCESS", at=50, arrives=160)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.runs[0].timeouts == 0


def test_a_late_message_leaves_one_change_dated_at_its_moment() -> None:
    """The timeout of 105 was found, and what was found is not unsaid; the end is dated where it belongs."""
    story = lost_and_found().hears("SUCCESS", at=50, arrives=160)

    assert story.lines[1:] == [
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (50, "TIMEOUT", "NOT_RUNNING", 0, 0, 0),
    ]


def test_the_history_behind_a_late_message_is_written_anew() -> None:
    """What is kept of the job is what an observer who had heard everything in order would have."""
    story = lost_and_found().hears("SUCCESS", at=50, arrives=160)

    record = story.steps[-1].records["LOAD__P"]

    assert record.rewound is not None
    assert [(change.before.state.value, change.after.state.value) for change in record.changes] == [
        ("NEVER_RAN", "RUNNING"),
        ("RUNNING", "NOT_RUNNING"),
    ]


def test_a_message_of_a_deadlines_moment_comes_before_it_however_late_it_arrives() -> None:
    """Another message of that very moment was heard in time; the end arrives when the timeout has counted."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("NOTE", at=105).passes(to=105.5)
    assert story.runs[0].timeouts == 1

    story.hears("SUCCESS", at=105, arrives=106)

    assert story.runs[0].timeouts == 0


def test_every_message_and_every_deadline_has_its_number() -> None:
    """By it the ledger knows what a refold writes anew: two messages, three timeouts, a note."""
    story = Story(cyclic()).hears("STARTED", at=0).passes(to=305).hears("SUCCESS", at=306).hears("NOTE", at=307)

    assert story.standing.serial == 6


def test_a_late_start_belongs_before_the_end_that_was_heard_without_it() -> None:
    """Heard first of all was the end; with the start of 0 it is one run, due at 600 and not at 650."""
    story = Story(cyclic()).hears("SUCCESS", at=50).hears("STARTED", at=0, arrives=60).passes(to=605)

    assert len(story.runs) == 1
    assert story.last == (605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_deadlines_that_were_judged_before_a_late_message_are_judged_again() -> None:
    """The start of 300 arrives at 700, behind the missed start of 605: it is due at 900, and hangs since 405."""
    story = Story(cyclic()).passes(to=700).hears("STARTED", at=300, arrives=700)

    assert story.lines == [
        (605, "NEVER_RAN", "DELAYED", 2, 0, 1),
        (300, "DELAYED", "TIMEOUT", 2, 3, 0),
    ]


def test_a_late_message_with_nothing_behind_it_leaves_deadlines_their_own_lines() -> None:
    """Nothing that follows it was judged yet, so its timeouts are found one by one."""
    story = Story(cyclic()).hears("STARTED", at=0, arrives=210)

    assert [line[0] for line in story.lines] == [0, 105, 205]


def test_messages_of_one_moment_are_folded_by_source_and_then_by_number() -> None:
    """“by timestamp, then source, then `_id`”: app1's start comes before app2's end, whatever arrives first."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("SUCCESS", at=10, source="app2")

    story.hears("STARTED", at=10, source="app1")

    assert len(story.runs) == 1
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_messages_of_one_moment_and_source_are_folded_by_their_number() -> None:
    """`_id` grows with every message of a queue."""
    story = Story(cyclic()).hears("SUCCESS", at=10, _id=2).hears("STARTED", at=10, _id=1)

    assert len(story.runs) == 1
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_batch_is_folded_in_the_order_of_its_moments() -> None:
    """What arrives together is put in order first."""
    story = Story(cyclic()).hears_at_once(100, said("SUCCESS", 50), said("STARTED", 0))

    assert story.lines == [(0, "NEVER_RAN", "RUNNING", 0, 0, 0), (50, "RUNNING", "NOT_RUNNING", 0, 0, 0)]


def test_a_lost_message_is_a_run_that_hangs_until_the_next_start() -> None:
    """The success of 50 was never delivered: the run times out, and the next start loses it without a second error."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("STARTED", at=150).hears("SUCCESS", at=160)

    assert story.lines[1:] == [
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (150, "TIMEOUT", "RUNNING", 2, 1, 0),
        (160, "RUNNING", "NOT_RUNNING", 0, 0, 0),
    ]


def test_the_same_uid_is_the_same_message() -> None:
    """“The same `uid`: the same message, ignored”, though it travels twice with another number."""
    story = Story(cyclic(max_errors=9)).hears("STARTED", at=0).hears("ERROR", at=10, uid="u")

    story.hears("ERROR", at=10, arrives=20, uid="u")

    assert story.shown == ("ERROR", 0, 1, 0)


def test_without_uid_the_same_words_are_two_messages() -> None:
    """Nobody can tell them apart from a job that failed twice."""
    story = Story(cyclic(max_errors=9)).hears("STARTED", at=0).hears("ERROR", at=10).hears("ERROR", at=10, arrives=20)

    assert story.shown == ("ERROR", 0, 2, 0)


def test_a_timestamp_just_the_grace_ahead_is_believed() -> None:
    """Clocks differ a little."""
    story = Story(cyclic()).hears("STARTED", at=105, arrives=100)

    assert story.lines == [(105, "NEVER_RAN", "RUNNING", 0, 0, 0)]
    assert not story.drifting


def test_a_timestamp_more_than_the_grace_ahead_is_taken_as_the_arrival() -> None:
    """“A timestamp more than the grace ahead of the tracker's clock is taken as now”."""
    story = Story(cyclic()).hears("STARTED", at=105.000001, arrives=100)

    assert story.lines == [(100, "NEVER_RAN", "RUNNING", 0, 0, 0)]


def test_a_source_whose_message_is_too_far_ahead_is_drifting() -> None:
    """“the source is marked as drifting”."""
    story = Story(cyclic()).hears("STARTED", at=200, arrives=100)

    assert story.drifting == {"app1"}


def test_what_was_taken_as_now_stays_so() -> None:
    """“decided once, at arrival, and stored”: a refold much later finds the moment it was given then."""
    story = Story(cyclic()).hears("STARTED", at=500, arrives=100).passes(to=150)

    story.hears("NOTE", at=50, arrives=550)

    assert story.runs[0].begun == story.archive.messages["LOAD__P"][1].moment == story.now - 450_000_000


def test_a_success_from_the_future_clears_a_timeout_that_comes_before_it() -> None:
    """The end of 103 is heard at 99, and the run is too long at 100: counted, and forgotten with the end."""
    story = Story(cyclic(timeout=90)).hears("STARTED", at=5).hears("SUCCESS", at=103, arrives=99).passes(to=104)

    assert story.lines[1:] == [(103, "RUNNING", "NOT_RUNNING", 0, 0, 0)]
    assert (story.runs[0].timeouts, story.runs[0].errors) == (1, 0)


def test_a_deadline_that_a_message_from_the_future_overtook_is_judged_all_the_same() -> None:
    """Start 0, timeout at 105; at 104 an error of 108 is heard, four seconds ahead: the run was too long before it."""
    story = Story(cyclic(max_errors=9)).hears("STARTED", at=0).hears("ERROR", at=108, arrives=104)
    assert story.standing.overtaken is not None

    story.passes(to=110)

    assert story.lines[1:] == [
        (108, "RUNNING", "ERROR", 0, 1, 0),
        (105, "ERROR", "ERROR", 0, 2, 0),
    ]
    assert story.standing.overtaken is None


def test_a_first_message_from_before_the_promise_is_folded() -> None:
    """What ran before the tracker knew of it is still what the job did last."""
    story = Story(cyclic()).hears("SUCCESS", at=-100, arrives=10)

    assert story.lines == [(-100, "NEVER_RAN", "NOT_RUNNING", 0, 0, 0)]


def test_two_late_messages_of_one_batch_are_each_folded_where_they_belong() -> None:
    """The run of 0 to 50, and the note between, all arrive behind the timeout."""
    story = lost_and_found()

    story.hears_at_once(160, said("NOTE", 20), said("SUCCESS", 50))

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert [message.event for message in story.archive.messages["LOAD__P"]] == ["STARTED", "NOTE", "SUCCESS"]


# --- as far back as the kept history reaches --------------------------------------------------------------------------


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every message or deadline, so that a short story meets what a long life would."""
    monkeypatch.setattr(record, "CHECKPOINT_EVERY", 1)


@pytest.mark.usefixtures("often")
def test_a_message_from_before_the_kept_history_is_folded_at_its_beginning() -> None:
    """“as far back as the kept history reaches”: it is not thrown away, and disturbs nothing that is forgotten."""
    story = Story(cyclic(), archive=partial(Checkpointing, history=1))
    for moment in range(0, 3000, 600):
        story.hears("STARTED", at=moment).hears("SUCCESS", at=moment + 10)

    story.hears("ERROR", at=5, arrives=2500)

    folded = story.steps[-1].records["LOAD__P"].messages[-1]
    assert (folded.moment, folded.claimed) == (at(1810.000001), at(5))
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


@pytest.mark.usefixtures("often")
def test_a_late_message_that_gives_a_run_another_end_restores_the_run_that_had_it() -> None:
    """The end of 300 was taken for a's second; with the late start of 200 it is the second a's, and the first keeps 10.

    What is kept of the first run lies before the point from which the job is folded again.
    """
    story = Story(cyclic(), archive=Checkpointing).hears("STARTED", at=0, run="a").hears("SUCCESS", at=10, run="a")

    story.hears("SUCCESS", at=300, run="a").hears("STARTED", at=250, run="a", arrives=310)

    assert [(run.begun - story.now, run.ended - story.now) for run in story.runs if run.begun and run.ended] == [
        (-310_000_000, -300_000_000),
        (-60_000_000, -10_000_000),
    ]


@pytest.mark.usefixtures("often")
def test_a_run_let_go_of_is_restored_too() -> None:
    """The error that a late start takes away from the first a was counted to a run that was let go of long before."""
    story = Story(cyclic(), archive=Checkpointing).hears("STARTED", at=0, run="a").hears("SUCCESS", at=10, run="a")
    story.hears("STARTED", at=20, run="b").hears("SUCCESS", at=30, run="b").hears("ERROR", at=300, run="a")

    story.hears("STARTED", at=250, run="a", arrives=310)

    assert [(run.id, run.outcome.value, run.errors) for run in story.runs] == [
        ("a", "well", 0),
        ("b", "well", 0),
        ("a", "badly", 1),
    ]


@pytest.mark.usefixtures("often")
def test_runs_of_a_future_that_is_folded_again_are_not_taken_for_older_ones() -> None:
    """c fails at 400, and begins again at 500; a late word between must not let that failure look for the later run."""
    story = Story(cyclic(), archive=Checkpointing).hears("STARTED", at=0, run="c").hears("SUCCESS", at=10, run="c")
    story.hears("ERROR", at=400, run="c").hears("STARTED", at=500, run="c")

    story.hears("SUCCESS", at=300, arrives=510)

    assert [(run.id, run.outcome.value) for run in story.runs] == [("c", "badly"), (None, "well"), ("c", "open")]


@pytest.mark.usefixtures("often")
def test_a_second_late_message_of_a_step_is_not_folded_from_a_checkpoint_that_the_first_made_wrong() -> None:
    """The checkpoint of 400 was made without the start of 0; both late messages arrive together."""
    story = Story(cyclic(timeout=1000), archive=Checkpointing).hears("NOTE", at=50).hears("NOTE", at=400)
    story.hears("NOTE", at=500)

    story.hears_at_once(510, said("STARTED", 0), said("SUCCESS", 450))

    assert [(run.begun is not None, run.outcome.value) for run in story.runs] == [(True, "well")]


def test_a_run_from_before_the_kept_history_is_without_errors_again() -> None:
    """Behind a reload the error of 110 is counted to the first a; the late start of 105 takes it away again."""
    story = Story(cyclic(timeout=1000), archive=Checkpointing).hears("STARTED", at=0, run="a")
    story.hears("SUCCESS", at=10, run="a").hears("STARTED", at=20, run="b").hears("SUCCESS", at=30, run="b")
    story.promise_changes(100, cyclic(timeout=900)).hears("ERROR", at=110, run="a")
    assert [run.errors for run in story.runs] == [1, 0]

    story.hears("STARTED", at=105, run="a", arrives=120)

    assert [(run.id, run.errors) for run in story.runs] == [("a", 0), ("b", 0), ("a", 1)]
    assert story.shown == ("ERROR", 2, 1, 0)


def test_an_error_of_a_run_from_before_the_kept_history_is_counted_once() -> None:
    """Folded again because of a late note, the error of 110 still finds the first a, and is its only one."""
    story = Story(cyclic(timeout=1000), archive=Checkpointing).hears("STARTED", at=0, run="a")
    story.hears("SUCCESS", at=10, run="a").hears("STARTED", at=20, run="b").hears("SUCCESS", at=30, run="b")
    story.promise_changes(100, cyclic(timeout=900)).hears("ERROR", at=110, run="a")

    story.hears("NOTE", at=105, arrives=120)

    assert [(run.id, run.errors) for run in story.runs] == [("a", 1), ("b", 0)]
    assert story.standing.errors == 1


def test_a_message_that_was_under_way_at_the_reload_is_not_forgotten_by_a_later_refold() -> None:
    """The end of 50 is heard behind the reload, and then a note from before that end."""
    story = Story(cyclic(timeout=1000), archive=Checkpointing).hears("STARTED", at=0)
    story.promise_changes(100, cyclic(timeout=900)).hears("SUCCESS", at=50, arrives=120)

    story.hears("NOTE", at=40, arrives=130)

    assert story.runs[0].ended == at(50)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_message_from_before_what_was_folded_at_the_reload_is_folded_behind_it() -> None:
    """The start of 60 was the last thing folded under the old promise; the end of 50 cannot come before it any more."""
    story = Story(cyclic(timeout=1000), archive=Checkpointing).hears("STARTED", at=0).hears("NOTE", at=60)

    story.promise_changes(100, cyclic(timeout=900)).hears("SUCCESS", at=50, arrives=120)

    assert story.runs[0].ended == at(60.000001)


def test_the_first_message_of_a_job_whose_promise_was_changed_is_folded() -> None:
    """Nothing was folded before the reload, so the history begins with nothing."""
    story = Story(cyclic(timeout=1000), archive=Checkpointing).promise_changes(100, cyclic(timeout=900))

    story.hears("SUCCESS", at=50, arrives=120).hears("STARTED", at=40, arrives=130)

    assert [(run.begun, run.ended) for run in story.runs] == [(at(40), at(50))]


class Counting(Checkpointing):
    """An archive that notes what it was asked for."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.asked: list[Position] = []

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """As every archive."""
        self.asked.append(position)
        return super().past(key, position, run)

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """As every archive."""
        return super().run(key, id, up_to)


def test_a_message_in_order_asks_the_archive_nothing() -> None:
    """“a message never rewrites a job's history”: work grows with what is new."""
    story = Story(cyclic(), archive=Counting).hears("STARTED", at=0).hears("SUCCESS", at=10).passes(to=2000)

    assert story.archive.asked == []


@pytest.mark.usefixtures("often")
def test_a_late_message_is_folded_from_the_checkpoint_before_it() -> None:
    """Not from the beginning of the job's life."""
    story = Story(cyclic(), archive=Counting)
    for moment in range(0, 6000, 600):
        story.hears("STARTED", at=moment).hears("SUCCESS", at=moment + 10)

    story.hears("NOTE", at=5405, arrives=5500)

    rewound = story.steps[-1].records["LOAD__P"].rewound
    assert rewound is not None
    assert rewound.serial == 19


# --- a promise that changes -------------------------------------------------------------------------------------------


def test_a_changed_promise_counts_from_the_reload() -> None:
    """“it counts from the reload; expected starts before it are not judged by it”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)

    story.promise_changes(500, cyclic(interval=60)).passes(to=600)

    assert story.last == (545, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_changed_promise_of_a_job_never_seen_is_due_an_interval_after_the_reload() -> None:
    """Known since then, as far as this promise goes."""
    story = Story(cyclic()).promise_changes(500, cyclic(interval=60)).passes(to=565)

    assert story.lines == [(565, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_due_start_behind_the_reload_stays_where_it_is() -> None:
    """Due at 600 by the new promise too, which is behind the reload of 500."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)

    story.promise_changes(500, cyclic(delay=30)).passes(to=635)

    assert story.last == (635, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_due_start_at_the_very_reload_is_judged() -> None:
    """Due at 60, 120, … 480 by the new promise; the first at or after the reload of 480 is 480 itself."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)

    story.promise_changes(480, cyclic(interval=60)).passes(to=485)

    assert story.last == (485, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_an_open_run_is_timed_by_the_changed_promise_from_the_reload_on() -> None:
    """With 20 allowed it is too long since 25; it is told at the first full timeout behind the reload: 105."""
    story = Story(cyclic(timeout=1000)).hears("STARTED", at=0)

    story.promise_changes(100, cyclic(timeout=20)).passes(to=126)

    assert [line[0] for line in story.lines] == [0, 105, 125]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("timeout", [61, 977, 3600, 40_000, 90_000])
@pytest.mark.parametrize("window", [None, ("22:00", "06:00"), ("02:10", "02:50"), ("12:00", "12:00")])
def test_timeouts_before_a_changed_promise_are_passed_over_one_by_one_or_all_at_once(
    monkeypatch: pytest.MonkeyPatch, zone: str, timeout: int, window: tuple[str, str] | None
) -> None:
    """A run of five days before the reload, over the change of the clocks: what a walk over all of them comes to."""
    job = cyclic(timeout=timeout, zone=zone, quiet=None if window is None else quiet(*window))
    standing = Standing(known_since=0, promised_since=at("2025-10-07 01:30:05"), since=0)
    moves: list[int] = []

    def move(windows: Windows | None, deadline: int, grace: int) -> int:
        moves.append(deadline)
        return move_timeout(windows, deadline, grace)

    monkeypatch.setattr(deadlines, "move_timeout", move)
    for hour in range(0, 24, 5):
        begun = standing.promised_since - (5 * 24 + hour) * 3600 * 1_000_000
        expected = move_timeout(job.windows, begun + job.timeout + job.grace, job.grace)
        while expected < standing.promised_since:
            expected = move_timeout(job.windows, expected + job.timeout, job.grace)
        moves.clear()

        assert deadlines.first_timeout(standing, job, begun) == expected
        assert len(moves) <= 1 + 2 * 7


def test_a_failed_run_is_not_timed_by_a_changed_promise() -> None:
    """It has ended."""
    story = Story(cyclic(timeout=1000)).hears("STARTED", at=0).hears("ERROR", at=5)

    story.promise_changes(100, cyclic(timeout=20)).passes(to=590)

    assert story.last == (5, "RUNNING", "ERROR", 2, 1, 0)


def test_a_daily_promise_changed_during_the_day_awaits_the_next_start_behind_the_reload() -> None:
    """At 10:00 the job is moved from 02:00 to 09:00: today's 09:00 is not judged, tomorrow's is."""
    story = Story(daily("02:00")).hears("STARTED", at=7200).hears("SUCCESS", at=7210)

    story.promise_changes(36_000, daily("09:00")).passes(to=86_400 + 9 * 3600 + 5)

    assert story.last == (86_400 + 9 * 3600 + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_cyclic_job_that_becomes_daily_awaits_its_first_start_behind_the_reload() -> None:
    """The history survives, the promise is another one."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)

    story.promise_changes(500, daily("02:00")).passes(to=7205)

    assert story.last == (7205, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_step_that_has_done_enough_folds_what_came_late_so_far() -> None:
    """Of two late messages the first is heard, then another job's deadline of 605 is all that this step may do."""
    jobs = cyclic(name="LATE", sources=("app1",)), cyclic(name="DARK", sources=("app2",))
    story = Story(*jobs, sources=("app1", "app2")).source_vanishes(at=600, source="app2")
    story.hears("STARTED", at=640, job="LATE").hears("SUCCESS", at=650, job="LATE").passes(to=700)
    late = [said("STARTED", 601, job="LATE", _id=11, uid="l1"), said("SUCCESS", 607, job="LATE", _id=12, uid="l2")]
    heard = take_in(story.jobs, "app1", [each | {"instance": "P"} for each in late], at(700), set().__contains__)
    story.gone.clear()

    made = step(story.board, story.jobs, heard.messages, story.watermarks(), story.now, story.archive, most=1)

    assert [message.moment for message in made.unheard] == [at(607)]
    assert [change.job.name for change in made.changes if change.at in (at(601), at(605))] == ["DARK"]
    assert [message.moment for message in made.records["LATE__P"].messages] == [at(601)]


def test_late_words_around_an_overtaken_deadline_are_folded_before_it_is_judged() -> None:
    """However little one step may do: a deadline is judged by what was heard, not by what waits to be folded."""
    story = Story(cyclic(interval=600, sources=("app1", "app2")), sources=("app1", "app2"))
    story.hears("STARTED", 10).hears("SUCCESS", 20).source_vanishes(30, source="app2")
    story.hears("STARTED", 1900).gone.clear()
    elements = [
        {"_id": 90 + number, "job": "LOAD", "instance": "P", **said(event, moment)}
        for number, (event, moment) in enumerate([("STARTED", 605), ("SUCCESS", 700)])
    ]
    heard = take_in(story.jobs, "app2", elements, at(1950), lambda _: False).messages

    at_once, little = (
        step(story.board, story.jobs, heard, story.watermarks(), at(1950), story.archive, most) for most in (None, 100)
    )

    assert little.board.standing(story.job) == at_once.board.standing(story.job)
    assert little.board.standing(story.job).judged == at(1810)
