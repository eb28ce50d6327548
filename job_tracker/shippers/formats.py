"""Formats: what an event says, in the words of whoever is to read it.

Rule: pure, and the same event gives the same bytes again, whenever it is rendered: so a torn line can be completed, and
what is sent twice is known to be the same.
Rule: wpst-status and wpst-metrics are key for key what the emitters of WPS-T servers write; a time that is not set is
null there, for `Z` is no date and a search engine refuses it.
Rule: a line passes logstash's csv filter with the separator `+++` and the quote `'` unharmed: neither is in it.

An event is given as `job_tracker events --json` prints it.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

Event = Mapping[str, Any]
Payload = dict[str, Any]

SEPARATOR = "+++"
STATUS, METRICS, PLAIN = "wpst-status", "wpst-metrics", "plain"
REMOTE_STATUS, REMOTE_METRICS = "remote.status", "remote.metrics"
NAMESPACE = uuid.UUID("6a6f6274-7261-5ccb-8b65-720000000001")
"""What a line's uuid is made in from the event's uid, so that it is the same each time."""

UNKNOWN = "unknown"
HYSDS: Mapping[str, str] = {
    "accepted": "job-queued",
    "running": "job-started",
    "successful": "job-completed",
    "failed": "job-failed",
    "dismissed": "job-revoked",
    "gone": "job-offline",
}
"""The words of HySDS, whose documents those of the metrics imitate."""

_UNSAFE = {character: f"%{ord(character):02X}" for character in "%'+\r\n\t\v\f\0\x1c\x1d\x1e\x1f"}
_ESCAPED = str.maketrans({"'": "\\u0027", "+": "\\u002b"})


def line(form: str, event: Event) -> str | None:
    """An event as one line, without its end; None where this format has no word for events of its kind."""
    payload = document(form, event)
    if payload is None:
        return None
    told = json.dumps(payload)
    return told if form == PLAIN else f"{key(event)}{SEPARATOR}{told.translate(_ESCAPED)}"


def document(form: str, event: Event) -> Payload | None:
    """What is told of an event, as an object; None where this format has no word for events of its kind."""
    return DOCUMENTS[form](event)


def key(event: Event) -> str:
    """The id of the remote job, or the job's own: what separates or ends columns is written as in a URL."""
    written = str(event.get("id") or event.get("job") or event.get("source") or event["seq"])
    inner = "".join(_UNSAFE.get(character, character) for character in written)
    stripped = inner.strip()
    before, _, after = inner.partition(stripped) if stripped else (inner, "", "")
    return "%20" * len(before) + stripped + "%20" * len(after)


def _plain(event: Event) -> Payload:
    return dict(event)


def _status(event: Event) -> Payload | None:
    if event["kind"] != REMOTE_STATUS:
        return None
    status, server = event["to"], _server(event)
    payload: Payload = {"resource": "job", "payload_id": event["id"], "status": status, "tags": server}
    payload |= {"@version": "1", "dedup": True, "job": _job(event, status, server), "type": event["process"]}
    payload["uuid"] = str(uuid.uuid5(NAMESPACE, event["uid"]))
    return _hashed(payload, event)


def _job(event: Event, status: str, server: str) -> Payload:
    node = event.get("node") or UNKNOWN
    info = {"id": event["id"], **_info(event, server), "status": status, "execute_node": node}
    image = event.get("image")
    image_name = image.rsplit("/", 1)[-1] if image else None
    return {
        "job_info": info,
        "container_image_name": image_name,
        "container_image_url": image,
        "retry_count": 0,
        "facts": {"hysds_public_ip": event.get("address"), "ec2_instance_type": node, "hysds_execute_node": node},
        "status": status,
        "name": event["id"],
        "type": info["job_type"],
        "username": info["username"],
        "priority": 1,
        "@version": "1",
        "tag": server,
        "task_id": f"{_short_hash(event['id'])}-{_short_hash(status)}",
        "command": {},
        "params": {},
        "context": {},
        "container_image_id": image_name,
        "container_mappings": {"$HOME/.netrc": "/home/ops/.netrc"},
        "endpoint_id": server,
    }


def _metrics(event: Event) -> Payload | None:
    if event["kind"] != REMOTE_METRICS:
        return None
    word = HYSDS.get(event["to"], event["to"])
    info = {**_info(event, _server(event)), "status": word, "metrics": event["metrics"]}
    payload: Payload = {"resource": "job", "payload_id": event["id"], "@version": "1", "dedup": True}
    return _hashed(payload | {"job": {"job_info": info, "priority": 1}, "status": word}, event)


def _info(event: Event, server: str) -> Payload:
    """What both say of a job; a duration is text there."""
    seconds = event.get("seconds")
    return {
        "ades_id": server,
        "api_version": event.get("api_version"),
        "username": event.get("username"),
        "job_type": event.get("job_type") or "UNKNOWN",
        "time_queued": _time(event.get("queued")),
        "time_start": _time(event.get("begin")),
        "time_end": _time(event.get("end")),
        "duration": None if seconds is None else str(int(seconds) if seconds == int(seconds) else seconds),
    }


def _hashed(payload: Payload, event: Event) -> Payload:
    """With the hash of what it says, and the number by which a later one is known from an older."""
    digest = md5(json.dumps(payload).encode(), usedforsecurity=False).hexdigest()
    return {**payload, "payload_hash": digest, "seq": event["seq"]}


def _server(event: Event) -> str:
    return str(event.get("server") or event["source"])


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _short_hash(text: str) -> str:
    return md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()[:8]


DOCUMENTS: Mapping[str, Callable[[Event], Payload | None]] = {STATUS: _status, METRICS: _metrics, PLAIN: _plain}
