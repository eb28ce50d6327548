"""Events are found once, in order; what is judged anew is added and never rewritten."""

from collections.abc import Sequence
from typing import Any

import pytest
from cases import Case, cases
from effort import checkpoints_every, examples
from hypothesis import given
from hypothesis import strategies as st
from story import Story, T, cyclic, on_demand
from watching import Watch

from job_tracker.core import events
from job_tracker.core.events import Event
from job_tracker.core.finding import found, of_change
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.record import Step
from job_tracker.core.standing import Outcome
from job_tracker.core.step import step

RUN = (("STARTED", 10), ("SUCCESS", 20))


class Told:
    """A log in memory that forgets nothing; numbered: all events, in the order in which they were told."""

    reach = 0  # it forgets nothing

    def __init__(self) -> None:
        self.numbered: list[tuple[int, Event]] = []

    def take(self, fresh: Sequence[Event]) -> None:
        """Number them, as the ledger does."""
        numbers = {event: len(self.numbered) + at for at, event in enumerate(fresh, start=1)}
        for event in fresh:
            corrects = tuple(numbers[each] if isinstance(each, Event) else each for each in event.corrects)
            object.__setattr__(event, "corrects", corrects)
            self.numbered.append((numbers[event], event))

    def of(self, job: str, since: int) -> list[tuple[int, Event]]:
        """See `events.Log`."""
        return [(seq, each) for seq, each in self.valid if each.job == job and each.at > since]

    @property
    def valid(self) -> list[tuple[int, Event]]:
        """Those that no other one corrects."""
        corrected = {seq for _, each in self.numbered for seq in each.corrects}
        return [(seq, each) for seq, each in self.numbered if seq not in corrected]


class Telling(Watch):
    """A replay that tells what each step found."""

    def __init__(self, case: Case, **keys: Any) -> None:
        self.log = Told()
        super().__init__(case, **keys)

    def advance(self, messages: Any, now: int) -> Step:
        """One step, with its trail, told before it is kept."""
        heard, before = tuple(messages), self.board
        made = step(before, self.jobs, heard, self.watermarks(now), now, self.archive, self.most, trail=True)
        self.log.take(found(made, before, self.jobs, self.archive, self.log))
        self.archive.keep(made.records)
        self.board = made.board
        return made


class Tale(Story):
    """A story that keeps what was told."""

    def __init__(self, *jobs: Any, **keys: Any) -> None:
        self.log = Told()
        super().__init__(*jobs, **keys)

    def look(self, messages: Any = ()) -> Step:
        """The same, told."""
        made = step(self.board, self.jobs, messages, self.watermarks(), self.now, self.archive, trail=True)
        self.log.take(found(made, self.board, self.jobs, self.archive, self.log))
        self.archive.keep(made.records)
        self.board, self.wake = made.board, made.wake
        return made

    @property
    def told(self) -> list[str]:
        """The kinds of all events, in order."""
        return [each.kind for _, each in self.log.numbered]

    def newest(self, kind: str) -> tuple[int, Event]:
        """The last event of a kind, with its number."""
        return [(seq, each) for seq, each in self.log.numbered if each.kind == kind][-1]


# --- properties -------------------------------------------------------------------------------------------------------


@examples(60)
@given(cases(), st.integers(0, 2), st.sampled_from([1, 5, 64]))
def test_what_stands_of_the_events_is_what_the_runs_are(case: Case, most: int, every: int) -> None:
    """Who follows the log and heeds corrections knows every run with its outcome, and no other."""
    with checkpoints_every(every):
        watch = Telling(case, most=most or None)

    ended = sorted(
        (key, run.id or "", run.begun or -1, run.outcome.value)
        for key, runs in watch.archive.runs.items()
        for run in runs.values()
        if run.outcome is not Outcome.OPEN
    )
    told = sorted(
        (each.job, each.id or "", _begun(each), each.body["outcome"])
        for _, each in watch.log.valid
        if each.kind in events.END_KINDS
    )
    assert told == ended


@examples(60)
@given(cases())
def test_a_step_that_leaves_no_trail_finds_nothing_of_runs(case: Case) -> None:
    """With the log off there is nothing to walk through, and the board is the same."""
    assert Telling(case).board == Watch(case).board


def _begun(event: Event) -> int:
    begin = event.body["begin"]
    return -1 if begin is None else round(begin * 1_000_000)


# --- stories ----------------------------------------------------------------------------------------------------------


def test_a_run_is_told_as_it_goes() -> None:
    """Start and end are an event each, with what the job showed before and then."""
    tale = Tale(on_demand())

    tale.hears("STARTED", 10, run="a").hears("SUCCESS", 40, run="a", exit_code=0)

    assert tale.told == ["run.started", "job.changed", "run.succeeded", "job.changed"]
    _, end = tale.newest(events.SUCCEEDED)
    assert (end.run, end.id, end.late) == (1, "a", False)
    assert (end.body["seconds"], end.body["exit_code"], end.body["source"]) == (30.0, 0, "app1")


