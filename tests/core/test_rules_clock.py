"""The tracker's own clock may be wrong for a while; what was seen under it must not be trusted afterwards."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from checkpointing import Checkpointing
from consistency import HOW_IT_WAS_HEARD, consistent, values
from effort import checkpoints_every
from story import HOUR, Story, at, cyclic, daily, quiet, said

from job_tracker.core.board import NEVER, Board, Watermark, make_board
from job_tracker.core.clock_set_back import NOTHING_AHEAD, Ahead, ahead_of, count_from_now
from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.memory import Memory
from job_tracker.core.record import Step
from job_tracker.core.standing import Standing
from job_tracker.core.step import step

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


SOURCES = ("app1", "app2")
WEEK = 7 * 24 * HOUR
ARCHIVES = pytest.mark.parametrize("archive", [Memory, Checkpointing])


def ten_well_runs(archive: Callable[[Board], Any], **keys: Any) -> Story:
    """A job every ten minutes, the last run of which ended a minute ago; a checkpoint after every two items."""
    story = Story(cyclic(), archive=archive, **keys)
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
    story.clock_is_set_back(5530)

    assert wrong[:2] == ("DELAYED", 2)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    leaving_out = HOW_IT_WAS_HEARD | {"checkpointed"}
    assert values(story.standing, leaving_out) == values(before, leaving_out)
    assert story.steps[-2].is_set_back
    story.passes(2 * HOUR)
    assert story.last == (6005 + 600, "DELAYED", "DELAYED", 2, 0, 2)


@ARCHIVES
def test_what_is_late_by_the_right_clock_stays_late(archive: Callable[[Board], Any]) -> None:
    """The eleventh run hangs: it has timed out twice when the clock leaps ahead, and ten times by that."""
    story = ten_well_runs(archive).hears("STARTED", 6000).passes(6210)
    before = story.shown

    wrong = story.clock_turns(7020).shown
    said = len(story.lines)
    story.clock_is_set_back(6150)

    assert before == ("TIMEOUT", 2, 2, 0)
    assert wrong == ("TIMEOUT", 2, 10, 0)
    assert [line[2:] for line in story.lines[said:]] == [("TIMEOUT", 2, 2, 0)]
    assert story.standing.since == at(6105)


def test_a_clock_is_believed_only_after_it_has_stood_for_a_while() -> None:
    """One that is wrong for a moment, as after a boot, is set right before anything is taken back."""
    story = ten_well_runs(Memory).passes(6700)
    before, said = story.standing, len(story.lines)

    story.clock_turns(100).clock_turns(6710).passes(7000)

    assert story.lines[said:] == []
    assert values(story.standing, set()) == values(before, set())
    assert story.board.clock.back_since is None


def test_a_clock_that_was_behind_for_long_ends_as_if_it_had_not_been() -> None:
    """What it took back comes again when the time does."""
    story = ten_well_runs(Checkpointing).passes(6700)
    before = story.shown

    wrong = story.clock_is_set_back(100).shown
    story.clock_turns(6800)

    assert wrong[1] == 0
    assert story.shown == before == ("DELAYED", 2, 0, 2)
    assert story.standing.since == at(6005)


def test_a_clock_that_is_set_back_twice_is_waited_for_twice() -> None:
    """What it shows last counts."""
    story = ten_well_runs(Memory).clock_turns(5520 + HOUR).clock_turns(5520 + 1800).clock_turns(5530)

    assert story.board.clock.back_since == at(5530)
    assert story.clock_is_set_back(5540).shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_start_by_another_clock_than_before_looks_at_every_job_once() -> None:
    """The tracker stopped while its clock was ahead, and starts when it is right."""
    story = ten_well_runs(Checkpointing).passes(5520 + HOUR)
    assert story.shown[:2] == ("DELAYED", 2)

    story.board = make_board(story.jobs, story.archive.standings(), story.board.drained, at(5530), NEVER)
    story.clock_is_set_back(5530)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)
    assert story.board.clock.latest == story.now


def test_a_clock_that_is_set_back_by_no_more_than_the_grace_takes_nothing_back() -> None:
    """That is how well clocks have to agree; an alarm would come, go and come again."""
    story = ten_well_runs(Memory)

    story.clock_turns(6008).clock_is_set_back(6004)

    assert story.shown == ("DELAYED", 2, 0, 1)
    assert story.board.clock.back_since is None


def test_what_comes_late_meanwhile_is_not_judged_ahead() -> None:
    """The eleventh run starts while the clock is not believed yet; it has not timed out an hour from now."""
    story = ten_well_runs(Memory).clock_turns(5520 + HOUR).clock_turns(5990)

    story.hears("STARTED", 6000)

    assert story.shown == ("RUNNING", 0, 0, 0)
    assert story.standing.judged is None


def test_a_job_that_could_not_be_seen_by_a_clock_that_ran_ahead_is_not_unknown() -> None:
    """Its source went away just before; nothing is due for six minutes."""
    story = ten_well_runs(Memory).source_vanishes(5521)

    wrong = story.clock_turns(5520 + HOUR).shown
    story.clock_is_set_back(5530)

    assert wrong[:2] == ("UNKNOWN", 3)
    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_an_alarm_is_taken_back_once_its_source_is_heard_by_the_right_clock() -> None:
    """Until then nobody can tell which of its missed starts were missed; a known alarm stays."""
    story = ten_well_runs(Memory).clock_turns(5520 + HOUR)
    story.gone["app1"] = at(5520 + HOUR)

    story.clock_is_set_back(5530)
    away = story.shown
    story.passes(7000).source_returns(7001)

    assert away == ("DELAYED", 2, 0, 6)
    assert story.shown == ("DELAYED", 2, 0, 2)
    assert story.board.clock.back_since is None


def test_what_one_of_two_sources_has_not_been_heard_of_is_not_judged_anew() -> None:
    """app1 was drained by the wrong clock and is gone; app2 spoke since."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2"))
    story.hears("STARTED", 10).hears("SUCCESS", 20).clock_turns(HOUR)
    story.gone["app1"] = at(HOUR)

    story.clock_is_set_back(1000)
    assert story.standing.missed == 5

    assert story.hears("NOTE", 1300, source="app2").shown == ("UNKNOWN", 3, 0, 0)
    story.source_returns(1500, said("STARTED", 600), said("SUCCESS", 620), source="app1")
    assert story.shown == ("DELAYED", 2, 0, 1)


