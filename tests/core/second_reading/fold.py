"""Folding: messages and deadlines in the order of their moments, each doing what the rules say of it.

Rule: a message at the very moment of a deadline is folded before it.
Rule: at equal moments the end of a pause comes first, then timeouts, then missed starts.
Rule: deadlines are judged only before a horizon: up to there it is known that nothing was missed.  Messages are folded
wherever they lie.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from second_reading import expected, windows
from second_reading.messages import Message
from second_reading.promise import Promise
from second_reading.runs import CLOSED_BY_A_WORD, Pause, Run, Story
from second_reading.zones import DAY

END_OF_PAUSE, TIMEOUT, MISSED = range(3)


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A moment at which something will be late; run: whose timeout it is."""

    at: int
    rank: int
    run: Run | None = None


def fold(
    promise: Promise, known_since: int, messages: Iterable[Message], horizon: int, more: int = 0
) -> tuple[Story, int]:
    """Judge a job from all its messages, and by all deadlines before the horizon, and by so many more at the horizon.

    Returns also how many of these there were.
    """
    story, judged = Story(promise=promise, known_since=known_since), 0
    _look_ahead(story)
    for message in [*sorted(messages, key=lambda message: message.place), None]:
        while (deadline := next_deadline(story)) is not None and (message is None or deadline.at < message.at):
            if deadline.at > horizon or (deadline.at == horizon and judged >= more):
                break
            judged += deadline.at == horizon
            _judge(story, deadline)
        if message is not None:
            _take(story, message)
            _look_ahead(story)
    return story, judged


def first_deadline(
    promise: Promise, known_since: int, messages: Iterable[Message], horizon: int, until: int
) -> int | None:
    """Find the first moment from the horizon on at which something would be late; None: there is none until then."""
    story = Story(promise=promise, known_since=known_since)
    _look_ahead(story)
    for message in [*sorted(messages, key=lambda message: message.place), None]:
        limit = until + 1 if message is None else min(message.at, until + 1)
        while (deadline := next_deadline(story)) is not None and deadline.at < limit:
            if deadline.at >= horizon and not (deadline.rank == MISSED and _forgives(story, deadline.at)):
                return deadline.at
            _judge(story, deadline)
        if message is not None:
            _take(story, message)
            _look_ahead(story)
    return None


def next_deadline(story: Story) -> Deadline | None:
    """Find what is late next if nothing is heard."""
    found = [
        Deadline(at=run.next_timeout, rank=TIMEOUT, run=run) for run in story.open_runs if run.next_timeout is not None
    ]
    if story.pause is not None:
        found.append(Deadline(at=story.pause.end, rank=END_OF_PAUSE))
    if (missed := _next_missed(story)) is not None:
        found.append(Deadline(at=missed, rank=MISSED))
    return min(found, key=lambda deadline: (deadline.at, deadline.rank), default=None)


# -- deadlines


def _next_missed(story: Story) -> int | None:
    if story.promise.sequence is None:
        is_open = story.last_run is not None and story.last_run.is_open
        return None if is_open else story.next_missed
    awaited = _next_expected(story)
    return None if awaited is None else _deadline_of(story.promise, awaited)


def _next_expected(story: Story) -> int | None:
    """Find the first E that was neither made nor forgiven, and whose deadline was not judged yet."""
    assert story.promise.sequence is not None
    known = [moment for moment in (story.settled, story.passed) if moment is not None]
    if not story.seen:
        known.append(story.known_since - 1)
    return story.promise.sequence.after(max(known))


@lru_cache(maxsize=100_000)
def _deadline_of(promise: Promise, awaited: int) -> int:
    """Find the deadline of an E: moved out of quiet windows, but not before that of any E before it."""
    assert promise.sequence is not None
    late = promise.max_delay + promise.grace
    deadline = windows.moved(promise.windows, awaited + late, promise.grace)
    if not promise.windows.ends_between(awaited + late - promise.grace, awaited + late):
        return deadline
    # A window ended less than the grace ago: an earlier E, moved to that end plus the grace, would come after this one.
    earlier = promise.sequence.before(awaited)
    while earlier is not None and earlier > awaited - windows.FAR * DAY:
        deadline = max(deadline, windows.moved(promise.windows, earlier + late, promise.grace))
        earlier = promise.sequence.before(earlier)
    return deadline


