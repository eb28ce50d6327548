"""What holds of every case, whatever the configuration, the messages and the outages are.

Cases are drawn by `cases`, in which as many rules as possible meet; the second opinion is `oracle`.
"""

import json
from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Any

from cases import Case, cases
from checkpointing import Checkpointing
from consistency import BOOKKEEPING, HOW_IT_WAS_HEARD, HOW_IT_WAS_LOOKED_AT, consistent, rightly_shown, values
from effort import checkpoints_every, examples
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import replay as second_opinion
from story import T
from watching import Restarted, Watch

from job_tracker.core.messages import Message
from job_tracker.core.record import Change, Step
from job_tracker.core.signals import Signal
from job_tracker.core.standing import Deadline, Outcome, Pause, Rank, Run, Standing, Unseen
from job_tracker.core.states import UNSEEN, Shown, State
from job_tracker.core.texts import describe
from job_tracker.ledger.codec import (
    change_to_row,
    message_from_row,
    message_to_row,
    run_from_row,
    run_to_row,
    standing_from_text,
    standing_to_text,
)
from job_tracker.moments import MICROSECONDS


def carried(watch: Watch, leaving_out: set[str]) -> dict[str, dict[str, Any]]:
    """What every job carries in the end, apart from some fields."""
    return {key: values(standing, leaving_out) for key, standing in watch.standings.items()}


def kept_runs(watch: Watch) -> dict[str, dict[int, Run]]:
    """All runs ever kept, of jobs that had any."""
    return {key: runs for key, runs in watch.archive.runs.items() if runs}


def history(watch: Watch) -> dict[str, list[tuple[int, Shown, Shown]]]:
    """What the ledger would keep of each job's changes, but for its comings and goings from sight."""
    return {
        key: [
            (change.at, change.before, change.after)
            for change in changes
            if UNSEEN not in (change.before.status, change.after.status)
        ]
        for key, changes in watch.history.items()
    }


# --- a second opinion -------------------------------------------------------------------------------------------------


@examples(100)
@given(cases(unnamed=False))
def test_the_second_opinion_agrees_where_every_job_names_its_source(case: Case) -> None:
    """Each line and the end, with outages, late and repeated messages, quiet windows and clocks that change."""
    lines, ends = second_opinion(*case)

    watch = Watch(case)

    assert watch.lines == lines
    assert watch.ends == ends


@examples(100)
@given(cases(outages=False))
def test_the_second_opinion_agrees_where_all_sources_can_be_seen(case: Case) -> None:
    """Each line and the end, for jobs that belong to whoever spoke last as well."""
    lines, ends = second_opinion(*case)

    watch = Watch(case)

    assert watch.lines == lines
    assert watch.ends == ends


# --- how often we look ------------------------------------------------------------------------------------------------


@examples(40)
@given(cases(most=25, words=True), st.lists(st.floats(0, 1), max_size=12))
def test_looking_more_often_changes_nothing(case: Case, places: list[float]) -> None:
    """At any moments besides, and just behind each at which it looks anyway: the same lines, the same board."""
    watch = Watch(case)
    first, last = watch.moments[0], watch.moments[-1]
    looks = [first + round((last - first) * place) for place in places] + [moment + 1 for moment in watch.moments]

    often = Watch(case, looks=tuple(looks))

    assert often.lines == watch.lines
    assert carried(often, BOOKKEEPING) == carried(watch, BOOKKEEPING)


@examples(60)
@given(cases(most=25, unnamed=False, words=True) | cases(most=25, outages=False, words=True))
def test_looking_only_when_something_arrives_leads_to_the_same_end(case: Case) -> None:
    """A tracker that sleeps through all its deadlines finds the same, as of the same moments, when it looks again.

    But for a job that goes over to a source that is away: how far the one before was drained by then is only known to
    somebody who looked.
    """
    watch = Watch(case)

    seldom = Watch(case, patient=True)

    assert seldom.ends == watch.ends
    assert carried(seldom, HOW_IT_WAS_LOOKED_AT) == carried(watch, HOW_IT_WAS_LOOKED_AT)
    assert kept_runs(seldom) == kept_runs(watch)


