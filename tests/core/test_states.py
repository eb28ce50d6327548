"""The table of states: what is in it happens, and what happens is in it."""

import random

import pytest
from cases import random_case
from lives import life
from observing import Observer, Transition
from story import HOUR, Story, cyclic
from watching import Watch

from job_tracker.core.signals import Signal
from job_tracker.core.states import PAUSES, TRANSITIONS, State

TABLE = {(old, signal, new) for old, row in TRANSITIONS.items() for signal, news in row.items() for new in news}


def seen_in(story: Story) -> set[Transition]:
    """Every transition of a story's first job."""
    key = story.job.key
    observer = Observer(story.jobs, story.job, story.archive.first[key])
    return set(observer.watch(story.archive.messages.get(key, ()), story.now + 1))


def seen_by(watch: Watch) -> set[Transition]:
    """Every transition of a case's jobs."""
    found: set[Transition] = set()
    for key, job in watch.jobs.by_key.items():
        observer = Observer(watch.jobs, job, watch.archive.first[key])
        found |= set(observer.watch(watch.archive.messages.get(key, ()), watch.until + 1))
    return found


def two_runs(newest: str, *, timeout: float = 100, then: float | None = None) -> Story:
    """Runs a and b side by side; b, the newer one, says a word, and time passes."""
    story = (
        Story(cyclic(timeout=timeout, max_errors=9)).hears("STARTED", at=0, run="a").hears("STARTED", at=50, run="b")
    )
    story.hears(newest, at=60, run="b")
    return story if then is None else story.passes(to=then)


LIVES = [*range(6_500), 11_501, 17_082, 41_179, 46_868]
"""The last are the first that meet what is rare."""

