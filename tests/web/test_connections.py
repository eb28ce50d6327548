"""Connections: who says nothing, or never ends what he says, holds none for long; whoever is answered does."""

import asyncio
from pathlib import Path

import pytest
import uvicorn
from running import SLOW
from starlette.types import Receive, Scope, Send

from job_tracker.config.web import Web
from job_tracker.web import connections
from job_tracker.web.serving import _settings, listening

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
UNENDED = (b"", HEAD, BODY + b"12")
"""Nothing, half a head, half a body."""


class App:
    """Answers a GET at once, or once it may: whatever is asked behind /slow; and a POST once it has all of it."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while scope["method"] == "POST" and (await receive()).get("more_body"):
            pass
        if scope["path"] == "/slow":
            await self.may_go_on.wait()
        head = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"ok"})


async def served(app: App) -> list[bytes]:
    """What each of the unended got until it was closed; then one that began another request, and one that is slow."""
    web = Web.model_validate({"listen": "127.0.0.1:0"}, context={"directory": Path("/")})
    listens = listening(web.listen)
    server = uvicorn.Server(_settings(app, web))
    serving = asyncio.create_task(server._serve([listens]))
    sent = (*UNENDED, HEAD + b"\r\n", HEAD.replace(b"/", b"/slow", 1) + b"\r\n")
    ends = [await asyncio.open_connection(*listens.getsockname()[:2]) for _ in sent]
    for (_, writer), each in zip(ends, sent, strict=True):
        writer.write(each)
    *unended, (again, writes_again), (slow, _) = ends
    await asyncio.wait_for(again.readuntil(b"ok"), SLOW)
    writes_again.write(HEAD)
    got = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in unended), again.read()), SLOW)
    app.may_go_on.set()
    got.append(await asyncio.wait_for(slow.readuntil(b"ok"), SLOW))
    for _, writer in ends:
        writer.close()
    server.should_exit = True
    await serving
    return got


def test_who_does_not_say_what_he_wants_is_let_go_and_who_is_answered_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand silent connections would otherwise keep everybody else out, for as long as they like."""
    monkeypatch.setattr(connections, "WHOLE_WITHIN", 0.3)

    async def go() -> list[bytes]:
        return await served(App())

    *unended, again, slow = asyncio.run(go())

    assert [*unended, again] == [b"", b"", b"", b""]
    assert b"200 OK" in slow
