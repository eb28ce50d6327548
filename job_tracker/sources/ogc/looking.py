"""Looking: what a server answers to somebody who only wants to know whether it can be asked.

Rule: a page is read and nothing is taken; no job is asked about, for that alone moves some of them.
"""

from collections import Counter
from dataclasses import dataclass

from job_tracker.ports import Server, Terms
from job_tracker.sources.ogc.client import Client
from job_tracker.sources.ogc.listing import AUTO, WPST, Asking, Listing, dialect_of, list_first
from job_tracker.sources.ogc.words import Phase, has_ended, phase_of

SIGNIFICANT = 1_000_000
"""Microseconds: a clock is told to a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found.  offset: microseconds its clock is ahead of ours, None if it does not say."""

    about: str
    differs: str
    offset: int | None


def look(server: Server, terms: Terms, steps: list[str]) -> Seen:
    """Read a page of its jobs; steps: is told what worked, in order.  Raises SourceUnreachable, SourceRefused."""
    client = Client(server, deadline=terms.load_timeout, clock=terms.clock)
    try:
        dialect = server.dialect if server.dialect != AUTO else dialect_of(client)
        listing = list_first(Asking(client=client), dialect, terms.clock())
    finally:
        client.close()
    named = f" of {listing.identity}" if listing.identity else ""
    steps.append(f"{server.url} answers in the dialect {dialect}{named}")
    offset = listing.offset
    return Seen(
        about=_about(listing, dialect),
        differs=listing.faults[0] if listing.faults else listing.lacks,
        offset=offset if offset is None or abs(offset) > SIGNIFICANT else 0,
    )


def _about(listing: Listing, dialect: str) -> str:
    where = "the jobs of the first process" if dialect == WPST else "the first page"
    count = len(listing.jobs)
    unfinished = sum(not has_ended(each.status) for each in listing.jobs.values())
    strange = Counter(each.status for each in listing.jobs.values() if phase_of(each.status) is Phase.STRANGE)
    words = ", ".join(sorted(repr(word)[:40] for word in strange if word))
    unknown = f", and words that nobody here knows: {words}" if words else ""
    return f"{where}: {count} job{'' if count == 1 else 's'}, {unfinished} not ended{unknown}"
