"""A store that cannot be read while the daemon runs: nothing is lost, it is said, and all is caught up with.

Rule: SQLite itself refuses to read a table, by its authorizer; everything else is as in a daemon.
"""

import dataclasses
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from telling import T0, Receiver, Tracker, job, write_config

from job_tracker.errors import StoreFailed
from job_tracker.view import view
from job_tracker.view.reading import read_unmatched


def lock_away(tracker: Tracker, table: str, column: str = "") -> None:
    """Let nobody read a table of the ledger, or one column of it that writing needs nothing of."""

    def decide(action: int, name: str | None, what: str | None, *_: str | None) -> int:
        is_reading = action == sqlite3.SQLITE_READ and name == table and column in ("", what)
        return sqlite3.SQLITE_DENY if is_reading else sqlite3.SQLITE_OK

    tracker.loop.ledger._connection.set_authorizer(decide)


def give_back(tracker: Tracker) -> None:
    tracker.loop.ledger._connection.set_authorizer(None)


def daemon_service(home: Path) -> str:
    """The line of the daemon's own service."""
    lines = (home / "run" / "job_tracker.services").read_text().splitlines()
    return next(line for line in lines if line[1:].startswith(" job_tracker - "))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "events")
    yield made
    made.go()


@pytest.mark.parametrize("table", ["taken", "checkpoints", "messages"])
def test_what_cannot_be_judged_for_lack_of_the_past_waits_and_is_judged_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """The uids that were taken, and what a late message is folded upon."""
    caplog.set_level(logging.INFO, "job_tracker")
    status = {"monitoring_backend_based_on_event_or_status": "status"}
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], **status), now=T0 + 100)
    tracker.hears((0, "LOAD", "STARTED"), (20, "LOAD", "SUCCESS"))
    file = tmp_path / "run" / "job_tracker.LOAD__P.state"
    before = file.read_text()

    lock_away(tracker, table)
    tracker.hears((10, "LOAD", "ERROR"), (30, "LOAD", "STARTED"))
    tracker.passes(2)
    meanwhile, waiting, failing = file.read_text(), len(tracker.loop.books.unsaved), daemon_service(tmp_path)
    give_back(tracker)
    tracker.passes(2)
    after, left, well = file.read_text(), len(tracker.loop.books.unsaved), daemon_service(tmp_path)
    runs = [(run.outcome.value, run.errors) for run in tracker.loop.ledger.history.runs("LOAD__P")]
    tracker.close()

    assert (meanwhile, waiting) == (before, 1)
    assert failing.startswith("2 job_tracker - ")
    assert "could not be read: " in failing
    assert "; nothing is lost, messages wait in their queues" in failing
    assert " - RUNNING " in after
    assert left == 0
    assert well.startswith("0 job_tracker - ")
    assert runs == [("well", 0), ("open", 0)]
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if line.startswith("store failed, nothing is confirmed")]) == 1
    assert len([line for line in lines if line == "store works again"]) == 1


def test_what_is_to_be_told_and_cannot_be_read_is_told_later_and_once(tmp_path: Path, receiver: Receiver) -> None:
    """Nothing waits yet when the outbox goes."""
    receiver.come()
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER")]))
    tracker.hears()

    lock_away(tracker, "outbox", "text")
    tracker.hears((0, "LOAD", "ERROR"), (0, "OTHER", "ERROR"))
    tracker.passes(2)
    unsaved, early, complaint = list(tracker.loop.books.unsaved), receiver.events, tracker.event_console.complaint()
    give_back(tracker)
    tracker.until(lambda: len(receiver.events) == 2, passing=1)
    tracker.until(tracker.settled, passing=1)
    relieved = tracker.event_console.complaint()
    tracker.close()

    assert (unsaved, early, relieved) == ([], [], "")
    assert re.fullmatch(r"notifications wait for the store: \S+ could not be read: access to .* prohibited", complaint)
    assert sorted(event.application for event in receiver.events) == ["job_LOAD__P", "job_OTHER__P"]


