"""Commands: read the view and show it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.cli.screens import days, history, jobs, notifications, output, plain, sources, unmatched
from job_tracker.core.states import State
from job_tracker.errors import JobTrackerError
from job_tracker.telling import adopting, explain, past, servers
from job_tracker.telling import jobs as choice
from job_tracker.telling import sources as contacts
from job_tracker.telling.as_json import in_seconds
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import age, is_stale
from job_tracker.view import reading
from job_tracker.view.reading import JobView

Document = dict[str, Any]

WATCH_EVERY = 1.0
"""Seconds between two looks."""

STATES = tuple(state.value for state in State)


class NoSuchThing(JobTrackerError):
    """The command names something that is not there; nothing is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs to show."""

    pattern: str = ""
    states: tuple[str, ...] = ()
    problems: bool = False
    sort: str = ""

    def __post_init__(self) -> None:
        if self.sort and self.sort not in choice.SORTS:
            raise NoSuchThing(f"--sort {self.sort}: jobs are sorted by {', '.join(choice.SORTS)}")
        for state in self.states:
            if state.upper() not in STATES:
                raise NoSuchThing(f"--state {state}: there is no such state; the states are {', '.join(STATES)}")


def show_jobs(path: Path, wanted: Wanted, *, json: bool) -> None:
    """A line per job."""
    meta, found = _selected(path, wanted)
    now = clock.now()
    stale = is_stale(meta, now) or not is_alive(meta)
    if json:
        output.put_json({"view": view_document(meta, now), "jobs": in_seconds(found)})
    elif found:
        if stale and output.is_terminal():
            output.put(f"{age(meta, now, is_alive=is_alive(meta), zone=meta['zone'])}\n")
        output.put_table(_table(meta, found, now, brief=output.is_terminal(), stale=stale))
    note = choice.totals(found) if found or not wanted.pattern else f"no job fits {wanted.pattern}"
    put_age(meta, now, json=json, before=f"{note}; ")
    for line in _remarks(path, meta, found) if not json else ():
        output.put_note(line)


def watch_jobs(path: Path, wanted: Wanted, *, below: str = "") -> None:
    """The table, live on a terminal; elsewhere a line for each job that changes.  below: what stays under the table."""
    if output.is_terminal():
        _watch_live(path, wanted, below)
    else:
        _watch_lines(path, wanted)


def show_history(path: Path, name: str, most: int, *, json: bool) -> None:
    """A job's runs, and what happened between them."""
    found = _job(path, name)
    now = clock.now()
    lines = past.entries(found.runs, found.changes, most, found.messages)
    if json:
        output.put_json({"view": view_document(found.meta, now), "job": found.job["job"], "history": in_seconds(lines)})
    elif lines:
        output.put_table(history.table(lines, found.job["zone"], now, brief=output.is_terminal()))
    shown = sum(1 for line in lines if line["what"] == "run")
    note = f"{shown} of {found.job['runs']} runs; "
    put_age(found.meta, now, json=json, before=note, zone=found.job["zone"])


def show_days(path: Path, name: str, most: int, *, json: bool) -> None:
    """What a job's days came to."""
    found = _job(path, name)
    now = clock.now()
    meta, every = reading.read_days(path, found.job["job"], 400)
    rows, since = days.last(every, most, now, found.job["zone"]), meta["days_since"]
    if json:
        document = {"job": found.job["job"], "since": since, "days": rows}
        output.put_json({"view": view_document(meta, now), **in_seconds(document)})
    elif rows:
        output.put_table(days.table(rows))
    note = "" if json else f"{days.known_since(since, found.job['zone'])}; "
    put_age(meta, now, json=json, before=note, zone=found.job["zone"])


def show_reasons(path: Path, name: str, events: Callable[[], Path], *, json: bool) -> None:
    """Why a job is in its state; events: where they lie, if somebody has to know."""
    found = _job(path, name)
    now = clock.now()
    by_server = servers.words_of(events(), found.job) if servers.is_by_server(found.meta, found.job) else ()
    sections = explain.explain(found.meta, found.job, found.promise, found.messages, now, by_server)
    if json:
        output.put_json(
            {
                "view": view_document(found.meta, now),
                "job": in_seconds({**found.job, "promise": found.promise}),
                "sentences": {section.name: list(section.sentences) for section in sections},
                "messages": in_seconds(found.messages),
            }
        )
    else:
        output.put(explain.as_text(sections))
    before = "\n" if output.is_terminal() and not json else ""
    put_age(found.meta, now, json=json, before=before, zone=found.job["zone"])


