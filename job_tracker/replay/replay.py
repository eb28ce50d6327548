"""Replay: the core over recorded messages, with a clock of its own.

Rule: it judges exactly as the daemon would have, had it heard the same messages at the same moments.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.intake import take_in, uid_of
from job_tracker.core.jobs import Jobs
from job_tracker.core.memory import Memory
from job_tracker.core.messages import Message, decode
from job_tracker.core.record import Change, Step
from job_tracker.core.states import Shown
from job_tracker.core.step import step
from job_tracker.core.verdicts import shown
from job_tracker.errors import BadMessage, ReplayError
from job_tracker.moments import MICROSECONDS

RUN_ON = 48 * 3600 * MICROSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A source gave no answer in [begin, end), in microseconds."""

    source: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a file of messages holds: elements by their arrival, and outages; faults: the lines that were left out."""

    arrivals: tuple[tuple[int, str, Mapping[str, Any]], ...] = ()
    moments: tuple[int, ...] = ()
    outages: tuple[Outage, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Reads a recording line by line."""

    jobs: Jobs
    arrivals: list[tuple[int, str, Mapping[str, Any]]] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def read(self, number: int, line: str) -> None:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as bad:
            self.faults.append(f"line {number}: not JSON: {str(bad)[:80]}")
            return
        for element in value if isinstance(value, list) else [value]:
            try:
                self.take(number, element)
            except BadMessage as bad:
                self.faults.append(f"line {number}: {bad}")

    def take(self, number: int, element: Any) -> None:
        if isinstance(element, dict) and "unreachable_from" in element:
            begin = _moment(element, "unreachable_from", None)
            end = _moment(element, "unreachable_until", 1 << 62)
            self.outages.append(Outage(source=_source(element), begin=begin, end=end))
            return
        message = decode(element, source="", received=1 << 62, grace=0)
        received = _moment(element, "received", message.moment)
        numbered = element if "_id" in element else {**element, "_id": number}
        self.arrivals.append((received, self.source_of(message, element), numbered))
        self.moments.append(message.moment)

    def source_of(self, message: Message, element: Mapping[str, Any]) -> str:
        """The source that a message names; else the first that may speak for its job."""
        if element.get("source") is not None:
            return _source(element)
        job = self.jobs.by_key.get(message.key)
        named = job.sources if job is not None and job.sources else self.jobs.sources
        return named[0] if named else ""


def read(lines: Iterable[str], jobs: Jobs) -> Recording:
    """Read a recording: a JSON object a line, or an array of them as `list` prints it."""
    reader = _Reader(jobs)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            reader.read(number, line)
    return Recording(
        arrivals=tuple(sorted(reader.arrivals, key=lambda arrival: arrival[0])),
        moments=tuple(reader.moments),
        outages=tuple(reader.outages),
        faults=tuple(reader.faults),
    )


class Replay:
    """A recording judged by a configuration; iterate `changes` to its end, then ask for `final`."""

    def __init__(self, jobs: Jobs, recording: Recording, *, begin: int | None = None, until: int | None = None) -> None:
        if not recording.moments and begin is None:
            raise ReplayError("there is no message to begin with: name --from, or give a file with messages")
        self.begin = min(recording.moments, default=0) if begin is None else begin
        self.until = max(recording.moments, default=self.begin) + RUN_ON if until is None else until
        spoke = {source for _, source, _ in recording.arrivals} | {outage.source for outage in recording.outages}
        self.sources = (*jobs.sources, *sorted(spoke - set(jobs.sources)))
        self.jobs = replace(jobs, sources=jobs.sources or self.sources)
        self.recording = recording
        self.board: Board = make_board(self.jobs, {}, {}, self.begin)
        self.memory = Memory(self.board)
        self.taken: set[str] = set()
        self.unmatched: dict[str, int] = {}

    def changes(self) -> Iterator[Change]:
        """Every change, in the order in which the daemon would have found them."""
        arrivals = [arrival for arrival in self.recording.arrivals if self.is_heard(arrival)]
        ends = sorted({outage.end for outage in self.recording.outages})
        at = 0
        now = min([self.begin, *(arrival[0] for arrival in arrivals[:1])])
        while now <= self.until:
            messages: list[Message] = []
            while at < len(arrivals) and arrivals[at][0] <= now:
                messages += self.take(*arrivals[at])
                at += 1
            if messages:  # their sources were drained at every moment before, too
                yield from self.advance((), now - 1).changes
            made = self.advance(messages, now)
            yield from made.changes
            upcoming = [made.wake, *(arrival[0] for arrival in arrivals[at : at + 1]), *(e for e in ends if e > now)]
            now = min((moment for moment in upcoming if moment is not None), default=self.until + 1)

    def advance(self, messages: Iterable[Message], now: int) -> Step:
        """One step of the tracker."""
        made = step(self.board, self.jobs, messages, self.watermarks(now), now, self.memory)
        self.memory.keep(made.records)
        self.board = made.board
        return made

    def is_heard(self, arrival: tuple[int, str, Mapping[str, Any]]) -> bool:
        received, source, element = arrival
        message = decode(element, source=source, received=received, grace=self.jobs.grace)
        return received <= self.until and message.moment <= self.until

    def take(self, received: int, source: str, element: Mapping[str, Any]) -> tuple[Message, ...]:
        intake = take_in(self.jobs, source, [element], received, self.taken.__contains__)
        self.taken.add(uid_of(element))
        for each in intake.unmatched:
            name = each.message.key if each.message else "?"
            self.unmatched[name] = self.unmatched.get(name, 0) + 1
        return intake.messages

    def watermarks(self, now: int) -> dict[str, Watermark]:
        """Sources are drained at every moment, but for outages: then as far as the outage's begin."""
        return {source: self.watermark(source, now) for source in self.sources}

    def watermark(self, source: str, now: int) -> Watermark:
        begin = now
        for outage in sorted(self.recording.outages, key=lambda each: each.begin, reverse=True):
            if outage.source == source and outage.begin <= begin <= outage.end:  # those that touch are one
                begin = outage.begin
        if any(o.source == source and o.begin <= now < o.end for o in self.recording.outages):
            return Watermark(drained=begin, lags_from=begin)
        return Watermark(drained=now + 1, lags_from=now)

    def final(self) -> dict[str, Shown]:
        """What every configured job shows at the end."""
        return {key: shown(job, self.board.standing(job)) for key, job in self.jobs.by_key.items()}


def replay_all(jobs: Jobs, lines: Iterable[str], tell: Callable[[Change], None], **bounds: int | None) -> Replay:
    """Read and judge a recording at once."""
    replay = Replay(jobs, read(lines, jobs), **bounds)
    for change in replay.changes():
        tell(change)
    return replay


def _source(element: Mapping[str, Any]) -> str:
    source = element.get("source")
    if not isinstance(source, str):
        raise BadMessage("source: not a text")
    return source


def _moment(element: Mapping[str, Any], name: str, default: int | None) -> int:
    value = element.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 40:
        raise BadMessage(f"{name}: not a moment in seconds since 1970")
    return round(value * MICROSECONDS)
