"""Errors: each class says whose fault it is and what goes on afterwards; its docstring is the policy.

Those of a part that can be left out (a screen, a shipper, the pages, readers of events) stand beside what raises them.
"""

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


class ServiceRefused(JobTrackerError):
    """The daemon cannot be started as asked; nothing was touched, whoever asked must ask differently."""


class StoreRefused(JobTrackerError):
    """The store cannot be used as it is; the tracker does not start, for an empty board would hide what was known."""


class StoreFailed(JobTrackerError):
    """The store could not be written or read; nothing is confirmed, the loop goes on, the same step is tried again."""


class OutputError(JobTrackerError):
    """The monitoring could not be told; the loop goes on and tries again next cycle."""


class SourceUnreachable(JobTrackerError):
    """A source gave no answer; its jobs are not judged until it does, and it is tried again with growing pauses."""


class SourceClosed(SourceUnreachable):
    """The far side hung up; whatever it had not confirmed is asked for again."""


class QueueChanged(SourceUnreachable):
    """The queue's file is not the one that was opened; the source connects again at once and looks at the new one."""


class SourceSuperseded(SourceUnreachable):
    """A newer connection in the name of this tracker drains the queue; this one ends, and tries again later."""


class SourceRefused(JobTrackerError):
    """A source cannot be drained until somebody changes something there or here; it is tried again all the same."""


class QueueDrainedElsewhere(SourceRefused):
    """Another tracker drains the queue; only an operator can say which of the two should."""


class LoginRefused(SourceRefused):
    """A host let us not in; it may count that against our address, so that it is tried again only after a while."""


class BadAnswer(SourceUnreachable):
    """A server answered, but nothing that can be read; what it was asked about costs itself, or the whole round."""


class RequestUnknown(SourceRefused):
    """The handler does not know a request; the conversation could go on, but what was asked for is not to be had."""


class QueueBusy(JobTrackerError):
    """The queue is locked, full or read-only; nothing was changed, the connection stands, the request is repeated."""
