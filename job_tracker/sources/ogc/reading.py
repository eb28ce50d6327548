"""Reading: a server's own words for a job, from whatever shape it gives them.

Rule: what cannot be read costs itself only: a time that is none is not known, a text that is none is empty; a job
without an id or a status is refused with the reason.
Rule: inputs are left where they are, unless somebody wants them: they hold paths to credentials.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from job_tracker.core.messages import cut, encodable
from job_tracker.errors import BadMessage
from job_tracker.sources.ogc.times import moment

TEXT_LIMIT = 500
ID_LIMIT = 500
METRICS_LIMIT = 256 * 1024
INPUTS = ("inputs", "parameters", "backend_info")
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One job as its server showed it at a moment, `seen`; moments are microseconds, as the server has them.

    status: its word, in small letters; empty where only the id was told.  facts: what else is shipped of it.
    exit_code: of what it ran, if that is not negative.
    """

    id: str
    seen: int
    process: str = ""
    status: str = ""
    text: str = ""
    queued: int | None = None
    begun: int | None = None
    ended: int | None = None
    updated: int | None = None
    exit_code: int | None = None
    metrics: Fields | None = None
    inputs: Fields | None = None
    facts: Fields = field(default_factory=dict)


def of_row(row: Any, *, process: str, seen: int, with_inputs: bool = False) -> Sighting:
    """A job as a list has it: an object, or no more than its id.  Raises BadMessage."""
    if isinstance(row, str | int) and not isinstance(row, bool):
        return Sighting(id=_id(row), process=process, seen=seen)
    if not isinstance(row, dict):
        raise BadMessage(f"is not an object but {type(row).__name__}")
    return _sighting(row, process, seen, with_inputs)


def of_answer(document: Any, *, known: Sighting, seen: int, with_inputs: bool = False) -> Sighting:
    """A job as it was told when it alone was asked about; what only the list knew is kept.  Raises BadMessage."""
    if not isinstance(document, dict):
        raise BadMessage(f"is not an object but {type(document).__name__}")
    inner = document.get("statusInfo")
    told = _sighting(inner if isinstance(inner, dict) else document, known.process, seen, with_inputs)
    if told.id != known.id:
        raise BadMessage(f"is of another job, {told.id[:100]!r}")
    return replace(
        told,
        process=known.process or told.process,
        queued=told.queued or known.queued,
        begun=told.begun or known.begun,
        ended=told.ended or known.ended,
        metrics=told.metrics or known.metrics,
        facts={**known.facts, **{name: value for name, value in told.facts.items() if value}},
    )


def digest_of(row: Any, process: str) -> bytes:
    """What is the same only for an equal row of an equal list; nothing for one that is nested too deep."""
    try:
        return sha256(f"{process!r} {row!r}".encode()).digest()
    except RecursionError:
        return b""


def moved(seen: Sighting, ahead: int) -> Sighting:
    """A sighting by our clock, where the server's is so many microseconds ahead."""
    if not ahead:
        return seen
    names = ("queued", "begun", "ended", "updated")
    moments = {name: getattr(seen, name) for name in names}
    return replace(seen, **{name: moment - ahead for name, moment in moments.items() if moment is not None})


def _sighting(row: Fields, process: str, seen: int, with_inputs: bool) -> Sighting:
    status = row.get("status")
    if not isinstance(status, str) or not status.strip():
        raise BadMessage("has no status")
    metrics = _object(row.get("metrics"))
    workflow = _object(metrics.get("workflow"))
    node = _object(workflow.get("node"))
    exit_code = workflow.get("exit_code")
    is_code = isinstance(exit_code, int) and not isinstance(exit_code, bool) and 0 <= exit_code < 1 << 31
    return Sighting(
        id=_id(_first(row, "jobID", "id")),
        seen=seen,
        process=_text(_first(row, "procID", "processID")) or process,
        status=_text(status).strip().lower()[:100],
        text=_text(_first(row, "message", "text")),
        queued=moment(_first(row, "time_queued", "created", "timeCreated")),
        begun=moment(row.get("started")) or moment(workflow.get("time_start")),
        ended=moment(row.get("finished")) or moment(workflow.get("time_end")),
        updated=moment(_first(row, "updated", "timeUpdated")),
        exit_code=exit_code if is_code else None,
        metrics=bounded(metrics) or None,
        inputs={name: row[name] for name in INPUTS if name in row} if with_inputs else None,
        facts={
            "username": _text(_first(row, "username", "jobOwner")) or None,
            "job_type": _text(row.get("job_type")) or None,
            "node": _text(node.get("hostname")) or None,
            "address": _text(node.get("ip_address")) or None,
        },
    )


def bounded(metrics: Fields) -> Fields:
    """Metrics of a size that can be kept: without their blobs where there is too much, or nothing but a mark."""
    if len(_written(metrics)) <= METRICS_LIMIT:
        return metrics
    smaller = {name: _without_blob(value) for name, value in metrics.items() if name != "blob"}
    return {**smaller, "truncated": True} if len(_written(smaller)) <= METRICS_LIMIT else {"truncated": True}


def _without_blob(value: Any) -> Any:
    return {name: each for name, each in value.items() if name != "blob"} if isinstance(value, dict) else value


def _written(value: Any) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):  # nested deeper than it can be written again
        return " " * (METRICS_LIMIT + 1)


def _object(value: Any) -> Fields:
    """An object, or one that is written as text, as some databases keep it."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _first(row: Fields, *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _text(value: Any) -> str:
    return cut(encodable(value), TEXT_LIMIT) if isinstance(value, str) else ""


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip():
        raise BadMessage("has no id")
    if len(text) > ID_LIMIT:
        raise BadMessage(f"has an id of {len(text)} characters")
    return encodable(text)
