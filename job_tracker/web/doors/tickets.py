"""Tickets: each opens one socket, once and soon, for the page of a browser, which can give a socket no header.

Rule: a ticket is worth what it was got with: what ends that ends the ticket, and the socket that it opened.
Rule: it is kept in memory alone and as a hash; it stands in a URL, and by the time that is read it is no more.
"""

from threading import Lock

from job_tracker.web.doors.hashing import new_token, token_hash
from job_tracker.web.rights import Who

LASTS = 30.0
"""Seconds."""

MOST = 1_000
"""That one user may have, as many as sockets; the oldest goes."""


class Tickets:
    """Those that nobody used yet.  now: seconds of a clock that only goes on."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Who, float]] = {}
        self._lock = Lock()

    def make(self, who: Who, now: float) -> str:
        """A new one, which lets in as whom it is made for."""
        ticket = new_token()
        with self._lock:
            self._kept = {each: kept for each, kept in self._kept.items() if kept[1] > now}
            own = [each for each, (whose, _) in self._kept.items() if whose.name == who.name]
            for oldest in own[: max(0, len(own) - MOST + 1)]:
                del self._kept[oldest]
            self._kept[token_hash(ticket)] = (who, now + LASTS)
        return ticket

    def use_up(self, ticket: str, now: float) -> Who | None:
        """Whom it lets in, this one time; None: it is none, or was used, or its time is over."""
        with self._lock:
            who, ends = self._kept.pop(token_hash(ticket), (None, 0.0))
        return who if ends > now else None
