"""The board: what the pages and the API know of all jobs at a moment, held in memory as tuples.

Rule: pure and immutable; whoever has a snapshot goes on with it while the next one is made.
Rule: a job's whole document is read when somebody opens its page, and is not kept.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from job_tracker.exit_codes import BY_SIGNAL
from job_tracker.moments import stale_after

Document = dict[str, Any]


class Row(NamedTuple):
    """One job, as lists show it; moments in microseconds.  begun, ended, outcome: of the run that lists show.

    number: of that run.  open_runs: how many are open.  unseen: since when nobody can know how it goes on; unheard:
    since when nobody was heard who would say.  is_killed: the newest run was ended by a signal.
    """

    key: str
    name: str
    env: str
    group: str
    order: int
    state: str
    status: int
    since: int
    text: str
    errors: int
    missed: int
    max_errors: int
    runs: int
    number: int
    begun: int | None
    ended: int | None
    outcome: str
    open_runs: int
    expected: int | None
    deadline: int | None
    deadline_of: str
    sources: tuple[str, ...]
    paused_until: int | None
    unseen: int | None
    unheard: int | None
    is_killed: bool
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All jobs at a moment.  rows: by key, in the order of the configuration; version: grows with each change,
    and no two processes have the same.

    meta: the view's own document, empty while there is none.  seq: the newest event known; tracker: whose events.
    read: when it was last known to be so.  fault: why the view or the events cannot be read; empty if they can.
    is_alive: whether the daemon's process is there.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    meta: Document = field(default_factory=dict)
    version: int = 0
    seq: int = 0
    tracker: str = ""
    fault: str = ""
    is_alive: bool = False

    def stale_since(self, now: int) -> int | None:
        """Since when nobody knows whether it is still so; None while the daemon reports.  0: never known."""
        if not self.meta:
            return 0
        written, stopped = int(self.meta["written"]), self.meta["stopped"]
        if self.fault or stopped is not None or not self.is_alive:
            return int(written if stopped is None else stopped)
        return written if now - written > stale_after(self.meta["interval"]) else None

    def why_stale(self, now: int) -> str:
        """Why that is, in a few words; empty while the daemon reports."""
        if self.fault:
            return self.fault
        if not self.meta:
            return "nothing is known yet"
        if self.meta["stopped"] is not None:
            return "the tracker was stopped"
        if not self.is_alive:
            return "the tracker has ended without saying so"
        return "the tracker has not reported since" if self.stale_since(now) is not None else ""


def row_of(job: Document, promise: Document) -> Row:
    """A job's line, from its two documents; of an older run that is still open, for that is what one has to look at."""
    newest, paused, unseen = job["last_run"], job["paused"], job["unseen"]
    shown = job["open_runs"][0] if job["open_runs"] else newest
    is_open = newest is not None and newest["outcome"] == "open"
    word = sys.intern
    return Row(
        key=job["job"],
        name=promise["name"],
        env=word(promise["env"]),
        group=word(promise["group"] or ""),
        order=promise["order"],
        state=word(job["state"]),
        status=job["status"],
        since=job["since"],
        text=job["text"],
        errors=job["errors"],
        missed=job["missed"],
        max_errors=job["max_errors"],
        runs=job["runs"],
        number=0 if shown is None else shown["order"],
        begun=None if shown is None else shown["begun"],
        ended=None if shown is None else shown["ended"],
        outcome="" if shown is None else word(shown["outcome"]),
        open_runs=len(job["open_runs"]) + is_open,
        expected=job["expected"],
        deadline=job["deadline"],
        deadline_of=word(job["deadline_of"] or ""),
        sources=_named(tuple(job["sources"])),
        paused_until=paused and paused["ends"],
        unseen=unseen and unseen["since"],
        unheard=unseen and unseen["unheard_since"],
        is_killed=newest is not None and newest["outcome"] == "badly" and newest["exit_code"] in BY_SIGNAL,
        zone=word(job["zone"]),
    )


def _named(sources: tuple[str, ...], known: dict[tuple[str, ...], tuple[str, ...]] = {}) -> tuple[str, ...]:  # noqa: B006 - they are remembered there
    """The same tuple for the same sources: thousands of jobs share a few."""
    if len(known) > 10_000:
        known.clear()
    return known.setdefault(sources, sources)
