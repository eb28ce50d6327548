"""The reader: what it knows of the view and the events, and what it says when it knows nothing more."""

import os
from pathlib import Path
from typing import Any

import pytest
from event_log import EventLog
from published import HOUR, SECOND, T0, Published, cyclic, jobs_of
from running import wait_until

from job_tracker.view.view import View
from job_tracker.web import board
from job_tracker.web import reader as reading
from job_tracker.web.board import Row, Snapshot
from job_tracker.web.reader import News, Reader


class Told(list[News]):
    """What a reader told, in order."""

    @property
    def changed(self) -> list[tuple[str, ...]]:
        return [news.changed for news in self if news.changed or news.is_whole]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path / "view.sqlite", jobs_of(cyclic("A"), cyclic("B"), cyclic("C")))


def reader_of(tmp_path: Path) -> tuple[Reader, Told]:
    told = Told()
    return Reader(tmp_path / "view.sqlite", tmp_path / "events.sqlite", told.append), told


def test_the_board_is_whole_after_the_first_look(tmp_path: Path, published: Published) -> None:
    """The first page is not an empty one, and in the order of the configuration."""
    reader, told = reader_of(tmp_path)

    reader.look()

    assert list(reader.board.rows) == ["A__P", "B__P", "C__P"]
    assert [news.is_whole for news in told] == [True]


def test_only_what_was_written_anew_is_read_again(tmp_path: Path, published: Published) -> None:
    """With ten thousand jobs a change of one must cost what one costs."""
    reader, told = reader_of(tmp_path)
    reader.look()
    kept = reader.board.rows["A__P"]

    published.say((1, "B", "STARTED"))

    def has_told_again() -> bool:
        reader.look()
        return len(told) > 1

    wait_until(has_told_again)

    assert told.changed[1:] == [("B__P",)]
    assert reader.board.rows["B__P"].state == "RUNNING"
    assert reader.board.rows["A__P"] is kept


def test_a_look_at_nothing_new_tells_nothing(tmp_path: Path, published: Published) -> None:
    """An idle tracker costs its onlookers nothing."""
    reader, told = reader_of(tmp_path)
    reader.look()
    version = reader.board.version

    reader.look()

    assert (len(told), reader.board.version) == (1, version)


def test_while_nobody_wants_to_know_it_looks_seldom_and_at_once_when_somebody_does(
    tmp_path: Path, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night without onlookers costs next to nothing; the first of them wakes it."""
    monkeypatch.setattr(reading, "LOOK_EVERY_WHEN_UNSEEN", 3600.0)
    reader, told = reader_of(tmp_path)
    reader.start()
    try:
        published.say((1, "B", "STARTED"))
        assert len(told.changed) == 1

        reader.want()

        wait_until(lambda: told.changed[1:] == [("B__P",)], "the change to be told")
    finally:
        reader.stop()


def test_an_event_is_told_while_many_rows_are_still_read(
    tmp_path: Path, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand jobs that miss their start at one moment take a second to read; what comes then does not wait."""
    monkeypatch.setattr(reading, "ROWS_AT_ONCE", 1)
    events = EventLog(tmp_path / "events.sqlite")
    events.write(None)
    reader, told = reader_of(tmp_path)
    reader.look()
    read: list[str] = []

    def row_of(job: dict[str, Any], promise: dict[str, Any]) -> Row:
        if not read:
            events.write("A__P")
        read.append(job["job"])
        return board.row_of(job, promise)

    monkeypatch.setattr(reading, "row_of", row_of)
    published.say((1, "A", "STARTED"), (1, "B", "STARTED"))

    def has_read() -> bool:
        reader.look()
        return bool(told.changed[1:])

    wait_until(has_read, "the rows to be read")
    reader.stop()
    events.close()

    assert read == ["A__P", "B__P"]
    assert [(len(news.events), news.changed) for news in told[1:]] == [(1, ()), (0, ("A__P", "B__P"))]


def test_a_view_that_is_built_anew_is_compared_with_what_was_known(tmp_path: Path, published: Published) -> None:
    """A restart of the tracker is no reason for fifty browsers to load everything again."""
    reader, told = reader_of(tmp_path)
    reader.look()

    published.say((1, "C", "STARTED"))
    published.close()
    published.rebuild(View(tmp_path / "view.sqlite"))
    reader.look()

    assert told.changed[1:] == [("C__P",)]


def test_without_a_view_it_says_so_and_goes_on(tmp_path: Path) -> None:
    """The pages may be started before the tracker is."""
    reader, _ = reader_of(tmp_path)

    reader.look()

    assert "there is no view" in reader.board.fault
    assert reader.board.stale_since(T0) == 0


def test_a_view_that_vanishes_leaves_a_board_that_is_stale(tmp_path: Path, published: Published) -> None:
    """Never stale green: what was known is shown, with since when it is not known any more."""
    reader, _ = reader_of(tmp_path)
    reader.look()

    (tmp_path / "view.sqlite").unlink()
    reader.look()

    assert list(reader.board.rows) == ["A__P", "B__P", "C__P"]
    assert reader.board.stale_since(published.now) == reader.board.meta["written"]


def test_staleness_is_dated_from_the_last_word_of_the_tracker() -> None:
    """Somebody who comes in the morning asks since when, not whether."""
    meta = {"written": T0, "stopped": None, "interval": 10 * SECOND, "pid": os.getpid()}
    board = Snapshot(meta=meta, is_alive=True)

    assert board.stale_since(T0 + 60 * SECOND) is None
    assert board.stale_since(T0 + 61 * SECOND) == T0
    assert Snapshot(meta=meta, is_alive=False).stale_since(T0) == T0
    assert Snapshot(meta={**meta, "stopped": T0 + 5}, is_alive=False).stale_since(T0 + HOUR) == T0 + 5
