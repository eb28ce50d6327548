"""Contact: what is known of a source's contact with its host, and the reports about it.

Rule: `since` begins when contact was made or lost; an unreachable host that refuses us for a while, as one does while
it boots, has been without contact since it became unreachable.
"""

from collections import deque
from collections.abc import Callable

from job_tracker.ports import Contact, Report
from job_tracker.sources.queue.conversation import Exchange, Taken

LATENCIES = 20
"""Kept of the last answers."""

LOST = frozenset({Contact.UNREACHABLE, Contact.REFUSED})


class ContactLog:
    """The state behind a source's reports; used by one thread."""

    def __init__(self, source: str, clock: Callable[[], int]) -> None:
        self._source = source
        self._clock = clock
        self._contact = Contact.CONNECTING
        self._since = clock()
        self._offset: int | None = None
        self._latency: int | None = None
        self._depth: int | None = None
        self._latencies: deque[int] = deque(maxlen=LATENCIES)
        self._messages = self._size = 0
        self._last_message: int | None = None
        self._path = self._differs = ""

    def found(self, path: str, differs: str) -> None:
        """Which queue it is, and how that differs from the configuration."""
        self._path, self._differs = path, differs

    def measure(self, exchange: Exchange, depth: int) -> None:
        """Learn from an answer."""
        self._latency, self._depth = exchange.latency, depth
        self._latencies.append(exchange.latency)
        if exchange.clock is not None:
            self._offset = _offset(self._offset, exchange.clock - exchange.received, exchange.latency)

    def count(self, taken: Taken) -> None:
        """Learn from what was taken."""
        self.measure(taken.exchange, taken.depth)
        if taken.elements:
            self._messages += len(taken.elements)
            self._size += taken.size
            self._last_message = taken.exchange.received

    def report(self, contact: Contact | None = None, text: str = "", notice: str = "") -> Report:
        """How the source stands from now on; None leaves the contact as it is."""
        if contact is not None and contact is not self._contact:
            if not {contact, self._contact} <= LOST:
                self._since = self._clock()
            self._contact = contact
        return Report(
            source=self._source,
            contact=self._contact,
            since=self._since,
            text=text,
            clock_offset=self._offset,
            latency=self._latency,
            depth=self._depth,
            notice=notice,
            messages=self._messages,
            size=self._size,
            last_message=self._last_message,
            latencies=tuple(self._latencies),
            path=self._path,
            differs=self._differs,
        )


def _offset(before: int | None, least: int, uncertainty: int) -> int:
    """How far the host's clock is ahead, which was read at an unknown moment of the round trip.

    What was known before stands as long as this round trip allows it: a slow answer proves nothing against a fast one.
    """
    if before is not None and least <= before <= least + uncertainty:
        return before
    return least + uncertainty // 2
