"""What becomes of each job when a configuration is taken up."""

from story import Story, at, cyclic

from job_tracker.core.settling import settled, told_of


def test_a_job_that_nothing_is_kept_of_is_known_since_now() -> None:
    """ "Never ran even once" is an alarm, and it counts from here."""
    story = Story(cyclic())

    found = settled(story.jobs, {}, set(), at(100))

    assert found.new == ("LOAD__P",)
    assert found.standings["LOAD__P"].known_since == at(100)
    assert found.renewed == {}


def test_a_job_that_was_promised_the_same_is_as_it_was() -> None:
    """A start of the tracker changes nothing."""
    story = Story(cyclic()).hears("STARTED", at=10)

    found = settled(story.jobs, {"LOAD__P": story.standing, "GONE__P": story.standing}, {"GONE__P"}, at(100))

    assert found.standings == {"LOAD__P": story.standing}
    assert (found.new, found.renewed) == ((), {})


def test_a_promise_that_changed_counts_from_now_and_tells_what_it_changes() -> None:
    """A deadline that could not be seen is none of the new promise's."""
    story = Story(cyclic()).source_vanishes(at=10).passes(to=700)
    before = story.shown

    found = settled(story.jobs, {"LOAD__P": story.standing}, {"LOAD__P"}, at(700))

    change = found.renewed["LOAD__P"]
    assert before[:2] == ("UNKNOWN", 3)
    assert change is not None
    assert (change.at, change.before.status, change.after.status) == (at(700), 3, 0)
    assert found.standings["LOAD__P"].promised_since == at(700)


def test_a_promise_that_changed_and_shows_the_same_changes_nothing_in_the_history() -> None:
    """There is nothing to tell."""
    story = Story(cyclic()).hears("STARTED", at=10)

    found = settled(story.jobs, {"LOAD__P": story.standing}, {"LOAD__P"}, at(20))

    assert found.renewed == {"LOAD__P": None}


def test_what_lies_ahead_is_counted_from_now_only_where_somebody_asks() -> None:
    """A restart under a wrong clock must not shorten a history."""
    story = Story(cyclic()).hears("STARTED", at=1000)
    kept = {"LOAD__P": story.standing}

    left = settled(story.jobs, kept, set(), at(100))
    asked = settled(story.jobs, kept, set(), at(100), is_asked_to=True)

    assert left.standings == kept
    assert asked.standings["LOAD__P"].last_start == at(100)
    assert set(asked.renewed) == {"LOAD__P"}


def test_what_a_configuration_makes_true_is_told() -> None:
    """Whoever follows the log knows the jobs that there are, and why one shows something else."""
    story = Story(cyclic()).source_vanishes(at=10).passes(to=700)
    found = settled(story.jobs, {"LOAD__P": story.standing}, {"LOAD__P"}, at(700))
    anew = settled(story.jobs, {}, set(), at(700))

    changed = told_of(
        found, {"LOAD__P": "a promise", "GONE__P": "another", "LONG_GONE__P": ""}, {"LOAD__P"}, story.jobs, 7
    )
    put_back = told_of(found, {"LOAD__P": ""}, {"LOAD__P"}, story.jobs, 7)
    added = told_of(anew, {}, (), story.jobs, 7)

    assert [(each.kind, each.job) for each in changed] == [
        ("job.promised", "LOAD__P"),
        ("job.seen", "LOAD__P"),
        ("job.removed", "GONE__P"),
    ]
    assert [each.kind for each in put_back] == ["job.added", "job.seen"]
    assert [(each.kind, each.at) for each in added] == [("job.added", 7)]
