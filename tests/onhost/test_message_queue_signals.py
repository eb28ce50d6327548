"""Signals to `message-queue.py run`, to its group, and to both: the command gets each of them once."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from queue_tool import Queue, piped

NAMED = ("run", "--instance", "P", "--job", "LOAD")

# A job that says which signals it gets and ends at SIGTERM. Where several wait, the lowest number comes first, here and
# in `run`: who has said TERM has been told of every HUP before it.
COUNTING = """
import os, signal, sys
if len(sys.argv) > 1:
    os.setpgid(0, 0)
told = {signal.SIGHUP: b"HUP\\n", signal.SIGUSR1: b"USR1\\n", signal.SIGTERM: b"TERM\\n"}
signal.pthread_sigmask(signal.SIG_BLOCK, told)
os.write(1, b"ready\\n")
while True:
    number = signal.sigwait(told)
    os.write(1, told[number])
    if number == signal.SIGTERM:
        sys.exit(5)
"""

ON_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def counting(queue: Queue, *arguments: str, before: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A `run` in a group of its own with a job that counts; before: a command in front of it."""
    command = [*before, *queue.command(*NAMED, "--", queue.python, "-I", "-c", COUNTING, *arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert piped(process.stdout).readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        piped(process.stdout).close()


@pytest.mark.parametrize("round_", range(4))
def test_a_signal_to_the_group_reaches_the_command_once(queue: Queue, round_: int) -> None:
    """A shell's `kill -- -PGID` reaches command and wrapper; a wrapper that passes it on makes one SIGTERM two."""
    with counting(queue) as process:
        os.killpg(process.pid, signal.SIGHUP)
        assert piped(process.stdout).readline() == b"HUP\n"
        process.send_signal(signal.SIGTERM)

        assert piped(process.stdout).read() == b"TERM\n"
        assert process.wait(30) == 5


def test_each_signal_to_the_group_counts(queue: Queue) -> None:
    """What was answered for once is not answered for for ever."""
    with counting(queue) as process:
        for _ in range(3):
            os.killpg(process.pid, signal.SIGHUP)
            assert piped(process.stdout).readline() == b"HUP\n"
            for number, name in ((signal.SIGUSR1, b"USR1\n"), (signal.SIGHUP, b"HUP\n")):
                process.send_signal(number)
                assert piped(process.stdout).readline() == name
        process.send_signal(signal.SIGTERM)

        assert piped(process.stdout).read() == b"TERM\n"


def test_a_signal_to_the_group_is_passed_on_to_a_command_that_has_left_it(queue: Queue) -> None:
    """An interactive shell, or whoever calls setsid, is in a group of its own and would hear nothing."""
    with counting(queue, "leave") as process:
        os.killpg(process.pid, signal.SIGHUP)
        assert piped(process.stdout).readline() == b"HUP\n"
        process.send_signal(signal.SIGTERM)

        assert piped(process.stdout).read() == b"TERM\n"


@pytest.mark.parametrize("round_", range(4))
def test_timeout_tells_the_command_once(queue: Queue, round_: int) -> None:
    """`timeout` signals its child and then its group: two system calls, and one signal to whoever it limits."""
    with counting(queue, before=("timeout", "-s", "HUP", "2")) as process:
        assert piped(process.stdout).readline() == b"HUP\n"
        wrapper = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        os.kill(wrapper, signal.SIGTERM)

        assert piped(process.stdout).read() == b"TERM\n"


def test_a_signal_from_the_terminal_reaches_the_command_once(queue: Queue) -> None:
    """Ctrl-C goes to all in the foreground."""
    leader, follower = os.openpty()
    job = COUNTING.replace("SIGHUP", "SIGINT")
    command = [queue.python, "-I", "-c", ON_TERMINAL, *queue.command(*NAMED, "--", queue.python, "-I", "-c", job)]
    process = subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE)
    try:
        assert piped(process.stdout).readline() == b"ready\n"
        os.write(leader, b"\x03")
        assert piped(process.stdout).readline() == b"HUP\n"
        process.send_signal(signal.SIGTERM)

        assert piped(process.stdout).read() == b"TERM\n"
    finally:
        process.kill()
        process.wait()
        piped(process.stdout).close()
        os.close(leader)
        os.close(follower)
