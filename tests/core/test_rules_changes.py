"""The rules for what is told of a change, and how often the tracker looks.

Every story here has a job every 600 seconds that may take 100, and a grace of 5, unless it says otherwise.
"""

from story import Story, at, cyclic, said

from job_tracker.core.board import BUCKETS, make_board, newcomer, promise_of
from job_tracker.core.notices import worth_telling
from job_tracker.core.record import Change


def notices(story: Story) -> list[tuple[str, int]]:
    """State and status of what each step found worth telling."""
    return [(change.after.state.value, change.after.status) for found in story.found for change in worth_telling(found)]


# --- changes ----------------------------------------------------------------------------------------------------------


def test_a_missed_start_is_dated_from_its_deadline() -> None:
    """“Changes carry the moment the fact became true, not the moment it was noticed”."""
    story = Story(cyclic())
    story.now = at(2000)

    story.look()

    assert [line[0] for line in story.lines] == [605, 1205, 1805]


def test_a_change_tells_what_was_shown_before_and_what_then() -> None:
    """Each begins where the one before it ended."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=20).passes(to=800)

    changes = story.changes

    assert [change.before for change in changes[1:]] == [change.after for change in changes[:-1]]


def test_a_message_that_changes_nothing_to_be_seen_is_no_change() -> None:
    """A second run beside the first is RUNNING still."""
    story = Story(cyclic()).hears("STARTED", at=0, run="a").hears("STARTED", at=10, run="b")

    assert len(story.lines) == 1


def test_changes_of_several_jobs_are_in_the_order_of_their_moments() -> None:
    """Not job by job: what happened first is told first."""
    story = Story(cyclic(name="A"), cyclic(name="B", interval=300))
    story.now = at(1300)

    story.look()

    assert [(change.job.name, change.at - at(0)) for change in story.changes] == [
        ("B", 305_000_000),
        ("A", 605_000_000),
        ("B", 605_000_000),
        ("B", 905_000_000),
        ("A", 1_205_000_000),
        ("B", 1_205_000_000),
    ]


def test_a_state_is_dated_from_the_moment_it_began() -> None:
    """A second missed start does not make the delay begin anew."""
    story = Story(cyclic()).passes(to=1300)

    assert story.standing.since == at(605)


# --- notices ----------------------------------------------------------------------------------------------------------


def test_an_alarm_is_worth_telling() -> None:
    """And so is its end."""
    story = Story(cyclic()).passes(to=605).hears("STARTED", at=700)

    assert notices(story) == [("DELAYED", 2), ("RUNNING", 0)]


def test_a_change_of_state_without_alarm_is_not_worth_telling() -> None:
    """A job that runs and ends as promised wakes nobody."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)

    assert notices(story) == []


def test_a_change_of_state_within_an_alarm_is_worth_telling() -> None:
    """Who is repairing the error wants to know that it hangs now."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=20).passes(to=125)

    assert notices(story) == [("ERROR", 2), ("RUNNING", 2), ("TIMEOUT", 2)]


def test_one_more_error_in_the_same_state_is_not_worth_telling() -> None:
    """The alarm is known."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("ERROR", at=20)

    assert notices(story) == [("ERROR", 2)]


def test_the_error_that_reaches_the_threshold_is_worth_telling() -> None:
    """The state stays, the status rises."""
    story = Story(cyclic(max_errors=2, status_below=1)).hears("STARTED", at=0).hears("ERROR", at=10)

    story.hears("ERROR", at=20)

    assert notices(story) == [("ERROR", 1), ("ERROR", 2)]


def test_every_job_of_many_has_its_place() -> None:
    """Standings lie in 256 buckets; the last job of six hundred is found in the second round."""
    jobs = [cyclic(name=f"JOB{number}") for number in range(600)]
    story = Story(*jobs).hears("STARTED", at=0, job="JOB599")

    assert [story.shown_of(job)[0] for job in (jobs[599], jobs[343], jobs[87])] == ["RUNNING", "NEVER_RAN", "NEVER_RAN"]


