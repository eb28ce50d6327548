"""States: the words a job can show, and the table of what can follow what.

Rule: a state is never set, only derived (see `verdicts`); the table says which derivations each signal can lead to.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from job_tracker.core.signals import Signal


class State(Enum):
    """What a job is doing, as far as the tracker can know; UNKNOWN: that cannot be seen."""

    UNKNOWN = "UNKNOWN"
    NEVER_RAN = "NEVER_RAN"
    RUNNING = "RUNNING"
    NOT_RUNNING = "NOT_RUNNING"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"
    DELAYED = "DELAYED"
    WARNING = "WARNING"


OK, WARN, CRIT, UNSEEN = range(4)
"""Checkmk's statuses."""

STATUS_WORDS = ("OK", "WARN", "CRIT", "UNKNOWN")
"""What they are called, by their numbers."""


class Shown(NamedTuple):
    """What the monitoring is told of a job."""

    state: State
    status: int
    errors: int
    missed: int


PAUSES = frozenset({Signal.PAUSE, Signal.RESUME, Signal.PAUSE_OVER})
"""Signals that change no state: a pause hides the status, and lets nothing count."""

_ALL_THAT_RAN = frozenset(State) - {State.UNKNOWN, State.NEVER_RAN}

TRANSITIONS: Mapping[State, Mapping[Signal, frozenset[State]]] = {
    State.NEVER_RAN: {  # no message yet: nothing can hang, and whatever comes first says what the job does
        Signal.START: frozenset({State.RUNNING}),
        Signal.END: frozenset({State.NOT_RUNNING}),
        Signal.WARNING: frozenset({State.WARNING}),
        Signal.ERROR: frozenset({State.ERROR}),
        Signal.SKIPPED: frozenset({State.NEVER_RAN}),
        Signal.OTHER: frozenset({State.NEVER_RAN}),
        Signal.TIMEOUT: frozenset(),
        Signal.MISSED: frozenset({State.DELAYED}),
    },
    State.RUNNING: {  # an end or error of one run leaves those beside it, and an older run may be the open one
        Signal.START: frozenset({State.RUNNING, State.NOT_RUNNING, State.WARNING}),
        Signal.END: frozenset({State.RUNNING, State.NOT_RUNNING, State.ERROR, State.WARNING}),
        Signal.WARNING: frozenset({State.RUNNING, State.NOT_RUNNING, State.ERROR, State.WARNING}),
        Signal.ERROR: frozenset({State.RUNNING, State.NOT_RUNNING, State.ERROR, State.WARNING}),
        Signal.SKIPPED: frozenset({State.RUNNING, State.NOT_RUNNING, State.ERROR, State.WARNING}),
        Signal.OTHER: frozenset({State.RUNNING}),
        Signal.TIMEOUT: frozenset({State.TIMEOUT}),
        Signal.MISSED: frozenset({State.DELAYED}),
    },
    State.NOT_RUNNING: {  # an error may name an older run than the newest
        Signal.START: frozenset({State.RUNNING, State.NOT_RUNNING}),
        Signal.END: frozenset({State.NOT_RUNNING, State.ERROR}),
        Signal.WARNING: frozenset({State.NOT_RUNNING, State.ERROR, State.WARNING}),
        Signal.ERROR: frozenset({State.NOT_RUNNING, State.ERROR}),
        Signal.SKIPPED: frozenset({State.NOT_RUNNING}),
        Signal.OTHER: frozenset({State.NOT_RUNNING}),
        Signal.TIMEOUT: frozenset(),
        Signal.MISSED: frozenset({State.DELAYED}),
    },
    State.ERROR: {  # hides all that an older open run or a missed start would show; the newest run's end reveals it
        Signal.START: frozenset({State.RUNNING, State.ERROR, State.TIMEOUT}),
        Signal.END: frozenset({State.RUNNING, State.NOT_RUNNING, State.ERROR, State.TIMEOUT, State.DELAYED}),
        Signal.WARNING: frozenset({State.RUNNING, State.ERROR, State.TIMEOUT, State.DELAYED, State.WARNING}),
        Signal.ERROR: frozenset({State.ERROR}),
        Signal.SKIPPED: frozenset({State.ERROR}),
        Signal.OTHER: frozenset({State.ERROR}),
        Signal.TIMEOUT: frozenset({State.ERROR}),
        Signal.MISSED: frozenset({State.ERROR}),
    },
    State.TIMEOUT: {  # a start loses the run that hangs, unless it repeats the id of one that is open
        Signal.START: frozenset({State.RUNNING, State.NOT_RUNNING, State.TIMEOUT, State.WARNING}),
        Signal.END: _ALL_THAT_RAN,
        Signal.WARNING: _ALL_THAT_RAN,
        Signal.ERROR: _ALL_THAT_RAN,
        Signal.SKIPPED: _ALL_THAT_RAN,
        Signal.OTHER: frozenset({State.TIMEOUT}),
        Signal.TIMEOUT: frozenset({State.TIMEOUT}),
        Signal.MISSED: frozenset({State.TIMEOUT}),
    },
    State.DELAYED: {  # ended by a start, seen or not; an older run may be open meanwhile, end, fail or hang
        Signal.START: frozenset({State.RUNNING, State.NOT_RUNNING, State.DELAYED, State.WARNING}),
        Signal.END: frozenset({State.RUNNING, State.NOT_RUNNING, State.DELAYED}),
        Signal.WARNING: frozenset({State.RUNNING, State.DELAYED, State.WARNING}),
        Signal.ERROR: frozenset({State.ERROR, State.DELAYED}),
        Signal.SKIPPED: frozenset({State.DELAYED}),
        Signal.OTHER: frozenset({State.DELAYED}),
        Signal.TIMEOUT: frozenset({State.TIMEOUT}),
        Signal.MISSED: frozenset({State.DELAYED}),
    },
    State.WARNING: {  # as a job at rest, but that its newest run had something to say
        Signal.START: frozenset({State.RUNNING, State.WARNING}),
        Signal.END: frozenset({State.NOT_RUNNING, State.ERROR, State.WARNING}),
        Signal.WARNING: frozenset({State.WARNING}),
        Signal.ERROR: frozenset({State.ERROR, State.WARNING}),
        Signal.SKIPPED: frozenset({State.WARNING}),
        Signal.OTHER: frozenset({State.WARNING}),
        Signal.TIMEOUT: frozenset(),
        Signal.MISSED: frozenset({State.DELAYED}),
    },
}
"""To which states each signal can lead from each; staying is one of them, and an empty set is a signal that cannot be.

This is what the runs amount to, watermarks and pauses apart.  UNKNOWN has no row: a passed deadline that no watermark
covers lies over the state like a cloth, and takes nothing away from it.

What the table does not say: an end that comes sooner than was promised is an error by another word, a start that comes
behind its own end leaves the run closed, and an end of a newer run may lose an older one first.
"""
