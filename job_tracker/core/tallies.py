"""Tallies: what a step counts for the statistics of days, from what it wrote down and the board before it.

Rule: only what an item did is counted, never what could be seen at the time, so that how often we looked, and where we
were killed, changes nothing in it.

A mark is known by its item: a job that is folded again marks anew all that lies behind where that begins.
"""

from collections.abc import Mapping
from typing import NamedTuple

from job_tracker.core.board import Board
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.record import Record, Step
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.core.verdicts import is_alarm

COUNTS = ("well", "warned", "skipped", "badly", "lost", "missed", "alarms", "unseen")
LENGTHS = ("shortest", "median", "p95", "longest")
DAY = (*COUNTS, *LENGTHS)
"""What is known of a day, in order: runs by outcome, missed starts, alarms; microseconds unseen, and of durations."""

MEASURED = (Outcome.WELL, Outcome.WARNED, Outcome.BADLY)
"""A run that found nothing to do took no time that says anything, and of a lost one nobody knows."""


class Mark(NamedTuple):
    """An item by which expected starts were missed, or an alarm began.  serial: of the item; moment: microseconds."""

    serial: int
    moment: int
    missed: int
    alarms: int


def marks(made: Step, before: Board, jobs: Jobs) -> dict[str, tuple[Mark, ...]]:
    """The marks of a step by job, of those that have any; before: the board it was made from."""
    found = {}
    for key, record in made.records.items():
        if record.trail and (of_job := _marks_of(jobs.by_key[key], record, before)):
            found[key] = of_job
    return found


def length_of(run: Run) -> int | None:
    """How long a run took, in microseconds, where that says something."""
    if run.outcome not in MEASURED or run.begun is None or run.ended is None or run.is_out_of_order:
        return None
    return max(0, run.ended - run.begun)


def quantiles(lengths: list[int]) -> Mapping[str, int | None]:
    """Of sorted lengths, by nearest rank: always one of those that were measured."""
    if not lengths:
        return dict.fromkeys(LENGTHS)
    last = len(lengths) - 1
    return {
        "shortest": lengths[0],
        "median": lengths[last // 2],
        "p95": lengths[-(-95 * len(lengths) // 100) - 1],
        "longest": lengths[last],
    }


def _marks_of(job: Job, record: Record, before: Board) -> tuple[Mark, ...]:
    start: Standing = before.standing(job) if record.rewound is None else record.rewound
    missed, was_alarm = start.missed, is_alarm(job, start)
    found = []
    for trace in record.trail or ():
        more, begins = max(0, trace.missed - missed), trace.is_alarm and not was_alarm
        if more or begins:
            found.append(Mark(trace.serial, trace.moment, more, int(begins)))
        missed, was_alarm = trace.missed, trace.is_alarm
    return tuple(found)
