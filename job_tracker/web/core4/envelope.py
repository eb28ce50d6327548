"""The envelope: what is around everything that a client of core4 is answered, and how ids and moments are written.

Rule: shapes and names are core4's; ids are made from what they name, so that they stay what they are over a restart.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from job_tracker.moments import MICROSECONDS
from job_tracker.web.problems import Problem

NOBODYS = "0" * 24
"""In place of the id of a run that somebody may not see."""


def reply(data: Any, headers: Mapping[str, str] | None = None, **paging: Any) -> Response:
    """What was asked for."""
    return _document(200, {"data": data, **paging}, headers)


def refusal(problem: Problem) -> Response:
    """Why it is not answered, in one sentence."""
    return _document(problem.status, {"error": problem.detail}, problem.headers)


def moment(microseconds: int) -> str:
    """Whole seconds of UTC, without a zone."""
    return datetime.fromtimestamp(microseconds // MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def id_of(microseconds: int, *names: object) -> str:
    """24 hexadecimal digits: the second of a moment, and what tells it from others of that second."""
    told = hashlib.sha256("\0".join(map(str, names)).encode("utf-8", "replace")).hexdigest()
    return f"{_second(microseconds):08x}{told[:16]}"


def id_of_event(microseconds: int, seq: int, place: int) -> str:
    """Likewise, of an event: they sort as they were told.  place: which of those that were told by one number."""
    return f"{_second(microseconds):08x}{seq * 16 + place:016x}"


def _second(microseconds: int) -> int:
    return max(0, microseconds // MICROSECONDS) & 0xFFFFFFFF


def _document(status: int, content: dict[str, Any], headers: Mapping[str, str] | None) -> Response:
    now = time.time()
    whole = {
        "_id": f"{int(now):08x}{secrets.token_hex(8)}",
        "timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "message": HTTPStatus(status).phrase,
        "code": status,
        **content,
    }
    body = json.dumps(whole, separators=(",", ":"), allow_nan=False)
    told = {"referrer-policy": "no-referrer", **(headers or {})}
    return Response(body, status_code=status, media_type="application/json", headers=told)
