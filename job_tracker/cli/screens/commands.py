"""Commands: read the view and show it."""

import os
import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.cli.screens import explain, history, jobs, notifications, output, plain, sources, unmatched
from job_tracker.cli.screens.as_json import in_seconds
from job_tracker.cli.screens.times import age, is_stale
from job_tracker.errors import JobTrackerError
from job_tracker.view import reading
from job_tracker.view.reading import JobView

Document = dict[str, Any]

WATCH_EVERY = 1.0
"""Seconds between two looks."""

STATES = ("UNKNOWN", "NEVER_RAN", "RUNNING", "NOT_RUNNING", "ERROR", "TIMEOUT", "DELAYED")


class NoSuchThing(JobTrackerError):
    """The command names something that is not there; nothing is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs to show."""

    pattern: str = ""
    states: tuple[str, ...] = ()
    problems: bool = False

    def __post_init__(self) -> None:
        for state in self.states:
            if state.upper() not in STATES:
                raise NoSuchThing(f"--state {state}: there is no such state; the states are {', '.join(STATES)}")


def show_jobs(path: Path, wanted: Wanted, *, json: bool) -> None:
    """A line per job."""
    meta, found = _selected(path, wanted)
    now = clock.now()
    if json:
        output.put_json({"view": _view(meta, now), "jobs": in_seconds(found)})
    elif found:
        output.put_table(jobs.table(found, now, brief=output.is_terminal()))
    note = jobs.totals(found) if found or not wanted.pattern else f"no job fits {wanted.pattern}"
    _put_age(meta, now, json=json, before=f"{note}; ", zone=_only_zone(found))


def watch_jobs(path: Path, wanted: Wanted) -> None:
    """The table, live on a terminal; elsewhere a line for each job that changes."""
    if output.is_terminal():
        _watch_live(path, wanted)
    else:
        _watch_lines(path, wanted)


def show_history(path: Path, name: str, most: int, *, json: bool) -> None:
    """A job's runs, and what happened between them."""
    found = _job(path, name)
    now = clock.now()
    lines = history.entries(found.runs, found.changes, most)
    if json:
        output.put_json({"view": _view(found.meta, now), "job": found.job["job"], "history": in_seconds(lines)})
    elif lines:
        output.put_table(history.table(lines, found.job["zone"], now))
    shown = sum(1 for line in lines if line["what"] == "run")
    note = f"{shown} of {found.job['runs']} runs, times in {found.job['zone']}; "
    _put_age(found.meta, now, json=json, before=note, zone=found.job["zone"])


def show_reasons(path: Path, name: str, *, json: bool) -> None:
    """Why a job is in its state."""
    found = _job(path, name)
    now = clock.now()
    sections = explain.explain(found.meta, found.job, found.promise, found.messages, now)
    if json:
        output.put_json(
            {
                "view": _view(found.meta, now),
                "job": in_seconds({**found.job, "promise": found.promise}),
                "sentences": {section.name: list(section.sentences) for section in sections},
                "messages": in_seconds(found.messages),
            }
        )
    else:
        output.put(explain.as_text(sections))
    before = "\n" if output.is_terminal() and not json else ""
    _put_age(found.meta, now, json=json, before=before, zone=found.job["zone"])


def show_unmatched(path: Path, *, json: bool) -> None:
    """Messages that belong to no configured job."""
    meta, rows = reading.read_unmatched(path)
    now = clock.now()
    if json:
        document = {"view": _view(meta, now), "unmatched": in_seconds(rows), "adopting": unmatched.adopting(rows)}
        output.put_json(document)
    elif rows:
        output.put_table(unmatched.table(rows))
        snippet = unmatched.snippet(rows)
        if snippet:
            output.put(f"\nTo adopt them, put into `jobs`, with the promises that are really meant:\n\n{snippet}\n")
    _put_age(meta, now, json=json, before="" if rows else "every message belongs to a job; ")


def show_sources(path: Path, *, json: bool) -> None:
    """A line per source."""
    meta = reading.read_meta(path)
    now = clock.now()
    found = sources.documents(meta)
    if json:
        output.put_json({"view": _view(meta, now), "sources": in_seconds(found)})
    elif found:
        output.put_table(sources.table(found, now, brief=output.is_terminal()))
    _put_age(meta, now, json=json, before="" if found else "no source is configured; ")


