"""One scenario on SQLite and on PostgreSQL: what Procrastinate answers, and what it leaves, is the same.

Chance draws what is done; jobs and workers are called by the order in which they came, because a number that PostgreSQL
gave to what it rolled back is missing there.  SEEDS=300 draws as many scenarios.
"""

import asyncio
import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres import postgresql
from procrastinate import App, PsycopgConnector, exceptions, jobs
from procrastinate.manager import JobManager

from job_tracker.engine.embedded.asked import to_moment
from job_tracker.engine.embedded.connector import SqliteConnector
from job_tracker.engine.embedded.file import connect

SEEDS = int(os.environ.get("SEEDS", "4"))
STEPS = 120
HOUR = timedelta(hours=1)
BEGUN = datetime.now(UTC).replace(microsecond=123456)
QUEUES = ["a", "b", "c"]
STATUS = [jobs.Status.SUCCEEDED, jobs.Status.FAILED, jobs.Status.ABORTED, jobs.Status.CANCELLED]

Step = Callable[["Store"], Any]


class Store:
    """Procrastinate on one of the two, what came of it so far, and its clock."""

    def __init__(self, app: App, execute: Callable[..., list[Any]]) -> None:
        self.manager, self.execute = app.job_manager, execute
        self.jobs: list[int] = []
        self.workers: list[int] = []

    def job(self, number: int) -> int:
        """One of the newest, of which most is still to come."""
        return self.jobs[-1 - number % min(len(self.jobs), 6)] if self.jobs else 0

    def worker(self, number: int) -> int:
        return self.workers[-1 - number % min(len(self.workers), 4)] if self.workers else 0

    def named(self, found: Any) -> Any:
        """Jobs and workers by their order."""
        match found:
            case jobs.Job():
                return {
                    **found.asdict(),
                    "id": self.jobs.index(found.id) if found.id in self.jobs else found.id,
                    "worker_id": None if found.worker_id is None else self.workers.index(found.worker_id),
                }
            case list():
                return [self.named(each) for each in found]
        return found

    def left(self) -> dict[str, list[Any]]:
        """All tables."""
        number = {None: None} | {id: number for number, id in enumerate(self.jobs)}
        worker = {None: None} | {id: number for number, id in enumerate(self.workers)}
        return {
            "jobs": [
                (number[row[0]], worker[row[1]], *row[2:-2], bool(row[-2]), moment(row[-1]))
                for row in self.execute(
                    "SELECT id, worker_id, queue_name, task_name, priority, lock, queueing_lock, status, attempts,"
                    " abort_requested, scheduled_at FROM procrastinate_jobs ORDER BY id"
                )
            ],
            "events": [
                (number[job], kind, moment(at) if kind == "scheduled" else None)
                for job, kind, at in self.execute("SELECT job_id, type, at FROM procrastinate_events ORDER BY id")
            ],
            "workers": [worker[row[0]] for row in self.execute("SELECT id FROM procrastinate_workers ORDER BY id")],
            "defers": [
                (number[job], *rest)
                for job, *rest in self.execute(
                    "SELECT job_id, task_name, periodic_id, defer_timestamp FROM procrastinate_periodic_defers"
                    " ORDER BY id"
                )
            ],
        }


def moment(found: Any) -> datetime | None:
    return to_moment(found) if isinstance(found, int) else found


# -- what is done ------------------------------------------------------------------------------------------------------


def drawn(chance: random.Random) -> tuple[str, Step]:
    """One step, and how it reads."""
    kind = chance.choices(
        [defer, fetch, finish, retry, cancel, periodic, workers, age, look],
        [7, 9, 5, 5, 6, 2, 3, 2, 3],
    )[0]
    step = kind(chance)
    return kind.__name__, step


def some_job(chance: random.Random) -> jobs.Job:
    when = chance.choice([None, None, None, BEGUN - HOUR, BEGUN + HOUR * 1000])
    return jobs.Job(
        queue=chance.choice(QUEUES),
        lock=chance.choice([None, None, "x", "y"]),
        queueing_lock=chance.choice([None, None, None, "once", "twice"]),
        task_name=chance.choice(["load", "copy", "x" * 129 if chance.random() < 0.05 else "load"]),
        priority=chance.choice([0, 0, 0, -3, 7, 2**31 if chance.random() < 0.05 else 1]),
        task_kwargs=chance.choice(
            [{}, {"day": "é\n\U0001f600", "n": 2**70}, {"deep": [1, {"a": None}]}, {"nul": "\0"}, {"nan": float("nan")}]
        ),
        scheduled_at=when,
    )


def defer(chance: random.Random) -> Step:
    batch = [some_job(chance) for _ in range(chance.choice([1, 1, 1, 3]))]

    async def step(store: Store) -> Any:
        made = await store.manager.batch_defer_jobs_async(batch)
        store.jobs += [job.id for job in made if job.id is not None]
        return made

    return step


