"""One of several hosts hangs: the others keep their latency, measured."""

import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import light
import pytest
from tracking import Tracker, tracking, wait_until

REASON = light.missing() or ("" if light.is_root() else "only root can cut a link")
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

HOSTS = 8
TRIES = 12


@pytest.fixture
def lab() -> Iterator[light.Lab]:
    """Eight hosts; the bench has fifty."""
    assert not REASON, REASON
    with light.lab(HOSTS) as made:
        yield made


def latency(tracker: Tracker, hosts: list[light.Host]) -> float:
    """The median, in seconds, from `add` to the changed state file, over the hosts in turn."""
    taken: list[float] = []
    for number in range(TRIES):
        host = hosts[number % len(hosts)]
        state = tracker.run_dir / f"job_tracker.{host.name}__P.state"
        before = state.stat().st_mtime_ns
        began = time.time()
        host.add(host.name, event="ERROR")
        wait_until(lambda state=state, before=before: state.stat().st_mtime_ns != before)
        taken.append(state.stat().st_mtime_ns / 1e9 - began)
    return statistics.median(taken)


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
    """Before, while it hangs unnoticed, and while the tracker tries to reach it again."""
    hang, recover = HANGS[how]
    hung, *others = lab.hosts
    with tracking(Tracker(tmp_path, lab, lab.hosts, load_timeout=4.0)) as tracker:
        before = latency(tracker, others)
        hang(hung)
        try:
            at_once = latency(tracker, others)
            # In the log: it may be reached again, by another serve, before the view has shown that it was not.
            wait_until(lambda: f"source={hung.name} contact=unreachable" in tracker.logged(), tracker.logged)
            later = latency(tracker, others)
        finally:
            recover(hung)
        tracker.wait_for_contact()
        lost = [line for line in tracker.logged().splitlines() if "contact=unreachable" in line]

    assert max(at_once, later) < 2 * before + 0.5, (before, at_once, later)
    assert lost
    assert all(f"source={hung.name} " in line for line in lost), lost