@examples(60)
@given(cases(most=25, words=True), st.integers(1, 4))
def test_a_little_at_a_time_is_the_same(case: Case, most: int) -> None:
    """However little is done in one step, and with what came late folded at once: the same board and history."""
    watch = Watch(case, patient=True)

    slowly = Watch(case, patient=True, most=most)

    assert slowly.ends == watch.ends
    assert carried(slowly, HOW_IT_WAS_LOOKED_AT) == carried(watch, HOW_IT_WAS_LOOKED_AT)
    assert kept_runs(slowly) == kept_runs(watch)
    assert history(slowly) == history(watch)


@examples(40)
@given(cases(most=25, words=True))
def test_looking_again_changes_nothing(case: Case) -> None:
    """The same moment once more: no change, nothing to write, the same wish to be woken."""
    watch = Watch(case)
    final = watch.steps[-1][2]

    again = watch.advance((), watch.moments[-1])

    assert (again.changes, again.records, again.wake) == ((), {}, final.wake)
    assert again.board == final.board


@examples(50)
@given(cases(most=25, words=True))
def test_the_wake_up_is_never_past_and_nothing_changes_before_it(case: Case) -> None:
    """The daemon may sleep until then, and need not look at any moment between."""
    watch = Watch(case)
    begin, steps = watch.begin, list(watch.steps)

    for (_, _, made, now), (following, heard, _, then) in pairwise(steps):
        assert made.wake is None or made.wake > now
        if heard or made.wake is None or then != made.wake or made.wake - 1 <= now or now < begin:
            continue
        assert following is made.board
        watch.board = made.board
        early = watch.advance((), made.wake - 1)
        assert (early.changes, early.records) == ((), {})
        assert early.wake == made.wake


# --- the order of arrival ---------------------------------------------------------------------------------------------


@examples(40)
@given(cases(most=20, outages=False, late=False, unnamed=False, words=True), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_for_the_end(case: Case, rng: Any) -> None:
    """The same messages, each up to ten minutes later: the same runs, the same verdicts."""
    config, lines, start, _ = case
    stamps = [line["timestamp"] for line in lines]
    # A repeated message is one message: which of its copies is heard first must not matter here.
    assume(len({line.get("uid", number) for number, line in enumerate(lines)}) == len(lines))
    start, until = min(stamps) if start is None else start, max(stamps) + 600
    numbered = [line if "_id" in line else line | {"_id": number} for number, line in enumerate(lines, start=1)]
    shuffled = [line | {"received": line["timestamp"] + rng.randrange(600)} for line in numbered]

    in_order, otherwise = Watch((config, numbered, start, until)), Watch((config, shuffled, start, until))

    assert otherwise.ends == in_order.ends
    assert kept_runs(otherwise) == kept_runs(in_order)
    assert carried(otherwise, HOW_IT_WAS_HEARD) == carried(in_order, HOW_IT_WAS_HEARD)


@examples(40)
@given(cases(most=20, outages=False, late=False, unnamed=False, words=True))
def test_catching_up_at_once_leads_to_the_same_end(case: Case) -> None:
    """“It catches up exactly after its own outage”: all that was sent meanwhile arrives in one delivery."""
    config, lines, start, _ = case
    stamps = [line["timestamp"] for line in lines]
    start, until = min(stamps) if start is None else start, max(stamps) + 600
    held_up = [line | {"received": until} for line in lines]

    live, later = Watch((config, lines, start, until)), Watch((config, held_up, start, until))

    assert later.ends == live.ends
    assert kept_runs(later) == kept_runs(live)


# --- what is kept -----------------------------------------------------------------------------------------------------


@examples(25)
@given(cases(most=20, words=True))
def test_an_old_board_is_never_changed(case: Case) -> None:
    """A step that could not be saved is made once more from the board before it."""
    boards = Remembering(case).boards

    for board, copy in boards:
        assert dict(board.standings()) == copy


class Remembering(Watch):
    """A watch that copies every board before a step has it."""

    def advance(self, messages: Any, now: int) -> Step:
        """As every watch."""
        self.boards = getattr(self, "boards", [])
        self.boards.append((self.board, deepcopy(dict(self.board.standings()))))
        return super().advance(messages, now)


@examples(50)
@given(cases(most=25, words=True), st.sampled_from([1, 2, 3, 5, 64]))
def test_folding_again_from_a_checkpoint_is_folding_again_from_the_beginning(case: Case, every: int) -> None:
    """What the ledger forgets of a job's life, a late message does not need."""
    watch = Watch(case)

    with checkpoints_every(every):
        short = Watch(case, archive=Checkpointing)

    assert short.lines == watch.lines
    assert carried(short, BOOKKEEPING) == carried(watch, BOOKKEEPING)
    assert kept_runs(short) == kept_runs(watch)


@examples(40)
@given(cases(most=20, words=True), st.sampled_from([1, 3, 64]))
def test_killed_after_any_step_and_resumed_it_ends_in_the_same_board(case: Case, every: int) -> None:
    """“killed and resumed anywhere, it ends in the same board”, with nothing but what the ledger writes down."""
    watch = Watch(case)

    with checkpoints_every(every):
        resumed = Restarted(case, archive=Checkpointing)

    assert resumed.lines == watch.lines
    assert carried(resumed, BOOKKEEPING) == carried(watch, BOOKKEEPING)
    assert kept_runs(resumed) == kept_runs(watch)


@examples(40)
@given(cases(most=25, words=True), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 5]))
def test_a_short_history_never_makes_a_board_that_contradicts_itself(case: Case, history: int, every: int) -> None:
    """What comes from before the kept history is folded at its beginning; the counts still add up."""
    with checkpoints_every(every):
        watch = Restarted(case, archive=partial(Checkpointing, history=history))

    for _, _, made, _ in watch.steps:
        for _, standing in made.board.standings():
            assert consistent(standing)


