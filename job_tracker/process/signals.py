"""Signals: what somebody outside asks of a program that runs for long.

Rule: a handler only sets a flag; whoever works looks at it between two steps, and is woken by whatever it sleeps on.
"""

import signal
from types import FrameType


class Asked:
    """What was asked for.  stopping: by SIGTERM or SIGINT; reloading: by SIGHUP; by: the signal that stops it."""

    def __init__(self) -> None:
        self.stopping = self.reloading = False
        self.by = ""

    def watch_reload(self) -> None:
        """Take SIGHUP, from the first moment: by itself it would end the process."""
        signal.signal(signal.SIGHUP, self._reload)

    def watch_stop(self) -> None:
        """Take SIGTERM and SIGINT, once somebody looks at the flag; until then they end the process as ever."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self.by = signal.Signals(number).name

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reloading = True
