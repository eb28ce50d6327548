"""A query on its way: what it is asked with, what SQLite answers, and what PostgreSQL would refuse.

Rule: what PostgreSQL would not take is not taken here, so that what is kept here can move there.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate.jobs import Status
from procrastinate.manager import QUEUEING_LOCK_CONSTRAINT

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LOCK_CONSTRAINT = "procrastinate_jobs_lock_idx_v1"
NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
STATUSES = frozenset({*(status.value for status in Status), "aborting"})

JOB_NAMES = (
    *("id", "status", "task_name", "priority", "lock", "queueing_lock", "args", "scheduled_at"),
    *("queue_name", "attempts", "worker_id"),
)
JOB = ", ".join(f"job.{name}" for name in JOB_NAMES)

Row = dict[str, Any]
Rows = list[Row]


class Refused(Exception):
    """PostgreSQL would refuse this, too: nothing of it is done."""


class Doubled(Exception):
    """Something is there already that may be there once.

    constraint: upstream's name of it.  queueing_lock: which, if it is one.
    """

    def __init__(self, constraint: str, queueing_lock: str | None) -> None:
        super().__init__(f"{constraint}: {queueing_lock}")
        self.constraint, self.queueing_lock = constraint, queueing_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query on its way.  now: microseconds.  argument: as upstream names them."""

    connection: sqlite3.Connection
    now: int
    argument: Mapping[str, Any]

    def rows(self, statement: str, **more: Any) -> Rows:
        """What SQLite answers."""
        cursor = self.connection.execute(statement, {"now": self.now, **self.argument, **more})
        names = [each[0] for each in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def change(self, statement: str, **more: Any) -> int:
        """How many rows it changed."""
        try:
            return self.connection.execute(statement, {"now": self.now, **self.argument, **more}).rowcount
        except sqlite3.IntegrityError as failure:
            raise self._of_constraint(failure, more) from failure

    def _of_constraint(self, failure: sqlite3.IntegrityError, more: Mapping[str, Any]) -> Exception:
        if "procrastinate_jobs.queueing_lock" in str(failure):
            lock = more.get("queueing_lock", self.argument.get("queueing_lock"))
            if lock is None:
                lock = self.rows("SELECT queueing_lock FROM procrastinate_jobs WHERE id = :job_id")[0]["queueing_lock"]
            return Doubled(QUEUEING_LOCK_CONSTRAINT, lock)
        if "procrastinate_jobs.lock" in str(failure):
            return Doubled(LOCK_CONSTRAINT, None)
        return Refused(str(failure))


def to_microseconds(moment: datetime) -> int:
    """Exactly."""
    if moment.tzinfo is None:
        raise Refused(f"{moment} has no time zone")
    return (moment - EPOCH) // MICROSECOND


def to_moment(microseconds: int) -> datetime:
    """Exactly."""
    return EPOCH + microseconds * MICROSECOND


def to_duration(given: float, unit: int = 1) -> int:
    """Microseconds; unit: seconds."""
    return round(float(given) * unit * 1_000_000)


def known_status(given: str | None) -> str | None:
    """It, or none.  Raises Refused."""
    if given is not None and given not in STATUSES:
        raise Refused(f"{given!r} is no status of a job")
    return given


def to_json(value: Any) -> str:
    """As PostgreSQL would take it, so that what is kept here can move there: no NaN, no NUL, no half of a character."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as failure:
        raise Refused(f"the arguments cannot be kept as JSON: {failure}") from failure
    if NUL.search(text):
        raise Refused("the arguments hold a character NUL, which cannot be kept")
    return text


def read_jobs(rows: Sequence[Row]) -> Rows:
    """What JSON and moments were."""
    return [
        row
        | {
            "args": json.loads(row["args"]),
            "scheduled_at": None if row["scheduled_at"] is None else to_moment(row["scheduled_at"]),
        }
        for row in rows
    ]
