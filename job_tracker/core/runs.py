"""Runs: what the messages of one job add up to.

Rule: a run is opened, closed, lost or found again here and nowhere else.  Rule: nothing here knows deadlines.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.messages import Message
from job_tracker.core.standing import Outcome, Run, Standing

Shelf = Callable[[str], Run | None]
"""Finds the newest run with an id among those a standing no longer keeps."""


def start(standing: Standing, job: Job, message: Message, *, timeout_at: int) -> bool:
    """Open a run; older open ones are lost unless both have ids and the older is in time.  False: nothing changed."""
    opened = [run for run in standing.runs if run.outcome is Outcome.OPEN]
    for run in opened:
        if run.id is not None and run.id == message.run:
            return False
    for run in opened:
        if run.id is None or message.run is None or run.timeouts:
            _lose(standing, job, run, message.moment)
    standing.missed = 0
    standing.last_start = message.moment
    _open(standing, message, begun=message.moment, timeout_at=timeout_at)
    return True


def end(standing: Standing, message: Message, *, next_start: int | None, shelf: Shelf) -> bool:
    """Close a run well, and forget its errors and those of all closed runs before it.  True: its start was not seen."""
    run = _which(standing, message, next_start, shelf)
    unseen = run is None
    if run is None:
        run = _unseen(standing, message)
    _close(standing, run, message, outcome=Outcome.WELL, ended=message.moment, errors=run.errors)
    standing.last_end = _later(standing.last_end, message.moment)
    for older in standing.runs:
        if older.order <= run.order and older.outcome is not Outcome.OPEN and older.errors:
            standing.errors -= older.errors
            standing.put(replace(older, errors=0))
    return unseen


def error(standing: Standing, message: Message, *, next_start: int | None, shelf: Shelf) -> bool:
    """Count an error and close the run badly; one that has ended keeps its end.  True: its start was not seen."""
    run = _which(standing, message, next_start, shelf)
    unseen = run is None
    if run is None:
        run = _unseen(standing, message)
    ended = run.ended if run.outcome in (Outcome.WELL, Outcome.BADLY) else message.moment
    _close(standing, run, message, outcome=Outcome.BADLY, ended=ended, errors=run.errors + 1)
    standing.errors += 1
    standing.last_end = _later(standing.last_end, ended)
    return unseen


def shed(standing: Standing) -> None:
    """Let go of the runs that no longer matter: closed, forgotten, and not the newest."""
    if len(standing.runs) > 1:
        *older, newest = standing.runs
        standing.runs = (*[run for run in older if run.outcome is Outcome.OPEN or run.errors], newest)


def _which(standing: Standing, message: Message, next_start: int | None, shelf: Shelf) -> Run | None:
    """The run that an end or error speaks of; None: one whose start was not seen."""
    newest = standing.newest
    for run in reversed(standing.runs):
        if message.run is None:
            if run.outcome is Outcome.OPEN:
                return run
        elif run.id == message.run:
            if run is newest or run.outcome is Outcome.OPEN:
                return run
            shelved = shelf(message.run)  # a newer one may have been lost without counting anything
            return run if shelved is None or shelved.order <= run.order else shelved
    if message.run is not None:
        return shelf(message.run)
    if newest is None or newest.outcome is not Outcome.BADLY or standing.missed:
        return None
    return newest if next_start is None or message.moment < next_start else None


def _open(standing: Standing, message: Message, *, begun: int | None, timeout_at: int | None) -> Run:
    standing.count += 1
    run = Run(order=standing.count, id=message.run, begun=begun, timeout_at=timeout_at, text=message.text)
    standing.runs = (*standing.runs, run)
    standing.changed[run.order] = run
    return run


def _unseen(standing: Standing, message: Message) -> Run:
    standing.missed = 0
    return _open(standing, message, begun=None, timeout_at=None)


def _close(standing: Standing, run: Run, message: Message, *, outcome: Outcome, ended: int | None, errors: int) -> None:
    standing.put(
        Run(
            order=run.order,
            id=run.id,
            begun=run.begun,
            outcome=outcome,
            ended=ended,
            errors=errors,
            timeouts=run.timeouts,
            text=message.text or (run.text if outcome is Outcome.BADLY else ""),
            exit_code=message.exit_code,
        )
    )


def _lose(standing: Standing, job: Job, run: Run, moment: int) -> None:
    """Close a run as lost; that counts an error, unless its timeout did or a quiet window excuses both starts."""
    counts = 0 if run.timeouts or _same_quiet_window(job, run.begun, moment) else 1
    standing.errors += counts
    standing.put(replace(run, outcome=Outcome.LOST, timeout_at=None, errors=run.errors + counts))


def _same_quiet_window(job: Job, first: int | None, second: int) -> bool:
    if job.kind is not Kind.CYCLIC or job.windows is None:
        return False
    window = None if first is None else job.windows.window_at(first)
    return window is not None and window[0] <= second < window[1]


def _later(known: int | None, moment: int | None) -> int | None:
    moments: Iterable[int] = (each for each in (known, moment) if each is not None)
    return max(moments, default=None)
