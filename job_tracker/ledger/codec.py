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
from job_tracker.core.messages import Message
from job_tracker.core.record import Change
from job_tracker.core.standing import Deadline, Outcome, Rank, Run, Standing, Unseen
from job_tracker.core.states import State
from job_tracker.core.texts import describe

Row = tuple[Any, ...]

Whole, Text = (int,), (str,)
MaybeWhole, MaybeText = (int, NoneType), (str, NoneType)
"""What a column holds; SQLite itself keeps anything anywhere."""

RUN = (Whole, MaybeText, MaybeWhole, Text, MaybeWhole, Whole, Whole, MaybeWhole, Text, MaybeWhole)
MESSAGE = (Whole, Text, Whole, Whole, Whole, Text, Text, Text, Text, Text, MaybeText, MaybeWhole)
CHANGE = (Whole, Whole, Text, Whole, Text, Whole, Whole, Whole, Text, Whole)
UNMATCHED = (Text, Text, Text, Text, Whole, Whole, Whole, Text)
STRAY = (Text, Text, Whole)
SUBJECT = (Text, Whole)
WAITING = (Whole, Text, Whole, Text, Whole, Text, Whole, Whole)
TOLD = (Text, Text, Whole)
DRAINED = (Text, Whole)
MEMENTO = (Text, MaybeText, MaybeText, MaybeText)

_PLAIN = tuple(
    each.name
    for each in fields(Standing)
    if each.name not in {"runs", "state", "unseen", "last", "changed", "deadline", "overtaken", "former_source_drained"}
)

_plain_of = attrgetter(*_PLAIN)
_encode = json.JSONEncoder(separators=(",", ":")).encode


def checked(row: Row, kinds: Sequence[tuple[type, ...]]) -> Row:
    """The row, if each of its values is of its kind.  Raises TypeError."""
    if not all(map(isinstance, row, kinds)):
        raise TypeError(f"a row holds something else than was written: {row!s:.200}")
    return row


def standing_to_text(standing: Standing, *, with_runs: bool) -> str:
    """A standing as JSON; its runs only where they are not kept as rows of their own."""
    body: dict[str, Any] = dict(zip(_PLAIN, _plain_of(standing), strict=True))
    body["state"] = standing.state.value
    body["last"] = standing.last
    body["skipped"] = standing.overtaken
    body["covered"] = standing.former_source_drained
    if standing.unseen is not None:
        unseen = standing.unseen
        body["blind"] = [unseen.since, unseen.deadline, unseen.source, unseen.unheard_since]
    if with_runs:
        body["runs"] = [run_to_row(run) for run in standing.runs]
    return _encode(body)


def standing_from_text(text: str, runs: tuple[Run, ...] = ()) -> Standing:
    """The standing that a JSON text tells of."""
    body = json.loads(text)
    body.setdefault("delivered", -1)  # younger than the layout
    if "awaits_from" not in body:  # as is this: a day was awaited, and the starts made on it and after it were listed
        body["awaits_from"] = max([body["expected"] or body["promised_since"], *(made + 1 for made in body["made"])])
    unseen = body.get("blind")
    last = body["last"]
    standing = Standing(
        **{name: body[name] for name in _PLAIN},
        state=State.NEVER_RAN if body["state"] == State.UNKNOWN.value else State(body["state"]),  # younger, too
        last=None if last is None else (last[0], last[1], last[2]),
        overtaken=None if body["skipped"] is None else _deadline(*body["skipped"]),
        former_source_drained=body["covered"],
        unseen=None
        if unseen is None
        else Unseen(since=unseen[0], deadline=unseen[1], source=unseen[2], unheard_since=unseen[3]),
        runs=tuple(run_from_row(row) for row in body["runs"]) if "runs" in body else runs,
    )
    standing.deadline = next_deadline(standing)
    return standing


def _deadline(moment: int, rank: int, run: int) -> Deadline:
    return Deadline(moment, Rank(rank), run)


def run_to_row(run: Run) -> Row:
    """order, id, begun, outcome, ended, errors, timeouts, timeout_at, text, exit_code."""
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
    )


def run_from_row(row: Row) -> Run:
    """The run that a row tells of."""
    order, id, begun, outcome, ended, errors, timeouts, timeout_at, text, exit_code = checked(row, RUN)
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
    )


def message_to_row(message: Message) -> Row:
    """moment, source, number, claimed, received, name, env, event, text, uid, run, exit_code."""
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
    )


def message_from_row(row: Row) -> Message:
    """The message that a row tells of."""
    moment, source, number, claimed, received, name, env, event, text, uid, run, exit_code = checked(row, MESSAGE)
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
    )


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
