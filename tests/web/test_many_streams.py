"""A thousand streams at once, and a login that is tried by force: what one process of the pages has to hold."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from published import Published, cyclic, jobs_of
from running import SLOW
from web_server import PASSWORD, WebServer

from job_tracker.process.limits import raise_file_limit

pytestmark = pytest.mark.parts
STREAMS = 1_000
HALVES = (b"GET / HTTP/1.1\r\nHost: local", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 99)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    made = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD")))
    with WebServer(tmp_path) as server:
        server.add("root", "cop")
        server.add("anna", "viewer")
        yield server.start()
    made.close()


async def opened(port: int, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"event: hello")
    return reader, writer


def test_a_thousand_streams_are_held_and_hear(server: WebServer) -> None:
    """Every one is told, pages are served beside them, and when the user is disabled every one ends."""
    raise_file_limit()
    token = server.token("anna")

    async def go() -> int:
        streams = await asyncio.gather(*(opened(server.port, token) for _ in range(STREAMS)))
        with server.client(server.token("root")) as client:
            health = await asyncio.to_thread(lambda: client.get("/health").json())
        with server.people() as people:
            people.set_active("anna", active=False, author="test", now=1)
        await asyncio.wait_for(asyncio.gather(*(reader.readuntil(b"event: bye") for reader, _ in streams)), SLOW)
        await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in streams)), SLOW)
        for _, writer in streams:
            writer.close()
        return int(health["streams"])

    assert asyncio.run(go()) == STREAMS


def test_a_login_that_is_tried_by_force_stops_nobody_else(server: WebServer) -> None:
    """Forty at once, again and again, are refused; whoever is logged in is served, and nobody got in."""
    statuses: list[int] = []
    is_over = threading.Event()

    def guess(number: int) -> None:
        while not is_over.is_set():
            with server.client(**{"x-forwarded-for": f"198.51.100.{number}"}) as client:
                answer = client.post("/login", data={"name": f"anna{number % 3 or ''}", "password": "guess"})
                statuses.append(answer.status_code)

    guessing = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    for each in guessing:
        each.start()
    try:
        with server.client(server.token("root")) as client:
            answers = [client.get("/api/v1/summary").status_code for _ in range(50)]
    finally:
        is_over.set()
        for each in guessing:
            each.join()

    assert answers == [200] * 50
    assert set(statuses) <= {401, 429}
    assert statuses.count(429) > statuses.count(401) or len(statuses) < 200


def test_what_is_no_http_ends_its_own_connection_alone(server: WebServer) -> None:
    """Half a request, a request without an end, and one that never comes: the next one is served."""
    raw = [socket.create_connection(("127.0.0.1", server.port), SLOW) for _ in range(30)]
    try:
        for number, each in enumerate(raw):
            each.sendall(HALVES[number % 3])
        huge = socket.create_connection(("127.0.0.1", server.port), SLOW)
        huge.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"x" * 100_000)
        with server.client() as client:
            answer = client.post("/login", data={"name": "anna", "password": PASSWORD})
        huge.close()
    finally:
        for each in raw:
            each.close()
    assert answer.status_code == 303
