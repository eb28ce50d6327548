"""Reasons: the rule behind a state and a status, and what ends them.

Rule: one sentence for the state, one for the status; the numbers are those the verdict was made of.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from job_tracker.core.states import CRIT, OK, UNSEEN
from job_tracker.moments import span
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import clock
from job_tracker.view.promises import minutes

Document = dict[str, Any]


def why(job: Document, promise: Document, unheard_words: Sequence[str] = ()) -> Iterator[str]:
    """Why the state, and why the status.  unheard_words: events of its last messages that mean nothing."""
    if job["unseen"] is not None:
        yield from _unseen(job)
    if job["status"] != UNSEEN:
        yield _state(job, promise, unheard_words)
        if unheard_words and job["known_state"] in ("RUNNING", "TIMEOUT"):
            yield f"{_quoted(unheard_words)} is no word here; the run is still open."
        if job["last_run"] is not None and job["last_run"].get("is_out_of_order"):
            yield "Its end is dated before its start: a clock was set meanwhile, and how long it took is not known."
        yield _status(job)
    if job["counted"]:
        runs = ", ".join(f"{errors} of run {order}" for order, errors in job["counted"])
        yield f"Errors not forgotten yet: {runs}."


def following(job: Document, promise: Document) -> Iterator[str]:
    """What would change it next."""
    zone, run = job["zone"], job["last_run"]
    if job["unseen"] is not None:
        yield f"When {job['unseen']['source']} is heard again, the deadline is judged as of its own moment."
    match job["known_state"]:
        case "ERROR":
            yield "A start makes it RUNNING; a success makes it NOT_RUNNING and forgets the errors."
        case "TIMEOUT":
            yield "A success of the late run clears it; an error of it makes it ERROR."
        case "DELAYED":
            yield "A start makes it RUNNING and forgets the missed starts."
        case "WARNING":
            yield "A start makes it RUNNING; a success of the same run makes it NOT_RUNNING."
        case "RUNNING" if run is not None:
            yield "A success makes it NOT_RUNNING, an error makes it ERROR."
        case _:
            yield "A start makes it RUNNING."
    if job["status"] == CRIT and job["errors"]:
        verb = "is" if job["errors"] + job["missed"] == 1 else "are"
        yield f"It stays CRIT until a run ends well: {_counted(job)} {verb} not forgotten before."
        yield f"If somebody has seen to it: `job_tracker mark {job['job']} --success --why TEXT`."
    if job["deadline_of"] == "end of a pause":
        yield f"The pause ends at {clock(job['deadline'], zone)}, or with `job_tracker resume {job['job']}`."
    elif job["deadline"] is not None:
        late = "run over its time" if job["deadline_of"] == "timeout" else "start missed"
        yield f"Without a message, one more {late} is counted at {clock(job['deadline'], zone)}.{_alarm(job, promise)}"


def _unseen(job: Document) -> Iterator[str]:
    unseen, zone = job["unseen"], job["zone"]
    yield (
        f"The deadline {clock(unseen['deadline'], zone)} has passed, but {unseen['source']} has not been heard since "
        f"{clock(unseen['unheard_since'], zone)}: the message that would have met it may be waiting there."
    )
    if job["status"] == UNSEEN:
        yield (
            f"So since {clock(unseen['since'], zone)} it is UNKNOWN, nothing is counted, "
            f"and apart from that it is {job['known_state']}."
        )
    else:
        what = "An alarm that is known already" if job["status"] == CRIT else "What it shows already"
        yield f"{what} stays as it is meanwhile."


def _state(job: Document, promise: Document, unheard_words: Sequence[str]) -> str:
    zone, run = job["zone"], job["last_run"]
    match job["known_state"]:
        case "ERROR" if run is not None:
            return f"{job['state']}: {_newest(job, run, ' run')} ended badly at {clock(run['ended'], zone)}."
        case "TIMEOUT":
            by = (
                f", or after {minutes(promise['end_by'])} by which it has to end,"
                if promise["end_by"] is not None
                else ""
            )
            return f"{job['state']}: a run is open for longer than {span(promise['timeout'])}{by} and the grace."
        case "DELAYED":
            return f"{job['state']}: no start came before the deadline, and none has come since."
        case "RUNNING":
            return f"{job['state']}: a run is open and in time."
        case "NOT_RUNNING" if run is not None:
            ended = "was lost when a newer one began" if run["outcome"] == "lost" else "ended well"
            return f"{job['state']}: no run is open, and {_newest(job, run)} {ended}."
        case "NOT_RUNNING":
            return f"{job['state']}: no run is open, and all there were had nothing to do or were canceled (skipped)."
        case "WARNING" if run is not None:
            return f"{job['state']}: no run is open, and {_newest(job, run)} ended with a warning."
        case _:
            if unheard_words:
                said = _quoted(unheard_words)
                return f"{job['state']}: what it has reported ({said}) means nothing, so it has not begun yet."
            return f"{job['state']}: no message of it has been heard yet."


def allowed(promise: Document) -> str:
    """How long a run may take, and by when it has to end."""
    end_by = promise["end_by"]
    return span(promise["timeout"]) + (f" and has to end by {minutes(end_by)}" if end_by is not None else "")


def _newest(job: Document, run: Document, noun: str = "") -> str:
    """The newest run that was not skipped, and that later ones were, if so."""
    later = job["runs"] - run["order"]
    what = f"the newest{noun} that was not skipped" if later else f"the newest{noun}"
    return f"{what}, number {run['order']},"


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"'{safe(word)}'" for word in words)


def _status(job: Document) -> str:
    counted, most = _counted(job), job["max_errors"]
    if job["paused"] is not None and job["status"] == OK:
        until = clock(job["paused"]["ends"], job["zone"])
        return f"OK: paused until {until} {safe(job['paused']['text'])}; nothing counts meanwhile."
    if job["status"] == CRIT:
        if job["errors"] + job["missed"] >= most:
            return f"CRIT: {counted}, and the alarm is raised at {most}."
        return f"CRIT: only {counted} of {most}, but a daily job is not waited for a second time."
    if job["known_state"] == "WARNING":
        return "WARN: a run that ended with a warning is to be looked at."
    if job["errors"] + job["missed"]:
        return f"{('OK', 'WARN')[job['status']]}: {counted}, and the alarm is raised at {most}."
    return "OK: no errors and no missed starts are counted."


def _counted(job: Document) -> str:
    parts = []
    if job["errors"]:
        parts.append(f"{job['errors']} error{'' if job['errors'] == 1 else 's'}")
    if job["missed"]:
        parts.append(f"{job['missed']} missed start{'' if job['missed'] == 1 else 's'}")
    return " and ".join(parts) or "no errors"


def _alarm(job: Document, promise: Document) -> str:
    if job["status"] == CRIT:
        return ""
    reaches = job["errors"] + job["missed"] + 1 >= job["max_errors"] or promise["kind"] == "daily"
    return " That would raise the alarm." if reaches else " That would not yet raise the alarm."
