"""The tracker's clock runs ahead for a while and is set back: what was said of a time to come is corrected, once."""

import logging
from pathlib import Path

import pytest
from telling import T0, Event, Receiver, Tracker, job, write_config

from job_tracker.moments import MICROSECONDS
from job_tracker.view.reading import read_job

HOUR = 3600
PROMISE = {"cyclic_interval_in_hh:mm:ss": "00:10:00", "timeout_in_hh:mm:ss": "00:05:00"}


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
    return {name: f"{line.split()[0]} {line.split()[3]}" for name in ("LOAD", "LATE") for line in [tracker.line(name)]}


def stand(tracker: Tracker, seconds: int, *, heard: bool = True) -> None:
    """Time passes, and the source says every ten seconds that it has nothing to say, or does not."""
    for _ in range(seconds // 10):
        turn_clock(tracker, 10)
        if heard:
            tracker.hears()


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

    tracker.moment -= (HOUR - 10) * MICROSECONDS
    if restarts:
        tracker.restart()
    with caplog.at_level(logging.WARNING, logger="job_tracker"):
        stand(tracker, 140)
    tracker.until(lambda: len(told_of(receiver, "LOAD")) == 2 and tracker.settled(), passing=0.01)
    right = shown(tracker)
    stand(tracker, 60)
    tracker.until(tracker.settled)
    history = tracker.loop.ledger.history.changes("LOAD__P")
    tracker.close()
    view = read_job(tmp_path / "view.sqlite", "LOAD__P")

    assert wrong == {"LOAD": "2 DELAYED", "LATE": "2 DELAYED"}
    assert right == {"LOAD": "0 NOT_RUNNING", "LATE": "2 DELAYED"}
    told = [(event.application, event.status) for event in receiver.events if event.application.startswith("job_L")]
    assert told == [("job_LATE__P", 2), ("job_LOAD__P", 2), ("job_LOAD__P", 0)]
    assert receiver.events[-1].text.startswith("NOT_RUNNING since")
    assert max(row["at"] for row in history) == (T0 + HOUR - 60) * MICROSECONDS
    assert view is not None
    assert [row["at"] for row in view.changes] == [row["at"] for row in history]
    assert "clock was ahead, what was judged of a time to come is taken back jobs=2" in caplog.text


def test_a_clock_that_is_wrong_for_a_moment_after_a_start_changes_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """The host boots five hours ago, and is set right ten seconds later; nothing of a minute before is forgotten."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **PROMISE), job("LATE", **PROMISE)]))
    stand(tracker, 6 * HOUR + 10)
    tracker.hears((6 * HOUR - 20, "LOAD", "STARTED"), (6 * HOUR - 10, "LOAD", "SUCCESS"))
    tracker.until(tracker.settled)
    lines, events = [tracker.line(name) for name in ("LOAD", "LATE")], receiver.events
    standings = dict(tracker.loop.books.board.standings())

    tracker.moment -= 5 * HOUR * MICROSECONDS
    tracker.restart()
    stand(tracker, 10, heard=False)
    wrong = tracker.service()
    turn_clock(tracker, 5 * HOUR)
    stand(tracker, 200)
    tracker.until(tracker.settled)
    after = dict(tracker.loop.books.board.standings())
    right = tracker.service()
    tracker.close()

    assert "1 job is known by a clock that was ahead of this one" in wrong
    assert right.startswith("0 job_tracker")
    assert [tracker.line(name) for name in ("LOAD", "LATE")] == lines
    assert receiver.events == events
    assert after == standings


def test_an_alarm_of_a_clock_that_ran_ahead_stays_until_its_source_is_heard(tmp_path: Path, receiver: Receiver) -> None:
    """Nobody can tell before; a watermark of the wrong clock is not believed, not even when its time comes."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **PROMISE), job("LATE", **PROMISE)]))
    tracker.hears((0, "LOAD", "STARTED"), (10, "LOAD", "SUCCESS"))
    turn_clock(tracker, 500)
    tracker.hears((500, "LATE", "STARTED"), (500, "LATE", "SUCCESS"))
    turn_clock(tracker, 300)
    tracker.hears()
    tracker.until(lambda: told_of(receiver, "LOAD") and tracker.settled())

    turn_clock(tracker, -700)
    stand(tracker, 1200, heard=False)
    away = shown(tracker)
    tracker.restart()
    stand(tracker, 60, heard=False)
    restarted = shown(tracker)
    tracker.hears((600, "LOAD", "SUCCESS"), (1000, "LATE", "SUCCESS"), (1200, "LOAD", "SUCCESS"))
    tracker.until(tracker.settled)
    right = shown(tracker)
    tracker.close()

    assert away == restarted == {"LOAD": "2 DELAYED", "LATE": "3 UNKNOWN"}
    assert right == {"LOAD": "0 NOT_RUNNING", "LATE": "0 NOT_RUNNING"}


@pytest.mark.usefixtures("receiver")  # or what nobody takes would be a complaint beside the clock's
def test_what_was_configured_by_a_clock_that_ran_ahead_counts_anew_when_somebody_asks_for_it(tmp_path: Path) -> None:
    """A promise changed and a job was added; what comes late afterwards is folded once, also after a start."""
    later = {**PROMISE, "timeout_in_hh:mm:ss": "00:06:00"}
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **PROMISE)]))
    tracker.hears((0, "LOAD", "STARTED"), (10, "LOAD", "SUCCESS"), (20, "LOAD", "ERROR"))
    turn_clock(tracker, 30 + 168 * HOUR)
    write_config(tmp_path, [job("LOAD", **later), job("NEW", **PROMISE)])
    tracker.loop.asked.reloading = True
    tracker.passes(1)
    ahead = 31 + 168 * HOUR
    tracker.hears((25, "LOAD", "ERROR"), (ahead, "LOAD", "STARTED"), (ahead, "LOAD", "SUCCESS"), uid="meanwhile")

    turn_clock(tracker, 9 - 168 * HOUR)
    suspected = tracker.service()
    tracker.loop.asked.reloading = True
    tracker.passes(0)
    right = tracker.service()
    tracker.moment += 10 * MICROSECONDS
    tracker.hears((48, "LOAD", "STARTED"), uid="right")
    tracker.restart()
    tracker.hears((45, "LOAD", "ERROR"), uid="late")
    jobs, board = tracker.loop.config.jobs.by_key, tracker.loop.books.board
    load, new = board.standing(jobs["LOAD__P"]), board.standing(jobs["NEW__P"])
    runs = [(run.outcome.value, run.errors) for run in tracker.loop.ledger.history.runs("LOAD__P")]
    future = [row for row in tracker.loop.ledger.history.changes("LOAD__P") if row["at"] > tracker.moment]
    tracker.close()

    assert suspected.startswith(
        "1 job_tracker - 2 jobs are known by a clock that was ahead of this one, up to 2025-12-01"
    )
    assert right.startswith("0 job_tracker")
    assert new.known_since == new.promised_since == (T0 + 40) * MICROSECONDS
    assert load.promised_since == (T0 + 40) * MICROSECONDS
    assert (load.state.value, load.errors, load.missed) == ("RUNNING", 1, 0)
    assert runs == [("well", 0), ("badly", 0), ("well", 0), ("badly", 1), ("open", 0)]
    assert future == []


