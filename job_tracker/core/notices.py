"""Notices: which changes are worth waking somebody for.

Rule: an alarm that was over before anybody could have been told of it stays in the history and is not notified.
"""

from collections.abc import Iterable

from job_tracker.core.folding import Change
from job_tracker.core.states import OK


def worth_telling(changes: Iterable[Change]) -> list[Change]:
    """Of what one step found, per job the last change, if status, or state while not OK, differ from before."""
    first: dict[str, Change] = {}
    last: dict[str, Change] = {}
    for change in changes:
        first.setdefault(change.job.key, change)
        last[change.job.key] = change
    return [change for key, change in last.items() if _differs(first[key], change)]


def _differs(first: Change, last: Change) -> bool:
    before, after = first.before, last.after
    return before.status != after.status or (after.status != OK and before.state is not after.state)
