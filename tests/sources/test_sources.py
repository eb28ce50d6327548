"""Local sources against the real message-queue.py in real processes; where the far side misbehaves, a script does."""

import json
import os
import re
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sourcing import A_DAY, SECOND, SLOW, TERMS, TOOL, Box, Place, leaving_nothing, now, wait_until

from job_tracker.errors import SourceRefused
from job_tracker.ports import Contact, Delivery, Memento, Report
from job_tracker.sources.making import make_source
from job_tracker.sources.queue import ADD_MAY_WAIT, drain, source
from job_tracker.sources.queue.bookmark import Bookmark
from job_tracker.sources.queue.contact import ContactLog
from job_tracker.sources.queue.conversation import Exchange, Greeting, Opened, Taken
from job_tracker.sources.queue.drain import Watermark
from job_tracker.sources.queue.handler import differences
from job_tracker.sources.queue.source import LONGEST_PAUSE, pause_after
from job_tracker.sources.queue.transport import LONGEST_LINE, Lines, one_line


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A directory for a queue; every source of it is stopped at the end, and nothing of it may remain."""
    with leaving_nothing():
        made = Place(tmp_path)
        yield made
        for one in made.sources:
            one.stop()
    assert children() == []


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect after a tenth of the usual pause."""
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.05)


def children() -> list[int]:
    """The processes that this one has started and that are not reaped."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, task.read_text().split())
    return found


def serve_pid() -> int:
    [pid] = children()
    return pid


def names_of(delivery: Delivery) -> list[str]:
    return [element["job"] for element in delivery.elements]


# -------------------------------------------------------------------------------------------- taking and confirming


def test_a_message_is_handed_over_as_it_came(place: Place, box: Box) -> None:
    """What a message means is decided by the core, from exactly what the queue held."""
    place.add("A", "B")
    listed = json.loads(place.tool("list"))

    place.source(box)
    delivery = box.delivery()

    assert list(delivery.elements) == listed
    assert (delivery.source, delivery.through) == ("here", listed[-1]["_id"])
    assert delivery.queue == json.loads(place.tool("stats", "--json"))["queue"]
    assert delivery.size > len(json.dumps(listed[0])) * 2 * 0.9


@pytest.mark.usefixtures("patient")
def test_a_new_message_travels_at_once(place: Place, box: Box) -> None:
    """A state file must not wait for the next poll, which here is a day away."""
    place.source(box, interval=A_DAY, load_timeout=3 * A_DAY)
    box.empty()

    place.add("A")

    assert [element["job"] for element in box.delivery().elements] == ["A"]


def test_nothing_is_deleted_before_it_is_confirmed(place: Place, box: Box) -> None:
    """The ledger holds a message before the queue lets go of it."""
    place.add("A")
    tracked = place.source(box)
    delivery = box.delivery()
    assert place.count() == 1

    tracked.confirm(delivery, "n1")
    box.empty()

    assert place.count() == 0
    assert json.loads(place.tool("stats", "--json"))["last_nonce"] == "n1"


def test_a_long_queue_comes_whole_and_in_order(place: Place, box: Box) -> None:
    """What follows is taken while the ledger is at work, and still each message comes once, in the queue's order."""
    place.add(*(f"J{number}" for number in range(16_000)))
    tracked = place.source(box)

    deliveries: list[Delivery] = []
    at = 0
    while sum(len(delivery.elements) for delivery in deliveries) < 16_000:
        delivery = box.delivery(at)
        at = box.items.index(delivery) + 1
        deliveries.append(delivery)
        tracked.confirm(delivery, f"n{at}")
    box.empty(at)

    assert [name for delivery in deliveries for name in names_of(delivery)] == [f"J{n}" for n in range(16_000)]
    assert [delivery.drained is None for delivery in deliveries[:2]] == [True, True]
    assert deliveries[-1].drained is not None
    assert place.count() == 0


