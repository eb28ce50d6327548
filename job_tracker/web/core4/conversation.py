"""The conversation with one client: what it says through its socket, and what it is answered.

Rule: whatever is said, it ends no connection but its own, and that only after it was told why.
Rule: words, shapes and even the bare text in answer to what is not JSON are core4's; what made it stumble is refused.
"""

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from job_tracker import clock
from job_tracker.web.core4.sockets import BROKEN_RULE, MESSAGE, QUEUE, TRACKER, Socket, Sockets
from job_tracker.web.doors.core4 import PROTOCOL, with_an_end
from job_tracker.web.doors.tokens import CORE4_LASTS
from job_tracker.web.problems import LoginNeeded, Problem
from job_tracker.web.rights import Who

if TYPE_CHECKING:
    from job_tracker.web.app import Part

log = logging.getLogger("job_tracker.web")

MOST_SOCKETS, MOST_OF_ONE = 1_500, 1_000
MOST_CHANNELS, LONGEST_CHANNEL = 50, 100
MOST_BAD = 20
"""Messages in a row that nobody understands."""

AT_ONCE, EACH_SECOND = 100, 10.0
"""Messages of a client: as many may come together, and so many a second in the long run."""

LONGEST_TEXT = 2_000
TEXTS_A_SECOND = 5
MAY_SAY = "app://message"
"""The permission without which nobody writes into the channel `message`; that of a cop is not enough."""

LEAVE_WITHIN = 10.0
"""Seconds in which a client has to fetch what was sent, before it is only hung up on."""


async def converse(part: "Part", web_socket: WebSocket, who: Who) -> None:
    """Hold an open socket until one of both ends it.  Raises Problem before it is open."""
    sockets: Sockets = part.core4.sockets
    if len(sockets.open) >= MOST_SOCKETS or sum(each.who.name == who.name for each in sockets.open) >= MOST_OF_ONE:
        raise Problem(503, "too many sockets are open; close some, or try again later", {"Retry-After": "30"})
    await part.core4.ready()
    who = with_an_end(part.doors, web_socket, who)
    if not part.doors.is_still(who):
        raise LoginNeeded  # it has changed since the gate
    socket = Socket(who, who.until or clock.now() + CORE4_LASTS)
    sockets.open.add(socket)
    try:
        await web_socket.accept(PROTOCOL if PROTOCOL in web_socket.scope["subprotocols"] else None)
        said = asyncio.create_task(_hear(web_socket, socket, sockets))
        told = asyncio.create_task(_tell(web_socket, socket))
        ending = asyncio.create_task(_until_closing(socket))
        await asyncio.wait((said, told, ending), return_when=asyncio.FIRST_COMPLETED)
        for task in (said, told, ending):
            task.cancel()
        for fault in await asyncio.gather(said, told, ending, return_exceptions=True):
            if isinstance(fault, Exception) and not isinstance(fault, WebSocketDisconnect):
                log.error("socket failed user=%s", who.name, exc_info=fault)
        await _leave(web_socket, socket)
    finally:
        sockets.open.discard(socket)


async def _leave(web_socket: WebSocket, socket: Socket) -> None:
    if socket.closing is None:
        return
    code, why = socket.closing
    log.info("socket closed user=%s code=%d why=%s", socket.who.name, code, why)
    try:
        await asyncio.wait_for(web_socket.close(code, why), LEAVE_WITHIN)
    except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
        return  # it is gone, or does not even fetch that


async def _until_closing(socket: Socket) -> None:
    while socket.closing is None:
        await socket.is_closing.wait()


async def _tell(web_socket: WebSocket, socket: Socket) -> None:
    while socket.closing is None:
        text = socket.take()
        if text is None:
            await socket.has_some.wait()
        else:
            await web_socket.send_text(text)


async def _hear(web_socket: WebSocket, socket: Socket, sockets: Sockets) -> None:
    listener = Listener(socket, sockets)
    while socket.closing is None:
        received = await web_socket.receive()
        if received["type"] != "websocket.receive":
            return
        listener.hear(received.get("text"), time.monotonic())


class Listener:
    """Hears what a client says."""

    def __init__(self, socket: Socket, sockets: Sockets) -> None:
        self.socket, self.sockets = socket, sockets
        self._bad = 0
        self._allowed, self._since = float(AT_ONCE), 0.0
        self._texts: list[float] = []

    def hear(self, text: str | None, now: float) -> None:
        """One message; None: bytes.  now: seconds of a clock that only goes on."""
        self._allowed = min(float(AT_ONCE), self._allowed + (now - self._since) * EACH_SECOND) - 1
        self._since = now
        if self._allowed < 0:
            self.socket.close(BROKEN_RULE, f"more than {EACH_SECOND:.0f} messages a second")
            return
        self.sockets.look_again()
        answer, is_good = self._answer(text, now)
        self.socket.put(answer)
        self._bad = 0 if is_good else self._bad + 1
        if self._bad >= MOST_BAD:
            self.socket.close(BROKEN_RULE, f"{MOST_BAD} messages in a row are none")

    def _answer(self, text: str | None, now: float) -> tuple[str, bool]:
        try:
            said = json.loads(text or "")
        except (ValueError, RecursionError):
            return "error parsing json data", False
        if not isinstance(said, dict):
            return _error("a message is an object with a type"), False
        match said.get("type"):
            case "interest":
                return self._interest(said.get("data"))
            case "message":
                return self._message(said, now)
        return _error("unknown type"), False

    def _interest(self, wanted: Any) -> tuple[str, bool]:
        if not isinstance(wanted, list) or len(wanted) > MOST_CHANNELS:
            return _error(f"data is a list of channels, {MOST_CHANNELS} at most"), False
        channels = {each.strip().lower()[:LONGEST_CHANNEL] for each in wanted if isinstance(each, str)}
        self.socket.interests = frozenset(channels & {QUEUE, MESSAGE, TRACKER})
        told = sorted(channels)
        return json.dumps({"type": "interest", "data": told, "message": f"processed interest in {told!r}"}), True

    def _message(self, said: dict[str, Any], now: float) -> tuple[str, bool]:
        channel, text, who = said.get("channel"), said.get("text"), self.socket.who
        if not isinstance(channel, str) or not isinstance(text, str):
            return _error("malformed message", message_id=None), False
        if channel.strip().lower() != MESSAGE or MAY_SAY not in who.rights.permissions:
            return _error("nobody writes there, or you may not", message_id=None), False
        self._texts = [each for each in self._texts if now - each < 1.0]
        if len(text) > LONGEST_TEXT or len(self._texts) >= TEXTS_A_SECOND:
            why = f"at most {LONGEST_TEXT} characters, and {TEXTS_A_SECOND} messages a second"
            return _error(why, message_id=None), False
        self._texts.append(now)
        is_new = MESSAGE not in self.socket.interests
        self.socket.interests |= {MESSAGE}
        told = {"type": "interest", "message": "OK, added interest in channel"}
        if not is_new:
            told = {"type": "send", "message": "OK"}
        return json.dumps({**told, "message_id": self.sockets.say(who.name, text)}), True


def _error(why: str, **more: Any) -> str:
    return json.dumps({"type": "error", **more, "message": why})
