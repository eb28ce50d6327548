"""The tracker's own clock may be wrong for a while; what was seen under it must not be trusted afterwards."""

from zoneinfo import ZoneInfo

from job_tracker.core.board import Watermark, make_board
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