def show_notifications(path: Path, *, json: bool) -> None:
    """What the Event Console has not taken yet."""
    meta, rows = reading.read_outbox(path)
    now = clock.now()
    if json:
        output.put_json({"view": _view(meta, now), "notifications": in_seconds(rows)})
    elif rows:
        output.put_table(notifications.table(rows, now))
    _put_age(meta, now, json=json, before="" if rows else "no notification waits; ")


def _selected(path: Path, wanted: Wanted) -> tuple[Document, list[Document]]:
    meta, every = reading.read_jobs(path)
    return meta, jobs.select(every, pattern=wanted.pattern, states=wanted.states, problems=wanted.problems)


def _job(path: Path, name: str) -> JobView:
    """The job of a name__env; a name alone is enough where only one env has it."""
    found = reading.read_job(path, name)
    if found is not None:
        return found
    keys = reading.read_keys(path)
    of_name = [key for key in keys if key.startswith(f"{name}__")]
    if len(of_name) == 1:
        found = reading.read_job(path, of_name[0])
    if found is not None:
        return found
    near = of_name or [key for key in keys if name.lower() in key.lower()] or get_close_matches(name, keys, n=3)
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "`job_tracker jobs` lists them"
    raise NoSuchThing(f"{plain.safe(name)}: there is no such job; {hint}")


def _watch_live(path: Path, wanted: Wanted) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console()

    def look() -> Group:
        now = clock.now()
        try:
            meta, found = _selected(path, wanted)
        except JobTrackerError as error:
            return Group(Text(plain.safe(error), style="bold red"), Text("Ctrl-C ends"))
        told = age(meta, now, is_alive=is_alive(meta), zone=_only_zone(found))
        footer = Text(f"\n{jobs.totals(found)}; {told}; Ctrl-C ends", style="bold red" if "STALE" in told else "dim")
        return Group(plain.as_rich(jobs.table(found, now, brief=True), console.width), footer)

    live = Live(look(), console=console, auto_refresh=False, screen=True, vertical_overflow="crop")
    try:
        live.start(refresh=True)
        while True:
            time.sleep(WATCH_EVERY)  # a screen that is looked at, not a wait for something
            live.update(look(), refresh=True)
    finally:  # `with` would not restore a terminal that is interrupted while it is being taken over
        live.stop()


def _watch_lines(path: Path, wanted: Wanted) -> None:
    shown: dict[str, tuple[Any, ...]] = {}
    while True:
        _, found = _selected(path, wanted)
        fresh = [job for job in found if shown.get(job["job"]) != _facts(job)]
        if fresh:
            lines = plain.as_text(jobs.table(fresh, clock.now(), brief=False)).splitlines()
            output.put("\n".join(lines if not shown else lines[1:]))
        shown.update((job["job"], _facts(job)) for job in fresh)
        time.sleep(WATCH_EVERY)  # the same, a line at a time


def _facts(job: Document) -> tuple[Any, ...]:
    return tuple(job[name] for name in ("state", "status", "since", "errors", "missed", "runs"))


def _put_age(meta: Document, now: int, *, json: bool, before: str = "", zone: str | None = None) -> None:
    output.put_note(f"{before}{age(meta, now, is_alive=is_alive(meta), zone=zone)}", apart=json)


def _view(meta: Document, now: int) -> Document:
    alive = is_alive(meta)
    stale = is_stale(meta, now) or not alive
    shown: Document = in_seconds(meta)
    return {**shown, "age": (now - meta["written"]) / 1_000_000, "stale": stale, "daemon_runs": alive}


def _only_zone(found: list[Document]) -> str | None:
    """The zone of all these jobs; None, this host's, if they differ."""
    zones = {job["zone"] for job in found}
    return zones.pop() if len(zones) == 1 else None


def is_alive(meta: Document) -> bool:
    """Whether the daemon that writes the view still runs on this host."""
    if meta["stopped"] is not None:
        return False
    try:
        os.kill(meta["pid"], 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
