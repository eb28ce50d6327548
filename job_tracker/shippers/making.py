"""Making: from a shipper's entry to its target.

Rule: adding a target is a module, a line here, and its keys in the configuration; what it needs is imported when used.
"""

from collections.abc import Callable, Mapping

from job_tracker.config.shippers import ShipperEntry
from job_tracker.shippers.store import Cursor, ShipStore
from job_tracker.shippers.target import Target


def make_target(entry: ShipperEntry, cursor: Cursor, store: ShipStore) -> Target:
    """The target of a shipper that has come to its cursor.  Raises TargetRefused."""
    return TARGETS[entry.to](entry, cursor, store)


def _jsonl(entry: ShipperEntry, cursor: Cursor, store: ShipStore) -> Target:
    from job_tracker.shippers.jsonl import JsonlTarget

    return JsonlTarget(entry, cursor, store)


def _elasticsearch(entry: ShipperEntry, _cursor: Cursor, _store: ShipStore) -> Target:
    from job_tracker.shippers.elasticsearch import ElasticsearchTarget

    return ElasticsearchTarget(entry)


def _sqs(entry: ShipperEntry, _cursor: Cursor, _store: ShipStore) -> Target:
    from job_tracker.shippers.sqs import SqsTarget

    return SqsTarget(entry)


TARGETS: Mapping[str, Callable[[ShipperEntry, Cursor, ShipStore], Target]] = {
    "jsonl": _jsonl,
    "sqs": _sqs,
    "elasticsearch": _elasticsearch,
}
