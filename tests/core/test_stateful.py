"""A job lives, its source comes and goes, the tracker is restarted, and what it says of the job stays right.

Whatever happens in whatever order, the board is the one of somebody who heard all messages in time and judged the
deadlines that the source was drained past.
"""

from typing import Any

from checkpointing import Checkpointing
from consistency import HOW_IT_WAS_HEARD, consistent, rightly_shown, values
from effort import checkpoints_every, examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from observing import Observer
from story import Story, T, at, cyclic, daily, quiet, said

from job_tracker.core.board import NEVER, make_board
from job_tracker.core.jobs import Job
from job_tracker.core.messages import Message
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.signals import Signal
from job_tracker.moments import MICROSECONDS

CODES = {3: Signal.WARNING, 7: Signal.SKIPPED}
PROMISES = {
    "every minute": cyclic(interval=60, timeout=30),
    "an interval from its end": cyclic(interval=60, timeout=90, counts_from_end=True, max_errors=3, status_below=1),
    "with a quiet window": cyclic(interval=120, timeout=60, quiet=quiet("00:05", "00:10")),
    "at a time of day": daily("00:10", timeout=120, delay=60, max_errors=3),
    "that warns and skips": cyclic(interval=60, timeout=30, exit_codes=CODES, may_skip=True, max_errors=2),
}
ids = st.sampled_from([None, "a", "b"])
seconds = st.integers(0, 150)


