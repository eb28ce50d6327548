"""Layout: the tables of the ledger, and how an older ledger becomes a present one.

Rule: a layout once released is never edited; a change is a new layout and a migration from the one before.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from job_tracker.errors import StoreRefused

APPLICATION = 0x6A6F6274
"""'jobt': SQLite's application id, so that a stranger's database is never taken for a ledger."""

LAYOUT = 7

TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (name TEXT PRIMARY KEY, drained INTEGER, queue TEXT, nonce TEXT, nonce_before TEXT) WITHOUT ROWID;
CREATE TABLE jobs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, promise TEXT NOT NULL,
    runs INTEGER NOT NULL, standing TEXT NOT NULL);
CREATE TABLE runs (
    job INTEGER NOT NULL, number INTEGER NOT NULL, id TEXT, begun INTEGER, outcome TEXT NOT NULL, ended INTEGER,
    errors INTEGER NOT NULL, timeouts INTEGER NOT NULL, timeout_at INTEGER, text TEXT NOT NULL, exit_code INTEGER,
    PRIMARY KEY (job, number)) WITHOUT ROWID;
CREATE INDEX live_runs ON runs (job) WHERE outcome = 'open' OR errors > 0;
CREATE TABLE messages (
    job INTEGER NOT NULL, moment INTEGER NOT NULL, source TEXT NOT NULL, number INTEGER NOT NULL,
    claimed INTEGER NOT NULL, received INTEGER NOT NULL, name TEXT NOT NULL, env TEXT NOT NULL, event TEXT NOT NULL,
    text TEXT NOT NULL, uid TEXT NOT NULL, run TEXT, exit_code INTEGER,
    PRIMARY KEY (job, moment, source, number, uid)) WITHOUT ROWID;
CREATE TABLE checkpoints (
    job INTEGER NOT NULL, serial INTEGER NOT NULL, runs INTEGER NOT NULL,
    moment INTEGER, source TEXT, number INTEGER, standing TEXT NOT NULL, PRIMARY KEY (job, serial)) WITHOUT ROWID;
CREATE TABLE changes (
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL, serial INTEGER NOT NULL, at INTEGER NOT NULL,
    state_from TEXT NOT NULL, status_from INTEGER NOT NULL, state_to TEXT NOT NULL, status_to INTEGER NOT NULL,
    errors INTEGER NOT NULL, missed INTEGER NOT NULL, text TEXT NOT NULL, found INTEGER NOT NULL);
CREATE INDEX changes_of_job ON changes (job, serial);
CREATE TABLE taken (uid TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE unmatched (
    source TEXT NOT NULL, name TEXT NOT NULL, env TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, sample TEXT NOT NULL,
    PRIMARY KEY (source, name, env, reason)) WITHOUT ROWID;
"""

SECOND_LAYOUT = """
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, job TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, status INTEGER NOT NULL,
    text TEXT NOT NULL);
"""


def _add_outbox(connection: sqlite3.Connection) -> None:
    """Layout 2: notifications that are not delivered yet."""
    for statement in SECOND_LAYOUT.split(";"):
        connection.execute(statement)


THIRD_LAYOUT = """
ALTER TABLE outbox ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
CREATE TABLE told (job TEXT PRIMARY KEY, state TEXT NOT NULL, status INTEGER NOT NULL) WITHOUT ROWID;
"""


def _add_told(connection: sqlite3.Connection) -> None:
    """Layout 3: since when a notification waits, how many older ones had to go, and what was told last."""
    for statement in THIRD_LAYOUT.split(";"):
        connection.execute(statement)


FOURTH_LAYOUT = """
ALTER TABLE runs ADD COLUMN usage TEXT;
ALTER TABLE runs ADD COLUMN is_out_of_order INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN signal TEXT;
ALTER TABLE messages ADD COLUMN usage TEXT;
ALTER TABLE messages ADD COLUMN until INTEGER
"""

NEVER_RAN = """
UPDATE changes SET state_from = 'NEVER_RAN' WHERE state_from = 'UNKNOWN' AND status_from = 0;
UPDATE changes SET state_to = 'NEVER_RAN' WHERE state_to = 'UNKNOWN' AND status_to = 0
"""

REASONS = """
UPDATE unmatched SET reason = CASE WHEN reason = 'no such job is configured' THEN 'unknown_job'
    ELSE 'unreadable ' || reason END
"""


def _add_meanings(connection: sqlite3.Connection) -> None:
    """Layout 4: what a message means is kept with it, and what a run used with the run; a standing says more.

    Why a message is kept aside is a value, no longer a sentence; of other reasons than the usual one the words stay.
    """
    for statement in (FOURTH_LAYOUT + ";" + NEVER_RAN + ";" + REASONS).split(";"):
        connection.execute(statement)
    for read, write in (
        ("SELECT standing, id FROM jobs", "UPDATE jobs SET standing = ? WHERE id = ?"),
        (
            "SELECT standing, job, serial FROM checkpoints",
            "UPDATE checkpoints SET standing = ? WHERE job = ? AND serial = ?",
        ),
    ):
        rows = connection.execute(read).fetchall()
        connection.executemany(write, ((_fourth_standing(text), *place) for text, *place in rows))


