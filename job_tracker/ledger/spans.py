"""Spans: since when each source was in contact, and when nobody looked.

Rule: a span ends where the next one of its source begins; one without a contact says that nobody looked, or that the
source was not configured.
Rule: written with the step that tells of it; kept as long as the statistics of days.
"""

from collections.abc import Iterable
from typing import Any

from job_tracker.core.events import SOURCE_CHANGED, Event
from job_tracker.ledger.access import Access
from job_tracker.ledger.days import KEPT
from job_tracker.moments import DAY

Span = dict[str, Any]


class Spans:
    """The spans, on the ledger's connection; all but `every` and `end` within its transactions."""

    def __init__(self, access: Access) -> None:
        self._access, self._connection = access, access.connection
        self._has_begun = False
        self._fresh: list[Span] = []

    def settle(self, sources: Iterable[str], now: int, *, is_on: bool) -> None:
        """Go on with the sources of a configuration; after a start nobody looked since the store knew of any."""
        watched = set(sources) if is_on and self._has_begun else set()
        newest = self._newest()
        until = now
        if newest and not self._has_begun:
            heard = self._connection.execute("SELECT max(drained) FROM sources WHERE drained <= ?", (now,)).fetchone()
            until = heard[0] or now
        self._has_begun = True
        self._fresh.clear()
        self._close((source for source in newest if source not in watched), until)

    def put(self, events: Iterable[Event], now: int) -> None:
        """What a step tells of sources."""
        for event in events:
            if event.kind != SOURCE_CHANGED or event.body["from"] == event.body["to"]:
                continue
            source = event.body["source"]
            last = self._connection.execute("SELECT max(begin) FROM spans WHERE source = ?", (source,)).fetchone()[0]
            begin = event.at if last is None else max(event.at, last + 1)
            self._add(source, begin, event.body["to"])
            self._connection.execute(
                "DELETE FROM spans WHERE source = ?1 AND begin <"
                " (SELECT max(begin) FROM spans WHERE source = ?1 AND begin < ?2)",
                (source, now - KEPT * DAY),
            )

    def end(self, now: int) -> None:
        """Nobody looks from now on.  Raises StoreFailed."""
        with self._access.writing():
            self._close(self._newest(), now)

    def every(self) -> list[Span]:
        """All spans, by their beginning.  Raises StoreFailed."""
        with self._access.reading():
            rows = self._connection.execute("SELECT source, begin, contact FROM spans ORDER BY begin, source")
            return [_span(*row) for row in rows]

    def take_fresh(self) -> list[Span]:
        """Those that were added since it was asked last; what a failed transaction took back comes again."""
        found, self._fresh = self._fresh, []
        return found

    def _newest(self) -> list[str]:
        """The sources whose last span says something."""
        rows = self._connection.execute("SELECT source, max(begin), contact FROM spans GROUP BY source")
        return [source for source, _, contact in rows if contact is not None]

    def _close(self, sources: Iterable[str], until: int) -> None:
        for source in sources:
            last = self._connection.execute("SELECT max(begin) FROM spans WHERE source = ?", (source,)).fetchone()[0]
            self._add(source, max(until, last + 1), None)

    def _add(self, source: str, begin: int, contact: str | None) -> None:
        self._connection.execute("INSERT OR REPLACE INTO spans VALUES (?, ?, ?)", (source, begin, contact))
        self._fresh.append(_span(source, begin, contact))


def _span(source: str, begin: int, contact: str | None) -> Span:
    return {"source": source, "begin": begin, "contact": contact}
