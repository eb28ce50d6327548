"""Procrastinate's tables on SQLite, and its triggers' rules written again.

Rule: a change of status and the event that tells of it are one transaction.
Rule: times are whole microseconds since 1970.

One trigger per kind of change, because statements within a trigger have an order and triggers among themselves have
none: PostgreSQL runs its own by their names, so `abort_requested` stands before `scheduled`, both before the status.
"""

import sqlite3

APPLICATION = 0x6A6F6265
"""'jobe': SQLite's application id."""

LAYOUT = 1

NOW = "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000)"
"""For triggers, which are given no arguments: SQLite's clock has milliseconds."""

_STATUS_EVENT = f"""
    INSERT INTO procrastinate_events (job_id, type, at)
    SELECT new.id, type, {NOW} FROM (
        SELECT CASE old.status || ' ' || new.status
            WHEN 'todo doing' THEN 'started'
            WHEN 'doing todo' THEN 'deferred_for_retry'
            WHEN 'doing failed' THEN 'failed'
            WHEN 'doing succeeded' THEN 'succeeded'
            WHEN 'todo cancelled' THEN 'cancelled'
            WHEN 'todo failed' THEN 'cancelled'
            WHEN 'todo succeeded' THEN 'cancelled'
            WHEN 'doing aborted' THEN 'aborted'
            WHEN 'failed todo' THEN 'retried'
        END AS type
    ) WHERE type IS NOT NULL;
"""

_SCHEDULED_EVENT = """
    INSERT INTO procrastinate_events (job_id, type, at)
    SELECT new.id, 'scheduled', new.scheduled_at WHERE new.scheduled_at IS NOT NULL AND new.status = 'todo';
"""

STATEMENTS = (
    """
    CREATE TABLE procrastinate_workers (id INTEGER PRIMARY KEY AUTOINCREMENT, last_heartbeat INTEGER NOT NULL)
    """,
    """
    CREATE TABLE procrastinate_jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue_name TEXT NOT NULL CHECK (length(queue_name) <= 128),
        task_name TEXT NOT NULL CHECK (length(task_name) <= 128),
        priority INTEGER NOT NULL DEFAULT 0
            CHECK (typeof(priority) = 'integer' AND priority BETWEEN -2147483648 AND 2147483647),
        lock TEXT, queueing_lock TEXT, args TEXT NOT NULL DEFAULT '{}',
        status TEXT NOT NULL DEFAULT 'todo'
            CHECK (status IN ('todo', 'doing', 'succeeded', 'failed', 'cancelled', 'aborting', 'aborted')),
        scheduled_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0, abort_requested INTEGER NOT NULL DEFAULT 0,
        worker_id INTEGER REFERENCES procrastinate_workers (id) ON DELETE SET NULL,
        CONSTRAINT check_not_todo_abort_requested CHECK (NOT (status = 'todo' AND abort_requested)))
    """,
    """
    CREATE TABLE procrastinate_periodic_defers (
        id INTEGER PRIMARY KEY AUTOINCREMENT, task_name TEXT NOT NULL CHECK (length(task_name) <= 128),
        defer_timestamp INTEGER, job_id INTEGER REFERENCES procrastinate_jobs (id),
        periodic_id TEXT NOT NULL DEFAULT '' CHECK (length(periodic_id) <= 128),
        UNIQUE (task_name, periodic_id, defer_timestamp))
    """,
    """
    CREATE TABLE procrastinate_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, job_id INTEGER NOT NULL REFERENCES procrastinate_jobs ON DELETE CASCADE,
        type TEXT, at INTEGER)
    """,
    "CREATE UNIQUE INDEX jobs_queueing_lock ON procrastinate_jobs (queueing_lock) WHERE status = 'todo'",
    "CREATE UNIQUE INDEX jobs_lock ON procrastinate_jobs (lock) WHERE status = 'doing'",
    "CREATE INDEX jobs_waiting ON procrastinate_jobs (priority DESC, id) WHERE status = 'todo'",
    "CREATE INDEX jobs_waiting_in_queue ON procrastinate_jobs (queue_name, priority DESC, id) WHERE status = 'todo'",
    "CREATE INDEX jobs_waiting_for_lock ON procrastinate_jobs (lock, priority, id) WHERE status = 'todo'",
    "CREATE INDEX jobs_doing ON procrastinate_jobs (id) WHERE status = 'doing'",
    "CREATE INDEX jobs_worker ON procrastinate_jobs (worker_id)",  # or each worker that goes looks at all that ever ran
    "CREATE INDEX jobs_queue ON procrastinate_jobs (queue_name)",
    "CREATE INDEX events_job ON procrastinate_events (job_id)",
    "CREATE INDEX defers_job ON procrastinate_periodic_defers (job_id)",
    f"""
    CREATE TRIGGER job_deferred AFTER INSERT ON procrastinate_jobs WHEN new.status = 'todo' BEGIN
        {_SCHEDULED_EVENT}
        INSERT INTO procrastinate_events (job_id, type, at) VALUES (new.id, 'deferred', {NOW});
    END
    """,
    f"""
    CREATE TRIGGER job_changed AFTER UPDATE OF status, abort_requested ON procrastinate_jobs BEGIN
        INSERT INTO procrastinate_events (job_id, type, at) SELECT new.id, 'abort_requested', {NOW}
        WHERE new.abort_requested AND (NOT old.abort_requested OR new.status = old.status);
        {_SCHEDULED_EVENT}
        {_STATUS_EVENT}
    END
    """,
    f"""
    CREATE TRIGGER job_left_by_its_worker AFTER UPDATE OF worker_id ON procrastinate_jobs
    WHEN new.worker_id IS NULL AND new.status = 'todo' BEGIN
        {_SCHEDULED_EVENT}
    END
    """,
    """
    CREATE TRIGGER job_deleted BEFORE DELETE ON procrastinate_jobs BEGIN
        UPDATE procrastinate_periodic_defers SET job_id = NULL WHERE job_id = old.id;
    END
    """,
)


def make(connection: sqlite3.Connection) -> None:
    """Lay the tables out where there are none yet; within a transaction."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == LAYOUT:
        return  # another engine that was started with this one was first
    for statement in STATEMENTS:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


class Foreign(Exception):
    """The file is somebody else's, or of another version."""


def check(connection: sqlite3.Connection) -> None:
    """Raises Foreign, or sqlite3.DatabaseError where it is no database at all."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise Foreign("it is a database of another program")
    if found != LAYOUT:
        raise Foreign(f"it has layout {found}, and this program knows {LAYOUT}")
