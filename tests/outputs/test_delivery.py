"""Delivery: at least once, in order for each job, whatever dies in between; never in the way of the loop."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling import QUEUE_TOOL, ROOT, T0, TOOL, Event, Receiver, Tracker, job, write_config

from job_tracker.errors import StoreFailed
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import MICROSECONDS
from job_tracker.retries import LONGEST, Pauses, pause


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """An Event Console whose reader has not come yet."""
    made = Receiver(tmp_path / "events")
    yield made
    made.go()


def eventually(look: Callable[[], object], seconds: float = 120) -> object:
    """What look finds, waiting for it."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


def told_of(events: list[Event], name: str) -> list[Event]:
    """What arrived of one job."""
    return [event for event in events if event.application == f"job_{name}__P"]


# -- a target that is down --------------------------------------------------------------------------------------------


def test_after_an_outage_of_the_target_each_job_is_told_once_with_what_happened_meanwhile(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Every change arrives, in order: the last as the event, those before it in its text."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("OTHER"), job("WELL")]))
    tracker.hears()
    for at, event in [(1, "ERROR"), (2, "STARTED"), (3, "SUCCESS"), (4, "ERROR")]:
        tracker.moment += MICROSECONDS
        tracker.hears((at, "LOAD", event))
    tracker.hears((4, "OTHER", "ERROR"), (4, "WELL", "SUCCESS"))
    tracker.until(lambda: tracker.event_console.pauses.tries.get("LOAD__P", 0) > 1, passing=1)
    receiver.come()
    tracker.until(tracker.settled, passing=1)
    tracker.close()

    (load,) = told_of(receiver.events, "LOAD")
    assert load[:2] == (2, T0 + 4)
    times = [f"2025-11-24 02:06:4{n} {state}" for n, state in ((1, "ERROR"), (2, "RUNNING"), (3, "NOT_RUNNING"))]
    assert load.text.endswith("; meanwhile: " + ", ".join(times))
    assert len(receiver.events) == 2


def test_a_reader_that_comes_and_goes_gets_everything_in_order(tmp_path: Path, receiver: Receiver) -> None:
    """Ten changes of each of five jobs, while the Event Console is restarted again and again."""
    names = [f"J{n}" for n in range(5)]
    tracker = Tracker(write_config(tmp_path, [job(name) for name in names]))
    tracker.hears()
    for number in range(10):
        receiver.come() if number % 3 == 0 else receiver.go()
        tracker.moment += MICROSECONDS
        tracker.hears(*((number, name, "ERROR" if number % 2 == 0 else "SUCCESS") for name in names))
        for _ in range(3):
            tracker.loop.mailbox.sleep(0.1)
            tracker.passes(0)
        receiver.read()
    receiver.go()
    receiver.come()
    tracker.until(tracker.settled, passing=1)
    tracker.close()

    for name in names:
        told = told_of(receiver.events, name)
        assert [event.at for event in told] == sorted({event.at for event in told})
        assert told[-1][:2] == (0, T0 + 9)
        moments = {event.at - T0 for event in told}
        moments |= {n for n in range(10) for event in told if f":{40 + n} " in event.text.partition("meanwhile:")[2]}
        assert moments == set(range(10))


def test_a_notification_that_nobody_takes_holds_up_no_other(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again by itself, with growing pauses."""
    receiver.come()
    poison = tmp_path / "poison"
    poison.write_text(f'#!/bin/sh\ncase "$*" in *BAD*) exit 3;; esac\nexec {sys.executable} -I {TOOL} "$@"\n')
    poison.chmod(0o755)
    monkeypatch.setenv("SEND_NOTIFICATION_TO", f"pipe:{receiver.path}")
    jobs = [job("BAD"), *(job(f"GOOD{n}") for n in range(4))]
    tracker = Tracker(write_config(tmp_path, jobs, notification_command=str(poison)))
    tracker.hears(*((0, each["name"], "ERROR") for each in jobs))
    tracker.until(lambda: len(receiver.events) == 4)
    tracker.until(lambda: tracker.event_console.pauses.tries.get("BAD__P", 0) >= 3, passing=1)
    (row,) = tracker.loop.undelivered()
    tracker.close()

    assert row["subject"] == "BAD__P"
    assert "ended with 3" in row["reason"]


def test_many_alarms_at_once_drain_without_delaying_the_loop(tmp_path: Path) -> None:
    """Each of 300 jobs has one of its own; what the loop does for them in a cycle takes less than 50 ms."""
    command = tmp_path / "take"
    command.write_text(f'#!/bin/sh\nread -r text\nprintf "%s\\n" "$5" >> {tmp_path}/taken\n')
    command.chmod(0o755)
    names = [f"J{n:03d}" for n in range(300)]
    tracker = Tracker(write_config(tmp_path, [job(name) for name in names], notification_command=str(command)))
    tracker.hears()
    tracker.hears(*((0, name, "ERROR") for name in names))
    longest = 0.0
    while not tracker.settled():
        tracker.loop.mailbox.sleep(0.05)
        begun = time.thread_time()
        tracker.loop.cycle()
        longest = max(longest, time.thread_time() - begun)
    tracker.close()

    assert sorted((tmp_path / "taken").read_text().split()) == [f"job_{name}__P" for name in names]
    assert longest < 0.05


def test_a_thousand_alarms_at_once_are_brought_by_ten_calls(tmp_path: Path, receiver: Receiver) -> None:
    """One by one the command alone would take minutes; each arrives once, with its own text."""
    receiver.come()
    names = [f"J{n:04d}" for n in range(1000)]
    tracker = Tracker(write_config(tmp_path, [job(name) for name in names]))
    tracker.hears()
    tracker.hears(*((0, name, "ERROR", f"of {name}") for name in names))
    calls = []

    def is_settled() -> bool:
        receiver.read()
        call = tracker.event_console.under_way
        if call is not None and call not in calls:
            calls.append(call)
        return tracker.settled()

    tracker.until(is_settled)
    tracker.close()

    assert sorted(event.application for event in receiver.events) == [f"job_{name}__P" for name in names]
    assert all(f": of {event.application[4:9]};" in event.text for event in receiver.events)
    assert len(calls) <= 11


def test_a_command_that_takes_one_event_at_a_time_gets_them_so(tmp_path: Path) -> None:
    """An older send-notification.py, in the PATH before the tracker was renewed."""
    command = tmp_path / "send-notification.py"
    command.write_text(
        f'#!/bin/sh\n[ "$2" = --many ] && exit 2\nread -r text\nprintf "%s\\n" "$5" >> {tmp_path}/taken\n'
    )
    command.chmod(0o755)
    names = [f"J{n}" for n in range(5)]
    tracker = Tracker(write_config(tmp_path, [job(name) for name in names], notification_command=str(command)))
    tracker.hears()
    tracker.hears(*((0, name, "ERROR") for name in names))
    tracker.until(tracker.settled)
    tracker.close()

    assert sorted((tmp_path / "taken").read_text().split()) == [f"job_{name}__P" for name in names]


# -- killed at any point ----------------------------------------------------------------------------------------------

KILLER = """\
import os, signal, subprocess, sys
plan = sys.argv[1]
def kill(point):
    try:
        wanted = open(plan).read() == point
    except FileNotFoundError:
        return
    if wanted:
        os.unlink(plan)
        os.kill(os.getppid(), signal.SIGKILL)
        if point == "orphan":
            import time
            time.sleep(1.5)
kill("stored")
kill("orphan")
code = subprocess.call(sys.argv[2:])
kill("sent")
sys.exit(code)
"""


class Daemon:
    """The tracker as a process, whose notification command kills it when the plan says so."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plan = directory / "plan"
        (directory / "killer.py").write_text(KILLER)
        tool = [sys.executable, "-I", str(TOOL), "--config", str(directory / "targets.cfg")]
        command = [sys.executable, "-I", str(directory / "killer.py"), str(self.plan), *tool]
        keys = {"notification_command": command, "controller_interval_in_sec": 1, "log_level": "debug"}
        self.config = write_config(directory, [job("LOAD"), job("OTHER")], **keys)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "job_tracker", "run", "-c", str(self.config)]
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=null, stdout=null, stderr=null)

    def says(self, name: str, event: str, at: float, text: str = "") -> None:
        """A job reports."""
        queue = self.directory / "queue" / "q.sqlite"
        words = ["--instance", "P", "--job", name, "--event", event, f"--message={text}", "--timestamp", f"{at:.3f}"]
        subprocess.run([sys.executable, "-I", str(QUEUE_TOOL), "-f", str(queue), "add", *words], check=True)

    def has_heard(self) -> bool:
        """Whether everything said so far is in the store."""
        words = [sys.executable, "-I", str(QUEUE_TOOL), "-f", str(self.directory / "queue" / "q.sqlite"), "count"]
        return subprocess.run(words, check=True, capture_output=True).stdout.strip() == b"0"

    def dies(self) -> None:
        assert self.process is not None
        assert self.process.wait(30) == -signal.SIGKILL
        self.process = None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.dies()

    def commands(self) -> list[str]:
        """The notification commands that run, whoever has started them."""
        found = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = each.read_text().split("\0")
                found += [each.parent.name] if str(self.directory / "killer.py") in words else []
        return found

    def waiting(self) -> list[str]:
        """What the store holds, once no tracker uses it."""
        ledger, _ = open_ledger(self.directory / "store.sqlite")
        try:
            return [each.state for each in ledger.outbox.waiting()]
        finally:
            ledger.close()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that is not running yet."""
    made = Daemon(tmp_path)
    yield made
    made.stop()


def test_killed_between_stored_and_sent_it_is_sent_by_the_next_start(daemon: Daemon, receiver: Receiver) -> None:
    """The change and its notification are one commit."""
    receiver.come()
    moment = int(time.time())
    daemon.plan.write_text("stored")
    daemon.start()
    daemon.says("LOAD", "ERROR", moment, "boom")
    daemon.dies()
    eventually(lambda: not daemon.commands())  # whose tracker is gone, and which still does its work
    left = daemon.waiting()
    daemon.start()
    eventually(lambda: receiver.events)
    daemon.says("LOAD", "SUCCESS", moment + 1)
    eventually(lambda: receiver.events[-1].status == 0)

    assert left == ["ERROR"]
    assert in_order(receiver.events) == [(2, moment), (0, moment + 1)]


def test_killed_between_sent_and_marked_it_is_sent_once_more_with_the_same_moment(
    daemon: Daemon, receiver: Receiver
) -> None:
    """The one window in which a duplicate is possible."""
    receiver.come()
    moment = int(time.time())
    daemon.plan.write_text("sent")
    daemon.start()
    daemon.says("LOAD", "ERROR", moment, "boom")
    daemon.dies()
    left = daemon.waiting()
    daemon.start()
    eventually(lambda: len(receiver.events) == 2)
    daemon.says("LOAD", "SUCCESS", moment + 1)
    eventually(lambda: receiver.events[-1].status == 0)

    assert left == ["ERROR"]
    assert [event[:2] for event in receiver.events] == [(2, moment), (2, moment), (0, moment + 1)]


def test_killed_after_marking_it_is_not_sent_again(tmp_path: Path, daemon: Daemon, receiver: Receiver) -> None:
    """What the store does not hold any more is over."""
    receiver.come()
    moment = int(time.time())
    daemon.start()
    daemon.says("LOAD", "ERROR", moment, "boom")
    log = tmp_path / "log"
    eventually(lambda: log.exists() and "notifications marked as delivered" in log.read_text())
    daemon.kill()
    left = daemon.waiting()
    daemon.start()
    daemon.says("OTHER", "ERROR", moment + 1)
    eventually(lambda: told_of(receiver.events, "OTHER"))

    assert left == []
    assert [event[:2] for event in told_of(receiver.events, "LOAD")] == [(2, moment)]


def test_a_command_that_outlives_its_tracker_does_not_deliver_behind_a_newer_one(
    daemon: Daemon, receiver: Receiver
) -> None:
    """The next tracker waits for it: an old alarm behind its own end would stay open for ever."""
    receiver.come()
    moment = int(time.time())
    daemon.plan.write_text("orphan")
    daemon.start()
    daemon.says("LOAD", "ERROR", moment, "boom")
    daemon.dies()
    daemon.says("LOAD", "SUCCESS", moment + 1)
    daemon.start()
    eventually(lambda: receiver.events and receiver.events[-1].status == 0)
    eventually(lambda: not daemon.commands())

    assert receiver.events[-1][:2] == (0, moment + 1)
    assert in_order(receiver.events)[-1] == (0, moment + 1)


def test_killed_again_and_again_while_the_target_comes_and_goes_everything_arrives(
    daemon: Daemon, receiver: Receiver
) -> None:
    """At least once, and in the order of its moments for each job."""
    begun = int(time.time()) - 100
    for number in range(6):
        daemon.start()
        receiver.come() if number % 2 else receiver.go()
        if number in (1, 4):
            daemon.plan.write_text("sent" if number == 1 else "stored")
        for name in ("LOAD", "OTHER"):
            daemon.says(name, "SUCCESS" if number % 2 else "ERROR", begun + number)
        time.sleep(1.2)
        receiver.read()
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
        daemon.process = None
    daemon.plan.unlink(missing_ok=True)
    receiver.go()
    receiver.come()
    daemon.start()
    eventually(daemon.has_heard)  # or the last success and this error would be one change, which is no news
    for name in ("LOAD", "OTHER"):
        daemon.says(name, "ERROR", begun + 6)
    eventually(lambda: all((2, begun + 6) in in_order(told_of(receiver.events, name)) for name in ("LOAD", "OTHER")))

    for name in ("LOAD", "OTHER"):
        told = in_order(told_of(receiver.events, name))
        assert told == sorted(told, key=lambda each: each[1])
        assert told[-1] == (2, begun + 6)


def in_order(events: list[Event]) -> list[tuple[int, int]]:
    """Status and moment of each event; one that came twice in a row counts once."""
    told: list[tuple[int, int]] = []
    for event in events:
        if (event.status, event.at) not in told[-1:]:
            told.append((event.status, event.at))
    return told


# -- the command ------------------------------------------------------------------------------------------------------


def test_where_the_command_is_not_in_the_path_the_packaged_one_is_called(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tracker that was only installed works."""
    receiver.come()
    config = write_config(tmp_path, [job("LOAD")])
    tree = json.loads(config.read_text())
    del tree["global_config"]["notification_command"]
    config.write_text(json.dumps(tree))
    monkeypatch.setenv("SEND_NOTIFICATION_CONFIG", str(tmp_path / "targets.cfg"))
    tracker = Tracker(config)
    tracker.hears((0, "LOAD", "ERROR"))
    tracker.until(tracker.settled)
    tracker.close()

    assert len(receiver.events) == 1
    assert TOOL.stat().st_mode & stat.S_IXUSR


