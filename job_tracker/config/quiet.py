"""Quiet windows and calendars of a job: what they say against the rest of the configuration."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from job_tracker.config import notation
from job_tracker.config.faults import Fault, Hints
from job_tracker.config.jobs import NOT_ON, ONLY_ON, JobEntry
from job_tracker.config.promises import rules_of
from job_tracker.config.settings import Settings
from job_tracker.config.text import Tree
from job_tracker.core.schedules.calendars import Calendar
from job_tracker.core.schedules.quiet import left_outside
from job_tracker.moments import MINUTE

QUIET_WINDOWS = "quiet_windows"


def too_quiet(entry: JobEntry, settings: Settings, calendars: Mapping[str, Calendar]) -> Iterator[Fault]:
    """What a job's windows leave has to be an hour a week, and longer than the grace at a stretch."""
    if not entry.quiet_windows or any(name not in calendars for name in _named(entry.quiet_windows)):
        return
    outside, longest = left_outside(rules_of(entry, settings, calendars))
    if outside < 60 * MINUTE:
        yield QUIET_WINDOWS, "leave less than one hour a week outside them"
    elif longest <= settings.grace_microseconds:
        yield QUIET_WINDOWS, "leave nothing outside that is longer than the grace, so that no deadline would ever pass"


def unknown_calendars(given: Mapping[str, Tree], calendars: Mapping[str, Calendar], hints: Hints) -> Iterator[Fault]:
    """The names of calendars, of a job or of its windows, that there are not."""
    for place, asking in _asking(given):
        for key in (ONLY_ON, NOT_ON):
            value = asking.get(key)
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and name not in calendars:
                    hint = hints.near(name, tuple(calendars)) if calendars else "; there are none under calendars"
                    yield f"{place}{key}", f"{notation.shown(name)} is not the name of a calendar{hint}"


def _asking(given: Mapping[str, Tree]) -> Iterator[tuple[str, Mapping[str, Tree]]]:
    yield "", given
    windows = given.get(QUIET_WINDOWS)
    for index, window in enumerate(windows if isinstance(windows, list) else ()):
        if isinstance(window, dict):
            yield f"{QUIET_WINDOWS}[{index}] ", window


def _named(windows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for window in windows:
        yield from (*window[ONLY_ON], *window[NOT_ON])