def test_a_source_drained_by_a_clock_that_ran_ahead_covers_nothing_for_the_next() -> None:
    """app1 was drained "up to" an hour from now, then app2 speaks for the job and goes away."""
    story = Story(cyclic(), sources=("app1", "app2")).hears("STARTED", 10).hears("SUCCESS", 20)
    story.clock_turns(30 + HOUR).hears("STARTED", 30, arrives=30 + HOUR, source="app2")
    assert story.standing.former_source_drained > at(HOUR)

    story.clock_is_set_back(40).hears("SUCCESS", 170, source="app2").source_vanishes(180, "app2").passes(HOUR)

    assert story.shown == ("UNKNOWN", 3, 0, 0)


def test_much_is_taken_back_a_part_at_a_time() -> None:
    """A step that has done enough leaves the rest, and what it was given, to the next."""
    story = Story(cyclic(), cyclic(name="SECOND"), cyclic(name="THIRD"))
    story.clock_turns(HOUR).clock_turns(10)
    story.now = at(130)
    steps: list[Step] = []
    while not steps or steps[-1].is_set_back:
        made = step(story.board, story.jobs, [], story.watermarks(), story.now, story.archive, 1)
        story.archive.keep(made.records)
        story.board = made.board
        steps.append(made)

    assert [sorted(made.records) for made in steps] == [["LOAD__P"], ["SECOND__P"], ["THIRD__P"], []]
    assert [standing.missed for _, standing in story.board.standings()] == [0, 0, 0]


def only_what_is_new(story: Story) -> None:
    """Let the archive forget all but its last checkpoint."""
    kept = story.archive.kept[story.job.key]
    kept.checkpoints = kept.checkpoints[-1:]
    floor = kept.checkpoints[0].floor
    kept.messages = {place: each for place, each in kept.messages.items() if place[0] > floor}


