"""Conversation: the serve protocol of message-queue.py, spoken over any transport.

Rule: one request, one answer, each with its deadline; what is late, garbled or of another kind ends the conversation.
Rule: no threads, no processes, no retries; an error's class says what the caller should do next.

What an answer has to look like is checked in `answers`.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from job_tracker.errors import RequestUnknown, SourceClosed, SourceRefused, SourceUnreachable
from job_tracker.sources.queue import answers
from job_tracker.sources.queue.transport import Ending, Transport, one_line


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
        answer = answers.greeting(line)
        # Its clock was read when it had started, so the start does not count as latency.
        exchange = Exchange(asked=asked, received=received, latency=0, clock=answers.clock(answer))
        return Greeting(
            queue=answers.text(answer, "queue"),
            nonce=answers.optional_text(answer, "nonce"),
            depth=answers.whole(answer, "depth"),
            version=one_line(answers.text(answer, "version"), 40),
            python=one_line(answers.text(answer, "python"), 40),
            drainer=answers.drainer(answer),
            path=answers.said(answer, "path"),
            interpreter=answers.said(answer, "interpreter"),
            exists=answer.get("exists") is not False,  # older handlers make one before they greet
            exchange=exchange,
        )

    def open(self, tracker: str, *, take_over: bool = False) -> Opened:
        """Become the one who drains; QueueDrainedElsewhere if another tracker does and is not to be taken over."""
        answer, exchange, _ = self._ask({"do": "open", "tracker": tracker, "take_over": take_over})
        return Opened(
            queue=answers.text(answer, "queue"),
            nonce=answers.optional_text(answer, "nonce"),
            depth=answers.whole(answer, "depth"),
            exchange=exchange,
        )

    def take(self, most: int, wait: float, after: int = 0) -> Taken:
        """Up to that many of the oldest messages after that `_id`, waiting up to that many seconds for the first."""
        answer, exchange, size = self._ask({"do": "take", "max": most, "wait": wait, "after": after}, wait)
        # A host that says it waited longer than we did is wrong, and so is our clock if it was set back meanwhile.
        looked = min(exchange.asked + answers.microseconds(answer, "waited"), exchange.received)
        return Taken(
            elements=answers.elements(answer),
            highest=answers.whole(answer, "highest"),
            depth=answers.whole(answer, "depth"),
            looked=looked,
            size=size,
            exchange=exchange,
        )

    def confirm(self, through: int, nonce: str) -> int:
        """Delete what was taken, up to that `_id`, and leave the nonce; how many were deleted."""
        answer, _, _ = self._ask({"do": "confirm", "through": through, "nonce": nonce})
        return answers.whole(answer, "removed")

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
        return answers.said(answer, "text") or "forgotten"

    def ping(self) -> tuple[int, Exchange]:
        """Show that we are there; the queue's depth."""
        answer, exchange, _ = self._ask({"do": "ping"})
        return answers.whole(answer, "depth"), exchange

    def _ask(self, request: Mapping[str, Any], wait: float = 0.0) -> tuple[dict[str, Any], Exchange, int]:
        """The answer to a request, its moments, and its size in bytes; an error answer is raised."""
        asked, began = self._clock(), time.monotonic()
        self._transport.send(json.dumps(request).encode("ascii") + b"\n")
        try:
            line = self._transport.receive(began + wait + self._load_timeout)
        except SourceClosed:
            raise SourceUnreachable("hung up" + _because(self._transport.ending())) from None
        received, elapsed = self._clock(), round((time.monotonic() - began) * 1e6)
        answer = answers.an_object(line)
        if answer.get("error") is not None:
            answers.raise_as(answer)
        if answer.get("done") != request["do"]:
            raise SourceRefused(f"gave no answer to {request['do']}, but said {one_line(line, 80)!r}")
        waited = answers.microseconds(answer, "waited") if "waited" in answer else 0
        latency = max(0, elapsed - waited)
        exchange = Exchange(asked=asked, received=received, latency=latency, clock=answers.clock(answer))
        return answer, exchange, len(line)

    def _stillborn(self) -> SourceRefused | SourceUnreachable:
        """The error for a far side that ended without a greeting: by itself, or because it was killed or cut off."""
        ending = self._transport.ending()
        text = "the handler ended before its greeting" + _because(ending)
        by_itself = bool(ending.words) if ending.exit_code is None else ending.exit_code >= 0
        return SourceRefused(text) if by_itself else SourceUnreachable(text)


def _because(ending: Ending) -> str:
    match ending.exit_code:
        case None:
            how = ""
        case code if code < 0:
            how = f" (killed by signal {-code})"
        case code:
            how = f" (exit code {code})"
    return how + (f": {ending.words}" if ending.words else "")