def test_an_alarm_that_was_over_when_it_was_found_is_not_notified() -> None:
    """“An alarm that was cleared again at a moment at or before the watermark reached when it was found (catch-up after
    an outage) is kept in the history and not notified”."""
    story = Story(cyclic()).hears("STARTED", at=0).source_vanishes(at=50)

    story.source_returns(200, said("ERROR", 60), said("SUCCESS", 70))

    assert [line[2] for line in story.lines] == ["RUNNING", "UNKNOWN", "ERROR", "NOT_RUNNING"]
    assert notices(story) == [("UNKNOWN", 3), ("NOT_RUNNING", 0)]


def test_an_alarm_that_is_still_on_when_it_is_found_is_notified_once() -> None:
    """Of three missed starts the last is told."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10).source_vanishes(at=50)

    story.source_returns(1900)

    assert notices(story) == [("UNKNOWN", 3), ("DELAYED", 2)]


def test_each_jobs_notice_is_its_own() -> None:
    """What one job recovered from does not hide the other's alarm."""
    story = Story(cyclic(name="A"), cyclic(name="B"))

    story.passes(to=605)

    assert [change.job.name for found in story.found for change in worth_telling(found)] == ["A", "B"]


def test_nothing_is_worth_telling_of_nothing() -> None:
    """A quiet step."""
    nothing: list[Change] = []

    assert worth_telling(nothing) == []


# --- when to wake -----------------------------------------------------------------------------------------------------


def test_the_tracker_asks_to_be_woken_at_the_next_deadline() -> None:
    """To the microsecond: it costs nothing in between."""
    assert Story(cyclic()).asks_for == 605


def test_the_earliest_deadline_of_all_jobs_decides() -> None:
    """Of a thousand jobs only one is due first."""
    jobs = [cyclic(name=f"J{n}", interval=600 + n % 7) for n in range(1000)]

    assert Story(*jobs).asks_for == 605


def test_a_passed_deadline_that_cannot_be_judged_does_not_keep_the_tracker_awake() -> None:
    """Nothing changes until the source is back; who brings it back wakes the tracker."""
    story = Story(cyclic()).source_vanishes(at=600).passes(to=700)

    assert story.asks_for is None


def test_an_idle_step_touches_no_job() -> None:
    """“work per cycle grows with messages and due deadlines, not with the number of jobs”."""
    story = Story(*(cyclic(name=f"J{n}") for n in range(500))).passes(to=100)

    made = story.look()

    assert made.records == {}


def test_jobs_that_share_a_bucket_are_touched_by_one_step() -> None:
    """Neither hides what became of the other."""
    first, *_, last = jobs = [cyclic(name=f"J{n}") for n in range(BUCKETS + 1)]
    story = Story(*jobs)

    story.hears_at_once(10, said("STARTED", 10, job="J0"), said("STARTED", 10, job=f"J{BUCKETS}"))

    assert story.shown_of(first) == story.shown_of(last) == ("RUNNING", 0, 0, 0)


def test_one_message_touches_one_bucket() -> None:
    """The boards share whatever a step did not touch."""
    story = Story(*(cyclic(name=f"J{n}") for n in range(1000)))
    before = story.board

    story.hears("STARTED", at=10, job="J7")

    shared = sum(a is b for a, b in zip(before.buckets, story.board.buckets, strict=True))
    assert shared == BUCKETS - 1


# --- the board --------------------------------------------------------------------------------------------------------


def test_a_job_without_a_standing_is_known_since_the_board_was_made() -> None:
    """“the moment it became known to the tracker”; kept jobs keep theirs."""
    story = Story(cyclic(name="OLD"), cyclic(name="NEW"))
    old, new = story.jobs.by_key.values()

    board = make_board(story.jobs, {old.key: newcomer(old, at(0))}, {}, at(100))

    assert [board.standing(job).known_since for job in (old, new)] == [at(0), at(100)]


def test_a_moved_line_or_another_threshold_is_the_same_promise() -> None:
    """What deadlines do not depend on does not make them count from now."""
    job = cyclic()

    assert promise_of(cyclic(max_errors=3, status_below=1, sources=("app1",), order=5)) == promise_of(job)
    assert promise_of(cyclic(interval=601)) != promise_of(job)