def test_what_is_in_the_ledger_is_told_while_messages_cannot_be_judged(tmp_path: Path, receiver: Receiver) -> None:
    """The Event Console comes back while the store cannot be read: alarms of before need nothing of it."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER")]))
    tracker.hears()
    tracker.hears((0, "LOAD", "ERROR"), (0, "OTHER", "ERROR"))

    lock_away(tracker, "taken")
    tracker.hears((5, "OTHER", "SUCCESS"))
    receiver.come()
    tracker.until(lambda: len(receiver.events) == 2, passing=60)
    failing, unsaved = daemon_service(tmp_path), len(tracker.loop.books.unsaved)
    tracker.close()

    assert failing.startswith("2 job_tracker - ")
    assert unsaved == 1
    assert {event.application: event.status for event in receiver.events} == {"job_LOAD__P": 2, "job_OTHER__P": 2}


def test_what_is_delivered_once_more_while_it_waits_for_the_store_counts_once(tmp_path: Path) -> None:
    """The connection broke meanwhile, so the next one takes the same messages from the queue."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears((0, "LOAD", "STARTED"))
    lock_away(tracker, "taken")
    tracker.hears((1, "LOAD", "ERROR"), (2, "STRANGER", "ERROR"))
    [first] = tracker.loop.books.unsaved
    tracker.loop.mailbox.put(dataclasses.replace(first, received=first.received + 1))
    tracker.passes(2)
    waiting = len(tracker.loop.books.unsaved)
    give_back(tracker)
    tracker.passes(2)
    ledger = tracker.loop.ledger
    runs = [(run.outcome.value, run.errors) for run in ledger.history.runs("LOAD__P")]
    strangers = [each["count"] for each in ledger.strays.every()]
    left = tracker.loop.books.unsaved
    tracker.close()

    assert waiting == 2
    assert (runs, strangers, left) == ([("badly", 1)], [1], [])


def test_a_uid_that_nothing_could_keep_costs_nothing_else(tmp_path: Path) -> None:
    """A lone surrogate fits no file; the message counts, and so do those of others."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER")]))
    tracker.hears((0, "LOAD", "STARTED"), (1, "OTHER", "STARTED"), uid="a\ud800")
    tracker.hears((2, "LOAD", "ERROR"))
    failing, left = daemon_service(tmp_path), tracker.loop.books.unsaved
    runs = [(run.outcome.value, run.errors) for run in tracker.loop.ledger.history.runs("LOAD__P")]
    tracker.close()

    assert failing.startswith("0 job_tracker - ")
    assert (runs, left) == ([("badly", 1)], [])


def more_comes(tracker: Tracker) -> None:
    tracker.hears((1, "LOAD", "SUCCESS"), (1, "THIRD", "ERROR"))


def it_is_reloaded(tracker: Tracker) -> None:
    tracker.loop.asked.reloading = True
    tracker.passes(1)


@pytest.mark.parametrize("then", [more_comes, it_is_reloaded])
def test_what_waits_is_neither_lost_nor_the_daemons_end_when_the_outbox_cannot_be_read(
    tmp_path: Path, receiver: Receiver, then: Callable[[Tracker], None]
) -> None:
    """Nobody reads the pipe, alarms wait, and then the outbox goes, too."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER"), job("THIRD")]))
    tracker.hears()
    tracker.hears((0, "LOAD", "ERROR"), (0, "OTHER", "ERROR"))
    tracker.loop.undelivered()
    lock_away(tracker, "outbox", "text")
    then(tracker)
    for _ in range(3):
        tracker.passes(2)
    waiting = {each["subject"] for each in tracker.loop.undelivered()}
    give_back(tracker)
    receiver.come()
    tracker.until(tracker.settled, passing=60)
    tracker.close()

    assert waiting == {"LOAD__P", "OTHER__P"}
    last = {event.application: event.status for event in receiver.events}
    alarms = {"job_LOAD__P": 2, "job_OTHER__P": 2}
    assert last == (alarms | {"job_LOAD__P": 0, "job_THIRD__P": 2} if then is more_comes else alarms)


@pytest.mark.parametrize("value", ["'odd'", "x'00ff'"])
def test_a_notification_whose_runs_cannot_be_read_goes_without_them(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    """They only adorn its text, and another job's notification is not held up either."""
    receiver.come()
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER")]))
    tracker.hears((0, "LOAD", "STARTED"), (0, "LOAD", "SUCCESS"))
    tracker.loop.ledger._connection.execute(f"UPDATE runs SET outcome = {value}")
    tracker.hears((0, "LOAD", "ERROR"), (0, "OTHER", "ERROR"))
    tracker.loop.ledger._connection.execute(f"UPDATE runs SET outcome = {value}")
    tracker.until(lambda: len(receiver.events) == 2, passing=1)
    tracker.until(tracker.settled, passing=1)
    tracker.close()

    assert sorted(event.application for event in receiver.events) == ["job_LOAD__P", "job_OTHER__P"]
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("runs not read, the notification goes without them subject=LOAD__P") for line in lines)


@pytest.mark.parametrize("when", ["while it is built", "later"])
def test_a_view_whose_source_cannot_be_read_is_built_anew_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    """Losing it holds up nothing, and the loop does not spin meanwhile."""
    monkeypatch.setattr(view, "RETRY_AFTER", 0.0)
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears()
    if when == "later":
        tracker.until(lambda: not tracker.view.view.is_building, passing=1)
    lock_away(tracker, "unmatched", "sample")
    tracker.hears((0, "STRANGER", "STARTED"))
    tracker.passes(1)
    wake = tracker.loop.cycle()
    is_at_rest = wake > tracker.moment
    give_back(tracker)
    found = tracker.until(lambda: read_unmatched(tmp_path / "view.sqlite")[1], passing=1)
    tracker.close()

    assert is_at_rest
    assert [each["name"] for each in found] == ["STRANGER"]
    assert len([record for record in caplog.records if record.msg.startswith("view failed")]) == 1