def test_one_delivery_at_a_time_is_handed_over(place: Place, box: Box) -> None:
    """A full disk under the ledger must not pile up messages in our memory, though what follows is taken already."""
    place.add(*(f"J{number}" for number in range(12_000)))
    tracked = place.source(box)

    first = box.delivery()
    box.report(Contact.REACHABLE, after=box.items.index(first))
    assert sum(isinstance(item, Delivery) for item in box.items) == 1
    tracked.confirm(first, "n1")
    second = box.delivery(after=box.items.index(first) + 1)

    assert second.elements[0]["_id"] == first.through + 1


def test_an_answer_without_messages_moves_the_watermark(place: Place, box: Box) -> None:
    """Silence is judged only up to the moment at which the queue was seen empty, less what an add may wait."""
    began = now()
    place.source(box)

    first = box.empty()
    later = box.empty(after=box.items.index(first) + 1)

    assert first.drained is not None
    assert later.drained is not None
    assert began <= first.drained + ADD_MAY_WAIT <= first.received
    assert later.drained > first.drained
    assert later.drained + ADD_MAY_WAIT <= later.received


def test_a_slow_ledger_keeps_the_connection(place: Place, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """serve gives up a silent tracker; one whose disk is full is not silent, and confirms when there is room."""
    monkeypatch.setattr(drain, "PING_SECONDS", 0.05)
    place.add("A")
    tracked = place.source(box)
    delivery = box.delivery()
    at = box.items.index(delivery) + 1

    box.wait_for(lambda _: len(box.items) > at + 5)
    assert all(isinstance(item, Report) and item.contact is Contact.REACHABLE for item in box.items[at:])
    assert place.count() == 1
    tracked.confirm(delivery, "n1")
    box.empty()

    assert place.count() == 0


# ------------------------------------------------------------------------------------------------ lost connections


@pytest.mark.usefixtures("quick")
def test_nothing_is_lost_or_forgotten_however_often_serve_is_killed(place: Place, box: Box) -> None:
    """Each message whose add returned comes at least once, and is deleted only after the ledger had it."""
    tracked = place.source(box)
    added: list[str] = []
    seen: Counter[str] = Counter()
    at = 0
    for number in range(15):
        names = [f"J{number}_{k}" for k in range(20)]
        place.add(*names)
        added += names
        for pid in children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if number % 3 == 0:
            continue
        delivery = box.delivery(at)
        at = box.items.index(delivery) + 1
        seen.update(names_of(delivery))
        tracked.confirm(delivery, f"n{number}")

    while set(seen) != set(added):
        delivery = box.delivery(at)
        at = box.items.index(delivery) + 1
        seen.update(names_of(delivery))
        tracked.confirm(delivery, f"m{at}")

    while place.count():
        delivery = box.delivery(at)
        at = box.items.index(delivery) + 1
        tracked.confirm(delivery, f"m{at}")
    assert box.notices() == []


@pytest.mark.usefixtures("quick")
def test_the_confirmation_of_an_older_connection_deletes_nothing(place: Place, box: Box) -> None:
    """Its messages come again and are confirmed again; known uids are ignored, and no queue seems to be restored."""
    place.add("A")
    tracked = place.source(box, interval=1.0)
    first = box.delivery()
    os.kill(serve_pid(), signal.SIGKILL)
    tracked.confirm(first, "n1")
    again = box.delivery(after=box.items.index(first) + 1)

    tracked.confirm(first, "n2")
    tracked.confirm(again, "n3")
    box.empty(after=box.items.index(again))

    assert again.elements == first.elements
    assert place.count() == 0
    assert json.loads(place.tool("stats", "--json"))["last_nonce"] == "n3"
    assert box.notices() == []


def unreachable(box: Box) -> list[Report]:
    """What said that there is no contact."""
    return [item for item in box.items if isinstance(item, Report) and item.contact is Contact.UNREACHABLE]


@pytest.mark.usefixtures("quick")
def test_unreachable_since_lasts_over_all_tries(place: Place, box: Box) -> None:
    """An operator wants to know since when a host is gone, not since when the last of many tries failed."""
    host = place.script("say(GREETING); os.kill(os.getpid(), 9)")
    place.source(box, host=host)

    first = box.report(Contact.UNREACHABLE)
    box.wait_for(lambda _: len(unreachable(box)) > 2)
    host = place.script("sys.exit(7)")
    refused = box.report(Contact.REFUSED)

    assert "killed by signal 9" in first.text
    assert {report.since for report in unreachable(box)} == {first.since}
    assert refused.since == first.since


@pytest.mark.usefixtures("quick")
def test_a_host_that_hangs_is_left_after_the_load_timeout(place: Place, box: Box) -> None:
    """A stopped serve holds a connection for ever; the next one starts beside it, and the old one is killed."""
    place.source(box, load_timeout=6)
    box.empty()
    hanging = serve_pid()

    os.kill(hanging, signal.SIGSTOP)
    lost = box.report(Contact.UNREACHABLE)
    box.report(Contact.REACHABLE, after=box.items.index(lost))

    assert "in time" in lost.text
    assert hanging not in children()


def test_a_reconnect_does_not_wait_for_the_pause(place: Place, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reload the operator wants to see at once whether it helped."""
    monkeypatch.setattr(source, "FIRST_PAUSE", 60.0)
    handler = place.directory / "message-queue.py"
    tracked = place.source(box, host=replace(place.host, message_queue_handler=str(handler)))
    box.report(Contact.REFUSED, "No such file")

    handler.write_bytes(TOOL.read_bytes())
    tracked.reconnect()

    box.report(Contact.REACHABLE)


def test_pauses_grow_to_a_minute_and_differ() -> None:
    """A host that is down costs nothing, and two hundred sources of one dead network do not return as one."""
    assert all(0.35 <= pause_after(failures) <= 0.5 for failures in (0, 1))
    assert all(LONGEST_PAUSE * 0.7 <= pause_after(failures) <= LONGEST_PAUSE for failures in (8, 20, 10_000))
    assert len({pause_after(5) for _ in range(10)}) > 5


# ------------------------------------------------------------------------------------------- the queue and its tracker


def test_a_queue_restored_from_a_backup_is_noticed(place: Place, box: Box) -> None:
    """Its messages may be old or new: all are taken, and somebody is told, once."""
    place.add("A", "B")
    with closing(sqlite3.connect(place.path)) as live, closing(sqlite3.connect(place.directory / "backup")) as copy:
        live.backup(copy)
    tracked = place.source(box)
    delivery = box.delivery()
    tracked.confirm(delivery, "n1")
    box.empty()
    tracked.stop()
    (place.directory / "backup").replace(place.path)

    place.source(restored := Box(), memento=Memento(queue=delivery.queue, nonce="n1", nonce_before="n0"))
    assert names_of(restored.delivery()) == ["A", "B"]
    place.sources[-1].stop()
    place.source(again := Box(), memento=Memento(queue=delivery.queue, nonce="n1", nonce_before="n0"))
    assert names_of(again.delivery()) == ["A", "B"]

    [notice] = restored.notices()
    assert "restored from a backup" in notice
    assert again.notices() == []


@pytest.mark.usefixtures("quick")
def test_a_queue_replaced_while_connected_is_noticed_and_drained(place: Place, box: Box) -> None:
    """The new file is drained at once, and the operator hears that what was in the old one is gone."""
    tracked = place.source(box)
    box.empty()

    place.path.rename(place.directory / "away")
    place.add("A")
    delivery = box.delivery()
    tracked.confirm(delivery, "n1")
    box.empty(after=box.items.index(delivery))

    [notice] = box.notices()
    assert "replaced" in notice
    assert place.count() == 0


def test_a_second_tracker_is_refused_until_told_to_take_over(place: Place, box: Box) -> None:
    """Two trackers that share a queue would each see half of the truth."""
    place.source(box, tracker="first-of-all-trackers")
    box.empty()

    second = Box()
    place.source(second, tracker="second")
    refused = second.report(Contact.REFUSED, "drained by tracker first-of… since 2")
    third = Box()
    place.source(third, replace(place.host, is_ours=True), tracker="third")
    third.empty()
    box.report(Contact.UNREACHABLE, "superseded")

    assert refused.text.endswith("UTC; stop that one, or, if it is gone for good: job_tracker take-over here")
    [notice] = third.notices()
    assert "taken over from tracker first-of…" in notice


def test_two_things_that_happened_to_a_queue_are_both_said(place: Place, box: Box) -> None:
    """A queue that was replaced and had another tracker: whoever hears half of it repairs half of it."""
    text = """
say({**GREETING, "queue": "q2", "drainer": {"tracker": "somebody-else", "since": 1}})
hear()
say({**OPENED, "queue": "q2"})
hear()
"""
    place.source(box, place.script(text), Memento(queue="q1"))
    item = box.wait_for(lambda item: isinstance(item, Report) and bool(item.notice))

    assert isinstance(item, Report)
    assert "the queue was replaced by another one" in item.notice
    assert "taken over from tracker somebody…" in item.notice


def test_a_handler_that_serves_another_queue_than_configured_is_said(place: Place, box: Box) -> None:
    """With a forced command the key decides what is drained, and a typing error here looked like success."""
    text = """
say({**GREETING, "path": "/var/other.sqlite", "interpreter": "/opt/python3"})
hear(); say(OPENED)
hear(); say({"done": "take", "messages": [], "highest": 0, "waited": 0, "depth": 0, "clock": 1.7e9})
hear()
"""
    place.source(box, replace(place.script(text), message_queue="/var/q.sqlite"))
    report = box.report(Contact.REACHABLE)

    assert report.path == "/var/other.sqlite"
    assert "the queue there is /var/other.sqlite, not /var/q.sqlite (message_queue)" in report.differs
    assert f"the Python there is /opt/python3, not {sys.executable} (python)" in report.differs


@pytest.mark.parametrize(
    ("configured", "said"),
    [("/var/q.sqlite", "/var/q.sqlite"), ("/var/./q.sqlite", "/var/q.sqlite"), ("q/q.sqlite", "/home/odi/q/q.sqlite")],
)
def test_the_same_path_is_the_same_however_it_is_written(place: Place, configured: str, said: str) -> None:
    """A relative path starts in a home that only the host knows, and an older handler says nothing."""
    host = replace(place.host, message_queue=configured, python="python3")

    assert differences(host, greeting(path=said, interpreter="/usr/bin/python3")) == ""
    assert differences(host, greeting(path="", interpreter="")) == ""


def greeting(*, path: str, interpreter: str) -> Greeting:
    return Greeting(
        queue="q",
        nonce=None,
        depth=0,
        version="0",
        python="3",
        drainer=None,
        path=path,
        interpreter=interpreter,
        exists=True,
        exchange=Exchange(asked=0, received=0, latency=0, clock=None),
    )


def test_a_newer_connection_of_the_same_tracker_wins(place: Place, box: Box) -> None:
    """After a cut link the old connection is a ghost, and may not delete what the new one hands over."""
    place.source(box)
    box.empty()

    newer = Box()
    place.source(newer)
    newer.empty()
    lost = box.report(Contact.UNREACHABLE, "superseded")

    assert "newer connection" in lost.text


def test_a_locked_queue_is_said_and_holds_the_watermark(
    place: Place, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host is there, but what its queue holds nobody can tell: no verdict about silence, and no new connection."""
    monkeypatch.setattr(drain, "BUSY_SECONDS", 0.01)
    place.source(box)
    box.empty()
    serving = serve_pid()

    with closing(sqlite3.connect(place.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        first = box.report(Contact.REACHABLE, "is locked by another process")
        at = box.items.index(first)
        second = box.report(Contact.REACHABLE, "is locked by another process", after=at + 1)
        between = box.items[at : box.items.index(second)]
    freed = box.empty(after=at)

    assert not any(isinstance(item, Delivery) for item in between)
    assert freed.drained is not None
    report = box.items[box.items.index(freed) - 1]
    assert isinstance(report, Report)
    assert (report.contact, report.text) == (Contact.REACHABLE, "")
    assert serve_pid() == serving


@pytest.mark.usefixtures("quick")
def test_a_queue_that_stays_busy_counts_as_unreachable(place: Place, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """However well the host answers, nothing comes from it."""
    monkeypatch.setattr(drain, "BUSY_SECONDS", 0.01)
    busy = "say({'error': 'queue-busy', 'text': 'no room left on the disk'})\n"
    host = place.script(f"say(GREETING); hear(); say(OPENED)\nwhile hear(): {busy}")
    place.source(box, host=host)

    lost = box.report(Contact.UNREACHABLE)

    assert lost.text == "the queue cannot be used: no room left on the disk"
    assert sum(isinstance(item, Report) and item.text == lost.text for item in box.items) >= 5


@pytest.mark.usefixtures("quick")
def test_a_queue_that_is_free_again_is_reachable_at_once(
    place: Place, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the ledger takes its time with what was taken before, and nothing more can be handed over."""
    monkeypatch.setattr(drain, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(drain, "PING_SECONDS", 0.01)
    message = "{'done': 'take', 'messages': [{'_id': %d}], 'highest': 2, 'waited': 0, 'depth': 2, 'clock': 1}"
    host = place.script(
        f"say(GREETING); hear(); say(OPENED); hear(); say({message % 1})\n"
        "for _ in range(6): hear(); say({'error': 'queue-busy', 'text': 'VACUUM'})\n"
        f"hear(); say({message % 2})\n"
        "while hear(): say({'done': 'ping', 'depth': 2, 'clock': 1})"
    )
    place.source(box, host=host)

    lost = box.report(Contact.UNREACHABLE, "VACUUM")

    box.report(Contact.REACHABLE, after=box.items.index(lost))
    assert sum(isinstance(item, Delivery) for item in box.items) == 1


# --------------------------------------------------------------------------------------------- far sides that misbehave

REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a handler that is missing": ("", {"message_queue_handler": "/nowhere/mq.py"}, r"\(exit code 2\): .*No such file"),
    "a Python that is missing": ("", {"python": "/nowhere/python3"}, "cannot start /nowhere/python3: No such file"),
    "a Python that is none": ("", {"python": "false"}, r"ended before its greeting \(exit code 1\)"),
    "a handler that gives up": ("sys.exit('no\\x1b[31m\\nthe disk is gone')", {}, r"\(exit code 1\): the disk is gone"),
    "a banner": ("say('Welcome to app1!'); say(GREETING); hear()", {}, "login script.*'Welcome to app1!'"),
    "another program": ("say({'hello': 'world'}); hear()", {}, "no greeting of a message queue"),
    "an older protocol": ("say(dict(GREETING, protocol=0)); hear()", {}, "speaks protocol 0, this tracker protocol 1"),
    "a greeting with holes": ("del GREETING['queue']; say(GREETING); hear()", {}, "without a valid queue"),
    "a clock that is none": ("say(dict(GREETING, clock=float('nan'))); hear()", {}, "without a valid clock"),
    "a bool for a number": ("say(dict(GREETING, depth=True)); hear()", {}, "without a valid depth"),
    "a long number": ("say('1' * 5000); hear()", {}, "something else than JSON"),
    "deep nesting": ("say('[' * 100_000); hear()", {}, "nested too deeply"),
    "bytes": ("os.write(1, bytes(range(128, 256)) + b'\\n'); hear()", {}, "something else than JSON"),
    "an endless line": ("while True: os.write(1, b'x' * 65536)", {}, "more than 1048576 bytes"),
    "an unknown error": ("say(GREETING); hear(); say({'error': 'moon'}); hear()", {}, "not understand.*moon"),
    "another answer": ("say(GREETING); hear(); say({'done': 'ping'}); hear()", {}, "no answer to open"),
    "garbage later": ("say(GREETING); hear(); say(OPENED); hear(); say('}{'); hear()", {}, "something else than JSON"),
    "messages without ids": (
        (
            "say(GREETING); hear(); say(OPENED); hear()\n"
            "say({'done': 'take', 'messages': [{'_id': True}], 'highest': 1, 'waited': 0, 'depth': 1, 'clock': 1});"
            " hear()"
        ),
        {},
        "_id is missing",
    ),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", REFUSALS)
def test_what_an_operator_must_repair_is_said_clearly(place: Place, box: Box, name: str) -> None:
    """Each has its own text, on one printable line, and the source goes on trying."""
    text, changes, expected = REFUSALS[name]
    place.source(box, host=replace(place.script(text), **changes))

    refused = box.report(Contact.REFUSED)
    again = box.report(Contact.REFUSED, after=box.items.index(refused) + 1)

    assert re.search(expected, refused.text), refused.text
    assert refused.text.isprintable()
    assert len(refused.text) < 500
    assert again.since == refused.since


def test_one_source_that_misbehaves_leaves_the_others_alone(place: Place, box: Box) -> None:
    """An endless line fills neither our memory nor anybody else's time."""
    place.source(box, host=replace(place.script("while True: os.write(1, b'x' * 65536)"), name="mad"))
    box.report(Contact.REFUSED)

    place.source(box)
    place.add("A")

    assert names_of(box.delivery()) == ["A"]


def test_a_fault_of_ours_is_said_and_tried_again(place: Place, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source's thread that died in silence would look like a host on which no job runs any more."""
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.05)
    with monkeypatch.context() as patched:
        patched.setattr("job_tracker.sources.queue.answers.an_object", lambda line: line.nonsense)
        place.source(box)
        box.report(Contact.UNREACHABLE, "internal error")

    box.report(Contact.REACHABLE)


# ------------------------------------------------------------------------------------------------------------ stopping


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
STOPPED = {
    "before its greeting": "time.sleep(600)",
    "deaf to everything": STUBBORN + "say(GREETING); hear(); say(OPENED)\nwhile True: time.sleep(600)",
    "with a child of its own": "import subprocess; subprocess.Popen(['sleep', '600']); say(GREETING); time.sleep(600)",
    "flooding its stderr": "while True: os.write(2, b'x' * 65536)",
}


@pytest.mark.timeout(SLOW)
@pytest.mark.parametrize("name", STOPPED)
def test_a_stop_waits_for_no_answer_whatever_the_child_does(place: Place, box: Box, name: str) -> None:
    """The daemon ends soon after its SIGTERM, not after the load timeout, and leaves no process behind."""
    tracked = place.source(box, host=place.script(STOPPED[name]), load_timeout=600.0)
    wait_until(lambda: bool(children()))
    group = serve_pid()

    tracked.stop()

    wait_until(lambda: not group_exists(group))


@pytest.mark.timeout(SLOW)
@pytest.mark.usefixtures("patient")
def test_a_stop_ends_a_take_that_waits(place: Place, box: Box) -> None:
    """serve is told by its closed stdin, and the message that comes later stays in the queue."""
    tracked = place.source(box, interval=A_DAY, load_timeout=3 * A_DAY)
    box.empty()

    tracked.stop()
    tracked.stop()

    place.add("A")
    assert place.count() == 1


@pytest.mark.timeout(SLOW)
def test_a_stop_ends_the_wait_for_a_confirmation_and_the_pause(place: Place, box: Box) -> None:
    """Wherever the thread waits, it is woken."""
    place.add("A")
    waiting = place.source(box)
    box.delivery()
    refused = Box()
    pausing = place.source(refused, host=replace(place.host, python="/nowhere"))
    refused.report(Contact.REFUSED)

    waiting.stop()
    pausing.stop()

    assert place.count() == 1


def test_a_source_that_was_never_started_can_be_stopped(place: Place, box: Box) -> None:
    """A daemon that fails half-way through its start stops what there is."""
    make_source(place.host, TERMS, box, Memento()).stop()

    assert box.items == []


def group_exists(group: int) -> bool:
    """Whether a process of that group lives; where nobody reaps orphans, dead ones stay in the list."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


# ------------------------------------------------------------------------------------------------------ pure judgements


def test_the_clock_offset_is_measured_from_the_round_trip(place: Place, box: Box) -> None:
    """A host's clock that is an hour ahead is said so, to within the time an answer took."""
    place.source(box, clock=lambda: now() - 3600 * SECOND)

    report = box.report(Contact.REACHABLE)

    assert report.clock_offset is not None
    assert report.latency is not None
    assert abs(report.clock_offset - 3600 * SECOND) <= report.latency + SECOND // 10


def test_a_slow_answer_does_not_blur_the_clock_offset() -> None:
    """A host under load answers late; its clock has not moved because of that."""
    contact = ContactLog("here", now)
    contact.measure(Exchange(asked=0, received=1000, latency=10, clock=1000 + 500), 0)
    assert contact.report().clock_offset == 505

    contact.measure(Exchange(asked=0, received=9000, latency=4000, clock=9000 - 3000), 0)
    assert contact.report().clock_offset == 505

    contact.measure(Exchange(asked=0, received=9000, latency=100, clock=9000 + 600), 0)
    assert contact.report().clock_offset == 650


def taken(first: int, last: int, highest: int, looked: int) -> Taken:
    elements = tuple({"_id": number} for number in range(first, last + 1))
    exchange = Exchange(asked=looked, received=looked, latency=0, clock=None)
    return Taken(elements=elements, highest=highest, depth=0, looked=looked, size=0, exchange=exchange)


def test_a_queue_that_is_never_empty_moves_the_watermark_all_the_same() -> None:
    """What the first look saw as the highest is reached some answers later, whatever was added meanwhile."""
    watermark = Watermark()

    moments = [
        watermark.after(taken(1, 10, 25, 1 * SECOND), left=15),
        watermark.after(taken(11, 20, 40, 2 * SECOND), left=20),
        watermark.after(taken(21, 30, 55, 3 * SECOND), left=25),
        watermark.after(taken(31, 40, 70, 4 * SECOND), left=30),
        watermark.after(taken(41, 60, 90, 5 * SECOND), left=30),
        watermark.after(taken(61, 90, 90, 6 * SECOND), left=0),
    ]

    expected = [None, None, 1 * SECOND, None, 3 * SECOND, 6 * SECOND]
    assert moments == [moment and moment - ADD_MAY_WAIT for moment in expected]


def test_the_queue_may_bear_any_nonce_that_the_ledger_has_seen_since() -> None:
    """A confirmation may be in the ledger and never have reached the queue, more than once in a row."""
    bookmark = Bookmark(Memento(queue="q1", nonce="n1", nonce_before="n0"))

    assert bookmark.open(opened("q1", "n0")) == ""
    assert bookmark.missing(opened("q1", "n0")) == "n1"
    bookmark.committed("n2")
    bookmark.committed("n3")
    assert bookmark.open(opened("q1", "n0")) == ""
    bookmark.left("n3")
    assert "restored" in bookmark.open(opened("q1", "n0"))
    assert bookmark.open(opened("q1", "n0")) == ""
    assert "replaced" in bookmark.open(opened("q2", None))


def test_a_queue_met_for_the_first_time_is_not_strange() -> None:
    """It may have been drained by a tracker whose store is gone."""
    bookmark = Bookmark(Memento())

    assert bookmark.open(opened("q1", "other")) == ""
    assert bookmark.missing(opened("q1", "other")) is None


def opened(queue: str, nonce: str | None) -> Opened:
    exchange = Exchange(asked=0, received=0, latency=0, clock=None)
    return Opened(queue=queue, nonce=nonce, depth=0, exchange=exchange)


@given(st.lists(st.binary(max_size=20)), st.integers(1, 9))
def test_lines_do_not_depend_on_how_their_bytes_travel(parts: list[bytes], width: int) -> None:
    """A channel cuts where it likes."""
    sent = [part.replace(b"\n", b"") for part in parts]
    stream = b"".join(part + b"\n" for part in sent)
    lines = Lines()

    for start in range(0, len(stream), width):
        lines.feed(stream[start : start + width])

    assert list(iter(lines.next, None)) == sent


def test_a_line_has_an_end() -> None:
    """The longest is one MiB with its end; one byte more is refused, whole or in pieces."""
    lines = Lines()
    lines.feed(b"x" * (LONGEST_LINE - 1))
    lines.feed(b"\n")
    assert len(lines.next() or b"") == LONGEST_LINE - 1

    with pytest.raises(SourceRefused):
        lines.feed(b"x" * LONGEST_LINE)
    with pytest.raises(SourceRefused):
        Lines().feed(b"x" * LONGEST_LINE + b"\n")


def test_what_a_host_says_is_made_fit_for_a_log() -> None:
    """Escape sequences, newlines and lone surrogates of a host end here."""
    assert one_line("a\n\x1b[31mb\ud800\u2028c") == "a [31mb c"
    assert one_line(b"\xff" * 9, 5) == "\ufffd\ufffd\ufffd\ufffd…"
