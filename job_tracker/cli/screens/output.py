"""Output: prints, with colours where people look and plainly where programs read.

Rule: what says something about the answer, and is not the answer, goes to stderr unless people look at stdout.
"""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from job_tracker.cli.screens.plain import Table, as_rich, as_text
from job_tracker.telling.harmless import safe

READER_GONE = 141
"""The exit code of a program whose reader went away, as the shell has it for SIGPIPE."""


def is_terminal() -> bool:
    """Whether people look at stdout."""
    return sys.stdout.isatty()


def put(text: str) -> None:
    """Print a text as it is."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()


def put_lines(lines: Iterable[str]) -> None:
    """Print many lines: each at once where people look, together where a program reads."""
    is_watched = is_terminal()
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
            if is_watched:
                sys.stdout.flush()
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()


def put_json(document: Any) -> None:
    """Print a JSON document on a line."""
    put(json.dumps(document))


def put_table(table: Table) -> None:
    """Print a table: with colours on a terminal, aligned text elsewhere."""
    if not is_terminal():
        put(as_text(table))
        return
    from rich.console import Console

    try:
        console = Console(highlight=False, markup=False)
        console.print(as_rich(table, console.width))
    except BrokenPipeError:
        leave_quietly()


def put_note(note: str, *, apart: bool = False) -> None:
    """Print a note about the answer; apart: the answer is read by a program even on a terminal."""
    if is_terminal() and not apart:
        put(note)
    else:
        complain(note)


def complain(line: str) -> None:
    """Print a line to stderr, whatever is in it."""
    sys.stderr.write(f"{safe(line)}\n")


def leave_quietly() -> None:
    """End because nobody reads any more; nothing is left in the buffer for Python to complain about."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(READER_GONE)
