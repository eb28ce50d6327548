"""A store of the third layout, as the program of then wrote it, opens and goes on.

`third_layout.sql` is a dump of one in which jobs ran, failed, were missed, were heard by two sources, one of them away.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from job_tracker.config.reading import parse
from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.intake import take_in
from job_tracker.core.jobs import Jobs
from job_tracker.core.step import step
from job_tracker.core.texts import describe
from job_tracker.ledger import layout
from job_tracker.ledger.ledger import Entry, Ledger
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import MICROSECONDS

T = 1_763_942_400
NOW = (T + 24_010) * MICROSECONDS
SOURCES = ("app1", "app2")


def jobs_of_then() -> Jobs:
    """The configuration that the store was written under."""
    cyclic = {"env": "P", "cyclic_or_daily": "cyclic"}
    daily = {"env": "P", "cyclic_or_daily": "daily", "timeout_in_hh:mm:ss": "01:00:00"}
    every, start, timeout = "cyclic_interval_in_hh:mm:ss", "daily_start_time_in_hh:mm", "timeout_in_hh:mm:ss"
    config = {
        "global_config": {"time_zone": "UTC"},
        "source_hosts": [
            {"name": name, "connection": "local", "message_queue": f"/q/{name}.sqlite"} for name in SOURCES
        ],
        "jobs": [
            cyclic | {"name": "LOAD", every: "00:10:00", timeout: "00:02:00", "source_host": "app1"},
            daily | {"name": "NIGHT", start: "02:00"},
            cyclic | {"name": "BOTH", every: "01:00:00", timeout: "00:30:00", "source_host": ["app1", "app2"]},
            daily | {"name": "NEVER", start: "05:00", "source_host": "app2"},
        ],
    }
    return parse(json.dumps(config), name="then").jobs


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The file, as an operator finds it who installs this program over that one."""
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("third_layout.sql").read_text(encoding="utf-8"))
    return path


def begun(ledger: Ledger, jobs: Jobs) -> Board:
    """The board that a daemon begins with."""
    return make_board(jobs, ledger.settle(jobs, NOW), ledger.drained(), NOW)


def test_a_store_of_the_third_layout_is_migrated_and_shows_what_it_showed(store: Path) -> None:
    """No promise has changed by the new program, and nothing is forgotten."""
    jobs = jobs_of_then()

    ledger, told = open_ledger(store)
    board = begun(ledger, jobs)

    assert told == f"store migrated path={store} layout=3->{layout.LAYOUT} copy={store}.layout3"
    texts = {key: describe(job, board.standing(job)) for key, job in jobs.by_key.items()}
    assert texts == {
        "LOAD__P": "RUNNING since 2025-11-24 06:40:00: to end by 2025-11-24 06:42:05",
        "NIGHT__P": "NOT_RUNNING since 2025-11-24 02:13:20: last run took 00:13:30, "
        "next start expected by 2025-11-25 02:00:05",
        "BOTH__P": "RUNNING since 2025-11-24 06:38:20: to end by 2025-11-24 07:08:25",
        "NEVER__P": "DELAYED since 2025-11-24 05:00:05 (1 missed start): "
        "no start since it was expected at 2025-11-24 05:00:00",
    }
    assert all(standing.promised_since == standing.known_since for _, standing in board.standings())


def test_why_a_message_was_kept_aside_was_a_sentence_and_is_a_value(store: Path) -> None:
    """What could be adopted before can be adopted still; of any other reason the words stay."""
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.executemany(
            "INSERT INTO unmatched VALUES ('app1', ?, 'P', ?, 1, 1, 1, '{}')",
            [("NEW", "no such job is configured"), ("LOAD", "only app2 may speak for this job")],
        )

    ledger, _ = open_ledger(store)
    rows = {row["name"]: (row["why"], row["reason"]) for row in ledger.strays.every()}

    assert rows["NEW"] == ("unknown_job", "no such job is configured")
    assert rows["LOAD"] == ("unreadable", "only app2 may speak for this job")


def test_what_was_stored_then_can_be_folded_again(store: Path) -> None:
    """A message of two hours ago is folded from a checkpoint that the other program made."""
    jobs = jobs_of_then()
    ledger, _ = open_ledger(store)
    board = begun(ledger, jobs)
    late = {"timestamp": T + 21_630, "_id": 900, "job": "LOAD", "instance": "P", "event": "ERROR", "run": "r36"}
    intake = take_in(jobs, "app1", [late], NOW, lambda _: False)
    watermarks = {source: Watermark(drained=NOW + 1, lags_from=NOW) for source in SOURCES}

    made = step(board, jobs, intake.messages, watermarks, NOW, ledger.history)
    ledger.save(Entry(records=made.records, drained=made.board.drained, now=NOW, mementos={}))

    runs = {run.order: run for run in ledger.history.runs("LOAD__P")}
    assert runs[37].outcome.value == "well"  # it failed in between, and its last word was a success
    assert made.board.standing(jobs.by_key["LOAD__P"]).count == 41
    ledger.close()
    again, told = open_ledger(store)
    assert told.startswith(f"store opened path={store}")
    assert dict(again.settle(jobs, NOW)) == dict(made.board.standings())


def test_a_job_that_was_never_heard_of_is_no_longer_unknown(store: Path) -> None:
    """The history says NEVER_RAN where UNKNOWN meant that."""
    ledger, _ = open_ledger(store)

    changes = ledger.history.changes("NEVER__P")

    assert [(change["state_from"], change["state_to"]) for change in changes] == [("NEVER_RAN", "DELAYED")]
