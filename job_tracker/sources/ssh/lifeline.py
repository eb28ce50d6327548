"""Lifeline: how a connection that is being made, or stands, is ended from outside, wherever its thread waits.

Rule: whatever a thread may wait for hangs on its lifeline; once that is cut, nothing waits on it any more.
Rule: at most TURNS connections are made side by side; who takes longer than two seconds no longer counts, so that a
host that hangs delays no other, unless very many do: a machine that is too slow for so many must not be given more.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import TIMEOUT_MAX, Condition, Timer

from job_tracker.errors import SourceUnreachable

TURNS = 12
TURN_SECONDS = 2.0
LATE = 4
"""For each turn, so many connections at most are under way, those that no longer count included."""


class Lifeline:
    """What one connection hangs on; `cut` may be called from any thread, at any moment, more than once."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._sockets: list[socket.socket] = []
        self._reason = ""
        self.stage = "beginning"

    def hold(self, held: socket.socket) -> None:
        """Let a socket hang on it; shutting it down wakes whoever waits for it, which closing does not."""
        with self._condition:
            self._sockets.append(held)
            if self._reason:
                self.shut(held)

    def cut(self, reason: str) -> None:
        """End all that hangs on it; the first reason stands."""
        with self._condition:
            self._reason = self._reason or reason
            for held in self._sockets:
                self.shut(held)
            self._condition.notify_all()

    def check(self) -> None:
        """SourceUnreachable if it was cut."""
        if self._reason:
            raise SourceUnreachable(self._reason)

    def wait(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true, looking whenever `awake` says so; whether it became true in time."""
        until = time.monotonic() + seconds
        with self._condition:
            while not true():
                left = until - time.monotonic()
                self.check()
                if left <= 0:
                    return False
                self._condition.wait(left)
            self.check()
        return True

    def awake(self) -> None:
        """Let whoever waits look again."""
        with self._condition:
            self._condition.notify_all()

    @staticmethod
    def shut(held: socket.socket) -> None:
        """Wake whoever waits for a socket, and end its connection."""
        with suppress(OSError):  # closed, or not connected yet and never to be
            held.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Cut it if this takes until then (monotonic seconds); the reason names the stage that took so long."""
        timer = Timer(max(0.0, deadline - time.monotonic()), lambda: self.cut(f"no answer in time while {self.stage}"))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


class Turns:
    """Who may connect now: a crowd that returns at once would keep each of it from being ready in time."""

    def __init__(self, most: int = TURNS, seconds: float = TURN_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._condition = Condition()
        self._ends: dict[object, float] = {}
        self._line: list[Lifeline] = []

    @contextmanager
    def turn(self, lifeline: Lifeline) -> Iterator[float]:
        """Wait for one's turn, first come, first served; yields the seconds that took."""
        began, mine = time.monotonic(), object()
        with self._condition:
            self._line.append(lifeline)
        try:
            # Of a thousand that wait only the first looks at the clock, and only when there is something to be seen.
            lifeline.wait(lambda: self._line[:1] == [lifeline], TIMEOUT_MAX)
            while not self._take(lifeline, mine):
                lifeline.wait(lambda: self._until_free() <= 0, self._until_free())
            self._wake_first()
            yield time.monotonic() - began
        finally:
            with self._condition:
                self._ends.pop(mine, None)
                if lifeline in self._line:
                    self._line.remove(lifeline)
            self._wake_first()

    def _take(self, lifeline: Lifeline, mine: object) -> bool:
        with self._condition:
            if self._until_free() > 0:
                return False
            self._line.remove(lifeline)
            self._ends[mine] = time.monotonic() + self._seconds
            return True

    def _until_free(self) -> float:
        """Seconds until the next turn is free."""
        if len(self._ends) >= LATE * self._most:
            return self._seconds  # or as soon as one ends
        now = time.monotonic()
        taken = sorted(end for end in list(self._ends.values()) if end > now)
        return taken[-self._most] - now if len(taken) >= self._most else 0.0

    def _wake_first(self) -> None:
        for first in self._line[:1]:
            first.awake()