STORIES = {
    "an end beside a run that goes on": two_runs("SUCCESS"),
    "an error beside a run that goes on": two_runs("SUCCESS")
    .hears("ERROR", at=70, run="b")
    .hears("SUCCESS", at=80, run="b"),
    "a failed run behind one that ended well": two_runs("SUCCESS").hears("ERROR", at=70, run="a"),
    "an older run fails while the newest runs": Story(cyclic())
    .hears("STARTED", at=0, run="a")
    .hears("STARTED", at=10, run="b")
    .hears("ERROR", at=20, run="a"),
    "an older run fails while the newest rests": two_runs("SUCCESS")
    .hears("SUCCESS", at=70, run="a")
    .hears("ERROR", at=80, run="a"),
    "the newest failed, and the older one goes on": two_runs("ERROR").hears("STARTED", at=70, run="a"),
    "the newest failed, and the older one hangs": two_runs("ERROR", then=110).hears("SUCCESS", at=120, run="b"),
    "the newest failed, and the older one ends": two_runs("ERROR").hears("SUCCESS", at=70, run="a"),
    "the newest failed, and a start is missed": Story(cyclic())
    .hears("STARTED", at=0, run="a")
    .hears("ERROR", at=10, run="a")
    .passes(to=610)
    .hears("SUCCESS", at=620, run="a"),
    "the older one hangs, and ends while the newest rests": two_runs("SUCCESS", then=110).hears(
        "SUCCESS", at=120, run="a"
    ),
    "the older one hangs, and fails while the newest rests": two_runs("SUCCESS", then=110).hears(
        "ERROR", at=120, run="a"
    ),
    "the older one hangs while starts are missed, and ends": two_runs("SUCCESS", then=700).hears(
        "SUCCESS", at=710, run="a"
    ),
    "the older one hangs while starts are missed, and fails": two_runs("SUCCESS", then=700).hears(
        "ERROR", at=710, run="a"
    ),
    "the older one hangs while the newest runs, and ends": Story(cyclic())
    .hears("STARTED", at=0, run="a")
    .hears("STARTED", at=50, run="b")
    .passes(to=110)
    .hears("NOTE", at=115)
    .hears("STARTED", at=116, run="b")
    .hears("SUCCESS", at=120, run="a"),
    "the older one hangs while the newest runs, and fails": Story(cyclic())
    .hears("STARTED", at=0, run="a")
    .hears("STARTED", at=50, run="b")
    .passes(to=110)
    .hears("ERROR", at=120, run="a"),
    "two hang, and one of them ends": Story(cyclic())
    .hears("STARTED", at=0, run="a")
    .hears("STARTED", at=1, run="b")
    .passes(to=110)
    .hears("SUCCESS", at=120, run="a"),
    "two hang, and one of them fails": Story(cyclic())
    .hears("STARTED", at=0, run="a")
    .hears("STARTED", at=1, run="b")
    .passes(to=110)
    .hears("ERROR", at=120, run="a"),
    "a start is missed while an older run goes on": two_runs("SUCCESS", timeout=HOUR, then=700)
    .hears("NOTE", at=705)
    .hears("STARTED", at=710, run="a")
    .hears("SUCCESS", at=720, run="b")
    .hears("ERROR", at=730, run="c")
    .passes(to=2 * HOUR),
    "a start is missed while an older run goes on, and another ends": two_runs("SUCCESS", timeout=HOUR, then=700).hears(
        "SUCCESS", at=710, run="c"
    ),
    "a start is missed while an older run goes on, and fails": two_runs("SUCCESS", timeout=HOUR, then=700).hears(
        "ERROR", at=710, run="a"
    ),
    "a start is missed while an older run goes on, and then it hangs": two_runs("SUCCESS", timeout=HOUR, then=HOUR + 5),
    "a job not heard of, and a note": Story(cyclic()).hears("NOTE", at=5).hears("ERROR", at=10).hears("NOTE", at=15),
    "a job at rest": Story(cyclic()).hears("SUCCESS", at=5).hears("NOTE", at=10).hears("SUCCESS", at=15),
    "a job at rest that is late": Story(cyclic()).hears("SUCCESS", at=5).passes(to=700),
    "a job at rest that starts": Story(cyclic()).hears("SUCCESS", at=5).hears("STARTED", at=15),
    "a job at rest that fails, and fails": Story(cyclic())
    .hears("SUCCESS", at=5)
    .hears("ERROR", at=10)
    .hears("ERROR", at=15),
    "a job that runs": Story(cyclic()).hears("STARTED", at=5).hears("NOTE", at=10).passes(to=500),
    "a job that is late": Story(cyclic()).passes(to=2000).hears("NOTE", at=2001).hears("STARTED", at=2002),
    "a job that is late and ends": Story(cyclic()).passes(to=2000).hears("SUCCESS", at=2001),
    "a job that is late and fails": Story(cyclic()).passes(to=2000).hears("ERROR", at=2001).passes(to=4000),
    "a job that hangs and starts": Story(cyclic()).hears("STARTED", at=0).passes(to=110).hears("STARTED", at=120),
    "a job that hangs and fails": Story(cyclic()).hears("STARTED", at=0).passes(to=310).hears("ERROR", at=320),
    "a job that failed and starts": Story(cyclic())
    .hears("STARTED", at=0)
    .hears("ERROR", at=10)
    .hears("STARTED", at=20),
    "a job that failed and ends": Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("SUCCESS", at=20),
}
"""Told by hand, because chance meets some of these once in a thousand cases."""


def test_every_state_has_its_row_and_every_signal_its_entry() -> None:
    """The table says of every pair what can come of it, be it nothing."""
    assert set(TRANSITIONS) == set(State) - {State.UNKNOWN}
    assert all(set(row) == set(Signal) - PAUSES for row in TRANSITIONS.values())


@pytest.mark.parametrize("name", STORIES)
def test_what_happens_in_a_story_is_in_the_table(name: str) -> None:
    """A transition that the table does not know is a rule that was broken, or one that was forgotten."""
    assert seen_in(STORIES[name]) <= TABLE


def test_what_is_in_the_table_happens_in_a_story() -> None:
    """An entry that nothing can lead to would be a promise to readers that the program does not keep.

    Those that are told by hand, and lives by chance, of which a few thousand meet nearly all there is.
    """
    seen = set().union(*(seen_in(story) for story in STORIES.values()))
    for number in LIVES:
        seen |= life(number)

    assert seen == TABLE


def test_what_happens_by_chance_is_in_the_table() -> None:
    """Cases in which as many rules as possible meet know no transition more."""
    seen: set[Transition] = set()
    for seed in range(60):
        seen |= seen_by(Watch(random_case(random.Random(seed), most=25)))

    assert seen <= TABLE
    assert len(seen) > len(TABLE) * 0.3
