"""The operator's word: a real daemon hears its own queue, before it judges anything, and says when it cannot."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Queue, Tracker, cyclic, said, wait_until
from telling import T0, write_config
from telling import Tracker as Cycles

from job_tracker.config.settings import Settings
from job_tracker.core.operator_word import OPERATOR
from job_tracker.daemon.control import Control
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Contact, Delivery, Report

HOUR = 3600


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Tracker]:
    """A tracker of one job that is due each hour."""
    made = Tracker(tmp_path / "tracker", cyclic("LOAD"))
    yield made
    made.close()


def word(event: str, job: str = "LOAD", at: float | None = None, **note: Any) -> dict[str, Any]:
    """What a command puts into the control queue."""
    return said(job, event, at, message=json.dumps({"author": "anna", "why": "new disks", **note}))


# ------------------------------------------------------------------------------------------------ heard


def test_a_pause_silences_an_alarm_and_its_end_brings_it_back(tracker: Tracker) -> None:
    """The way of a word: queue, daemon, ledger, state file; it is confirmed like any message."""
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "ERROR", message="no space"))
    tracker.wait_for("LOAD", "ERROR since")
    control = Queue(tracker.control)

    control.add(word("PAUSE", until=time.time() + HOUR))
    tracker.wait_for("LOAD", "by anna: new disks")
    assert tracker.line("LOAD").startswith("0 job_LOAD__P - ERROR since ")

    control.add(word("RESUME"))
    wait_until(lambda: tracker.status("LOAD") == 2, "the alarm to be back")
    wait_until(lambda: not control.depth(), "the words to be confirmed")
    assert "paused" not in tracker.line("LOAD")


def test_a_mark_ends_the_run_that_nobody_ended(tracker: Tracker) -> None:
    """Somebody who knows that it is over says so where the tracker is, not on the job's host."""
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED", run="a1"))
    tracker.wait_for("LOAD", "RUNNING since")

    Queue(tracker.control).add(word("ERROR"))

    tracker.wait_for("LOAD", "marked by anna: new disks")
    assert tracker.status("LOAD") == 2


def test_what_is_no_word_of_an_operator_is_kept_aside(tracker: Tracker) -> None:
    """A start cannot be said by hand, nor anything of a job that is not configured; neither holds up the next word."""
    tracker.start()
    control = Queue(tracker.control)

    control.add(word("STARTED"), word("PAUSE", "LAOD"), word("SUCCESS"))

    tracker.wait_for("LOAD", "NOT_RUNNING")
    tracker.wait_for_service("job_unmatched", "'LAOD' of 'P'")
    wait_until(lambda: not control.depth(), "all of them to be confirmed")


def test_what_belongs_to_no_job_is_forgotten_until_it_is_reported_again(tracker: Tracker) -> None:
    """A slip that was mended stays in every list otherwise; whoever goes on slipping is seen again."""
    tracker.start()
    tracker.queue.add(said("LAOD", "STARTED"), said("OTHER", "STARTED"))
    tracker.wait_for_service("job_unmatched", "2 names")
    wait_until(lambda: len(tracker.shown("unmatched")["unmatched"]) == 2, "both in the view")

    done = tracker.command("unmatched", "LAO*", "--forget", "--view", str(tracker.view))
    tracker.wait_for_service("job_unmatched", "1 name")
    wait_until(lambda: [row["name"] for row in tracker.shown("unmatched")["unmatched"]] == ["OTHER"], "the view")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("LAOD of P: forgotten by ")
    again = tracker.command("unmatched", "LAO*", "--forget", "--view", str(tracker.view))
    assert (again.returncode, "nothing to forget" in again.stderr) == (2, True)
    tracker.queue.add(said("LAOD", "STARTED"))
    tracker.wait_for_service("job_unmatched", "2 names")


