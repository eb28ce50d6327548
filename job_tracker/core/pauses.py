"""Pauses: while somebody has said so, nothing of a job counts, and it says so itself.

Rule: a pause is [its moment, its end); messages are folded as ever, deadlines that lie in it do not count.
Rule: its end is a deadline that counts nothing; what lay in the pause is then expected anew, or forgiven.
"""

from dataclasses import replace

from job_tracker.core.deadlines import deadline_of
from job_tracker.core.jobs import Job
from job_tracker.core.messages import Message
from job_tracker.core.schedules.quiet import move_timeout
from job_tracker.core.schedules.starts import Starts
from job_tracker.core.standing import Pause, Standing


def pause(standing: Standing, message: Message) -> None:
    """Begin one, or move the end of the one that lasts, but not before now; one without length only ends one."""
    until = max(message.moment if message.until is None else message.until, message.moment)
    lasting = _lasting(standing, message.moment)
    if lasting is not None:
        standing.pause = replace(lasting, end=until, text=message.text)
    elif until > message.moment:
        standing.pause = Pause(begin=message.moment, end=until, text=message.text)


def resume(standing: Standing, message: Message) -> None:
    """End the one that lasts, if one does."""
    lasting = _lasting(standing, message.moment)
    if lasting is not None:
        standing.pause = replace(lasting, end=message.moment)


def over(standing: Standing, job: Job) -> None:
    """Let it end: runs have their time once more, and what was expected meanwhile is expected anew, or forgiven."""
    assert standing.pause is not None, "it is the pause that ends"
    begin, end, standing.pause = standing.pause.begin, standing.pause.end, None
    for run in standing.runs:
        if run.timeout_at is not None and begin <= run.timeout_at < end:
            standing.put(replace(run, timeout_at=move_timeout(job.windows, end + job.timeout + job.grace, job.grace)))
    if job.starts is not None:
        forgiven = _last_expected(job, job.starts, begin, end)
        standing.awaits_from = standing.awaits_from if forgiven is None else max(standing.awaits_from, forgiven + 1)
    elif any(moment is not None and begin <= moment < end for moment in (standing.expected, standing.missed_at)):
        standing.paused_until = end


def _last_expected(job: Job, starts: Starts, begin: int, end: int) -> int | None:
    """The last expected start that lies in a pause, or whose deadline does."""
    last = starts.latest_at_or_before(end - 1)
    if last is None or last >= begin:
        return last
    while last is not None and deadline_of(job, starts, last) >= end:
        last = starts.latest_at_or_before(last - 1)
    return None if last is None or deadline_of(job, starts, last) < begin else last


def _lasting(standing: Standing, moment: int) -> Pause | None:
    """The pause, up to the very moment of its end: a deadline comes behind what is said at its moment."""
    return standing.pause if standing.pause is not None and moment <= standing.pause.end else None
