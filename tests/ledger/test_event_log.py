"""The ledger's event log: numbers that are used once, in the transaction of what they tell of, and pruned in bites."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from job_tracker.core import events
from job_tracker.core.events import Event
from job_tracker.errors import StoreFailed
from job_tracker.ledger import layout
from job_tracker.ledger.events import EventLog
from job_tracker.ledger.ledger import Entry, Ledger
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import DAY, MICROSECONDS

NOW = 1_763_942_400 * MICROSECONDS
MB = 1_000_000
WITHOUT_LATER = "; ".join(
    [
        "ALTER TABLE runs DROP COLUMN counted_on",
        *(f"DROP TABLE {name}" for name in ("days", "marks", "unseen", "spans", "remote_jobs")),
    ]
)
"""Undoes the layouts that came after."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    made, _ = open_ledger(path)
    made.events.begin(is_on=True, keep=2 * DAY, most=128 * MB, now=NOW)
    return made


def event(at: int = NOW, kind: str = events.ADDED, job: str = "LOAD__P", **keys: Any) -> Event:
    return Event(kind=kind, at=at, job=job, **keys)


def save(ledger: Ledger, *told: Event, now: int = NOW) -> None:
    ledger.save(Entry(records={}, drained={}, now=now, mementos={}, events=told))


def numbers(log: EventLog, after: int = 0) -> list[int]:
    return [row[0] for row in log.after(after, 100_000)]


def test_a_new_log_begins_at_the_epoch_in_milliseconds(ledger: Ledger) -> None:
    """So a store that was lost never uses a number again that was told before it was."""
    save(ledger, event(), event())

    assert numbers(ledger.events) == [NOW // 1000, NOW // 1000 + 1]


def test_numbers_go_on_after_a_restart(ledger: Ledger, path: Path) -> None:
    """Nothing but the rows says where the log stands."""
    save(ledger, event())
    ledger.close()

    again, _ = open_ledger(path)
    again.events.begin(is_on=True, keep=2 * DAY, most=128 * MB, now=NOW + DAY)
    save(again, event(), now=NOW + DAY)

    assert numbers(again.events) == [NOW // 1000, NOW // 1000 + 1]


def test_a_step_that_could_not_be_written_gives_its_numbers_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that was taken and not written would be a gap that nobody names."""
    save(ledger, event())
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_save_sources", lambda _: ledger._connection.execute("nonsense"))
        patch.setattr(ledger.outbox, "put", lambda *_: None)
        with pytest.raises(StoreFailed):
            save(ledger, event())

    save(ledger, event())

    assert numbers(ledger.events) == [NOW // 1000, NOW // 1000 + 1]


def test_what_is_told_together_can_correct_itself(ledger: Ledger) -> None:
    """Within a step the corrected event has no number yet; in the log it has."""
    first = event(kind=events.FAILED, run=1, id="a", body={"begin": None, "outcome": "badly"})
    save(ledger, first, event(at=NOW + 1, kind=events.SUCCEEDED, run=1, id="a", corrects=(first,)))

    standing = ledger.events.of("LOAD__P", NOW - 1)

    assert [(seq, each.kind, each.corrects) for seq, each in standing] == [
        (NOW // 1000 + 1, events.SUCCEEDED, (NOW // 1000,))
    ]


def test_a_store_that_was_put_back_goes_on_behind_what_was_told(ledger: Ledger) -> None:
    """The events file knows of later numbers; they are not used again, and those between are named."""
    save(ledger, event())
    told = NOW // 1000 + 500

    ledger.events.be_ahead_of(told)
    later = NOW + 1000
    save(ledger, event(), now=later)

    _, gap, added = ledger.events.after(0, 10)
    assert (gap[0], gap[3]) == (told + 1, "gap")
    assert f'"from":{NOW // 1000 + 1},"to":{told + 1}' in gap[8]
    assert added[0] == told + 2


def test_a_log_that_is_off_keeps_nothing(ledger: Ledger) -> None:
    """Whoever does not want it does not pay for it."""
    ledger.events.begin(is_on=False, keep=DAY, most=MB, now=NOW)

    save(ledger, event())

    assert ledger.events.after(0, 10) == []


def test_of_the_time_when_it_was_off_the_log_knows_nothing(ledger: Ledger) -> None:
    """Its reach begins anew, or what nobody was told would be taken for told."""
    save(ledger, event())
    ledger.events.begin(is_on=False, keep=DAY, most=MB, now=NOW)
    ledger.events.begin(is_on=True, keep=DAY, most=MB, now=NOW + 5)

    assert ledger.events.reach == NOW + 5


def test_a_configuration_that_is_refused_leaves_the_log_as_it_was(ledger: Ledger) -> None:
    """What comes after its turn may fail; the old configuration goes on then, and it wanted the log."""

    def refused() -> None:
        with ledger.events.kept_where_it_fails():
            ledger.events.begin(is_on=False, keep=DAY, most=1, now=NOW)
            raise StoreFailed("the disk is full")

    with pytest.raises(StoreFailed):
        refused()

    save(ledger, event())
    assert len(numbers(ledger.events)) == 1


def test_what_corrects_an_event_counts_whatever_moment_it_is_of(ledger: Ledger) -> None:
    """An end that is told anew may lie before the one that was told first."""
    save(ledger, event(), event(at=NOW + 20, kind=events.SUCCEEDED), event(job="OTHER__P"))
    [told, wrong] = [seq for seq, _ in ledger.events.of("LOAD__P", -1)]
    save(ledger, event(at=NOW + 5, kind=events.SUCCEEDED, corrects=(wrong,)))

    assert [seq for seq, _ in ledger.events.of("LOAD__P", NOW + 10)] == []
    assert wrong not in [seq for seq, _ in ledger.events.of("LOAD__P", -1)]
    assert told in [seq for seq, _ in ledger.events.of("LOAD__P", -1)]


def test_what_is_too_old_goes_in_bites_with_what_comes(ledger: Ledger) -> None:
    """A day's events at once would hold up the step they come with; the newest number always stays."""
    save(ledger, *(event() for _ in range(300)))

    save(ledger, event(), now=NOW + 3 * DAY)
    once = len(numbers(ledger.events))
    for _ in range(10):
        save(ledger, event(), now=NOW + 3 * DAY)

    assert once == 251
    assert len(numbers(ledger.events)) == 11
    assert ledger.events.reach == NOW + 3 * DAY


def test_what_is_too_much_goes_as_well(ledger: Ledger) -> None:
    """A burst must not fill the disk that the store is on."""
    ledger.events.begin(is_on=True, keep=2 * DAY, most=100_000, now=NOW)
    for _ in range(20):
        save(ledger, *(event(body={"text": "x" * 500}) for _ in range(100)))

    size = sum(len(row[8]) for row in ledger.events.after(0, 100_000))

    assert size < 200_000


def test_a_store_of_the_fourth_layout_is_migrated(ledger: Ledger, path: Path) -> None:
    """What is kept stays as it is; the log begins empty."""
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{WITHOUT_LATER}; DROP TABLE events; PRAGMA user_version = 4")

    again, told = open_ledger(path)

    assert told == f"store migrated path={path} layout=4->{layout.LAYOUT} copy={path}.layout4"
    assert again.events.after(0, 10) == []
