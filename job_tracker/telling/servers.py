"""Servers: what the servers that run a job say of it, as the events tell it.

Rule: it is the server's own word, and nothing is judged by it here; where it cannot be read, that is said.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from job_tracker.core.events import REMOTE_STATUS
from job_tracker.events.reading import EventsReader, EventsUnreadable
from job_tracker.moments import MICROSECONDS
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import clock

Document = dict[str, Any]

LOOKED_AT = 200
SHOWN = 5
"""Jobs of the server that go on at the same time; one that nobody configured so has one."""


def is_by_server(meta: Document, job: Document) -> bool:
    """Whether one of its sources is a server that is asked about its jobs."""
    return any(meta["sources"].get(name, {}).get("about") for name in job["sources"])


def words_of(events: Path, job: Document) -> tuple[str, ...]:
    """What was said last of each that goes on, the newest first; of the newest, where none does."""
    try:
        reader = EventsReader(events)
        try:
            found = reader.newest_of(job["job"], REMOTE_STATUS, LOOKED_AT)
        finally:
            reader.close()
    except EventsUnreadable as failure:
        return (f"What its server said last is not to be had: {failure}.",)
    last: dict[tuple[str, str], Document] = {}
    for event in found:
        last.setdefault((event["source"], event["id"]), event)
    going_on = [event for event in last.values() if event["end"] is None]
    return tuple(_sentences(going_on or list(last.values())[:1], job["zone"]))


def _sentences(events: list[Document], zone: str) -> Iterator[str]:
    for event in events[:SHOWN]:
        named = f" ({safe(event['server'])})" if event["server"] else ""
        text = f": {safe(event['text'])}" if event["text"] else ""
        since, heard = (clock(round(event[name] * MICROSECONDS), zone) for name in ("at", "created"))
        told = f"its job {safe(event['id'])} is {safe(event['to'])} since {since}, which was heard at {heard}"
        yield f"{safe(event['source'])}{named} says: {told}{text}."
    if len(events) > SHOWN:
        yield f"And so of {len(events) - SHOWN} more: `job_tracker events --kind {REMOTE_STATUS}` has them."
