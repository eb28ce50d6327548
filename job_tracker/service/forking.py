"""Forking: work in a process of its own, and what it has to say until it is ready or has ended.

Rule: whoever waits has a limit; a child says on stderr what an operator should read, and marks what it means.
"""

import contextlib
import logging
import os
import select
import sys
import time
from collections.abc import Callable

from job_tracker.errors import ConfigError
from job_tracker.exit_codes import AT_FAULT, FAILED
from job_tracker.process.supervisor import READY_MARK, REFUSED_MARK

log = logging.getLogger("job_tracker")


def fork(work: Callable[[], int]) -> tuple[int, int]:
    """Work in a process whose stderr is a pipe: our end of it, and its number.

    What it finds the configuration to be at fault for is said there, with REFUSED_MARK at the end.
    """
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(ours)
        code = FAILED
        try:
            os.dup2(theirs, 2)
            os.close(theirs)
            code = work()
        except ConfigError as refusal:
            code = AT_FAULT
            os.write(2, f"{refusal}\n".encode(errors="backslashreplace") + REFUSED_MARK)
        except BaseException:  # whatever it is, it is said in the log, and here if we are still starting
            log.exception("ended by a fault of the program itself")
        finally:
            with contextlib.suppress(OSError):  # nobody listens any more
                sys.stderr.flush()
            os._exit(code)  # the terminal, buffers and exit handlers belong to the parent
    os.close(theirs)
    return ours, child


def hear(pipe: int, seconds: float) -> tuple[bytes, bool]:
    """What is said through a pipe until the daemon is ready or has ended, and whether the time was over before that."""
    deadline = time.monotonic() + seconds
    said, is_late = b"", False
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while READY_MARK not in said:
        left = deadline - time.monotonic()
        is_late = left <= 0 or not poll.poll(left * 1000)
        if is_late or not (chunk := os.read(pipe, 65536)):
            break
        said += chunk
    os.close(pipe)
    return said, is_late


def let_go(child: int, *, is_late: bool) -> None:
    """Let go of a process that has ended, or is left to end when it can."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, os.WNOHANG if is_late else 0)


def lines_of(said: bytes) -> list[str]:
    """What was said, without the marks."""
    return said.replace(READY_MARK, b"").replace(REFUSED_MARK, b"").decode("utf-8", "replace").splitlines()
