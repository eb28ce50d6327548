"""Publishing: keeps the view that the command line reads in step with the board.

Rule: the view is derived; losing it, or being unable to write it, holds up nothing.
Rule: it is written ten times a second at most, and so trails what the monitoring is told by a tenth of a second.
"""

import os
import time
from collections.abc import Callable, Iterable

from job_tracker import __version__
from job_tracker.config.reading import Config
from job_tracker.core.board import Board, Watermarks
from job_tracker.core.record import Record, Step
from job_tracker.errors import StoreFailed
from job_tracker.ledger.ledger import Ledger
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Report
from job_tracker.view.documents import MESSAGES, Document, meta_document, publication, whole_document
from job_tracker.view.rows import Past
from job_tracker.view.view import View

BUILDING = 0.05
"""Seconds that building the view may hold up a cycle."""

TRAILING = 100_000
"""Microseconds between two publications at least, so that a burst of messages costs one and not many."""

A_MOMENT = 5_000
"""Microseconds until it goes on, which leaves the thread that writes some of the time."""

JOBS_AT_ONCE = 50
"""About as many milliseconds of it, where the history is long."""


class Publishing:
    """What the command line will show.

    reports: how each source stands.  unmatched_grew: something was kept aside since the last publication.
    outbox: gives the documents of what waits to be delivered at a moment.
    """

    def __init__(self, config: Config, ledger: Ledger, started: int) -> None:
        self.config, self.ledger, self.started = config, ledger, started
        self.view = View(config.settings.view_file)
        self.reports: dict[str, Report] = {}
        self.unmatched_grew = False
        self.outbox: Callable[[int], list[Document]] = lambda _: []
        self._outbox: list[Document] = []
        self._records: dict[str, Record] = {}
        self._published_at = 0

    def rebuild(self, board: Board, watermarks: Watermarks, now: int) -> None:
        """Begin to build the whole view from the ledger; `publish` goes on with that, a little in each cycle.

        What waits to be delivered comes with the next publication.
        """
        self._outbox, self._records = [], {}
        self.view.begin(self.config.jobs.by_key, self.config.jobs.history)
        self._build(board, watermarks, now)

    def reload(self, config: Config, board: Board, watermarks: Watermarks, now: int) -> None:
        """Build it anew for another configuration."""
        self.config = config
        self.reports = {name: each for name, each in self.reports.items() if name in config.jobs.sources}
        self.rebuild(board, watermarks, now)

    def publish(self, steps: Iterable[Step], board: Board, watermarks: Watermarks, now: int) -> int | None:
        """Hand over what steps changed, and at least once an interval that we are still here.

        Returns when there is more to do, None if there is not.
        """
        if self.view.rebuild_due or any(made.is_set_back for made in steps):
            self.rebuild(board, watermarks, now)
        else:
            for made in steps:
                self._keep(made, watermarks, now)
            if self._is_due(now):
                self._hand_over(watermarks, now)
            self._build(board, watermarks, now)
        if self.view.is_building:
            return now + A_MOMENT
        return self._published_at + TRAILING if self._records or self.unmatched_grew else None

    def _keep(self, made: Step, watermarks: Watermarks, now: int) -> None:
        """Keep what a step changed until the next publication."""
        if any(record.rewound is not None and key in self._records for key, record in made.records.items()):
            self._hand_over(watermarks, now)  # what is folded again replaces what the view holds, not what it will hold
        for key, record in made.records.items():
            before = self._records.get(key)
            self._records[key] = record if before is None else _together(before, record)

    def _is_due(self, now: int) -> bool:
        """Whether to publish now; while a view is built, it takes at once what it must not miss."""
        passed = now - self._published_at
        if passed < 0 or (self.view.is_building and self._records):
            return True
        some = self._records or self.unmatched_grew
        return passed >= (TRAILING if some else min(self.config.settings.interval_microseconds, MICROSECONDS))

    def _hand_over(self, watermarks: Watermarks, now: int) -> None:
        records, self._records = self._records, {}
        unmatched = self._unmatched() if self.unmatched_grew else None
        self.unmatched_grew = False
        self._published_at = now
        meta = self.meta(watermarks, now)
        before, self._outbox = self._outbox, self.outbox(now)
        outbox = None if self._outbox == before else self._outbox
        self.view.publish(
            publication(self.config.jobs, records, meta=meta, now=now, unmatched=unmatched, outbox=outbox)
        )

    def _build(self, board: Board, watermarks: Watermarks, now: int) -> None:
        """Go on with a new view for a moment."""
        until = time.monotonic() + BUILDING
        while self.view.is_building and (keys := self.view.lacking(JOBS_AT_ONCE)):
            self.view.fill(self._past(board, key) for key in keys)
            if time.monotonic() >= until:
                break
        if self.view.is_complete:
            self.view.finish(self._unmatched(), self.meta(watermarks, now))

    def _unmatched(self) -> list[Document]:
        """What belongs to no job; nothing if that cannot be read, and then the view is built anew later."""
        try:
            return self.ledger.unmatched()
        except StoreFailed as failure:
            self.view.fail(str(failure))
            return []

    def _past(self, board: Board, key: str) -> Past:
        job, history = self.config.jobs.by_key[key], self.ledger.history
        return Past(
            document=whole_document(self.config.jobs, job, board.standing(job)),
            runs=history.runs(key),
            changes=history.changes(key),
            messages=history.messages(key),
        )

    def close(self, watermarks: Watermarks, now: int) -> None:
        """Hand over what is left, and say that we stop."""
        self._hand_over(watermarks, now)
        meta = self.meta(watermarks, now, stopped=now)
        self.view.publish(publication(self.config.jobs, {}, meta=meta, now=now))
        self.view.close()

    def meta(self, watermarks: Watermarks, now: int, stopped: int | None = None) -> Document:
        """Who publishes this, and how its sources stand."""
        settings, jobs = self.config.settings, self.config.jobs
        return meta_document(
            now=now,
            started=self.started,
            stopped=stopped,
            pid=os.getpid(),
            version=__version__,
            interval=settings.interval_microseconds,
            store=str(settings.store_file),
            history=jobs.history,
            jobs=len(jobs.by_key),
            watermarks=watermarks,
            reports=self.reports,
        )


def _together(before: Record, after: Record) -> Record:
    """What two steps did to one job, as far as the view shows it; the second did not fold it again."""
    return Record(
        standing=after.standing,
        runs={**before.runs, **after.runs},
        messages=[*before.messages, *after.messages][-MESSAGES:],
        changes=[*before.changes, *after.changes],
        rewound=before.rewound,
    )