def test_a_pause_outlives_a_daemon_that_is_killed(tracker: Tracker) -> None:
    """Who was told that nothing alarms until tomorrow is not woken because something was restarted."""
    tracker.start()
    tracker.queue.add(said("LOAD", "ERROR"))
    tracker.wait_for("LOAD", "ERROR since")
    Queue(tracker.control).add(word("PAUSE", until=time.time() + HOUR))
    tracker.wait_for("LOAD", "paused until")
    tracker.kill()

    tracker.start()

    assert tracker.status("LOAD") == 0
    assert "by anna: new disks" in tracker.line("LOAD")


def test_a_pause_that_somebody_types_is_told_once_over_restarts_and_so_is_its_end(tracker: Tracker) -> None:
    """The whole way: command, queue, daemon, state file, Event Console; a restart repeats nothing and loses nothing."""
    taken, command = tracker.home / "taken", tracker.home / "take"
    command.write_text(f'#!/bin/sh\nread -r text\nprintf "%s\\n" "$text" >> {taken}\n')
    command.chmod(0o755)
    tracker.configure(monitoring_backend_based_on_event_or_status="status,event", notification_command=[str(command)])
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "SUCCESS"))
    tracker.wait_for("LOAD", "NOT_RUNNING")
    wait_until(lambda: tracker.shown("jobs")["jobs"][0]["state"] == "NOT_RUNNING", "the view to know it")

    paused = tracker.command("pause", "LOAD", "--for", "2d", "--why", "new disks", "--view", str(tracker.view))
    tracker.wait_for("LOAD", "new disks")
    wait_until(taken.exists, "the pause to be told")
    tracker.stop()
    tracker.queue.add(said("LOAD", "ERROR", message="no space"))
    resumed = tracker.command("resume", "LOAD", "--view", str(tracker.view))
    tracker.start()
    wait_until(lambda: tracker.status("LOAD") == 2, "the alarm behind the pause")
    wait_until(lambda: len(taken.read_text().splitlines()) > 1, "the end to be told")
    tracker.stop()

    assert (paused.returncode, resumed.returncode) == (0, 0), paused.stderr + resumed.stderr
    assert "the daemon does not run: it is queued" in resumed.stderr
    begin, end = taken.read_text().splitlines()
    assert begin.startswith("NOT_RUNNING since ")
    assert "; paused until " in begin
    assert end.startswith("ERROR since ")
    assert "no space; the pause is over" in end


def test_it_stands_last_among_the_sources_and_has_no_service(tracker: Tracker) -> None:
    """Its name could be no host's; Checkmk is told of hosts only."""
    tracker.start()
    wait_until(lambda: tracker.shown("sources")["sources"][-1].get("contact") == "reachable", "the view to know it")

    found = tracker.shown("sources")["sources"]

    assert [each["source"] for each in found] == ["app1", OPERATOR]
    assert found[-1]["path"] == str(tracker.control)
    assert set(tracker.services()) == {"job_tracker", "job_source_app1", "job_unmatched", "job_LOAD__P"}


def test_check_sources_looks_at_it_too_once_it_is_there(tracker: Tracker) -> None:
    """A check makes no file: whoever makes it owns it, and that has to be the daemon."""
    tracker.queue.add(said("LOAD", "STARTED"))
    before = tracker.command("check-sources", str(tracker.config))
    assert not tracker.control.exists()
    tracker.start()

    after = tracker.command("check-sources", str(tracker.config))

    assert (before.returncode, after.returncode) == (0, 0)
    assert f"{OPERATOR}: {tracker.control} is not there yet; the daemon makes it at its start" in before.stderr
    assert f"{OPERATOR}: works" in after.stdout
    assert "2 of 2 sources work" in after.stderr


# ------------------------------------------------------------------------------------------------ heard first


def delivered(source: str, now: int, *elements: dict[str, Any], drained: bool = True) -> Delivery:
    return Delivery(
        source=source,
        queue="q",
        elements=elements,
        through=len(elements),
        received=now,
        drained=now if drained else None,
        size=0,
    )


def settings(tmp_path: Path) -> Settings:
    return Settings(store_file=str(tmp_path / "store.sqlite"))  # type: ignore[arg-type]  # read as the text of a file is


