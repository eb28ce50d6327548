"""The tracker's own clock may be wrong for a while; what was seen under it must not be trusted afterwards."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from checkpointing import Checkpointing
from consistency import HOW_IT_WAS_HEARD, consistent, values
from effort import checkpoints_every
from story import HOUR, Story, at, cyclic, daily, quiet

from job_tracker.core.board import NEVER, Board, Watermark, make_board
from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.memory import Memory
from job_tracker.core.tracker import step

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND


LOAD = Job(
    name="LOAD",
    env="P",
    kind=Kind.CYCLIC,
    interval=3600 * SECOND,
    timeout=60 * SECOND,
    grace=0,
    zone=ZoneInfo("UTC"),
)
JOBS = Jobs(by_key={LOAD.key: LOAD}, sources=("app1",), tolerance=15 * SECOND, grace=0)


def test_a_watermark_from_a_clock_that_ran_a_day_ahead_is_forgotten_when_the_clock_is_right_again() -> None:
    """Else silence would be judged for a day without anybody having looked."""
    wrong, right = START + DAY, START + 100 * SECOND
    board = make_board(JOBS, {}, {}, right)
    memory = Memory(board)
    seen_ahead = board.updated(JOBS, {}, {"app1": wrong})

    made = step(seen_ahead, JOBS, [], {"app1": Watermark(drained=None, lags_from=right)}, right + 7200 * SECOND, memory)

    assert [change.after.state.value for change in made.changes] == ["UNKNOWN"]


def test_a_source_that_died_while_the_clock_ran_ahead_is_not_taken_for_silent() -> None:
    """It was drained "up to" two hours from now; nobody has looked there, so nothing is missed, and nobody can tell."""
    right = START + 100 * SECOND
    board = make_board(JOBS, {}, {}, right)
    ahead = Watermark(drained=right + 7200 * SECOND, lags_from=right + 7200 * SECOND)

    made = step(board, JOBS, [], {"app1": ahead}, right + 3700 * SECOND, Memory(board))

    (change,) = made.changes
    assert change.after.state.value == "UNKNOWN"
    assert change.after.missed == 0
    assert made.board.drained == {}


WEEK = 7 * 24 * HOUR
ARCHIVES = pytest.mark.parametrize("archive", [Memory, Checkpointing])


def ten_well_runs(archive: Callable[[Board], Any]) -> Story:
    """A job every ten minutes, the last run of which ended a minute ago; a checkpoint after every two items."""
    story = Story(cyclic(), archive=archive)
    with checkpoints_every(2):
        for number in range(10):
            story.hears("STARTED", 600 * number).hears("SUCCESS", 600 * number + 60)
    return story.passes(5520)


@ARCHIVES
@pytest.mark.parametrize("ahead", [HOUR, WEEK])
def test_what_was_missed_only_by_a_clock_that_ran_ahead_is_not_missed(
    archive: Callable[[Board], Any], ahead: int
) -> None:
    """Else a job that runs well is an alarm, and its next start is awaited an hour from now."""
    story = ten_well_runs(archive)
    before = story.standing

    wrong = story.clock_turns(5520 + ahead).shown
    story.clock_turns(5530)

    assert wrong[:2] == ("DELAYED", 2)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    leaving_out = HOW_IT_WAS_HEARD | {"checkpointed"}
    assert values(story.standing, leaving_out) == values(before, leaving_out)
    story.passes(2 * HOUR)
    assert story.last == (6005 + 600, "DELAYED", "DELAYED", 2, 0, 2)


@ARCHIVES
def test_what_is_late_by_the_right_clock_stays_late(archive: Callable[[Board], Any]) -> None:
    """The eleventh run hangs: it has timed out twice when the clock leaps ahead, and ten times by that."""
    story = ten_well_runs(archive).hears("STARTED", 6000).passes(6210)
    before = story.shown

    wrong = story.clock_turns(7020).shown
    story.clock_turns(6220)

    assert before == ("TIMEOUT", 2, 2, 0)
    assert wrong == ("TIMEOUT", 2, 10, 0)
    assert story.shown == before
    assert story.standing.since == at(6105)


def test_a_start_by_another_clock_than_before_looks_at_every_job_once() -> None:
    """The tracker stopped while its clock was ahead, and starts when it is right."""
    story = ten_well_runs(Checkpointing).passes(5520 + HOUR)
    assert story.shown[:2] == ("DELAYED", 2)

    story.board = make_board(story.jobs, story.archive.standings(), story.board.drained, at(5530), NEVER)
    story.clock_turns(5530)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_clock_that_is_set_back_by_no_more_than_the_grace_takes_nothing_back() -> None:
    """That is how well clocks have to agree; an alarm would come, go and come again."""
    story = ten_well_runs(Memory)

    story.clock_turns(6008).clock_turns(6004)

    assert story.shown == ("DELAYED", 2, 0, 1)
    assert len(story.found[-1]) == 0


def test_a_job_that_could_not_be_seen_by_a_clock_that_ran_ahead_is_not_unknown() -> None:
    """Its source went away just before; nothing is due for eight minutes."""
    story = ten_well_runs(Memory).source_vanishes(5521)

    wrong = story.clock_turns(5520 + HOUR).shown
    story.clock_turns(5530)

    assert wrong[:2] == ("UNKNOWN", 3)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_source_drained_by_a_clock_that_ran_ahead_covers_nothing_for_the_next() -> None:
    """app1 was drained "up to" an hour from now, then app2 speaks for the job and goes away."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", 10).hears("SUCCESS", 20)
    story.clock_turns(30 + HOUR).hears("STARTED", 30, arrives=30 + HOUR, source="app2")
    assert story.standing.covered > at(HOUR)

    story.clock_turns(40).hears("SUCCESS", 50, source="app2").source_vanishes(60, "app2").passes(HOUR)

    assert story.shown == ("UNKNOWN", 3, 0, 0)


