"""Publishing: keeps the view that the command line reads in step with the board.

Rule: the view is derived; losing it, or being unable to write it, holds up nothing.
"""

import os
from collections.abc import Callable

from job_tracker import __version__
from job_tracker.config.reading import Config
from job_tracker.core.board import Board, Watermarks
from job_tracker.core.jobs import MICROSECONDS
from job_tracker.core.tracker import Step
from job_tracker.ports import Report
from job_tracker.store.documents import Document, job_documents, meta_document, publication
from job_tracker.store.ledger import Ledger
from job_tracker.store.view import View


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
        self._published_at = 0

    def rebuild(self, board: Board, watermarks: Watermarks, now: int) -> None:
        """Build the whole view from the ledger; what waits to be delivered comes with the next publication."""
        self._outbox = []
        self.view.rebuild(
            job_documents(self.config.jobs, board),
            self.ledger.all_runs(),
            self.ledger.all_changes(),
            self.ledger.unmatched(),
            self.meta(watermarks, now),
            self.ledger.last_messages(),
        )

    def reload(self, config: Config, board: Board, watermarks: Watermarks, now: int) -> None:
        """Build it anew for another configuration."""
        self.config = config
        self.reports = {name: each for name, each in self.reports.items() if name in config.jobs.sources}
        self.rebuild(board, watermarks, now)

    def publish(self, made: Step, board: Board, watermarks: Watermarks, now: int) -> None:
        """Hand over what a step changed, and at least once an interval that we are still here."""
        if self.view.rebuild_due:
            self.rebuild(board, watermarks, now)
            return
        pause = min(self.config.settings.interval_microseconds, MICROSECONDS)
        if not made.records and not self.unmatched_grew and now - self._published_at < pause:
            return
        unmatched = self.ledger.unmatched() if self.unmatched_grew else None
        self.unmatched_grew = False
        self._published_at = now
        meta = self.meta(watermarks, now)
        before, self._outbox = self._outbox, self.outbox(now)
        outbox = None if self._outbox == before else self._outbox
        self.view.publish(
            publication(self.config.jobs, made.records, meta=meta, now=now, unmatched=unmatched, outbox=outbox)
        )

    def close(self, watermarks: Watermarks, now: int) -> None:
        """Say that we stop."""
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
