"""The tracker, for programs: a summary, events, sources, what belongs to no job, what waits, its health."""

from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import Response

from job_tracker.core.states import State
from job_tracker.events.reading import AT_ONCE, EventsMissing, EventsReader
from job_tracker.moments import MICROSECONDS
from job_tracker.telling import adopting
from job_tracker.telling import sources as contacts
from job_tracker.view import reading
from job_tracker.web import written
from job_tracker.web.answers import document
from job_tracker.web.api.answering import A_PAGE, MOST, answer
from job_tracker.web.context import Context
from job_tracker.web.stream import may_hear

LOOKED_THROUGH = 20 * AT_ONCE


def summary(context: Context) -> Response:
    """How many of the jobs that he sees show what."""
    rows = context.rows
    states = Counter(row.state for row in rows)
    statuses = Counter(row.status for row in rows)
    counts = {
        "jobs": len(rows),
        "states": {state.value: states[state.value] for state in State},
        "statuses": {str(status): statuses[status] for status in range(4)},
        "running": sum(row.open_runs for row in rows),
        "paused": sum(row.paused_until is not None for row in rows),
    }
    return answer(context, {"summary": counts})


def events(context: Context) -> Response:
    """The events behind a number that he may hear; `next` is what to ask for then, `more` whether at once."""
    seq = context.number("after", 0, 1 << 62)
    limit = max(1, context.number("limit", A_PAGE, MOST))
    jobs, kinds = context.all_of("job"), context.all_of("kind")
    found: list[dict[str, Any]] = []
    looked, is_end = 0, False
    reader = _events(context)
    try:
        while reader is not None and len(found) < limit and looked < LOOKED_THROUGH and not is_end:
            bite = reader.after(seq)
            is_end = len(bite) < AT_ONCE
            looked += len(bite)
            for event in bite:
                seq = event["seq"]
                if may_hear(event, context.who.rights) and _fits(event, jobs, kinds):
                    found.append(written.event(event))
                if len(found) == limit:
                    is_end = is_end and event is bite[-1]
                    break
    finally:
        if reader is not None:
            reader.close()
    return document({"events": found, "next": seq, "more": reader is not None and not is_end})


def sources(context: Context) -> Response:
    """How the tracker stands with its sources."""
    found = contacts.documents(context.board.meta) if context.board.meta else []
    return answer(context, {"sources": written.told(found)})


def unmatched(context: Context) -> Response:
    """What belongs to no job, the latest first, and the entries of a configuration that would adopt it."""
    _, rows = reading.read_unmatched(context.view)
    return answer(context, {"unmatched": written.told(rows), "adopting": adopting.adopting(rows)})


def notifications(context: Context) -> Response:
    """What the Event Console has not taken yet."""
    _, rows = reading.read_outbox(context.view)
    return answer(context, {"notifications": written.told(rows)})


def health(context: Context) -> Response:
    """Whether what is shown is so now, and how old it is; 503 where nobody knows."""
    since, meta = context.stale_since, context.board.meta
    age = max(0, context.now - meta["written"]) / MICROSECONDS if meta else None
    found = {
        "stale": since is not None,
        "since": written.optional(since or None),
        "why": context.board.why_stale(context.now),
        "written": written.optional(meta.get("written")),
        "age": age,
        "started": written.optional(meta.get("started")),
        "jobs": len(context.board.rows) if context.who.sees_all else len(context.rows),
        "seq": context.board.seq,
        "streams": len(context.part.hub.listeners),
    }
    return document(found, status=200 if since is None else 503)


def _events(context: Context) -> EventsReader | None:
    try:
        return EventsReader(context.events)
    except EventsMissing:
        return None


def _fits(event: dict[str, Any], jobs: list[str], kinds: list[str]) -> bool:
    if jobs and not any(fnmatchcase(event.get("job", ""), each) for each in jobs):
        return False
    return not kinds or any(fnmatchcase(event["kind"], each) for each in kinds)
