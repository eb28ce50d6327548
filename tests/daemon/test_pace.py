"""What is told when: hosts that wait come first, and nobody who is told waits long."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from telling import T0 as NOON
from telling import Tracker, job, write_config

from job_tracker.core.board import Board
from job_tracker.core.record import Step
from job_tracker.daemon.mailbox import PipedMailbox
from job_tracker.daemon.pace import CONFIRMING, LONGEST, Pace
from job_tracker.errors import StoreFailed
from job_tracker.ledger.ledger import Entry
from job_tracker.ports import Contact, Delivery, Found, Report

T0 = 1_795_399_200_000_000


def found(begun: int) -> Found:
    step = Step(board=Board.__new__(Board), changes=(), records={}, wake=None, unheard=(), is_set_back=False)
    return Found(step=step, begun=begun)


def test_what_one_host_said_is_told_at_once() -> None:
    """Nobody else has to be waited for; an operator who looks sees it within a moment."""
    pace = Pace()
    pace.add(found(T0), 1, T0)
    assert pace.waits_until(T0, more_came=False) is None


def test_while_more_comes_telling_waits_but_no_longer_than_a_tenth_of_a_second() -> None:
    """The moment counts from the first step that waits, whatever follows it."""
    pace = Pace()
    for passed in range(0, LONGEST, 10_000):
        pace.add(found(T0 + passed), 1, T0 + passed)
        assert pace.waits_until(T0 + passed, more_came=True) == T0 + passed
    assert pace.waits_until(T0 + LONGEST, more_came=True) is None
    taken = pace.take()
    assert (len(taken), taken[0].begun, bool(pace)) == (10, T0, False)
    pace.add(found(T0 + LONGEST), 1, T0 + LONGEST)
    assert pace.waits_until(T0 + LONGEST, more_came=True) == T0 + LONGEST


def test_several_hosts_get_a_moment_to_take_their_confirmations() -> None:
    """A host that waits for its confirmation holds its queue; telling takes longer than confirming."""
    pace = Pace()
    pace.add(found(T0), 2, T0)
    assert pace.waits_until(T0, more_came=False) == T0 + CONFIRMING
    pace.add(found(T0 + 10), 0, T0 + 10)
    assert pace.waits_until(T0 + CONFIRMING - 1, more_came=False) == T0 + CONFIRMING
    assert pace.waits_until(T0 + CONFIRMING, more_came=False) is None


def test_that_moment_ends_with_the_tenth_of_a_second() -> None:
    """Waiting for the last to come does not begin anew with each that comes."""
    pace = Pace()
    pace.add(found(T0), 1, T0)
    pace.add(found(T0 + LONGEST - 10), 2, T0 + LONGEST - 10)
    assert pace.waits_until(T0 + LONGEST - 10, more_came=False) == T0 + LONGEST


def test_a_clock_that_is_set_back_holds_nothing_back() -> None:
    """Neither what waits already, nor what comes afterwards."""
    pace = Pace()
    pace.add(found(T0), 2, T0)
    assert pace.waits_until(T0 - 1, more_came=True) is None
    pace.take()
    pace.add(found(T0 - 1), 1, T0 - 1)
    assert pace.waits_until(T0 - 1, more_came=False) is None


@pytest.mark.parametrize("threads", [1, 4])
def test_no_wake_up_is_lost_however_sources_and_the_loop_meet(threads: int) -> None:
    """A wake-up is left out while one is on its way; left out once too often, the loop would sleep on."""
    mailbox, each = PipedMailbox(), 300
    gap = threading.Semaphore(0)

    def source() -> None:
        for _ in range(each):
            gap.acquire()
            mailbox.put(Report(source="here", contact=Contact.REACHABLE, since=T0))

    sources = [threading.Thread(target=source, daemon=True) for _ in range(threads)]
    for one in sources:
        one.start()
    heard = 0
    while heard < threads * each:
        gap.release(threads)
        mailbox.sleep(3600.0)  # or it would sleep until its time was over although something had come
        heard += len(mailbox.take(1_000_000))
    for one in sources:
        one.join()
    mailbox.close()


def test_what_comes_close_together_is_gathered_and_a_steady_stream_is_not_waited_for() -> None:
    """One telling for what belongs together, and none that waits for a stream without end."""
    mailbox = PipedMailbox()
    report = Report(source="here", contact=Contact.REACHABLE, since=T0)
    started, ended = threading.Event(), threading.Event()

    def stream() -> None:
        while not ended.is_set():
            mailbox.put(report)
            started.set()

    mailbox.gather()
    assert mailbox.take(9) == []
    mailbox.put(report, report)
    source = threading.Thread(target=stream, daemon=True)
    source.start()
    assert started.wait(60)
    mailbox.gather()
    ended.set()
    source.join()
    assert len(mailbox.take(10_000_000)) > 2
    mailbox.close()


def test_what_others_hand_over_while_a_source_is_forgotten_keeps_its_order() -> None:
    """An old word of a source must not stand over its newer one."""
    mailbox, number = PipedMailbox(), 20_000

    def hand_over() -> None:
        for since in range(number):
            mailbox.put(Report(source="stays", contact=Contact.REACHABLE, since=since))

    mailbox.put(Report(source="gone", contact=Contact.REACHABLE, since=0))
    source = threading.Thread(target=hand_over)
    source.start()
    while source.is_alive():
        mailbox.forget(["gone"])
    source.join()
    taken = [item.since for item in mailbox.take(1_000_000) if isinstance(item, Report)]
    mailbox.close()

    assert taken == list(range(number))


def test_a_thread_that_comes_late_writes_into_no_file_of_others() -> None:
    """A source's thread may outlive the loop, and the number of its pipe is somebody else's file by then."""
    mailbox = PipedMailbox()
    number = mailbox._in
    mailbox.close()
    out, into = os.pipe2(os.O_NONBLOCK)
    os.dup2(into, number)

    mailbox.put(Report(source="late", contact=Contact.REACHABLE, since=T0))

    with pytest.raises(BlockingIOError):
        os.read(out, 1)
    for each in {out, into, number}:
        os.close(each)


# -- in the loop: whatever comes in between, what is in the ledger is told ---------------------------------------------


def of_a_burst(tracker: Tracker) -> None:
    """Two deliveries at once, each with an error, and the cycle that confirms both and does not yet tell them."""
    for number, name in enumerate("AB", 1):
        element = {"_id": number, "uid": f"u{number}", "timestamp": NOON, "job": name, "instance": "P"}
        tracker.loop.mailbox.put(
            Delivery(
                source="app1",
                queue="q",
                elements=({**element, "event": "ERROR"},),
                through=number,
                received=tracker.moment,
                drained=tracker.moment,
                size=0,
            )
        )
    tracker.loop.cycle()


def rest_is_over(tracker: Tracker) -> None:
    tracker.passes(CONFIRMING / 1e6)


def a_cycle_fails(tracker: Tracker) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    tracker.loop.hear = fail  # type: ignore[method-assign, assignment]  # it fails before it could give anything
    with pytest.raises(ZeroDivisionError):
        tracker.loop.cycle_until_stopped()


def it_is_stopped(tracker: Tracker) -> None:
    tracker.loop.asked.stopping = True
    tracker.loop.cycle_until_stopped()


def it_is_reloaded(tracker: Tracker) -> None:
    tracker.loop.asked.reloading = True
    tracker.loop.cycle()


def the_store_fails(tracker: Tracker) -> None:
    def fail(entry: Entry) -> None:
        raise StoreFailed("no room")

    tracker.loop.ledger.save = fail  # type: ignore[method-assign]  # a disk that is full at this step
    tracker.hears((1, "A", "STARTED"))


@pytest.mark.parametrize("end", [rest_is_over, a_cycle_fails, it_is_stopped, it_is_reloaded, the_store_fails])
def test_what_waits_to_be_told_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: Callable[[Tracker], None]
) -> None:
    """Once, in the files and in the log, and not before the hosts had their moment."""
    caplog.set_level(logging.INFO, "job_tracker")
    tracker = Tracker(write_config(tmp_path, [job("A"), job("B")]))
    files = [tmp_path / "run" / f"job_tracker.{name}__P.state" for name in "AB"]
    of_a_burst(tracker)
    assert not any(" - ERROR " in file.read_text() for file in files)

    end(tracker)

    assert all(" - ERROR " in file.read_text() for file in files)
    changed = [record for record in caplog.records if record.msg.startswith("state changed")]
    assert [record.getMessage().split()[2] for record in changed] == ["job=A__P", "job=B__P"]
    tracker.close()
