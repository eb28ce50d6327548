"""Other pages: sources, what belongs to no job, what waits to be delivered, and events."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from starlette.responses import Response

from job_tracker.core.events import GAP, KINDS
from job_tracker.events.reading import EventsMissing, EventsReader, EventsUnreadable
from job_tracker.telling import adopting
from job_tracker.telling import sources as contacts
from job_tracker.telling.events import told
from job_tracker.view import reading
from job_tracker.web.answers import page
from job_tracker.web.context import Context
from job_tracker.web.stream import may_hear

A_PAGE = 100
LOOKED_THROUGH = 50_000
"""Events looked through for those that are asked for."""

CONTACT_TONES = {"reachable": "ok", "unreachable": "crit", "refused": "crit"}


def sources(context: Context) -> Response:
    """How the tracker stands with its sources."""
    meta = context.board.meta
    found = contacts.documents(meta) if meta else []
    owned = {each["source"]: sum(1 for row in context.rows if each["source"] in row.sources) for each in found}
    latencies = {each["source"]: _latency(each) for each in found}
    return page(
        context,
        "sources.html",
        here="/sources",
        sources=found,
        owned=owned,
        latencies=latencies,
        drift=contacts.drift,
        tones=CONTACT_TONES,
    )


def unmatched(context: Context) -> Response:
    """What belongs to no job, with the lines that would adopt it."""
    meta, rows = reading.read_unmatched(context.view)
    return page(
        context,
        "unmatched.html",
        here="/unmatched",
        rows=rows,
        zone=meta["zone"],
        guesses=adopting.guesses(rows, list(context.board.rows)),
        as_json=adopting.snippet(rows),
        as_yaml=adopting.snippet(rows, as_yaml=True),
    )


def notifications(context: Context) -> Response:
    """What the Event Console has not taken yet."""
    _, rows = reading.read_outbox(context.view)
    return page(context, "notifications.html", here="/notifications", rows=rows)


def events(context: Context) -> Response:
    """What became true, the newest first."""
    pattern, kind = context.query.get("job", "").strip()[:200], context.query.get("kind", "")
    before = context.number("before", 1 << 62, 1 << 62)
    fault, found = "", []
    try:
        reader = EventsReader(context.events)
        try:
            found = list(islice(_fitting(context, reader, before, pattern, kind), A_PAGE + 1))
        finally:
            reader.close()
    except EventsMissing:
        fault = "There are no events yet: the tracker keeps them from its start on, unless event_log is off."
    except EventsUnreadable as failure:
        fault = str(failure)
    return page(
        context,
        "events.html",
        here="/events",
        events=[(each, told(each)) for each in found[:A_PAGE]],
        further=found[A_PAGE - 1]["seq"] if len(found) > A_PAGE else None,
        pattern=pattern,
        kind=kind,
        kinds=KINDS,
        fault=fault,
        is_first=not context.query.get("before"),
    )


def _fitting(context: Context, reader: EventsReader, before: int, pattern: str, kind: str) -> Iterator[dict[str, Any]]:
    wanted = pattern if any(letter in pattern for letter in "*?[") else f"*{pattern}*"
    for event in islice(reader.backwards(before), LOOKED_THROUGH):
        if not may_hear(event, context.who.rights):
            continue
        if pattern and not fnmatchcase(event.get("job", event.get("source", "")).lower(), wanted.lower()):
            continue
        if kind and event["kind"] not in (kind, GAP) and not fnmatchcase(event["kind"], kind):
            continue
        yield event


def _latency(source: dict[str, Any]) -> str:
    median, worst = source.get("latency_median"), source.get("latency_worst")
    return "" if median is None or worst is None else f"{median / 1000:.1f} / {worst / 1000:.1f} ms"
