"""Procrastinate's queries that change something, on SQLite: jobs come, are claimed, end and go; workers, too.

Rule: each is one function within a transaction; none of them waits, commits, or asks a clock.

They are the functions of upstream's `sql/schema.sql` in plain SQL of 2018, so that the SQLite of older systems may do:
no RETURNING, UPSERT, STRICT or JSON functions.  PostgreSQL's SKIP LOCKED has no counterpart, for there is one writer.
"""

from datetime import datetime
from typing import Any

from job_tracker.engine.embedded.asked import (
    JOB,
    JOB_NAMES,
    Asked,
    Refused,
    Rows,
    known_status,
    read_jobs,
    to_duration,
    to_json,
    to_microseconds,
)

NO_JOB: Rows = [dict.fromkeys(JOB_NAMES)]


def defer_jobs(asked: Asked) -> Rows:
    """All of them, or none; whether each can be kept at all is asked before what is there already."""
    return [{"id": _insert(asked, values)} for values in [_values(*job) for job in asked.argument["jobs"]]]


def _values(
    queue: str,
    task: str,
    priority: int,
    lock: str | None,
    queueing_lock: str | None,
    args: Any,
    scheduled_at: datetime | None,
) -> dict[str, Any]:
    if not -(2**31) <= priority < 2**31:
        raise Refused(f"a priority has 32 bits: {priority}")
    return {
        "queue": queue,
        "task": task,
        "priority": priority,
        "lock": lock,
        "queueing_lock": queueing_lock,
        "args": to_json(args),
        "scheduled_at": None if scheduled_at is None else to_microseconds(scheduled_at),
    }


def _insert(asked: Asked, values: dict[str, Any]) -> int:
    asked.change(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)"
        " VALUES (:queue, :task, :priority, :lock, :queueing_lock, :args, :scheduled_at)",
        **values,
    )
    # what the triggers have inserted meanwhile is no longer counted when the statement that fired them is over
    return int(asked.rows("SELECT last_insert_rowid() AS id")[0]["id"])


def defer_periodic_job(asked: Asked) -> Rows:
    """Once for each moment, by whichever worker comes first; only the newest moment is remembered."""
    names = ("queue", "task_name", "priority", "lock", "queueing_lock", "args")
    queue, task, priority, lock, queueing_lock, args = (asked.argument[name] for name in names)
    values = _values(queue, task, priority, lock, queueing_lock, args, None)
    made = asked.change(
        "INSERT INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)"
        " SELECT :task_name, :periodic_id, :defer_timestamp WHERE NOT EXISTS ("
        "SELECT 1 FROM procrastinate_periodic_defers WHERE task_name = :task_name AND periodic_id = :periodic_id"
        " AND defer_timestamp = :defer_timestamp)"
    )
    if made == 0:
        return [{"id": None}]
    row = asked.rows("SELECT last_insert_rowid() AS id")[0]["id"]
    job = _insert(asked, values)
    asked.change("UPDATE procrastinate_periodic_defers SET job_id = :job WHERE id = :row", job=job, row=row)
    asked.change(
        "DELETE FROM procrastinate_periodic_defers WHERE task_name = :task_name AND periodic_id = :periodic_id"
        " AND defer_timestamp < :defer_timestamp"
    )
    return [{"id": job}]


def fetch_job(asked: Asked) -> Rows:
    """The first that may run becomes the worker's."""
    if (job := _next(asked)) is None:
        return NO_JOB
    asked.change("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker_id WHERE id = :job", job=job)
    return read_jobs(asked.rows(f"SELECT {JOB} FROM procrastinate_jobs AS job WHERE id = :job", job=job))


def no_job(asked: Asked) -> Rows | None:
    """The answer where none may run; None where one may."""
    return NO_JOB if _next(asked) is None else None


def _next(asked: Asked) -> int | None:
    """By priority, then by age; of those that share a lock only the first, and none while another of them runs."""
    queues = asked.argument["queues"]
    if queues is None:
        firsts = asked.rows(WAITING.format(of_queue=""))
    else:  # each by its own index: what waits in other queues is not looked at
        of_queue = WAITING.format(of_queue="AND job.queue_name = :queue")
        firsts = [row for queue in queues for row in asked.rows(of_queue, queue=queue)]
    return min(firsts, key=lambda row: (-row["priority"], row["id"]))["id"] if firsts else None


