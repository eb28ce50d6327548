"""Bookmark: by which nonce a source knows the queue that it drained last.

Rule: each confirmation leaves a nonce in the queue, and the ledger knows it before the queue does.  So the queue bears
the ledger's last nonce, or one before that was never replaced; any other means another file, or other hands.
"""

from job_tracker.ports import Memento
from job_tracker.sources.queue.answers import short
from job_tracker.sources.queue.conversation import Opened


class Bookmark:
    """What the ledger and the queue last agreed upon; used by one thread."""

    def __init__(self, memento: Memento) -> None:
        self._queue = memento.queue
        self._last = memento.nonce
        self._known = {memento.nonce, memento.nonce_before}

    def committed(self, nonce: str) -> None:
        """The ledger holds this nonce from now on; whether the queue will is not certain."""
        self._last = nonce
        self._known.add(nonce)

    def left(self, nonce: str) -> None:
        """The queue bears this nonce."""
        self._known = {nonce}

    def open(self, opened: Opened) -> str:
        """Look at a queue that was opened, and know it from now on; what is strange about it, in words."""
        strange = self._strange(opened)
        self._queue = opened.queue
        if self._last is None:
            self._last = opened.nonce
        self._known = {opened.nonce, self._last}
        return strange

    def missing(self, opened: Opened) -> str | None:
        """The nonce that the ledger holds and the queue does not bear, so that it must be left there."""
        return self._last if self._last != opened.nonce else None

    def _strange(self, opened: Opened) -> str:
        if self._queue is not None and self._queue != opened.queue:
            return (
                f"the queue was replaced by another one (it is {short(opened.queue)}, it was {short(self._queue)});"
                " its messages are taken"
            )
        if self._last is not None and opened.nonce not in self._known:
            return (
                "the queue was restored from a backup (it does not bear our last confirmation);"
                " its messages are taken, those already known are ignored"
            )
        return ""
