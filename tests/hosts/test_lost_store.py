"""A lost store: the new tracker is refused by every queue, is let in by a command, and counts what is there once."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import light
import pytest
from tracking import ROOT, Producer, Tracker, everything_is_counted, tracking, wait_until

REASON = light.missing()
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)


@pytest.fixture(scope="module")
def lab() -> Iterator[light.Lab]:
    """Two hosts, whose keys may serve their queue and nothing else."""
    assert not REASON, REASON
    with light.lab(2) as made:
        yield made


def lose_the_store(tracker: Tracker) -> None:
    tracker.stop()
    shutil.rmtree(tracker.store.parent)
    tracker.store.parent.mkdir()
    tracker.view.unlink()
    (tracker.run_dir / "job_tracker.services").unlink()


def take_over(tracker: Tracker, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "job_tracker", "take-over", *arguments, "-c", str(tracker.config)]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def test_a_tracker_that_lost_its_store_drains_again(tmp_path: Path, lab: light.Lab) -> None:
    """What it counted is lost with the store; what waits is counted once, and nobody has to touch the hosts."""
    producers = [Producer(host) for host in lab.hosts]
    with tracking(Tracker(tmp_path, lab, lab.hosts)) as tracker:
        for producer in producers:
            producer.add()
        everything_is_counted(tracker, producers)
        lose_the_store(tracker)
        for producer in producers:
            producer.add()

        tracker.start()
        advice = [f"job_tracker take-over {host.name}" for host in lab.hosts]

        def texts() -> list[str]:
            return [tracker.sources().get(host.name, {}).get("text", "") for host in lab.hosts]

        wait_until(lambda: all(each in text for each, text in zip(advice, texts(), strict=True)), texts)
        unasked, done = take_over(tracker, "--all"), take_over(tracker, "--all", "--yes")
        tracker.wait_for_contact()

        again = Counter({host.name: producers[0].batch for host in lab.hosts})
        wait_until(lambda: tracker.errors() == again, tracker.errors)
        wait_until(lambda: all(host.count() == 0 for host in lab.hosts))
        tracker.expected = sum(again.values())

    assert (unasked.returncode, done.returncode) == (2, 0)
    assert "nothing was done" in unasked.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [host.name for host in lab.hosts]
    assert all("forgotten now" in line for line in done.stdout.splitlines())
