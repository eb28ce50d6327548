"""The operator's word: pauses, resumes and marks, put into the queue that the daemon hears.

Rule: whoever may write into that queue may say it, and nobody else; that is its directory's group, and no rule of ours.
Rule: a command writes one message for each job, all of them or none, and says what it wrote; the daemon judges it.
Rule: it makes no queue: whoever makes it owns it, and that has to be the daemon.  Root speaks as its owner.
"""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.cli.screens import choosing, output
from job_tracker.cli.screens.choosing import Chosen
from job_tracker.cli.screens.commands import is_alive
from job_tracker.config.places import PACKAGED_HANDLER
from job_tracker.core.operator_word import FORGET, LONGEST, USUAL
from job_tracker.errors import JobTrackerError
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.sources.local.owner import account_for
from job_tracker.telling import adopting
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import clock as shown
from job_tracker.telling.times import duration, moment, zone_of
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


def pause(view: Path, chosen: Chosen, why: str, *, length: str | None, until: str | None) -> None:
    """Let nothing of some jobs alarm for a while."""
    if length is not None and until is not None:
        raise NotSaid("--for and --until say the same; one of them is enough")
    meta, jobs = choosing.choose(view, chosen)
    now = clock.now()
    end = moment("--until", until, zone_of(meta["zone"]) or UTC)
    if end is None:
        end = now + (USUAL if length is None else duration("--for", length))
    if end <= now:
        over = shown(end, meta["zone"])
        raise NotSaid(f"the pause would be over at {over}; `job_tracker resume` ends one that lasts")
    if end > now + LONGEST:
        raise NotSaid(f"until {shown(end, meta['zone'])}: a pause lasts {LONGEST // DAY} days at most")
    _say(meta, jobs, Word(event="PAUSE", why=_reason(why), until=end), now)


def resume(view: Path, chosen: Chosen, why: str) -> None:
    """End the pauses of some jobs."""
    _say(*choosing.choose(view, chosen), Word(event="RESUME", why=why), clock.now())


def mark(view: Path, chosen: Chosen, why: str, *, success: bool, error: bool) -> None:
    """End the newest run of some jobs by hand."""
    if success == error:
        raise NotSaid("say --success or --error: what a run is to be marked as")
    _say(*choosing.choose(view, chosen), Word(event="SUCCESS" if success else "ERROR", why=_reason(why)), clock.now())


def forget(view: Path, pattern: str) -> None:
    """Let what belongs to no job be forgotten, under all names or those that fit, until it is reported again."""
    meta, every = reading.read_unmatched(view)
    names = list(dict.fromkeys((row["name"], row["env"]) for row in adopting.of_name(every, pattern)))
    if not names:
        raise NotSaid("there is nothing to forget; `job_tracker unmatched` shows what belongs to no job")
    author, now = _author(), clock.now() / MICROSECONDS
    element = {"instance": "-", "job": "unmatched", "event": FORGET, "timestamp": now}
    notes = [{"author": author, "name": name, "env": env} for name, env in names]
    _add(_queue(meta), [{**element, "message": json.dumps(note)} for note in notes])
    shown_as = [
        (adopting.quoted(name), adopting.quoted(env)) if name else ("what cannot be read", "") for name, env in names
    ]
    output.put("\n".join(safe(f"{name}{env and f' of {env}'}: forgotten by {author}") for name, env in shown_as))
    _put_when_heard(meta, "`job_tracker unmatched` shows what is left")


def _reason(why: str) -> str:
    if not why.strip():
        raise NotSaid("--why is empty: whoever finds it in the state file asks that first")
    return why


def _say(meta: Document, jobs: Sequence[Document], word: Word, now: int) -> None:
    """Put the word into the queue for each job, and show what was said."""
    author = _author()
    _add(_queue(meta), [_message(job, word, author, now) for job in jobs])
    output.put("\n".join(_lines(jobs, word, author)))
    _put_when_heard(meta, "`job_tracker explain JOB` shows what came of it")


def _put_when_heard(meta: Document, where: str) -> None:
    if is_alive(meta):
        output.put_note(f"the daemon (pid {meta['pid']}) hears it now; {where}")
    else:
        output.put_note("the daemon does not run: it is queued, and heard at its next start before anything is judged")


def _message(job: Document, word: Word, author: str, now: int) -> Document:
    note: Document = {"author": author, "why": word.why}
    if word.until is not None:
        note["until"] = word.until / MICROSECONDS
    name, env = job["promise"]["name"], job["promise"]["env"]
    element = {"instance": env, "job": name, "event": word.event, "timestamp": now / MICROSECONDS}
    return {**element, "message": json.dumps(note)}


def _lines(jobs: Sequence[Document], word: Word, author: str) -> Iterator[str]:
    by = safe(f"by {author}: {word.why}" if word.why else f"by {author}")
    for job in jobs:
        zone, before = job["zone"], job["paused"]
        was = "" if before is None else f" (it was until {shown(before['ends'], zone)} {safe(before['text'])})"
        if word.until is not None:
            yield f"{job['job']}: paused until {shown(word.until, zone)} ({zone}) {by}{was}"
        elif word.event == "RESUME":
            yield f"{job['job']}: resumed {by}{was or ' (it was not paused, which changes nothing)'}"
        else:
            yield f"{job['job']}: {_marked(job)} marked as {word.event} {by}"


def _marked(job: Document) -> str:
    """Which run a word without an id is about: the newest open one, as far as the view knows."""
    runs = [*job["open_runs"], *([job["last_run"]] if job["last_run"] else [])]
    open_runs = [run["order"] for run in runs if run["outcome"] == "open"]
    return f"run {max(open_runs)}" if open_runs else "its last run, or one that was not seen,"


def _author() -> str:
    """Who says it: a note, not a proof."""
    by_sudo = os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    try:
        return by_sudo or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _queue(meta: Document) -> Path:
    """The queue that the daemon hears, if we may write into it."""
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


def _add(queue: Path, messages: Sequence[Document]) -> None:
    """Let message-queue.py store them, all or none; where root asks, as the owner, or its files were root's."""
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
