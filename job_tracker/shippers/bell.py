"""The bell: wakes the lanes, because there is something new to send, or because somebody asks for something."""

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How often it was rung for each reason, by which one knows whether it was since."""

    events: int = 0
    calls: int = 0


class Bell:
    """Rung by one thread, heard by many."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard = Heard()

    @property
    def heard(self) -> Heard:
        """Until now."""
        return self._heard

    def ring(self) -> None:
        """There may be new events."""
        with self._changed:
            self._heard = Heard(events=self._heard.events + 1, calls=self._heard.calls)
            self._changed.notify_all()

    def call(self) -> None:
        """Somebody asks for something; a pause ends."""
        with self._changed:
            self._heard = Heard(events=self._heard.events, calls=self._heard.calls + 1)
            self._changed.notify_all()

    def wait(self, since: Heard, seconds: float, *, for_events: bool) -> None:
        """Wait for so long at most; for_events: new ones end it, too."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._heard.calls == since.calls and not (for_events and self._heard.events != since.events):
                left = until - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)
