"""The queue: how many jobs are in which of core4's states, what happened, and what it then came to.

Rule: what an event came to is counted from events alone, in their order; once nothing happened to a job for a moment,
the board is what counts.  So a start and an end that are heard together are still `running` and then not.
Rule: what happened before anybody asked is read back from the events file once, as far as is kept here.

Pure but for the clock that it is handed; used on the loop's own thread.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from job_tracker.core import events as kinds
from job_tracker.moments import MICROSECONDS
from job_tracker.web.board import Row, Snapshot
from job_tracker.web.core4.words import STATES, Place, Seen, after, before, ends_a_run, is_change, names_of, place_of
from job_tracker.web.reader import Event, News

KEPT = 10_000
"""Things that happened, of which the history tells."""

LOOKED_THROUGH = 50_000
SETTLED_AFTER = MICROSECONDS
"""How long after an event of a job the board is believed again, which is published some milliseconds behind it."""

Counts = Mapping[str, int]


class Told(NamedTuple):
    """Something that happened, as the history keeps it.  number: of the event; part: of those that it is told as."""

    number: int
    part: int
    created: int
    name: str
    counts: Counts


class Happened(NamedTuple):
    """Likewise, with all that is known of it."""

    told: Told
    event: Event


class Queue:
    """All jobs in the queue.  critical: microseconds.  places: by key, of those that are in it."""

    def __init__(self, critical: int) -> None:
        self.critical = critical
        self.board = Snapshot()
        self.places: dict[str, Place] = {}
        self.version = 0
        self.history: deque[Told] = deque(maxlen=KEPT)
        self.last = 0
        self._counts: Counter[str] = Counter()
        self._shared: dict[tuple[tuple[str, int], ...], Counts] = {}
        self._ahead: dict[str, tuple[Seen, int]] = {}
        self._settled: Snapshot | None = None
        self._look_at = 0

    def begin(self, board: Snapshot, past: Sequence[Event], now: int) -> None:
        """Begin from a board, and from what led to it, in order."""
        self.board = board
        moved: Counter[str] = Counter()
        first: dict[str, tuple[str, int]] = {}
        for event in past:
            key = event.get("job", "")
            moved[key] += (event["kind"] == kinds.STARTED) - ends_a_run(event)
            if (shown := before(event)) is not None:
                first.setdefault(key, shown)
        for key in moved.keys() - {""}:
            row = board.rows.get(key)
            state, status = first.get(key, (row.state, row.status) if row else ("NOT_RUNNING", 0))
            open_runs = max(0, (row.open_runs if row else 0) - moved[key])
            self._ahead[key] = (Seen(state, status, open_runs), now)
        self._place_all(now)
        self._fold(past, now, is_past=True)
        self._ahead.clear()
        self._settled = None
        self.settle(now)

    def hear(self, news: News, now: int) -> list[Happened]:
        """What news comes to."""
        found = self._fold(news.events, now)
        self.board = news.board
        if news.is_whole:
            self._settled = None
        for key in news.changed:
            if key not in self._ahead:
                self._put(key, self._placed(key, now))
        return found

    def settle(self, now: int) -> None:
        """Let the board be what counts, wherever nothing happened just now, and time pass."""
        done = [key for key, (_, at) in self._ahead.items() if now - at >= SETTLED_AFTER]
        for key in done:
            del self._ahead[key]
            self._put(key, self._placed(key, now))
        if self.board is not self._settled or now >= self._look_at:
            self._place_all(now)

    @property
    def counts(self) -> Counts:
        """How many are in each state, without those in which none is; the same object for the same numbers."""
        key = tuple((state, self._counts[state]) for state in STATES if self._counts[state])
        if len(self._shared) > KEPT:
            self._shared.clear()
        return self._shared.setdefault(key, dict(key))

    def _fold(self, events: Iterable[Event], now: int, *, is_past: bool = False) -> list[Happened]:
        found: list[Happened] = []
        for event, change in _with_changes(events):
            if event["seq"] <= self.last:
                continue
            self.last = event["seq"]
            key = event.get("job")
            if key is None:
                continue
            if event["kind"] == kinds.REMOVED:
                self._ahead.pop(key, None)
                self._put(key, None)
            elif event["kind"] in kinds.OF_FOLDING or is_change(event):
                row = None if is_past or key in self._ahead else self.board.rows.get(key)
                seen = after(self._seen(key, now), event, change, is_told=row is not None and _shows(row, event))
                self._ahead[key] = (seen, now)
                self._put(key, place_of(seen, now, self.critical))
            for part, name in enumerate(names_of(event, self.critical)):
                told = Told(event["seq"], part, round(event["created"] * MICROSECONDS), name, self.counts)
                self.history.append(told)
                found.append(Happened(told, event))
        return found

    def _place_all(self, now: int) -> None:
        """Look at all jobs again; the next time is when one of them will be another without anybody saying so."""
        self._settled, self._look_at = self.board, now + 3600 * MICROSECONDS
        for key in [key for key in self.places if key not in self.board.rows and key not in self._ahead]:
            self._put(key, None)
        for row in self.board.rows.values():
            if row.expected is not None and row.expected > now:
                self._look_at = min(self._look_at, row.expected)
            if row.state == "UNKNOWN":
                self._look_at = min(self._look_at, now + MICROSECONDS)
            if row.state != "NOT_RUNNING" or row.key in self.places or (row.expected or now + 1) <= now:
                self._put(row.key, self._placed(row.key, now))

    def _placed(self, key: str, now: int) -> Place | None:
        return place_of(self._seen(key, now), now, self.critical) if key in self.board.rows else None

    def _seen(self, key: str, now: int) -> Seen:
        if key in self._ahead:
            return self._ahead[key][0]
        row = self.board.rows.get(key)
        return Seen("NOT_RUNNING", 0) if row is None else seen_in(row, now)

    def _put(self, key: str, place: Place | None) -> None:
        was = self.places.get(key)
        if was == place:
            return
        self.version += 1
        if was is not None:
            self._counts[was.state] -= was.n
            del self.places[key]
        if place is not None:
            self._counts[place.state] += place.n
            self.places[key] = place


def read_past(backwards: Iterable[Event]) -> list[Event]:
    """What is read back of the events, from the newest on; in order."""
    found: list[Event] = []
    told = 0
    for event in backwards:
        found.append(event)
        told += len(names_of(event, 0))
        if told >= KEPT or len(found) >= LOOKED_THROUGH:
            break
    return found[::-1]


def seen_in(row: Row, now: int) -> Seen:
    """What the board shows of a job."""
    is_due = row.expected is not None and row.expected <= now
    return Seen(row.state, row.status, row.open_runs, row.is_killed, is_due, row.unheard)


def _with_changes(events: Iterable[Event]) -> Iterable[tuple[Event, Event | None]]:
    """Each event with the change that its step brought, if that is the next word on its job."""
    listed = list(events)
    changes: list[Event | None] = []
    coming: dict[str, Event] = {}
    for event in reversed(listed):
        key = event.get("job", "")
        change = coming.get(key)
        changes.append(change if change is not None and change["created"] == event["created"] else None)
        if is_change(event):
            coming[key] = event
        elif event["kind"] in kinds.OF_FOLDING:
            coming.pop(key, None)
    return zip(listed, reversed(changes), strict=True)


def _shows(row: Row, event: Event) -> bool:
    """Whether the board has an event already: it may have been published in between."""
    if event["kind"] == kinds.STARTED:
        return row.begun is not None and abs(row.begun - event["begin"] * MICROSECONDS) < 2
    end = event.get("end")
    return end is not None and row.ended is not None and abs(row.ended - end * MICROSECONDS) < 2
