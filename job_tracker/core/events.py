"""Events: the words for what became true, told once, to programs.

Rule: an event says what was observed or judged, never what would have been nice.
Rule: nothing is rewritten: what is judged anew is another event, which names what it corrects.

Numbers are the ledger's; what a step gives cause to tell is found in `finding`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from job_tracker.core.jobs import Job
from job_tracker.core.standing import Outcome, Run
from job_tracker.moments import MICROSECONDS

STARTED, TIMEOUT, MARKED, LOST = "run.started", "run.timeout", "run.marked", "run.lost"
SUCCEEDED, WARNED, FAILED, SKIPPED = "run.succeeded", "run.warned", "run.failed", "run.skipped"
MISSED = "start.missed"
CHANGED, UNSEEN, SEEN = "job.changed", "job.unseen", "job.seen"
PAUSED, RESUMED = "job.paused", "job.resumed"
ADDED, PROMISED, REMOVED = "job.added", "job.promised", "job.removed"
SOURCE_CHANGED, SOURCE_NOTICED = "source.changed", "source.noticed"
REMOTE_STATUS, REMOTE_METRICS = "remote.status", "remote.metrics"
GAP = "gap"

ENDS: Mapping[Outcome, str] = {
    Outcome.WELL: SUCCEEDED,
    Outcome.WARNED: WARNED,
    Outcome.BADLY: FAILED,
    Outcome.SKIPPED: SKIPPED,
    Outcome.LOST: LOST,
}
"""How a run that is no longer open is told."""

END_KINDS = frozenset({*ENDS.values(), MARKED})
OF_FOLDING = frozenset({STARTED, TIMEOUT, MISSED, PAUSED, RESUMED, *END_KINDS})
"""Kinds that are found once more where a job is folded again."""

KINDS = (
    *(STARTED, SUCCEEDED, WARNED, SKIPPED, FAILED, LOST, TIMEOUT, MARKED, MISSED, CHANGED, UNSEEN, SEEN),
    *(PAUSED, RESUMED, ADDED, PROMISED, REMOVED, SOURCE_CHANGED, SOURCE_NOTICED),
    *(REMOTE_STATUS, REMOTE_METRICS, GAP),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Event:
    """Something became true.

    at: microseconds, when it did.  job: its key, empty where it is of none.  run: the order of the run, and id: its
    own.  late: it was over, or something that came after it was told already, before anybody could be told.
    corrects: those that it takes the place of, by their numbers, or themselves where they are told together.
    body: what else there is to say, as JSON has it; moments and durations in seconds.
    """

    kind: str
    at: int
    job: str = ""
    run: int | None = None
    id: str | None = None
    late: bool = False
    corrects: tuple["Event | int", ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)


class Log(Protocol):
    """What was told before; asked only where something is judged anew.

    reach: microseconds; of what became true since then nothing that was told is forgotten.
    """

    @property
    def reach(self) -> int:
        """See above."""

    def of(self, job: str, since: int) -> Sequence[tuple[int, Event]]:
        """With their numbers, the events of a job that became true after a moment and were not corrected since."""


class Nothing:
    """A log in which nothing was told, of a tracker that begins now.  reach: when that is."""

    def __init__(self, reach: int = 0) -> None:
        self.reach = reach

    def of(self, job: str, since: int) -> Sequence[tuple[int, Event]]:
        """See `Log`."""
        return ()


def of_run(kind: str, at: int, job: Job, run: Run, source: str, *, late: bool = False) -> Event:
    """What is told of a run; source: who reported it, empty where nobody did."""
    begun, ended = run.begun, run.ended
    body: dict[str, Any] = {"begin": None if begun is None else begun / MICROSECONDS}
    if kind in END_KINDS:
        body["outcome"] = run.outcome.value
        body["end"] = None if ended is None else ended / MICROSECONDS
        body["seconds"] = None if begun is None or ended is None else (ended - begun) / MICROSECONDS
        body["exit_code"] = run.exit_code
        if run.usage:
            body["usage"] = dict(run.usage)
    if run.text:
        body["text"] = run.text
    if source:
        body["source"] = source
    return Event(kind=kind, at=at, job=job.key, run=run.order, id=run.id, late=late, body=body)


def of_missed(job: Job, moments: Sequence[int], *, late: bool) -> Event:
    """Deadlines of expected starts that passed, told together."""
    first, last = moments[0], moments[-1]
    body = {"count": len(moments), "first": first / MICROSECONDS}
    return Event(kind=MISSED, at=last, job=job.key, late=late, body=body)


def of_source(kind: str, at: int, source: str, **body: Any) -> Event:
    """How a source stands, or what happened to it."""
    return Event(kind=kind, at=at, body={"source": source, **body})


def of_job(kind: str, at: int, job: str, **body: Any) -> Event:
    """What the configuration says of a job, or what somebody did with it."""
    return Event(kind=kind, at=at, job=job, body=body)
