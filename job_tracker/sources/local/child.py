"""Local sources: a queue on this host, spoken to through a child process and its pipes.

Rule: the child has a process group of its own and no shell, and nothing of it remains after `close`: it is asked to
end by closing its pipes, then its whole group is killed.
"""

import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import IO

from job_tracker.errors import SourceClosed, SourceRefused, SourceUnreachable
from job_tracker.sources.local.owner import Account
from job_tracker.sources.queue.transport import LONGEST_TEXT, Ending, Lines, one_line

CHUNK = 256 * 1024
WORDS_KEPT = 4 * LONGEST_TEXT  # bytes of stderr: its end says why
POLITE_SECONDS = 0.25
KILLED_SECONDS = 0.2
ENDING_SECONDS = 0.5
# What somebody has to repair, as against a host that is out of processes or memory for the moment.
LASTING = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EPERM})


class ChildTransport:
    """A transport to a child process; its stderr is read along, so that it never blocks on it."""

    def __init__(self, command: Sequence[str], account: Callable[[], Account] = Account) -> None:
        """account: as whom it runs, looked up at each start."""
        self._command, self._account = command, account
        self.steps: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._lines = Lines()
        self._words = b""
        self._poll = select.poll()  # not select(): two hundred sources have descriptors beyond its 1,024
        self._wake_lock = Lock()
        self._wake: tuple[int, int] | None = None
        self._interrupted = False

    def open(self, deadline: float) -> float:
        """Start the child."""
        pipe = subprocess.PIPE
        try:
            self._prepare_wake()
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, process_group=0, **self._account()
            )
        except OSError as error:
            text = f"cannot start {one_line(self._command[0])}: {error.strerror}"
            raise (SourceRefused if error.errno in LASTING else SourceUnreachable)(text) from None
        stdin, stdout, stderr = self._pipes()
        os.set_blocking(stdin.fileno(), False)
        self._poll.register(stdout, select.POLLIN)
        self._poll.register(stderr, select.POLLIN)
        return 0.0

    def send(self, line: bytes) -> None:
        """Write a line; a pipe that has no room for it belongs to a child that reads nothing."""
        try:
            if self._pipes()[0].write(line) == len(line):
                return
        except BrokenPipeError:
            return  # it has ended: whatever it said before, and why, comes with the next receive
        raise SourceUnreachable("takes no requests any more")

    def receive(self, deadline: float) -> bytes:
        """The child's next line."""
        while (line := self._lines.next()) is None:
            self._read(deadline)
        return line

    def interrupt(self) -> None:
        """Wake whoever waits for the child."""
        with self._wake_lock:
            if self._wake is not None and not self._interrupted:
                os.write(self._wake[1], b".")
            self._interrupted = True

    def ending(self) -> Ending:
        """The child's exit code and last words."""
        stderr = self._pipes()[2]
        exit_code = _await_exit(self._process.pid, ENDING_SECONDS) if self._process is not None else None
        os.set_blocking(stderr.fileno(), False)
        while self._hear(stderr):
            pass
        last = [line for line in self._words.splitlines() if line.strip()][-1:]
        return Ending(exit_code=exit_code, words=one_line(last[0] if last else b""))

    def close(self) -> None:
        """Close the pipes, and see to it that the child and all of its group are gone."""
        with self._wake_lock:
            if self._wake is not None:
                for descriptor in self._wake:
                    os.close(descriptor)
            self._wake = None
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        _await_exit(process.pid, POLITE_SECONDS)
        # Not reaped yet, so its number, which is the group's, cannot be anybody else's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        # One that even this does not end hangs in the kernel; subprocess reaps it at some later start of a child.
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILLED_SECONDS)

    def _prepare_wake(self) -> None:
        with self._wake_lock:
            if self._interrupted:
                raise SourceUnreachable("interrupted")
            self._wake = os.pipe()
        self._poll.register(self._wake[0], select.POLLIN)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or process.stderr is None:
            raise SourceUnreachable("not connected")
        return process.stdin, process.stdout, process.stderr

    def _read(self, deadline: float) -> None:
        """Wait for anything, and take it in."""
        _, stdout, stderr = self._pipes()
        left = max(0.0, deadline - time.monotonic())
        ready = {descriptor for descriptor, _ in self._poll.poll(left * 1000)}
        if self._wake is None or self._wake[0] in ready:
            raise SourceUnreachable("interrupted")
        if stderr.fileno() in ready and not self._hear(stderr):
            self._poll.unregister(stderr)
        if stdout.fileno() in ready:
            data = os.read(stdout.fileno(), CHUNK)
            if not data:
                raise SourceClosed("hung up")
            self._lines.feed(data)
        elif time.monotonic() >= deadline:
            raise SourceUnreachable("gave no complete answer in time")

    def _hear(self, stderr: IO[bytes]) -> bool:
        """Keep the end of what the child complains about; whether there may be more."""
        try:
            data = os.read(stderr.fileno(), CHUNK)
        except BlockingIOError:
            return False
        self._words = (self._words + data)[-WORDS_KEPT:]
        return bool(data)


def _await_exit(pid: int, seconds: float) -> int | None:
    """A child's exit code, as soon as it has one; it is not reaped."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:  # somebody ignores SIGCHLD: then the kernel forgets exit codes
            return None
        if found is not None:
            return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        if time.monotonic() >= until:
            return None
        time.sleep(0.005)  # waitid knows no time limit
