"""The pid file, whose lock says whether the daemon runs, and whose number says only whom to ask.

Rule: the lock decides, never the number: after a power cut the number may be that of anybody's process.
Rule: the file is never removed, for whoever had it open would hold the lock of a file that nobody finds any more; a
daemon that ends leaves it empty, one that was killed leaves its number until somebody stops it or starts another.
"""

import contextlib
import errno
import fcntl
import os
import signal
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from job_tracker import exit_codes

MODE = 0o640
"""Whoever may open it may hold its lock, so others may not."""

_LONGEST = 8192
_PAUSE = 0.02
_TRIES = 10  # a `status` holds the lock for a moment, too


class Life(Enum):
    """What the pid file says of the daemon; the values are the exit codes of `status` in the LSB."""

    RUNNING = exit_codes.RUNS
    DEAD = exit_codes.IS_DEAD
    STOPPED = exit_codes.IS_STOPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whether the daemon runs, its number, 0 while it has none, and the configuration it runs with, if it said so."""

    life: Life
    pid: int = 0
    config: Path | None = None


class PidFile:
    """The pid file at a path.  Its methods raise OSError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def take(self) -> bool:
        """Lock it for this process and those forked from it, and empty it; False if somebody holds it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, MODE)
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is_at(descriptor, self.path):  # systemd removes the pid file of what it stopped
                    os.close(descriptor)
                    return self.take()
                os.ftruncate(descriptor, 0)
                self.descriptor = descriptor
                return True
            time.sleep(_PAUSE)  # flock knows no time limit
        os.close(descriptor)
        return False

    def write(self, config: Path) -> None:
        """Put our number into the file that we hold, and below it what we run with."""
        assert self.descriptor is not None  # noqa: S101 - take comes first
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode() + os.fsencode(config) + b"\n", 0)

    def empty(self) -> None:
        """Say that we end in good order."""
        if self.descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, 0)

    def tidy(self) -> None:
        """Empty what one left that was killed, for it is meant to be stopped; whoever holds the lock is left alone."""
        with contextlib.suppress(OSError):  # it has ended all the same
            if self.look().life is Life.DEAD and self.take() and self.descriptor is not None:
                os.close(self.descriptor)
                self.descriptor = None

    def look(self) -> Finding:
        """Whether the daemon runs, by trying its lock."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return Finding(life=Life.STOPPED)
        try:
            text = os.pread(descriptor, _LONGEST, 0)
            number, _, rest = text.partition(b"\n")
            pid = int(number) if number.isdigit() and len(number) < 20 else 0
            config = Path(os.fsdecode(rest.rstrip(b"\n"))) if rest.endswith(b"\n") else None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Finding(life=Life.RUNNING, pid=pid, config=config)
            return Finding(life=Life.DEAD if text.strip() else Life.STOPPED, pid=pid)
        finally:
            os.close(descriptor)

    def signal(self, number: signal.Signals) -> bool:
        """Send the daemon a signal; False if it does not run (any more).  Raises PermissionError."""
        found = self.look()
        if found.life is not Life.RUNNING or not found.pid:
            return False
        with contextlib.suppress(ProcessLookupError):
            try:
                process = os.pidfd_open(found.pid)
            except OSError as failure:
                if failure.errno != errno.ENOSYS:  # Linux before 5.3
                    raise
                os.kill(found.pid, number)
                return True
            try:
                # Held now and then, the lock proves that the number was not given to somebody else in between.
                if self.look() != found:
                    return False
                signal.pidfd_send_signal(process, number)
                return True
            finally:
                os.close(process)
        return False

    def wait(self, seconds: float) -> bool:
        """Wait until the daemon has ended; False if it has not."""
        deadline = time.monotonic() + seconds
        while self.look().life is Life.RUNNING:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)  # it is no child of ours, so nothing tells us when it ends
        return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
