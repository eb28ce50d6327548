"""Words: what became true, in the names that core4 has for what happens to a job, and how a job is in its queue.

Rule: pure.
Rule: nothing but core4's sixteen names goes out in its channel; a client of core4 fails at one that it does not know.
Rule: what a monitor cannot know (that a worker asked for a start) is not invented.

| the tracker shows | in core4's queue |
|---|---|
| NOT_RUNNING, WARNING, NEVER_RAN | not there; `pending` once a start is due and did not come yet |
| RUNNING | `running` |
| TIMEOUT | `running`, flag `wall` |
| UNKNOWN | `running`, flag `zombie`, while a run is open; else `deferred`, and `inactive` once its source is critical |
| ERROR, DELAYED | `error` if that is an alarm, else `failed`; `killed`, with its flag, where a signal ended the run |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from job_tracker.core import events
from job_tracker.core.standing import Outcome
from job_tracker.core.states import CRIT, UNSEEN, State
from job_tracker.exit_codes import BY_SIGNAL, NOT_STARTED
from job_tracker.moments import MICROSECONDS

START, COMPLETE, FAILED, FAILED_START = "start_job", "complete_job", "failed_job", "failed_start"
KILL, NONSTOP, ZOMBIE, DEFER, INACTIVATE = "kill_job", "flag_nonstop", "flag_zombie", "defer_job", "inactivate_job"
RESTART_WAITING, REQUEST_REMOVE, REMOVE = "restart_waiting", "request_remove_job", "remove_job"

NAMES = frozenset({
    "enqueue_job", "request_start_job", START, COMPLETE, DEFER, FAILED_START, FAILED, REQUEST_REMOVE, REMOVE,
    "request_kill_job", KILL, NONSTOP, ZOMBIE, INACTIVATE, RESTART_WAITING, "restart_stopped",
})  # fmt: skip
"""All that core4 has."""

OF_KINDS: Mapping[str, tuple[str, ...]] = {
    events.STARTED: (START,),
    events.SUCCEEDED: (COMPLETE,),
    events.WARNED: (COMPLETE,),
    events.SKIPPED: (COMPLETE,),
    events.FAILED: (FAILED,),
    events.LOST: (ZOMBIE,),
    events.TIMEOUT: (NONSTOP,),
    events.MARKED: (COMPLETE,),
    events.MISSED: (FAILED_START,),
    events.UNSEEN: (DEFER,),
    events.SEEN: (RESTART_WAITING,),
    events.REMOVED: (REQUEST_REMOVE, REMOVE),
}
"""What is told of each kind; of what has no row, nothing."""

STATES = ("pending", "deferred", "failed", "running", "error", "inactive", "killed")


class Place(NamedTuple):
    """How a job is in the queue."""

    state: str
    n: int = 1
    wall: bool = False
    zombie: bool = False
    killed: bool = False


class Seen(NamedTuple):
    """What is known of a job.  due: whether its start is; unheard: since when nobody heard of it, if it is UNKNOWN."""

    state: str
    status: int
    open_runs: int = 0
    is_killed: bool = False
    is_due: bool = False
    unheard: int | None = None


def names_of(event: Mapping[str, Any], critical: int) -> tuple[str, ...]:
    """What an event is called; critical: microseconds after which a source that is silent is."""
    kind = event["kind"]
    found = OF_KINDS.get(kind, ())
    if kind == events.FAILED:
        code = event.get("exit_code")
        return (FAILED_START,) if code in NOT_STARTED else (KILL,) if code in BY_SIGNAL else found
    if kind == events.MARKED and event.get("outcome") == Outcome.BADLY.value:
        return (FAILED,)
    if kind == events.UNSEEN:
        silent = event["created"] - event.get("unheard_since", event["created"])
        return (INACTIVATE,) if silent * MICROSECONDS > critical else found
    return found


def place_of(seen: Seen, now: int, critical: int) -> Place | None:
    """How a job is in the queue; None: it is not."""
    match State(seen.state):
        case State.RUNNING:
            return Place("running", max(1, seen.open_runs))
        case State.TIMEOUT:
            return Place("running", max(1, seen.open_runs), wall=True)
        case State.UNKNOWN:
            return _unseen(seen, now, critical)
        case State.ERROR | State.DELAYED:
            if seen.is_killed and seen.state == State.ERROR.value:
                return Place("killed", killed=True)
            return Place("error" if seen.status == CRIT else "failed")
        case State.NOT_RUNNING | State.NEVER_RAN | State.WARNING:
            return Place("pending") if seen.is_due else None


def after(seen: Seen, event: Mapping[str, Any], change: Mapping[str, Any] | None, *, is_told: bool) -> Seen:
    """What is known of a job behind an event; change: what it shows instead, if that was told with it.

    is_told: it is known already, as a board that is newer than its events may show it.
    """
    kind, runs = event["kind"], seen.open_runs
    if kind == events.STARTED:
        runs += not is_told
        seen = seen._replace(is_killed=False, is_due=False)
        seen = seen._replace(state=State.RUNNING.value) if seen.state in _QUIET else seen
    elif kind in events.END_KINDS:
        runs = max(0, runs - (not is_told and ends_a_run(event)))
        is_killed = kind == events.FAILED and event.get("exit_code") in BY_SIGNAL
        seen = seen._replace(is_killed=is_killed)
        if not runs:
            seen = seen._replace(state=(State.ERROR if kind == events.FAILED else State.NOT_RUNNING).value, status=1)
    told = event if kind in _CHANGES else change
    if told is not None and "to" in told:
        since = told.get("unheard_since")
        unheard = None if since is None else round(since * MICROSECONDS)
        seen = seen._replace(state=told["to"]["state"], status=told["to"]["status"], unheard=unheard)
    return seen._replace(open_runs=runs)


def before(event: Mapping[str, Any]) -> tuple[str, int] | None:
    """State and status that a job showed before a change, if it is one."""
    found = event.get("from") if event["kind"] in _CHANGES else None
    return None if found is None else (found["state"], found["status"])


def ends_a_run(event: Mapping[str, Any]) -> bool:
    """Whether a run that was open no longer is: its start was seen, and this corrects no end that was told."""
    return event["kind"] in events.END_KINDS and event.get("begin") is not None and not event.get("corrects")


def is_change(event: Mapping[str, Any]) -> bool:
    """Whether it says what a job shows now."""
    return event["kind"] in _CHANGES


_CHANGES = frozenset({events.CHANGED, events.UNSEEN, events.SEEN})
_QUIET = frozenset({State.NOT_RUNNING.value, State.NEVER_RAN.value, State.WARNING.value, State.ERROR.value,
                    State.DELAYED.value})  # fmt: skip


def _unseen(seen: Seen, now: int, critical: int) -> Place | None:
    if seen.open_runs:
        return Place("running", seen.open_runs, zombie=True)
    if seen.status != UNSEEN:
        return None
    is_critical = seen.unheard is not None and now - seen.unheard > critical
    return Place("inactive" if is_critical else "deferred")
