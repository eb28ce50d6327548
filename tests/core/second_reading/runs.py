"""Runs: what the messages of one job add up to, and what it is expected to do next.

Rule: runs are ordered by their first message.  "The newest run" is the newest that was not skipped; only for what is
expected next a skipped run counts like any.
"""

from dataclasses import dataclass, field

from second_reading.messages import Message
from second_reading.promise import Promise

CLOSED_BY_A_WORD = ("well", "warned", "badly", "skipped")


@dataclass(kw_only=True)
class Run:
    """One execution.

    outcome: open, well, warned, badly, skipped or lost.  begun: None where the start was not seen.  timeouts: how many
    were counted.  next_timeout: its next deadline; None while a pause holds it back.  made_by: its first message.
    stepped: whether its start came after its end.
    """

    id: str | None
    begun: int | None
    outcome: str
    made_by: Message
    ended: int | None = None
    errors: int = 0
    timeouts: int = 0
    next_timeout: int | None = None
    stepped: bool = False

    @property
    def is_open(self) -> bool:
        """Say whether no end was seen yet, nor is expected any more."""
        return self.outcome == "open"


@dataclass(kw_only=True)
class Pause:
    """Hours in which an operator wants to hear nothing: [begin, end)."""

    begin: int
    end: int


@dataclass(kw_only=True)
class Story:
    """All that is known of one job.

    settled: the latest E that was made or forgiven.  passed: the latest E whose deadline was judged.
    due, next_missed: when a cyclic job is due, and the next deadline of that; floor: no due lies before it.
    missed_in_pause: whether a deadline of this due lay in the pause.
    """

    promise: Promise
    known_since: int
    seen: bool = False
    runs: list[Run] = field(default_factory=list)
    missed: int = 0
    settled: int | None = None
    passed: int | None = None
    due: int | None = None
    next_missed: int | None = None
    missed_in_pause: bool = False
    floor: int | None = None
    pause: Pause | None = None

    @property
    def errors(self) -> int:
        """The sum of what all runs have counted."""
        return sum(run.errors for run in self.runs)

    @property
    def last_run(self) -> Run | None:
        """The newest run, skipped or not."""
        return self.runs[-1] if self.runs else None

    @property
    def newest(self) -> Run | None:
        """The newest run that was not skipped."""
        return next((run for run in reversed(self.runs) if run.outcome != "skipped"), None)

    @property
    def open_runs(self) -> list[Run]:
        """The runs that are open, oldest first."""
        return [run for run in self.runs if run.is_open]

    def older_than(self, run: Run) -> list[Run]:
        """The runs that began to be known before this one."""
        return self.runs[: self.runs.index(run)]

    def computed_due(self) -> int | None:
        """Say when a cyclic job is due next."""
        promise, last_run = self.promise, self.last_run
        if promise.kind != "cyclic":
            return None
        starts = [run.begun for run in self.runs if run.begun is not None]
        ends = [run.ended for run in self.runs if run.ended is not None]
        if last_run is None:
            due = self.known_since + promise.interval
        else:
            from_start = max(starts) + promise.interval if starts else None
            from_end = max(ends) + promise.interval if ends else None
            counts_from_end = (
                promise.counts_from == "end"
                or last_run.begun is None
                or (from_start is not None and from_end is not None and max(ends) >= from_start)
            )
            due_or_none = from_end if counts_from_end and from_end is not None else from_start
            assert due_or_none is not None
            due = due_or_none
        return due if self.floor is None else max(due, self.floor)
