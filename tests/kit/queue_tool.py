"""message-queue.py as a real process, under one of the Pythons of this machine.

Nothing here stands in for the real thing.
"""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from sqlite3 import Connection, connect
from typing import IO, Any, NoReturn

import pytest

Answer = dict[str, Any]
"""A JSON object, as the tool wrote it."""

Word = str | bytes
Done = subprocess.CompletedProcess[bytes]

TOOL = Path(__file__).parents[2] / "job_tracker" / "onhost" / "message-queue.py"
SLOW = 30.0  # seconds after which a test gives up waiting for what should take none


def missing(reason: str) -> NoReturn:
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


def piped(stream: IO[bytes] | None) -> IO[bytes]:
    """The stream of a process that was started with pipes."""
    assert stream is not None
    return stream


class Serve:
    """A running `serve` and the tracker's end of its pipes."""

    def __init__(self, command: Sequence[Word], **options: Any) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, **options)
        self.stdin = piped(self.process.stdin)
        self.stdout = piped(self.process.stdout)
        self.stderr = piped(self.process.stderr)
        self.rest = b""
        self.greeting = self.read() or {}

    def send(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[self.stdin.write(view) :]

    def read(self, seconds: float = SLOW) -> Answer | None:
        """The next answer; None at the end of its output."""
        until = time.monotonic() + seconds
        while b"\n" not in self.rest:
            if not select.select([self.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"no answer within {seconds} s")
            data = os.read(self.stdout.fileno(), 1 << 20)
            if not data:
                return None
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        assert len(line) < 1 << 20
        answer: Answer = json.loads(line.decode("ascii"))
        return answer

    def answer(self, seconds: float = SLOW) -> Answer:
        """The next answer; there must be one."""
        answer = self.read(seconds)
        assert answer is not None, "its output has ended"
        return answer

    def ask(self, do: str, **request: object) -> Answer:
        """The answer to a request."""
        self.send(json.dumps({"do": do, **request}).encode() + b"\n")
        return self.answer()

    def end(self) -> int:
        """Hang up, as a tracker that stops does; the exit code."""
        self.stdin.close()
        return self.process.wait(SLOW)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SLOW)
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()


class Queue:
    """A queue file, spoken to through `message-queue.py` under one of the Pythons."""

    def __init__(self, python: str, path: Path, tool: Path = TOOL) -> None:
        self.python = python
        self.path = path
        self.tool = tool
        self.sessions = ExitStack()

    def command(self, *arguments: Word) -> list[Word]:
        return [self.python, "-I", str(self.tool), "-f", str(self.path), *arguments]

    def run(self, *arguments: Word, **options: Any) -> Done:
        """Run a verb to its end; stdout and stderr as bytes."""
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.command(*arguments), capture_output=True, check=False, timeout=60, **options)

    def add(self, *events: str) -> None:
        """Store a message per event, in this order."""
        lines = "\n".join(json.dumps({"instance": "P", "job": "LOAD", "event": event}) for event in events)
        done = self.run("add", "-j", "-", input=lines.encode())
        assert (done.returncode, done.stderr) == (0, b"")

    def messages(self, *arguments: str) -> list[Answer]:
        done = self.run("list", *arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        messages: list[Answer] = json.loads(done.stdout.decode("ascii"))
        return messages

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
