"""Queues of the host's tools, under the oldest and the newest Python of this machine, and what a host lacks."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_tool import TOOL, Queue, missing, pythons

Pythons = list[tuple[tuple[int, int], str]]


@pytest.fixture(scope="session")
def all_pythons() -> Pythons:
    return pythons()


@pytest.fixture(params=["oldest", "newest"])
def python(request: pytest.FixtureRequest, all_pythons: Pythons) -> str:
    """The oldest and the newest Python to be had."""
    if request.param == "newest" and len(all_pythons) == 1:
        pytest.skip(f"only one Python here: {all_pythons[0][1]}")
    return all_pythons[0 if request.param == "oldest" else -1][1]


@pytest.fixture
def queue(python: str, tmp_path: Path) -> Iterator[Queue]:
    """A queue that does not exist yet, under the oldest and the newest Python."""
    made = Queue(python, tmp_path / "queue" / "q.sqlite")
    with made.sessions:
        yield made


@pytest.fixture
def one_queue(tmp_path: Path) -> Iterator[Queue]:
    """The same under the Python of the tests only, where the Python makes no difference."""
    made = Queue(sys.executable, tmp_path / "queue" / "q.sqlite")
    with made.sessions:
        yield made


@pytest.fixture
def require_root() -> None:
    if os.geteuid() != 0:
        missing("needs root, to act as several users or to mount a file system")


@pytest.fixture
def open_directory(require_root: None) -> Iterator[Path]:
    """A directory that every user can reach (pytest's own are closed to others), for tests that run as root."""
    made = Path(tempfile.mkdtemp(prefix="message-queue-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def shared_queue(open_directory: Path, all_pythons: Pythons) -> Iterator[Queue]:
    """A queue that does not exist yet, the tool beside it, and a Python that every user may execute."""
    tool = open_directory / TOOL.name
    shutil.copyfile(TOOL, tool)
    tool.chmod(0o755)
    for path in ["/usr/bin/python3", *(path for _, path in all_pythons)]:
        try:
            probe = subprocess.run([path, "-I", "-c", "import sqlite3"], check=False, user=12345, group=12345)
        except OSError:
            continue
        if probe.returncode == 0:
            made = Queue(path, open_directory / "queue" / "q.sqlite", tool)
            with made.sessions:
                yield made
            return
    missing("no Python that another user may execute")


@pytest.fixture
def small_disk(open_directory: Path) -> Iterator[Path]:
    """A file system of its own, with room for 128 KiB."""
    place = open_directory / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        missing("not allowed to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def strace() -> str:
    """The path of an strace that is allowed to trace."""
    path = shutil.which("strace")
    if not path or subprocess.run([path, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        missing("no strace, or it may not trace here")
    return path