def test_what_cannot_be_judged_anew_stays_and_holds_nothing_up() -> None:
    """The history begins ahead: the promise changed then, for example."""
    story = ten_well_runs(Checkpointing)
    with checkpoints_every(2):
        story.clock_turns(5520 + HOUR)
    only_what_is_new(story)

    story.clock_is_set_back(5530)

    assert story.shown == ("DELAYED", 2, 0, 6)
    assert story.board.clock.back_since is None
    assert not story.steps[-1].is_set_back


# ------------------------------------------------------------------------------------------ where somebody asks for it


def ask(story: Story, to: float) -> Story:
    """The clock is right, and the configuration is read anew."""
    story.now = at(to)
    standing = count_from_now(story.standing, story.job, story.now)
    if isinstance(story.archive, Checkpointing):
        story.archive.begin_anew(story.job.key, standing)
    else:
        story.archive = Memory(make_board(story.jobs, {story.job.key: standing}, {}, story.now))
    story.board = make_board(story.jobs, {story.job.key: standing}, {}, story.now)
    story.look()
    assert consistent(story.standing)
    return story


@ARCHIVES
def test_a_job_that_became_known_by_a_clock_that_ran_ahead_is_known_since_it_is_right(
    archive: Callable[[Board], Any],
) -> None:
    """Else a job that never runs is no alarm for a week."""
    story = ask(Story(cyclic(), known_since=WEEK, archive=archive), 100)

    assert story.standing.known_since == story.standing.promised_since == at(100)
    story.passes(705)
    assert story.lines == [(705, "NEVER_RAN", "DELAYED", 2, 0, 1)]


@ARCHIVES
@pytest.mark.parametrize("says", ["STARTED", "SUCCESS", None])
def test_a_promise_that_changed_by_a_clock_that_ran_ahead_counts_since_it_is_right(
    archive: Callable[[Board], Any], says: str | None
) -> None:
    """Else nothing is expected, and no run takes too long, before the moment that the clock showed."""
    story = ten_well_runs(archive).clock_turns(5520 + WEEK).promise_changes(5521 + WEEK, cyclic(timeout=200))
    if says is not None:
        story.hears(says, 5522, arrives=5522 + WEEK)

    ask(story, 5530)

    assert story.shown == ("RUNNING" if says == "STARTED" else "NOT_RUNNING", 0, 0, 0)
    story.hears("STARTED", 6000).hears("SUCCESS", 6060).hears("STARTED", 6600).passes(6805)
    assert story.shown[:3] == ("TIMEOUT", 2, 1)
    assert story.last[0] == 6805


@ARCHIVES
def test_a_changed_promise_by_which_nothing_was_judged_yet_counts_since_the_clock_is_right(
    archive: Callable[[Board], Any],
) -> None:
    """Every five weeks; what was missed before the clock ran ahead stays missed."""
    story = Story(cyclic(interval=2 * HOUR), archive=archive).hears("STARTED", 0).hears("SUCCESS", 60)
    story.passes(2 * HOUR + 5).clock_turns(3 * HOUR).promise_changes(3 * HOUR + 1, cyclic(interval=5 * WEEK))

    ask(story, 2 * HOUR + 10)

    assert story.shown == ("DELAYED", 2, 0, 1)
    assert story.standing.promised_since == at(2 * HOUR + 10)
    assert story.standing.missed_at == at(5 * WEEK + 5)


@ARCHIVES
def test_a_daily_job_is_expected_today_whatever_day_the_clock_showed(archive: Callable[[Board], Any]) -> None:
    """The promise changed meanwhile, so that its day is reckoned anew."""
    story = Story(daily("10:00"), archive=archive).hears("STARTED", -HOUR, arrives=0).hears("SUCCESS", 0)

    ask(story.clock_turns(WEEK).promise_changes(WEEK + 1, daily("11:00")), 100)

    assert story.standing.missed_at == at(11 * HOUR + 5)
    story.passes(11 * HOUR + 5)
    assert story.shown == ("DELAYED", 2, 0, 1)