WAITING = """
    SELECT job.id, job.priority FROM procrastinate_jobs AS job
    WHERE job.status = 'todo' {of_queue} AND (job.scheduled_at IS NULL OR job.scheduled_at <= :now)
    AND (job.lock IS NULL OR (
        NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs AS other WHERE other.lock = job.lock AND other.status = 'doing')
        AND NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs AS other WHERE other.lock = job.lock AND other.status = 'todo'
            AND (other.priority > job.priority OR (other.priority = job.priority AND other.id < job.id)))))
    ORDER BY job.priority DESC, job.id LIMIT 1
"""


def finish_job(asked: Asked) -> Rows:
    """It has ended so, or is gone."""
    job = asked.argument["job_id"]
    if asked.argument["status"] not in ("succeeded", "failed", "aborted"):
        raise Refused(f'End status should be either "succeeded", "failed" or "aborted" (job id: {job})')
    if asked.argument["delete_job"]:
        changed = asked.change("DELETE FROM procrastinate_jobs WHERE id = :job_id AND status IN ('todo', 'doing')")
    else:
        changed = asked.change(
            "UPDATE procrastinate_jobs SET status = :status, abort_requested = 0,"
            " attempts = attempts + (status = 'doing') WHERE id = :job_id AND status IN ('todo', 'doing')"
        )
    if changed == 0:
        raise Refused(f'Job was not found or not in "doing" or "todo" status (job id: {job})')
    return []


def cancel_job(asked: Asked) -> Rows:
    """One that waits runs no more; of one that runs it is asked, where abort is meant."""
    changed = 0
    if asked.argument["delete_job"]:
        changed = asked.change("DELETE FROM procrastinate_jobs WHERE id = :job_id AND status = 'todo'")
    if changed == 0 and asked.argument["abort"]:
        changed = asked.change(
            "UPDATE procrastinate_jobs SET abort_requested = 1,"
            " status = CASE status WHEN 'todo' THEN 'cancelled' ELSE status END"
            " WHERE id = :job_id AND status IN ('todo', 'doing')"
        )
    elif changed == 0:
        changed = asked.change(
            "UPDATE procrastinate_jobs SET status = 'cancelled' WHERE id = :job_id AND status = 'todo'"
        )
    return [{"id": asked.argument["job_id"] if changed else None}]


def retry_job(asked: Asked) -> Rows:
    """It waits again; one whose end was asked for meanwhile has failed instead."""
    found = asked.rows(
        "SELECT status, abort_requested FROM procrastinate_jobs WHERE id = :job_id AND status IN ('doing', 'failed')"
    )
    if not found:
        raise Refused(f"Job was not found or has an invalid status to retry (job id: {asked.argument['job_id']})")
    if found[0] == {"status": "doing", "abort_requested": 1}:
        asked.change("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = :job_id")
        return []
    retry_at = asked.argument["retry_at"]
    asked.change(
        "UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = :moment,"
        " priority = coalesce(:new_priority, priority), queue_name = coalesce(:new_queue_name, queue_name),"
        " lock = coalesce(:new_lock, lock) WHERE id = :job_id",
        moment=None if retry_at is None else to_microseconds(retry_at),
    )
    return []


def delete_old_jobs(asked: Asked) -> Rows:
    """Those whose newest event is older than that."""
    statuses = [known_status(each) for each in asked.argument["statuses"]]
    names = {f"status{number}": status for number, status in enumerate(statuses)}
    asked.change(
        f"DELETE FROM procrastinate_jobs WHERE status IN ({', '.join(f':{name}' for name in names)})"
        " AND (:queue IS NULL OR queue_name = :queue)"
        " AND (SELECT max(at) FROM procrastinate_events AS event WHERE event.job_id = procrastinate_jobs.id) < :before",
        before=asked.now - to_duration(asked.argument["nb_hours"], 3600),
        **names,
    )
    return []


def register_worker(asked: Asked) -> Rows:
    """A number that no other worker has or had."""
    asked.change("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:now)")
    return asked.rows("SELECT last_insert_rowid() AS worker_id")


def unregister_worker(asked: Asked) -> Rows:
    """Its jobs are nobody's, and so found as stalled."""
    asked.change("DELETE FROM procrastinate_workers WHERE id = :worker_id")
    return []


def update_heartbeat(asked: Asked) -> Rows:
    """It lives."""
    asked.change("UPDATE procrastinate_workers SET last_heartbeat = :now WHERE id = :worker_id")
    return []


def prune_stalled_workers(asked: Asked) -> Rows:
    """Those that have been silent for longer go."""
    before = asked.now - to_duration(asked.argument["seconds_since_heartbeat"])
    gone = asked.rows("SELECT id AS worker_id FROM procrastinate_workers WHERE last_heartbeat < :before", before=before)
    asked.change("DELETE FROM procrastinate_workers WHERE last_heartbeat < :before", before=before)
    return gone
