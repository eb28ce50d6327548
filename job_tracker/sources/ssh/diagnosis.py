"""Diagnosis: what an operator has to repair, from how the remote command ended and what it complained about.

Rule: pure; what the host said is kept behind the diagnosis, for a guess may be wrong.
"""

import re
from dataclasses import dataclass

from job_tracker.sources.queue.transport import one_line

OLDEST_PYTHON = "3.6"
_PYTHON_2 = re.compile(r"Unknown option: -I\b|SyntaxError: invalid syntax|SyntaxError: Missing parentheses")
_NO_HANDLER = re.compile(r"can't open file '?(?P<path>[^']+)'?: \[Errno (?P<code>\d+)\]")
_NOT_FOUND = 127
_NOT_ALLOWED = 126


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What was asked to be started there; a key's forced command may have started something else."""

    python: str
    handler: str


def diagnose(exit_code: int | None, stderr: bytes, command: Command) -> str:
    """What ended it, in words; empty if there are none."""
    text = stderr.decode("utf-8", "replace")
    said = [line for line in text.splitlines() if line.strip()]
    last = one_line(said[-1]) if said else ""
    cause = _cause(exit_code, text, command)
    if cause and last:
        return f"{cause} (it says: {last})"
    return cause or last


def _cause(exit_code: int | None, text: str, command: Command) -> str:
    missing = _NO_HANDLER.search(text)
    if missing is not None:
        handler = one_line(missing["path"], 100)
        if missing["code"] == "2":
            return f"the handler is missing: there is no {handler} on the host (message_queue_handler)"
        return f"the handler cannot be read: {handler} (message_queue_handler)"
    if _PYTHON_2.search(text):
        needed = f"{OLDEST_PYTHON} or newer is needed (python)"
        return f"Python is too old: {command.python} on the host is a Python 2, {needed}"
    if exit_code == _NOT_FOUND or (exit_code == 1 and "unknown command" in text.lower()):
        return f"Python is missing: there is no {command.python} on the host (python)"
    if exit_code == _NOT_ALLOWED:
        return f"Python cannot be started: {command.python} on the host may not be executed (python)"
    return ""
