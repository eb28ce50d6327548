"""Making: what every output is made from."""

from collections.abc import Callable
from dataclasses import dataclass

from job_tracker.config.reading import Config
from job_tracker.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every output is made from.

    wake: wakes the loop, from any thread.  started: microseconds, when the tracker was.
    """

    config: Config
    ledger: Ledger
    wake: Callable[[], None]
    started: int
