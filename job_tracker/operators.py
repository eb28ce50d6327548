"""Operators: what they say of jobs, put into the queue of their own that the daemon hears.

Rule: whoever may write into that queue may say it, and nobody else; that is its directory's group, and no rule of ours.
Rule: one message for each job, all of them or none; the daemon judges it.
Rule: nothing here makes the queue: whoever makes it owns it, and that has to be the daemon.  Root speaks as its owner.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from job_tracker.config.places import PACKAGED_HANDLER
from job_tracker.errors import JobTrackerError
from job_tracker.moments import MICROSECONDS
from job_tracker.sources.local.owner import account_for
from job_tracker.view import reading

Document = dict[str, Any]


class NotSaid(JobTrackerError):
    """What an operator wanted to say did not get into the queue; nothing of it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is said of each job.  event: as the queue has it; until: microseconds, of a pause."""

    event: str
    why: str = ""
    until: int | None = None


def say(meta: Document, jobs: Sequence[tuple[str, str]], word: Word, author: str, now: int) -> None:
    """Say it of each job, by its name and env.  Raises NotSaid."""
    add(queue_of(meta), [_message(name, env, word, author, now) for name, env in jobs])


def _message(name: str, env: str, word: Word, author: str, now: int) -> Document:
    note: Document = {"author": author, "why": word.why}
    if word.until is not None:
        note["until"] = word.until / MICROSECONDS
    element = {"instance": env, "job": name, "event": word.event, "timestamp": now / MICROSECONDS}
    return {**element, "message": json.dumps(note)}


def queue_of(meta: Document) -> Path:
    """The queue that the daemon hears, if we may write into it.  Raises NotSaid."""
    operator = meta.get("operator")
    if operator is None:
        raise NotSaid("the view is of a daemon that hears no operators yet; restart it with this version")
    queue = Path(operator["queue"])
    try:
        queue.stat()
    except FileNotFoundError:
        raise NotSaid(f"{queue} is not there; the daemon makes it at its start, so start it and say it again") from None
    except PermissionError:
        raise NotSaid(_whom_to_ask(queue.parent)) from None
    rights = ((queue.parent, os.R_OK | os.W_OK | os.X_OK), (queue, os.R_OK | os.W_OK))
    if not all(os.access(path, right, effective_ids=True) for path, right in rights):
        raise NotSaid(_whom_to_ask(queue.parent))
    return queue


def _whom_to_ask(directory: Path) -> str:
    """What somebody has to do who may not speak."""
    me = reading.user_name(os.geteuid())
    try:
        status = directory.stat()
    except PermissionError:
        return f"you ({me}) may not speak to the tracker: {reading.whom_to_ask(directory)}"
    owner, group = reading.user_name(status.st_uid), reading.group_name(status.st_gid)
    if status.st_mode & 0o070 != 0o070:
        return f"you ({me}) may not speak to the tracker: {directory} is {owner}'s alone, so say it as {owner}"
    return (
        f"you ({me}) may not speak to the tracker, the members of the group {group} may: ask root for "
        f"`usermod -aG {group} {me}`, and log in again"
    )


def add(queue: Path, messages: Sequence[Document]) -> None:
    """Let message-queue.py store them, all or none; where root asks, as the owner, or its files were root's.

    Raises NotSaid.
    """
    as_owner = account_for(queue)
    command = [sys.executable, "-I", str(PACKAGED_HANDLER), "-f", str(queue), "add", "-j", "-"]
    try:
        done = subprocess.run(
            command, input=json.dumps(messages), capture_output=True, text=True, check=False, cwd="/", **as_owner
        )
    except OSError as error:
        raise NotSaid(f"nothing was said: cannot start {command[0]}: {error.strerror}") from error
    if done.returncode:
        raise NotSaid(f"nothing was said: {done.stderr.strip() or f'exit code {done.returncode}'}; try it again")
