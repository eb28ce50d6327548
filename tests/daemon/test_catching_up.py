"""Catching up: a long absence is judged a part at a time, each of them stored, and a kill in between loses nothing."""

from pathlib import Path
from typing import Any

import pytest
from telling import Receiver, Tracker, job, write_config

from job_tracker.core.messages import Position
from job_tracker.core.record import Past
from job_tracker.daemon import books
from job_tracker.moments import MICROSECONDS

HOUR = 3600


def dead_and_alive(directory: Path) -> Tracker:
    """One job that never comes and one that comes once; then the tracker sees nothing for three hours."""
    promise = {"cyclic_interval_in_hh:mm:ss": "00:01:00"}
    config = write_config(directory, [job("DEAD", **promise), job("ALIVE", **promise)])
    tracker = Tracker(config)
    tracker.hears((0, "ALIVE", "SUCCESS"))
    tracker.moment += 3 * HOUR * MICROSECONDS
    return tracker


def what_is_known(tracker: Tracker) -> dict[str, Any]:
    """Standings and history, apart from when it was found."""
    ledger = tracker.loop.ledger
    jobs = tracker.loop.config.jobs.by_key
    return {
        key: (
            tracker.loop.books.board.standing(each).missed,
            tracker.loop.books.board.standing(each).state,
            [{name: value for name, value in row.items() if name != "found"} for row in ledger.history.changes(key)],
            [message.moment for message in ledger.history.messages(key)],
        )
        for key, each in jobs.items()
    }


def catch_up(tracker: Tracker) -> int:
    """Cycle at one moment until nothing is left; how many cycles that took."""
    cycles = 0
    while tracker.loop.cycle() <= tracker.moment or tracker.loop.books.unsaved:
        cycles += 1
        assert cycles < 1000
    return cycles


LATE = (3 * HOUR - 30, "ALIVE", "SUCCESS")
"""What the live job said while nobody listened."""


@pytest.fixture
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tracker, Tracker]:
    """One that has caught up at once, and one that has only begun, a few deadlines at a time."""
    for name in ("at once", "slowly"):
        (tmp_path / name).mkdir()
    at_once, slowly = dead_and_alive(tmp_path / "at once"), dead_and_alive(tmp_path / "slowly")
    at_once.hears(LATE)
    monkeypatch.setattr(books, "FOLDED_AT_ONCE", 25)
    slowly.hears(LATE)
    return at_once, slowly


def test_a_long_absence_is_judged_a_part_at_a_time(trackers: tuple[Tracker, Tracker]) -> None:
    """The same board and history as in one go, nothing confirmed before it was heard, and no more told."""
    at_once, slowly = trackers
    waiting = list(slowly.loop.books.unsaved)
    cycles = catch_up(slowly)
    expected, known = what_is_known(at_once), what_is_known(slowly)
    told = [[each.job for each in tracker.loop.ledger.outbox.waiting()] for tracker in trackers]
    at_once.close()
    slowly.close()

    assert waiting
    assert cycles >= 10
    assert known == expected
    assert known["DEAD__P"][0] == 179
    assert told == [["DEAD__P"], ["DEAD__P"]]


def test_killed_while_it_catches_up_it_goes_on(trackers: tuple[Tracker, Tracker]) -> None:
    """What was judged is stored, what was not heard comes again: each start is missed once."""
    at_once, killed = trackers
    half_way = what_is_known(killed)
    killed.restart()
    killed.number -= 1
    killed.hears(LATE)
    catch_up(killed)
    expected, known = what_is_known(at_once), what_is_known(killed)
    at_once.close()
    killed.close()

    assert 0 < half_way["DEAD__P"][0] < expected["DEAD__P"][0]
    assert known == expected


def test_a_backlog_of_late_messages_is_folded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source comes back with a day's messages, all older than what was heard meanwhile: one refold, not 1,440."""
    config = write_config(tmp_path, [job("PAIR", **{"cyclic_interval_in_hh:mm:ss": "00:01:00"})])
    tracker = Tracker(config)
    tracker.moment += 24 * HOUR * MICROSECONDS
    tracker.hears((24 * HOUR - 1, "PAIR", "STARTED"))
    asked: list[str] = []
    past = tracker.loop.ledger.history.past

    def counted(key: str, position: Position, run: int | None) -> Past:
        asked.append(key)
        return past(key, position, run)

    monkeypatch.setattr(tracker.loop.ledger.history, "past", counted)

    tracker.hears(*((60 * minute, "PAIR", "SUCCESS") for minute in range(1440)))
    standing = tracker.loop.books.board.standing(tracker.loop.config.jobs.by_key["PAIR__P"])
    tracker.close()

    assert len(asked) <= 2
    assert (standing.count, standing.missed, standing.state.value) == (1441, 0, "RUNNING")


def test_a_reload_while_an_overtaken_deadline_waits_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start of 707 came after the deadline of 705, which nobody has looked past when the promise changes."""
    monkeypatch.setattr(books, "FOLDED_AT_ONCE", 25)
    tracker = Tracker(
        write_config(tmp_path, [job("LOAD", **{"cyclic_interval_in_hh:mm:ss": "00:10:00"}), job("OTHER")])
    )
    tracker.hears((100, "LOAD", "STARTED"), (110, "LOAD", "SUCCESS"))
    tracker.moment += 707 * MICROSECONDS
    tracker.hears((707, "LOAD", "STARTED"), drained=False)
    write_config(tmp_path, [job("LOAD", **{"cyclic_interval_in_hh:mm:ss": "00:20:00"}), job("OTHER")])
    tracker.loop.asked.reloading = True
    tracker.passes(2)

    tracker.moment += 10 * MICROSECONDS
    tracker.hears((719, "OTHER", "ERROR"))
    left, wake, now = tracker.loop.books.unsaved, tracker.loop.cycle(), tracker.moment
    runs = [(run.outcome.value, run.errors) for run in tracker.loop.ledger.history.runs("OTHER__P")]
    tracker.close()

    assert (left, runs) == ([], [("badly", 1)])
    assert wake > now


@pytest.mark.parametrize("way", ["reload", "restart"])
def test_half_a_story_alarms_nobody_whatever_comes_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, way: str
) -> None:
    """Both jobs ran some minutes late, an hour ago; of one only the missed start has been judged when it happens."""
    monkeypatch.setattr(books, "FOLDED_AT_ONCE", 1)
    promise = {"cyclic_interval_in_hh:mm:ss": "00:10:00"}
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **promise), job("OTHER", **promise)]))
    tracker.hears()
    tracker.moment += HOUR * MICROSECONDS
    said = [(at, name, "SUCCESS") for at in range(700, HOUR, 500) for name in ("LOAD", "OTHER")]
    tracker.hears(*said, uid="both")
    half = {key: standing.missed for key, standing in tracker.loop.books.board.standings()}
    is_left = bool(tracker.loop.books.unsaved)

    if way == "reload":
        tracker.loop.asked.reloading = True
    else:
        delivery = tracker.loop.books.unsaved[0]
        tracker.restart()
        tracker.loop.mailbox.put(delivery)
    tracker.until(lambda: not tracker.loop.books.unsaved and tracker.settled(), passing=0.01)
    events = receiver.events
    missed = {key: standing.missed for key, standing in tracker.loop.books.board.standings()}
    tracker.close()

    assert is_left
    assert sum(half.values()) == 1
    assert missed == {"LOAD__P": 0, "OTHER__P": 0}
    assert {event.status for event in events} <= {0}
