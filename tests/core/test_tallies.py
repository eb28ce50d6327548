"""Tallies: what a step counts for the statistics of days."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from story import Story, at, cyclic, on_demand

from job_tracker.core.record import Step
from job_tracker.core.standing import Outcome, Run
from job_tracker.core.step import step
from job_tracker.core.tallies import Mark, length_of, marks, quantiles
from job_tracker.moments import MICROSECONDS


class Counted(Story):
    """A story that keeps the marks of each step."""

    def __init__(self, *jobs: Any, **keys: Any) -> None:
        self.marks: list[Mark] = []
        super().__init__(*jobs, **keys)

    def look(self, messages: Any = ()) -> Step:
        """The same, counted."""
        made = step(self.board, self.jobs, messages, self.watermarks(), self.now, self.archive, trail=True)
        counted: Mapping[str, tuple[Mark, ...]] = marks(made, self.board, self.jobs)
        self.marks += counted.get(self.job.key, ())
        self.archive.keep(made.records)
        self.board, self.wake = made.board, made.wake
        return made

    @property
    def counted(self) -> list[tuple[int, int, int]]:
        """When, how many missed starts, how many alarms that begin."""
        return [(each.moment, each.missed, each.alarms) for each in self.marks]


def test_a_missed_start_counts_at_its_deadline_and_begins_one_alarm() -> None:
    """A night with nine of them is one alarm and nine missed starts."""
    counted = Counted(cyclic(interval=600))
    counted.hears("STARTED", 10).hears("SUCCESS", 20).passes(2000)

    assert counted.counted == [(at(615), 1, 1), (at(1215), 1, 0), (at(1815), 1, 0)]


def test_what_goes_well_leaves_no_mark() -> None:
    """Its runs are counted as rows of their own."""
    counted = Counted(cyclic(interval=600))

    counted.hears("STARTED", 10).hears("SUCCESS", 20)

    assert counted.counted == []


def test_what_is_folded_again_is_marked_anew_from_where_that_begins() -> None:
    """Who counts throws away what lies behind, so that a late word leaves nothing that is no longer so."""
    counted = Counted(on_demand(max_errors=1))
    counted.hears("STARTED", 10, run="a").hears("ERROR", 40, run="a")
    assert counted.counted == [(at(40), 0, 1)]

    counted.hears("ERROR", 30, arrives=50, run="b")

    assert counted.counted[1:] == [(at(30), 0, 1)]


@pytest.mark.parametrize(
    ("changed", "length"),
    [
        ({}, 20),
        ({"outcome": Outcome.BADLY}, 20),
        ({"outcome": Outcome.SKIPPED}, None),
        ({"outcome": Outcome.LOST}, None),
        ({"outcome": Outcome.OPEN, "ended": None}, None),
        ({"begun": None}, None),
    ],
)
def test_a_run_is_measured_where_its_length_says_something(changed: dict[str, Any], length: int | None) -> None:
    """One that found nothing to do would make the median of a night a lie."""
    story = Story(on_demand()).hears("STARTED", 10, run="a").hears("SUCCESS", 30, run="a")
    run: Run = replace(story.runs[0], **changed)

    assert length_of(run) == (None if length is None else length * MICROSECONDS)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], (None, None, None, None)),
        ([7], (7, 7, 7, 7)),
        ([1, 2], (1, 1, 2, 2)),
        (list(range(1, 101)), (1, 50, 95, 100)),
        (list(range(1, 22)), (1, 11, 20, 21)),
    ],
)
def test_a_quantile_is_a_length_that_was_measured(lengths: list[int], expected: tuple[int | None, ...]) -> None:
    """A median between two runs is the time of none."""
    assert tuple(quantiles(lengths).values()) == expected
