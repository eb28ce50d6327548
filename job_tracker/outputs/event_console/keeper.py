"""The Event Console output: what it has to be told is told, and kept until it has taken it.

Rule: a notification is stored with its change, then delivered, then marked delivered; never the other way round.
Rule: in order for each subject (a job, or a source); what waits of one is told at once, the newest as the event and
the others as what happened meanwhile.
Rule: a target that is down is tried with growing pauses, and with another subject each time, so that one notification
that nobody takes holds up no other.
Rule: the outbox alone knows what waits; here is only what is under way, and what was told last.
Rule: everything here is on the main thread and returns at once; the command runs on the courier's.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from job_tracker.config.reading import Config
from job_tracker.core.board import Board
from job_tracker.core.notices import Notices, Told, is_kept, notices, present
from job_tracker.core.record import Change
from job_tracker.core.sight import owners
from job_tracker.errors import StoreFailed
from job_tracker.ledger.outbox import Waiting
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.event_console import call as calls
from job_tracker.outputs.event_console.answers import Outcome
from job_tracker.outputs.event_console.call import HEARTBEAT, MOST_AT_ONCE, Call
from job_tracker.outputs.event_console.courier import Courier
from job_tracker.outputs.event_console.queued import Queued
from job_tracker.outputs.making import Ground
from job_tracker.ports import Delivery, Found, Output, Picture, Report
from job_tracker.retries import Pauses

log = logging.getLogger("job_tracker")

HOLD = 30 * MICROSECONDS
"""How long a source may be behind, after an outage, before what its jobs have shown so far is told all the same."""


class EventConsoleOutput(Output[Config]):
    """What was told last, what is under way, and the courier that carries it.

    under_way: the call that the courier has; None also where what it has is none of ours any more.
    """

    def __init__(self, ground: Ground) -> None:
        self._config, self._ledger, self._outbox = ground.config, ground.ledger, ground.ledger.outbox
        self.courier = Courier(ground.wake, self._ledger.path.with_name(f"{self._ledger.path.name}.delivering"))
        self.pauses = Pauses()
        self.under_way: Call | None = None
        self._queued = Queued(self._outbox)
        self._last_told: dict[str, Told] = {}
        self._unseen: Mapping[str, str] = {}
        self._delivered: dict[str, int] = {}  # what the outbox still holds of it, by subject up to an id
        self._behind: dict[str, int] = {}
        self._heartbeat_at = 0
        self._is_in_step = self._is_half_told = self._is_reported = False
        self._offers_many = False
        self._heartbeat_problem = self._store_problem = ""

    @property
    def is_wanted(self) -> bool:
        """Whether there is anybody to be told."""
        return "event" in self._config.settings.backends

    # -- what is to be told --------------------------------------------------------------------------------------

    def begin(self, config: Config, picture: Picture) -> None:
        """Tell what is true, where that is not what was told: after a start, a reload, a change of mind."""
        self._config, self._is_in_step = config, False
        self._offers_many = calls.offers_many(config)
        if not self._heartbeat_at:
            self._behind = dict.fromkeys(config.jobs.sources, picture.now)
            self._heartbeat_at = picture.now
        if self._is_half_told:
            return
        try:
            self._get_in_step(picture)
        except StoreFailed as failure:
            log.warning("outbox not written, it is tried again error=%s", failure)

    def draft(self, changes: Sequence[Change], touched: Iterable[str], board: Board) -> Notices:
        """What changes, and jobs touched, give cause to tell; board: after them.

        Nothing is remembered of it until it is `stored`.
        """
        if not self.is_wanted or not self._is_in_step:
            return Notices(notices=(), told={}, unseen=self._unseen)
        return notices(changes, touched, board, self._config.jobs, self._last_told, self._unseen)

    def stored(self, draft: Notices) -> None:
        """The ledger holds it."""
        self._unseen = draft.unseen
        self._last_told |= draft.told
        for subject, told in draft.told.items():
            if not is_kept(told):
                del self._last_told[subject]

    def heard(self, item: Delivery | Report, now: int) -> None:
        """A source has told all it had, or has more to tell: what its jobs have shown so far may be half a story."""
        if not isinstance(item, Delivery):
            return
        if item.drained is None:
            self._behind.setdefault(item.source, now)
        else:
            self._behind.pop(item.source, None)

    # -- telling it ----------------------------------------------------------------------------------------------

    def tell(self, found: Sequence[Found], picture: Picture) -> int | None:
        """Take the outcome, mark what was delivered, begin the next call; return when there is more to do."""
        now = picture.now
        if found:
            self._is_half_told = bool(found[-1].step.unheard)
        try:
            if not self._is_in_step and not self._is_half_told:
                self._get_in_step(picture)
            self._take_outcome(now)
            self._mark()
            begun = self.courier.busy or self._begin_next(picture)
            subjects = self._outbox.subjects() if self.is_wanted else {}
        except StoreFailed as failure:
            self._store_problem = str(failure)
            log.debug("outbox not usable, it is tried again error=%s", failure)
            return now + MICROSECONDS
        self._store_problem = ""
        if begun or not self.is_wanted:
            return None
        moments = [*self.pauses.moments(subjects), *(since + HOLD for since in self._behind.values())]
        if self._config.settings.heartbeat_microseconds:
            moments.append(self._heartbeat_at)
        return min((moment for moment in moments if moment > now), default=None)

    def undelivered(self, now: int) -> list[dict[str, Any]]:
        """What waits, since when, and why, for the command line; the longest first."""
        under_way = {event.subject for event in self.under_way.events} if self.under_way else set()
        return self._queued.documents(self.pauses, under_way)

    def complaint(self) -> str:
        """What the daemon's own service says of it; empty while all is well."""
        if self._store_problem and self.is_wanted:
            return f"notifications wait for the store: {self._store_problem}"
        count = self._queued.count() if self.pauses.problem else 0
        if count:
            return f"{count} notification{'' if count == 1 else 's'} not delivered: {self.pauses.problem}"
        return f"heartbeat not delivered: {self._heartbeat_problem}" if self._heartbeat_problem else ""

    def close(self, picture: Picture) -> None:
        """Stop; what was delivered meanwhile is marked, the rest waits for the next start."""
        self.courier.stop()
        try:
            self._take_outcome(picture.now)
            self._mark()
        except StoreFailed as failure:
            log.warning("outbox not written, what was delivered last is delivered again error=%s", failure)

    # -- what telling is made of ---------------------------------------------------------------------------------

    def _get_in_step(self, picture: Picture) -> None:
        """Let what was told last be what is stored, and tell what has become of it."""
        if self.is_wanted:
            self._last_told = self._outbox.told()
            draft = present(picture.board, self._config.jobs, self._last_told, picture.now)
            self._outbox.add(draft, picture.now)
            self.stored(draft)
        else:
            self._outbox.clear()
            self._last_told, self._unseen, self._delivered = {}, {}, {}
            self.under_way = None  # its rows are gone, and their ids will be given out again
            self.pauses, self._heartbeat_problem = Pauses(), ""
        self._is_in_step = True

    def _take_outcome(self, now: int) -> None:
        outcome = self.courier.take()
        if outcome is None or outcome.call is not self.under_way:
            return
        self.under_way = None
        if outcome.refuses_many:
            log.info("the notification command takes one event at a time command=%s", outcome.call.command[0])
            self._offers_many = False
        for event, problem in zip(outcome.call.events, outcome.problems, strict=True):
            if problem is not None:
                self._note(event.subject, problem, now)
            if problem == "" and event.subject != HEARTBEAT:
                self._delivered[event.subject] = event.through
        self._log_end(outcome)

    def _note(self, subject: str, problem: str, now: int) -> None:
        """Keep how one was taken; an outage is one line of the log when it begins, and one when it ends."""
        is_new = problem not in (*self.pauses.problems.values(), self._heartbeat_problem)
        if subject == HEARTBEAT:
            self._heartbeat_problem = problem
        if subject != HEARTBEAT or not problem:  # one that is not taken says nothing of what else may be
            self.pauses.note(subject, problem, now)
        if not problem:
            log.debug("notification delivered subject=%s", subject or "heartbeat")
        elif is_new:
            name = subject or "heartbeat"
            log.warning("notification not delivered, it is tried again subject=%s error=%s", name, problem)
            self._is_reported = True

    def _log_end(self, outcome: Outcome) -> None:
        if self._is_reported and "" in outcome.problems and not self.pauses.problem:
            log.info("notifications are delivered again")
            self._is_reported = False

    def _mark(self) -> None:
        if self._delivered:
            self._outbox.delivered(self._delivered)
            log.debug("notifications marked as delivered subjects=%d", len(self._delivered))
            self._delivered = {}

    def _begin_next(self, picture: Picture) -> bool:
        """Give the courier what is due, if anything is."""
        if not self.is_wanted:
            return False
        self.under_way = self._heartbeat(picture.now) or self._next_call(picture)
        if self.under_way is not None:
            self.courier.begin(self.under_way)
        return self.under_way is not None

    def _heartbeat(self, now: int) -> Call | None:
        interval = self._config.settings.heartbeat_microseconds
        self._heartbeat_at = min(self._heartbeat_at, now + interval)  # the clock was set back
        if not interval or now < self._heartbeat_at:
            return None
        self._heartbeat_at = now + interval
        return calls.of_heartbeat(self._config, self._queued.count(), now)

    def _next_call(self, picture: Picture) -> Call | None:
        """What is due, those first that were tried least."""
        if not self._outbox.subjects() or not self.pauses.is_due(HEARTBEAT, picture.now):  # nothing waits, or all pause
            return None
        self._outbox.trim()
        first, tries, now = self._outbox.subjects(), self.pauses.tries, picture.now
        order = sorted(first, key=lambda each: (tries.get(each, 0), first[each])) if tries else first
        due = (each for each in order if self.pauses.is_due(each, now) and not self._is_held(each, picture))
        chosen = list(islice(due, MOST_AT_ONCE if self._offers_many else 1))
        rows: dict[str, list[Waiting]] = {subject: [] for subject in chosen}
        for row in self._outbox.waiting(chosen) if chosen else ():
            rows[row.job].append(row)
        return calls.of_subjects(self._config, picture.board, self._ledger.history, rows) if rows else None

    def _is_held(self, subject: str, picture: Picture) -> bool:
        job = self._config.jobs.by_key.get(subject)
        if job is None:
            return False
        if self._is_half_told:
            return True
        sources = owners(job, picture.board.standing(job), self._config.jobs)
        since = (self._behind.get(source) for source in sources)
        return any(moment is not None and 0 <= picture.now - moment < HOLD for moment in since)
