"""The rule by which an end or an error finds the run that it speaks of, and what it means where there is none."""

from story import Story, at, cyclic, daily, said


def ids(story: Story) -> list[tuple[str | None, str]]:
    """Each run's id and outcome, in the order of their beginning."""
    return [(run.id, run.outcome.value) for run in story.runs]


def test_with_an_id_it_is_the_newest_run_that_carries_it() -> None:
    """“with an id, the newest run that carries it”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=10, run="a")
    story.hears("STARTED", at=20, run="a").hears("STARTED", at=30, run="b")

    story.hears("SUCCESS", at=40, run="a")

    assert [run.ended is not None for run in story.runs] == [True, True, False]
    assert story.runs[0].ended == story.now - 30_000_000


def test_with_an_id_a_run_that_was_let_go_long_ago_is_found() -> None:
    """A standing keeps few runs; the archive knows the others."""
    story = Story(cyclic(interval=3600)).hears("STARTED", at=0, run="a").hears("SUCCESS", at=1, run="a")
    for moment in range(10, 100, 10):
        story.hears("STARTED", at=moment, run=f"r{moment}").hears("SUCCESS", at=moment + 1, run=f"r{moment}")

    story.hears("ERROR", at=200, run="a")

    assert len(story.runs) == 10
    assert (story.runs[0].outcome.value, story.runs[0].errors) == ("badly", 1)


def test_with_an_id_a_run_let_go_in_the_same_step_is_found() -> None:
    """After a catch-up all of it arrives at once, and the archive does not know it yet."""
    story = Story(cyclic(interval=3600))
    words = [("STARTED", 10, "a"), ("SUCCESS", 11, "a"), ("STARTED", 20, "b"), ("SUCCESS", 21, "b"), ("ERROR", 30, "a")]

    story.hears_at_once(100, *(said(event, moment, run=run) for event, moment, run in words))

    assert ids(story) == [("a", "badly"), ("b", "well")]


def test_with_an_id_the_newest_of_this_step_goes_before_one_that_was_kept() -> None:
    """The archive knows the first a, and this step has seen a second one come and go."""
    story = Story(cyclic(interval=3600)).hears("STARTED", at=0, run="a").hears("SUCCESS", at=1, run="a")
    words = [("STARTED", 10, "a"), ("SUCCESS", 11, "a"), ("STARTED", 20, "b"), ("SUCCESS", 21, "b"), ("ERROR", 30, "a")]

    story.hears_at_once(100, *(said(event, moment, run=run) for event, moment, run in words))

    assert ids(story) == [("a", "well"), ("a", "badly"), ("b", "well")]


def test_with_an_id_a_run_is_found_as_this_step_has_left_it() -> None:
    """Its end was moved to 40 a moment ago, and the error leaves it there."""
    story = Story(cyclic(interval=3600)).hears("STARTED", at=0, run="a").hears("SUCCESS", at=1, run="a")
    story.hears("STARTED", at=10, run="b").hears("SUCCESS", at=11, run="b")

    story.hears_at_once(50, said("SUCCESS", 40, run="a"), said("ERROR", 41, run="a"))

    assert (story.runs[0].outcome.value, story.runs[0].ended) == ("badly", at(40))


def test_without_id_it_is_the_newest_open_run_with_or_without_id() -> None:
    """“Without, the newest open run, with or without id”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("SUCCESS", at=20)

    assert ids(story) == [("a", "open"), ("b", "well")]


def test_without_id_an_open_run_goes_before_a_newer_one_that_ended_badly() -> None:
    """An open run is asked first, however old."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")
    story.hears("ERROR", at=20, run="b")

    story.hears("SUCCESS", at=30)

    assert ids(story) == [("a", "well"), ("b", "badly")]


def test_without_id_and_open_run_it_is_the_newest_if_that_ended_badly() -> None:
    """“if none is open, the newest ended badly, … that newest one”: errors often come several at a time."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10)

    story.hears("ERROR", at=20)

    assert [run.errors for run in story.runs] == [2]


