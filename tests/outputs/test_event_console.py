"""The Event Console: what is told of jobs and sources, in which words, and what is not told."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from telling import ROOT, T0, TOOL, Event, Receiver, Tracker, job, write_config

from job_tracker.config.notification_template import check_template
from job_tracker.config.reading import load
from job_tracker.errors import ConfigError
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.event_console import message
from job_tracker.outputs.event_console.message import Fact, Notification
from job_tracker.view.reading import read_outbox


@pytest.fixture
def tracker(tmp_path: Path, receiver: Receiver) -> Iterator[Tracker]:
    """A tracker of two jobs, and of one that needs two errors."""
    jobs = [job("LOAD"), job("OTHER"), job("TWICE", max_errors_before_alerting=2, status_below_threshold=1)]
    made = Tracker(write_config(tmp_path, jobs))
    made.hears()
    yield made
    made.close()


# -- changes ----------------------------------------------------------------------------------------------------------


def test_an_alarm_and_its_end_are_told_with_their_own_moments(tracker: Tracker, receiver: Receiver) -> None:
    """CRIT with the reason, then OK for the same application, so that a rule can cancel."""
    tracker.moment += 100 * MICROSECONDS
    tracker.hears((10, "LOAD", "STARTED"), (20.5, "LOAD", "ERROR", "ORA-01555\nsnapshot too old"))
    tracker.until(tracker.settled)
    tracker.hears((90, "LOAD", "SUCCESS"))
    tracker.until(tracker.settled)

    first, second = receiver.events
    assert first[:3] == (2, T0 + 20, "job_LOAD__P")
    assert first.text == (
        "ERROR since 2025-11-24 02:07:00 (1 of 1 errors): ORA-01555 snapshot too old;"
        " last runs: 2025-11-24 02:06:50 badly after 00:00:10"
    )
    assert second[:3] == (0, T0 + 90, "job_LOAD__P")
    assert second.text.startswith("NOT_RUNNING since 2025-11-24 02:08:10: last run took 00:01:20")


def test_every_change_of_status_is_told_and_of_state_only_while_it_is_not_ok(
    tracker: Tracker, receiver: Receiver
) -> None:
    """Starts and ends of a job that is well are nobody's business."""
    tracker.moment += 100 * MICROSECONDS
    for at, event in [(1, "STARTED"), (2, "SUCCESS"), (3, "STARTED"), (4, "ERROR"), (5, "STARTED"), (6, "ERROR")]:
        tracker.hears((at, "TWICE", event))
        tracker.until(tracker.settled)
    tracker.hears((7, "TWICE", "SUCCESS"))
    tracker.until(tracker.settled)

    assert [(event.status, event.text.split()[0], event.at - T0) for event in receiver.events] == [
        (1, "ERROR", 4),
        (1, "RUNNING", 5),
        (2, "ERROR", 6),
        (0, "NOT_RUNNING", 7),
    ]


def test_an_alarm_that_was_over_before_it_was_found_is_not_told(tracker: Tracker, receiver: Receiver) -> None:
    """After an outage of the tracker: no flood of alarms for jobs that are well again."""
    tracker.close()
    tracker.moment += 100 * MICROSECONDS
    tracker.begin(load(tracker.config_path))
    tracker.hears(
        (1, "LOAD", "ERROR"),
        (2, "LOAD", "STARTED"),
        (3, "LOAD", "SUCCESS"),
        (1, "OTHER", "SUCCESS"),
        (2, "OTHER", "ERROR", "stays"),
    )
    tracker.until(tracker.settled)

    assert [event[:3] for event in receiver.events] == [(2, T0 + 2, "job_OTHER__P")]


def test_what_a_source_delivers_in_parts_after_an_outage_is_told_once(tracker: Tracker, receiver: Receiver) -> None:
    """One notification per job with its present state, and what happened meanwhile."""
    tracker.moment += 100 * MICROSECONDS
    tracker.hears((1, "LOAD", "ERROR", "first"), drained=False)
    tracker.hears((2, "LOAD", "SUCCESS"), drained=False)
    tracker.passes(1)
    tracker.hears((3, "LOAD", "ERROR", "second"))
    tracker.until(tracker.settled)

    (event,) = receiver.events
    assert event[:3] == (2, T0 + 3, "job_LOAD__P")
    assert "second" in event.text
    assert event.text.endswith("; meanwhile: 2025-11-24 02:06:41 ERROR, 2025-11-24 02:06:42 NOT_RUNNING")