def _judge(story: Story, deadline: Deadline) -> None:
    if deadline.rank == END_OF_PAUSE:
        _end_pause(story)
        return
    counts = not (story.pause is not None and story.pause.begin <= deadline.at < story.pause.end)
    if deadline.run is not None:
        _time_out(deadline.run, story.promise, deadline.at, counts=counts)
    elif story.promise.sequence is not None:
        _miss_expected(story, deadline.at, counts=counts)
    else:
        _miss_due(story, deadline.at, counts=counts)


def _time_out(run: Run, promise: Promise, at: int, *, counts: bool) -> None:
    if not counts:
        run.next_timeout = None
        return
    run.errors += 1
    run.timeouts += 1
    run.next_timeout = windows.moved(promise.windows, at + promise.timeout, promise.grace)


def _miss_expected(story: Story, at: int, *, counts: bool) -> None:
    """Of several E with one deadline only the last counts; while the newest run is open, none does."""
    promise = story.promise
    last = _next_expected(story)
    assert last is not None
    assert promise.sequence is not None
    while (later := promise.sequence.after(last)) is not None and _deadline_of(promise, later) == at:
        last = later
    story.passed = last
    if _forgives(story, at):
        _settle(story, last)
    elif counts:
        story.missed += 1


def _forgives(story: Story, at: int) -> bool:
    """Say whether an expected start is forgiven since the newest run is open, or ends just now."""
    newest = story.last_run
    return newest is not None and (newest.is_open or newest.ended == at)


def _miss_due(story: Story, at: int, *, counts: bool) -> None:
    if counts:
        story.missed += 1
    else:
        story.missed_in_pause = True
    story.next_missed = _cyclic_deadline(story.promise, at + story.promise.interval)


@lru_cache(maxsize=100_000)
def _cyclic_deadline(promise: Promise, deadline: int) -> int:
    after_end = promise.interval + promise.max_delay + promise.grace
    return windows.moved_cyclic(promise.windows, deadline, after_end=after_end, grace=promise.grace)


def _end_pause(story: Story) -> None:
    """What would have been late within the pause gets its time anew, from the pause's end on."""
    promise, pause = story.promise, story.pause
    assert pause is not None
    story.pause = None
    for run in story.open_runs:
        if run.next_timeout is None:
            run.next_timeout = windows.moved(
                promise.windows, pause.end + promise.timeout + promise.grace, promise.grace
            )
    if promise.sequence is not None:
        _forgive_what_lay_in(story, pause)
    elif promise.kind == "cyclic":
        assert story.due is not None
        if pause.begin <= story.due < pause.end or story.missed_in_pause:
            story.floor = pause.end + promise.interval
            _look_ahead(story)
        story.missed_in_pause = False


def _forgive_what_lay_in(story: Story, pause: Pause) -> None:
    assert story.promise.sequence is not None
    candidate = story.promise.sequence.before(pause.end)
    while candidate is not None and candidate < pause.begin:
        if pause.begin <= _deadline_of(story.promise, candidate) < pause.end:
            break
        if _deadline_of(story.promise, candidate) < pause.begin:
            return
        candidate = story.promise.sequence.before(candidate)
    if candidate is not None:
        _settle(story, candidate)


def _settle(story: Story, expected_start: int) -> None:
    if story.settled is None or expected_start > story.settled:
        story.settled = expected_start


def _look_ahead(story: Story) -> None:
    """Find the due of a cyclic job anew; its deadlines begin anew only where it has changed."""
    due = story.computed_due()
    if due is not None and due != story.due:
        story.due = due
        story.missed_in_pause = False
        story.next_missed = _cyclic_deadline(story.promise, due + story.promise.max_delay + story.promise.grace)


# -- messages


def _take(story: Story, message: Message) -> None:
    match message.word:
        case "pause":
            assert message.until is not None
            _pause(story, message.at, message.until)
        case "resume":
            if _is_paused(story, message.at):
                assert story.pause is not None
                story.pause.end = message.at
        case "start":
            _start(story, message)
        case "end" | "warning" | "error" | "skipped":
            _close(story, message)


def _is_paused(story: Story, at: int) -> bool:
    """Say whether a word of the operator falls into a pause; the very moment of its end still does."""
    return story.pause is not None and at <= story.pause.end


def _pause(story: Story, at: int, until: int) -> None:
    if _is_paused(story, at):
        assert story.pause is not None
        story.pause.end = max(at, until)
    elif until > at:
        story.pause = Pause(begin=at, end=until)