def test_a_stop_that_cannot_read_the_store_ends_all_the_same(tmp_path: Path) -> None:
    """A service that cannot be stopped would have to be killed, and take what others said with it."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears((0, "STRANGER", "STARTED"))
    tracker.view._unmatched_grew = True
    lock_away(tracker, "unmatched", "sample")
    tracker.close()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        tracker.loop.ledger._connection.execute("SELECT 1")


def test_a_reload_that_cannot_read_the_store_changes_nothing_and_the_next_one_renews_the_promise(
    tmp_path: Path,
) -> None:
    """A promise stored as renewed while the board goes on with the old one would never be judged."""
    config = write_config(tmp_path, [job("LOAD")])
    tracker = Tracker(config)
    tracker.hears((0, "LOAD", "STARTED"), (0, "LOAD", "SUCCESS"))
    write_config(tmp_path, [job("LOAD", **{"cyclic_interval_in_hh:mm:ss": "01:00:00"})])
    lock_away(tracker, "sources", "drained")
    tracker.loop.asked.reloading = True
    tracker.passes(10)
    refused = tracker.service()
    give_back(tracker)
    tracker.hears((5, "LOAD", "STARTED"), (6, "LOAD", "SUCCESS"))
    tracker.loop.asked.reloading = True
    tracker.passes(10)
    [(_, standing)] = tracker.loop.books.board.standings()
    now_refused = tracker.service()
    tracker.close()

    assert "could not be read" in refused
    assert now_refused.startswith("0 job_tracker")
    assert standing.promised_since == (T0 + 20) * 1_000_000
    assert standing.deadline is not None
    assert standing.deadline.moment < (T0 + 3 * 3600) * 1_000_000


def test_nobody_is_told_to_move_a_store_away_whose_disk_only_fails_now(tmp_path: Path) -> None:
    """SQLite is interrupted here, as by a disk: that is no damage."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.loop.ledger._connection.set_progress_handler(lambda: 1, 1)

    with pytest.raises(StoreFailed, match="could not be read: interrupted"):
        tracker.loop.ledger.settle(tracker.loop.config.jobs, tracker.moment)

    tracker.loop.ledger._connection.set_progress_handler(None, 1)
    tracker.close()


@pytest.mark.parametrize("table", ["unmatched", "changes"])
def test_values_that_were_never_written_cost_the_view_and_not_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """SQLite keeps anything anywhere; bytes are nothing that a view could hold."""
    monkeypatch.setattr(view, "RETRY_AFTER", 0.0)
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears((0, "STRANGER", "STARTED"), (0, "LOAD", "ERROR"))
    column = {"unmatched": "sample", "changes": "text"}[table]
    tracker.loop.ledger._connection.execute(f"UPDATE {table} SET {column} = x'00ff'")
    tracker.loop.asked.reloading = True
    tracker.passes(2)
    tracker.passes(2)
    tracker.close()

    failed = [record.getMessage() for record in caplog.records if record.msg.startswith("view failed")]
    assert len(failed) == 1
    assert "a row holds something else than was written" in failed[0]


def test_garbled_rows_are_a_failure_of_the_store_and_not_of_the_program(tmp_path: Path) -> None:
    """What a disk did is told as such, with what to do; a traceback would send people to look at the program."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears((0, "LOAD", "STARTED"), (20, "LOAD", "SUCCESS"))
    history = tracker.loop.ledger.history
    ledger = tracker.loop.ledger._connection
    ledger.execute("UPDATE runs SET outcome = 'odd'")
    ledger.execute("UPDATE checkpoints SET standing = '{'")

    with pytest.raises(StoreFailed, match=r"store\.sqlite could not be read: .*odd"):
        history.runs("LOAD__P")
    with pytest.raises(StoreFailed, match=r"store\.sqlite could not be read: Expecting"):
        history.past("LOAD__P", (0, "", 0), None)
    ledger.execute("UPDATE checkpoints SET standing = '[]'")
    with pytest.raises(StoreFailed, match=r"store\.sqlite could not be read: .*list"):
        history.past("LOAD__P", (0, "", 0), None)
    ledger.execute("DELETE FROM checkpoints")
    with pytest.raises(StoreFailed, match="a job without a checkpoint"):
        history.past("LOAD__P", (0, "", 0), None)
    tracker.close()