def test_a_source_that_never_catches_up_does_not_silence_alarms(tracker: Tracker, receiver: Receiver) -> None:
    """Half a minute is enough to wait for the rest of the story."""
    tracker.hears((1, "LOAD", "ERROR"), drained=False)
    tracker.passes(15)
    assert not tracker.event_console.courier.busy

    tracker.passes(16)
    tracker.until(tracker.settled)

    assert [event.status for event in receiver.events] == [2]


# -- sources ----------------------------------------------------------------------------------------------------------


def test_jobs_of_an_unreachable_source_are_told_once_for_the_source(tmp_path: Path, receiver: Receiver) -> None:
    """Three jobs turn UNKNOWN one after another; when it is back, one is late for real."""
    due = {"cyclic_interval_in_hh:mm:ss": "00:10:00"}
    later = {"cyclic_interval_in_hh:mm:ss": "00:20:00"}
    tracker = Tracker(write_config(tmp_path, [job("A", **due), job("B", **due), job("C", **later), job("D")]))
    tracker.hears()
    for _ in range(30):
        tracker.passes(60)
        tracker.until(tracker.settled)
    (away,) = receiver.events
    tracker.hears((500, "A", "STARTED"), (1000, "C", "STARTED"), (1700, "A", "STARTED"))
    tracker.until(tracker.settled)
    tracker.close()

    assert (away.status, away.application) == (3, "job_source_app1")
    assert "app1 unreachable since 2025-11-24 02:06:40, cannot tell about 2 of its 4 jobs: A__P, B__P;" in away.text
    assert "as soon as something is due also: C__P, D__P" in away.text
    rest = {event.application: event for event in receiver.events[1:]}
    assert set(rest) == {"job_source_app1", "job_A__P", "job_B__P"} or set(rest) == {"job_source_app1", "job_B__P"}
    assert rest["job_source_app1"].status == 0
    assert rest["job_B__P"].status == 2


def test_a_thousand_jobs_of_a_host_that_died_are_one_event_and_do_not_delay_the_loop(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest names as many as fit, and how many more; the loop gives it less than 50 ms in any cycle."""
    due = {"cyclic_interval_in_hh:mm:ss": "00:10:00"}
    tracker = Tracker(write_config(tmp_path, [job(f"LOAD_{n:04d}", **due) for n in range(1000)]))
    tracker.hears()
    spent: dict[int, float] = {}
    for name in ("draft", "stored", "tell", "undelivered", "complaint"):
        spend_on(tracker, monkeypatch, name, spent)

    for _ in range(14):
        tracker.passes(60)
        tracker.until(tracker.settled)
    (away,) = receiver.events
    tracker.hears(*((300, f"LOAD_{n:04d}", "STARTED") for n in range(1000)))
    tracker.until(tracker.settled)
    tracker.close()

    assert (away.status, away.application) == (3, "job_source_app1")
    assert "cannot tell about 1000 of its 1000 jobs: LOAD_0000__P, LOAD_0001__P, " in away.text
    assert away.text.endswith(" more")
    assert [event[0:3:2] for event in receiver.events[1:]] == [(0, "job_source_app1")]
    assert max(spent.values()) < 0.05, spent


def spend_on(tracker: Tracker, monkeypatch: pytest.MonkeyPatch, name: str, spent: dict[int, float]) -> None:
    """Add up what a method costs the main thread, by the moment of the cycle."""
    told = tracker.event_console
    method = getattr(told, name)

    def timed(*arguments: object, **keys: object) -> object:
        begun = time.thread_time()
        try:
            return method(*arguments, **keys)
        finally:
            spent[tracker.moment] = spent.get(tracker.moment, 0.0) + time.thread_time() - begun

    monkeypatch.setattr(told, name, timed)


# -- configuration ----------------------------------------------------------------------------------------------------


def test_a_job_that_is_no_longer_configured_is_told_to_be_gone(
    tmp_path: Path, tracker: Tracker, receiver: Receiver
) -> None:
    """Its event would stay open for ever."""
    tracker.hears((0, "LOAD", "ERROR"), (0, "OTHER", "ERROR"))
    tracker.until(tracker.settled)
    write_config(tmp_path, [job("OTHER", max_errors_before_alerting=5)])
    tracker.loop.asked.reloading = True
    tracker.until(lambda: not tracker.loop.asked.reloading and tracker.settled())

    told = {event.application: event.status for event in receiver.events}
    assert told == {"job_LOAD__P": 0, "job_OTHER__P": 0}
    assert len(receiver.events) == 4


def test_who_begins_to_listen_is_told_the_alarms_there_are(tmp_path: Path, receiver: Receiver) -> None:
    """And who stops, nothing, not even later what waited."""
    off = {"monitoring_backend_based_on_event_or_status": "status"}
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER")], **off))
    tracker.hears((0, "LOAD", "ERROR"))
    tracker.until(tracker.settled)
    assert receiver.events == []

    write_config(tmp_path, [job("LOAD"), job("OTHER")])
    tracker.restart()
    tracker.hears()
    tracker.until(tracker.settled)
    told = list(receiver.events)
    receiver.go()
    tracker.hears((1, "OTHER", "ERROR"))
    write_config(tmp_path, [job("LOAD"), job("OTHER")], **off)
    tracker.restart()

    assert tracker.loop.ledger.outbox.waiting() == []
    assert [event[:3] for event in told] == [(2, T0, "job_LOAD__P")]
    tracker.close()


def test_a_heartbeat_that_is_not_taken_holds_up_no_alarm(tmp_path: Path, receiver: Receiver) -> None:
    """A command may refuse it for ever; the daemon's service says so, and alarms arrive."""
    receiver.come()
    command = tmp_path / "command"
    command.write_text(
        f'#!/bin/sh\ncase "$*" in *"-a job_tracker "*|*"--application job_tracker "*) exit 3;; esac\n'
        f'exec {sys.executable} -I {TOOL} --config {tmp_path}/targets.cfg "$@"\n'
    )
    command.chmod(0o755)
    keys = {"heartbeat_interval_in_sec": 60, "notification_command": [str(command)]}
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], **keys))
    for _ in range(20):
        tracker.until(lambda: not tracker.event_console.courier.busy)
        tracker.passes(60)
    tracker.until(lambda: not tracker.event_console.courier.busy)
    tracker.passes(1)
    complaint = tracker.event_console.complaint()
    tracker.hears((0, "LOAD", "ERROR"))
    tracker.until(lambda: receiver.events)
    tracker.close()

    assert "heartbeat not delivered" in complaint
    assert receiver.events[0].application == "job_LOAD__P"


