"""The embedded store's file: how it is opened, by how many, and who is told of what."""

import asyncio
import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from procrastinate import App, exceptions, jobs
from procrastinate.manager import JobManager

from job_tracker.engine.embedded import connector as connector_module
from job_tracker.engine.embedded.bells import Bell, ring
from job_tracker.engine.embedded.connector import SqliteConnector
from job_tracker.engine.embedded.file import connect, transaction
from job_tracker.errors import StoreRefused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sqlite"


@pytest.fixture
def connector(path: Path) -> Iterator[SqliteConnector]:
    made = SqliteConnector(path)
    made.open()
    yield made
    made.close()


def job(**more: Any) -> jobs.Job:
    given = {"queue": "default", "lock": None, "queueing_lock": None, "task_name": "load"}
    return jobs.Job(**{**given, **more})


# -- the file ----------------------------------------------------------------------------------------------------------


def test_a_new_store_is_its_owners_alone_and_whole(connector: SqliteConnector, path: Path) -> None:
    """Requests hold arguments that are nobody else's business, in the file and beside it; no draft is left."""
    JobManager(connector).defer_job(job())

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

    assert modes == {"engine.sqlite": 0o600, "engine.sqlite-wal": 0o600, "engine.sqlite-shm": 0o600}


def test_engines_that_start_together_make_one_store(path: Path) -> None:
    """Each of them finds none and makes one; what the first has taken in must not vanish under the second's."""
    opened: list[SqliteConnector] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        each = SqliteConnector(path)
        barrier.wait(30)
        each.open()
        JobManager(each).defer_job(job())
        opened.append(each)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(JobManager(opened[0]).list_jobs()) == 8
    for each in opened:
        each.close()
    assert [each.name for each in path.parent.iterdir()] == ["engine.sqlite"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.touch(), "is empty, what was queued is lost; restore a copy, or remove it to begin anew"),
        (lambda path: path.mkdir(), "is not a regular file; name another store"),
        (lambda path: os.mkfifo(path), "is not a regular file"),
        (lambda path: path.symlink_to("/etc/passwd"), "is not a regular file"),
        (lambda path: path.write_bytes(b"no database" * 100), "file is not a database; mend that, then start again"),
        (lambda path: sqlite3.connect(path).executescript("CREATE TABLE a (b)").connection.close(), "another program"),
        (lambda path: make_with_layout(path, 7), "it has layout 7, and this program knows 1"),
    ],
)
def test_what_is_no_store_is_refused_and_left_as_it_is(path: Path, make: Callable[[Path], Any], reason: str) -> None:
    """An empty queue in the place of a damaged one would hide that requests were lost."""
    make(path)

    with pytest.raises(StoreRefused, match=reason):
        SqliteConnector(path).open()


def make_with_layout(path: Path, layout: int) -> None:
    made = SqliteConnector(path)
    made.open()
    made.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {layout}")
    connection.close()


def test_a_store_that_is_not_open_is_said_to_be_so(path: Path) -> None:
    """A caller that forgot to open it must not make one by asking."""
    with pytest.raises(exceptions.AppNotOpen):
        JobManager(SqliteConnector(path)).list_jobs()

    assert not path.exists()


def test_a_forked_child_opens_its_own_and_leaves_the_parents_alone(connector: SqliteConnector) -> None:
    """SQLite's locks do not outlive a fork: a child with its parent's connection would undo what that one does."""
    manager = JobManager(connector)
    manager.defer_job(job())

    child = multiprocessing.get_context("fork").Process(target=manager.defer_job, args=(job(),))
    child.start()
    child.join(60)

    assert child.exitcode == 0
    assert len(manager.list_jobs()) == 2


# -- one writer --------------------------------------------------------------------------------------------------------


def test_while_another_process_writes_one_waits_and_the_loop_goes_on(connector: SqliteConnector, path: Path) -> None:
    """A sibling's slow disk must neither fail a request nor keep the engine from what it does otherwise."""
    other = connect(path)
    ticks: list[int] = []

    async def meanwhile() -> None:
        for number in range(20):
            ticks.append(number)
            await asyncio.sleep(0.005)
        other.execute("COMMIT")

    async def both() -> None:
        other.execute("BEGIN IMMEDIATE")
        defer = asyncio.create_task(JobManager(connector).defer_job_async(job()))
        await meanwhile()
        await defer

    asyncio.run(both())
    other.close()

    assert len(ticks) == 20
    assert len(JobManager(connector).list_jobs()) == 1


