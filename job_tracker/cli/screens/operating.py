"""The operator's word: pauses, resumes and marks, put into the queue that the daemon hears.

Rule: a command says of which jobs it spoke, and what; how that gets into the queue, `operators` knows.
"""

import json
import os
import pwd
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from job_tracker import clock, operators
from job_tracker.cli.screens import choosing, output
from job_tracker.cli.screens.choosing import Chosen
from job_tracker.cli.screens.commands import is_alive
from job_tracker.core.operator_word import FORGET, LONGEST, USUAL
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.operators import NotSaid, Word
from job_tracker.telling import adopting
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import clock as shown
from job_tracker.telling.times import duration, moment, zone_of
from job_tracker.view import reading

Document = dict[str, Any]


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
    operators.add(operators.queue_of(meta), [{**element, "message": json.dumps(note)} for note in notes])
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
    operators.say(meta, [(job["promise"]["name"], job["promise"]["env"]) for job in jobs], word, author, now)
    output.put("\n".join(_lines(jobs, word, author)))
    _put_when_heard(meta, "`job_tracker explain JOB` shows what came of it")


def _put_when_heard(meta: Document, where: str) -> None:
    if is_alive(meta):
        output.put_note(f"the daemon (pid {meta['pid']}) hears it now; {where}")
    else:
        output.put_note("the daemon does not run: it is queued, and heard at its next start before anything is judged")


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
