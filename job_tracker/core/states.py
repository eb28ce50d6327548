"""States: the words a job can show, and the table of what can follow what.

Rule: a state is never set, only derived (see `verdicts`); the table says which derivations each signal can lead to.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from job_tracker.core.messages import Signal


class State(Enum):
    """What a job is doing, as far as the tracker can know."""

    UNKNOWN = "UNKNOWN"
    RUNNING = "RUNNING"
    NOT_RUNNING = "NOT_RUNNING"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"
    DELAYED = "DELAYED"


OK, WARN, CRIT, UNSEEN = range(4)
"""Checkmk's statuses."""

TROUBLED = frozenset({State.ERROR, State.TIMEOUT, State.DELAYED})


class Shown(NamedTuple):
    """What the monitoring is told of a job."""

    state: State
    status: int
    errors: int
    missed: int


_EVERY = frozenset(State) - {State.UNKNOWN}

TRANSITIONS: Mapping[State, Mapping[Signal, frozenset[State]]] = {}