def fetch(chance: random.Random) -> Step:
    worker, queues = chance.randrange(99), chance.choice([None, None, ["a"], ["b", "c"]])
    return lambda store: store.manager.fetch_job(queues, store.worker(worker))


def finish(chance: random.Random) -> Step:
    job, status, delete = chance.randrange(99), chance.choice(STATUS), chance.random() < 0.2
    return lambda store: store.manager.finish_job_by_id_async(store.job(job), status, delete)


def retry(chance: random.Random) -> Step:
    job, when = chance.randrange(99), BEGUN + chance.choice([-1, -1, 1000]) * HOUR
    priority, queue, lock = chance.choice([None, 4]), chance.choice([None, "b"]), chance.choice([None, "z"])
    return lambda store: store.manager.retry_job_by_id_async(store.job(job), when, priority, queue, lock)


def cancel(chance: random.Random) -> Step:
    job, abort, delete = chance.randrange(99), chance.random() < 0.6, chance.random() < 0.2
    return lambda store: store.manager.cancel_job_by_id_async(store.job(job), abort, delete)


def periodic(chance: random.Random) -> Step:
    at, name = chance.choice([100, 200, 300]), chance.choice(["", "nightly"])
    once = chance.choice([None, "once"])
    job = jobs.Job(queue="a", lock=None, queueing_lock=once, task_name="load", task_kwargs={"timestamp": at})

    async def step(store: Store) -> Any:
        made = await store.manager.defer_periodic_job(job, name, at)
        store.jobs += [] if made is None else [made]
        return made is None

    return step


def workers(chance: random.Random) -> Step:
    kind, worker = chance.choice(["come", "come", "go", "beat", "prune"]), chance.randrange(99)

    async def step(store: Store) -> Any:
        match kind:
            case "come":
                store.workers.append(await store.manager.register_worker())
            case "go":
                await store.manager.unregister_worker(store.worker(worker))
            case "beat":
                await store.manager.update_heartbeat(store.worker(worker))
            case "prune":
                gone = await store.manager.prune_stalled_workers(600)
                return sorted(store.workers.index(id) for id in gone)
        return None

    return step


def age(chance: random.Random) -> Step:
    """An hour passes: for what one worker said, for what was done with one job, or for all."""
    worker, job, of_all = chance.randrange(99), chance.randrange(99), chance.random() < 0.2

    async def step(store: Store) -> Any:
        earlier = "{0} - 3600000000" if isinstance(store.manager.connector, SqliteConnector) else "{0} - INTERVAL '1 h'"
        which = "" if of_all else f" WHERE id = {store.worker(worker)}"
        of_job = "" if of_all else f" AND job_id = {store.job(job)}"
        heartbeat, at = earlier.format("last_heartbeat"), earlier.format("at")
        store.execute(f"UPDATE procrastinate_workers SET last_heartbeat = {heartbeat}{which}")
        store.execute(f"UPDATE procrastinate_events SET at = {at} WHERE type != 'scheduled'{of_job}")

    return step


def look(chance: random.Random) -> Step:
    of_queue = chance.choice([None, "a"])
    looks: dict[str, Callable[[JobManager], Any]] = {
        "stalled": lambda of: of.get_stalled_jobs(seconds_since_heartbeat=600),
        "stalled of a task": lambda of: of.get_stalled_jobs(queue="a", task_name="load", seconds_since_heartbeat=600),
        "delete": lambda of: of.delete_old_jobs(1, of_queue, include_failed=True, include_cancelled=True),
        "delete successful": lambda of: of.delete_old_jobs(1),
        "queues": lambda of: of.list_queues_async(),
        "tasks": lambda of: of.list_tasks_async(status="doing"),
        "locks": lambda of: of.list_locks_async(queue="a"),
        "jobs": lambda of: of.list_jobs_async(queue="a", status="todo"),
        "no status": lambda of: of.list_jobs_async(status="lost"),
        "to abort": lambda of: of.list_jobs_to_abort_async(),
        "connection": lambda of: of.check_connection_async(),
    }
    name = chance.choice(list(looks))

    async def step(store: Store) -> Any:
        found = await looks[name](store.manager)
        if name == "to abort":
            return [store.jobs.index(id) for id in found]
        if name.startswith("stalled"):
            return sorted((store.named(job) for job in found), key=lambda job: job["id"])
        return found

    return step


# -- on both -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as dsn:
        yield dsn


async def said(store: Store, step: Step) -> Any:
    """What it answers, or refuses."""
    try:
        return store.named(await step(store))
    except exceptions.AlreadyEnqueued as refused:
        return str(refused)
    except exceptions.UniqueViolation as refused:
        return refused.constraint_name, refused.queueing_lock
    except exceptions.ConnectorException:
        return "refused"


