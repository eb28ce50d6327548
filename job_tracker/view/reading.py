"""Reading the view: for whoever looks on, with or without a daemon that writes.

Rule: reading creates, changes and removes nothing beside the view, and holds its lock no longer than one answer takes.
Rule: who cannot read it is told why, and what to do or whom to ask.

The standard library's sqlite3 reads here, not sqlitedict: with flag='r' that opens the file for writing all the same,
sets the journal mode, and leaves the reader waiting for ever when its thread has died of a file it may not write.
"""

import grp
import json
import os
import pwd
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from job_tracker.core.tallies import DAY
from job_tracker.errors import JobTrackerError
from job_tracker.view.documents import LAYOUT, Document

BUSY = 5.0
"""Seconds to wait while the daemon commits."""

_ROLLBACK_NEEDED = sqlite3.SQLITE_READONLY_ROLLBACK
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

Answer = TypeVar("Answer")


class ViewUnreadable(JobTrackerError):
    """The view cannot be read; nothing is shown, for what would be shown might be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """All there is of one job; runs, changes and messages as they lie, the oldest first."""

    meta: Document
    job: Document
    promise: Document
    runs: tuple[Document, ...]
    changes: tuple[Document, ...]
    messages: tuple[Document, ...]


def read_meta(path: Path) -> Document:
    """The meta document: who writes the view, and how the sources stand."""
    return checked(path, ask_view(path, _meta))


def read_jobs(path: Path) -> tuple[Document, list[Document]]:
    """The meta document, and every job's document with its promise, in the order of the configuration."""

    def ask(connection: sqlite3.Connection) -> tuple[str, list[tuple[str, str]]]:
        rows = connection.execute("SELECT jobs.value, promises.value FROM jobs JOIN promises USING (key)").fetchall()
        return _meta(connection), rows

    meta, rows = ask_view(path, ask)
    jobs = [{**json.loads(job), "promise": json.loads(promise)} for job, promise in rows]
    return checked(path, meta), sorted(jobs, key=lambda job: job["promise"]["order"])


def read_keys(path: Path) -> tuple[str, ...]:
    """The keys of all jobs."""
    return ask_view(path, lambda it: tuple(key for (key,) in it.execute("SELECT key FROM jobs ORDER BY key")))


def read_job(path: Path, key: str) -> JobView | None:
    """One job with its history; None if there is no such job."""

    def rows(connection: sqlite3.Connection, table: str) -> list[str]:
        statement = f'SELECT value FROM "{table}" WHERE key > ? AND key < ? ORDER BY key'  # noqa: S608 - names below
        return [value for (value,) in connection.execute(statement, (f"{key} ", f"{key}!"))]

    def ask(connection: sqlite3.Connection) -> tuple[str, tuple[str, str] | None, list[list[str]]]:
        statement = "SELECT jobs.value, promises.value FROM jobs JOIN promises USING (key) WHERE key = ?"
        job = connection.execute(statement, (key,)).fetchone()
        return _meta(connection), job, [rows(connection, table) for table in ("runs", "changes", "messages")]

    meta, job, tables = ask_view(path, ask)
    meta_document = checked(path, meta)
    if job is None:
        return None
    runs, changes, messages = ([json.loads(value) for value in table] for table in tables)
    return JobView(
        meta=meta_document,
        job=json.loads(job[0]),
        promise=json.loads(job[1]),
        runs=tuple(runs),
        changes=tuple(changes),
        messages=tuple(sorted(messages, key=lambda each: (each["moment"], each["source"], each["number"]))),
    )


def read_days(path: Path, key: str, most: int) -> tuple[Document, list[Document]]:
    """The meta document, and what the last days of a job came to that have anything to tell, the oldest first."""

    def ask(connection: sqlite3.Connection) -> tuple[str, list[tuple[str]]]:
        statement = "SELECT value FROM days WHERE key > ? AND key < ? ORDER BY key"
        return _meta(connection), connection.execute(statement, (f"{key} ", f"{key}!")).fetchall()

    meta, rows = ask_view(path, ask)
    meta_document = checked(path, meta)
    days = [day for (month,) in rows for day in sorted(json.loads(month).items())]
    return meta_document, [{"date": date, **dict(zip(DAY, values, strict=True))} for date, values in days[-most:]]


def read_spans(path: Path) -> tuple[Document, list[Document]]:
    """The meta document, and since when each source was in contact, or nobody looked, by their beginning."""
    return _read_all(path, "spans")


def read_unmatched(path: Path) -> tuple[Document, list[Document]]:
    """The meta document, and what belongs to no configured job, the latest first."""
    return _read_all(path, "unmatched")


def count_unmatched(path: Path) -> int:
    """How many names belong to no configured job."""
    _, rows = read_unmatched(path)
    return len({(row["name"], row["env"]) for row in rows})


