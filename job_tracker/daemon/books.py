"""Bookkeeping: from what sources handed over to a step in the ledger.

Rule: a delivery is done, and may be confirmed, once all of it was heard and is in the ledger.
Rule: what cannot be read or written now is kept, and comes first the next time; the board stays as it was.
"""

import logging
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from job_tracker.config.reading import Config
from job_tracker.core.board import NEVER, Board, Watermark, make_board
from job_tracker.core.clock_set_back import NOTHING_AHEAD, ahead_of
from job_tracker.core.events import Event
from job_tracker.core.finding import found as found_events
from job_tracker.core.intake import Intake, take_in, uid_of
from job_tracker.core.messages import Message, Position
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.record import Change, Step
from job_tracker.core.step import step
from job_tracker.core.tallies import marks as marks_of
from job_tracker.ledger.ledger import Entry, Ledger
from job_tracker.moments import DAY
from job_tracker.operator_note import opened
from job_tracker.ports import Delivery, Found, Memento, Scribe
from job_tracker.process.supervisor import Supervisor

log = logging.getLogger("job_tracker")

FOLDED_AT_ONCE = 20_000
"""Deadlines and refolded messages: a second or two, so that the service manager hears of us while much is caught up
with."""

OF_SOURCES_KEPT = 10_000
"""Events of sources that wait for a store which cannot be written: a disk may be full for days, the newest are kept."""

