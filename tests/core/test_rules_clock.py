"""The tracker's own clock may be wrong for a while; what was seen under it must not be trusted afterwards."""

from zoneinfo import ZoneInfo

from job_tracker.core.board import Watermark, make_board
from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.memory import Memory
from job_tracker.core.tracker import step

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND


def test_a_watermark_from_a_clock_that_ran_a_day_ahead_is_forgotten_when_the_clock_is_right_again() -> None:
    """Else silence would be judged for a day without anybody having looked."""
    job = Job(
        name="LOAD",
        env="P",
        kind=Kind.CYCLIC,
        interval=3600 * SECOND,
        timeout=60 * SECOND,
        grace=0,
        zone=ZoneInfo("UTC"),
    )
    jobs = Jobs(by_key={job.key: job}, sources=("app1",), tolerance=15 * SECOND, grace=0)
    wrong, right = START + DAY, START + 100 * SECOND
    board = make_board(jobs, {}, {}, right)
    memory = Memory(board)
    seen_ahead = board.updated(jobs, {}, {"app1": wrong})

    made = step(seen_ahead, jobs, [], {"app1": Watermark(drained=None, lags_from=right)}, right + 7200 * SECOND, memory)

    assert [change.after.state.value for change in made.changes] == ["UNKNOWN"]
