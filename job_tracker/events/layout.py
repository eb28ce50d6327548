"""Layout: the tables of the events file, and how a row is told.

Rule: whoever writes and whoever reads take both from here.
"""

import json
from typing import Any

from job_tracker.moments import MICROSECONDS

APPLICATION = 0x6A6F6265
"""'jobe': SQLite's application id, so that a stranger's database is never taken for an events file."""

LAYOUT = 1
COLUMNS = "seq, at, created, kind, job, run, late, corrects, doc"
MARKS = "?,?,?,?,?,?,?,?,?"

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, created INTEGER NOT NULL, kind TEXT NOT NULL, job TEXT, run INTEGER,
    late INTEGER NOT NULL, corrects TEXT, doc TEXT NOT NULL);
CREATE INDEX events_of_job ON events (job, seq) WHERE job IS NOT NULL
"""

Row = tuple[Any, ...]


def document(row: Row, tracker: str) -> dict[str, Any]:
    """An event as programs read it; moments and durations are seconds."""
    seq, at, created, kind, job, run, late, corrects, doc = row
    body: dict[str, Any] = json.loads(doc)
    told: dict[str, Any] = {"seq": seq, "tracker": tracker, "kind": kind}
    told |= {"at": at / MICROSECONDS, "created": created / MICROSECONDS}
    if late:
        told["late"] = True
    if corrects:
        told["corrects"] = json.loads(corrects)
    if job:
        told["job"] = job
    if run is not None:
        told["run"] = {"number": run, "id": body.pop("id", None)}
    return {**told, **body}
