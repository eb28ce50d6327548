"""What a day came to, as an operator and a program get it from a running tracker."""

import time
from collections.abc import Iterator
from datetime import date

import pytest
from running import Line, Tracker, cyclic, in_memory, said, wait_until

from job_tracker.view.reading import read_spans


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with in_memory() as home:
        made = Tracker(home, cyclic("LOAD", "30:00:00"))
        yield made
        made.close()


def last_days(tracker: Tracker) -> list[Line]:
    days: list[Line] = tracker.shown("history", "LOAD", "--days", "400")["days"]
    return days


def counted(tracker: Tracker, name: str) -> int:
    """Over all days: a midnight may lie in the test."""
    return sum(day[name] for day in last_days(tracker))


def test_what_a_day_came_to_is_published_and_outlives_a_kill(tracker: Tracker) -> None:
    """With the step, not with the next start: a picture of the year has today in it."""
    now = time.time() - 100
    tracker.begin_store(now - 1000)
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED", now, run="a"), said("LOAD", "SUCCESS", now + 40, run="a"))
    wait_until(lambda: counted(tracker, "well") == 1, "the run that ended well")
    tracker.queue.add(said("LOAD", "STARTED", now + 50, run="b"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.kill()

    tracker.start()
    tracker.queue.add(said("LOAD", "ERROR", now + 60, run="b"))
    wait_until(lambda: counted(tracker, "badly") == 1, "the run that failed")
    tracker.queue.add(said("LOAD", "SUCCESS", now + 70, run="b"))

    wait_until(lambda: (counted(tracker, "well"), counted(tracker, "badly")) == (2, 0), "the run's last word")
    days = last_days(tracker)
    assert {day["longest"] for day in days} <= {40.0, 20.0}
    assert all(date.fromisoformat(day["date"]) for day in days)


def test_a_line_a_day_says_from_when_on_they_are_whole(tracker: Tracker) -> None:
    """A number that is low because nobody counted must not be taken for a quiet day."""
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "ERROR"))
    wait_until(lambda: counted(tracker, "badly") == 1, "the run")

    answer = tracker.command("history", "LOAD", "--days", "2", "--view", str(tracker.view))

    assert answer.stdout.split()[:6] == ["DAY", "WELL", "WARNED", "SKIPPED", "FAILED", "LOST"]
    assert "counted since 20" in answer.stderr


def test_with_the_log_off_no_day_is_counted(tracker: Tracker) -> None:
    """It is one switch, and the command says so."""
    tracker.configure(event_log=False)
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "ERROR"))
    tracker.wait_for("LOAD", "ERROR")

    answer = tracker.command("history", "LOAD", "--days", "2", "--view", str(tracker.view))
    tracker.stop()

    assert answer.stdout == ""
    assert "event_log is false" in answer.stderr
    assert tracker.ledger("SELECT count(*) FROM days") == [(0,)]


def test_spans_of_contact_say_when_nobody_looked(tracker: Tracker) -> None:
    """Of the time in which the tracker was stopped nothing is known, and that is in the view at once."""
    tracker.start()
    tracker.stop()
    tracker.start()

    def found() -> list[str | None]:
        return [span["contact"] for span in read_spans(tracker.view)[1] if span["source"] == "app1"]

    wait_until(lambda: len(found()) == 3, "the second contact")
    assert found() == ["reachable", None, "reachable"]