def test_what_was_over_before_anybody_could_be_told_is_late_and_no_flood() -> None:
    """After an hour's silence a job that ran well six times is six starts that are late, six ends, and no change."""
    tale = Tale(cyclic(interval=600))
    tale.hears("STARTED", 10, run="0").hears("SUCCESS", 20, run="0").source_vanishes(30)
    told = len(tale.told)

    messages = [
        {"event": event, "timestamp": 1_749_600_000 + 600 * number + second, "run": str(number)}
        for number in range(1, 6)
        for event, second in (("STARTED", 10), ("SUCCESS", 20))
    ]
    tale.source_returns(3030, *messages)

    fresh = [each for _, each in tale.log.numbered[told:]]
    assert [each.kind for each in fresh if each.kind in (events.UNSEEN, events.SEEN)] == [events.UNSEEN, events.SEEN]
    assert [each.late for each in fresh if each.kind == events.STARTED] == [True] * 5
    assert [each.late for each in fresh if each.kind == events.SUCCEEDED] == [False] * 5
    assert events.CHANGED not in [each.kind for each in fresh]


def test_missed_starts_that_are_found_at_once_are_one_event() -> None:
    """An hour that nobody looked at is one event with a count, dated with the last of the deadlines."""
    tale = Tale(cyclic(interval=600))
    tale.hears("STARTED", 10).hears("SUCCESS", 20).source_vanishes(30)

    tale.source_returns(3700)

    _, missed = tale.newest(events.MISSED)
    assert (missed.body["count"], missed.body["first"]) == (6, 1_749_600_000 + 615.0)


def test_a_late_start_takes_the_missed_one_back() -> None:
    """What was told stays in the log; the job's change names it as what is no longer so."""
    tale = Tale(cyclic(interval=600))
    tale.hears("STARTED", 10).hears("SUCCESS", 20).passes(700)
    number, _ = tale.newest(events.MISSED)
    before = list(tale.log.numbered)

    tale.hears("STARTED", 609, arrives=701)

    assert tale.log.numbered[: len(before)] == before
    _, started = tale.newest(events.STARTED)
    assert started.late
    _, changed = tale.newest(events.CHANGED)
    assert changed.corrects == (number,)


def test_a_last_word_corrects_what_was_told_of_the_run() -> None:
    """A run that failed and then says that it went well is told twice, the second time naming the first."""
    tale = Tale(on_demand(max_errors=2))
    tale.hears("STARTED", 10, run="a").hears("ERROR", 40, run="a")
    number, _ = tale.newest(events.FAILED)

    tale.hears("SUCCESS", 50, run="a")

    _, end = tale.newest(events.SUCCEEDED)
    assert end.corrects == (number,)


def test_a_run_that_was_given_up_is_lost_when_the_newer_one_starts() -> None:
    """The moment is that of the newer start, for it is what made it true."""
    tale = Tale(on_demand(timeout=100, max_errors=9))

    tale.hears("STARTED", 10).hears("STARTED", 50)

    _, lost = tale.newest(events.LOST)
    assert (lost.run, lost.at - 1_749_600_000_000_000) == (1, 50_000_000)


def test_only_the_first_timeout_of_a_run_is_told() -> None:
    """The second says nothing new; counts show it."""
    tale = Tale(on_demand(timeout=100, max_errors=9))

    tale.hears("STARTED", 10).passes(500)

    assert tale.told.count(events.TIMEOUT) == 1


def test_a_clock_that_was_set_back_takes_back_what_it_made_missed() -> None:
    """What the clock that ran ahead made missed is corrected, and nothing is removed."""
    tale = Tale(cyclic(interval=600))
    tale.hears("STARTED", 10).hears("SUCCESS", 20).clock_turns(10_000)
    number, _ = tale.newest(events.MISSED)

    tale.clock_is_set_back(100)

    assert number not in [seq for seq, _ in tale.log.valid]


def test_an_hour_without_a_source_is_no_flood_with_a_thousand_jobs() -> None:
    """Each job is told unseen and seen once, and of its runs what became of them; nothing of what lay in between."""
    jobs = [cyclic(interval=600, name=f"J{number}") for number in range(1000)]
    tale = Tale(*jobs)
    spoken = [{"event": event, "timestamp": T + second, "job": job.name} for job in jobs for event, second in RUN]
    tale.hears_at_once(30, *spoken).source_vanishes(40).passes(3000)
    told = len(tale.log.numbered)
    away = [
        {"event": event, "timestamp": T + 600 * turn + second, "job": job.name}
        for job in jobs
        for turn in range(1, 6)
        for event, second in RUN
    ]

    tale.source_returns(3300, *away)

    assert [each.kind for _, each in tale.log.numbered].count(events.UNSEEN) == 1000
    kinds = [each.kind for _, each in tale.log.numbered[told:]]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {
        events.SEEN: 1000,
        events.STARTED: 5000,
        events.SUCCEEDED: 5000,
    }


