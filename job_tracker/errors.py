"""Errors: each class says whose fault it is and what goes on afterwards; its docstring is the policy."""

from collections.abc import Sequence


class JobTrackerError(Exception):
    """The root of all errors that job_tracker raises on purpose."""


class BadMessage(JobTrackerError):
    """A message cannot be read; it is kept aside with the reason, confirmed, and the ones after it count."""


class ConfigError(JobTrackerError):
    """The configuration is at fault, and so is who wrote it: nothing is started, and on reload nothing is changed.

    faults: all of them, each with its place.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class ReplayError(JobTrackerError):
    """A recording cannot be replayed as asked; nothing was judged."""


class StoreRefused(JobTrackerError):
    """The store cannot be used as it is; the tracker does not start, for an empty board would hide what was known."""


class StoreFailed(JobTrackerError):
    """The store could not be written; nothing is confirmed, the loop goes on, and the same step is tried again."""


class OutputError(JobTrackerError):
    """The monitoring could not be told; the loop goes on and tries again next cycle."""