class Life(RuleBasedStateMachine):
    """One job, one source, one tracker."""

    story: Story

    @initialize(name=st.sampled_from(sorted(PROMISES)))
    def begin(self, name: str) -> None:
        """A promise is made at midnight."""
        self.frequent = checkpoints_every(2)
        self.frequent.__enter__()
        job: Job = PROMISES[name]
        self.story = Story(job, archive=Checkpointing)
        self.first = self.story.standing
        self.heard: list[Message] = []
        self.queue: list[dict[str, Any]] = []
        self.clock = 0

    def teardown(self) -> None:
        """Everything as it was."""
        if hasattr(self, "frequent"):
            self.frequent.__exit__(None, None, None)

    @property
    def is_gone(self) -> bool:
        """Whether the source gives no answer."""
        return bool(self.story.gone)

    def say(self, event: str, run: str | None, ago: int = 0, **keys: Any) -> None:
        """The job says something, which is heard at once, or lies in the queue until the source is back."""
        element = said(event, max(self.clock - ago, 0), **keys) | ({} if run is None else {"run": run})
        if self.is_gone:
            self.queue.append(element)
        else:
            self.story.hears_at_once(self.clock, element)
            self.take()

    def take(self) -> None:
        """What the archive has is what was heard."""
        kept = self.story.archive.kept[self.story.job.key].messages
        self.heard = list(kept.values())

    @rule(duration=seconds)
    def time_passes(self, duration: int) -> None:
        """Nothing is heard."""
        self.clock += duration
        self.story.passes(self.clock)

    @rule(run=ids)
    def run_starts(self, run: str | None) -> None:
        """With an id or without."""
        self.say("STARTED", run)

    @rule(run=ids)
    def run_ends(self, run: str | None) -> None:
        """Well."""
        self.say("SUCCESS", run)

    @rule(run=ids)
    def run_fails(self, run: str | None) -> None:
        """Once, or once more."""
        self.say("ERROR", run)

    @rule(run=ids, code=st.sampled_from(sorted(CODES)), ago=st.sampled_from([0, 0, 90]))
    def run_ends_with_a_code(self, run: str | None, code: int, ago: int) -> None:
        """Warned, or with nothing to do; an error where the promise knows no codes."""
        self.say("ERROR", run, ago, exit_code=code)

    @rule(length=st.sampled_from([None, 0, 30, 100, 1000]), ago=st.sampled_from([0, 0, 40, 300]))
    def somebody_pauses_it(self, length: int | None, ago: int) -> None:
        """Or moves the end of a pause; said now, or heard late."""
        self.operator_says("PAUSE", ago, {} if length is None else {"until": T + max(self.clock - ago, 0) + length})

    @rule(ago=st.sampled_from([0, 0, 40, 300]))
    def somebody_resumes_it(self, ago: int) -> None:
        """Whether or not it is paused."""
        self.operator_says("RESUME", ago, {})

    @rule(event=st.sampled_from(["SUCCESS", "ERROR"]), ago=st.sampled_from([0, 0, 40, 300]))
    def somebody_marks_it(self, event: str, ago: int) -> None:
        """By hand, without an id."""
        self.operator_says(event, ago, {})

    def operator_says(self, event: str, ago: int, note: dict[str, Any]) -> None:
        """The operator's queue is on the tracker's own host, and heard whatever has become of the source."""
        element = said(event, max(self.clock - ago, 0), message={"author": "anna", "why": "new disks"} | note)
        self.story.hears_at_once(self.clock, element, source=OPERATOR)
        self.take()

    @rule(event=st.sampled_from(["STARTED", "SUCCESS", "ERROR", "NOTE"]), run=ids, ago=st.integers(1, 400))
    def message_comes_late(self, event: str, run: str | None, ago: int) -> None:
        """It tells of something that others have spoken after."""
        self.say(event, run, ago)

    @precondition(lambda self: not self.is_gone)
    @rule()
    def source_vanishes(self) -> None:
        """No answer from now on."""
        self.clock += 1
        self.story.source_vanishes(self.clock)

    @precondition(lambda self: self.is_gone)
    @rule()
    def source_returns(self) -> None:
        """With all that lay in its queue."""
        self.clock += 1
        self.story.source_returns(self.clock, *self.queue)
        self.queue = []
        self.take()

    @rule()
    def tracker_restarts(self) -> None:
        """It finds what the ledger has, and looks around."""
        story = self.story
        story.board = story.board.updated(story.jobs, story.archive.standings(), story.board.drained)
        lines = len(story.lines)
        story.look()
        assert len(story.lines) == lines

    @rule(ahead=st.integers(6, 5000), restarts=st.booleans(), run=ids, says=st.sampled_from([None, "STARTED", "ERROR"]))
    def clock_runs_ahead_and_is_set_back(self, ahead: int, restarts: bool, run: str | None, says: str | None) -> None:
        """What was judged of a time that had not come is as if it had not been, whatever was heard meanwhile."""
        self.story.clock_turns(self.clock + ahead)
        if says is not None and not self.is_gone:
            self.clock_hears(said(says, self.clock) | ({} if run is None else {"run": run}))
        if restarts:
            self.story.board = make_board(
                self.story.jobs, self.story.archive.standings(), self.story.board.drained, self.story.now, NEVER
            )
        self.story.clock_is_set_back(self.clock)
        self.clock = round((self.story.now - at(0)) / MICROSECONDS) + 6  # what is ahead by the grace stays, and comes
        self.story.passes(self.clock)
        self.take()

    def clock_hears(self, element: dict[str, Any]) -> None:
        """A message by a clock that is right, heard by one that is not."""
        moment = self.story.now
        self.story.hears_at_once((moment - at(0)) / MICROSECONDS, element)

    @invariant()
    def errors_are_the_sum_of_the_runs_errors_and_all_the_rest_agrees(self) -> None:
        """See `consistency`."""
        assert consistent(self.story.standing)

    @invariant()
    def state_and_status_fit(self) -> None:
        """See `consistency`."""
        assert rightly_shown(self.story.job, self.story.standing)

    @invariant()
    def the_tracker_wakes_in_the_future(self) -> None:
        """Or not at all, while a passed deadline cannot be judged."""
        assert self.story.wake is None or self.story.wake > self.story.now

    @invariant()
    def a_job_that_can_be_seen_is_not_unknown(self) -> None:
        """UNKNOWN by watermark needs a source that is away."""
        assert self.is_gone or self.story.standing.unseen is None

    @invariant()
    def the_board_is_that_of_somebody_who_heard_all_in_time(self) -> None:
        """Folded from scratch: the same runs, counts, deadlines and moments."""
        observer = Observer(self.story.jobs, self.story.job, self.first)

        list(observer.watch(self.heard, self.story.board.drained["app1"]))

        leaving_out = HOW_IT_WAS_HEARD | {"unseen", "overtaken"}
        assert values(self.story.standing, leaving_out) == values(observer.standing, leaving_out)
        assert self.story.archive.runs[self.story.job.key] == observer.runs


Life.TestCase.settings = examples(60, stateful_step_count=30)  # type: ignore[assignment]  # as its manual says
TestLife = Life.TestCase