def test_a_lock_that_is_never_given_back_ends_in_a_clear_error(
    connector: SqliteConnector, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for ever says nothing; the worker ends, and its owner says why."""
    monkeypatch.setattr(connector_module, "LOCK_SECONDS", 0.1)
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(exceptions.ConnectorException, match=r"has been locked by another process .* nothing was done"):
        JobManager(connector).defer_job(job())

    other.execute("COMMIT")
    other.close()
    assert JobManager(connector).list_jobs() == []


def test_an_idle_worker_looks_without_being_the_writer(connector: SqliteConnector, path: Path) -> None:
    """Workers that have nothing to do must not keep those from writing who have."""
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")

    found = asyncio.run(JobManager(connector).fetch_job(None, 1))

    other.execute("COMMIT")
    other.close()
    assert found is None


def test_a_job_is_deferred_in_the_transaction_of_the_caller(connector: SqliteConnector, path: Path) -> None:
    """A request and its job are there both or not at all."""
    manager, own = JobManager(connector), connect(path)

    def in_vain() -> None:
        with transaction(own):
            manager.defer_job(job(), connection=own)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_vain()
    with transaction(own):
        manager.defer_job(job(queueing_lock="once"), connection=own)
        with pytest.raises(exceptions.AlreadyEnqueued):
            manager.batch_defer_jobs([job(), job(queueing_lock="once")], connection=own)

    own.close()
    assert [each.queueing_lock for each in manager.list_jobs()] == ["once"]


# -- who is told -------------------------------------------------------------------------------------------------------


async def listened(connector: SqliteConnector, queues: list[str] | None, act: Callable[[JobManager], Any]) -> list[Any]:
    """What one hears of what another connector does, up to a job in the queue `end`."""
    manager, other = JobManager(connector), SqliteConnector(connector.path)
    heard: list[Any] = []
    is_listening, is_over = asyncio.Event(), asyncio.Event()

    async def hear(*, channel: str, notification: jobs.Notification) -> None:
        row = await manager.list_jobs_async(id=notification["job_id"])
        queue = next(iter(row)).queue
        if queue == "begin":
            is_listening.set()
        elif queue == "end":
            is_over.set()
        else:
            heard.append((channel, notification["type"], notification["job_id"]))

    manager.defer_job(job(queue="begin"))  # what waits already is told
    watched = None if queues is None else ["begin", "end", *queues]
    listening = asyncio.create_task(manager.listen_for_jobs(on_notification=hear, queues=watched))
    async with asyncio.timeout(60), App(connector=other).open_async():
        await is_listening.wait()
        await act(JobManager(other))
        await JobManager(other).defer_job_async(job(queue="end"))
        await is_over.wait()
    listening.cancel()
    await asyncio.wait([listening])
    return heard


def test_a_new_job_is_heard_of_by_who_listens_to_its_queue(connector: SqliteConnector, path: Path) -> None:
    """A job is started at once and not at the next look, five seconds later."""

    async def defer(manager: JobManager) -> None:
        await manager.defer_job_async(job(queue="a"))
        await manager.defer_job_async(job(queue="b"))

    heard = asyncio.run(listened(connector, ["b"], defer))

    assert heard == [("procrastinate_queue_v1#b", "job_inserted", 3)]
    assert list(path.with_name("engine.sqlite.bells").iterdir()) == []


def test_the_wished_end_of_a_running_job_is_heard_of_once(connector: SqliteConnector) -> None:
    """A cancel reaches the worker at once, whichever it is."""

    async def cancel(manager: JobManager) -> None:
        worker = await manager.register_worker()
        running = await manager.fetch_job(None, worker)
        assert running is not None
        await manager.defer_job_async(job(queue="a"))
        await manager.cancel_job_by_id_async(2, abort=True)
        await manager.cancel_job_by_id_async(running.id or 0, abort=True)

    heard: list[Any] = []

    async def run() -> None:
        manager, told = JobManager(connector), asyncio.Event()

        async def hear(*, channel: str, notification: jobs.Notification) -> None:
            heard.append((notification["type"], notification["job_id"]))
            if heard[-1] == ("abort_job_requested", 1):
                told.set()

        await manager.defer_job_async(job(queue="first"))
        listening = asyncio.create_task(manager.listen_for_jobs(on_notification=hear))
        async with asyncio.timeout(60):
            await cancel(manager)
            await told.wait()
        listening.cancel()
        await asyncio.wait([listening])

    asyncio.run(run())

    assert heard.count(("abort_job_requested", 1)) == 1
    assert ("abort_job_requested", 2) not in heard


def test_a_bell_of_somebody_who_was_killed_goes_and_none_is_waited_for(tmp_path: Path) -> None:
    """Listeners die by kill -9; what they leave must neither hold up who rings nor grow."""
    living, dead = Bell(tmp_path), tmp_path / "1-dead"
    os.mkfifo(dead)
    (tmp_path / "no-bell").write_text("kept")

    for _ in range(100):
        ring(tmp_path)
    asyncio.run(asyncio.wait_for(living.rung(), 30))

    assert not dead.exists()
    assert (tmp_path / "no-bell").read_text() == "kept"
    living.close()
    ring(tmp_path / "nobody listens")