@pytest.mark.parametrize("window", [None, quiet("03:00", "03:30")])
def test_an_open_run_keeps_the_timeouts_that_had_passed(window: Any) -> None:
    """Two of them, and ten thousand ahead."""
    story = Story(cyclic(quiet=window), archive=Checkpointing)
    story.hears("STARTED", 0).hears("SUCCESS", 60).hears("ERROR", 70).hears("STARTED", 6000).passes(6210)
    before = story.shown

    ask(story.clock_turns(5520 + WEEK), 6220)

    assert story.shown == before
    assert story.standing.deadline is not None
    assert story.standing.deadline.moment == at(6305)


def test_an_open_run_keeps_no_timeout_that_the_grace_still_allowed() -> None:
    """Its time is over at 100, and the grace at 105."""
    story = Story(cyclic(), archive=Checkpointing).hears("STARTED", 0).clock_turns(HOUR)

    assert ask(story, 104).shown == ("RUNNING", 0, 0, 0)
    assert story.passes(105).shown == ("TIMEOUT", 2, 1, 0)


def test_an_open_run_gets_no_timeout_that_nobody_had_looked_for() -> None:
    """Three have passed, of which one was counted before the source went away."""
    story = Story(cyclic(), archive=Checkpointing).hears("STARTED", 0).passes(110).source_vanishes(120).passes(340)

    assert story.shown == ("TIMEOUT", 2, 1, 0)
    assert ask(story, 340).shown == ("TIMEOUT", 2, 1, 0)


@pytest.mark.parametrize(("says", "state"), [("STARTED", "RUNNING"), ("SUCCESS", "NOT_RUNNING"), ("ERROR", "ERROR")])
def test_what_was_said_by_the_same_wrong_clock_is_taken_as_now(says: str, state: str) -> None:
    """Else what a job says from now on is older than that for a week, and its silence is none."""
    story = ten_well_runs(Checkpointing).clock_turns(5520 + WEEK).hears("STARTED", 5530 + WEEK)
    if says != "STARTED":
        story.hears(says, 5540 + WEEK)
    before = ahead_of([story.standing], at(5550))

    ask(story, 5550)

    assert before.jobs == 1
    assert before.until >= at(5530 + WEEK)
    assert ahead_of([story.standing], at(5550)) == NOTHING_AHEAD
    assert story.shown[0] == state
    assert story.standing.since == at(5550)
    story.hears("SUCCESS", 5600).passes(6300)
    assert story.shown == ("DELAYED", 2, 0, 1)


def test_how_much_lies_ahead_is_known() -> None:
    """Jobs whose promise or whose last message does, and up to when."""
    story = ten_well_runs(Memory)
    other = Story(cyclic(), known_since=WEEK)
    never = Story(cyclic())

    found = ahead_of([story.standing, other.standing, never.standing], at(5000))

    assert found == Ahead(jobs=2, until=at(WEEK))


class Counted(dict[str, Standing]):
    """The standings of a bucket, and how often one of them is asked for."""

    asked = 0

    def __getitem__(self, key: str) -> Standing:
        Counted.asked += 1
        return super().__getitem__(key)

    def items(self) -> Any:
        """Every one of them."""
        Counted.asked += len(self)
        return super().items()


def test_while_one_job_waits_for_its_source_no_step_looks_at_the_others() -> None:
    """A source may be away for weeks after the clock was set back; an idle step must not walk through all jobs."""
    away = cyclic(name="AWAY", sources=("app2",))
    story = Story(away, *[cyclic(name=f"J{n}", interval=WEEK, sources=("app1",)) for n in range(300)], sources=SOURCES)
    story.clock_turns(HOUR).source_vanishes(HOUR, "app2").clock_turns(2 * HOUR)
    lost = {"app1": Watermark(drained=at(0), lags_from=at(0)), "app2": Watermark(drained=None, lags_from=at(0))}
    board = step(story.board, story.jobs, [], lost, at(0), story.archive).board
    board = step(board, story.jobs, [], lost, at(130), story.archive).board
    board = replace(board, buckets=tuple(replace(each, standings=Counted(each.standings)) for each in board.buckets))
    Counted.asked = 0

    for second in range(140, 150):
        board = step(board, story.jobs, [], lost, at(second), story.archive).board

    assert board.clock.waiting == frozenset({away.key})
    assert Counted.asked == 0