def test_a_clock_that_is_set_back_silences_neither_heartbeat_nor_services(tmp_path: Path, receiver: Receiver) -> None:
    """By two hours: the next heartbeat comes within its interval, the services file is never dated ahead."""
    receiver.come()
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], heartbeat_interval_in_sec=60))
    tracker.until(lambda: receiver.events)
    before = len(receiver.events)
    tracker.passes(-7200)
    written, back = (tmp_path / "run" / "job_tracker.services").read_text().split()[4], tracker.moment
    tracker.until(lambda: len(receiver.events) > before, passing=1)
    tracker.close()

    assert int(written) == back // MICROSECONDS
    assert tracker.moment - back < 120 * MICROSECONDS


def test_the_heartbeat_comes_regularly_and_is_not_stored(tmp_path: Path, receiver: Receiver) -> None:
    """For the rule that expects it; a missed one is not made up for, that would tell a lie."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], heartbeat_interval_in_sec=60))
    tracker.hears()
    tracker.until(tracker.settled)
    receiver.go()
    for _ in range(3):
        tracker.passes(60)
        tracker.until(tracker.settled)
    receiver.come()
    tracker.passes(60)
    tracker.until(tracker.settled)
    tracker.close()

    assert [event.at - T0 for event in receiver.events] == [0, 240]
    assert set(receiver.events[0]) >= {"job_tracker", 0}
    assert receiver.events[0].text == "alive: 1 jobs, 1 sources, 0 notifications waiting"


# -- texts ------------------------------------------------------------------------------------------------------------


def test_the_operators_template_makes_the_text(tmp_path: Path, receiver: Receiver) -> None:
    """With everything that its description promises."""
    (tmp_path / "words.j2").write_text(
        "{{ name }}/{{ env }} {{ word }} {{ reason }}\n{% for run in runs %}{{ run.outcome }}{% endfor %} {{ since }}"
    )
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], notification_template="words.j2"))
    tracker.hears((0, "LOAD", "ERROR", "$(x) {{ 7 }} %n"))
    tracker.until(tracker.settled)
    tracker.close()

    assert receiver.events == [Event(2, T0, "job_LOAD__P", "LOAD/P CRIT $(x) {{ 7 }} %n badly 2025-11-24 02:06:40")]


def test_a_template_that_fails_costs_its_wording_only(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """What no sample showed: a text that is empty, a run that was not seen."""
    (tmp_path / "words.j2").write_text("{{ 1 // (errors - 3) }}")
    tracker = Tracker(
        write_config(tmp_path, [job("LOAD", max_errors_before_alerting=3)], notification_template="words.j2")
    )
    logging.getLogger("job_tracker").propagate = True
    tracker.hears((0, "LOAD", "ERROR"), (0, "LOAD", "ERROR"), (0, "LOAD", "ERROR", "third"))
    tracker.until(tracker.settled)
    tracker.close()

    (event,) = receiver.events
    assert event.text.startswith("ERROR since 2025-11-24 02:06:40 (3 of 3 errors): third")
    assert "template failed" in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ jop }}", "'jop' is undefined"),
        ("a\n{% if %}", "line 2: "),
        ("{{ text.__class__.__mro__ }}", "unsafe"),
        ("{{ runs[7].begun }}", "no element 7"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% include '/etc/passwd' %}", ""),
        ("x" * 30_000, "longer than"),
        ("\udcff", "UTF-8"),
    ],
    ids=range(8),
)
def test_a_faulty_template_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    """By check-config, not in the night in which it is used first."""
    (tmp_path / "words.j2").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ConfigError) as caught:
        load(write_config(tmp_path, [job("LOAD")], notification_template="words.j2"))

    (fault,) = caught.value.faults
    assert fault.startswith("global_config: notification_template: ")
    assert reason in fault


def test_a_template_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """Neither missing nor a FIFO that would hang."""
    os.mkfifo(tmp_path / "fifo")

    for name, reason in (("missing", "cannot be read"), ("fifo", "is not a file"), (".", "is not a file")):
        with pytest.raises(ConfigError, match=reason):
            load(write_config(tmp_path, [job("LOAD")], notification_template=name))


@pytest.mark.parametrize("command", ["~/x", "bin/x", "-x", "a b", [], ["", "x"], ["-x"]])
def test_a_command_is_a_name_or_a_whole_path(tmp_path: Path, command: object) -> None:
    """A daemon's working directory is nobody's."""
    with pytest.raises(ConfigError, match="notification_command"):
        load(write_config(tmp_path, [job("LOAD")], notification_command=command))


def test_of_many_changes_meanwhile_the_last_are_told_and_the_others_counted() -> None:
    """The line has room for so many."""
    facts = tuple(Fact(at=n * MICROSECONDS, state=f"S{n}", status=0, text=f"text {n}") for n in range(100))
    notification = Notification(
        subject="source_x",
        application="job_source_x",
        facts=facts,
        forgotten=7,
        job=None,
        standing=None,
        runs=(),
        zone=load(ROOT / "examples" / "job_tracker.cfg").settings.time_zone,
    )

    text = message.plain(notification)

    assert text.startswith("text 99; meanwhile: 66 more changes, 1970-01-01 01:00:59 S59, ")
    assert text.endswith(" S98")
    assert message.arguments(notification, "")[-2:] == ["--at", "99"]


def test_the_example_template_is_in_order() -> None:
    """Whoever copies it begins with something that works."""
    check_template((ROOT / "examples" / "notification.j2").read_text())


# -- the command line -------------------------------------------------------------------------------------------------


def test_notifications_shows_what_waits_since_when_and_why(tmp_path: Path, receiver: Receiver) -> None:
    """While the target is down; and says so when nothing waits."""
    receiver.go()
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER")]), now=time.time())
    seconds = tracker.moment / MICROSECONDS - T0
    tracker.hears()
    tracker.hears((seconds, "LOAD", "ERROR", "boom"))
    tracker.until(lambda: tracker.event_console.pauses.problem)
    tracker.passes(5)
    tracker.until(lambda: shown(tracker) == ["LOAD__P"])
    waiting = ask(tracker, "--json")
    table = ask(tracker)
    complaint = tracker.service()
    receiver.come()
    tracker.until(tracker.settled, passing=1)
    tracker.passes(2)

    (row,) = json.loads(waiting)["notifications"]
    assert (row["subject"], row["status"], row["state"], row["waiting"]) == ("LOAD__P", 2, "ERROR", 1)
    assert row["stored"] == pytest.approx(seconds + T0, abs=0.001)
    assert "nobody reads it" in row["reason"]
    assert row["tries"] >= 1
    assert "LOAD__P" in table
    assert complaint.startswith("1 job_tracker - 1 notification not delivered: ")
    tracker.until(lambda: shown(tracker) == [])
    tracker.close()


def ask(tracker: Tracker, *words: str) -> str:
    """What the command says."""
    command = [sys.executable, "-m", "job_tracker", "notifications", "-c", str(tracker.config_path), *words]
    return subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout


def shown(tracker: Tracker) -> list[str]:
    """The subjects that the view has, which a thread writes."""
    _, rows = read_outbox(tracker.config_path.parent / "view.sqlite")
    return [row["subject"] for row in rows]
