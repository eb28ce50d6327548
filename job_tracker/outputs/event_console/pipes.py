"""Pipes: what a command reads, answers and complains of, moved as far as it goes.

Rule: nobody waits for a pipe without a limit, and no descriptor is too high (`select` ends at 1,023, where a thousand
sources begin).
"""

import contextlib
import os
import selectors
import subprocess
from types import TracebackType
from typing import IO, Self

LOOK = 0.05
"""Seconds between two looks whether the command has ended while something it started holds its pipes open."""

COMPLAINT = 4096
"""Bytes of what the command says on stderr that are kept, the first."""

ANSWERS = 1 << 20
"""The same of its answers; each event's has less than a tenth of what it needs here."""


class Pipes:
    """The pipes of a process that was started with them.  given: what it is to read."""

    def __init__(self, process: "subprocess.Popen[bytes]", given: bytes) -> None:
        self._selector = selectors.DefaultSelector()
        self._given, self._stdin = memoryview(given), process.stdin
        self.answers = self.complaint = b""
        for pipe, event, name in (
            (process.stdin, selectors.EVENT_WRITE, "given"),
            (process.stdout, selectors.EVENT_READ, "answers"),
            (process.stderr, selectors.EVENT_READ, "complaint"),
        ):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, event, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._selector.close()
        if self._stdin is not None:
            with contextlib.suppress(OSError):
                self._stdin.close()

    @property
    def are_open(self) -> bool:
        """Whether anything may still be said; what it does not care to read counts for nothing."""
        return any(key.data != "given" for key in self._selector.get_map().values())

    def move(self) -> bool:
        """Move what can be moved, waiting a moment for that; whether anything was."""
        ready = self._selector.select(LOOK)
        for key, _ in ready:
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]  # they were registered as files
            if key.data == "given":
                self._write(pipe)
            else:
                self._read(pipe, key.data)
        return bool(ready)

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            self._given = self._given[os.write(pipe.fileno(), self._given) :]
        except BlockingIOError:
            return
        except OSError:  # it may not care for it
            self._given = self._given[:0]
        if not self._given:
            self._let_go(pipe)

    def _read(self, pipe: IO[bytes], name: str) -> None:
        part = os.read(pipe.fileno(), 65536)
        if not part:
            self._let_go(pipe)
        elif name == "answers":
            self.answers = (self.answers + part)[:ANSWERS]
        else:
            self.complaint = (self.complaint + part)[:COMPLAINT]

    def _let_go(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        with contextlib.suppress(OSError):
            pipe.close()
