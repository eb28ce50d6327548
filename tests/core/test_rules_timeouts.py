"""The rules for runs that take too long.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise.
"""

from story import HOUR, Story, cyclic, daily


def test_a_timeout_counts_one_error_at_start_and_timeout_and_grace() -> None:
    """“start + timeout + G counts one error”."""
    story = Story(cyclic()).hears("STARTED", at=10).passes(to=115)

    assert story.last == (115, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_the_moment_before_a_timeout_is_in_time() -> None:
    """The deadline is the first moment of being late, to the microsecond."""
    story = Story(cyclic()).hears("STARTED", at=10).passes(to=114.999999)

    assert story.shown == ("RUNNING", 0, 0, 0)


def test_each_further_full_timeout_counts_one_more() -> None:
    """“each further full timeout counts one more”: the grace is given once."""
    story = Story(cyclic()).hears("STARTED", at=0).passes(to=400)

    assert story.lines[1:] == [
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (205, "TIMEOUT", "TIMEOUT", 2, 2, 0),
        (305, "TIMEOUT", "TIMEOUT", 2, 3, 0),
    ]


def test_every_open_run_has_its_own_timeout() -> None:
    """“Every open run has its own”."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b").passes(to=160)

    assert story.lines[1:] == [
        (105, "RUNNING", "TIMEOUT", 2, 1, 0),
        (155, "TIMEOUT", "TIMEOUT", 2, 2, 0),
    ]
    assert [run.timeouts for run in story.runs] == [1, 1]


def test_an_older_run_times_out_while_the_newest_is_closed() -> None:
    """A newer run that ended well does not hide one that hangs."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b")

    story.hears("SUCCESS", at=60, run="b").passes(to=105)

    assert story.last == (105, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_an_end_at_the_very_moment_of_the_timeout_is_in_time() -> None:
    """“A message at the very moment of a deadline is folded before it”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=105).passes(to=300)

    assert story.last == (105, "RUNNING", "NOT_RUNNING", 0, 0, 0)


def test_a_timeout_comes_before_a_missed_start_of_the_same_moment() -> None:
    """“At equal moments: timeouts, then missed starts”: a hangs, b ended; both deadlines are 605."""
    story = Story(cyclic(timeout=600)).hears("STARTED", at=0, run="a").hears("STARTED", at=0, run="b")

    story.hears("SUCCESS", at=10, run="b").passes(to=605)

    assert story.lines[-2:] == [
        (605, "RUNNING", "TIMEOUT", 2, 1, 0),
        (605, "TIMEOUT", "TIMEOUT", 2, 1, 1),
    ]


def test_equal_deadlines_of_two_jobs_count_in_the_order_of_configuration() -> None:
    """“then the order of configuration”, whatever the jobs are called."""
    first, second = cyclic(name="ZULU"), cyclic(name="ALFA")

    story = Story(first, second).passes(to=605)

    assert [change.job.name for change in story.changes] == ["ZULU", "ALFA"]


def test_a_timeout_of_a_later_job_comes_before_an_earlier_jobs_missed_start_of_the_same_moment() -> None:
    """The kind of the deadline goes before the place of the job."""
    first, second = cyclic(name="MISSES"), cyclic(name="HANGS", timeout=500)
    story = Story(first, second).hears("STARTED", at=100, job="HANGS")

    story.passes(to=605)

    assert [(change.job.name, change.after.state.value) for change in story.changes[1:]] == [
        ("HANGS", "TIMEOUT"),
        ("MISSES", "DELAYED"),
    ]


def test_a_daily_run_is_timed_like_any_other() -> None:
    """How long a run may take does not depend on when it was expected."""
    story = Story(daily("02:00")).hears("STARTED", at=7200).passes(to=7200 + HOUR + 5)

    assert story.last == (7200 + HOUR + 5, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_a_job_that_hangs_is_cleared_by_its_success() -> None:
    """Late is better than never: the errors of its timeouts are forgotten with its end."""
    story = Story(cyclic()).hears("STARTED", at=0).passes(to=305)

    story.hears("SUCCESS", at=310)

    assert story.last == (310, "TIMEOUT", "NOT_RUNNING", 0, 0, 0)
