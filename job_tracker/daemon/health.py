"""Health: what the daemon says of itself, in its own service and in the log.

Rule: what keeps it from its work is said once when it begins and once when it is over; it stands in the service as
long as it lasts.
"""

import logging
from collections.abc import Iterable
from datetime import tzinfo
from pathlib import Path

from job_tracker.core.clock_set_back import Ahead
from job_tracker.errors import StoreFailed
from job_tracker.moments import clock_text

log = logging.getLogger("job_tracker")


class Health:
    """How the daemon is.  failing: what keeps it from its work, empty while nothing does."""

    def __init__(self) -> None:
        self.failing = ""
        self._refused = ""

    def store_failed(self, failure: StoreFailed) -> None:
        """What came cannot be stored, or not be judged."""
        if not self.failing:
            log.error("store failed, nothing is confirmed and messages wait in their queues error=%s", failure)
        self.failing = f"{failure}; nothing is lost, messages wait in their queues"

    def store_works(self) -> None:
        """A step is in the ledger."""
        if self.failing:
            log.info("store works again")
        self.failing = ""

    def refused(self, path: Path, refusal: Exception) -> None:
        """A reload was refused; the configuration of before stays in force."""
        faults = str(refusal).splitlines()
        for fault in faults:
            log.error("not reloaded, the old configuration stays in force file=%s fault=%s", path, fault)
        more = f" (and {len(faults) - 1} more, see the log)" if len(faults) > 1 else ""
        self._refused = f"not reloaded, the old configuration stays in force: {path}: {faults[0]}{more}"

    def accepted(self) -> None:
        """A reload was done."""
        self._refused = ""

    def faults(self, complaints: Iterable[str], ahead: Ahead, now: int, zone: tzinfo) -> tuple[str, ...]:
        """What is wrong besides.  complaints: of others; ahead: what is known of a time to come."""
        return tuple(each for each in (self._refused, *complaints, _of_clock(ahead, now, zone)) if each)


def _of_clock(ahead: Ahead, now: int, zone: tzinfo) -> str:
    """What the clock, or the one of before, is suspected of; empty once the time has come."""
    if now >= ahead.until:
        return ""
    of_jobs = "1 job is" if ahead.jobs == 1 else f"{ahead.jobs} jobs are"
    return (
        f"{of_jobs} known by a clock that was ahead of this one, up to {clock_text(ahead.until, zone)}, and not fully"
        " judged until then; if this clock is right, job_tracker reload lets them count from now"
    )