def test_without_id_a_message_after_a_success_is_a_run_whose_start_was_not_seen() -> None:
    """The newest ended well, so the word is about something else."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)

    story.hears("ERROR", at=20)

    assert ids(story) == [(None, "well"), (None, "badly")]
    assert story.runs[1].begun is None


def test_without_id_once_a_start_is_missed_the_failed_run_is_meant_no_more() -> None:
    """“no start has been missed since”: at 605 one was, so the error of 610 belongs to a run not seen to start."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).passes(to=606)

    story.hears("ERROR", at=610)

    assert len(story.runs) == 2
    assert story.shown == ("ERROR", 2, 2, 0)


def test_without_id_a_failed_run_is_meant_until_the_next_start_is_due() -> None:
    """“the moment lies before the next expected start (cyclic: due)”: 599.999999 does, 600 does not."""
    before = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("ERROR", at=599.999999)
    behind = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("ERROR", at=600)

    assert len(before.runs) == 1
    assert len(behind.runs) == 2


def test_without_id_a_failed_daily_run_is_meant_until_the_next_start_may_come_early() -> None:
    """“daily: E − early”: E is 02:00, and five minutes before that the next day's run may have begun."""
    tomorrow = 26 * 3600
    job = daily("02:00")
    before = Story(job).hears("STARTED", at=7200).hears("ERROR", at=7210).hears("ERROR", at=tomorrow - 301)
    behind = Story(job).hears("STARTED", at=7200).hears("ERROR", at=7210).hears("ERROR", at=tomorrow - 300)

    assert len(before.runs) == 1
    assert len(behind.runs) == 2


def test_without_id_a_daily_start_made_early_is_not_the_next_expected_one() -> None:
    """The start at 01:56 made today's 02:00; until tomorrow 01:55 its failure is the one that is spoken of."""
    story = Story(daily("02:00")).hears("STARTED", at=6960).hears("ERROR", at=6970)

    story.hears("ERROR", at=7100)

    assert [run.errors for run in story.runs] == [2]


def test_without_id_a_failed_daily_run_that_was_early_while_yesterdays_was_still_in_time_is_meant_for_a_day() -> None:
    """Up to 18 hours late and six early: at 20:04 a start makes tomorrow's 02:00, while today's has until 20:05."""
    job = daily("02:00", delay=18 * 3600, early=6 * 3600 - 60, grace=300)
    story = Story(job).hears("STARTED", at=20 * 3600 + 240).hears("ERROR", at=20 * 3600 + 250)

    story.hears("ERROR", at=20 * 3600 + 260)

    assert [run.errors for run in story.runs] == [2]


def test_a_run_whose_start_was_not_seen_began_at_an_unknown_moment() -> None:
    """“Anything else is a run whose start was not seen: it began at an unknown moment”."""
    story = Story(cyclic()).hears("SUCCESS", at=100)

    assert story.runs[0].begun is None
    assert story.last == (100, "NEVER_RAN", "NOT_RUNNING", 0, 0, 0)


def test_a_run_whose_start_was_not_seen_ends_what_was_missed() -> None:
    """“`missed` becomes 0”: it must have started."""
    story = Story(cyclic()).passes(to=606)

    story.hears("SUCCESS", at=610)

    assert story.last == (610, "DELAYED", "NOT_RUNNING", 0, 0, 0)


def test_a_run_whose_start_was_not_seen_makes_the_expected_start_of_its_moment() -> None:
    """“and it makes the expected start that its moment belongs to”: today's; tomorrow's is missed."""
    story = Story(daily("02:00")).hears("SUCCESS", at=7204).passes(to=26 * 3600 + 5)

    assert story.lines == [
        (7204, "NEVER_RAN", "NOT_RUNNING", 0, 0, 0),
        (26 * 3600 + 5, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_an_error_whose_start_was_not_seen_makes_the_expected_start_too() -> None:
    """A night that failed at once did not fail to start."""
    story = Story(daily("02:00")).hears("ERROR", at=7203).passes(to=20 * 3600)

    assert story.shown == ("ERROR", 2, 1, 0)


def test_an_id_that_nobody_carries_is_a_run_whose_start_was_not_seen() -> None:
    """An open run with another id is not meant."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a")

    story.hears("SUCCESS", at=10, run="b")

    assert ids(story) == [("a", "open"), ("b", "well")]


def test_an_error_without_id_after_a_lost_run_begins_a_new_one() -> None:
    """The newest run neither is open nor ended badly: it was found and ended well after a later one was lost."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=5, run="a")

    story.hears("ERROR", at=10)

    assert ids(story) == [("a", "well"), (None, "badly")]