@examples(40)
@given(cases(most=30, words=True))
def test_every_board_is_consistent(case: Case) -> None:
    """Errors are the sum of the runs' errors, the state is what the runs amount to, and the newest run is kept."""
    watch = Watch(case)

    for _, _, made, _ in watch.steps:
        for key, standing in made.board.standings():
            assert consistent(standing)
            assert rightly_shown(watch.jobs.by_key[key], standing)


@examples(40)
@given(cases(most=25, words=True))
def test_every_change_leads_from_what_was_shown_before_and_has_its_text(case: Case) -> None:
    """The lines of a job are a chain, and every text begins with the word of the state that is shown."""
    watch = Watch(case)
    shown = {key: Shown(State.NEVER_RAN, 0, 0, 0) for key in watch.jobs.by_key}

    for _, _, made, _ in watch.steps:
        for change in made.changes:
            assert change.before == shown[change.job.key]
            assert change.after != change.before
            assert describe(change.job, change.standing).startswith(f"{change.after.state.value} since ")
            shown[change.job.key] = change.after

    assert shown == watch.final()


# --- the codec --------------------------------------------------------------------------------------------------------

moments = st.integers(0, 1 << 62)
optional = st.none() | moments
words = st.text(max_size=20)
usages = st.none() | st.dictionaries(
    st.sampled_from(["user_sec", "waits"]), st.integers(0, 9) | st.floats(0, 9), min_size=1
)
places = st.none() | st.tuples(moments, words, moments)
runs = st.builds(
    Run,
    order=st.integers(1, 1000),
    id=st.none() | words,
    begun=optional,
    outcome=st.sampled_from(Outcome),
    ended=optional,
    errors=st.integers(0, 99),
    timeouts=st.integers(0, 99),
    timeout_at=optional,
    text=words,
    exit_code=st.none() | st.integers(-255, 255),
    usage=usages,
    is_out_of_order=st.booleans(),
)
standings = st.builds(
    Standing,
    known_since=moments,
    promised_since=moments,
    runs=st.lists(runs, max_size=4).map(tuple),
    count=st.integers(0, 1000),
    errors=st.integers(0, 99),
    missed=st.integers(0, 99),
    last_start=optional,
    last_end=optional,
    source=st.none() | words,
    delivered=st.integers(-1, 1 << 62),
    former_source_drained=st.integers(-1, 1 << 62),
    expected=optional,
    missed_at=optional,
    awaits_from=moments,
    last=places,
    last_begun=optional,
    opened_by=places,
    pause=st.none() | st.builds(Pause, begin=moments, end=moments, text=words),
    paused_until=optional,
    judged=optional,
    overtaken=st.none() | st.builds(Deadline, moments, st.sampled_from(Rank), st.integers(0, 1000)),
    serial=moments,
    checkpointed=moments,
    state=st.sampled_from(State),
    since=moments,
    unseen=st.none() | st.builds(Unseen, since=moments, deadline=moments, source=words, unheard_since=moments),
)
messages = st.builds(
    Message,
    moment=moments,
    source=words,
    number=st.integers(-(1 << 63), (1 << 63) - 1),
    name=words,
    env=words,
    event=words,
    received=moments,
    claimed=moments,
    text=words,
    uid=words,
    run=st.none() | words,
    exit_code=st.none() | st.integers(-255, 255),
    signal=st.none() | st.sampled_from(Signal),
    usage=usages,
    until=optional,
    key=words,
)