def _fourth_standing(text: str) -> str:
    body = json.loads(text)
    for old, new in (("skipped", "overtaken"), ("covered", "former_source_drained"), ("blind", "unseen")):
        body[new] = body.pop(old, None)
    if body["state"] == "UNKNOWN":  # of a standing it said that no message had come
        body["state"] = "NEVER_RAN"
    made = body.pop("made", [])  # a day was awaited, and the starts made on it and after it were listed
    del body["day"]
    body["awaits_from"] = max([body["expected"] or body["promised_since"], *(each + 1 for each in made)])
    body |= {"last_begun": body["last_start"], "opened_by": None, "pause": None, "paused_until": None}
    body.setdefault("delivered", -1)
    if "runs" in body:
        body["runs"] = [[*run, None, 0] for run in body["runs"]]
    return json.dumps(body, separators=(",", ":"))


FIFTH_LAYOUT = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, created INTEGER NOT NULL, kind TEXT NOT NULL, job TEXT, run INTEGER,
    late INTEGER NOT NULL, corrects TEXT, doc TEXT NOT NULL);
CREATE INDEX events_of_job ON events (job, at) WHERE job IS NOT NULL
"""


def _add_events(connection: sqlite3.Connection) -> None:
    """Layout 5: what became true, numbered, for those who are told of it."""
    for statement in FIFTH_LAYOUT.split(";"):
        connection.execute(statement)


SIXTH_LAYOUT = """
ALTER TABLE runs ADD COLUMN counted_on INTEGER;
CREATE TABLE days (
    job INTEGER NOT NULL, day INTEGER NOT NULL, well INTEGER NOT NULL, warned INTEGER NOT NULL,
    skipped INTEGER NOT NULL, badly INTEGER NOT NULL, lost INTEGER NOT NULL, missed INTEGER NOT NULL,
    alarms INTEGER NOT NULL, unseen INTEGER NOT NULL, shortest INTEGER, median INTEGER, p95 INTEGER, longest INTEGER,
    lengths BLOB, PRIMARY KEY (job, day)) WITHOUT ROWID;
CREATE TABLE marks (
    job INTEGER NOT NULL, serial INTEGER NOT NULL, day INTEGER NOT NULL, missed INTEGER NOT NULL,
    alarms INTEGER NOT NULL, PRIMARY KEY (job, serial)) WITHOUT ROWID;
CREATE TABLE unseen (job INTEGER PRIMARY KEY, since INTEGER NOT NULL);
CREATE TABLE spans (
    source TEXT NOT NULL, begin INTEGER NOT NULL, contact TEXT, PRIMARY KEY (source, begin)) WITHOUT ROWID
"""


def _add_days(connection: sqlite3.Connection) -> None:
    """Layout 6: statistics of days, and spans of contact; both begin empty, and say so."""
    for statement in SIXTH_LAYOUT.split(";"):
        connection.execute(statement)


SEVENTH_LAYOUT = """
CREATE TABLE remote_jobs (
    source TEXT NOT NULL, id TEXT NOT NULL, process TEXT NOT NULL, status TEXT NOT NULL, step INTEGER NOT NULL,
    is_started INTEGER NOT NULL, is_ended INTEGER NOT NULL, is_ignored INTEGER NOT NULL, metrics INTEGER NOT NULL,
    since INTEGER NOT NULL, absent_since INTEGER, PRIMARY KEY (source, id)) WITHOUT ROWID
"""


def _add_remote_jobs(connection: sqlite3.Connection) -> None:
    """Layout 7: what was last seen of the jobs of other servers."""
    connection.execute(SEVENTH_LAYOUT)


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    1: _add_outbox,
    2: _add_told,
    3: _add_meanings,
    4: _add_events,
    5: _add_days,
    6: _add_remote_jobs,
}
"""By the layout they start from."""


def make(connection: sqlite3.Connection) -> None:
    """Lay out an empty file."""
    later = ";".join((FOURTH_LAYOUT, FIFTH_LAYOUT, SIXTH_LAYOUT, SEVENTH_LAYOUT))
    for statement in (TABLES + SECOND_LAYOUT + THIRD_LAYOUT + later).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def check(connection: sqlite3.Connection, path: Path) -> int:
    """The layout of an existing file; refuses a stranger's, and one from a newer version."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise StoreRefused(f"{path} is an SQLite file, but not a store of job_tracker; name another store_file")
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > LAYOUT:
        raise StoreRefused(
            f"{path} has layout {found}, written by a newer job_tracker; this one knows up to {LAYOUT}. "
            f"Install the newer version again, or restore the copy it kept beside the store before it migrated"
        )
    return found


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Bring an older layout up to the present one, in the caller's transaction."""
    for layout in range(found, LAYOUT):
        MIGRATIONS[layout](connection)
        connection.execute(f"PRAGMA user_version = {layout + 1}")
