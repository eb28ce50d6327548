"""Browsers, as the pages see them: open streams, and when each event came."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime

from job_tracker import clock
from job_tracker.moments import MICROSECONDS


class Browser:
    """A stream over a bare connection.  heard: of each event how long it was under way, in seconds."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.heard: list[float] = []
        self.is_open = False

    async def run(self) -> None:
        """Listen until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        head = f"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        writer.write(head.encode())
        try:
            async for line in _lines(reader):
                self.is_open = True
                if line.startswith(b'data: {"seq":') and b'"created":"' in line:
                    at = line.partition(b'"created":"')[2][:27].decode()
                    self.heard.append(clock.now() / MICROSECONDS - _epoch(at))
        finally:
            writer.close()


@contextmanager
def looking(port: int, token: str, count: int) -> Iterator[list[Browser]]:
    """So many browsers that look while something else is measured, in a thread of their own."""
    browsers = [Browser(port, token) for _ in range(count)]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def all_of_them() -> None:
        await asyncio.gather(*(each.run() for each in browsers))

    future = asyncio.run_coroutine_threadsafe(all_of_them(), loop)
    try:
        yield browsers
    finally:
        future.cancel()
        asyncio.run_coroutine_threadsafe(_others_ended(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _others_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while line := await reader.readline():
        yield line


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