# -- the outbox -------------------------------------------------------------------------------------------------------


def test_the_outbox_is_bounded_and_never_loses_the_newest_of_a_job(tmp_path: Path, receiver: Receiver) -> None:
    """What was let go is counted in the notification that supersedes it."""
    tracker = Tracker(write_config(tmp_path, [job("BUSY"), job("CALM")]))
    tracker.loop.ledger.outbox.most = 20
    tracker.hears((0, "CALM", "ERROR"))
    for number in range(60):
        tracker.moment += MICROSECONDS
        tracker.hears((number, "BUSY", "SUCCESS" if number % 2 else "ERROR"))
    tracker.until(lambda: tracker.loop.ledger.outbox.count() <= 20, passing=1)
    kept = tracker.loop.ledger.outbox.waiting()
    tracker.until(lambda: not tracker.event_console.courier.busy)
    receiver.come()
    tracker.until(tracker.settled, passing=1)
    tracker.close()

    assert {each.job for each in kept} == {"BUSY__P", "CALM__P"}
    assert kept[-1].at == (T0 + 59) * MICROSECONDS
    (busy,) = told_of(receiver.events, "BUSY")
    assert busy[:2] == (0, T0 + 59)
    in_text = busy.text.partition("meanwhile: ")[2]
    assert int(in_text.split()[0]) + in_text.count("2025-") == 59
    assert len(told_of(receiver.events, "CALM")) == 1


