"""Workers die, disks become full: each job is run once, and what was acknowledged is there."""

import asyncio
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import engine_worker
import pytest
from engine_worker import Workers
from procrastinate import App, exceptions
from procrastinate.jobs import Job, Status
from running import file_system, fill
from waiting import wait_until

JOBS = 150


@pytest.fixture
def record(tmp_path: Path) -> Path:
    made = tmp_path / "record"
    made.touch()
    return made


@pytest.fixture
def workers(tmp_path: Path, record: Path) -> Iterator[Workers]:
    made = Workers(tmp_path / "disk" / "engine.sqlite", record)
    yield made
    made.close()


def lines(record: Path, word: str) -> Counter[int]:
    """How often each job began, or ended."""
    return Counter(int(line.split()[1]) for line in record.read_text().splitlines() if line.split()[0] == word)


def statuses(app: App) -> dict[str | None, set[int]]:
    found: dict[str | None, set[int]] = {}
    for job in app.job_manager.list_jobs():
        found.setdefault(job.status, set()).add(int(str(job.task_kwargs["number"])))
    return found


def note(number: int) -> Job:
    return Job(queue="default", lock=None, queueing_lock=None, task_name="note", task_kwargs={"number": number})


def test_of_three_workers_that_are_killed_again_and_again_none_loses_or_doubles_a_job(
    tmp_path: Path, record: Path, workers: Workers
) -> None:
    """A load that runs twice doubles its figures, one that nobody lists is missed by nobody."""
    store, chance, kills = tmp_path / "disk" / "engine.sqlite", random.Random(7), 0
    store.parent.mkdir()
    app = engine_worker.app_of(store)
    app.open()
    app.job_manager.batch_defer_jobs([note(number) for number in range(JOBS)])

    for _ in range(3):
        workers.start()
    while "todo" in statuses(app):
        enough = lines(record, "begin").total() + chance.randrange(2, 20)
        wait_until(lambda: lines(record, "begin").total() >= enough or "todo" not in statuses(app), 120)  # noqa: B023 - waited for here
        workers.end(chance.choice(workers.living), signal.SIGKILL)
        workers.start()
        kills += 1
    for pid in list(workers.living):
        workers.end(pid, signal.SIGKILL)

    found, begun_once, ended_once = statuses(app), lines(record, "begin"), lines(record, "end")
    left = found.get("doing", set())
    stalled = asyncio.run(app.job_manager.get_stalled_jobs(seconds_since_heartbeat=0))
    assert kills >= 3
    assert found.get("succeeded", set()) | left == set(range(JOBS))
    assert max(begun_once.values()) == max(ended_once.values()) == 1
    assert found["succeeded"] <= set(ended_once)
    assert {job.task_kwargs["number"] for job in stalled} == left
    assert len(left) <= (kills + 3) * 3

    for job in stalled:  # the rule for one that is lost: it has failed, and what is run again is a new one
        asyncio.run(app.job_manager.finish_job(job, Status.FAILED, delete_job=False))
        app.job_manager.defer_job(note(1000 + int(str(job.task_kwargs["number"]))))
    last = workers.start()
    wait_until(lambda: not statuses(app).keys() & {"todo", "doing"}, 60)
    workers.end(last, signal.SIGTERM)
    assert statuses(app)["succeeded"] == (set(range(JOBS)) - left) | {1000 + number for number in left}
    app.close()
    with closing(sqlite3.connect(store)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT max(n) FROM (SELECT count(*) AS n FROM procrastinate_events"
                            " WHERE type = 'started' GROUP BY job_id)").fetchone() == (1,)  # fmt: skip


def test_on_a_full_disk_nothing_that_was_acknowledged_is_lost_and_the_worker_begins_again(
    tmp_path: Path, record: Path, workers: Workers
) -> None:
    """A full disk is found at night: until there is room nothing is claimed, and then all goes on by itself."""
    with file_system(tmp_path / "disk", "24m") as disk:
        app = engine_worker.app_of(disk / "engine.sqlite")
        app.open()
        app.job_manager.batch_defer_jobs([note(number) for number in range(20)])
        pid = workers.start()
        wait_until(lambda: lines(record, "end").total() == 20, 60)

        filler = fill(disk)
        acknowledged, refusal = 20, ""
        while not refusal:
            try:
                app.job_manager.batch_defer_jobs([note(number) for number in range(acknowledged, acknowledged + 10)])
                acknowledged += 10
            except exceptions.ConnectorException as refused:
                refusal = str(refused)
        wait_until(lambda: "another begins in 1 s" in workers.said(), 60)
        filler.unlink()
        wait_until(lambda: lines(record, "end").total() >= acknowledged, 120)
        wait_until(lambda: not statuses(app).keys() & {"todo", "doing"}, 60)
        workers.end(pid, signal.SIGTERM)

        assert "disk is full; nothing of it was done" in refusal
        assert "disk is full" in workers.said()
        assert lines(record, "begin") == lines(record, "end") == Counter(range(acknowledged))
        assert statuses(app) == {"succeeded": set(range(acknowledged))}
        app.close()
