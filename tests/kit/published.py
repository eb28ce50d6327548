"""A tracker without a daemon: real steps of the core over scripted messages, published into a real view."""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.memory import Memory
from job_tracker.core.messages import Message
from job_tracker.core.record import Record
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.step import step
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Contact, Report
from job_tracker.view import documents
from job_tracker.view.rows import Past
from job_tracker.view.view import View

SECOND = MICROSECONDS
HOUR = 3600 * SECOND
T0 = 1_795_000_000 * SECOND
BERLIN = ZoneInfo("Europe/Berlin")


def cyclic(name: str, **changes: Any) -> Job:
    """An hourly job that may take ten minutes."""
    return replace(
        Job(
            name=name,
            env="P",
            kind=Kind.CYCLIC,
            timeout=600 * SECOND,
            grace=5 * SECOND,
            zone=BERLIN,
            interval=HOUR,
        ),
        **changes,
    )


def daily(name: str, **changes: Any) -> Job:
    """A job that starts at half past ten in the evening."""
    return replace(
        cyclic(name),
        kind=Kind.DAILY,
        interval=0,
        starts=Daily(zone=BERLIN, max_early=300 * SECOND, times=(22 * 60 + 30,)),
        **changes,
    )


def jobs_of(*jobs: Job, history: int = 100, sources: tuple[str, ...] = ("app1",)) -> Jobs:
    """A configuration of some jobs, in this order."""
    ordered = [replace(job, order=order) for order, job in enumerate(jobs)]
    return Jobs(
        by_key={job.key: job for job in ordered},
        sources=sources,
        tolerance=15 * SECOND,
        grace=5 * SECOND,
        history=history,
    )


def is_finished(view: View) -> bool:
    """Wait until a view is in its place, or has failed."""
    while view.is_building:
        view.settle()
        time.sleep(0.001)  # its thread writes; the view itself decides when that has taken too long
    return not view.has_failed


class Published:
    """A board, an archive and a view that follow each other, as in the daemon."""

    def __init__(self, path: Path, jobs: Jobs, *, now: int = T0) -> None:
        self.jobs, self.now, self.started = jobs, now, now
        self.board: Board = make_board(jobs, {}, {}, now)
        self.memory = Memory(self.board)
        self.changes: dict[str, list[dict[str, Any]]] = {}
        self.unmatched: list[dict[str, Any]] = []
        self.drained: dict[str, int] = {}
        self.contact = Contact.REACHABLE
        self.control = "/var/lib/job_tracker/control/queue.sqlite"
        self.view = View(path)
        self.number = 0
        self.rebuild()

    def rebuild(self, view: View | None = None) -> bool:
        """Build the view anew from what was kept."""
        view = view or self.view
        view.begin(self.jobs.by_key, self.jobs.history)
        view.fill(map(self.past, self.jobs.by_key))
        view.finish(self.unmatched, self.meta())
        return is_finished(view)

    def past(self, key: str) -> Past:
        """What was kept of a job."""
        job = self.jobs.by_key[key]
        return Past(
            document=documents.whole_document(self.jobs, job, self.board.standing(job)),
            runs=self.memory.runs.get(key, {}).values(),
            changes=self.changes.get(key, ()),
            messages=self.memory.messages.get(key, ()),
        )

    def say(self, *said: tuple[int, str, str] | tuple[int, str, str, str], run: str | None = None) -> None:
        """Let messages (seconds after T0, job's name, event, text) arrive together, a second after the last of them."""
        messages = [self.message(*each, run=run) for each in said]
        self.step(max(self.now, *(message.moment + SECOND for message in messages)), messages)

    def message(self, at: int, name: str, event: str, text: str = "", *, run: str | None = None) -> Message:
        """One message, dated so many seconds after T0."""
        self.number += 1
        moment = T0 + at * SECOND
        return Message(
            moment=moment,
            claimed=moment,
            received=moment + SECOND,
            source="app1",
            number=self.number,
            name=name,
            env="P",
            event=event,
            text=text,
            uid=str(self.number),
            run=run,
        )

    def wait(self, until: int) -> None:
        """Let time pass, up to so many seconds after T0."""
        self.step(T0 + until * SECOND, [])

    def step(self, now: int, messages: Iterable[Message]) -> None:
        """One cycle: step, keep, publish."""
        self.now = now
        if self.contact is Contact.REACHABLE:
            self.drained = dict.fromkeys(self.jobs.sources, now + 1)
        made = step(self.board, self.jobs, messages, self.watermarks(), now, self.memory)
        self.memory.keep(made.records)
        self.board = made.board
        for key, record in made.records.items():
            self.keep_changes(key, record)
        self.view.publish(documents.publication(self.jobs, made.records, meta=self.meta(), now=now))

    def keep_changes(self, key: str, record: Record) -> None:
        """What the ledger keeps of changes."""
        kept = self.changes.setdefault(key, [])
        if record.rewound is not None:
            serial = record.rewound.serial
            kept[:] = [c for c in kept if c["serial"] <= serial or 3 in (c["status_from"], c["status_to"])]
        kept += [documents.change_document(change, self.now) for change in record.changes]

    def watermarks(self) -> dict[str, Watermark]:
        """How far each source is drained."""
        return {
            name: Watermark(drained=self.drained.get(name), lags_from=self.drained.get(name, self.started))
            for name in self.jobs.sources
        }

    def meta(self, *, stopped: int | None = None) -> dict[str, Any]:
        """The meta document of this moment."""
        return documents.meta_document(
            now=self.now,
            started=self.started,
            stopped=stopped,
            pid=os.getpid(),
            version="0.1.0",
            interval=10 * SECOND,
            store="/var/lib/job_tracker/job_tracker.sqlite",
            history=self.jobs.history,
            jobs=len(self.jobs.by_key),
            zone="Europe/Berlin",
            words=("STARTED", "ERROR", "SUCCESS"),
            control=self.control,
            watermarks=self.watermarks(),
            reports={name: Report(source=name, contact=self.contact, since=self.started) for name in self.jobs.sources},
        )

    def close(self) -> None:
        """Let the last publication be written, however slow the disk is."""
        self.view.close(patience=60.0)
