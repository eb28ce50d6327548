"""Jobs: the keys of one job, what each has to be, and which are for which kind of job.

Rule: what two keys of a job say against each other is told by `contradictions`, which looks at the job as written.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from job_tracker.config import notation, outcomes, sequences
from job_tracker.config.settings import (
    DEFAULT_EARLY,
    ClockTime,
    Contradiction,
    Duration,
    Name,
    PositiveDuration,
    Section,
    Text,
    Zone,
)
from job_tracker.core.jobs import Kind
from job_tracker.core.schedules.calendars import EVERY_DAY, MON_FRI
from job_tracker.core.schedules.daily import ClosedDay
from job_tracker.core.signals import Signal
from job_tracker.moments import DAY, MICROSECONDS

KIND = "cyclic_or_daily"
INTERVAL, COUNTS_FROM = "cyclic_interval_in_hh:mm:ss", "cyclic_interval_counts_from"
DAILY_START, CRON = "daily_start_time_in_hh:mm", "cron_expression"
MAX_DELAY, MAX_EARLY, END_BY = "start_max_delay_in_hh:mm:ss", "start_max_early_in_hh:mm:ss", "end_by_in_hh:mm"
DAY_KEYS = ("weekdays", "days_of_month", "working_days_of_month", "closed_day")
MIN_DURATION, TIMEOUT = "min_duration_in_hh:mm:ss", "timeout_in_hh:mm:ss"
ONLY_ON, NOT_ON = "only_on", "not_on"

KINDS = tuple(kind.value for kind in Kind)

NEEDED: Mapping[str, str] = {"cyclic": INTERVAL, "daily": DAILY_START, "cron": CRON}
"""What a job of a kind cannot do without."""

ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    INTERVAL: ("cyclic",),
    COUNTS_FROM: ("cyclic",),
    DAILY_START: ("daily",),
    **dict.fromkeys(DAY_KEYS, ("daily",)),
    CRON: ("cron",),
    **dict.fromkeys((ONLY_ON, NOT_ON, MAX_EARLY, END_BY), ("daily", "cron")),
    MAX_DELAY: ("cyclic", "daily", "cron"),
}
"""Keys that mean something for jobs of some kinds only."""


CountsAs = Annotated[str, BeforeValidator(notation.one_of(*outcomes.COUNTS_AS))]


class JobEntry(Section):
    """jobs: the promise of one job, as written."""

    name: Name
    env: Name
    kind: Annotated[Kind, BeforeValidator(notation.one_of(*KINDS))] = Field(alias="cyclic_or_daily")
    interval: PositiveDuration = Field(default=0, alias="cyclic_interval_in_hh:mm:ss")
    counts_from: Annotated[Literal["start", "end"], BeforeValidator(notation.one_of("start", "end"))] = Field(
        default="start", alias="cyclic_interval_counts_from"
    )
    daily_starts: Annotated[tuple[int, ...], BeforeValidator(sequences.clock_times)] = Field(
        default=(), alias="daily_start_time_in_hh:mm"
    )
    weekdays: Annotated[int, BeforeValidator(sequences.weekdays)] = EVERY_DAY
    days_of_month: Annotated[tuple[int, ...], BeforeValidator(sequences.places_in_month)] = ()
    working_days_of_month: Annotated[tuple[int, ...], BeforeValidator(sequences.places_in_month)] = ()
    only_on: Annotated[tuple[str, ...], BeforeValidator(sequences.names)] = ()
    not_on: Annotated[tuple[str, ...], BeforeValidator(sequences.names)] = ()
    closed_day: Annotated[ClosedDay, BeforeValidator(notation.one_of(*(each.value for each in ClosedDay)))] = (
        ClosedDay.SKIP
    )
    cron: Annotated[str, BeforeValidator(sequences.cron_expression)] = Field(default="", alias="cron_expression")
    max_delay: Duration = Field(default=0, alias="start_max_delay_in_hh:mm:ss")
    max_early: Duration | None = Field(default=None, alias="start_max_early_in_hh:mm:ss")
    end_by: ClockTime | None = Field(default=None, alias="end_by_in_hh:mm")
    timeout: PositiveDuration = Field(alias="timeout_in_hh:mm:ss")
    min_duration: Duration = Field(default=0, alias="min_duration_in_hh:mm:ss")
    quiet_windows: Annotated[tuple[dict[str, Any], ...], BeforeValidator(sequences.windows)] = ()
    max_errors: Annotated[int, BeforeValidator(notation.whole(1, 1_000_000))] = Field(
        default=1, alias="max_errors_before_alerting"
    )
    status_below: Annotated[int, BeforeValidator(notation.whole(0, 1))] = Field(
        default=0, alias="status_below_threshold"
    )
    exit_codes: Annotated[Mapping[int, Signal], BeforeValidator(outcomes.exit_codes)] = Field(default_factory=dict)
    canceled_counts_as: CountsAs | None = None
    dismissed_counts_as: CountsAs | None = None
    gone_counts_as: CountsAs | None = None
    time_zone: Zone | None = None
    source_host: Annotated[tuple[str, ...], BeforeValidator(notation.source_names)] = ()
    group: Text = ""
    reported_as: Annotated[tuple[tuple[str, str | None], ...], BeforeValidator(sequences.reported_names)] = ()

    @property
    def key(self) -> str:
        """How the job is called everywhere."""
        return f"{self.name}__{self.env}"

    @property
    def admitted_weekdays(self) -> int:
        """The weekdays that are open: those given, or else Monday to Friday where working days are counted."""
        if self.working_days_of_month and "weekdays" not in self.model_fields_set:
            return MON_FRI
        return self.weekdays

    @staticmethod
    def contradictions(given: Mapping[str, Any], grace: int) -> Iterator[Contradiction]:
        """What keys say against each other, or for want of each other; grace in microseconds."""
        kind = str(given.get(KIND)).lower()
        if kind not in KINDS:
            return
        needed = NEEDED.get(kind)
        if needed is not None and given.get(needed) is None:
            yield needed, f"is missing; a {kind} job needs it"
        for key, kinds in ONLY_FOR.items():
            if given.get(key) is not None and kind not in kinds:
                yield key, f"is for {' and '.join(kinds)} jobs, and this one is {kind}"
        yield from _longer_than_allowed(given.get(MIN_DURATION), given.get(TIMEOUT))
        several = isinstance(given.get(DAILY_START), list) and len(given[DAILY_START]) > 1
        if kind == "daily" and not several:
            yield from _wider_than_a_day(given.get(MAX_EARLY), given.get(MAX_DELAY), grace)


def early(grace: int) -> int:
    """Say how early an expected start may be where the job does not, in microseconds."""
    return max(grace, DEFAULT_EARLY)


def _longer_than_allowed(min_duration: object, timeout: object) -> Iterator[Contradiction]:
    try:
        if min_duration is not None and notation.duration(min_duration) >= notation.duration(timeout):
            yield MIN_DURATION, f"must be less than {TIMEOUT}"
    except ValueError:  # each has its own fault
        return


def _wider_than_a_day(max_early: object, max_delay: object, grace: int) -> Iterator[Contradiction]:
    try:
        earliest = early(grace) if max_early is None else notation.duration(max_early)
        latest = 0 if max_delay is None else notation.duration(max_delay)
    except ValueError:
        return
    if earliest + latest >= DAY:
        key, other = (MAX_DELAY, MAX_EARLY) if max_delay is not None else (MAX_EARLY, MAX_DELAY)
        default = f" ({earliest // MICROSECONDS} s where it is not given)" if max_early is None else ""
        yield key, f"must be less than 24 hours together with {other}{default}"
