"""Windows: of many jobs at once what touches the time since a moment.

Rule: as with all reading, the file's lock is held no longer than one answer takes, however many jobs are asked for.
"""

import json
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from job_tracker.core.operator_word import OPERATOR
from job_tracker.view import reading
from job_tracker.view.documents import Document
from job_tracker.view.reading import JobView

JOBS_AT_ONCE = 100
"""Jobs read in one transaction."""

_ENDED_BEFORE = "SELECT max(key) FROM runs WHERE key > ?1 AND key < ?2 AND json_extract(value, '$.ended') < ?3"
_IN_WINDOW = {
    "runs": f"key >= coalesce(({_ENDED_BEFORE}), '')",
    "changes": "json_extract(value, '$.at') >= ?3",
    "messages": f"json_extract(value, '$.source') = '{OPERATOR}' AND ?3 IS NOT NULL",
}
"""Of runs the last that had ended before as well, which tells that none is missing; of messages the operators', whose
pauses may have begun before."""


def read_window(path: Path, keys: Sequence[str], since: int) -> tuple[Document, list[JobView]]:
    """The meta document, and of some jobs, in this order, what touches the time since a moment; not their old runs."""
    found: list[JobView] = []
    meta = reading.read_meta(path)
    for first in range(0, len(keys), JOBS_AT_ONCE):
        rows = reading.ask_view(path, partial(_windows_of, keys=keys[first : first + JOBS_AT_ONCE], since=since))
        for job, promise, *tables in (each for each in rows if each is not None):
            runs, changes, messages = ([json.loads(value) for value in table] for table in tables)
            view = JobView(
                meta=meta,
                job=json.loads(job),
                promise=json.loads(promise),
                runs=tuple(runs),
                changes=tuple(changes),
                messages=tuple(sorted(messages, key=lambda each: (each["moment"], each["number"]))),
            )
            found.append(view)
    return meta, found


def _windows_of(connection: sqlite3.Connection, keys: Sequence[str], since: int) -> list[tuple[Any, ...] | None]:
    return [_window_of(connection, key, since) for key in keys]


def _window_of(connection: sqlite3.Connection, key: str, since: int) -> tuple[Any, ...] | None:
    statement = "SELECT jobs.value, promises.value FROM jobs JOIN promises USING (key) WHERE key = ?"
    job = connection.execute(statement, (key,)).fetchone()
    if job is None:
        return None
    tables = []
    for table, condition in _IN_WINDOW.items():
        statement = f'SELECT value FROM "{table}" WHERE key > ?1 AND key < ?2 AND {condition} ORDER BY key'  # noqa: S608 - names of ours
        rows = connection.execute(statement, (f"{key} ", f"{key}!", since)).fetchall()
        tables.append([value for (value,) in rows])
    return (*job, *tables)
