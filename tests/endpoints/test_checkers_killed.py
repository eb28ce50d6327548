"""The emitter of WPS-T, killed at each boundary: no line is in the log twice, none is missing, none is torn."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from job_server import JobServer
from running import in_memory

RUNNER = Path(__file__).parents[1] / "kit" / "fatal_emitter.py"
Emit = Callable[..., int]

UNSEEN = ("before-sweep", "after-sweep", "before-save")
"""Before what it saw is stored: it is found again."""

WRITTEN = ("before-write", "half-write", "after-write", "before-fsync", "after-fsync", "before-cursor", "after-cursor")
SEEN = ("after-save", *WRITTEN)


@pytest.fixture(scope="module")
def emit() -> Iterator[Emit]:
    """Lets an emitter poll once, and be killed there; its exit code."""
    with subprocess.Popen(
        [sys.executable, str(RUNNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def once(server: JobServer, log: Path, boundary: str = "-", nth: int = 0) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{server.port} {log} {boundary} {nth}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        try:
            yield once
        finally:
            process.kill()


@pytest.fixture
def place() -> Iterator[Path]:
    with in_memory() as made:
        yield made


def told(log: Path, id: str) -> list[str]:
    """The statuses of a job in the log, whose lines are whole and numbered in order."""
    content = log.read_bytes()
    assert content.endswith(b"\n")
    pairs = [line.split("+++", 1) for line in content.decode().splitlines()]
    payloads = [json.loads(payload) for _, payload in pairs]
    numbers = [each["seq"] for each in payloads]
    assert numbers == sorted(set(numbers))
    return [each["status"] for (key, _), each in zip(pairs, payloads, strict=True) if key == id]


@pytest.mark.parametrize("boundary", [*UNSEEN, *SEEN])
def test_killed_at_a_boundary_the_next_one_goes_on_with_the_same_line(boundary: str, place: Path, emit: Emit) -> None:
    """What was stored is written, what was not is seen again as it is by then; a second kill falls into the repair."""
    log = place / "wpst-job.log"
    ids = [f"a{number}" for number in range(5)]
    with JobServer(switches={"right_404"}).running() as server:
        for id in ids:
            server.submit(id)
        assert emit(server, log) == 0
        for id in ids:
            server.move(id, "running")
        assert emit(server, log, boundary, 1) == -signal.SIGKILL
        emit(server, log, boundary, 1)
        server.move("a4", "successful")
        assert emit(server, log) == 0

    assert [told(log, id) for id in ids[:4]] == [["accepted", "running"]] * 4
    between = [] if boundary in UNSEEN else ["running"]
    assert told(log, "a4") == ["accepted", *between, "successful"]


@pytest.mark.parametrize("boundary", WRITTEN)
def test_killed_between_the_writes_of_one_poll_nothing_is_written_again(boundary: str, place: Path, emit: Emit) -> None:
    """Many jobs change at once: part of them is in the log, and the rest follows."""
    log = place / "wpst-job.log"
    ids = [f"a{number}" for number in range(5)]
    with JobServer().running() as server:
        for id in ids:
            server.submit(id)
        assert emit(server, log, boundary, 2) == -signal.SIGKILL
        assert emit(server, log) == 0
        for id in ids:
            server.move(id, "running")
        assert emit(server, log, boundary, 2) == -signal.SIGKILL
        log.rename(place / "wpst-job.log.1")  # logrotate comes in between
        assert emit(server, log) == 0

    whole = place / "whole"
    whole.write_bytes((place / "wpst-job.log.1").read_bytes() + (log.read_bytes() if log.exists() else b""))
    assert [told(whole, id) for id in ids] == [["accepted", "running"]] * 5


def test_killed_while_it_begins_a_log_it_begins_it_once(place: Path, emit: Emit) -> None:
    """The first poll of all, cut at each write of its stores and its log."""
    for number, boundary in enumerate(("before-save", "after-save", "half-write", "before-cursor")):
        log = place / f"{number}.log"
        with JobServer().running() as server:
            server.submit("a1", "running")
            assert emit(server, log, boundary, 1) == -signal.SIGKILL
            assert emit(server, log) == 0

        assert told(log, "a1") == ["running"]
