"""Recalled: what of a job's past lies in words that were told: runs in events, pauses in what operators said.

Rule: of a run the last word counts, for what was told before is never rewritten.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from job_tracker.core.events import ENDS, MARKED, STARTED
from job_tracker.moments import MICROSECONDS

Document = dict[str, Any]

_OUTCOMES = {kind: outcome.value for outcome, kind in ENDS.items()}


def runs_told(events: Iterable[Document], before: int) -> list[Document]:
    """The runs that events tell of and whose number is below one, as the view would have them."""
    found: dict[int, Document] = {}
    for event in events:
        number = event["run"]["number"]
        ended = event["kind"] in _OUTCOMES or event["kind"] == MARKED
        if number >= before or not (ended or (event["kind"] == STARTED and number not in found)):
            continue
        found[number] = {
            "order": number,
            "id": event["run"]["id"],
            "begun": _moment(event.get("begin")),
            "ended": _moment(event.get("end")) if ended else None,
            "outcome": event.get("outcome") or _OUTCOMES.get(event["kind"], "lost"),
            "errors": 0,
            "timeouts": 0,
            "timeout_at": None,
            "exit_code": event.get("exit_code"),
            "usage": event.get("usage"),
            "text": event.get("text", ""),
        }
    return [found[number] for number in sorted(found)]


def pauses_said(messages: Iterable[Document]) -> list[tuple[int, int, str]]:
    """Begin, end and text of each pause, from the operators' messages of a job, in order."""
    found: list[tuple[int, int, str]] = []
    for message in messages:
        moment = message["moment"]
        lasting = found[-1] if found and moment <= found[-1][1] else None
        if message["event"] == "PAUSE":
            end = max(message["ends"] or moment, moment)
            begin = moment if lasting is None else lasting[0]
            found[-1 if lasting else len(found) :] = [(begin, end, message["text"])]
        elif message["event"] == "RESUME" and lasting is not None:
            found[-1] = (lasting[0], moment, lasting[2])
    return found


def is_cut(job: Document, runs: Sequence[Document], since: int) -> bool:
    """Whether runs that touch the time since a moment may be missing before the oldest of these."""
    if not runs:
        return bool(job["runs"])
    begun = runs[0]["ended"] if runs[0]["begun"] is None else runs[0]["begun"]
    return runs[0]["order"] > 1 and (begun is None or begun > since)


def _moment(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * MICROSECONDS)
