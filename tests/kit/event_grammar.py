"""How the Event Console reads what arrives, as strictly as the strictest version from 2.0 to 2.5.

Rule: what any of those versions misreads is refused here, with the reason.
"""

import re
from typing import NamedTuple


class Event(NamedTuple):
    """An event as the Event Console understands it."""

    facility: int
    priority: int
    moment: int
    service_level: int | None
    host: str
    application: str
    text: str


def events_in(stream: bytes) -> list[Event]:
    """The events of what was written into a FIFO or a connection, one after another."""
    assert stream.endswith(b"\n"), f"an unterminated rest is thrown away: {stream[-80:]!r}"
    return [parse_event(line) for line in stream[:-1].split(b"\n")]


def parse_event(line: bytes) -> Event:
    """One line, without its newline."""
    assert line.startswith(b"<"), f"might be taken for an octet count: {line[:40]!r}"
    assert len(line) < 4096, f"{len(line)} bytes"
    assert not re.search(rb"[\x00-\x1f\x7f]", line), f"control characters: {line!r}"
    text = line.decode("utf-8")  # invalid UTF-8 would become an event without host and application

    priority, rest = text[1:].split(">", 1)
    facility, severity = divmod(int(priority), 8)
    assert rest[0] == "@"
    assert rest[11] in " ;"
    details, host, rest = rest.split(" ", 2)
    moment, _, level = details[1:].partition(";")
    application, message = rest.split(": ", 1)
    assert not set(application) & set(" []"), application
    assert re.fullmatch(r"\w[-0-9A-Za-z_.]*|[0-9a-f:.]+", host), host
    assert message.strip() == message != ""
    return Event(facility, severity, int(moment), int(level) if level else None, host, application, message)
