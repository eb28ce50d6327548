"""States: the word and the status a job shows.

Rule: the first that holds: UNKNOWN, ERROR, TIMEOUT, DELAYED, RUNNING, WARNING, NOT_RUNNING, NEVER_RAN.
Rule: within a pause the status is 0 whatever the word, also instead of UNKNOWN.
"""

from dataclasses import dataclass

from second_reading.runs import Story


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is shown of a job."""

    state: str
    status: int
    errors: int
    missed: int


def shown(story: Story, now: int, *, is_blind: bool, silent_until: int | None, is_walking: bool) -> Shown:
    """Say what a job shows.

    is_blind: whether a deadline has passed that cannot be judged.  silent_until: when a pause is over, judged or not.
    is_walking: whether what happens at this very moment
    is still being folded; the end of a pause, a deadline, comes after its messages.
    """
    state, status = state_of(story), _status(story)
    is_paused = story.pause is not None and silent_until is not None and story.pause.begin <= now < silent_until
    if is_paused or (is_walking and story.pause is not None and now == story.pause.end):
        status = 0
    elif is_blind and status == 0:
        state, status = "UNKNOWN", 3
    return Shown(state=state, status=status, errors=story.errors, missed=story.missed)


def state_of(story: Story) -> str:
    """Say what a job shows, had all been seen."""
    newest = story.newest
    if newest is not None and newest.outcome == "badly":
        return "ERROR"
    if _is_late(story):
        return "TIMEOUT"
    if story.missed > 0:
        return "DELAYED"
    if story.open_runs:
        return "RUNNING"
    if newest is not None and newest.outcome == "warned":
        return "WARNING"
    return "NOT_RUNNING" if story.seen else "NEVER_RAN"


def _status(story: Story) -> int:
    wrong = story.errors + story.missed
    if wrong >= story.promise.max_errors:
        return 2
    if story.promise.kind == "daily" and (story.missed > 0 or _is_late(story)):
        return 2
    if state_of(story) == "WARNING":
        return 1
    return story.promise.status_below if wrong > 0 else 0


def _is_late(story: Story) -> bool:
    return any(run.timeouts > 0 for run in story.open_runs)
