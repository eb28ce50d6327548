"""Procrastinate's queries are those that were read: another text is named, and refused."""

import asyncio
from pathlib import Path

import procrastinate
import pytest
from procrastinate import sql

from job_tracker.engine.embedded import upstream
from job_tracker.engine.embedded.connector import SqliteConnector
from job_tracker.errors import StoreRefused


def test_the_installed_queries_and_schema_are_those_that_were_written_again() -> None:
    """A query of a new version means something that nobody has read; this says which, so that somebody does."""
    assert upstream.differences(upstream.texts()) == []


def test_a_query_that_changed_is_named_one_that_came_or_went_too() -> None:
    """Whoever raises the version reads these, and no other."""
    found = upstream.texts()
    found["finish_job"] += " "
    found["schema.sql"] = found["schema.sql"].replace("attempts + 1", "attempts + 2")
    found["pause_queue"] = "SELECT procrastinate_pause_queue_v1(%(queue)s)"
    del found["cancel_job"]

    assert upstream.differences(found) == [
        "cancel_job is gone",
        "finish_job has changed",
        "pause_queue is new",
        "schema.sql has changed",
    ]


def test_a_changed_query_opens_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade behind our back must not run jobs by rules that are half old and half new."""
    monkeypatch.setitem(sql.queries, "fetch_job", sql.queries["fetch_job"] + "\n-- and more")

    with pytest.raises(StoreRefused, match="fetch_job has changed; install the version"):
        SqliteConnector(tmp_path / "engine.sqlite")

    assert not (tmp_path / "engine.sqlite").exists()


def test_a_query_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """The store speaks Procrastinate's queries and no SQL: whoever sends another is told so, and nothing is done."""
    connector = SqliteConnector(tmp_path / "engine.sqlite")

    async def ask() -> None:
        async with procrastinate.App(connector=connector).open_async():
            await connector.execute_query_async("DROP TABLE procrastinate_jobs")

    with pytest.raises(
        procrastinate.exceptions.ConnectorException, match="not known here, nothing was done: DROP TABLE"
    ):
        asyncio.run(ask())
