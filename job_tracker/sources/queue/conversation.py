"""Conversation: the serve protocol of message-queue.py, spoken over any transport.

Rule: one request, one answer, each with its deadline; what is late, garbled or of another kind ends the conversation.
Rule: what comes out of here is checked: whole microseconds, true integers, elements with ascending `_id`s.
Rule: no threads, no processes, no retries; an error's class says what the caller should do next.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Never

from job_tracker.errors import (
    QueueBusy,
    QueueChanged,
    QueueDrainedElsewhere,
    RequestUnknown,
    SourceClosed,
    SourceRefused,
    SourceSuperseded,
    SourceUnreachable,
)
from job_tracker.sources.queue.transport import Ending, Transport, one_line

PROTOCOL = 1
LATEST_CLOCK = 253402300800.0
"""Epoch seconds of the year 10000: no host's clock says more, and a NaN is not less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One answer and its moments, in microseconds.

    asked, received: on our clock.  latency: from asking to the answer, less the time it was asked to wait.
    clock: the host's own, read somewhere in that latency; None if the answer does not say.
    """

    asked: int
    received: int
    latency: int
    clock: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a queue says of itself before anybody asks.

    exists: whether there is a queue yet.  drainer: the id of the tracker that drains it, None if none.  path,
    interpreter: of the queue's file and of the Python there, empty if an older handler does not say.
    """

    queue: str
    nonce: str | None
    depth: int
    version: str
    python: str
    drainer: str | None
    path: str
    interpreter: str
    exists: bool
    exchange: Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The queue is ours: its id, and the nonce that the last confirmation left in it."""

    queue: str
    nonce: str | None
    depth: int
    exchange: Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The oldest messages, not yet deleted.

    highest: the highest `_id` ever given out, depth: messages in the queue, both at the look that found these.
    looked: microseconds on our clock, before which that look did not happen.  size: bytes of the answer.
    """

    elements: tuple[dict[str, Any], ...]
    highest: int
    depth: int
    looked: int
    size: int
    exchange: Exchange

    @property
    def through(self) -> int:
        """The highest `_id` among the elements, 0 if there are none."""
        return int(self.elements[-1]["_id"]) if self.elements else 0


class Conversation:
    """One conversation with one queue: greet, open, then take and confirm as often as wished."""

    def __init__(self, transport: Transport, *, load_timeout: float, clock: Callable[[], int]) -> None:
        """load_timeout: seconds for connecting and for any answer; clock: whole microseconds since the epoch."""
        self._transport = transport
        self._load_timeout = load_timeout
        self._clock = clock

    def greet(self) -> Greeting:
        """Connect and hear the greeting; together within the load timeout."""
        asked, began = self._clock(), time.monotonic()
        waited = self._transport.open(began + self._load_timeout)
        try:
            line = self._transport.receive(began + self._load_timeout + waited)
        except SourceClosed:
            raise self._stillborn() from None
        received = self._clock()
        answer = _greeting(line)
        # Its clock was read when it had started, so the start does not count as latency.
        exchange = Exchange(asked=asked, received=received, latency=0, clock=_clock(answer))
        return Greeting(
            queue=_text(answer, "queue"),
            nonce=_optional_text(answer, "nonce"),
            depth=_whole(answer, "depth"),
            version=one_line(_text(answer, "version"), 40),
            python=one_line(_text(answer, "python"), 40),
            drainer=_drainer(answer),
            path=_said(answer, "path"),
            interpreter=_said(answer, "interpreter"),
            exists=answer.get("exists") is not False,  # older handlers make one before they greet
            exchange=exchange,
        )

    def open(self, tracker: str, *, take_over: bool = False) -> Opened:
        """Become the one who drains; QueueDrainedElsewhere if another tracker does and is not to be taken over."""
        answer, exchange, _ = self._ask({"do": "open", "tracker": tracker, "take_over": take_over})
        return Opened(
            queue=_text(answer, "queue"),
            nonce=_optional_text(answer, "nonce"),
            depth=_whole(answer, "depth"),
            exchange=exchange,
        )

    def take(self, most: int, wait: float, after: int = 0) -> Taken:
        """Up to that many of the oldest messages after that `_id`, waiting up to that many seconds for the first."""
        answer, exchange, size = self._ask({"do": "take", "max": most, "wait": wait, "after": after}, wait)
        # A host that says it waited longer than we did is wrong, and so is our clock if it was set back meanwhile.
        looked = min(exchange.asked + _microseconds(answer, "waited"), exchange.received)
        return Taken(
            elements=_elements(answer),
            highest=_whole(answer, "highest"),
            depth=_whole(answer, "depth"),
            looked=looked,
            size=size,
            exchange=exchange,
        )

    def confirm(self, through: int, nonce: str) -> int:
        """Delete what was taken, up to that `_id`, and leave the nonce; how many were deleted."""
        answer, _, _ = self._ask({"do": "confirm", "through": through, "nonce": nonce})
        return _whole(answer, "removed")

    def leave(self, nonce: str) -> None:
        """Leave the nonce and delete nothing."""
        self._ask({"do": "confirm", "through": 0, "nonce": nonce})

    def forget(self) -> str:
        """Let the queue forget who drains it, so that the next who opens it does; whom it forgot, in words.

        SourceRefused if the handler is older than this request.
        """
        try:
            answer, _, _ = self._ask({"do": "forget"})
        except RequestUnknown:
            raise SourceRefused(
                "the handler there is older than this command: install this tracker's message-queue.py there, and"
                " try again"
            ) from None
        return _said(answer, "text") or "forgotten"

    def ping(self) -> tuple[int, Exchange]:
        """Show that we are there; the queue's depth."""
        answer, exchange, _ = self._ask({"do": "ping"})
        return _whole(answer, "depth"), exchange

    def _ask(self, request: Mapping[str, Any], wait: float = 0.0) -> tuple[dict[str, Any], Exchange, int]:
        """The answer to a request, its moments, and its size in bytes; an error answer is raised."""
        asked, began = self._clock(), time.monotonic()
        self._transport.send(json.dumps(request).encode("ascii") + b"\n")
        try:
            line = self._transport.receive(began + wait + self._load_timeout)
        except SourceClosed:
            raise SourceUnreachable("hung up" + _because(self._transport.ending())) from None
        received, elapsed = self._clock(), round((time.monotonic() - began) * 1e6)
        answer = _object(line)
        if answer.get("error") is not None:
            _raise(answer)
        if answer.get("done") != request["do"]:
            raise SourceRefused(f"gave no answer to {request['do']}, but said {one_line(line, 80)!r}")
        waited = _microseconds(answer, "waited") if "waited" in answer else 0
        latency = max(0, elapsed - waited)
        exchange = Exchange(asked=asked, received=received, latency=latency, clock=_clock(answer))
        return answer, exchange, len(line)

    def _stillborn(self) -> SourceRefused | SourceUnreachable:
        """The error for a far side that ended without a greeting: by itself, or because it was killed or cut off."""
        ending = self._transport.ending()
        text = "the handler ended before its greeting" + _because(ending)
        by_itself = bool(ending.words) if ending.exit_code is None else ending.exit_code >= 0
        return SourceRefused(text) if by_itself else SourceUnreachable(text)


