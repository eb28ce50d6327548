"""The courier: a thread that runs the notification command, one call at a time.

Rule: it knows neither the ledger nor the board: it is given a call, and says how that ended.
Rule: delivered is what the command ended with 0 for, or answered 0 where it brings many; whatever else happens, it is
not.
Rule: never through a shell, never without a time limit; when the limit has passed, the command and all that it
started are killed.
Rule: a stop waits for nothing but the command under way, for STOPPING seconds at most, and none is begun after it.
Rule: a command outlives its tracker only as far as its own end.  It holds a lock that the next tracker waits for, or
an old notification could arrive behind a newer one of the same job.
"""

import contextlib
import fcntl
import os
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

from job_tracker.outputs.event_console.answers import Outcome, outcome_of
from job_tracker.outputs.event_console.call import OUR_COMMAND, Call
from job_tracker.outputs.event_console.pipes import LOOK, Pipes

PACKAGED = Path(__file__).parents[2] / "onhost" / OUR_COMMAND
"""What is called where send-notification.py is not found in the PATH."""

STOPPING = 3.0
"""Seconds that a command under way is given when the tracker stops.

One that is killed may have been taken by the far side, and is then delivered twice: an ssh to a host that answers needs
a second or two.  A service manager waits for half a minute; without a command under way a stop is immediate.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command said and how it ended.  code: None if it did not, or was never begun; then why is `reason`."""

    answers: bytes = b""
    complaint: bytes = b""
    code: int | None = None
    reason: str = ""


class Courier:
    """The thread.  wake: wakes whoever takes outcomes; lock: a file beside the store."""

    def __init__(self, wake: Callable[[], None], lock: Path) -> None:
        self._wake, self._lock_path = wake, lock
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._stopping = Event()
        self._lock = -1
        self._thread: Thread | None = None
        self.busy = False

    def begin(self, call: Call) -> None:
        """Begin a call; the one before has ended.  Returns at once."""
        if self._thread is None:
            self._thread = Thread(target=self._live, name="delivery", daemon=True)
            self._thread.start()
        self.busy = True
        self._calls.put(call)

    def take(self) -> Outcome | None:
        """How the call ended, once; None if it has not yet."""
        try:
            outcome = self._outcomes.get_nowait()
        except Empty:
            return None
        self.busy = False
        return outcome

    def stop(self) -> None:
        """End the thread; a command under way has STOPPING seconds left, one that has not begun stays undelivered."""
        if self._thread is not None:
            self._stopping.set()
            self._calls.put(None)
            self._thread.join(STOPPING + 1)
            self._thread = None

    # -- in the thread -------------------------------------------------------------------------------------------

    def _live(self) -> None:
        while (call := self._calls.get()) is not None:
            command = [*resolved(call.command), *call.words()]
            try:
                said = self._run(command, call)
            except Exception as error:  # noqa: BLE001 - the thread goes on, and the notification is not delivered
                said = Said(reason=f"{type(error).__name__}: {error}")
            self._outcomes.put(
                outcome_of(call, command[0], said.answers, said.complaint, code=said.code, reason=said.reason)
            )
            with contextlib.suppress(OSError):  # nobody is there any more
                self._wake()
        if self._lock >= 0:
            os.close(self._lock)

    def _run(self, command: list[str], call: Call) -> Said:
        given = call.given()
        self._wait_for_the_last_trackers_command(call.timeout)
        if self._stopping.is_set():
            return Said(reason="the tracker stopped before its turn came")
        try:
            process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if call.is_for_many else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=[self._lock] if self._lock >= 0 else [],
            )
        except OSError as error:
            return Said(reason=why_not_begun(command[0], error))
        with process, Pipes(process, given) as pipes:
            try:
                has_ended = self._attend(process, pipes, call.timeout)
            finally:
                kill(process)
        if has_ended:
            return Said(answers=pipes.answers, complaint=pipes.complaint, code=process.returncode)
        reason = f"{command[0]} has not ended within {call.timeout:g} s"
        if self._stopping.is_set():
            reason = f"{command[0]} had not ended when the tracker stopped"
        return Said(answers=pipes.answers, reason=reason)

    def _attend(self, process: "subprocess.Popen[bytes]", pipes: Pipes, timeout: float) -> bool:
        """Let it read and say what it has to; False if it did not end in time, counted anew with each answer."""
        until, stopping_at = time.monotonic() + timeout, float("inf")
        while process.poll() is None or pipes.are_open:
            now = time.monotonic()
            if self._stopping.is_set():
                stopping_at = min(stopping_at, now + STOPPING)
            if now >= min(until, stopping_at):
                return False
            known = len(pipes.answers)
            if pipes.move():
                until = now + timeout if len(pipes.answers) > known else until
            elif process.poll() is not None:
                break  # what it started holds its pipes open
            elif not pipes.are_open:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK)
        return True

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
                except BlockingIOError:
                    time.sleep(LOOK)  # flock knows no time limit
                else:
                    return


def resolved(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command to call; where ours is not in the PATH, the one that came with the tracker."""
    if command == (OUR_COMMAND,) and shutil.which(OUR_COMMAND) is None:
        return sys.executable, str(PACKAGED)
    return command


def why_not_begun(command: str, error: OSError) -> str:
    """Why a command could not be started; the kernel says of a missing interpreter only that something is missing."""
    path = shutil.which(command)
    if isinstance(error, FileNotFoundError) and path is not None:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            first = ascii(file.readline(100).decode("utf-8", "replace"))
            return f"{path}: the interpreter that its first line names is not there: {first}"
    return f"{command}: {error.strerror or error}"


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a command that has not ended by itself, and what it started."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
