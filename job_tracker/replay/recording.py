"""Recordings: messages from a file, read line by line and kept outside memory in the order in which they arrived.

Rule: a line that cannot be read is left out and counted, and costs no other line anything.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from job_tracker.core.intake import understood
from job_tracker.core.jobs import Jobs
from job_tracker.core.messages import Message, claimed_moment, decode
from job_tracker.core.operator_word import OPERATOR
from job_tracker.errors import BadMessage
from job_tracker.ledger.codec import message_from_row, message_to_row
from job_tracker.moments import MICROSECONDS
from job_tracker.operator_note import opened
from job_tracker.replay.spool import Spool

FAULTS_KEPT = 20
"""Faults that are told one by one; of more only the number is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A source gave no answer in [begin, end), in microseconds."""

    source: str
    begin: int
    end: int


@dataclass(slots=True, kw_only=True)
class Recording:
    """What a file of messages holds.

    first, last: the moments that messages claim, microseconds; None where there is none.  sources: those that spoke, or
    were away.  count: messages.  faults: what the first lines that were left out are at fault for.
    """

    first: int | None = None
    last: int | None = None
    sources: set[str] = field(default_factory=set)
    outages: list[Outage] = field(default_factory=list)
    count: int = 0
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0
    spool: Spool = field(default_factory=Spool)

    def messages(self) -> Iterator[Message]:
        """All messages by their arrival."""
        for row in self.spool:
            yield message_from_row(row[2:], row[1])

    def put(self, message: Message) -> None:
        """Take a message in."""
        claimed = message.claimed
        self.first = claimed if self.first is None or claimed < self.first else self.first
        self.last = claimed if self.last is None or claimed > self.last else self.last
        self.sources.add(message.source)
        self.count += 1
        self.spool.put((message.received, message.key, *message_to_row(message)))

    def blame(self, number: int, reason: str) -> None:
        """Say what a line is at fault for."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"line {number}: {reason}")


def read(lines: Iterable[str], jobs: Jobs, progress: Callable[[int], None] = lambda _: None) -> Recording:
    """Read a recording: a JSON object a line, or an array of them as `list` prints it; progress: told of each line."""
    recording = Recording()
    for number, line in enumerate(lines, start=1):
        progress(number)
        if line.strip():
            _read_line(recording, jobs, number, line)
    return recording


def _read_line(recording: Recording, jobs: Jobs, number: int, line: str) -> None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as bad:
        recording.blame(number, f"not JSON: {str(bad)[:80]}")
        return
    for element in value if isinstance(value, list) else [value]:
        try:
            if isinstance(element, dict) and "unreachable_from" in element:
                outage = _outage(element)
                recording.outages.append(outage)
                recording.sources.add(outage.source)
            else:
                recording.put(_message(jobs, number, element))
        except BadMessage as bad:
            recording.blame(number, str(bad))


def _outage(element: Mapping[str, Any]) -> Outage:
    begin = _moment(element, "unreachable_from", None)
    end = _moment(element, "unreachable_until", 1 << 62)
    return Outage(source=_source(element), begin=begin, end=end)


def _message(jobs: Jobs, number: int, element: Any) -> Message:
    """A message with the source it came from, and when; one without a number has that of its line."""
    if not isinstance(element, dict):
        return decode(element, source="", received=0, grace=0)  # says what it is instead
    claimed = claimed_moment(element)
    received = _moment(element, "received", claimed)
    source = _source(element) if element.get("source") is not None else _source_of(jobs, element)
    numbered = element if "_id" in element else {**element, "_id": number}
    if source == OPERATOR:
        numbered = opened(numbered)
    return understood(jobs, numbered, source=source, received=received)


def _source_of(jobs: Jobs, element: Mapping[str, Any]) -> str:
    """The first source that may speak for the job of a message that names none."""
    job = jobs.of(str(element.get("job")), str(element.get("instance")))
    named = job.sources if job is not None and job.sources else jobs.sources
    return named[0] if named else ""


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
