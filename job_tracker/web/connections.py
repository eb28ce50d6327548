"""Connections: how long somebody may hold one without having said what he wants.

Rule: whoever has begun a connection, or a request, has sent all of it within a time, however steadily he sends; what is
being answered, as an open stream, lasts as long as it likes.

There are only so many connections.  Without such an end those who say nothing, or half of something, would hold all of
them, at no cost of their own.  A browser opens connections beforehand, too, and takes it well when they are closed.
"""

import asyncio
import logging
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("job_tracker.web")

WHOLE_WITHIN = 20.0
"""Seconds for a request, from its connection's beginning or its own first byte to its last; at most a megabyte."""


class Bounded(H11Protocol):
    """A connection whose requests have a time to come in."""

    _within: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """It begins, and with it the time for the first request."""
        super().connection_made(transport)
        self._look_at_time()

    def data_received(self, data: bytes) -> None:
        """Some bytes came: perhaps the last ones of a request, perhaps the first ones of the next."""
        super().data_received(data)
        self._look_at_time()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._forget_time()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It is another protocol's from here on."""
        self._forget_time()
        super().handle_websocket_upgrade(event)

    def _look_at_time(self) -> None:
        is_ours = self.transport.get_protocol() is self and not self.transport.is_closing()
        if not is_ours or self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._forget_time()
        elif self._within is None:
            self._within = self.loop.call_later(WHOLE_WITHIN, self._let_go)

    def _forget_time(self) -> None:
        if self._within is not None:
            self._within.cancel()
            self._within = None

    def _let_go(self) -> None:
        self._within = None
        log.debug("connection closed: no whole request came within %d s from=%s", WHOLE_WITHIN, _whose(self.client))
        self.transport.close()


def _whose(client: Any) -> str:
    return cast(str, client[0]) if client else "unix"
