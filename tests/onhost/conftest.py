"""What the tests of the host's tools share: Pythons to run them with, and the tools as real processes.

Everything is reached through fixtures; nothing here stands in for the real thing.
"""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from sqlite3 import Connection, connect

import pytest

TOOL = Path(__file__).parents[2] / "job_tracker" / "onhost" / "message-queue.py"
SLOW = 30.0  # seconds after which a test gives up waiting for what should take none


def missing(reason: str) -> None:
    """Skip for want of something on this machine; where CI promises to have everything, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must not skip: {reason}")
    pytest.skip(reason)


def pythons() -> list[tuple[tuple[int, int], str]]:
    """The Pythons of this machine from 3.6 on, oldest first, as (version, path)."""
    candidates = [str(path) for path in Path.home().glob(".pyenv/versions/*/bin/python")]
    candidates += [shutil.which(f"python3.{minor}") or "" for minor in range(6, 30)]
    candidates += [sys.executable, "/usr/bin/python3"]
    found: dict[tuple[int, int], str] = {}
    for path in filter(None, candidates):
        try:  # a pyenv shim exists for versions that are not switched on, too
            probe = subprocess.run(
                [path, "-I", "-c", "import sys, sqlite3, json; print(json.dumps(sys.version_info[:2]))"],
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if probe.returncode == 0 and tuple(json.loads(probe.stdout)) >= (3, 6):
            found.setdefault(tuple(json.loads(probe.stdout)), path)
    return sorted(found.items())


class Serve:
    """A running `serve` and the tracker's end of its pipes."""

    def __init__(self, command: list[str], **options: object) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, **options)
        self.rest = b""
        self.greeting = self.read()

    def send(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[self.process.stdin.write(view) :]

    def read(self, seconds: float = SLOW) -> dict | None:
        """The next answer; None at the end of its output."""
        until = time.monotonic() + seconds
        while b"\n" not in self.rest:
            if not select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"no answer within {seconds} s")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                return None
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        assert len(line) < 1 << 20
        return json.loads(line.decode("ascii"))

    def ask(self, do: str, **request: object) -> dict | None:
        self.send(json.dumps({"do": do, **request}).encode() + b"\n")
        return self.read()

    def end(self) -> int:
        """Hang up, as a tracker that stops does; the exit code."""
        self.process.stdin.close()
        return self.process.wait(SLOW)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SLOW)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


class Queue:
    """A queue file, spoken to through `message-queue.py` under one of the Pythons."""

    def __init__(self, python: str, path: Path, tool: Path = TOOL) -> None:
        self.python = python
        self.path = path
        self.tool = tool
        self.sessions = ExitStack()

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        return [self.python, "-I", str(self.tool), "-f", str(self.path), *arguments]

    def run(self, *arguments: str | bytes, **options: object) -> subprocess.CompletedProcess:
        """Run a verb to its end; stdout and stderr as bytes."""
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.command(*arguments), capture_output=True, check=False, timeout=60, **options)

    def add(self, *events: str) -> None:
        """Store a message per event, in this order."""
        lines = "\n".join(json.dumps({"instance": "P", "job": "LOAD", "event": event}) for event in events)
        done = self.run("add", "-j", "-", input=lines.encode())
        assert (done.returncode, done.stderr) == (0, b"")

    def messages(self, *arguments: str) -> list[dict]:
        done = self.run("list", *arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        return json.loads(done.stdout.decode("ascii"))

    def events(self) -> list[str]:
        return [message["event"] for message in self.messages()]

    def serve(self, *arguments: str, opened_by: str | None = None) -> Serve:
        """A running serve; with `opened_by`, the tracker of that name has opened it."""
        serve = self.sessions.enter_context(closing(Serve(self.command("serve", *arguments))))
        if opened_by:
            answer = serve.ask("open", tracker=opened_by)
            assert answer.get("done") == "open", answer
        return serve

    def lock(self) -> AbstractContextManager[Connection]:
        """A context in which this process holds the file so that nobody else can read or write."""
        connection = self.sessions.enter_context(closing(connect(self.path, isolation_level=None)))
        connection.execute("BEGIN EXCLUSIVE")
        return closing(connection)

    def unlabelled(self, stderr: bytes) -> str:
        """What the tool complained about: exactly one line."""
        line = re.fullmatch(rb"message-queue\.py: ([ -~]+)\n", stderr)
        assert line, stderr
        return line[1].decode()


@pytest.fixture(scope="session")
def all_pythons() -> list[tuple[tuple[int, int], str]]:
    return pythons()


@pytest.fixture(params=["oldest", "newest"])
def python(request: pytest.FixtureRequest, all_pythons: list) -> str:
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
def shared_queue(open_directory: Path, all_pythons: list) -> Iterator[Queue]:
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