Read = tuple[Delivery, Intake]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What a cycle found, and what may be confirmed: deliveries that are done, each with the nonce in the ledger."""

    found: Found
    confirmable: tuple[tuple[Delivery, str], ...]


class Books:
    """The board, the ledger it is written to, and the deliveries on their way into it.

    watermarks: by source.  mementos: what the ledger remembers of each source.  unsaved: deliveries that are not done.
    ahead: what only somebody who asks for it can undo, as of when the clock was set back, or of the start.
    """

    def __init__(self, config: Config, ledger: Ledger, scribe: Scribe, supervisor: Supervisor, now: int) -> None:
        """Raises StoreFailed, StoreRefused."""
        self.ledger, self._scribe, self._supervisor = ledger, scribe, supervisor
        self.mementos = ledger.mementos()
        self._remote = ledger.remote_jobs.every()
        self.watermarks: dict[str, Watermark] = {}
        self.unsaved: list[Delivery] = []
        self.ahead = NOTHING_AHEAD
        self._heard: set[Position] = set()
        self._unnoted: dict[str, Change] = {}
        self._touched: dict[str, None] = {}
        self._of_sources: deque[Event] = deque(maxlen=OF_SOURCES_KEPT)
        self.begin(config, now)

    def begin(self, config: Config, now: int, *, is_asked_to: bool = False) -> None:
        """Go on with the jobs of a configuration.  Raises StoreFailed, StoreRefused, and nothing has changed.

        is_asked_to: what was promised or said of a time to come is taken as now.
        """
        settings, events = config.settings, self.ledger.events
        with events.kept_where_it_fails():
            keep, most = settings.event_log_keep_in_days * DAY, settings.event_log_most_in_mb * 1_000_000
            events.begin(is_on=settings.event_log, keep=keep, most=most, now=now)
            drained = self.ledger.drained()  # asked first: what is stored as renewed must be on the board as well
            kept = self.ledger.settle(config.jobs, now, is_asked_to=is_asked_to)
        self.board: Board = make_board(config.jobs, kept, drained, now, NEVER)
        self._jobs = config.jobs
        unseen = Watermark(drained=None, lags_from=now)
        self.watermarks = {name: self.watermarks.get(name, unseen) for name in config.jobs.sources}
        self.unsaved = [each for each in self.unsaved if each.source == OPERATOR or each.source in self.watermarks]
        self._unnoted.clear()  # what is true now is told anew
        self._touched.clear()

    def note(self, events: Iterable[Event]) -> None:
        """Something is to be told of sources, with the next step."""
        if self.ledger.events.is_on:
            self._of_sources.extend(events)

    def enter(self, deliveries: Iterable[Delivery], now: int) -> Booked:
        """Read what was handed over, judge it and store that.  Raises StoreFailed, and all of it is kept."""
        for each in deliveries:
            self.unsaved.append(each)
            if each.drained is not None and each.source != OPERATOR:  # no deadline waits for that one
                self.watermarks[each.source] = Watermark(
                    drained=each.drained, lags_from=each.drained, patience=each.patience
                )
        read: set[str] = set()  # a connection that broke meanwhile lets the next one deliver the same again
        reads = [self._read(delivery, read) for delivery in self.unsaved]
        messages = [each for _, intake in reads for each in intake.messages if each.position not in self._heard]
        history, trail = self.ledger.history, self.ledger.events.is_on
        made = step(self.board, self._jobs, messages, self.watermarks, now, history, FOLDED_AT_ONCE, trail=trail)
        self._supervisor.alive()  # a step over a long absence takes its time, and so do the writes
        done = [] if made.unheard else reads
        self._save(made, messages, done, now)
        self._supervisor.alive()
        self._look_at_clock(made, now)
        self.board = made.board
        if made.unheard:  # what was heard of these deliveries is stored; they are confirmed when all of it is
            self._heard.update(each.position for each in messages)
            self._heard.difference_update(each.position for each in made.unheard)
            self._unnoted.update((change.job.key, change) for change in made.changes)
            self._touched.update(dict.fromkeys(made.records))
        else:
            self.unsaved = []
            self._heard.clear()
            self._unnoted.clear()
            self._touched.clear()
        return self._booked(made, done, now)

    def _look_at_clock(self, made: Step, now: int) -> None:
        """Say what a clock that was set back leaves; a watermark that it set is none."""
        if made.is_set_back:
            log.warning("clock was ahead, what was judged of a time to come is taken back jobs=%d", len(made.records))
        if made.board.clock.back_since is None:
            return
        for name, watermark in self.watermarks.items():
            if watermark.drained is not None and watermark.drained > now + 1:
                self.watermarks[name] = Watermark(drained=None, lags_from=now)
        if self.board.clock.back_since != made.board.clock.back_since:
            standings = (standing for _, standing in made.board.standings())
            self.ahead = ahead_of(standings, now + self._jobs.grace)

    def _read(self, delivery: Delivery, read: set[str]) -> Read:
        """Read a delivery, leaving out what was taken before, and what was read just now; events as well."""
        uids = _uids(delivery)
        known = self.ledger.known(uids)
        elements = map(opened, delivery.elements) if delivery.source == OPERATOR else delivery.elements
        intake = take_in(
            self._jobs, delivery.source, elements, delivery.received, lambda uid: uid in known or uid in read
        )
        fresh = [each for each in delivery.events if each.body["uid"] not in known and each.body["uid"] not in read]
        read.update(uids)
        events = tuple(replace(each, job=self._key_of(each)) for each in fresh)
        return (replace(delivery, events=events) if delivery.events else delivery), intake

    def _key_of(self, event: Event) -> str:
        """The job that something is told of, if it is a configured one."""
        job = self._jobs.of(event.body["name"], event.body["env"])
        return "" if job is None else job.key

    def _save(self, made: Step, messages: Sequence[Message], done: Sequence[Read], now: int) -> None:
        """Put a step into the ledger.

        messages: those the step was given.  What it has not heard of them leaves their deliveries to a later step.
        """
        unmatched = tuple(each for _, intake in done for each in intake.unmatched)
        bringing = [delivery for delivery, _ in done if delivery.through]
        was_behind = self.board.clock.back_since is not None and made.board.clock.back_since is None
        if not made.records and not unmatched and not bringing and not was_behind and not self._of_sources:
            return
        taken = {each.uid for each in messages if each.uid} - {each.uid for each in made.unheard}
        taken.update(uid for delivery in bringing for uid in _uids(delivery))
        found = () if made.unheard else (*self._unnoted.values(), *made.changes)  # what is unheard may clear an alarm
        touched = () if made.unheard else {**self._touched, **made.records}
        draft = self._scribe.draft(found, touched, made.board)
        mementos = {delivery.source: self._next_memento(delivery) for delivery in bringing}
        entry = Entry(
            records=made.records,
            drained=made.board.drained,
            now=now,
            mementos=mementos,
            taken=tuple(taken),
            unmatched=unmatched,
            forgotten=tuple(name for _, intake in done for name in intake.forgotten),
            notices=draft,
            is_set_back=made.is_set_back or was_behind,
            events=(*self._events(made), *(each for delivery in bringing for each in delivery.events)),
            marks=marks_of(made, self.board, self._jobs),
            remote=tuple((delivery.source, each) for delivery in bringing for each in delivery.remote),
        )
        self.ledger.save(entry)
        for source, seen in entry.remote:
            self._remote.setdefault(source, {})[seen.id] = seen
        self._of_sources.clear()
        self.mementos.update(mementos)
        self._scribe.stored(draft)

    def _events(self, made: Step) -> tuple[Event, ...]:
        """What the step and the sources give cause to tell; nothing where nobody is told."""
        if not self.ledger.events.is_on:
            return ()
        of_step = found_events(made, self.board, self._jobs, self.ledger.history, self.ledger.events)
        return (*self._of_sources, *of_step)

    def recalled(self) -> dict[str, Memento]:
        """What a source that begins has to know: its memento, and what was seen of its jobs."""
        return {name: replace(each, remote=dict(self._remote.get(name, {}))) for name, each in self.mementos.items()}

    def _next_memento(self, delivery: Delivery) -> Memento:
        before = self.mementos.get(delivery.source, Memento())
        return Memento(queue=delivery.queue, nonce=secrets.token_hex(8), nonce_before=before.nonce)

    def _booked(self, made: Step, done: Sequence[Read], begun: int) -> Booked:
        for delivery, intake in done:
            for each in intake.unmatched:
                log.debug("message kept aside source=%s reason=%s", each.source, each.reason)
            for message in intake.messages if delivery.source == OPERATOR else ():
                log.info("operator said word=%s job=%s text=%s", message.event, message.key, message.text)
        nonces = ((delivery, self.mementos[delivery.source].nonce) for delivery, _ in done if delivery.through)
        found = Found(
            step=made,
            begun=begun,
            dated_ahead=tuple(delivery.source for delivery, intake in done if intake.drifting),
            kept_aside=any(intake.unmatched or intake.forgotten for _, intake in done),
        )
        return Booked(
            found=found, confirmable=tuple((delivery, nonce) for delivery, nonce in nonces if nonce is not None)
        )


def _uids(delivery: Delivery) -> list[str]:
    told = [each.body["uid"] for each in delivery.events]
    return [uid for uid in map(uid_of, delivery.elements) if uid] + told
