"""Progress: a line on stderr for what takes longer than anybody likes to wait without a word.

Rule: nothing is said within the first two seconds, nor where stderr is no terminal; the line is gone when it is over.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds."""
EVERY = 4096
"""How often the clock is looked at: it costs more than counting."""
AGAIN = 0.2


@contextmanager
def shown(what: str, *, beside_the_answer: bool = False) -> Iterator[Callable[[int], None]]:
    """Something to tell how far it is, as a number of things; what: what they are, and what is done with them.

    beside_the_answer: the answer is printed meanwhile; where that is on a terminal, it is progress enough.
    """
    if not sys.stderr.isatty() or (beside_the_answer and sys.stdout.isatty()):
        yield lambda _: None
        return
    due = time.monotonic() + PATIENCE
    width = 0

    def tell(count: int) -> None:
        nonlocal due, width
        if count % EVERY or (now := time.monotonic()) < due:
            return
        due = now + AGAIN
        line = f"{count:,} {what}"
        width = max(width, len(line))
        sys.stderr.write(f"\r{line:<{width}}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        if width:
            sys.stderr.write(f"\r{'':<{width}}\r")
            sys.stderr.flush()
