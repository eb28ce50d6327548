"""The events output: copies the ledger's event log, by number, into the file that others read.

Rule: the file is derived; what cannot be written holds up nothing, is complained of, and is filled later.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from job_tracker.config.reading import Config
from job_tracker.errors import StoreFailed
from job_tracker.events.file import EventsFile
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.outputs.making import Ground
from job_tracker.ports import Found, Output, Picture

log = logging.getLogger("job_tracker")

AT_ONCE = 2_000
"""Rows, some ten milliseconds of it."""

A_MOMENT = 5_000
"""Microseconds until it goes on, where there is more."""

LATER = 10 * MICROSECONDS
"""Until a file that could not be written is tried again."""


class EventsOutput(Output[Config]):
    """What programs read of what became true."""

    def __init__(self, ground: Ground) -> None:
        self.log = ground.ledger.events
        self.file = EventsFile(ground.config.settings.events, ground.ledger.tracker)
        self._is_on = ground.config.settings.event_log
        self._failing, self._again = "", 0
        if self._is_on:  # before anything is numbered: the file may know more than a store that was put back
            self._try_to_open(ground.started)

    def begin(self, config: Config, picture: Picture) -> None:
        """Go on by a configuration; where to is what a start says."""
        settings = config.settings
        self._is_on = settings.event_log
        self.file.keep = settings.events_keep_in_days * DAY
        self.file.most = 4 * settings.event_log_most_in_mb * 1_000_000
        if self._is_on:
            self._copy(picture.now)
        else:
            self._failing = ""

    def tell(self, found: Sequence[Found], picture: Picture) -> int | None:
        """Copy what is new."""
        if not self._is_on:
            return None
        return self._copy(picture.now)

    def complaint(self) -> str:
        """Why the file lags."""
        return self._failing and f"events are not told: {self._failing}; they are kept and told later"

    def close(self, picture: Picture) -> None:
        """Copy the rest, and leave a file that can be read."""
        if self._is_on:
            self._copy(picture.now)
        self.file.close()

    def _copy(self, now: int) -> int | None:
        if self._failing and now < self._again:
            return self._again
        if not self._try_to_open(now):
            return self._again
        try:
            rows = self.log.after(self.file.last, AT_ONCE)
            if rows:
                self.file.take(rows, now)
        except StoreFailed as failure:
            self._fail(str(failure), now)
            return self._again
        self._works()
        return now + A_MOMENT if len(rows) == AT_ONCE else None

    def _try_to_open(self, now: int) -> bool:
        try:
            self.file.open()
        except StoreFailed as failure:
            self._fail(str(failure), now)
            return False
        self.log.be_ahead_of(self.file.last)  # a file that could not be read when we began may be ahead only now
        return True

    def _fail(self, reason: str, now: int) -> None:
        if not self._failing:
            log.warning("events file cannot be written, it is filled later error=%s", reason)
        self._failing, self._again = reason, now + LATER

    def _works(self) -> None:
        if self._failing:
            log.info("events file works again path=%s", Path(self.file.path))
        self._failing = ""
