"""The Event Console output: what it has to be told, kept until it has taken it.

Rule: a notification is stored with its change, then delivered, then marked delivered; never the other way round.
Rule: in order for each subject (a job, or a source); what waits of one is told at once, the newest as the event and
the others as what happened meanwhile.
Rule: a target that is down is tried with growing pauses, and with another subject each time, so that one notification
that nobody takes holds up no other.
Rule: everything here is on the main thread and returns at once; the command runs on the courier's.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from job_tracker.config.reading import Config
from job_tracker.core.board import Board
from job_tracker.core.notices import Notices, notices, present
from job_tracker.core.record import Change
from job_tracker.core.sight import owners
from job_tracker.errors import StoreFailed
from job_tracker.ledger.outbox import Waiting
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.event_console import call
from job_tracker.outputs.event_console.call import HEARTBEAT
from job_tracker.outputs.event_console.courier import Courier, Errand, Receipt
from job_tracker.outputs.making import Ground
from job_tracker.ports import Delivery, Found, Output, Picture, Report
from job_tracker.retries import Pauses

log = logging.getLogger("job_tracker")

HOLD = 30 * MICROSECONDS
"""How long a source may be behind, after an outage, before what its jobs have shown so far is told all the same."""

SHOWN = 200
"""Subjects that the command line shows, the ones that wait longest."""


class EventConsoleOutput(Output[Config]):
    """What waits, what was told last, and the courier.

    is_half_told: messages wait to be heard that may clear what they follow.
    """

    def __init__(self, ground: Ground) -> None:
        self.config, self.ledger = ground.config, ground.ledger
        self.courier = Courier(ground.wake, self.ledger.path.with_name(f"{self.ledger.path.name}.delivering"))
        self.pauses = Pauses()
        self.told: dict[str, tuple[str, int]] = {}
        self.unseen: dict[str, str] = {}
        self.waiting: dict[str, list[Waiting]] = {}
        self.carrying: list[Waiting] = []
        self.unmarked: list[int] = []
        self.behind: dict[str, int] = {}
        self.heartbeat_at = 0
        self.is_current = self.is_half_told = False
        self._is_reported = False
        self._heartbeat_problem = self._store_problem = ""
        self._trims = 0

    @property
    def is_wanted(self) -> bool:
        """Whether there is anybody to be told."""
        return "event" in self.config.settings.backends

    # -- what is to be told --------------------------------------------------------------------------------------

    def begin(self, config: Config, picture: Picture) -> None:
        """Tell what is true, where that is not what was told: after a start, a reload, a change of mind."""
        board, now = picture.board, picture.now
        self.config, self.is_current = config, False
        if not self.heartbeat_at:
            self.behind = dict.fromkeys(config.jobs.sources, now)
            self.heartbeat_at = now
        if self.is_half_told:
            return
        try:
            self._become_current(board, now)
        except StoreFailed as failure:
            log.warning("outbox not written, it is tried again error=%s", failure)

    def draft(self, changes: Sequence[Change], touched: Iterable[str], board: Board) -> Notices:
        """What changes, and jobs touched, give cause to tell; board: after them.

        Nothing is remembered of it until it is `stored`.
        """
        if not self.is_wanted or not self.is_current:
            return Notices(notices=(), told={}, unseen=self.unseen)
        return notices(changes, touched, board, self.config.jobs, self.told, self.unseen)

    def stored(self, draft: Notices) -> None:
        """The ledger holds it."""
        self.unseen = dict(draft.unseen)
        for subject, told in draft.told.items():
            self.told[subject] = told
            if not told[1]:
                del self.told[subject]
        if draft.notices:
            try:
                self._gather()
            except StoreFailed:
                self.is_current = False  # `work` tries again, and says so if that fails as well

    def heard(self, item: Delivery | Report, now: int) -> None:
        """A source has told all it had, or has more to tell: what its jobs have shown so far may be half a story."""
        if not isinstance(item, Delivery):
            return
        if item.drained is None:
            self.behind.setdefault(item.source, now)
        else:
            self.behind.pop(item.source, None)

    # -- working -------------------------------------------------------------------------------------------------

    def tell(self, found: Sequence[Found], picture: Picture) -> int | None:
        """Take the receipt, mark what was delivered, begin the next; return when there is more to do."""
        board, now = picture.board, picture.now
        if found:
            self.is_half_told = bool(found[-1].step.unheard)
        try:
            if not self.is_current and not self.is_half_told:
                self._become_current(board, now)
            self._take_receipt(now)
            self._mark()
        except StoreFailed as failure:
            self._store_problem = str(failure)
            log.debug("outbox not usable, it is tried again error=%s", failure)
            return now + MICROSECONDS
        self._store_problem = ""
        if not self.is_wanted or self.courier.busy:
            return None
        errand = self._next(board, now)
        if errand is not None:
            self.courier.begin(errand)
            return None
        moments = [*self.pauses.moments(self.waiting), *(since + HOLD for since in self.behind.values())]
        if self.config.settings.heartbeat_microseconds:
            moments.append(self.heartbeat_at)
        return min((moment for moment in moments if moment > now), default=None)

    def undelivered(self, now: int) -> list[dict[str, Any]]:
        """What waits, since when, and why, for the command line; the longest first."""
        rows = {subject: list(each) for subject, each in self.waiting.items()}
        for each in self.carrying:
            rows.setdefault(each.job, []).insert(0, each)
        order = sorted(rows.items(), key=lambda item: item[1][0].id)
        return [self._document(subject, each, now) for subject, each in order[:SHOWN]]

    def complaint(self) -> str:
        """What the daemon's own service says of it; empty while all is well."""
        if self._store_problem and self.is_wanted:
            return f"notifications wait for the store: {self._store_problem}"
        count = sum(map(len, self.waiting.values())) + len(self.carrying)
        if self.pauses.problem and count:
            return f"{count} notification{'' if count == 1 else 's'} not delivered: {self.pauses.problem}"
        return f"heartbeat not delivered: {self._heartbeat_problem}" if self._heartbeat_problem else ""

    def close(self, picture: Picture) -> None:
        """Stop; what was delivered meanwhile is marked, the rest waits for the next start."""
        self.courier.stop()
        try:
            self._take_receipt(picture.now)
            self._mark()
        except StoreFailed as failure:
            log.warning("outbox not written, what was delivered last is delivered again error=%s", failure)

    # -- what work is made of ------------------------------------------------------------------------------------

    def _become_current(self, board: Board, now: int) -> None:
        outbox = self.ledger.outbox
        if self.is_wanted:
            self.told = outbox.told()
            draft = present(board, self.config.jobs, self.told, now)
            outbox.add(draft, now)
            self.stored(draft)
        else:
            outbox.clear()
            self.told, self.unseen, self.carrying, self.unmarked = {}, {}, [], []  # the ids will be given out again
            self.pauses, self._heartbeat_problem = Pauses(), ""
        self._gather(anew=True)
        self.is_current = True

    def _gather(self, *, anew: bool = False) -> None:
        """Take over what is new in the outbox, and all of it where that let go of superseded rows."""
        outbox = self.ledger.outbox
        anew = anew or outbox.trims != self._trims
        mine = {each.id for each in self.carrying} | set(self.unmarked)
        kept = {} if anew else self.waiting
        mine.update(each.id for waiting in kept.values() for each in waiting)
        found = outbox.waiting(after=max(mine) if any(kept.values()) else 0)
        if anew:
            self.waiting = {subject: [] for subject in self.waiting}  # in the order in which they take turns
        for each in found:
            if each.id not in mine:
                self.waiting.setdefault(each.job, []).append(each)
        self.waiting = {subject: waiting for subject, waiting in self.waiting.items() if waiting}
        self._trims = outbox.trims

    def _take_receipt(self, now: int) -> None:
        receipt = self.courier.take()
        if receipt is None:
            return
        carried, self.carrying = self.carrying, []
        subject = receipt.errand.subject
        if receipt.problem and carried and self.is_wanted:
            self.waiting[subject] = carried + self.waiting.pop(subject, [])  # behind the others, before its own
        self.unmarked += [] if receipt.problem else [each.id for each in carried]
        if receipt.problem:
            self.ledger.outbox.carry(())
        is_new = receipt.problem not in (*self.pauses.problems.values(), self._heartbeat_problem)
        if subject == HEARTBEAT:
            self._heartbeat_problem = receipt.problem
        if subject != HEARTBEAT or not receipt.problem:  # one that is not taken says nothing of what else may be
            self.pauses.note(subject, receipt.problem, now)
        self._log(receipt, is_new=is_new)

    def _mark(self) -> None:
        if self.unmarked:
            self.ledger.outbox.delivered(self.unmarked)
            self.unmarked = []

    def _log(self, receipt: Receipt, *, is_new: bool) -> None:
        """An outage is one line when it begins, and one when it ends."""
        subject = receipt.errand.subject or "heartbeat"
        if not receipt.problem:
            log.debug("notification delivered subject=%s", subject)
            if self._is_reported and not self.pauses.problem:
                log.info("notifications are delivered again")
                self._is_reported = False
        elif is_new:
            log.warning("notification not delivered, it is tried again subject=%s error=%s", subject, receipt.problem)
            self._is_reported = True

    def _next(self, board: Board, now: int) -> Errand | None:
        settings = self.config.settings
        self.heartbeat_at = min(self.heartbeat_at, now + settings.heartbeat_microseconds)  # the clock was set back
        if settings.heartbeat_microseconds and now >= self.heartbeat_at:
            self.heartbeat_at = now + settings.heartbeat_microseconds
            return call.of_heartbeat(self.config, sum(map(len, self.waiting.values())), now)
        for subject in self.waiting:
            if self.pauses.is_due(subject, now) and not self._is_held(subject, board, now):
                self.carrying = self.waiting.pop(subject)
                self.ledger.outbox.carry(self.carrying)
                return call.of_subject(self.config, board, self.ledger.history, subject, self.carrying)
        return None

    def _is_held(self, subject: str, board: Board, now: int) -> bool:
        job = self.config.jobs.by_key.get(subject)
        if job is None:
            return False
        if self.is_half_told:
            return True
        since = (self.behind.get(source) for source in owners(job, board.standing(job), self.config.jobs))
        return any(moment is not None and 0 <= now - moment < HOLD for moment in since)

    def _document(self, subject: str, rows: list[Waiting], now: int) -> dict[str, Any]:
        newest = rows[-1]
        return {
            "subject": subject,
            "state": newest.state,
            "status": newest.status,
            "at": newest.at,
            "text": newest.text,
            "waiting": len(rows) + sum(each.superseded for each in rows),
            "stored": rows[0].stored,
            "tries": self.pauses.tries.get(subject, 0),
            "next_try": self.pauses.moment(subject),
            "reason": self._reason(subject),
        }

    def _reason(self, subject: str) -> str:
        failed = self.pauses.problems.get(subject) or (self.pauses.problem if self.pauses.is_down else "")
        if self.carrying and self.carrying[0].job == subject:
            return f"being tried again, for {failed}" if failed else "being delivered"
        return failed or "its turn has not come yet"
