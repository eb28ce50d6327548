"""Promises as text: which change of a configuration is a change of the promise, and which is none."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from published import BERLIN, cyclic, daily

from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.calendars import Calendar, Days
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import ClosedDay, Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.ledger.promises import is_same_promise, promise_to_text


def closed(*days: str, first: str = "2020-01-01", last: str = "2036-01-01", name: str = "c") -> Days:
    """A calendar of days that are closed, as it was read for some years."""
    ordinals = frozenset(date.fromisoformat(day).toordinal() for day in days)
    covered = (date.fromisoformat(each).toordinal() for each in (first, last))
    begin, end = covered
    return Days(not_on=(Calendar(name=name, days=ordinals, first=begin, last=end),))


def on(days: Days) -> Job:
    return replace(daily("A"), starts=Daily(zone=BERLIN, times=(120,), days=days))


def test_a_job_of_before_has_the_text_of_before() -> None:
    """What was added to the program must not change the promise of a job that does not use it."""
    assert promise_to_text(cyclic("A")) == (
        '["cyclic", 3600000000, false, 0, 0, 0, 600000000, 5000000, "Europe/Berlin", null]'
    )
    assert promise_to_text(daily("A")) == (
        '["daily", 0, false, 1350, 0, 300000000, 600000000, 5000000, "Europe/Berlin", null]'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"times": (120, 180)},
        {"days": Days(weekdays=31)},
        {"days_of_month": (1,)},
        {"working_days_of_month": (1,)},
        {"closed_day": ClosedDay.NEXT},
        {"end_clock": 420},
        {"days": closed("2026-05-01")},
        {"max_early": 1},
    ],
)
def test_what_changes_an_expected_start_changes_the_promise(change: dict[str, Any]) -> None:
    """It counts from the reload, and expected starts before it are not judged by it."""
    before = replace(daily("A"), starts=Daily(zone=BERLIN, times=(120,)))
    after = replace(daily("A"), starts=replace(Daily(zone=BERLIN, times=(120,)), **change))

    assert not is_same_promise(promise_to_text(before), promise_to_text(after))


def test_cron_and_windows_are_part_of_the_promise() -> None:
    """Two expressions, two windows."""
    first, second = (
        replace(daily("A"), kind=Kind.CRON, starts=Cron(zone=BERLIN, expression=expression))
        for expression in ("1 0 * * *", "2 0 * * *")
    )
    quiet = [Windows(zone=BERLIN, rules=(Quiet(begin=0, end=60, days=Days(weekdays=bits)),)) for bits in (1, 2)]

    assert not is_same_promise(promise_to_text(first), promise_to_text(second))
    assert not is_same_promise(*(promise_to_text(cyclic("A", windows=each)) for each in quiet))


def test_a_group_or_another_name_of_a_calendar_changes_no_promise() -> None:
    """“no `group` … is part of a job's promise”, and what days are called does not matter."""
    assert promise_to_text(cyclic("A", group="g")) == promise_to_text(cyclic("A"))
    assert promise_to_text(on(closed("2026-05-01", name="x"))) == promise_to_text(on(closed("2026-05-01", name="y")))


def test_a_calendar_read_a_year_later_is_the_same_promise_if_the_years_of_both_agree() -> None:
    """“which has changed if a day that both readings cover differs”."""
    before = promise_to_text(on(closed("2020-05-01", "2026-05-01", first="2020-01-01", last="2036-01-01")))
    later = promise_to_text(on(closed("2026-05-01", "2036-05-01", first="2021-01-01", last="2037-01-01")))
    other = promise_to_text(on(closed("2026-05-02", "2036-05-01", first="2021-01-01", last="2037-01-01")))

    assert before != later
    assert is_same_promise(before, later)
    assert not is_same_promise(before, other)


def test_a_job_that_was_away_has_another_promise() -> None:
    """Its text was emptied when it was removed."""
    assert not is_same_promise("", promise_to_text(on(closed("2026-05-01"))))
