"""Codec: the core's words as rows and JSON texts, and back.

Rule: decoding undoes encoding exactly; the ledger's tables know no other shapes than these.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from types import NoneType
from typing import Any

from job_tracker.core.deadlines import next_deadline
from job_tracker.core.intake import Why
from job_tracker.core.messages import Message, Position, Usage
from job_tracker.core.record import Change
from job_tracker.core.signals import Signal
from job_tracker.core.standing import Deadline, Outcome, Pause, Rank, Run, Standing, Unseen
from job_tracker.core.states import State
from job_tracker.core.texts import describe

Row = tuple[Any, ...]

Whole, Text = (int,), (str,)
MaybeWhole, MaybeText = (int, NoneType), (str, NoneType)
"""What a column holds; SQLite itself keeps anything anywhere."""

RUN = (Whole, MaybeText, MaybeWhole, Text, MaybeWhole, Whole, Whole, MaybeWhole, Text, MaybeWhole, MaybeText, Whole)
MESSAGE = (
    *(Whole, Text, Whole, Whole, Whole, Text, Text, Text, Text, Text, MaybeText, MaybeWhole),
    *(MaybeText, MaybeText, MaybeWhole),
)
CHANGE = (Whole, Whole, Text, Whole, Text, Whole, Whole, Whole, Text, Whole)
UNMATCHED = (Text, Text, Text, Text, Whole, Whole, Whole, Text)
STRAY = (Text, Text, Whole)
SUBJECT = (Text, Whole)
WAITING = (Whole, Text, Whole, Text, Whole, Text, Whole, Whole)
TOLD = (Text, Text, Whole)
EVENT = (Whole, Whole, Whole, Text, MaybeText, MaybeWhole, Whole, MaybeText, Text)
REMOTE_JOB = (Text, Text, Text, Text, *(Whole,) * 6, MaybeWhole)
DRAINED = (Text, Whole)
MEMENTO = (Text, MaybeText, MaybeText, MaybeText)

_PLAIN = tuple(
    each.name
    for each in fields(Standing)
    if each.name not in {"runs", "state", "unseen", "pause", "last", "opened_by", "changed", "deadline", "overtaken"}
)

_plain_of = attrgetter(*_PLAIN)
_encode = json.JSONEncoder(separators=(",", ":")).encode


def checked(row: Row, kinds: Sequence[tuple[type, ...]]) -> Row:
    """The row, if each of its values is of its kind.  Raises TypeError."""
    if not all(map(isinstance, row, kinds)):
        raise TypeError(f"a row holds something else than was written: {row!s:.200}")
    return row


def why_to_text(why: Why, detail: str) -> str:
    """A reason as it is kept."""
    return f"{why.value} {detail}" if detail else why.value


def why_from_text(text: str) -> tuple[Why, str]:
    """A reason and what it is about; of one that no longer has a value there are only the words."""
    value, _, detail = text.partition(" ")
    try:
        return Why(value), detail
    except ValueError:
        return Why.UNREADABLE, text


def standing_to_text(standing: Standing, *, with_runs: bool) -> str:
    """A standing as JSON; its runs only where they are not kept as rows of their own."""
    body: dict[str, Any] = dict(zip(_PLAIN, _plain_of(standing), strict=True))
    body["state"] = standing.state.value
    body["last"], body["opened_by"] = standing.last, standing.opened_by
    body["overtaken"] = standing.overtaken
    unseen, pause = standing.unseen, standing.pause
    body["unseen"] = unseen and [unseen.since, unseen.deadline, unseen.source, unseen.unheard_since]
    body["pause"] = pause and [pause.begin, pause.end, pause.text]
    if with_runs:
        body["runs"] = [run_to_row(run) for run in standing.runs]
    return _encode(body)


def standing_from_text(text: str, runs: tuple[Run, ...] = ()) -> Standing:
    """The standing that a JSON text tells of."""
    body = json.loads(text)
    unseen, pause = body["unseen"], body["pause"]
    standing = Standing(
        **{name: body[name] for name in _PLAIN},
        state=State(body["state"]),
        last=_position(body["last"]),
        opened_by=_position(body["opened_by"]),
        overtaken=None if body["overtaken"] is None else _deadline(*body["overtaken"]),
        unseen=unseen and Unseen(since=unseen[0], deadline=unseen[1], source=unseen[2], unheard_since=unseen[3]),
        pause=pause and Pause(begin=pause[0], end=pause[1], text=pause[2]),
        runs=tuple(run_from_row(row) for row in body["runs"]) if "runs" in body else runs,
    )
    standing.deadline = next_deadline(standing)
    return standing


def _position(place: list[Any] | None) -> Position | None:
    return None if place is None else (place[0], place[1], place[2])


def _deadline(moment: int, rank: int, run: int) -> Deadline:
    return Deadline(moment, Rank(rank), run)


def run_to_row(run: Run) -> Row:
    """order, id, begun, outcome, ended, errors, timeouts, timeout_at, text, exit_code, usage, is_out_of_order."""
    return (
        run.order,
        run.id,
        run.begun,
        run.outcome.value,
        run.ended,
        run.errors,
        run.timeouts,
        run.timeout_at,
        run.text,
        run.exit_code,
        _numbers_to_text(run.usage),
        int(run.is_out_of_order),
    )


def run_from_row(row: Row) -> Run:
    """The run that a row tells of."""
    order, id, begun, outcome, ended, errors, timeouts, timeout_at, text, exit_code, usage, stepped = checked(row, RUN)
    return Run(
        order=order,
        id=id,
        begun=begun,
        outcome=Outcome(outcome),
        ended=ended,
        errors=errors,
        timeouts=timeouts,
        timeout_at=timeout_at,
        text=text,
        exit_code=exit_code,
        usage=_numbers_from_text(usage),
        is_out_of_order=bool(stepped),
    )


def message_to_row(message: Message) -> Row:
    """moment, source, number, claimed, received, name, env, event, text, uid, run, exit_code, signal, usage, until."""
    return (
        message.moment,
        message.source,
        message.number,
        message.claimed,
        message.received,
        message.name,
        message.env,
        message.event,
        message.text,
        message.uid,
        message.run,
        message.exit_code,
        None if message.signal is None else message.signal.value,
        _numbers_to_text(message.usage),
        message.until,
    )


def message_from_row(row: Row, key: str) -> Message:
    """The message that a row of a job tells of."""
    moment, source, number, claimed, received, name, env, event, text, uid, run, exit_code, *meaning = checked(
        row, MESSAGE
    )
    signal, usage, until = meaning
    return Message(
        moment=moment,
        source=source,
        number=number,
        claimed=claimed,
        received=received,
        name=name,
        env=env,
        event=event,
        text=text,
        uid=uid,
        run=run,
        exit_code=exit_code,
        signal=None if signal is None else Signal(signal),
        usage=_numbers_from_text(usage),
        until=until,
        key=key,
    )


def _numbers_to_text(numbers: Usage | None) -> str | None:
    return None if numbers is None else _encode(dict(numbers))


def _numbers_from_text(text: str | None) -> Usage | None:
    return None if text is None else json.loads(text)


def change_to_row(change: Change) -> Row:
    """serial, at, state_from, status_from, state_to, status_to, errors, missed, text."""
    before, after = change.before, change.after
    return (
        change.standing.serial,
        change.at,
        before.state.value,
        before.status,
        after.state.value,
        after.status,
        after.errors,
        after.missed,
        describe(change.job, change.standing),
    )
