"""Deadline: somebody is called when what was begun has not ended in time; used again and again by one thread.

Rule: beginning and ending wake nobody: the thread that watches sleeps through as many as come, and ends when none does.
"""

import time
from collections.abc import Callable
from threading import Condition, Thread


class Deadline:
    """One deadline at a time.  late: is called, once and before `end` returns, when it has passed."""

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        self._seconds, self._late = seconds, late
        self._changed = Condition()
        self._until: float | None = None
        self._thread: Thread | None = None

    def begin(self) -> None:
        """From now on."""
        with self._changed:
            self._until = time.monotonic() + self._seconds
            if self._thread is None:
                self._thread = Thread(target=self._watch, name="watches a deadline", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """It is over."""
        with self._changed:
            self._until = None

    def close(self) -> None:
        """Let the thread go that watched; the next begin makes another."""
        with self._changed:
            self._until, thread = None, self._thread
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        with self._changed:
            while self._until is not None:
                left = self._until - time.monotonic()
                if left <= 0:
                    self._until = None
                    self._late()
                    break
                self._changed.wait(left)  # what begins meanwhile ends later, so that this wakes in time for it
            self._thread = None