def show_unmatched(path: Path, pattern: str = "", *, json: bool, as_yaml: bool = False) -> None:
    """Messages that belong to no configured job; as_yaml: the configuration is written in YAML."""
    meta, every = reading.read_unmatched(path)
    rows = adopting.of_name(every, pattern)
    now = clock.now()
    if json:
        document = {
            "view": view_document(meta, now),
            "unmatched": in_seconds(rows),
            "adopting": adopting.adopting(rows),
        }
        output.put_json(document)
    elif rows:
        output.put_table(unmatched.table(rows, meta["zone"]))
        guesses = adopting.guesses(rows, reading.read_keys(path))
        if guesses:
            output.put("")
        for name, key in guesses:
            output.put(f"{safe(name)}: did you mean {key}? Let it report so, or name it in its `reported_as`.")
        snippet = adopting.snippet(rows, as_yaml=as_yaml)
        if snippet:
            output.put(f"\nTo adopt them, put into `jobs`, with the promises that are really meant:\n\n{snippet}\n")
    put_age(meta, now, json=json, before="" if rows else _all_is_well(every, pattern))


def _all_is_well(every: list[Document], pattern: str) -> str:
    return f"no message is kept aside as {safe(pattern)}; " if every else "every message belongs to a job; "


def show_sources(path: Path, *, json: bool) -> None:
    """A line per source."""
    meta = reading.read_meta(path)
    now = clock.now()
    found = contacts.documents(meta)
    if json:
        output.put_json({"view": view_document(meta, now), "sources": in_seconds(found)})
    elif found:
        output.put_table(sources.table(found, now, brief=output.is_terminal(), zone=meta["zone"]))
    put_age(meta, now, json=json, before="" if found else "no source is configured; ")


def show_notifications(path: Path, *, json: bool) -> None:
    """What the Event Console has not taken yet."""
    meta, rows = reading.read_outbox(path)
    now = clock.now()
    if json:
        output.put_json({"view": view_document(meta, now), "notifications": in_seconds(rows)})
    elif rows:
        output.put_table(notifications.table(rows, now))
    put_age(meta, now, json=json, before="" if rows else "no notification waits; ")


def _selected(path: Path, wanted: Wanted) -> tuple[Document, list[Document]]:
    meta, every = reading.read_jobs(path)
    found = choice.select(
        every,
        pattern=wanted.pattern,
        states=wanted.states,
        problems=wanted.problems,
        unheard=_unheard(meta),
    )
    return meta, choice.in_order(found, wanted.sort or ("state" if output.is_terminal() else "configured"))


def _unheard(meta: Document) -> frozenset[str]:
    return frozenset(source["source"] for source in contacts.unheard(meta))


def _table(meta: Document, found: list[Document], now: int, *, brief: bool, stale: bool) -> plain.Table:
    """The jobs; grey where nobody knows whether it is still so."""
    made = jobs.table(found, now, brief=brief, sources=len(meta["sources"]), unheard=_unheard(meta))
    return plain.greyed(made) if stale else made


def _remarks(path: Path, meta: Document, found: list[Document]) -> Iterator[str]:
    """What a list of jobs would hide: sources that are not heard, and messages that belong to no job."""
    for source in contacts.unheard(meta):
        yield safe(contacts.complaint(source, found, meta["zone"]))
    count = reading.count_unmatched(path)
    if count:
        yield f"{count} name{' belongs' if count == 1 else 's belong'} to no job: `job_tracker unmatched` shows them"


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
    raise NoSuchThing(f"{safe(name)}: there is no such job; {hint}")


def _watch_live(path: Path, wanted: Wanted, below: str) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console()

    def look() -> Group:
        now = clock.now()
        try:
            meta, found = _selected(path, wanted)
        except JobTrackerError as error:
            return Group(Text(safe(error), style="bold red"), Text("Ctrl-C ends"))
        stale = is_stale(meta, now) or not is_alive(meta)
        told = age(meta, now, is_alive=is_alive(meta), zone=meta["zone"])
        head = [Text(f"{told}\n", style="bold red")] if stale else []
        remarks = [Text(line, style="magenta") for line in _remarks(path, meta, found)]
        footer = Text(f"\n{choice.totals(found)}; {told}; Ctrl-C ends", style="dim")
        table = plain.as_rich(_table(meta, found, now, brief=True, stale=stale), console.width)
        return Group(*head, table, *remarks, footer, *([Text(f"\n{below}")] if below else []))

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


def put_age(meta: Document, now: int, *, json: bool, before: str = "", zone: str | None = None) -> None:
    """How old the answer is; zone: that of its times, where it is not the configuration's."""
    named = zone or meta["zone"]
    output.put_note(f"{before}times in {named}; {age(meta, now, is_alive=is_alive(meta), zone=named)}", apart=json)


def view_document(meta: Document, now: int) -> Document:
    """How the view itself stands, for programs: its age in seconds, and whether anybody keeps it up to date."""
    alive = is_alive(meta)
    stale = is_stale(meta, now) or not alive
    shown: Document = in_seconds(meta)
    return {**shown, "age": (now - meta["written"]) / 1_000_000, "stale": stale, "daemon_runs": alive}


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
