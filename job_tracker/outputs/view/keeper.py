"""The view output: keeps what the command line reads in step with the board.

Rule: the view is derived; losing it, or being unable to write it, holds up nothing.
Rule: it is written ten times a second at most, and so trails what the monitoring is told by a tenth of a second.
"""

import os
import time
from collections.abc import Sequence

from job_tracker import __version__
from job_tracker.config.reading import Config
from job_tracker.core.board import Board
from job_tracker.core.intake import Why
from job_tracker.core.record import Record, Step
from job_tracker.errors import StoreFailed
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.making import Ground
from job_tracker.ports import Found, Output, Picture
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


class ViewOutput(Output[Config]):
    """What the command line will show."""

    def __init__(self, ground: Ground) -> None:
        self.config, self.ledger, self.started = ground.config, ground.ledger, ground.started
        self.view = View(ground.config.settings.view_file)
        self.control = str(ground.config.settings.control)  # a reload changes it only at the next start
        self._outbox: list[Document] = []
        self._records: dict[str, Record] = {}
        self._unmatched_grew = False
        self._published_at = 0

    def begin(self, config: Config, picture: Picture) -> None:
        """Begin to build the whole view from the ledger; `tell` goes on with that, a little in each cycle.

        What waits to be delivered comes with the next publication.
        """
        self.config = config
        self._outbox, self._records = [], {}
        self.view.begin(config.jobs.by_key, config.jobs.history)
        self._build(picture)

    def tell(self, found: Sequence[Found], picture: Picture) -> int | None:
        """Hand over what steps changed, and at least once an interval that we are still here."""
        self._unmatched_grew |= any(each.kept_aside for each in found)
        if picture.failing:
            return None  # sources are said to be drained further than anything is stored
        if self.view.rebuild_due or any(each.step.is_set_back for each in found):
            self.begin(self.config, picture)
        else:
            for each in found:
                self._keep(each.step, picture)
            if self._is_due(picture.now):
                self._hand_over(picture)
            self._build(picture)
        if self.view.is_building:
            return picture.now + A_MOMENT
        return self._published_at + TRAILING if self._records or self._unmatched_grew else None

    def close(self, picture: Picture) -> None:
        """Hand over what is left, and say that we stop."""
        self._hand_over(picture)
        meta = self._meta(picture, stopped=picture.now)
        self.view.publish(publication(self.config.jobs, {}, meta=meta, now=picture.now))
        self.view.close()

    def _keep(self, made: Step, picture: Picture) -> None:
        """Keep what a step changed until the next publication."""
        if any(record.rewound is not None and key in self._records for key, record in made.records.items()):
            self._hand_over(picture)  # what is folded again replaces what the view holds, not what it will hold
        for key, record in made.records.items():
            before = self._records.get(key)
            self._records[key] = record if before is None else _together(before, record)

    def _is_due(self, now: int) -> bool:
        """Whether to publish now; while a view is built, it takes at once what it must not miss."""
        passed = now - self._published_at
        if self.view.is_ending:
            return False  # the file of before goes, and the new one is closed: it comes right after
        if passed < 0 or (self.view.is_building and self._records):
            return True
        some = self._records or self._unmatched_grew
        return passed >= (TRAILING if some else min(self.config.settings.interval_microseconds, MICROSECONDS))

    def _hand_over(self, picture: Picture) -> None:
        records, self._records = self._records, {}
        unmatched = self._unmatched() if self._unmatched_grew else None
        self._unmatched_grew = False
        self._published_at = now = picture.now
        before, self._outbox = self._outbox, list(picture.undelivered())
        outbox = None if self._outbox == before else self._outbox
        self.view.publish(
            publication(
                self.config.jobs,
                records,
                meta=self._meta(picture),
                now=now,
                unmatched=unmatched,
                outbox=outbox,
                days=self._days(),
                spans=self.ledger.spans.take_fresh(),
            )
        )

    def _build(self, picture: Picture) -> None:
        """Go on with a new view for a moment."""
        until = time.monotonic() + BUILDING
        while self.view.is_building and (keys := self.view.lacking(JOBS_AT_ONCE)):
            self.view.fill(self._past(picture.board, key, picture.now) for key in keys)
            if time.monotonic() >= until:
                break
        if self.view.is_complete:
            self.view.finish(self._unmatched(), self._meta(picture), self._spans())
        self.view.settle()

    def _unmatched(self) -> list[Document]:
        """What belongs to no job; nothing if that cannot be read, and then the view is built anew later."""
        try:
            rows = self.ledger.strays.every()
        except StoreFailed as failure:
            self.view.fail(str(failure))
            return []
        jobs = self.config.jobs  # whoever was adopted since, also by a further name, is a stranger no more
        return [row for row in rows if row["why"] != Why.UNKNOWN_JOB.value or jobs.of(row["name"], row["env"]) is None]

    def _days(self) -> dict[tuple[str, str], str]:
        """Months of jobs in which something is counted anew; if that cannot be read, the view is built anew later."""
        try:
            return self.ledger.days.take_fresh()
        except StoreFailed as failure:
            self.view.fail(str(failure))
            return {}

    def _spans(self) -> list[Document]:
        """Spans of contact, all of them; the same if they cannot be read."""
        try:
            return self.ledger.spans.every()
        except StoreFailed as failure:
            self.view.fail(str(failure))
            return []

    def _past(self, board: Board, key: str, now: int) -> Past:
        job, history = self.config.jobs.by_key[key], self.ledger.history
        return Past(
            document=whole_document(self.config.jobs, job, board.standing(job)),
            runs=history.runs(key),
            changes=history.changes(key),
            messages=history.messages(key),
            days=self.ledger.days.months(key, now),
        )

    def _meta(self, picture: Picture, stopped: int | None = None) -> Document:
        """Who publishes this, and how its sources stand."""
        settings, jobs = self.config.settings, self.config.jobs
        return meta_document(
            now=picture.now,
            started=self.started,
            stopped=stopped,
            pid=os.getpid(),
            version=__version__,
            interval=settings.interval_microseconds,
            store=str(settings.store_file),
            history=jobs.history,
            jobs=len(jobs.by_key),
            zone=settings.time_zone.key,
            words=jobs.keywords.words,
            control=self.control,
            watermarks=picture.watermarks,
            reports=picture.reports,
            days_since=self.ledger.days.since,
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
