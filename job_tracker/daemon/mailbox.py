"""The mailbox: where sources' threads hand over what they got, and where the main loop sleeps.

Rule: whatever may wake the loop writes a byte into one pipe: a thread with something to hand over, or a signal.
"""

import contextlib
import os
import select
import signal
import time
from collections import deque
from collections.abc import Iterable
from threading import Lock

from job_tracker.ports import Delivery, Report

QUIET = 0.003
"""Seconds without anything new after which no more is waited for."""

GATHERING = 0.02
"""Seconds that more is waited for at most."""


class PipedMailbox:
    """A queue that a thread can put into and the main thread can sleep on."""

    def __init__(self) -> None:
        self._items: deque[Delivery | Report] = deque()
        self._lock = Lock()
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()  # its pipe may lie above descriptor 1,023
        self._poll.register(self._out, select.POLLIN)
        self._woken = self._is_closed = False

    def put(self, *items: Delivery | Report) -> None:
        """Hand something over and wake the main loop."""
        with self._lock:
            self._items.extend(items)
        self.wake()

    def wake(self) -> None:
        """Wake the main loop; once is enough until it has slept again."""
        if self._woken:
            return
        with self._lock:  # a thread that ends late must not write where somebody else's file is by then
            if not self._is_closed:
                self._woken = True
                with contextlib.suppress(BlockingIOError):  # the pipe is full of reasons to wake already
                    os.write(self._in, b"\0")

    @property
    def has_more(self) -> bool:
        """Whether something was handed over that was not taken yet."""
        return bool(self._items)

    def gather(self) -> None:
        """Wait while more and more comes: what many sources hand over is judged faster at once than one by one.

        Their threads and the main one share an interpreter, and every change from one to another costs.
        """
        until = time.monotonic() + GATHERING
        seen = 0
        while seen < len(self._items) and time.monotonic() < until:
            seen = len(self._items)
            time.sleep(QUIET)  # that nothing comes wakes nobody, and to be woken for each would cost what this saves

    def take(self, most: int) -> list[Delivery | Report]:
        """What has been handed over, in order, until it holds about `most` elements; the rest wakes the loop again."""
        taken: list[Delivery | Report] = []
        elements = 0
        while self._items and elements < most:
            item = self._items.popleft()
            taken.append(item)
            elements += len(item.elements) if isinstance(item, Delivery) else 0
        if self._items:
            self.wake()
        return taken

    def forget(self, sources: Iterable[str]) -> None:
        """Drop what sources that have ended left here; what others hand over meanwhile keeps its order."""
        gone = frozenset(sources)
        with self._lock:
            self._items = deque(item for item in self._items if item.source not in gone)

    def sleep(self, seconds: float) -> None:
        """Sleep until something wakes the loop, at most so long."""
        self._poll.poll(max(0.0, seconds) * 1000)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._out, 4096):
                pass
        self._woken = False  # what was handed over before this is taken next; what comes after it wakes again

    def wake_on_signals(self) -> None:
        """Let every signal that has a handler wake the loop; a handler itself only sets a flag."""
        signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)

    def close(self) -> None:
        """Let go of the pipe."""
        signal.set_wakeup_fd(-1)
        with self._lock:
            self._is_closed = True
            os.close(self._out)
            os.close(self._in)
