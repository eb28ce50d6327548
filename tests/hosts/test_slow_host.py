"""One of several hosts hangs: the others are heard as ever.

Rule: nothing is measured here (`make bench-ssh` does); whatever waited for the host that hangs would wait longer than
any of these tests, for the tracker's patience with it is FOR_EVER.
"""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import light
import pytest
from tracking import PATIENCE, Tracker, tracking, wait_until

REASON = light.missing() or ("" if light.is_root() else "only root can cut a link")
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

HOSTS = 8
TRIES = 12
FOR_EVER = 10 * PATIENCE


@pytest.fixture
def lab() -> Iterator[light.Lab]:
    """Eight hosts; the bench has fifty."""
    assert not REASON, REASON
    with light.lab(HOSTS) as made:
        yield made


def is_written_anew(file: Path, before: int) -> bool:
    return file.stat().st_mtime_ns != before


def reports_arrive(tracker: Tracker, hosts: list[light.Host]) -> None:
    """Let the hosts report in turn; each report has to become a state before the next one is made."""
    for number in range(TRIES):
        host = hosts[number % len(hosts)]
        state = tracker.run_dir / f"job_tracker.{host.name}__P.state"
        before = state.stat().st_mtime_ns
        host.add(host.name, event="ERROR")
        wait_until(partial(is_written_anew, state, before), tracker.logged)


def stop_serve(host: light.Host) -> None:
    host.signal(signal.SIGSTOP, "message-queue.py")


def stop_everything(host: light.Host) -> None:
    host.signal(signal.SIGSTOP)


HANGS: dict[str, tuple[Callable[[light.Host], None], Callable[[light.Host], None]]] = {
    "its serve stops": (stop_serve, lambda host: host.signal(signal.SIGCONT)),
    "its sshd stops": (stop_everything, lambda host: host.signal(signal.SIGCONT)),
    "its link is cut": (light.Host.cut, light.Host.heal),
}


@pytest.mark.parametrize("how", HANGS)
def test_one_that_hangs_delays_no_other(tmp_path: Path, lab: light.Lab, how: str) -> None:
    """While nobody has noticed yet."""
    hang, recover = HANGS[how]
    hung, *others = lab.hosts
    with tracking(Tracker(tmp_path, lab, lab.hosts, load_timeout=FOR_EVER)) as tracker:
        hang(hung)
        try:
            reports_arrive(tracker, others)
        finally:
            recover(hung)
        tracker.wait_for_contact()

    assert not [line for line in tracker.logged().splitlines() if "unreachable" in line and hung.name not in line]


@pytest.mark.parametrize("how", ["its sshd stops", "its link is cut"])
def test_one_that_gives_no_answer_delays_no_other(tmp_path: Path, lab: light.Lab, how: str) -> None:
    """While the tracker tries to reach it."""
    hang, recover = HANGS[how]
    hung, *others = lab.hosts
    for host in lab.hosts:
        host.add(host.name, event="STARTED")
    tracker = Tracker(tmp_path, lab, lab.hosts, load_timeout=FOR_EVER)
    hang(hung)
    try:
        tracker.start()
        tracker.wait_for_contact(*others)
        reports_arrive(tracker, others)
        contact = tracker.sources()[hung.name]["contact"]
    finally:
        recover(hung)
        tracker.stop()

    assert contact != "reachable"
