"""How a source stands with its server, for its reports; used by one thread.

Rule: `since` begins when contact was made or lost, whatever is tried in between.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Contact, Delivery, Report
from job_tracker.sources.ogc.listing import Listing

LATENCIES = 20
LOST = frozenset({Contact.UNREACHABLE, Contact.REFUSED})


class Standing:
    """The report behind a source's reports."""

    def __init__(self, source: str, url: str, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._latencies: deque[int] = deque(maxlen=LATENCIES)
        self._report = Report(source=source, contact=Contact.CONNECTING, since=clock(), path=url)

    def count(self, delivery: Delivery) -> None:
        """Something was handed over."""
        if delivery.elements:
            messages = self._report.messages + len(delivery.elements)
            self._report = replace(self._report, messages=messages, last_message=delivery.received)

    def measure(self, listing: Listing, *, about: str, differs: str) -> None:
        """Learn from a sweep.  A clock is told to a second, and what is less is none."""
        self._latencies.extend(listing.latencies)
        offset = listing.offset
        self._report = replace(
            self._report,
            latency=self._latencies[-1] if self._latencies else None,
            latencies=tuple(self._latencies),
            size=self._report.size + listing.size,
            clock_offset=offset if offset is None or abs(offset) > MICROSECONDS else 0,
            about=about,
            differs=differs,
        )

    def report(self, contact: Contact, text: str = "", notice: str = "") -> Report:
        """How it stands from now on."""
        before = self._report
        same = contact is before.contact or {contact, before.contact} <= LOST
        self._report = replace(before, contact=contact, text=text, since=before.since if same else self._clock())
        return replace(self._report, notice=notice)