def read_outbox(path: Path) -> tuple[Document, list[Document]]:
    """The meta document, and what waits to be delivered, the longest first."""
    return _read_all(path, "outbox")


def _read_all(path: Path, table: str) -> tuple[Document, list[Document]]:
    def ask(connection: sqlite3.Connection) -> tuple[str, list[str]]:
        rows = connection.execute(f'SELECT value FROM "{table}" ORDER BY key')  # noqa: S608 - named above
        return _meta(connection), [value for (value,) in rows]

    meta, rows = ask_view(path, ask)
    return checked(path, meta), [json.loads(value) for value in rows]


def ask_view(path: Path, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """Ask in one transaction; a second time if the file was replaced at this very moment."""
    check_access(path)
    try:
        return _ask(path, ask)
    except sqlite3.Error as failure:
        code = getattr(failure, "sqlite_errorcode", 0)
        if code == _ROLLBACK_NEEDED:
            return _ask_copy(path, ask)
        if code in _BUSY_CODES:
            raise ViewUnreadable(f"{path} has been locked for {BUSY:g} s; try again in a moment") from failure
    time.sleep(0.1)  # whatever it was is being made or renamed: look once more
    check_access(path)
    try:
        return _ask(path, ask)
    except sqlite3.Error as failure:
        raise ViewUnreadable(
            f"{path} cannot be read as a view of job_tracker: {failure}; "
            f"the daemon writes a new one at its start, or name another one with --view"
        ) from failure


def _ask(path: Path, ask: Callable[[sqlite3.Connection], Answer], mode: str = "ro") -> Answer:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
    try:
        connection.execute("BEGIN")
        return ask(connection)
    finally:
        connection.close()


def _ask_copy(path: Path, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """Undo what a killed daemon left half written, in a copy: who only looks on must not do it in the view."""
    with tempfile.TemporaryDirectory(prefix="job_tracker.") as directory:
        copy = Path(directory, "view.sqlite")
        try:
            shutil.copyfile(path, copy)
            shutil.copyfile(f"{path}-journal", f"{copy}-journal")
            return _ask(copy, ask, mode="rw")
        except (OSError, sqlite3.Error) as failure:
            raise ViewUnreadable(
                f"{path} was left half written by a daemon that was killed, and cannot be mended in a copy: {failure}; "
                "start the daemon, it writes a new one"
            ) from failure


def check_access(path: Path) -> None:
    """Raises ViewUnreadable, with whom to ask."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        is_file = stat.S_ISREG(os.fstat(file).st_mode)
        os.close(file)
    except FileNotFoundError as failure:
        raise ViewUnreadable(
            f"{path}: there is no view; the daemon writes it at its start, so start it, "
            f"or name the file with -c CONFIG or --view FILE"
        ) from failure
    except PermissionError as failure:
        me = user_name(os.geteuid())
        raise ViewUnreadable(f"{path}: you ({me}) may not read it; {whom_to_ask(path)}") from failure
    except OSError as failure:
        raise ViewUnreadable(f"{path}: {failure.strerror}; name the view with -c CONFIG or --view FILE") from failure
    if not is_file:  # SQLite would wait for somebody to write into a FIFO
        raise ViewUnreadable(f"{path} is no file; name the view with -c CONFIG or --view FILE")


def whom_to_ask(path: Path) -> str:
    """Who could let us in to what bars the way, the file or a directory above it: a group that may, or its owner."""
    barrier = path.absolute()
    for each in [*reversed(barrier.parents), barrier]:
        barrier = each
        if not os.access(each, os.X_OK if each.is_dir() else os.R_OK, effective_ids=True):
            break
    status = barrier.stat()
    what = "it" if barrier == path.absolute() else str(barrier)
    owner, group = user_name(status.st_uid), group_name(status.st_gid)
    opens = stat.S_IXGRP if barrier.is_dir() else stat.S_IRGRP
    if status.st_gid == 0 or not status.st_mode & opens:  # nobody is taken into root's group for the sake of a look
        return f"{what} belongs to {owner} alone: run this as {owner}, as with `sudo -u {owner}`"
    return f"{what} belongs to {owner} and the group {group}: ask {owner} to take you into the group {group}"


def user_name(uid: int) -> str:
    """A user's name, or the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def group_name(gid: int) -> str:
    """A group's name, or its number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _meta(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM meta WHERE key = 'meta'").fetchone()
    return "{}" if row is None else str(row[0])


def checked(path: Path, text: str) -> Document:
    """A meta document that this version understands.  Raises ViewUnreadable."""
    meta: Document = json.loads(text)
    if meta.get("layout") != LAYOUT:
        raise ViewUnreadable(
            f"{path} was written by job_tracker {meta.get('version', '?')}, which lays it out differently; "
            "use that version's command, or restart the daemon with this one"
        )
    return meta
