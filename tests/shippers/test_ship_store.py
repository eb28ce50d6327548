"""The store of shipping: cursors that only go on, dead letters, requests, and what is no store of ours."""

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.moments import DAY
from job_tracker.shippers.lines import Mark
from job_tracker.shippers.store import Cursor, DeadLetter, ShipStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ShipStore]:
    made = ShipStore(tmp_path / "ship.sqlite")
    yield made
    made.close()


def letter(seq: int) -> DeadLetter:
    return DeadLetter(seq=seq, at=1, reason="no", event={"seq": seq})


def test_a_cursor_goes_on_with_what_it_stands_for(store: ShipStore) -> None:
    """What was accepted beyond it, and where the lines end, come back after a kill; it never goes back by itself."""
    store.begin("a", 7)
    store.begin("a", 99)
    store.advance("a", 9, beyond={12, 11})
    store.advance_lines("a", 10, Mark(inode=1, offset=2, check=3))
    store.advance_lines("a", 8, Mark(inode=1, offset=2, check=3))

    found = store.cursor("a")

    assert found == Cursor(seq=10, beyond=frozenset({11, 12}), mark=Mark(inode=1, offset=2, check=3))
    assert store.cursor("b") is None


def test_a_cursor_is_kept_for_seven_days_after_its_shipper_was_removed(store: ShipStore) -> None:
    """Whoever comments a shipper out over a weekend finds it where it was; for ever nobody keeps it."""
    store.begin("a", 7)
    store.advance("a", 8, dead=[letter(8)])

    assert store.configure([], 0) == []
    assert store.configure([], 7 * DAY) == []
    assert store.configure(["a"], 8 * DAY) == []
    assert store.configure([], 9 * DAY) == []
    assert store.configure([], 16 * DAY + 1) == ["a"]

    assert store.cursor("a") is None
    assert store.count_dead("a") == 0


def test_a_request_is_taken_once(store: ShipStore, tmp_path: Path) -> None:
    """It outlives a restart of whoever is asked, and is done one time."""
    store.begin("a", 7)
    store.note_gap("a", "lost", 5)
    store.advance("a", 8, dead=[letter(7), letter(8)])
    store.has_changed()
    operator = ShipStore(tmp_path / "ship.sqlite", is_new=False)
    operator.ask_again("a")
    operator.ask_from("a", 3)
    operator.close()

    assert store.has_changed()
    assert not store.has_changed()
    for request in store.requests("a"):
        store.take(request)

    assert [each.seq for each in store.dead("a", 10, again=True)] == [7, 8]
    assert [each.seq for each in store.dead("a", 10)] == [8, 7]
    assert store.cursor("a") == Cursor(seq=2)
    assert store.requests("a") == []
    store.advance("a", 2, dead=[letter(7)], sent=[8])
    assert store.dead("a", 10, again=True) == []
    assert store.count_dead("a") == 1


def test_what_is_no_store_of_ours_is_left_as_it_is(tmp_path: Path) -> None:
    """A wrong path in the configuration must not cost anybody's database."""
    strange = tmp_path / "strange.sqlite"
    with sqlite3.connect(strange) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    content = strange.read_bytes()

    with pytest.raises(StoreRefused, match="is not a store of job_tracker ship"):
        ShipStore(strange)
    (tmp_path / "text").write_text("no database at all, but long enough to be taken for one " * 20)
    with pytest.raises(StoreFailed, match="text"):
        ShipStore(tmp_path / "text")
    with pytest.raises(StoreRefused, match="has not run yet"):
        ShipStore(tmp_path / "none", is_new=False)

    assert strange.read_bytes() == content
    assert not (tmp_path / "none").exists()


def test_a_store_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    """Killed at its first start, the next one begins as if nothing had been."""
    (tmp_path / "ship.sqlite.new").write_text("half")

    made = ShipStore(tmp_path / "ship.sqlite")
    made.begin("a", 1)
    made.close()

    assert os.stat(tmp_path / "ship.sqlite").st_mode & 0o777 == 0o600
    assert json.dumps(sorted(each.name for each in tmp_path.iterdir())) == '["ship.sqlite"]'
