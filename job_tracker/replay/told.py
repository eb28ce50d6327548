"""What a replay would have told: events numbered as the ledger does, and what is remembered of them.

Rule: it remembers for as long as the ledger does by default, of every job; what is older is beyond its reach.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from job_tracker.core.events import Event
from job_tracker.events.layout import document
from job_tracker.ledger.events import MILLISECOND, row_of
from job_tracker.moments import DAY

REMEMBERED = 2 * DAY


class Told:
    """The log of a replay; see `core.events.Log`.  Before it began nothing was told."""

    def __init__(self, begin: int) -> None:
        self.reach = 0
        self._next = begin // MILLISECOND
        self._day = begin // DAY
        self._by_job: dict[str, list[tuple[int, int, Event]]] = {}

    def of(self, job: str, since: int) -> Sequence[tuple[int, Event]]:
        """See `core.events.Log`."""
        told = self._by_job.get(job, ())
        corrected = {seq for _, _, event in told for seq in event.corrects}
        return [(seq, event) for _, seq, event in told if seq not in corrected and event.at > since]

    def take(self, events: Sequence[Event], now: int) -> list[dict[str, Any]]:
        """Number them; as programs read them."""
        numbers = {event: self._next + at for at, event in enumerate(events)}
        self._next += len(events)
        if now // DAY != self._day:
            self._forget(now)
        found: list[dict[str, Any]] = []
        for event, seq in numbers.items():
            corrects = tuple(numbers[each] if isinstance(each, Event) else each for each in event.corrects)
            self._by_job.setdefault(event.job, []).append((now, seq, replace(event, corrects=corrects)))
            found.append(document(row_of(event, seq, now, numbers), "replay"))
        return found

    def _forget(self, now: int) -> None:
        self._day = now // DAY
        since = now - REMEMBERED
        self._by_job = {job: [each for each in told if each[0] >= since] for job, told in self._by_job.items()}
        self.reach = since
