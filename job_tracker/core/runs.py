"""Runs: what the messages of one job add up to.

Rule: a run is opened, closed, lost or found again here and nowhere else.  Rule: nothing here knows deadlines.
"""

from collections.abc import Callable
from dataclasses import replace

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.messages import Message
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.moments import span

Shelf = Callable[[str], Run | None]
"""Finds the newest run with an id among those a standing no longer keeps."""

ENDED = (Outcome.WELL, Outcome.WARNED, Outcome.BADLY, Outcome.SKIPPED)
"""Closed by a word of its own, which is its end; an error that follows leaves it where it is."""


def start(standing: Standing, job: Job, message: Message, *, timeout_at: int) -> bool:
    """Open a run; older open ones are lost unless both have ids and the older is in time.  False: nothing changed."""
    opened = [run for run in standing.runs if run.outcome is Outcome.OPEN]
    for run in opened:
        if run.id is not None and run.id == message.run:
            return False
    for run in opened:
        if run.id is None or message.run is None or (run.timeouts and not job.may_skip):
            _lose(standing, job, run, message.moment)
    standing.missed = 0
    standing.last_start = message.moment
    latest = standing.latest
    if latest is not None and _is_start_of(latest, message, standing, job):
        standing.put(replace(latest, begun=message.moment, ended=message.moment, is_out_of_order=True))
        standing.last_begun, standing.last_end = message.moment, _later(standing.last_end, message.moment)
    else:
        _open(standing, message, begun=message.moment, timeout_at=timeout_at)
    return True


def close(
    standing: Standing, job: Job, message: Message, outcome: Outcome, *, next_start: int | None, shelf: Shelf
) -> bool:
    """Close a run well, warned or badly, whatever it was before.  True: its start was not seen."""
    run = _which(standing, message, next_start, shelf)
    unseen = run is None
    if run is None:
        run = _unseen(standing, message)
    text = message.text
    if outcome is not Outcome.BADLY and (took := _too_short(job, run, message)) is not None:
        outcome, text = Outcome.BADLY, f"ended after {span(took)}, at least {span(job.min_duration)} was promised"
    has_ended = run.outcome in ENDED
    if job.may_skip and (outcome is not Outcome.BADLY or not has_ended or run.outcome is Outcome.SKIPPED):
        _lose_late_ones_before(standing, job, run, message.moment)
    if outcome is Outcome.BADLY:
        ended = run.ended if has_ended else message.moment
        _close(standing, run, message, outcome=outcome, ended=ended, errors=run.errors + 1, text=text or run.text)
        standing.errors += 1
        standing.last_end = _later(standing.last_end, ended)
    else:
        _close(standing, run, message, outcome=outcome, ended=message.moment, errors=run.errors, text=text)
        standing.last_end = _later(standing.last_end, message.moment)
        _forget_errors(standing, run.order)
    return unseen


def skip(standing: Standing, message: Message, *, shelf: Shelf) -> bool:
    """Close a run that found nothing to do, if it is open; no error is counted and none forgotten.  False: nothing."""
    run = _which(standing, message, None, shelf)
    if run is None or run.outcome is not Outcome.OPEN:
        return False
    _close(
        standing,
        run,
        message,
        outcome=Outcome.SKIPPED,
        ended=message.moment,
        errors=run.errors,
        text=message.text,
    )
    standing.last_end = _later(standing.last_end, message.moment)
    return True


def shed(standing: Standing) -> None:
    """Let go of the runs that no longer matter: closed, forgotten, neither the last nor the newest that was closed."""
    if len(standing.runs) > 1:
        *older, latest = standing.runs
        newest = standing.newest_closed
        kept = [run for run in older if run.outcome is Outcome.OPEN or run.errors or run is newest]
        standing.runs = (*kept, latest)


def _which(standing: Standing, message: Message, next_start: int | None, shelf: Shelf) -> Run | None:
    """The run that an end or error speaks of; None: one whose start was not seen."""
    latest = standing.latest
    for run in reversed(standing.runs):
        if message.run is None:
            if run.outcome is Outcome.OPEN:
                return run
        elif run.id == message.run:
            if run is latest or run.outcome is Outcome.OPEN:
                return run
            shelved = shelf(message.run)  # a newer one may have been lost without counting anything
            return run if shelved is None or shelved.order <= run.order else shelved
    if message.run is not None:
        return shelf(message.run)
    newest = standing.newest
    if newest is None or newest.outcome is not Outcome.BADLY or standing.missed:
        return None
    return newest if next_start is None or message.moment < next_start else None


def _is_start_of(run: Run, message: Message, standing: Standing, job: Job) -> bool:
    """A clock stepped inside the run: its end is dated before its start, though it was written later."""
    if run.begun is not None or run.id is None or run.id != message.run or standing.opened_by is None:
        return False
    moment, source, number = standing.opened_by
    if source == message.source:
        return number > message.number
    return message.moment - moment <= job.grace


def _too_short(job: Job, run: Run, message: Message) -> int | None:
    """How long a run took that ends sooner than was promised; the operator's word is not measured."""
    if not job.min_duration or run.begun is None or run.is_out_of_order or message.source == OPERATOR:
        return None
    took = message.moment - run.begun
    return took if took < job.min_duration else None


def _open(standing: Standing, message: Message, *, begun: int | None, timeout_at: int | None) -> Run:
    standing.count += 1
    standing.last_begun, standing.opened_by = message.moment, message.position
    run = Run(order=standing.count, id=message.run, begun=begun, timeout_at=timeout_at, text=message.text)
    standing.runs = (*standing.runs, run)
    standing.changed[run.order] = run
    return run


def _unseen(standing: Standing, message: Message) -> Run:
    standing.missed = 0
    return _open(standing, message, begun=None, timeout_at=None)


def _close(
    standing: Standing, run: Run, message: Message, *, outcome: Outcome, ended: int | None, errors: int, text: str
) -> None:
    standing.put(
        Run(
            order=run.order,
            id=run.id,
            begun=run.begun,
            outcome=outcome,
            ended=ended,
            errors=errors,
            timeouts=run.timeouts,
            text=text,
            exit_code=message.exit_code,
            usage=message.usage or run.usage,
            is_out_of_order=run.is_out_of_order,
        )
    )


def _forget_errors(standing: Standing, order: int) -> None:
    """Of the closed runs up to one that ended well."""
    for older in standing.runs:
        if older.order <= order and older.outcome is not Outcome.OPEN and older.errors:
            standing.errors -= older.errors
            standing.put(replace(older, errors=0))


def _lose_late_ones_before(standing: Standing, job: Job, run: Run, moment: int) -> None:
    """Where runs are skipped a newer start proves nothing; a newer end does."""
    for older in standing.runs:
        if older.order < run.order and older.outcome is Outcome.OPEN and older.timeouts:
            _lose(standing, job, older, moment)


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
    if known is None or moment is None:
        return moment if known is None else known
    return max(known, moment)
