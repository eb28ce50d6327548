"""Showing: which steps are in the ledger and not yet told, and for how long telling them may wait.

Rule: hosts come first.  As long as some wait to be heard or are just being confirmed, telling would only keep the
interpreter from it; but what is true is never held back for longer than a tenth of a second.
"""

from job_tracker.core.record import Step

LONGEST = 100_000
"""Microseconds that a step may wait to be told while more is heard."""

CONFIRMING = 25_000
"""Microseconds that several hosts get to take their confirmations; a single one does not hold up what it said."""


class Showing:
    """Steps that are to be told."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._since = 0
        self._rests_until = 0

    def add(self, made: Step, confirmed: int, begun: int, now: int) -> None:
        """A step is in the ledger; confirmed: deliveries that are on their way out of their queues by now."""
        if not self._steps:
            self._since = begun
        self._steps.append(made)
        if confirmed > 1:
            self._rests_until = now + CONFIRMING

    def waits_until(self, now: int, *, more_came: bool) -> int | None:
        """When to ask again, after having heard what came meanwhile; None: it is time to tell."""
        if not 0 <= now - self._since < LONGEST:  # below zero: the clock was set back
            return None
        if more_came:
            return now
        return min(self._rests_until, self._since + LONGEST) if now < self._rests_until else None

    def __bool__(self) -> bool:
        """Whether any step is still to be told."""
        return bool(self._steps)

    def take(self) -> tuple[list[Step], int]:
        """The steps, in order, and when the first of them began; they are no longer kept here."""
        steps, self._steps, self._rests_until = self._steps, [], 0
        return steps, self._since
