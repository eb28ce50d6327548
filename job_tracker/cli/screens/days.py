"""The days screen: what each of a job's days came to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.moments import span
from job_tracker.telling.times import clock, local

Document = dict[str, Any]

COUNTED = ("well", "warned", "skipped", "badly", "lost", "missed", "alarms")
MEASURED = ("unseen", "shortest", "median", "p95", "longest")
BAD = frozenset({"badly", "lost", "missed", "alarms"})
HEADINGS = ("DAY", "WELL", "WARNED", "SKIPPED", "FAILED", "LOST", "MISSED", "ALARMS", *map(str.upper, MEASURED))


def last(rows: Sequence[Document], most: int, now: int, zone: str) -> list[Document]:
    """Those of the last days, today included."""
    oldest = (local(now, zone).date() - timedelta(days=most - 1)).isoformat()
    return [row for row in rows if row["date"] >= oldest]


def table(rows: Sequence[Document]) -> Table:
    """A line per day on which there was anything to count."""
    return Table(headings=HEADINGS, rows=[_row(row) for row in rows], right=frozenset(HEADINGS[1:]))


def known_since(since: int | None, zone: str) -> str:
    """From when on the days are whole."""
    return "days are not counted, event_log is false" if since is None else f"counted since {clock(since, zone)}"


def _row(row: Document) -> list[Cell]:
    counts = [cell(str(row[name] or ""), STYLES[2] if name in BAD and row[name] else "") for name in COUNTED]
    measures = [cell("" if row[name] is None else span(row[name])) for name in MEASURED[1:]]
    unseen = cell(span(row["unseen"]) if row["unseen"] else "")
    return [cell(row["date"]), *counts, unseen, *measures]
