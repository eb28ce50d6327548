"""What was last seen of the jobs of other servers, as the ledger keeps it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from job_tracker.ledger import layout
from job_tracker.ledger.ledger import Entry
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.ports import Memento, RemoteJob

NOW = 1_763_942_400 * MICROSECONDS
JOB = RemoteJob(id="a'1", process="sentinel-1.0", status="running", step=2, is_started=True, since=NOW)


def entry(*jobs: RemoteJob, now: int = NOW) -> Entry:
    memento = Memento(queue="{}", nonce="n")
    return Entry(
        records={}, drained={}, now=now, mementos={"ades1": memento}, remote=tuple(("ades1", each) for each in jobs)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def test_what_was_seen_is_there_after_a_restart(path: Path) -> None:
    """A tracker that forgot it would tell of every job again."""
    gone = replace(JOB, id="b", status="gone", is_ended=True, metrics=True, absent_since=NOW)
    ledger, _ = open_ledger(path)
    ledger.save(entry(JOB, gone, replace(JOB, id="c", is_ignored=True)))
    ledger.save(entry(replace(JOB, status="successful", step=3)))
    ledger.close()

    ledger, _ = open_ledger(path)

    found = ledger.remote_jobs.every()
    ledger.close()
    assert found == {
        "ades1": {
            "a'1": replace(JOB, status="successful", step=3),
            "b": gone,
            "c": replace(JOB, id="c", is_ignored=True),
        }
    }


def test_what_is_no_longer_listed_is_kept_for_a_while(path: Path) -> None:
    """A server that was put back a month later repeats nothing; one whose jobs are gone for good costs nothing."""
    ledger, _ = open_ledger(path)
    ledger.save(entry(replace(JOB, absent_since=NOW), replace(JOB, id="b")))

    ledger.save(entry(now=NOW + 34 * DAY))
    before = set(ledger.remote_jobs.every()["ades1"])
    ledger.save(entry(now=NOW + 36 * DAY))

    assert before == {"a'1", "b"}
    assert set(ledger.remote_jobs.every()["ades1"]) == {"b"}
    ledger.close()


def test_a_store_of_the_sixth_layout_is_migrated(path: Path) -> None:
    """It begins without any job of another server, as it was."""
    ledger, _ = open_ledger(path)
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE remote_jobs; PRAGMA user_version = 6")

    ledger, told = open_ledger(path)

    assert told == f"store migrated path={path} layout=6->{layout.LAYOUT} copy={path}.layout6"
    ledger.save(entry(JOB))
    assert ledger.remote_jobs.every() == {"ades1": {"a'1": JOB}}
    ledger.close()
