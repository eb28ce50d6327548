"""Procrastinate's queries that look, on SQLite.

Rule: each is one function that reads; whoever looks keeps nobody from writing.
"""

from collections.abc import Callable

from job_tracker.engine.embedded.asked import JOB, Asked, Rows, known_status, read_jobs, to_duration, to_moment


def stalled_by_started(asked: Asked) -> Rows:
    """Running jobs that were started longer ago."""
    found = asked.rows(
        f"SELECT {JOB}, max(event.at) AS started_at FROM procrastinate_jobs AS job"
        " JOIN procrastinate_events AS event ON event.job_id = job.id"
        " WHERE event.type = 'started' AND job.status = 'doing' AND (:queue IS NULL OR job.queue_name = :queue)"
        " AND (:task_name IS NULL OR job.task_name = :task_name)"
        " GROUP BY job.id HAVING max(event.at) < :before ORDER BY job.id",
        before=asked.now - to_duration(asked.argument["nb_seconds"]),
    )
    return [row | {"started_at": to_moment(row["started_at"])} for row in read_jobs(found)]


def stalled_by_heartbeat(asked: Asked) -> Rows:
    """Running jobs whose worker is gone, or has been silent for longer."""
    found = asked.rows(
        f"SELECT {JOB} FROM procrastinate_jobs AS job LEFT JOIN procrastinate_workers AS worker"
        " ON worker.id = job.worker_id AND worker.last_heartbeat < :before"
        " WHERE job.status = 'doing' AND (:queue IS NULL OR job.queue_name = :queue)"
        " AND (:task_name IS NULL OR job.task_name = :task_name)"
        " AND (job.worker_id IS NULL OR worker.id IS NOT NULL) ORDER BY job.id",
        before=asked.now - to_duration(asked.argument["seconds_since_heartbeat"]),
    )
    return read_jobs(found)


FILTER = (
    "(:queue_name IS NULL OR queue_name = :queue_name) AND (:task_name IS NULL OR task_name = :task_name)"
    " AND (:status IS NULL OR status = :status) AND (:lock IS NULL OR lock = :lock)"
)


def list_jobs(asked: Asked) -> Rows:
    """By their numbers."""
    known_status(asked.argument["status"])
    found = asked.rows(
        f"SELECT {JOB}, job.abort_requested FROM procrastinate_jobs AS job WHERE {FILTER}"
        " AND (:id IS NULL OR id = :id) AND (:queueing_lock IS NULL OR queueing_lock = :queueing_lock)"
        " AND (:worker_id IS NULL OR worker_id = :worker_id) ORDER BY id"
    )
    return [row | {"abort_requested": bool(row["abort_requested"])} for row in read_jobs(found)]


def counted_by(column: str) -> Callable[[Asked], Rows]:
    """How many there are of each, by status."""

    def count(asked: Asked) -> Rows:
        known_status(asked.argument["status"])
        counts: dict[str, dict[str, int]] = {}
        for row in asked.rows(
            f"SELECT {column} AS name, status, count(*) AS jobs FROM procrastinate_jobs WHERE {FILTER}"
            f" AND {column} IS NOT NULL GROUP BY {column}, status ORDER BY {column}, status"
        ):
            counts.setdefault(row["name"], {})[row["status"]] = row["jobs"]
        return [{"name": name, "jobs_count": sum(of.values()), "stats": of} for name, of in counts.items()]

    return count


def list_jobs_to_abort(asked: Asked) -> Rows:
    """Running jobs whose end somebody asked for."""
    return asked.rows(
        "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND abort_requested"
        " AND (:queue_name IS NULL OR queue_name = :queue_name) ORDER BY id"
    )


def get_job_status(asked: Asked) -> Rows:
    """Of one job."""
    return asked.rows("SELECT status FROM procrastinate_jobs WHERE id = :job_id")


def count_jobs_status(asked: Asked) -> Rows:
    """How many there are."""
    return asked.rows("SELECT count(*) AS count, status FROM procrastinate_jobs GROUP BY status")


def check_connection(asked: Asked) -> Rows:
    """Whether the tables are there."""
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'procrastinate_jobs'"
    return [{"check": next((row["name"] for row in asked.rows(tables)), None)}]
