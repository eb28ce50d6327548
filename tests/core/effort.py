"""How much the property tests look for: the same every time, and in a bounded time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings

from job_tracker.core import record


def examples(count: int, **more: Any) -> Callable[[Any], Any]:
    """Settings for a property whose examples take their time; the same examples in every run."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        **more,
    )


@contextmanager
def checkpoints_every(count: int) -> Iterator[None]:
    """A checkpoint every so many messages and deadlines, so that short lives meet what happens in long ones.

    The number is a matter of cost alone; that the results do not depend on it is what is tested with it.
    """
    usual = record.CHECKPOINT_EVERY
    record.CHECKPOINT_EVERY = count
    try:
        yield
    finally:
        record.CHECKPOINT_EVERY = usual