def short(identity: str) -> str:
    """An id as operators compare it: its beginning."""
    return one_line(identity[:100], 9)


def _because(ending: Ending) -> str:
    match ending.exit_code:
        case None:
            how = ""
        case code if code < 0:
            how = f" (killed by signal {-code})"
        case code:
            how = f" (exit code {code})"
    return how + (f": {ending.words}" if ending.words else "")


def _object(line: bytes) -> dict[str, Any]:
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


def _greeting(line: bytes) -> dict[str, Any]:
    try:
        answer = _object(line)
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


def _raise(answer: dict[str, Any]) -> Never:
    """The error that an error answer stands for."""
    text = answer.get("text")
    text = one_line(text[:4096]) if isinstance(text, str) else ""
    match answer["error"]:
        case "queue-busy":
            raise QueueBusy(f"the queue cannot be used: {text}")
        case "queue-changed":
            raise QueueChanged(f"the queue changed while connected: {text}")
        case "superseded":
            raise SourceSuperseded(f"superseded: {text}")
        case "drained-by":
            tracker = short(_text(answer, "tracker"))
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(_microseconds(answer, "since") // 1_000_000))
            raise QueueDrainedElsewhere(f"drained by tracker {tracker} since {since}")
        case "bad-request":
            raise RequestUnknown(f"does not understand this tracker: {text}")
        case error:
            raise SourceRefused(f"does not understand this tracker: {one_line(str(error)[:80])}: {text}")


def _elements(answer: dict[str, Any]) -> tuple[dict[str, Any], ...]:
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


def _drainer(answer: dict[str, Any]) -> str | None:
    drainer = answer.get("drainer")
    return _optional_text(drainer, "tracker") if isinstance(drainer, dict) else None


def _whole(answer: dict[str, Any], key: str) -> int:
    value = answer.get(key)
    if type(value) is not int or not 0 <= value < 2**63:
        raise SourceRefused(f"answers without a valid {key}")
    return value


def _microseconds(answer: dict[str, Any], key: str) -> int:
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST_CLOCK:
        raise SourceRefused(f"answers without a valid {key}")
    return round(value * 1_000_000)


def _clock(answer: dict[str, Any]) -> int | None:
    return _microseconds(answer, "clock") if "clock" in answer else None


def _text(answer: dict[str, Any], key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value:
        raise SourceRefused(f"answers without a valid {key}")
    return value


def _said(answer: dict[str, Any], key: str) -> str:
    """What is for people only: whatever else it is, it is not worth a refusal."""
    value = answer.get(key)
    return one_line(value[:4096]) if isinstance(value, str) else ""


def _optional_text(answer: dict[str, Any], key: str) -> str | None:
    return None if answer.get(key) is None else _text(answer, key)
