"""Answers: the lines of a queue's handler, read and checked, or refused with what they said instead.

Rule: what comes out of here is checked: whole microseconds, true integers, elements with ascending `_id`s.
Rule: an error answer is the error it stands for, and its class says what the caller should do next.
"""

import json
import time
from typing import Any, Never

from job_tracker.errors import (
    QueueBusy,
    QueueChanged,
    QueueDrainedElsewhere,
    RequestUnknown,
    SourceRefused,
    SourceSuperseded,
)
from job_tracker.sources.queue.transport import one_line

PROTOCOL = 1
LATEST_CLOCK = 253402300800.0
"""Epoch seconds of the year 10000: no host's clock says more, and a NaN is not less."""


def short(identity: str) -> str:
    """An id as operators compare it: its beginning."""
    return one_line(identity[:100], 9)


def an_object(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; a hostile one has many ways of not being one."""
    try:
        answer = json.loads(line)
    except RecursionError:
        raise SourceRefused("answers with JSON that is nested too deeply; that is no message queue") from None
    except ValueError:
        raise SourceRefused(f"answers with something else than JSON: {one_line(line[:200], 80)!r}") from None
    if not isinstance(answer, dict):
        raise SourceRefused(f"answers with something else than an object: {one_line(line[:200], 80)!r}")
    return answer


def greeting(line: bytes) -> dict[str, Any]:
    """What a handler says first, or what it is that talks there instead."""
    try:
        answer = an_object(line)
    except SourceRefused as error:
        raise SourceRefused(
            f"no greeting; does a login script print something, or does the key force another command? It {error}"
        ) from None
    if answer.get("serve") != "message-queue":
        raise SourceRefused(f"no greeting of a message queue, but {one_line(line[:200], 80)!r}")
    if answer.get("protocol") != PROTOCOL:
        spoken = one_line(str(answer.get("protocol"))[:40])
        raise SourceRefused(
            f"the handler speaks protocol {spoken}, this tracker protocol {PROTOCOL}:"
            " install this tracker's message-queue.py there"
        )
    return answer


def raise_as(answer: dict[str, Any]) -> Never:
    """The error that an error answer stands for."""
    words = said(answer, "text")
    match answer["error"]:
        case "queue-busy":
            raise QueueBusy(f"the queue cannot be used: {words}")
        case "queue-changed":
            raise QueueChanged(f"the queue changed while connected: {words}")
        case "superseded":
            raise SourceSuperseded(f"superseded: {words}")
        case "drained-by":
            tracker = short(text(answer, "tracker"))
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(microseconds(answer, "since") // 1_000_000))
            raise QueueDrainedElsewhere(f"drained by tracker {tracker} since {since}")
        case "bad-request":
            raise RequestUnknown(f"does not understand this tracker: {words}")
        case error:
            raise SourceRefused(f"does not understand this tracker: {one_line(str(error)[:80])}: {words}")


def elements(answer: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The messages of a take, as they came; their numbers grow, or all would be in doubt."""
    elements = answer.get("messages")
    if not isinstance(elements, list):
        raise SourceRefused("answers a take without messages")
    last = 0
    for element in elements:
        number = element.get("_id") if isinstance(element, dict) else None
        if type(number) is not int or number <= last:
            raise SourceRefused("answers a take with messages whose _id is missing or does not grow")
        last = number
    return tuple(elements)


def drainer(answer: dict[str, Any]) -> str | None:
    """Who drains the queue, where somebody does."""
    drainer = answer.get("drainer")
    return optional_text(drainer, "tracker") if isinstance(drainer, dict) else None


def whole(answer: dict[str, Any], key: str) -> int:
    """A number that is none of the other things which JSON takes for one."""
    value = answer.get(key)
    if type(value) is not int or not 0 <= value < 2**63:
        raise SourceRefused(f"answers without a valid {key}")
    return value


def microseconds(answer: dict[str, Any], key: str) -> int:
    """Epoch seconds, as whole microseconds."""
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST_CLOCK:
        raise SourceRefused(f"answers without a valid {key}")
    return round(value * 1_000_000)


def clock(answer: dict[str, Any]) -> int | None:
    """The host's clock, where it was said; microseconds."""
    return microseconds(answer, "clock") if "clock" in answer else None


def text(answer: dict[str, Any], key: str) -> str:
    """A text that says something."""
    value = answer.get(key)
    if not isinstance(value, str) or not value:
        raise SourceRefused(f"answers without a valid {key}")
    return value


def said(answer: dict[str, Any], key: str) -> str:
    """What is for people only: whatever else it is, it is not worth a refusal."""
    value = answer.get(key)
    return one_line(value[:4096]) if isinstance(value, str) else ""


def optional_text(answer: dict[str, Any], key: str) -> str | None:
    """A text, or none where there is none to be had."""
    return None if answer.get(key) is None else text(answer, key)
