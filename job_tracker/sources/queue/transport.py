"""Transports: how lines travel to a message queue's host and back; what they say is none of their business.

Rule: a transport is used by one thread; only `interrupt` may be called from another one, at any moment.
Rule: nothing here waits without an end: who receives names a deadline, and what is sent is short.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from job_tracker.errors import SourceRefused

LONGEST_LINE = 1024 * 1024
"""Bytes of one line, its end included; an endless one must not fill our memory."""

LONGEST_TEXT = 300
"""Characters of what a host said that are worth repeating to an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the far side left behind when it ended.

    exit_code: its exit code, the negative number of the signal that killed it, None if not known.  words: the end of
    what it wrote to stderr, on one line.
    """

    exit_code: int | None = None
    words: str = ""


class Transport(Protocol):
    """A connection to the far side's stdin and stdout; made at rest, opened once, closed once.

    steps: how far it got on the way there, for people.
    """

    steps: list[str]

    def open(self, deadline: float) -> float:
        """Connect and start the far side, by then (monotonic seconds); SourceUnreachable or SourceRefused if not.

        Returns the seconds in which it waited for its turn here: they are not the host's, and do not count.
        """

    def send(self, line: bytes) -> None:
        """Send one short line, its end included; SourceUnreachable if it cannot be sent at once."""

    def receive(self, deadline: float) -> bytes:
        """The next line, without its end, by then (monotonic seconds).

        SourceClosed if the far side hung up, SourceUnreachable if it is late or we were interrupted, SourceRefused if
        the line is too long.
        """

    def interrupt(self) -> None:
        """End an `open` or `receive` that waits, now and from now on; safe from any thread, and after `close`."""

    def ending(self) -> Ending:
        """What the far side left behind; to be asked after SourceClosed, before `close`; takes a moment at most."""

    def close(self) -> None:
        """End the connection and what it started, within half a second; a second time does nothing."""


class Lines:
    """Bytes as they come in, lines as they go out."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._begun = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in bytes; SourceRefused if a line becomes too long."""
        ended, newline, rest = data.rpartition(b"\n")
        if newline:
            self._begun += ended
            self._lines.extend(bytes(self._begun).split(b"\n"))
            self._begun.clear()
        self._begun += rest
        if len(self._begun) >= LONGEST_LINE or any(len(line) >= LONGEST_LINE for line in self._lines):
            raise SourceRefused(f"answers with a line of more than {LONGEST_LINE} bytes; that is no message queue")

    def next(self) -> bytes | None:
        """The oldest complete line, without its end."""
        return self._lines.popleft() if self._lines else None


def one_line(text: str | bytes, limit: int = LONGEST_TEXT) -> str:
    """What a host said, fit for a log: printable, single spaces, and not longer than it helps."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"