@ARCHIVES
def test_a_job_that_became_known_by_a_clock_that_ran_ahead_is_known_since_it_is_right(
    archive: Callable[[Board], Any],
) -> None:
    """Else a job that never runs is no alarm for a week."""
    story = Story(cyclic(), known_since=WEEK, archive=archive).clock_turns(100)

    assert story.standing.known_since == story.standing.promised_since == at(100)
    story.passes(705)
    assert story.lines == [(705, "UNKNOWN", "DELAYED", 2, 0, 1)]


@ARCHIVES
@pytest.mark.parametrize("says", ["STARTED", "SUCCESS", None])
def test_a_promise_that_changed_by_a_clock_that_ran_ahead_counts_since_it_is_right(
    archive: Callable[[Board], Any], says: str | None
) -> None:
    """Else nothing is expected, and no run takes too long, before the moment that the clock showed."""
    story = ten_well_runs(archive).clock_turns(5520 + WEEK).promise_changes(5521 + WEEK, cyclic(timeout=200))
    if says is not None:
        story.hears(says, 5522, arrives=5522 + WEEK)

    story.clock_turns(5530)

    assert consistent(story.standing)
    assert story.shown == ("RUNNING" if says == "STARTED" else "NOT_RUNNING", 0, 0, 0)
    story.hears("STARTED", 6000).hears("SUCCESS", 6060).hears("STARTED", 6600).passes(6805)
    assert story.shown[:3] == ("TIMEOUT", 2, 1)
    assert story.last[0] == 6805


@ARCHIVES
def test_a_changed_promise_by_which_nothing_was_judged_yet_counts_since_the_clock_is_right(
    archive: Callable[[Board], Any],
) -> None:
    """Every five weeks; what was missed before the clock ran ahead stays missed."""
    story = (
        Story(cyclic(interval=2 * HOUR), archive=archive).hears("STARTED", 0).hears("SUCCESS", 60).passes(2 * HOUR + 5)
    )
    story.clock_turns(3 * HOUR).promise_changes(3 * HOUR + 1, cyclic(interval=5 * WEEK)).clock_turns(2 * HOUR + 10)

    assert story.shown == ("DELAYED", 2, 0, 1)
    assert story.standing.promised_since == at(2 * HOUR + 10)
    assert story.standing.missed_at == at(5 * WEEK + 5)


