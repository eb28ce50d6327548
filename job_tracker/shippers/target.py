"""Target: the one thing a shipper has to be able to do, and the words that travel between it and its lane.

Rule: a target knows neither cursor nor pause; it says of each item whether it was taken, refused for good, or neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from job_tracker.errors import JobTrackerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One event on its way.  uid: the same whenever it is sent.  key: what it is about.  event: as it was told.

    document: in the words of the format, as an object; line: as text without its end.
    """

    seq: int
    uid: str
    key: str
    event: Mapping[str, Any]
    document: Mapping[str, Any]
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of items: done, by their numbers; dead: refused for good, with the reason; the rest is sent again.

    problem: why there is a rest.  is_held: nothing but somebody's doing will help.  remark: what is worth knowing.
    """

    done: frozenset[int] = frozenset()
    dead: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""
    is_held: bool = False
    remark: str = ""


class Target(Protocol):
    """Where events are sent.  at_once: the most items that go together."""

    at_once: int

    def send(self, items: Sequence[Item]) -> Sent:
        """Send items, in order.  What it raises is a fault of the program, and the items are sent again."""

    def send_again(self, items: Sequence[Item]) -> Sent:
        """Send dead letters, which are older than what was sent last."""

    def close(self) -> None:
        """Let go of everything."""


def shortened(told: object) -> str:
    """What a target said, on one line and not longer than it helps."""
    return " ".join(str(told).split())[:300]


class TargetRefused(JobTrackerError):
    """A target cannot be made as it is configured on this host; its lane says so, and tries again."""
