"""Delivery: a thread that runs the notification command, one notification at a time.

Rule: it knows neither the ledger nor the board: it is given an errand, and says how that ended.
Rule: delivered is what the command ended with 0 for; whatever else happens, it is not.
Rule: never through a shell, never without a time limit; when the limit has passed, the command and all that it
started are killed.
Rule: a stop waits for nothing but the command under way, for STOPPING seconds at most, and none is begun after it.
Rule: a command outlives its tracker only as far as its own end.  It holds a lock that the next tracker waits for, or
an old notification could arrive behind a newer one of the same job.
"""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

PACKAGED = Path(__file__).parents[2] / "onhost" / "send-notification.py"
"""What is called where send-notification.py is not found in the PATH."""

DEFAULT_COMMAND = "send-notification.py"
COMPLAINT = 500
"""Characters of what the command says on stderr that are kept."""

LOOK = 0.05
"""Seconds between two looks whether the command has ended while something it started holds its stderr open."""

STOPPING = 3.0
"""Seconds that a command under way is given when the tracker stops.

One that is killed may have been taken by the far side, and is then delivered twice: an ssh to a host that answers needs
a second or two.  A service manager waits for half a minute; without a command under way a stop is immediate.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One notification to deliver.  text: makes what goes to stdin; timeout: seconds.

    subject: the giver's, to know it again.
    """

    subject: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    text: Callable[[], str]
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How an errand ended; problem: why it was not delivered, empty if it was."""

    errand: Errand
    problem: str


class Courier:
    """The thread.  wake: wakes whoever takes receipts; lock: a file beside the store."""

    def __init__(self, wake: Callable[[], None], lock: Path) -> None:
        self._wake, self._lock_path = wake, lock
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        self._receipts: SimpleQueue[Receipt] = SimpleQueue()
        self._stopping = Event()
        self._lock = -1
        self._thread: Thread | None = None
        self.busy = False

    def begin(self, errand: Errand) -> None:
        """Begin an errand; the one before has ended.  Returns at once."""
        if self._thread is None:
            self._thread = Thread(target=self._live, name="delivery", daemon=True)
            self._thread.start()
        self.busy = True
        self._errands.put(errand)

    def take(self) -> Receipt | None:
        """How the errand ended, once; None if it has not yet."""
        try:
            receipt = self._receipts.get_nowait()
        except Empty:
            return None
        self.busy = False
        return receipt

    def stop(self) -> None:
        """End the thread; a command under way has STOPPING seconds left, one that has not begun stays undelivered."""
        if self._thread is not None:
            self._stopping.set()
            self._errands.put(None)
            self._thread.join(STOPPING + 1)
            self._thread = None

    # -- in the thread -------------------------------------------------------------------------------------------

    def _live(self) -> None:
        while (errand := self._errands.get()) is not None:
            try:
                problem = self._run(errand)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            self._receipts.put(Receipt(errand=errand, problem=problem))
            with contextlib.suppress(OSError):  # nobody is there any more
                self._wake()
        if self._lock >= 0:
            os.close(self._lock)

    def _run(self, errand: Errand) -> str:
        command = [*resolved(errand.command), *errand.arguments]
        text = errand.text().encode("utf-8", "replace")
        self._wait_for_the_last_trackers_command(errand.timeout)
        if self._stopping.is_set():
            return "the tracker stopped before its turn came"
        try:
            process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=[self._lock] if self._lock >= 0 else [],
            )
        except OSError as error:
            return f"{command[0]}: {error.strerror or error}"
        with process:
            try:
                complaint = self._attend(process, text, time.monotonic() + errand.timeout)
            finally:
                kill(process)
        if complaint is None and self._stopping.is_set():
            return f"{command[0]} had not ended when the tracker stopped"
        if complaint is None:
            return f"{command[0]} has not ended within {errand.timeout:g} s"
        if process.returncode == 0:
            return ""
        said = " ".join(complaint.decode("utf-8", "replace").split())[:COMPLAINT]
        return f"{command[0]} ended with {process.returncode}{': ' if said else ''}{said}"

    def _attend(self, process: "subprocess.Popen[bytes]", text: bytes, until: float) -> bytes | None:
        """Hand over the text, keep the begin of what is said on stderr; None if it did not end in time."""
        if process.stdin is None or process.stderr is None:
            raise ValueError("started without pipes")
        with contextlib.suppress(BrokenPipeError):  # it may not care for the text
            process.stdin.write(text)  # shorter than any pipe is wide
            process.stdin.close()
        said, open_ = b"", True
        stopping_at = float("inf")
        while process.poll() is None or open_:
            now = time.monotonic()
            if self._stopping.is_set():
                stopping_at = min(stopping_at, now + STOPPING)
            if now >= min(until, stopping_at):
                return None
            if open_ and select.select([process.stderr], [], [], LOOK)[0]:
                part = os.read(process.stderr.fileno(), 65536)
                said, open_ = (said + part)[:4096], bool(part)
            elif process.poll() is not None:
                break
            elif not open_:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK)
        return said

    def _wait_for_the_last_trackers_command(self, timeout: float) -> None:
        """Take the lock; what holds it for longer than a command may take is none of ours any more."""
        if self._lock >= 0:
            return
        with contextlib.suppress(OSError):  # without a lock, an old notification may arrive late: better than none
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            until = time.monotonic() + timeout
            while time.monotonic() < until and not self._stopping.is_set():
                try:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    time.sleep(LOOK)  # flock knows no time limit


def resolved(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command to call; where ours is not in the PATH, the one that came with the tracker."""
    if command == (DEFAULT_COMMAND,) and shutil.which(DEFAULT_COMMAND) is None:
        return sys.executable, str(PACKAGED)
    return command


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a command that has not ended by itself, and what it started."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
