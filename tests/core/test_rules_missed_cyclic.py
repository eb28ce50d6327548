"""The rules for the starts that cyclic jobs miss.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise.
"""

from story import Story, cyclic


def test_a_start_is_missed_an_interval_and_the_grace_after_the_last() -> None:
    """“due = last start + interval … The deadline is due + L + G”."""
    story = Story(cyclic()).hears("STARTED", at=10).hears("SUCCESS", at=50).passes(to=615)

    assert story.last == (615, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_the_maximum_delay_is_added_to_the_deadline() -> None:
    """“due + L + G” with L of 30."""
    story = Story(cyclic(delay=30)).hears("STARTED", at=0).hears("SUCCESS", at=50).passes(to=635)

    assert story.last == (635, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_one_more_start_is_missed_each_interval() -> None:
    """“then one more each interval”: delay and grace are given once."""
    story = Story(cyclic(delay=30)).hears("STARTED", at=0).hears("SUCCESS", at=50).passes(to=2000)

    assert [line[0] for line in story.lines[2:]] == [635, 1235, 1835]
    assert story.shown == ("DELAYED", 2, 0, 3)


def test_a_start_at_the_very_moment_of_the_deadline_is_in_time() -> None:
    """“A message at the very moment of a deadline is folded before it; the deadline is the first moment of being
    late.”"""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=50).hears("STARTED", at=605)

    assert story.last == (605, "NOT_RUNNING", "RUNNING", 0, 0, 0)


def test_while_the_newest_run_is_open_no_start_is_missed() -> None:
    """“While the newest run is open no start is missed”: a long run and a late start are different promises."""
    story = Story(cyclic(timeout=3600)).hears("STARTED", at=0).passes(to=3000)

    assert story.shown == ("RUNNING", 0, 0, 0)


def test_an_older_open_run_does_not_excuse_a_missed_start() -> None:
    """Only the newest run does: b has ended, and nobody has started since."""
    story = Story(cyclic(timeout=3600)).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("SUCCESS", at=20, run="b").passes(to=615)

    assert story.last == (615, "RUNNING", "DELAYED", 2, 0, 1)


def test_an_interval_that_counts_from_the_end_is_due_after_the_end() -> None:
    """“but last end + interval where the interval counts from "end"”: 90 + 600 + 5."""
    story = Story(cyclic(counts_from_end=True)).hears("STARTED", at=0).hears("SUCCESS", at=90).passes(to=695)

    assert story.lines[2:] == [(695, "NOT_RUNNING", "DELAYED", 2, 0, 1)]


def test_after_a_run_whose_start_was_not_seen_the_interval_counts_from_its_end() -> None:
    """“where the newest run's start was not seen”: 700 + 600 + 5, although the last start was at 0."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=50).hears("SUCCESS", at=590).passes(to=1195)

    assert story.lines[2:] == [(1195, "NOT_RUNNING", "DELAYED", 2, 0, 1)]


def test_after_a_run_longer_than_its_interval_the_next_is_due_an_interval_after_its_end() -> None:
    """“where the last end … is at or after last start + interval”: 600 is, so 1200 + 5."""
    story = Story(cyclic(timeout=3600)).hears("STARTED", at=0).hears("SUCCESS", at=600).passes(to=1205)

    assert story.lines[2:] == [(1205, "NOT_RUNNING", "DELAYED", 2, 0, 1)]


def test_a_run_that_ends_just_before_the_next_is_due_does_not_move_it() -> None:
    """One microsecond before last start + interval: due stays 600, the deadline 605."""
    story = Story(cyclic(timeout=3600)).hears("STARTED", at=0).hears("SUCCESS", at=599.999999).passes(to=605)

    assert story.last == (605, "NOT_RUNNING", "DELAYED", 2, 0, 1)


def test_the_last_end_is_the_latest_end_of_any_run() -> None:
    """“(the latest end of any run)”: the newest, b, ended at 20; the older a at 612, so the next is due at 1212."""
    story = Story(cyclic(timeout=3600)).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    story.hears("SUCCESS", at=20, run="b").hears("SUCCESS", at=612, run="a").passes(to=1217)

    assert story.lines[-2:] == [
        (612, "RUNNING", "NOT_RUNNING", 0, 0, 0),
        (1217, "NOT_RUNNING", "DELAYED", 2, 0, 1),
    ]


def test_a_job_never_seen_is_due_an_interval_after_it_became_known() -> None:
    """“A job never seen: due = known since + interval”: never having run even once is an alarm."""
    story = Story(cyclic(), known_since=100).passes(to=705)

    assert story.lines == [(705, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_failed_run_does_not_excuse_the_next_start() -> None:
    """Both promises are judged: the run that failed, and the start that did not come."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).passes(to=605)

    assert story.last == (605, "ERROR", "ERROR", 2, 1, 1)


def test_a_word_that_moves_nothing_does_not_move_the_deadlines_that_follow() -> None:
    """Missed at 605; a further success of the same run at 650 leaves due at 600, and the next deadline at 1205."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("SUCCESS", at=50, run="a").passes(to=606)

    story.hears("SUCCESS", at=590, run="a", arrives=650).passes(to=1205)

    assert story.last == (1205, "DELAYED", "DELAYED", 2, 0, 2)