@ARCHIVES
def test_a_daily_job_is_expected_today_whatever_day_the_clock_showed(archive: Callable[[Board], Any]) -> None:
    """The promise changed meanwhile, so that its day is reckoned anew."""
    story = Story(daily("10:00"), archive=archive).hears("STARTED", -HOUR, arrives=0).hears("SUCCESS", 0)

    story.clock_turns(WEEK).promise_changes(WEEK + 1, daily("11:00")).clock_turns(100)

    assert story.standing.missed_at == at(11 * HOUR + 5)
    story.passes(11 * HOUR + 5)
    assert story.shown == ("DELAYED", 2, 0, 1)


def only_what_is_new(story: Story) -> None:
    """Let the archive forget all but its last checkpoint."""
    kept = story.archive.kept[story.job.key]
    kept.checkpoints = kept.checkpoints[-1:]
    floor = kept.checkpoints[0].floor
    kept.messages = {place: each for place, each in kept.messages.items() if place[0] > floor}


def test_where_the_history_begins_ahead_the_promise_counts_from_now() -> None:
    """What was missed before cannot be told from what was missed ahead, and is forgotten."""
    story = ten_well_runs(Checkpointing)
    with checkpoints_every(2):
        story.clock_turns(5520 + WEEK)
    only_what_is_new(story)

    story.clock_turns(5530)

    assert consistent(story.standing)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.standing.missed_at == at(6005)
    story.hears("NOTE", 5000, arrives=5540).passes(6005)
    assert story.shown == ("DELAYED", 2, 0, 1)


@pytest.mark.parametrize("window", [None, quiet("03:00", "03:30")])
def test_where_the_history_begins_ahead_an_open_run_keeps_the_timeouts_that_had_passed(window: Any) -> None:
    """Two of them, and ten thousand ahead."""
    story = Story(cyclic(quiet=window), archive=Checkpointing)
    story.hears("STARTED", 0).hears("SUCCESS", 60).hears("ERROR", 70).hears("STARTED", 6000).passes(6210)
    before = story.shown
    with checkpoints_every(2):
        story.clock_turns(5520 + WEEK)
    only_what_is_new(story)

    story.clock_turns(6220)

    assert consistent(story.standing)
    assert story.shown == before
    assert story.standing.deadline is not None
    assert story.standing.deadline.moment == at(6305)


def test_what_was_said_by_the_same_wrong_clock_stays_where_it_was_said() -> None:
    """A message's moment is decided once, at arrival; what is judged beyond it is judged when its time comes."""
    story = ten_well_runs(Checkpointing)
    with checkpoints_every(2):
        story.clock_turns(5520 + HOUR).hears("STARTED", 5530 + HOUR).hears("SUCCESS", 5540 + HOUR)
        story.passes(5520 + 2 * HOUR)
    only_what_is_new(story)

    story.clock_turns(5550)

    assert consistent(story.standing)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    story.hears("STARTED", 6000).hears("SUCCESS", 6060)
    assert consistent(story.standing)


def test_much_is_taken_back_a_part_at_a_time() -> None:
    """A step that has done enough leaves the rest, and what it was given, to the next."""
    story = Story(cyclic(), cyclic(name="SECOND"), cyclic(name="THIRD"))
    story.clock_turns(HOUR)
    story.now = at(10)
    steps = []
    while len(steps) < 2 or steps[-1].wake == story.now:
        made = step(story.board, story.jobs, [], story.watermarks(), story.now, story.archive, 1)
        story.archive.keep(made.records)
        story.board = made.board
        steps.append(made)

    assert [sorted(made.records) for made in steps] == [["LOAD__P"], ["SECOND__P"], ["THIRD__P"], []]
    assert [standing.missed for _, standing in story.board.standings()] == [0, 0, 0]
