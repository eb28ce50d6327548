"""The rules for the starts that daily jobs miss.

Every story here has a job at 02:00 UTC that may take an hour, start five minutes early, and a grace of 5 seconds,
unless it says otherwise.  E is 02:00 of the first day, 7,200 seconds after midnight.
"""

import json
from dataclasses import replace
from zoneinfo import ZoneInfo

from story import HOUR, Story, at, daily, quiet
from watching import jobs_of

from job_tracker.core.schedules.calendars import Calendar, Days
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.local_time import local_day
from job_tracker.core.schedules.quiet import Windows

UTC = ZoneInfo("UTC")

E = 2 * HOUR
DAY = 24 * HOUR


def test_a_start_is_expected_once_a_day_and_missed_after_the_grace() -> None:
    """“an expected start E per local day, its deadline E + L + G”."""
    story = Story(daily("02:00")).passes(to=E + 5)

    assert story.lines == [(E + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_the_maximum_delay_is_added_to_the_deadline() -> None:
    """“E + L + G” with L of ten minutes."""
    story = Story(daily("02:00", delay=600)).passes(to=E + 605)

    assert story.lines == [(E + 605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_each_expected_start_whose_deadline_passes_without_one_counts_one() -> None:
    """“Each E whose deadline passes without one counts one”."""
    story = Story(daily("02:00")).passes(to=E + 2 * DAY + 5)

    assert [line[0] for line in story.lines] == [E + 5, E + DAY + 5, E + 2 * DAY + 5]
    assert story.shown == ("DELAYED", 2, 0, 3)


def test_of_several_starts_with_one_deadline_one_counts_also_where_none_is_to_come() -> None:
    """“of E with one deadline only the last counts”: a calendar that ends with this day must not make three of them."""
    first = local_day(UTC, at(0))
    only = Days(only_on=(Calendar(name="ONE", days=frozenset({first}), first=first, last=first + 400),))
    job = daily("02:00", quiet=quiet("01:00", "05:00"))
    starts = Daily(zone=UTC, max_early=0, times=(120, 130, 140), days=only)
    windows = Windows(zone=UTC, rules=(quiet("01:00", "05:00"),))
    story = Story(replace(job, starts=starts, windows=windows))

    story.passes(to=3 * DAY)

    assert story.lines == [(5 * HOUR + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_start_at_the_very_moment_of_the_deadline_is_in_time() -> None:
    """“A message at the very moment of a deadline is folded before it”."""
    story = Story(daily("02:00")).hears("STARTED", at=E + 5)

    assert story.lines == [(E + 5, "NEVER_RAN", "RUNNING", 0, 0, 0)]


def test_a_start_just_early_enough_counts_for_its_day() -> None:
    """“A start belongs to the latest E with E − early ≤ start”: 01:55:00 is today's."""
    story = Story(daily("02:00")).hears("STARTED", at=E - 300).hears("SUCCESS", at=E - 200).passes(to=E + DAY)

    assert story.last == (E - 200, "RUNNING", "NOT_RUNNING", 0, 0, 0)


def test_a_start_too_early_counts_for_the_day_before() -> None:
    """A microsecond before 01:55:00 it is yesterday's, and today's is missed."""
    story = Story(daily("02:00"), known_since=-DAY + E + 1)

    story.hears("STARTED", at=E - 300.000001).hears("SUCCESS", at=E - 200).passes(to=E + 5)

    assert story.last == (E + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_how_early_a_start_may_be_is_up_to_the_operator() -> None:
    """With an hour allowed, 01:00:00 is today's."""
    story = Story(daily("02:00", early=HOUR)).hears("STARTED", at=HOUR).hears("SUCCESS", at=HOUR + 1).passes(to=E + 5)

    assert story.shown == ("NOT_RUNNING", 0, 0, 0)


def test_a_late_start_makes_the_start_of_its_own_day() -> None:
    """Missed at 02:00:05, made at 14:00; the next is expected tomorrow."""
    story = Story(daily("02:00")).hears("STARTED", at=14 * HOUR).hears("SUCCESS", at=14 * HOUR + 1)

    story.passes(to=E + DAY + 5)

    assert story.lines == [
        (E + 5, "NEVER_RAN", "DELAYED", 2, 0, 1),
        (14 * HOUR, "DELAYED", "RUNNING", 0, 0, 0),
        (14 * HOUR + 1, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (E + DAY + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_a_second_start_on_one_day_does_not_make_the_next_days() -> None:
    """It belongs to the same E, which is made once."""
    story = Story(daily("02:00")).hears("STARTED", at=E).hears("SUCCESS", at=E + 1)
    story.hears("STARTED", at=E + HOUR).hears("SUCCESS", at=E + HOUR + 1)

    story.passes(to=E + DAY + 5)

    assert story.last == (E + DAY + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_while_the_newest_run_is_open_no_start_is_missed() -> None:
    """“While the newest run is open no start is missed”."""
    story = Story(daily("02:00", timeout=90 * HOUR)).hears("STARTED", at=E).passes(to=E + 2 * DAY)

    assert story.shown == ("RUNNING", 0, 0, 0)


def test_starts_whose_deadline_passes_while_a_run_is_open_are_forgiven() -> None:
    """“and expected starts whose deadline passes meanwhile … are forgiven”: the one of the third day counts."""
    story = Story(daily("02:00", timeout=90 * HOUR)).hears("STARTED", at=E).hears("SUCCESS", at=E + DAY + HOUR)

    story.passes(to=E + 2 * DAY + 5)

    assert story.lines[1:] == [
        (E + DAY + HOUR, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (E + 2 * DAY + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_a_start_whose_deadline_is_the_very_moment_of_the_end_is_forgiven() -> None:
    """“or at the very moment of its end”."""
    story = Story(daily("02:00", timeout=90 * HOUR)).hears("STARTED", at=E).hears("SUCCESS", at=E + DAY + 5)

    story.passes(to=E + DAY + HOUR)

    assert story.last == (E + DAY + 5, "RUNNING", "NOT_RUNNING", 0, 0, 0)


def test_a_start_whose_deadline_is_behind_the_end_is_not_forgiven() -> None:
    """The run ended a microsecond before; there was time to start."""
    story = Story(daily("02:00", timeout=90 * HOUR)).hears("STARTED", at=E).hears("SUCCESS", at=E + DAY + 4.999999)

    story.passes(to=E + DAY + 5)

    assert story.last == (E + DAY + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_the_end_of_an_older_run_forgives_nothing() -> None:
    """The newest run, b, ended in the first night; that a went on is no excuse for the second."""
    story = (
        Story(daily("02:00", timeout=90 * HOUR)).hears("STARTED", at=E, run="a").hears("STARTED", at=E + 10, run="b")
    )

    story.hears("SUCCESS", at=E + 20, run="b").hears("SUCCESS", at=E + DAY + 4, run="a").passes(to=E + DAY + 5)

    assert story.last == (E + DAY + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_a_job_never_seen_is_expected_at_the_first_start_after_it_became_known() -> None:
    """“A job never seen: the first E at or after known since”: a microsecond after 02:00 that is tomorrow's."""
    exactly = Story(daily("02:00"), known_since=E).passes(to=E + 5)
    behind = Story(daily("02:00"), known_since=E + 0.000001).passes(to=E + DAY + 5)

    assert exactly.lines == [(E + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]
    assert behind.lines == [(E + DAY + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_the_first_message_may_make_a_start_before_the_promise() -> None:
    """Known since 03:00 and heard at once of a run that began at 02:00: that was today's, tomorrow's is awaited."""
    story = Story(daily("02:00"), known_since=3 * HOUR).hears("STARTED", at=E, arrives=3 * HOUR)

    story.hears("SUCCESS", at=3 * HOUR + 4).passes(to=E + DAY + 5)

    assert story.lines == [
        (E, "NEVER_RAN", "RUNNING", 0, 0, 0),
        (3 * HOUR + 4, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (E + DAY + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_a_first_start_a_week_before_the_promise_lets_the_starts_between_count() -> None:
    """What is heard first says when the job ran last; it has missed what was expected since."""
    story = Story(daily("02:00"), known_since=3 * HOUR).hears("SUCCESS", at=E - 2 * DAY, arrives=3 * HOUR)

    assert story.shown == ("DELAYED", 2, 0, 2)


def test_a_daily_jobs_day_is_its_own_zones() -> None:
    """02:00 in Tokyo is 17:00 UTC of the day before."""
    story = Story(daily("02:00", zone="Asia/Tokyo")).passes(to=17 * HOUR + 5)

    assert story.lines == [(17 * HOUR + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_quiet_windows_are_not_for_daily_jobs() -> None:
    """“cyclic jobs only”: of a configuration with a quiet window a daily job gets none, so its night is judged."""
    window = {"no_timeout_for_cyclic_jobs_from_in_hh:mm": "01:00", "no_timeout_for_cyclic_jobs_until_in_hh:mm": "05:00"}
    promise = {"name": "LOAD", "env": "P", "timeout_in_hh:mm:ss": "01:00:00", "cyclic_or_daily": "daily"}
    config = {"global_config": window, "jobs": [promise | {"daily_start_time_in_hh:mm": "02:00"}]}

    assert jobs_of(json.dumps(config)).by_key["LOAD__P"].windows is None
