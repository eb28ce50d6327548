"""Sources: how the tracker stands with its source hosts, and what that means for jobs."""

from collections.abc import Iterable
from typing import Any

from job_tracker.core.operator_word import OPERATOR
from job_tracker.moments import MICROSECONDS
from job_tracker.telling.times import clock

Document = dict[str, Any]

REACHABLE = "reachable"
NOTHING = 1000
"""Microseconds of drift that are not worth a figure."""


def documents(meta: Document) -> list[Document]:
    """The sources of a view, by name, and the operators' queue last; what is not yet known of one is null."""
    hosts = [{"source": name, **told} for name, told in sorted(meta["sources"].items())]
    return hosts + [{"source": OPERATOR, **told} for told in (meta.get("operator"),) if told]


def unheard(meta: Document) -> list[Document]:
    """The sources that are not heard at the moment."""
    return [source for source in documents(meta) if source.get("contact") not in (None, REACHABLE)]


def complaint(source: Document, jobs: Iterable[Document], zone: str | None) -> str:
    """What it means for jobs that their source is not heard."""
    count = sum(1 for job in jobs if job["sources"] == [source["source"]])
    silent = f"; nothing is known since of {'its job' if count == 1 else f'its {count} jobs'}" if count else ""
    why = f" ({source['text']})" if source.get("text") else ""
    silent = "; pauses, resumes and marks are not heard" if source["source"] == OPERATOR else silent
    return f"{source['source']} is {source['contact']} since {clock(source['since'], zone)}{why}{silent}"


def drift(offset: int | None) -> str:
    """How far a host's clock is ahead (+) or behind (-); empty if not known."""
    if offset is None:
        return ""
    return "0 s" if abs(offset) < NOTHING else f"{offset / MICROSECONDS:+.3f} s"
