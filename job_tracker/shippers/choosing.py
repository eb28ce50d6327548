"""Choosing: which events a shipper sends, and in which words.

Rule: pure; the same event is the same item whenever it is chosen.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from job_tracker.config.shippers import Only, ShipperEntry
from job_tracker.core.events import GAP
from job_tracker.shippers import formats
from job_tracker.shippers.target import Item

Event = Mapping[str, Any]

TEXTS = ("text", "message")
"""What jobs themselves say, in their events."""


class Untellable(ValueError):
    """An event cannot be told in the words of a format; it becomes a dead letter, and those behind it go on."""


def item(entry: ShipperEntry, event: Event) -> Item | None:
    """An event on its way, None if this shipper does not send it.  Raises Untellable.

    Its document is what logstash would make of its line: the job's id beside what is told, and when that became true.
    """
    if not fits(entry.only, event) or (is_of_jobs(entry) and not (event.get("job") or event.get("id"))):
        return None
    if not entry.texts:
        event = {name: value for name, value in event.items() if name not in TEXTS}
    try:
        document = formats.document(entry.format, event)
        line = None if document is None else formats.line(entry.format, event)
        if document is None or line is None:
            return None
        key = formats.key(event)
        body = {
            "@timestamp": _iso(event["at"]),
            **({} if entry.format == formats.PLAIN else {"job_id": key}),
            **document,
        }
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as fault:
        raise Untellable(f"cannot be told as {entry.format}: {type(fault).__name__}: {str(fault)[:200]}") from fault
    uid = str(event.get("uid") or f"{event['tracker']}-{event['seq']}")
    return Item(seq=event["seq"], uid=uid, key=key, event=event, document=body, line=line)


def is_of_jobs(entry: ShipperEntry) -> bool:
    """Whether its documents are of jobs, so that an event of none has no place among them."""
    return entry.to == "elasticsearch" and entry.document == "job"


def fits(only: Only, event: Event) -> bool:
    """Whether it is wanted; what is lacking concerns every job and every source."""
    kind = event["kind"]
    if only.kinds and not any(fnmatchcase(kind, each) for each in only.kinds):
        return False
    if kind == GAP:
        return True
    if only.sources and event.get("source") not in only.sources:
        return False
    return not only.jobs or any(fnmatchcase(event.get("job", ""), each) for each in only.jobs)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