@examples(200)
@given(runs)
def test_reading_a_run_undoes_writing_it(run: Run) -> None:
    """A row has all of it."""
    assert run_from_row(run_to_row(run)) == run


@examples(200)
@given(messages)
def test_reading_a_message_undoes_writing_it(message: Message) -> None:
    """A row has all of it, also the place where it is folded."""
    found = message_from_row(message_to_row(message), message.key)

    assert (found, found.position, found.key) == (message, message.position, message.key)


@examples(200)
@given(standings)
def test_reading_a_standing_undoes_writing_it(standing: Standing) -> None:
    """The deadline that comes first is not written: it follows from the runs and the start that is missed next."""
    found = standing_from_text(standing_to_text(standing, with_runs=True))
    standing.deadline = found.deadline

    assert found == standing
    assert type(found.overtaken) is type(standing.overtaken)


@examples(100)
@given(standings)
def test_reading_a_standing_without_its_runs_takes_those_that_were_kept_apart(standing: Standing) -> None:
    """Runs are rows of their own; a standing's text does not repeat them."""
    text = standing_to_text(standing, with_runs=False)

    assert "runs" not in json.loads(text)
    assert standing_from_text(text, standing.runs).runs == standing.runs


@examples(30)
@given(cases(most=20, words=True))
def test_the_deadline_of_a_read_standing_is_the_one_it_was_written_with(case: Case) -> None:
    """What follows from a standing is the same before and behind a restart."""
    for _, standing in Watch(case).board.standings():
        assert standing_from_text(standing_to_text(standing, with_runs=True)).deadline == standing.deadline


def test_a_change_is_written_with_what_was_shown_before_and_then() -> None:
    """The history tells alarms without folding anything again."""
    case: Case = (CONFIG, [{"timestamp": T, "instance": "P", "job": "LOAD", "event": "STARTED"}], None, T + 106)

    row = change_to_row(last_change(Watch(case)))

    assert row == (
        2,
        (T + 105) * MICROSECONDS,
        "RUNNING",
        0,
        "TIMEOUT",
        2,
        1,
        0,
        "TIMEOUT since 2025-06-11 00:01:45 (1 of 1 errors): running since 2025-06-11 00:00:00, 00:01:40 allowed",
    )


CONFIG = {
    "global_config": {"time_zone": "UTC"},
    "source_hosts": [],
    "jobs": [
        {
            "name": "LOAD",
            "env": "P",
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": "00:10:00",
            "timeout_in_hh:mm:ss": "00:01:40",
        }
    ],
}


def last_change(watch: Watch) -> Change:
    """The last change that was found."""
    return [change for _, _, made, _ in watch.steps for change in made.changes][-1]