@pytest.mark.parametrize("ending", [0, 1], ids=["it arrives", "it fails"])
def test_what_is_being_delivered_is_not_let_go(tmp_path: Path, ending: int) -> None:
    """The outbox overflows while the command is under way: each change is told once or counted once, never both."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = tmp_path / "text"
    script = f"cat >>{text}; echo >>{text}; read code <{gate}; exit $code"
    config = write_config(tmp_path, [job("BUSY"), job("CALM")], notification_command=["/bin/sh", "-c", script])
    tracker = Tracker(config)
    tracker.loop.ledger.outbox.most = 20

    def busy(first: int, last: int) -> None:
        for number in range(first, last):
            tracker.moment += MICROSECONDS
            tracker.hears((number, "BUSY", "SUCCESS" if number % 2 else "ERROR"))

    def answer(code: int) -> None:
        told = tracker.event_console
        call = tracker.until(lambda: told.under_way, passing=1)
        gate.write_text(f"{code}\n")
        tracker.until(lambda: told.under_way is not call)

    tracker.hears((0, "CALM", "ERROR"))
    busy(0, 12)
    answer(0)
    tracker.until(lambda: tracker.event_console.under_way)
    busy(12, 60)
    answer(ending)
    tracker.until(lambda: tracker.event_console.under_way, passing=1)
    kept = tracker.loop.ledger.outbox.waiting()
    answer(0)
    tracker.until(tracker.settled, passing=1)
    tracker.close()
    counted = [line.partition("meanwhile: ")[2] for line in text.read_text().splitlines()]

    assert len(kept) <= 20
    _calm, carried, *_again, last = counted
    assert carried.count("2025-") == 11
    forgotten = int(last.split()[0])
    assert forgotten + last.count("2025-") == (47 if not ending else 59)


def test_a_change_of_mind_while_the_command_is_under_way_loses_nothing(tmp_path: Path) -> None:
    """Events are switched off and on again: the rows begin anew, and what was under way is none of them."""
    gate, text = tmp_path / "gate", tmp_path / "text"
    os.mkfifo(gate)
    script = f"cat >>{text}; echo >>{text}; read code <{gate}; exit $code"
    config = write_config(tmp_path, [job("LOAD")], notification_command=["/bin/sh", "-c", script])
    tracker = Tracker(config)
    tracker.hears((0, "LOAD", "ERROR"))
    tracker.until(lambda: tracker.event_console.under_way)
    for backend in ("status", "status,event"):
        tree = json.loads(config.read_text())
        tree["global_config"]["monitoring_backend_based_on_event_or_status"] = backend
        config.write_text(json.dumps(tree))
        tracker.loop.asked.reloading = True
        tracker.loop.cycle()
    gate.write_text("0\n")
    tracker.until(lambda: tracker.event_console.under_way)
    gate.write_text("0\n")
    tracker.until(tracker.settled)
    tracker.close()

    first, again = text.read_text().splitlines()
    assert first.startswith("ERROR since")
    assert again.startswith("ERROR since")


def test_what_could_not_be_stored_is_told_once_it_is(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: nothing is told that the ledger does not hold, and nothing is forgotten."""
    receiver.come()
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears()
    save = tracker.loop.ledger.save

    def fail(_entry: object) -> None:
        raise StoreFailed("no room")

    monkeypatch.setattr(tracker.loop.ledger, "save", fail)
    tracker.hears((0, "LOAD", "ERROR"))
    tracker.passes(2)
    assert tracker.settled()

    monkeypatch.setattr(tracker.loop.ledger, "save", save)
    tracker.passes(1)
    tracker.until(tracker.settled)
    tracker.close()

    assert [event[:2] for event in receiver.events] == [(2, T0)]


