"""The connector: gives Procrastinate's App, Worker and JobManager, as they are, their queries on an SQLite file.

Rule: whoever writes has the file alone from BEGIN IMMEDIATE on, and between that and COMMIT nothing is awaited: a task
that is cancelled cannot lose what it has claimed.
Rule: a query that is refused, a file that stays locked, a disk that is full: a ConnectorException, and nothing is done.

The file lies on a local disk, and one user opens it.  A lock of another process is waited for a moment by SQLite, then
by sleeping, so that the other tasks of the loop go on.  Whoever waits for jobs, or for the end of one, is rung for
after COMMIT (`bells`) and looks what there is (`listening`): PostgreSQL's LISTEN and NOTIFY.
"""

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from procrastinate import exceptions
from procrastinate.connector import BaseAsyncConnector, Notify

from job_tracker.engine.embedded import upstream
from job_tracker.engine.embedded.asked import Asked, Doubled, Refused, Row, Rows
from job_tracker.engine.embedded.bells import Bell, ring
from job_tracker.engine.embedded.file import File, is_locked, savepoint, transaction
from job_tracker.engine.embedded.listening import Listening
from job_tracker.errors import StoreRefused

LOCK_SECONDS = 30.0
PAUSE_SECONDS = 0.002, 0.02


class SqliteConnector(BaseAsyncConnector):
    """For one store; for several threads and event loops of a process."""

    def __init__(self, path: Path) -> None:
        """Raises StoreRefused where another Procrastinate is installed than was written again here."""
        if differences := upstream.differences(upstream.texts()):
            raise StoreRefused(
                f"this Procrastinate cannot be used with an SQLite store: {', '.join(differences)};"
                " install the version that job_tracker[engine] names"
            )
        self.path = path
        self._bells = path.with_name(f"{path.name}.bells")
        self._queries = {text: upstream.QUERIES[name] for name, text in upstream.texts().items()}
        self._file: File | None = None

    # -- opening ---------------------------------------------------------------------------------------------------

    def get_sync_connector(self) -> "SqliteConnector":
        """Itself."""
        return self

    def open(self, pool: Any = None) -> None:
        """Open the file, or make it; a pool there is none.  Raises StoreRefused."""
        if self._file is None:
            self._file = File(self.path)

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
        self._file = None

    async def open_async(self, pool: Any = None) -> None:
        """Open the file, or make it; a pool there is none.  Raises StoreRefused."""
        self.open()

    async def close_async(self) -> None:
        """Let go of it."""
        self.close()

    # -- asking ----------------------------------------------------------------------------------------------------

    async def execute_query_all_async(self, query: str, **arguments: Any) -> Rows:
        """All rows.  Raises ConnectorException."""
        return await self._ask_async(self._known(query), arguments)

    async def execute_query_async(self, query: str, **arguments: Any) -> None:
        """No row.  Raises ConnectorException."""
        await self._ask_async(self._known(query), arguments)

    async def execute_query_one_async(self, query: str, **arguments: Any) -> Row:
        """One row.  Raises NoResult, ConnectorException."""
        return _first(await self._ask_async(self._known(query), arguments))

    def execute_query_all(self, query: str, **arguments: Any) -> Rows:
        """All rows.  Raises ConnectorException."""
        return self._ask(self._known(query), arguments)

    def execute_query(self, query: str, **arguments: Any) -> None:
        """No row.  Raises ConnectorException."""
        self._ask(self._known(query), arguments)

    def execute_query_one(self, query: str, **arguments: Any) -> Row:
        """One row.  Raises NoResult, ConnectorException."""
        return _first(self._ask(self._known(query), arguments))

    def _known(self, text: str) -> upstream.Query:
        if (query := self._queries.get(text)) is None:
            raise exceptions.ConnectorException(f"this query is not known here, nothing was done: {text[:200]}")
        return query

    async def _ask_async(self, query: upstream.Query, arguments: dict[str, Any]) -> Rows:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return self._ask_once(query, arguments)
            except _Locked as locked:
                await asyncio.sleep(self._pause(until, locked))

    def _ask(self, query: upstream.Query, arguments: dict[str, Any]) -> Rows:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return self._ask_once(query, arguments)
            except _Locked as locked:
                time.sleep(self._pause(until, locked))

    def _pause(self, until: float, locked: Exception) -> float:
        if time.monotonic() > until:
            raise exceptions.ConnectorException(
                f"{self.path} has been locked by another process for {LOCK_SECONDS:.0f} s; nothing was done"
            ) from locked
        return random.uniform(*PAUSE_SECONDS)  # noqa: S311 - who waits is to wait for others, not in step with them

    def _ask_once(self, query: upstream.Query, arguments: dict[str, Any]) -> Rows:
        """Raises _Locked, ConnectorException."""
        if self._file is None:
            raise exceptions.AppNotOpen
        with _translated(self.path), self._file.connection() as connection:
            asked = Asked(connection=connection, now=time.time_ns() // 1000, argument=arguments)
            if not query.writes:
                return query.ask(asked)
            if query.idle is not None and (rows := query.idle(asked)) is not None:
                return rows
            with transaction(connection):
                rows = query.ask(asked)
        if query.rings:
            self.ring()
        return rows

    # -- within a transaction of somebody else's -------------------------------------------------------------------

    def execute_query_all_with_connection(self, connection: sqlite3.Connection, query: str, **arguments: Any) -> Rows:
        """Within the caller's transaction; he calls `ring` once it is committed."""
        asked = Asked(connection=connection, now=time.time_ns() // 1000, argument=arguments)
        with _translated(self.path), savepoint(connection):
            return self._known(query).ask(asked)

    def execute_query_one_with_connection(self, connection: sqlite3.Connection, query: str, **arguments: Any) -> Row:
        """Within the caller's transaction; he calls `ring` once it is committed."""
        return _first(self.execute_query_all_with_connection(connection, query, **arguments))

    async def execute_query_all_async_with_connection(
        self, connection: sqlite3.Connection, query: str, **arguments: Any
    ) -> Rows:
        """Within the caller's transaction; he calls `ring` once it is committed."""
        return self.execute_query_all_with_connection(connection, query, **arguments)

    async def execute_query_one_async_with_connection(
        self, connection: sqlite3.Connection, query: str, **arguments: Any
    ) -> Row:
        """Within the caller's transaction; he calls `ring` once it is committed."""
        return self.execute_query_one_with_connection(connection, query, **arguments)

    # -- being told ------------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Let all who listen look at once."""
        ring(self._bells)

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Tell of new jobs and of those whose end is asked for, until it is cancelled."""
        bell, listening = Bell(self._bells), Listening(channels)
        looking = upstream.Query("", listening.news, writes=False)
        try:
            while True:
                for told in await self._ask_async(looking, {}):
                    await on_notification(channel=told["channel"], payload=json.dumps(told["payload"]))
                await bell.rung()
        finally:
            bell.close()


class _Locked(exceptions.ConnectorException):
    """Another process has the file just now; it is asked again."""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """What happened, in Procrastinate's words."""
    try:
        yield
    except Doubled as failure:
        raise exceptions.UniqueViolation(
            constraint_name=failure.constraint, queueing_lock=failure.queueing_lock
        ) from failure
    except (Refused, StoreRefused) as failure:
        raise exceptions.ConnectorException(str(failure)) from failure
    except (sqlite3.Error, OverflowError, UnicodeEncodeError) as failure:
        if is_locked(failure):
            raise _Locked(str(failure)) from failure
        raise exceptions.ConnectorException(f"{path}: {failure}; nothing of it was done") from failure


def _first(rows: Rows) -> Row:
    if not rows:
        raise exceptions.NoResult
    return rows[0]
