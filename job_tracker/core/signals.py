"""Signals: what a message, or a silence, means for a job, and by which words a message says so.

Rule: what a message means is decided once, at arrival, and kept with it; a reload changes it for later messages only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Signal(Enum):
    """What a message, or a silence, means for a job."""

    START = "start"
    END = "end"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"
    OTHER = "other event"
    TIMEOUT = "timeout"
    MISSED = "missed start"
    PAUSE = "pause"
    RESUME = "resume"
    PAUSE_OVER = "end of a pause"


CANCELED, DISMISSED, GONE = -1, -2, -3
"""Exit codes that no process has, of runs that somebody ended, or that are no longer known where they ran."""

CAUSED: Mapping[int, Signal] = {CANCELED: Signal.SKIPPED}
"""What they mean where nothing else is said; the others stay the errors that they are said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """The words in a message's event that mean start, error, end and warning; compared exactly."""

    start: str = "STARTED"
    error: str = "ERROR"
    end: str = "SUCCESS"
    warning: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """All that are configured."""
        return tuple(word for word in (self.start, self.error, self.end, self.warning) if word is not None)


def signal_of(event: str, keywords: Keywords) -> Signal:
    """The meaning of an event's word; anything not configured is OTHER."""
    if event == keywords.start:
        return Signal.START
    if event == keywords.end:
        return Signal.END
    if event == keywords.error:
        return Signal.ERROR
    return Signal.WARNING if event == keywords.warning else Signal.OTHER


def meant(said: Signal, exit_code: int | None, run: str | None, codes: Mapping[int, Signal]) -> Signal:
    """What an end or an error means once its exit code is looked up; only a run that has an id can be skipped."""
    if exit_code is None or said not in (Signal.END, Signal.ERROR):
        return said
    listed = codes.get(exit_code, said)
    return said if listed is Signal.SKIPPED and run is None else listed
