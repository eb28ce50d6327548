"""Jobs: what the operator promised about each job, in the units the core counts in.

Rule: every moment is whole microseconds since the epoch, every duration whole microseconds.
Rule: nothing here reads a file or a clock; `config` builds these words, the rest of the core only reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from zoneinfo import ZoneInfo

from job_tracker.core.schedules.quiet import Windows
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.signals import CAUSED, Keywords, Signal


class Kind(Enum):
    """How a job's expected starts are laid out."""

    CYCLIC = "cyclic"
    DAILY = "daily"
    CRON = "cron"
    ON_DEMAND = "on_demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One configured promise.

    interval, max_delay, timeout, grace: microseconds.  interval is 0 for all but cyclic jobs.  starts: when daily and
    cron jobs are expected to start, and how early.  windows: when silence raises no alarm.  sources: the only ones that
    may speak for it; empty means any.  group: what people list it by, if not by its source.
    order: its place in the configuration.
    min_duration: microseconds that a run has to take.  exit_codes: what an end or an error with such a code means.
    may_skip: the configuration itself lists a code that means skipped.
    """

    name: str
    env: str
    kind: Kind
    timeout: int
    grace: int
    zone: ZoneInfo
    interval: int = 0
    counts_from_end: bool = False
    starts: Starts | None = None
    max_delay: int = 0
    max_errors: int = 1
    status_below: int = 0
    windows: Windows | None = None
    sources: tuple[str, ...] = ()
    min_duration: int = 0
    exit_codes: Mapping[int, Signal] = field(default_factory=lambda: CAUSED, hash=False)
    may_skip: bool = False
    group: str = ""
    order: int = 0
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.name}__{self.env}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """All promises, by `name__env`, and what holds for all of them.

    names: the key of the job that a message's job and instance speak of, its own or further ones that it reports by.
    tolerance: microseconds a watermark may lag before silence becomes UNKNOWN (interval + load timeout).
    history: runs kept per job.  sources: the names of all configured sources.
    names: the key of the job that a message's job and instance speak of, its own or further ones that it reports by.
    """

    by_key: Mapping[str, Job]
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    sources: tuple[str, ...]
    tolerance: int
    grace: int
    history: int = 100
    keywords: Keywords = field(default_factory=Keywords)

    def __post_init__(self) -> None:
        own = {(job.name, job.env): key for key, job in self.by_key.items()}
        object.__setattr__(self, "names", {**self.names, **own})

    def of(self, name: str, env: str) -> Job | None:
        """The job that a message with that job and instance is of."""
        key = self.names.get((name, env))
        return None if key is None else self.by_key[key]
