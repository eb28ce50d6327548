"""Procrastinate's queries by the texts that it hands to its connector.

Rule: a query is known by its text, not by its name: one that upstream has changed is refused until somebody has read it
again, and written it again here.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from procrastinate import schema, sql

from job_tracker.engine.embedded import jobs, layout, lists
from job_tracker.engine.embedded.asked import Asked, Refused, Rows


@dataclass(frozen=True, slots=True)
class Query:
    """One of upstream's queries, as it was read.

    digest: of its text.  writes: it has to be the one writer.  rings: somebody may wait for what it leaves.
    idle: the answer where there is nothing to do, which is found without being a writer; else None.
    """

    digest: str
    ask: Callable[[Asked], Rows]
    writes: bool = True
    rings: bool = False
    idle: Callable[[Asked], Rows | None] | None = None


def apply_schema(asked: Asked) -> Rows:
    """Make the tables, once."""
    layout.make(asked.connection)
    return []


def listen_queue(asked: Asked) -> Rows:
    """What PostgreSQL is told by a query, the connector does by itself."""
    raise Refused(f"listening is no query here: {asked.argument}")


SCHEMA = "schema.sql"
QUERIES: Mapping[str, Query] = {
    SCHEMA: Query("1985d1bb16d157e6", apply_schema),
    "defer_jobs": Query("9866d38e43591598", jobs.defer_jobs, rings=True),
    "defer_periodic_job": Query("ea6b04988ac3313a", jobs.defer_periodic_job, rings=True),
    "fetch_job": Query("cdfaf364035990e2", jobs.fetch_job, idle=jobs.no_job),
    "select_stalled_jobs_by_started": Query("f915b7b120c183a8", lists.stalled_by_started, writes=False),
    "select_stalled_jobs_by_heartbeat": Query("5ed3078a15a498d3", lists.stalled_by_heartbeat, writes=False),
    "delete_old_jobs": Query("c41e060c16f86806", jobs.delete_old_jobs),
    "finish_job": Query("46012253eb4695e3", jobs.finish_job),
    "cancel_job": Query("ef28571fbeed0a0e", jobs.cancel_job, rings=True),
    "get_job_status": Query("30cbd8bf3791be0a", lists.get_job_status, writes=False),
    "retry_job": Query("8e4ad4efcf834ca4", jobs.retry_job),
    "listen_queue": Query("726d96acb4477b65", listen_queue, writes=False),
    "check_connection": Query("577b1550697e06a5", lists.check_connection, writes=False),
    "count_jobs_status": Query("97dd9cdc868b6587", lists.count_jobs_status, writes=False),
    "list_jobs": Query("d8fa0c0e347b3969", lists.list_jobs, writes=False),
    "list_queues": Query("f9663f9479187dfe", lists.counted_by("queue_name"), writes=False),
    "list_tasks": Query("1e2eb53a9a9cec38", lists.counted_by("task_name"), writes=False),
    "list_locks": Query("1030fb4aff39d275", lists.counted_by("lock"), writes=False),
    "list_jobs_to_abort": Query("b414dbd1ebe83854", lists.list_jobs_to_abort, writes=False),
    "register_worker": Query("c1f586449d9ef547", jobs.register_worker),
    "unregister_worker": Query("5d457810260df811", jobs.unregister_worker),
    "update_heartbeat": Query("20072135a408e084", jobs.update_heartbeat),
    "prune_stalled_workers": Query("20ea599ae729f744", jobs.prune_stalled_workers),
}


def texts() -> dict[str, str]:
    """Upstream's queries as they are installed here, by name."""
    made = schema.SchemaManager.get_schema().replace("%", "%%")  # as it is handed over
    return {**sql.queries, SCHEMA: made}


def digest(text: str) -> str:
    """By which a query is known again."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(found: Mapping[str, str]) -> list[str]:
    """What is not as it was read: a sentence each."""
    unknown = [f"{name} is new" for name in found if name not in QUERIES]
    gone = [f"{name} is gone" for name in QUERIES if name not in found]
    both = found.keys() & QUERIES.keys()
    changed = [f"{name} has changed" for name in both if digest(found[name]) != QUERIES[name].digest]
    return sorted(unknown + gone + changed)