async def on_both(steps: Iterable[tuple[str, Step]], dsn: str, path: Path) -> None:
    postgres, embedded = App(connector=PsycopgConnector(conninfo=dsn)), App(connector=SqliteConnector(path))
    with psycopg.connect(dsn, autocommit=True) as there:
        there.execute("DROP SCHEMA public CASCADE")
        there.execute("CREATE SCHEMA public")
        async with postgres.open_async(), embedded.open_async():
            with closing(connect(path)) as here:
                await postgres.schema_manager.apply_schema_async()
                await embedded.schema_manager.apply_schema_async()
                theirs, ours = Store(postgres, rows_of(there)), Store(embedded, rows_of(here))
                for number, (name, step) in enumerate(steps):
                    expected, found = await said(theirs, step), await said(ours, step)
                    assert found == expected, f"step {number}: {name}"
                    assert ours.left() == theirs.left(), f"step {number}: {name} -> {found}"


def rows_of(connection: psycopg.Connection[Any] | sqlite3.Connection) -> Callable[..., list[Any]]:
    def execute(statement: str) -> list[Any]:
        cursor = connection.execute(statement)
        return [] if cursor.description is None else cursor.fetchall()

    return execute


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_done_both_stores_answer_and_keep_the_same(server: str, seed: int, tmp_path: Path) -> None:
    """Whoever moves from one host to several is not to find that priorities, locks or a cancel mean something else."""
    chance = random.Random(seed)
    asyncio.run(on_both((drawn(chance) for _ in range(STEPS)), server, tmp_path / "engine.sqlite"))


async def come(store: Store) -> None:
    store.workers.append(await store.manager.register_worker())


def deferred(**more: Any) -> Step:
    given = {"queue": "a", "lock": None, "queueing_lock": None, "task_name": "load", **more}

    async def step(store: Store) -> None:
        store.jobs += [job.id for job in await store.manager.batch_defer_jobs_async([jobs.Job(**given)]) if job.id]

    return step


def claimed(store: Store) -> Any:
    return store.manager.fetch_job(None, store.workers[-1])


def of_job(number: int, action: Callable[[JobManager, int], Any]) -> Step:
    return lambda store: action(store.manager, store.jobs[number])


def aborted(number: int) -> Step:
    return of_job(number, lambda manager, id: manager.cancel_job_by_id_async(id, abort=True))


def ended(number: int, status: jobs.Status = jobs.Status.SUCCEEDED) -> Step:
    return of_job(number, lambda manager, id: manager.finish_job_by_id_async(id, status, False))


def tried_again(number: int) -> Step:
    return of_job(number, lambda manager, id: manager.retry_job_by_id_async(id, BEGUN - HOUR))


async def gone(store: Store) -> None:
    await store.manager.unregister_worker(store.workers[-1])


RULES: dict[str, list[Step]] = {
    "of one lock the more important first, and none while one runs": [
        *(deferred(lock="x", priority=1), deferred(lock="x", priority=5), deferred(lock="x", priority=5)),
        *(come, claimed, claimed, ended(1), claimed, ended(2), claimed, claimed),
    ],
    "one that waits for its time holds up those of its lock": [
        *(deferred(lock="x", scheduled_at=BEGUN + 1000 * HOUR, priority=1), deferred(lock="x"), deferred()),
        *(come, claimed, claimed),
    ],
    "who failed is tried again, who succeeded is not": [
        *(deferred(), come, claimed, ended(0, jobs.Status.FAILED), tried_again(0), claimed, ended(0), tried_again(0)),
    ],
    "an end that is asked for twice is told twice, and ends as asked": [
        *(deferred(), come, claimed, aborted(0), aborted(0), ended(0, jobs.Status.ABORTED), aborted(0)),
    ],
    "who is to end is not tried again, and not after that": [
        *(deferred(), come, claimed, aborted(0), tried_again(0), tried_again(0)),
    ],
    "one that never began is told as canceled, however it ended": [
        *(deferred(), deferred(), deferred(), aborted(0), ended(1), ended(2, jobs.Status.FAILED)),
    ],
    "who waits again is told when, also as his worker goes": [
        *(deferred(scheduled_at=BEGUN - HOUR), come, claimed, tried_again(0), gone, come, claimed, gone),
    ],
    "one that waits is enough for a queueing lock, also of who is tried again": [
        *(deferred(queueing_lock="once"), come, deferred(queueing_lock="once"), claimed),
        *(deferred(queueing_lock="once"), tried_again(0), ended(0)),
    ],
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_upstreams(server: str, rule: str, tmp_path: Path) -> None:
    """Chance may leave out for years what these do each time."""
    asyncio.run(on_both([(rule, step) for step in RULES[rule]], server, tmp_path / "engine.sqlite"))
