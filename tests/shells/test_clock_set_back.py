"""The tracker's clock runs ahead for a while and is set back: what was said of a time to come is corrected, once."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from telling import T0, Event, Receiver, Tracker, job, write_config

from job_tracker.core.jobs import MICROSECONDS
from job_tracker.store.view_reading import read_job

HOUR = 3600
PROMISE = {"cyclic_interval_in_hh:mm:ss": "00:10:00", "timeout_in_hh:mm:ss": "00:05:00"}


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Somebody who reads."""
    receiver = Receiver(tmp_path / "events")
    receiver.come()
    yield receiver
    receiver.go()


def turn_clock(tracker: Tracker, seconds: float) -> None:
    """The clock shows another time from one moment to the next."""
    tracker.moment += round(seconds * MICROSECONDS)
    while tracker.loop.cycle() <= tracker.moment:
        pass


def told_of(receiver: Receiver, name: str) -> list[Event]:
    """What arrived about a job."""
    return [event for event in receiver.events if event.application == f"job_{name}__P"]


def shown(tracker: Tracker) -> dict[str, str]:
    """The first two words of each job's line: its status and state."""
    return {
        name: f"{line.split()[0]} {line.split()[3]}"
        for name in ("LOAD", "LATE")
        for line in [tracker.loop.monitoring.lines[f"{name}__P"]]
    }


@pytest.mark.parametrize("restarts", [False, True])
def test_alarms_of_a_clock_that_ran_ahead_are_taken_back_and_the_right_one_stays(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture, restarts: bool
) -> None:
    """LOAD ran well a minute ago; LATE has not come for an hour, of which somebody was told, and is not told again."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **PROMISE), job("LATE", **PROMISE)]))
    tracker.hears((0, "LATE", "SUCCESS"))
    tracker.moment += HOUR * MICROSECONDS
    tracker.hears((HOUR - 60, "LOAD", "STARTED"), (HOUR - 50, "LOAD", "SUCCESS"))
    tracker.until(lambda: told_of(receiver, "LATE") and tracker.settled())
    turn_clock(tracker, HOUR)
    tracker.hears()
    tracker.until(lambda: told_of(receiver, "LOAD") and tracker.settled())
    wrong = shown(tracker)

    with caplog.at_level(logging.WARNING, logger="job_tracker"):
        if restarts:
            tracker.moment -= (HOUR - 10) * MICROSECONDS
            tracker.restart()
        turn_clock(tracker, 0 if restarts else 10 - HOUR)
        tracker.hears()
    tracker.until(lambda: len(told_of(receiver, "LOAD")) == 2 and tracker.settled(), passing=0.01)
    right, late = shown(tracker), told_of(receiver, "LATE")
    tracker.passes(60)
    tracker.hears()
    tracker.until(tracker.settled)
    told = told_of(receiver, "LOAD")
    history = tracker.loop.ledger.history.changes("LOAD__P")
    tracker.close()
    view = read_job(tmp_path / "view.sqlite", "LOAD__P")

    assert wrong == {"LOAD": "2 DELAYED", "LATE": "2 DELAYED"}
    assert right == {"LOAD": "0 NOT_RUNNING", "LATE": "2 DELAYED"}
    assert [event.status for event in told] == [2, 0]
    assert told[-1].text.startswith("NOT_RUNNING since")
    assert [event.status for event in late] == [2]
    assert max(row["at"] for row in history) == (T0 + HOUR - 60) * MICROSECONDS
    assert view is not None
    assert [row["at"] for row in view.changes] == [row["at"] for row in history]
    assert "clock was ahead, what was judged of a time to come is taken back jobs=2" in caplog.text


def test_a_clock_set_back_while_a_source_is_away_keeps_nobody_waiting_for_ever(
    tmp_path: Path, receiver: Receiver
) -> None:
    """What is true is told after half a minute, even if one of the sources cannot be heard."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **PROMISE), job("LATE", **PROMISE)]))
    tracker.hears((0, "LOAD", "STARTED"), (10, "LOAD", "SUCCESS"))
    turn_clock(tracker, HOUR)
    tracker.hears()
    tracker.until(lambda: told_of(receiver, "LOAD") and tracker.settled())

    turn_clock(tracker, 60 - HOUR)
    soon = told_of(receiver, "LOAD")[1:]
    tracker.until(lambda: len(told_of(receiver, "LOAD")) == 2, passing=1)
    waited = tracker.moment / MICROSECONDS
    tracker.close()

    assert soon == []
    assert told_of(receiver, "LOAD")[-1].status == 0
    assert 30 <= waited - (T0 + 60) <= 40


def test_what_was_configured_by_a_clock_that_ran_ahead_counts_since_it_is_right(tmp_path: Path) -> None:
    """A promise changed and a job was added; what comes late afterwards is folded once, also after a start."""
    later = {**PROMISE, "timeout_in_hh:mm:ss": "00:06:00"}
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **PROMISE)]))
    tracker.hears((0, "LOAD", "STARTED"), (10, "LOAD", "SUCCESS"), (20, "LOAD", "ERROR"))
    turn_clock(tracker, 30 + 168 * HOUR)
    write_config(tmp_path, [job("LOAD", **later), job("NEW", **PROMISE)])
    tracker.loop.reloading = True
    tracker.passes(1)
    ahead = 31 + 168 * HOUR
    tracker.hears((25, "LOAD", "ERROR"), (ahead, "LOAD", "STARTED"), (ahead, "LOAD", "SUCCESS"), uid="meanwhile")

    turn_clock(tracker, 9 - 168 * HOUR)
    tracker.moment += 10 * MICROSECONDS
    tracker.hears((48, "LOAD", "STARTED"), uid="right")
    tracker.restart()
    tracker.hears((45, "LOAD", "ERROR"), uid="late")
    jobs, board = tracker.loop.config.jobs.by_key, tracker.loop.books.board
    load, new = board.standing(jobs["LOAD__P"]), board.standing(jobs["NEW__P"])
    runs = [(run.outcome.value, run.errors) for run in tracker.loop.ledger.history.runs("LOAD__P")]
    tracker.close()

    assert new.known_since == new.promised_since == (T0 + 40) * MICROSECONDS
    assert load.promised_since == (T0 + 40) * MICROSECONDS
    assert (load.state.value, load.errors, load.missed) == ("RUNNING", 1, 0)
    assert runs == [("well", 0), ("badly", 0), ("well", 0), ("badly", 1), ("open", 0)]