def test_a_deadline_that_was_overtaken_is_told_though_the_log_reaches_less_far() -> None:
    """It was not judged before, so nobody can have been told, however little the log remembers."""
    tale = Tale(cyclic(interval=600, sources=("app1", "app2")), sources=("app1", "app2"))
    tale.hears("STARTED", 10).hears("SUCCESS", 20).source_vanishes(30, source="app2")
    tale.hears("STARTED", 1900)
    tale.log.reach = (T + 10_000) * 1_000_000

    tale.source_returns(1950, source="app2")

    _, missed = tale.newest(events.MISSED)
    assert missed.body["count"] == 3


@pytest.mark.parametrize(("heard", "late"), [(50, False), (200, True)])
def test_a_pause_that_was_over_before_anybody_heard_of_it_is_told_late(heard: float, late: bool) -> None:
    """Who is told of it need not wait for its end any more, for that is told with it."""
    tale = Tale(on_demand())
    note = {"author": "anna", "why": "the disk is moved", "until": T + 100}

    tale.hears("PAUSE", 20, arrives=heard, source=OPERATOR, message=note).passes(to=300)

    assert tale.newest(events.PAUSED)[1].late is late
    assert tale.told == [events.PAUSED, events.RESUMED]


def test_what_a_step_hears_of_long_ago_is_told_though_the_log_reaches_less_far() -> None:
    """It is said only now, so nobody can have been told, however little the log remembers."""
    tale = Tale(on_demand())
    tale.hears("STARTED", 10, run="a").hears("SUCCESS", 20, run="a")
    tale.log.reach = (T + 10_000) * 1_000_000

    tale.hears("STARTED", 5, arrives=30, run="b")

    assert tale.newest(events.STARTED)[1].id == "b"


def test_a_change_alone_is_told_by_what_it_shows() -> None:
    """A reload changes what a job shows without an item of its own."""
    story = Story(on_demand(max_errors=1))
    story.hears("STARTED", 10).hears("ERROR", 40)
    change = story.changes[-1]

    told = of_change(change)

    assert (told.kind, told.at, told.job) == (events.CHANGED, change.at, change.job.key)


def test_what_is_used_is_told_with_the_end() -> None:
    """It is why somebody follows the log at all, now and then."""
    tale = Tale(on_demand())

    tale.hears("STARTED", 10).hears("SUCCESS", 20, usage={"user_sec": 1.5})

    assert tale.newest(events.SUCCEEDED)[1].body["usage"] == {"user_sec": 1.5}


def test_a_pause_that_ends_as_it_begins_is_not_told() -> None:
    """Nothing was silenced by it."""
    tale = Tale(on_demand())
    tale.hears("PAUSE", 20, source=OPERATOR, message={"author": "anna", "why": "moved", "until": T + 100})

    tale.hears("PAUSE", 30, source=OPERATOR, message={"author": "anna", "why": "done", "until": T + 30})

    assert tale.told.count(events.PAUSED) == 1


def test_what_the_log_has_forgotten_is_not_told_again() -> None:
    """A late word folds a job anew from where it belongs; its runs behind that were told, and pruned since."""
    tale = Tale(on_demand())
    for turn in range(3):
        tale.hears("STARTED", 100 * turn + 10, run=f"r{turn}").hears("SUCCESS", 100 * turn + 20, run=f"r{turn}")
    tale.log.numbered.clear()
    tale.log.reach = (T + 1000) * 1_000_000

    tale.hears("STARTED", 50, arrives=500, run="late")

    assert tale.told == [events.STARTED]


def test_of_missed_starts_that_were_told_together_those_that_hold_are_told_anew() -> None:
    """A start among them that is heard late leaves the others missed; the sum that was told is no longer so."""
    tale = Tale(cyclic(interval=600))
    tale.hears("STARTED", 10).hears("SUCCESS", 20).source_vanishes(30).passes(2500)
    tale.source_returns(2600)
    number, missed = tale.newest(events.MISSED)
    assert missed.body["count"] == 4

    tale.hears("STARTED", 1250, arrives=2700)

    _, anew = tale.newest(events.MISSED)
    assert anew.corrects == (number,)
    assert anew.body["count"] < 4


def test_a_run_without_an_id_is_known_by_its_begin_when_it_is_told_anew() -> None:
    """A start heard late moves the numbers of all runs behind it; what was told of them is still so."""
    tale = Tale(on_demand(max_errors=9))
    tale.hears("STARTED", 100).hears("ERROR", 110).hears("STARTED", 200).hears("ERROR", 210)
    before = len(tale.log.numbered)

    tale.hears("STARTED", 50, arrives=300).hears("ERROR", 60, arrives=300)

    assert not [
        each for _, each in tale.log.numbered[before:] if each.kind == events.FAILED and each.body["begin"] == T + 100
    ]


def test_a_log_in_which_nothing_was_told_knows_of_nothing() -> None:
    """A tracker that begins now has it."""
    assert (events.Nothing(7).reach, events.Nothing().of("LOAD__P", 0)) == (7, ())


def test_a_source_is_told_by_its_name() -> None:
    """No job is meant by it."""
    told = events.of_source(events.SOURCE_NOTICED, 5, "app1", text="it was restarted")

    assert (told.job, dict(told.body)) == ("", {"source": "app1", "text": "it was restarted"})