def test_two_thousand_starts_that_a_clock_a_week_ahead_missed_push_no_message_out(tmp_path: Path) -> None:
    """Else what the job says meanwhile, by a clock that is right, would be folded a week ahead; it hangs now."""
    promise = {**PROMISE, "cyclic_interval_in_hh:mm:ss": "00:05:00"}
    tracker = Tracker(write_config(tmp_path, [job("LOAD", **promise), job("LATE", **promise)]))
    tracker.hears((0, "LOAD", "STARTED"), (10, "LOAD", "SUCCESS"), (10, "LATE", "SUCCESS"))
    turn_clock(tracker, 168 * HOUR)
    tracker.hears()
    turn_clock(tracker, 1)
    tracker.hears((20, "LOAD", "STARTED"))
    missed = tracker.loop.books.board.standing(tracker.loop.config.jobs.by_key["LATE__P"]).missed

    turn_clock(tracker, 40 - 168 * HOUR)
    stand(tracker, 140)
    right = shown(tracker)
    stand(tracker, 300)
    late = shown(tracker)
    tracker.close()

    assert missed == 2015
    assert right == {"LOAD": "0 RUNNING", "LATE": "0 NOT_RUNNING"}
    assert late == {"LOAD": "2 TIMEOUT", "LATE": "2 DELAYED"}
