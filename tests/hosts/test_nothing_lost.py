"""Nothing lost, nothing twice, whatever dies: a real tracker, real sshd's, and producers that add all the while."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import light
import pytest
from sourcing import Box
from tracking import Producer, Tracker, everything_is_counted, fill, small_file_system, tracking, wait_until

from job_tracker.config.reading import load
from job_tracker.ports import Delivery, Memento, Source
from job_tracker.sources.making import make_source

REASON = light.missing() or ("" if light.is_root() else "only root can cut a link or fill a file system")
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

ROUNDS = 30
SEED = 20_261_124


@pytest.fixture(scope="module")
def lab() -> Iterator[light.Lab]:
    """Two hosts."""
    assert not REASON, REASON
    with light.lab(2) as made:
        yield made


@pytest.fixture
def hosts(lab: light.Lab) -> Iterator[list[light.Host]]:
    """The hosts, alive, linked and with empty queues."""
    yield lab.hosts
    for host in lab.hosts:
        host.heal()
        host.kill()
        shutil.rmtree(host.queue.parent)
        host.queue.parent.mkdir()
        host.start()
        host.await_ssh()


def sessions(host: light.Host) -> list[int]:
    """Its sshd's, the listening one apart."""
    return host.pids("sshd: ")[1:]


def kill_some(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def have_added_more_than(before: int, *producers: Producer) -> bool:
    return sum(producer.added for producer in producers) > before


def test_thirty_rounds_of_kill_9_lose_and_repeat_nothing(
    tmp_path: Path, lab: light.Lab, hosts: list[light.Host]
) -> None:
    """The tracker, its serve, its sshd, or the whole host, at random moments, while jobs go on reporting."""
    chance = random.Random(SEED)
    with tracking(Tracker(tmp_path, lab, hosts)) as tracker, Producer(hosts[0]) as one, Producer(hosts[1]) as two:
        for number in range(ROUNDS):
            wait_until(partial(have_added_more_than, one.added + two.added, one, two))
            pause(chance.uniform(0.0, 0.3))
            host = chance.choice(hosts)
            match number % 5:
                case 0 | 3:
                    tracker.kill()
                    tracker.start()
                case 1:
                    kill_some(host.serves())
                case 2:
                    kill_some(sessions(host))
                case 4:
                    host.kill()
                    host.start()
            if number % 6 == 5:
                tracker.wait_for_contact()

        one.__exit__()
        two.__exit__()
        everything_is_counted(tracker, [one, two])

    assert one.added + two.added > ROUNDS
    assert "restored" not in tracker.logged()
    assert "replaced" not in tracker.logged()
    assert "Traceback" not in tracker.logged()


def pause(seconds: float) -> None:
    """Let time pass, where it is what the test is about."""
    time.sleep(seconds)


@pytest.mark.parametrize(("seconds", "notices"), [(0.7, False), (6.0, True)], ids=["shorter", "longer"])
def test_a_link_cut_for_a_while(
    tmp_path: Path, lab: light.Lab, hosts: list[light.Host], seconds: float, notices: bool
) -> None:
    """A short cut is not even noticed; after a long one the host is unreachable, and then drained."""
    with tracking(Tracker(tmp_path, lab, hosts)) as tracker, Producer(hosts[0]) as one, Producer(hosts[1]) as two:
        for _ in range(2):
            hosts[0].cut()
            pause(seconds)
            hosts[0].heal()
            tracker.wait_for_contact()

        one.__exit__()
        two.__exit__()
        everything_is_counted(tracker, [one, two])

    assert (f"source={hosts[0].name} contact=unreachable" in tracker.logged()) is notices
    assert f"source={hosts[1].name} contact=unreachable" not in tracker.logged()


@pytest.mark.parametrize("held", [0.5, 4.0], ids=["shorter", "longer"])
@pytest.mark.parametrize("passing", [0, 100_000], ids=["at its first byte", "in its middle"])
def test_a_link_cut_in_an_answer(
    tmp_path: Path, lab: light.Lab, hosts: list[light.Host], passing: int, held: float
) -> None:
    """The half that came is thrown away, and the whole comes again."""
    host, control = hosts[0], tmp_path / "control"
    producer = Producer(host, batch=1500)
    with tracking(Tracker(tmp_path, lab, [host], further=relayed(control))) as tracker:
        hold(control, down=passing)
        producer.add()
        pause(held)
        control.unlink()
        producer.add()
        everything_is_counted(tracker, [producer])

    assert "restored" not in tracker.logged()


CONFIRMING: dict[str, dict[str, int]] = {
    "before it": {"up": 0},
    "in its middle": {"up": 40},
    "before its answer": {"down": 0},
    "in the middle of its answer": {"down": 40},
}


@pytest.mark.parametrize("held", [0.5, 4.0], ids=["shorter", "longer"])
@pytest.mark.parametrize("where", CONFIRMING)
def test_a_link_cut_in_a_confirmation(
    tmp_path: Path, lab: light.Lab, hosts: list[light.Host], where: str, held: float
) -> None:
    """Whether the host got it or not: each message is confirmed once, or comes again, and no queue looks restored."""
    host, control, box = hosts[0], tmp_path / "control", Box()
    config = load(Tracker(tmp_path, lab, [host], further=relayed(control)).config)
    terms = replace(config.settings.terms("t"), interval=0.5, load_timeout=2.0)
    tracked = make_source(config.sources[0].host(), terms, box, Memento())
    tracked.start()
    try:
        host.add("A", "B")
        delivery = box.delivery()
        hold(control, **CONFIRMING[where])
        tracked.confirm(delivery, "n1")
        pause(held)
        control.unlink()
        again = confirm_what_comes_again(tracked, box, host, after=box.items.index(delivery) + 1)
    finally:
        tracked.stop()

    assert [element["uid"] for element in again] in ([], [element["uid"] for element in delivery.elements])
    assert held > 2.0 or not again
    assert box.notices() == []


def confirm_what_comes_again(tracked: Source, box: Box, host: light.Host, after: int) -> list[dict[str, str]]:
    """Confirm as the daemon does, until the queue is empty; what came."""
    again: list[dict[str, str]] = []
    seen = after

    def empty() -> bool:
        nonlocal seen
        items, seen = box.items[seen:], len(box.items)
        for item in items:
            if isinstance(item, Delivery) and item.elements:
                again.extend(item.elements)
                tracked.confirm(item, f"n{seen}")
        return host.count() == 0

    wait_until(empty)
    return again


def relayed(control: Path) -> str:
    """An ssh_config that leads over the relay."""
    relay = Path(__file__).with_name("relay.py")
    return f"Host *\n  ProxyCommand {sys.executable} {relay} %h %p {control}\n"


def hold(control: Path, **how: int) -> None:
    """Let the relay pass only so many bytes more."""
    written = control.with_suffix(".new")
    written.write_text(json.dumps(how))
    written.replace(control)
    pause(0.1)  # the relay looks every 20 ms


def test_a_queue_that_is_removed_or_replaced(tmp_path: Path, lab: light.Lab, hosts: list[light.Host]) -> None:
    """What was in a removed file is gone with it; what is added to the new one counts, and the operator is told."""
    host = hosts[0]
    producer = Producer(host)
    with tracking(Tracker(tmp_path, lab, [host])) as tracker:
        producer.add()
        wait_until(lambda: host.count() == 0)
        host.queue.unlink()
        producer.add()
        everything_is_counted(tracker, [producer])
        other = host.queue.with_name("other.sqlite")
        light.run(light.PYTHON, str(light.TOOL), "-f", str(other), "count", check=False)
        light.run(
            *(light.PYTHON, str(light.TOOL), "-f", str(other), "add"),
            *("--instance", "P", "--job", host.name, "--event", "ERROR"),
        )
        producer.added += 1
        other.replace(host.queue)
        producer.add()
        everything_is_counted(tracker, [producer])

    assert tracker.logged().count("replaced by another one") >= 2


def test_a_queue_restored_from_an_older_copy(tmp_path: Path, lab: light.Lab, hosts: list[light.Host]) -> None:
    """Its messages were all counted before: none counts again, and what is added afterwards does."""
    host = hosts[0]
    producer = Producer(host, batch=20)
    with tracking(Tracker(tmp_path, lab, [host])) as tracker:
        wait_until(lambda: host.count() == 0)
        host.signal(signal.SIGSTOP, "message-queue.py")
        producer.add()
        copy = host.queue.with_name("copy.sqlite")
        with contextlib.closing(sqlite3.connect(host.queue)) as live, contextlib.closing(sqlite3.connect(copy)) as to:
            live.backup(to)
        host.signal(signal.SIGCONT, "message-queue.py")
        everything_is_counted(tracker, [producer])

        copy.replace(host.queue)
        producer.add()
        everything_is_counted(tracker, [producer])

    assert "restored from a backup" in tracker.logged()


def test_a_queue_locked_for_twenty_seconds(tmp_path: Path, lab: light.Lab, hosts: list[light.Host]) -> None:
    """Jobs are told that they could not report, the tracker that it cannot see; both go on afterwards."""
    host = hosts[0]
    with tracking(Tracker(tmp_path, lab, hosts)) as tracker, Producer(host) as one, Producer(hosts[1]) as two:
        wait_until(lambda: one.added > 0)
        with contextlib.closing(sqlite3.connect(host.queue, timeout=20, isolation_level=None)) as locker:
            locker.execute("BEGIN EXCLUSIVE")
            pause(20)
            told = tracker.sources()
            locker.execute("ROLLBACK")
        assert told[host.name]["contact"] == "unreachable", told[host.name]
        assert told[hosts[1].name]["contact"] == "reachable"
        one.__exit__()
        two.__exit__()
        everything_is_counted(tracker, [one, two])

    assert one.failed > 0
    assert two.failed == 0


def test_a_full_file_system_under_the_queue(tmp_path: Path, lab: light.Lab, hosts: list[light.Host]) -> None:
    """A confirmation needs room for a journal; until there is some, nothing is deleted and nothing counts twice."""
    host = hosts[0]
    host.kill()
    with small_file_system(host.queue.parent):
        host.start()
        host.await_ssh()
        producer = Producer(host, batch=50)
        with tracking(Tracker(tmp_path, lab, [host])) as tracker:
            wait_until(lambda: host.count() == 0)
            host.signal(signal.SIGSTOP, "message-queue.py")
            producer.add()
            filling = fill(host.queue.parent)
            host.signal(signal.SIGCONT, "message-queue.py")
            wait_until(lambda: tracker.errors()[host.name] == 50)
            wait_until(lambda: "no room left" in str(tracker.sources()[host.name]["text"]))
            assert host.count() == 50
            producer.add()
            filling.unlink()
            producer.add()
            everything_is_counted(tracker, [producer])
        host.kill()


def test_a_full_file_system_under_the_store(tmp_path: Path, lab: light.Lab, hosts: list[light.Host]) -> None:
    """It stops confirming, says so, and goes on when there is room; the messages wait where they are."""
    host = hosts[0]
    producer = Producer(host, batch=300)
    made = Tracker(tmp_path, lab, [host])
    with small_file_system(made.store.parent), tracking(made) as tracker:
        wait_until(lambda: host.count() == 0)
        filling = fill(made.store.parent)
        producer.add()
        wait_until(lambda: "messages wait in their queues" in tracker.services())
        assert host.count() == 300
        assert tracker.services().splitlines()[1].startswith("2 ")
        producer.add()
        filling.unlink()
        everything_is_counted(tracker, [producer])
        wait_until(lambda: "messages wait in their queues" not in tracker.services())