def _start(story: Story, message: Message) -> None:
    if message.run is not None and any(run.id == message.run for run in story.open_runs):
        return
    run = _run_that_ended_before_its_start(story, message)
    if run is None:
        run = Run(id=message.run, begun=message.at, outcome="open", made_by=message)
        run.next_timeout = _first_timeout(story.promise, message.at)
        story.runs.append(run)
    else:
        run.begun = run.ended = message.at
        run.stepped = True
    for older in story.older_than(run):
        if older.is_open and _is_lost_by_start(story.promise, older, run):
            _lose(story.promise, older, run)
    _make_expected(story, message.at)


def _run_that_ended_before_its_start(story: Story, message: Message) -> Run | None:
    """Find the run whose end was heard first since a clock stepped within it, or since two hosts' clocks differ."""
    last, grace = story.last_run, story.promise.grace
    if last is None or message.run is None or last.id != message.run or last.begun is not None:
        return None
    maker = last.made_by
    if maker.source == message.source:
        return last if maker.number > message.number else None
    return last if message.at - maker.at <= grace else None


def _first_timeout(promise: Promise, begun: int) -> int:
    late = begun + promise.timeout
    if promise.end_by is not None and promise.sequence is not None:
        made = promise.sequence.made_by(begun)
        if made is not None:
            by = expected.end_by(promise.zone, made, promise.end_by)
            if begun < by:
                late = min(late, by)
    return windows.moved(promise.windows, late + promise.grace, promise.grace)


def _is_lost_by_start(promise: Promise, older: Run, newer: Run) -> bool:
    if older.id is None or newer.id is None:
        return True
    return older.timeouts > 0 and not promise.lists_skipped


def _lose(promise: Promise, older: Run, newer: Run) -> None:
    older.outcome, older.next_timeout = "lost", None
    if older.timeouts > 0:
        return
    if promise.kind == "cyclic" and older.begun is not None and newer.begun is not None:
        window = promise.windows.at(older.begun)
        if window is not None and window == promise.windows.at(newer.begun):
            return
    older.errors += 1


def _make_expected(story: Story, at: int) -> None:
    story.seen = True
    story.missed = 0
    if story.promise.sequence is not None:
        made = story.promise.sequence.made_by(at)
        # Where there is none to make, all of them are yet to come.
        _settle(story, at if made is None else made)


def _close(story: Story, message: Message) -> None:
    run = _which_run(story, message)
    if message.word == "skipped":
        if run is not None and run.is_open:
            run.outcome, run.ended, run.next_timeout = "skipped", message.at, None
        return
    word = message.word
    if run is not None and word in ("end", "warning") and _is_too_short(story.promise, run, message):
        word = "error"
    if run is None:
        run = Run(id=message.run, begun=None, outcome="open", made_by=message)
        story.runs.append(run)
        _make_expected(story, message.at)
    if word != "error" or run.outcome not in CLOSED_BY_A_WORD:
        _lose_what_timed_out_before(story, run)
        run.ended = message.at
    run.next_timeout = None
    if word == "error":
        run.outcome = "badly"
        run.errors += 1
        return
    run.outcome = "well" if word == "end" else "warned"
    for older in [*story.older_than(run), run]:
        if not older.is_open:
            older.errors = 0


def _which_run(story: Story, message: Message) -> Run | None:
    """Find the run that an end or an error is about; None: one whose start was not seen."""
    if message.run is not None:
        return next((run for run in reversed(story.runs) if run.id == message.run), None)
    if story.open_runs:
        return story.open_runs[-1]
    newest = story.newest
    if newest is not None and newest.outcome == "badly" and story.missed == 0 and _lies_before_next(story, message.at):
        return newest
    return None


def _lies_before_next(story: Story, at: int) -> bool:
    """Say whether a moment lies before the next expected start: cyclic, its due; else E − early."""
    if story.promise.kind == "cyclic":
        assert story.due is not None
        return at < story.due
    sequence = story.promise.sequence
    if sequence is None:
        return True
    assert story.settled is not None
    awaited = sequence.after(story.settled)
    return awaited is None or at < awaited - sequence.early(awaited)


def _is_too_short(promise: Promise, run: Run, message: Message) -> bool:
    if message.by_operator or run.begun is None or run.stepped:
        return False
    return message.at - run.begun < promise.min_duration


def _lose_what_timed_out_before(story: Story, ending: Run) -> None:
    """Where skipped runs are usual, a run that hangs is lost when a newer one ends, not when it starts."""
    if not story.promise.lists_skipped:
        return
    for older in story.older_than(ending):
        if older.is_open and older.timeouts > 0:
            _lose(story.promise, older, ending)
