"""The ledger's event log: events numbered and kept in the transaction of the step that found them.

Rule: no number is used twice, and none is left out but those that an event `gap` names.
Rule: a number is taken once the transaction has ended; one that failed gives its events the same numbers again.
Rule: what is too old, or too much, goes in small bites, with the next events that come; the newest always stays.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from job_tracker.core.events import END_KINDS, GAP, MISSED, STARTED, TIMEOUT, Event
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import EVENT, Row, checked
from job_tracker.moments import MICROSECONDS

COLUMNS = "seq, at, created, kind, job, run, late, corrects, doc"
ROW_SIZE = 150
"""Bytes that a row takes besides its document, about, its place in the index among them."""

BITE = 50
"""Rows that go with one transaction at least; twice as many as came, where that is more."""

OF_RUNS = END_KINDS | {STARTED, TIMEOUT, MISSED}
MILLISECOND = MICROSECONDS // 1000
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the log stands.  last: the newest number, 0 if there was none; oldest: when the oldest was found."""

    last: int
    oldest: int | None
    size: int


class EventLog:
    """The log, on the ledger's connection; see `core.events.Log` for what the core asks of it."""

    def __init__(self, access: Access) -> None:
        self._access, self._connection = access, access.connection
        self.is_on = False
        self._keep, self._most, self._since, self._ahead = 0, 0, 0, 0
        self._place = self._found()

    def begin(self, *, is_on: bool, keep: int, most: int, now: int) -> None:
        """Keep it as a configuration says; keep: microseconds, most: bytes.  Raises StoreFailed."""
        self.is_on, self._keep, self._most = is_on, keep, most
        with self._access.reading():
            row = self._connection.execute("SELECT value FROM facts WHERE name = 'event_log_since'").fetchone()
        if is_on == (row is not None):
            self._since = int(row[0]) if row is not None else now
            return
        with self._access.writing():  # what became true while it was off, nobody was told
            self._connection.execute("DELETE FROM facts WHERE name = 'event_log_since'")
            if is_on:
                self._connection.execute("INSERT INTO facts (name, value) VALUES ('event_log_since', ?)", (str(now),))
        self._since = now

    @contextmanager
    def kept_where_it_fails(self) -> Iterator[None]:
        """Should what follows fail, the log goes on as it did before."""
        before = self.is_on, self._keep, self._most, self._since
        try:
            yield
        except BaseException:
            self.is_on, self._keep, self._most, self._since = before
            raise

    @property
    def last(self) -> int:
        """The newest number, 0 if there never was one."""
        return self._place.last

    @property
    def reach(self) -> int:
        """See `core.events.Log`."""
        return max(self._since, self._place.oldest or 0)

    def of(self, job: str, since: int) -> Sequence[tuple[int, Event]]:
        """See `core.events.Log`.  Raises StoreFailed."""
        with self._access.reading():
            rows = self._connection.execute(
                f"SELECT {COLUMNS} FROM events WHERE job = ? AND at > ? ORDER BY seq", (job, since)
            )
            found = [_event(checked(row, EVENT)) for row in rows]
            if not found:
                return []
            named = self._connection.execute(  # what corrects something comes behind it, whatever moment it is of
                "SELECT corrects FROM events WHERE job = ? AND seq > ? AND corrects IS NOT NULL", (job, found[0][0])
            )
            corrected = {seq for (corrects,) in named for seq in json.loads(corrects)}
        return [(seq, event) for seq, event in found if seq not in corrected]

    def after(self, seq: int, most: int) -> list[Row]:
        """The rows behind a number, as they lie, in order.  Raises StoreFailed."""
        with self._access.reading():
            return self._connection.execute(
                f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, most)
            ).fetchall()

    def be_ahead_of(self, seq: int) -> None:
        """Somebody knows of this number already, the store is older than what was told: the next lies behind it."""
        self._ahead = max(self._ahead, seq)

    def put(self, events: Sequence[Event], now: int) -> _Place:
        """Number and write events in the caller's transaction; `took` what this gives once that has ended."""
        place = self._place
        if not events or not self.is_on:
            return place
        first = place.last + 1 if place.last else now // MILLISECOND
        if self._ahead >= first:
            behind = max(self._ahead + 1, now // MILLISECOND)
            why = "the store was put back as it was before: what these numbers told is not known here"
            gap = Event(kind=GAP, at=now, body={"from": first, "to": behind, "why": why})
            events, first = [gap, *events], behind
        numbers: dict[Event, int] = {event: first + at for at, event in enumerate(events)}
        rows = [row_of(event, seq, now, numbers) for event, seq in numbers.items()]
        self._connection.executemany(f"INSERT INTO events ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", rows)
        oldest = now if place.oldest is None else place.oldest
        size = place.size + sum(ROW_SIZE + len(row[-1]) for row in rows)
        return self._pruned(_Place(last=rows[-1][0], oldest=oldest, size=size), now, 2 * len(rows))

    def took(self, place: _Place) -> None:
        """The transaction has ended."""
        self._place = place

    def _pruned(self, place: _Place, now: int, most: int) -> _Place:
        """Let go of a few that are too old, or of which there are too many."""
        if place.oldest is None or (place.oldest >= now - self._keep and place.size <= self._most):
            return place
        rows = self._connection.execute(
            "SELECT seq, created, length(doc) FROM events ORDER BY seq LIMIT ?", (max(BITE, most) + 1,)
        ).fetchall()
        size, kept = place.size, 0
        while kept + 1 < len(rows) and (rows[kept][1] < now - self._keep or size > self._most):
            size -= ROW_SIZE + rows[kept][2]
            kept += 1
        if kept:
            self._connection.execute("DELETE FROM events WHERE seq < ?", (rows[kept][0],))
        return replace(place, oldest=rows[kept][1], size=size)

    def _found(self) -> _Place:
        """The size is estimated by the newest: whoever starts does not wait until all were looked at."""
        row = self._connection.execute("SELECT seq, created FROM events ORDER BY seq LIMIT 1").fetchone()
        if row is None:
            return _Place(last=0, oldest=None, size=0)
        last, count = self._connection.execute("SELECT (SELECT max(seq) FROM events), count(*) FROM events").fetchone()
        each = self._connection.execute(
            "SELECT avg(length(doc)) FROM (SELECT doc FROM events ORDER BY seq DESC LIMIT 500)"
        ).fetchone()[0]
        return _Place(last=last, oldest=row[1], size=round(count * (ROW_SIZE + each)))


def row_of(event: Event, seq: int, now: int, numbers: dict[Event, int]) -> Row:
    """seq, at, created, kind, job, run, late, corrects, doc."""
    named = None
    if event.corrects:
        named = _encode([numbers[each] if isinstance(each, Event) else each for each in event.corrects])
    body: dict[str, Any] = dict(event.body) if event.id is None else {"id": event.id, **event.body}
    return (seq, event.at, now, event.kind, event.job or None, event.run, int(event.late), named, _encode(body))


def _event(row: Row) -> tuple[int, Event]:
    seq, at, _created, kind, job, run, late, corrects, doc = row
    body = json.loads(doc)
    id = body.pop("id", None) if kind in OF_RUNS else None
    named = tuple(json.loads(corrects)) if corrects else ()
    return seq, Event(kind=kind, at=at, job=job or "", run=run, id=id, late=bool(late), corrects=named, body=body)