def test_nothing_is_judged_before_the_operators_were_heard(tmp_path: Path) -> None:
    """A start that was missed while the daemon was away is no alarm if somebody had paused the job before."""
    path = write_config(tmp_path, [cyclic("LOAD")])
    first = Cycles(path)
    first.hears((0, "LOAD", "STARTED"), (1, "LOAD", "SUCCESS"))
    first.close()
    second = Cycles(path, T0 + 3 * HOUR)
    second.loop.mailbox.take(10)  # what the kit says in the operators' stead
    loop, now = second.loop, second.moment

    loop.mailbox.put(delivered("app1", now))
    wake = loop.cycle()
    held = loop.books.board.standing(loop.config.jobs.by_key["LOAD__P"]).missed
    pause = {"_id": 1, "uid": "p", **word("PAUSE", at=T0 + 60, until=T0 + 4 * HOUR)}
    loop.mailbox.put(delivered(OPERATOR, now, pause))
    loop.cycle()

    assert held == 0
    assert wake <= now + 5 * MICROSECONDS
    assert second.line("LOAD").startswith("0 job_LOAD__P - NOT_RUNNING")
    assert "DELAYED" not in {each["state_to"] for each in loop.ledger.history.changes("LOAD__P")}
    second.close()


def test_a_queue_of_words_longer_than_a_delivery_is_heard_to_its_end_first(tmp_path: Path) -> None:
    """Each delivery is confirmed only when it is stored, and the next comes after that: so these are not kept back."""
    control = Control(settings(tmp_path), 0)
    first, rest = delivered(OPERATOR, 1, {}, drained=False), delivered(OPERATOR, 3)
    host = delivered("app1", 2)

    control.heard(first)
    assert control.admit([host, first], 2) == [first]
    control.heard(rest)
    assert control.admit([rest], 3) == [host, rest]


def test_it_is_not_waited_for_longer_than_the_load_timeout(tmp_path: Path) -> None:
    """Then judging begins, and the daemon's service says what is not heard."""
    Path(tmp_path, "control").mkdir()
    Path(tmp_path, "control", "queue.sqlite").touch()
    control = Control(settings(tmp_path), 0)
    control.heard(Report(source=OPERATOR, contact=Contact.UNREACHABLE, since=0, text="it is locked"))

    just_before = control.admit([delivered("app1", 1)], 5 * MICROSECONDS - 1)
    then = control.admit([], 5 * MICROSECONDS)

    assert (len(just_before), len(then)) == (0, 1)
    assert control.complaint(5 * MICROSECONDS - 1) == ""
    assert control.complaint(5 * MICROSECONDS) == (
        f"pauses, resumes and marks are not heard, {tmp_path}/control/queue.sqlite cannot be read: it is locked"
    )
    control.heard(Report(source=OPERATOR, contact=Contact.REACHABLE, since=6 * MICROSECONDS))
    assert control.complaint(99 * MICROSECONDS) == ""


def test_one_that_cannot_be_made_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody can have said anything in it."""
    control = Control(settings(tmp_path), 0)
    control.heard(Report(source=OPERATOR, contact=Contact.REFUSED, since=0, text="no such directory"))

    assert control.admit([delivered("app1", 1)], 1) != []
    assert control.awaited_until(1) is None


def test_a_daemon_that_may_not_make_it_judges_all_the_same(tracker: Tracker, tmp_path: Path) -> None:
    """A wrong path must cost pauses, not the watching; it is WARN until somebody has put it right."""
    (tmp_path / "file").touch()
    tracker.configure(control_queue=str(tmp_path / "file" / "queue.sqlite"), controller_data_load_timeout_in_sec=1)
    tracker.start()

    tracker.queue.add(said("LOAD", "ERROR"))

    tracker.wait_for("LOAD", "ERROR since")
    tracker.wait_for_service("job_tracker", "pauses, resumes and marks are not heard")
    assert tracker.services()["job_tracker"].startswith("1 ")
    assert os.path.isfile(tmp_path / "file")
