"""Messages: what a recording's lines are, and what each means for which job.

Rule: what a message means is decided once, when it arrives: its job, its word, its moment.
Rule: a moment more than the grace ahead of the clock is taken as the clock's.
Rule: one `uid` is one message, whoever brings it again.
Rule: messages are folded by moment, then source, then `_id`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from second_reading.promise import House, Promise

OPERATOR = "(operator)"
OPERATORS_WORDS: Mapping[str, str] = {"PAUSE": "pause", "RESUME": "resume", "SUCCESS": "end", "ERROR": "error"}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as it was understood.

    line: its place in the recording.
    until: when a pause is to end.
    """

    at: int
    source: str
    number: int
    line: int
    arrived: int
    word: str
    run: str | None = None
    until: int | None = None

    @property
    def by_operator(self) -> bool:
        """Say whether an operator said it: no promise touches that."""
        return self.source == OPERATOR

    @property
    def place(self) -> tuple[int, str, int]:
        """Where it is folded."""
        return self.at, self.source, self.number


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A source gave no answer in [begin, end)."""

    source: str
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Recording:
    """All that a recording says; first and last: of the messages' moments, and of their arrivals too for the last."""

    messages: Mapping[str, tuple[Message, ...]]
    outages: tuple[Outage, ...]
    sources: frozenset[str]
    first: int
    last: int


def microseconds(seconds: float) -> int:
    """Count the whole microseconds of a moment in seconds."""
    return round(seconds * 1_000_000)


def read(lines: Iterable[Mapping[str, Any]], house: House) -> Recording:
    """Read a recording."""
    lines = list(lines)
    spoken = [line for line in lines if "unreachable_from" not in line]
    outages = [
        Outage(
            source=line["source"],
            begin=microseconds(line["unreachable_from"]),
            end=microseconds(line["unreachable_until"]),
        )
        for line in lines
        if "unreachable_from" in line
    ]
    moments = [microseconds(line["timestamp"]) for line in spoken]
    arrivals = [microseconds(line.get("received", line["timestamp"])) for line in spoken]
    first = min(moments, default=0)
    named = {line.get("source", "") for line in lines} - {OPERATOR}
    return Recording(
        messages={promise.key: tuple(_of(promise, spoken, house)) for promise in house.promises},
        outages=_joined(outages),
        sources=house.sources or frozenset(named),
        first=first,
        last=max([*moments, *arrivals], default=0),
    )


def _of(promise: Promise, lines: list[Mapping[str, Any]], house: House) -> list[Message]:
    """Take the messages of one job, in the order of their arrival, each uid once."""
    found = []
    for place, line in enumerate(lines):
        if (line["job"], line["instance"]) not in promise.names:
            continue
        source = line.get("source", "")
        if source != OPERATOR and promise.source_hosts is not None and source not in promise.source_hosts:
            continue
        if source == OPERATOR and line["event"] not in OPERATORS_WORDS:
            continue
        found.append((line.get("uid"), _understood(line, place, promise, house)))
    found.sort(key=lambda pair: (pair[1].arrived, pair[1].place))
    known: set[str] = set()
    messages = []
    for uid, message in found:
        if uid is None or uid not in known:
            messages.append(message)
            if uid is not None:
                known.add(uid)
    return messages


def _understood(line: Mapping[str, Any], place: int, promise: Promise, house: House) -> Message:
    stamped = microseconds(line["timestamp"])
    received = microseconds(line.get("received", line["timestamp"]))
    source, run = line.get("source", ""), line.get("run")
    until = None
    if source == OPERATOR:
        word, run = OPERATORS_WORDS[line["event"]], None
        if word == "pause":
            until = microseconds(json.loads(line["message"])["until"])
    else:
        word = _word(line, promise, house)
    return Message(
        at=received if stamped > received + house.grace else stamped,
        source=source,
        number=line["_id"],
        line=place,
        arrived=received,
        word=word,
        run=run,
        until=until,
    )


def _word(line: Mapping[str, Any], promise: Promise, house: House) -> str:
    """An exit code that the job lists is the word of an end or of an error; skipped is only who has an id."""
    word = house.words.get(line["event"], "other")
    if word not in ("end", "error"):
        return word
    by_code = promise.codes.get(line.get("exit_code", 0)) if "exit_code" in line else None
    if by_code is None or (by_code == "skipped" and line.get("run") is None):
        return word
    return by_code


def _joined(outages: list[Outage]) -> tuple[Outage, ...]:
    """Outages of one source that touch are one: nobody could have heard anything between them."""
    joined: list[Outage] = []
    for outage in sorted(outages, key=lambda outage: (outage.source, outage.begin)):
        last = joined[-1] if joined else None
        if last is not None and last.source == outage.source and outage.begin <= last.end:
            joined[-1] = Outage(source=last.source, begin=last.begin, end=max(last.end, outage.end))
        else:
            joined.append(outage)
    return tuple(joined)