def test_what_waits_survives_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    """And is then told once, with what happened since."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")]))
    tracker.hears((0, "LOAD", "ERROR", "boom"))
    tracker.restart()
    tracker.moment += 5 * MICROSECONDS
    receiver.come()
    tracker.hears((4, "LOAD", "SUCCESS"))
    tracker.until(tracker.settled, passing=1)
    tracker.close()

    (event,) = receiver.events
    assert event[:2] == (0, T0 + 4)
    assert event.text.endswith("; meanwhile: 2025-11-24 02:06:40 ERROR")


# -- pauses -----------------------------------------------------------------------------------------------------------


def test_pauses_grow_to_five_minutes() -> None:
    """1, 2, 4, … seconds, 300 at most."""
    seconds = [pause(failures) // MICROSECONDS for failures in range(1, 12)]

    assert seconds == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert pause(10**6) == LONGEST * MICROSECONDS


def test_while_the_target_is_down_tries_grow_rare_and_the_first_success_frees_all() -> None:
    """However many wait: the target is tried, not each of them."""
    pauses, now, tries = Pauses(), 0, []
    for number in range(12):
        subject = f"s{number % 50}"
        while not pauses.is_due(subject, now):
            now += MICROSECONDS
        tries.append(now // MICROSECONDS)
        pauses.note(subject, "down", now)

    gaps = [later - earlier for earlier, later in pairwise(tries)]
    pauses.note("s40", "", now)

    assert gaps[:2] == [0, 1]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 300
    assert all(pauses.is_due(f"s{number}", now) for number in range(12))


def test_one_that_fails_while_others_succeed_waits_by_itself() -> None:
    """Nothing else waits for it."""
    pauses, now = Pauses(), 1000 * MICROSECONDS
    for _ in range(5):
        pauses.note("bad", "no", now)
        assert pauses.is_due("good", now)
        pauses.note("good", "", now)

    assert pauses.moment("bad") == now + 16 * MICROSECONDS


def test_one_that_fails_alone_for_long_delays_no_newcomer() -> None:
    """The newcomer is tried at once; only if it fails as well is the target taken to be down."""
    pauses, now = Pauses(), 1000 * MICROSECONDS
    for _ in range(10):
        now = pauses.moment("bad")
        pauses.note("bad", "no", now)

    assert pauses.is_due("new", now)
    assert not pauses.is_down
    pauses.note("new", "no", now)
    assert pauses.is_down
    assert not pauses.is_due("third", now)
    assert pauses.is_due("third", now + MICROSECONDS)


def test_what_still_fails_is_the_problem_until_it_succeeds() -> None:
    """The success of another does not make it well."""
    pauses = Pauses()
    pauses.note("bad", "no", 0)
    pauses.note("good", "", 0)
    assert pauses.problem == "no"

    pauses.note("bad", "", 0)

    assert pauses.problem == ""


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(-(10**9), 10**9)), max_size=30))
def test_no_pause_is_longer_than_five_minutes_whatever_the_clock_does(history: list[tuple[str, bool, int]]) -> None:
    """A clock that is set back by an hour must not silence alarms for an hour."""
    pauses, now = Pauses(), 10**15
    for subject, taken, step in history:
        now += step
        pauses.note(subject, "" if taken else "no", now)

    for subject in "abc":
        assert pauses.moment(subject) <= now + LONGEST * MICROSECONDS
        pauses.is_due(subject, now - 10**10)
        assert pauses.moment(subject) <= now - 10**10 + LONGEST * MICROSECONDS
        assert pauses.is_due(subject, now + LONGEST * MICROSECONDS)
