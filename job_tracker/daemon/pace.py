"""Pace: which steps are in the ledger and not yet told, and for how long telling them may wait.

Rule: hosts come first.  As long as some wait to be heard or are just being confirmed, telling would only keep the
interpreter from it; but what is true is never held back for longer than a tenth of a second.
"""

from job_tracker.ports import Found

LONGEST = 100_000
"""Microseconds that a step may wait to be told while more is heard."""

CONFIRMING = 25_000
"""Microseconds that several hosts get to take their confirmations; a single one does not hold up what it said."""


class Pace:
    """What was found and is to be told."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._rests_until = 0

    def add(self, found: Found, confirmed: int, now: int) -> None:
        """A step is in the ledger; confirmed: deliveries that are on their way out of their queues by now."""
        self._found.append(found)
        if confirmed > 1:
            self._rests_until = now + CONFIRMING

    def waits_until(self, now: int, *, more_came: bool) -> int | None:
        """When to ask again, after having heard what came meanwhile; None: it is time to tell."""
        since = self._found[0].begun if self._found else now
        if not 0 <= now - since < LONGEST:  # below zero: the clock was set back
            return None
        if more_came:
            return now
        return min(self._rests_until, since + LONGEST) if now < self._rests_until else None

    def __bool__(self) -> bool:
        """Whether anything is still to be told."""
        return bool(self._found)

    def take(self) -> list[Found]:
        """All of it, in order; it is no longer kept here."""
        found, self._found, self._rests_until = self._found, [], 0
        return found
