"""The loop: hear, step, save, confirm, tell; then sleep until a message arrives or a deadline passes.

While more arrives, several cycles hear and confirm before what they found is told: see `showing`.

Rule: nothing is confirmed that is not in the ledger, nothing is told that is not in the ledger.
Rule: signals only set a flag; sources' threads only hand over; everything else happens here, on the main thread.
"""

import logging
import secrets
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from job_tracker import clock
from job_tracker.config.reading import Config, load
from job_tracker.config.settings import restart_needed
from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.folding import Change
from job_tracker.core.intake import Intake, take_in, uid_of
from job_tracker.core.jobs import MICROSECONDS
from job_tracker.core.messages import Message, Position
from job_tracker.core.notices import worth_telling
from job_tracker.core.texts import describe
from job_tracker.core.tracker import Step, step
from job_tracker.errors import ConfigError, StoreFailed, StoreRefused
from job_tracker.fleet import Fleet, MakeSource
from job_tracker.mailbox import PipedMailbox
from job_tracker.monitoring import Monitoring
from job_tracker.notifying import Notifying, rows
from job_tracker.ports import Delivery, Memento, Report
from job_tracker.publishing import Publishing
from job_tracker.showing import Showing
from job_tracker.store.ledger import Entry, Ledger
from job_tracker.supervisor import Supervisor

log = logging.getLogger("job_tracker")

ELEMENTS_PER_CYCLE = 20_000
FOLDED_PER_CYCLE = 20_000
"""Deadlines and refolded messages: a second or two, so that the service manager hears of us while much is caught up
with."""

PAUSE_AFTER_FAILURE = 1.0
"""Seconds until the ledger is tried again."""


class Loop:
    """The loop and what it holds: the board, the ledger, the sources, and what it tells the monitoring."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        monitoring: Monitoring,
        publishing: Publishing,
        make_source: MakeSource,
        *,
        config_path: Path,
        supervisor: Supervisor | None = None,
        now: Callable[[], int] = clock.now,
    ) -> None:
        self.config, self.ledger = config, ledger
        self.monitoring, self.publishing = monitoring, publishing
        self.config_path, self.now = config_path, now
        self.supervisor = supervisor or Supervisor()
        self.mailbox = PipedMailbox()
        self.notifying = Notifying(config, ledger, self.mailbox.wake)
        publishing.outbox = self.notifying.documents
        self.started = now()
        self.fleet = Fleet(make_source, self.mailbox, ledger.tracker)
        self.mementos = ledger.mementos()
        self.watermarks: dict[str, Watermark] = {}
        self.unsaved: list[Delivery] = []
        self.heard: set[Position] = set()
        self.unnoted: dict[str, Change] = {}
        self.showing = Showing()
        self.stopping = self.reloading = False
        self.board: Board = self.settle(config)

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until a signal that `watch_signals` watches for says otherwise."""
        self.notifying.begin(self.config, self.board, self.now())
        self.monitoring.begin(self.board, self.now())
        self.fleet.begin(self.config, self.mementos)
        self.publishing.rebuild(self.board, self.watermarks, self.now())
        self.supervisor.ready()
        try:
            self.cycle_until_stopped()
        finally:
            self.stop()

    def cycle_until_stopped(self) -> None:
        """Cycle and sleep; whatever ends that, what is in the ledger is told."""
        try:
            while not self.stopping:
                wake = self.cycle()
                if not self.stopping and not self.reloading:
                    self.mailbox.sleep(min((wake - self.now()) / MICROSECONDS, self.supervisor.longest_silence))
        finally:
            self.show_rest()

    def cycle(self) -> int:
        """Hear, step, save, confirm, tell; return the moment of the next cycle, in microseconds."""
        if self.reloading:
            self.show_rest()
            self.supervisor.reloading()
            self.reload()
            self.supervisor.ready()
        self.supervisor.alive()
        begun = self.now()
        deliveries = self.hear()
        intakes = [(delivery, self.read(delivery)) for delivery in deliveries]
        messages = [each for _, intake in intakes for each in intake.messages if each.position not in self.heard]
        made = step(self.board, self.config.jobs, messages, self.watermarks, begun, self.ledger, FOLDED_PER_CYCLE)
        self.supervisor.alive()  # a step over a long absence takes its time, and so do the writes
        if not self.save(made, messages, intakes, begun):
            self.unsaved = deliveries
            self.show_rest()
            self.monitoring.write_services(self.now())
            return begun + round(PAUSE_AFTER_FAILURE * MICROSECONDS)
        self.board = made.board
        self.supervisor.alive()
        if made.unheard:  # what was heard of these deliveries is stored; they are confirmed when all of it is
            self.unsaved = deliveries
            self.heard.update(each.position for each in messages)
            self.heard.difference_update(each.position for each in made.unheard)
            self.unnoted.update((change.job.key, change) for change in made.changes)
            confirmed = 0
        else:
            self.unsaved = []
            self.heard.clear()
            self.unnoted.clear()
            confirmed = self.confirm(deliveries)
        now = self.now()
        self.showing.add(made, confirmed, begun, now)
        waits_until = self.showing.waits_until(now, more_came=self.mailbox.has_more)
        shown = self.show() if waits_until is None else waits_until
        longest = begun + self.config.settings.interval_microseconds
        return min(wake for wake in (longest, made.wake, shown) if wake is not None)

    def show(self) -> int | None:
        """Tell the monitoring, the Event Console, the command line and the log; return when there is more to do."""
        steps, since = self.showing.take()
        touched = dict.fromkeys(key for made in steps for key in made.records)
        self.monitoring.tell(touched, self.board, since, self.now())
        told = self.tell(self.now())
        published = self.publishing.publish(steps, self.board, self.watermarks, self.now())
        for made in steps:
            self.log_changes(made)
        return min((wake for wake in (self.monitoring.wake, told, published) if wake is not None), default=None)

    def show_rest(self) -> None:
        """Tell at once what waits to be told, before something that may take its time."""
        if self.showing:
            self.show()

    def hear(self) -> list[Delivery]:
        """Take what the sources handed over; what could not be saved before comes first."""
        deliveries = list(self.unsaved)
        self.mailbox.gather()
        for item in self.mailbox.take(ELEMENTS_PER_CYCLE):
            if item.source not in self.fleet:
                continue  # a last word of a source that is no longer configured
            if isinstance(item, Report):
                self.note(item)
                continue
            deliveries.append(item)
            self.notifying.heard(item, self.now())
            if item.drained is not None:
                self.watermarks[item.source] = Watermark(drained=item.drained, lags_from=item.drained)
        return deliveries

    def read(self, delivery: Delivery) -> Intake:
        """Read a delivery, leaving out what was taken before."""
        uids = [uid for uid in map(uid_of, delivery.elements) if uid]
        known = self.ledger.known(uids)
        return take_in(self.config.jobs, delivery.source, delivery.elements, delivery.received, known.__contains__)

    def save(self, made: Step, messages: Iterable[Message], intakes: list[tuple[Delivery, Intake]], now: int) -> bool:
        """Put a step into the ledger; False: it could not be written, and everything stays as it was.

        messages: those the step was given.  What it has not heard of them leaves their deliveries to a later step.
        """
        taken = {each.uid for each in messages if each.uid}
        if made.unheard:
            taken -= {each.uid for each in made.unheard}
            intakes = []
        unmatched = tuple(each for _, intake in intakes for each in intake.unmatched)
        bringing = [delivery for delivery, _ in intakes if delivery.through]
        if not made.records and not unmatched and not bringing:
            return self.recovered()
        mementos = {delivery.source: self.next_memento(delivery) for delivery in bringing}
        found = () if made.unheard else (*self.unnoted.values(), *made.changes)  # what is unheard may clear an alarm
        draft = self.notifying.draft(found, made.board)
        taken.update(uid for delivery in bringing for uid in map(uid_of, delivery.elements) if uid)
        entry = Entry(
            records=made.records,
            drained=made.board.drained,
            now=now,
            mementos=mementos,
            taken=tuple(taken),
            unmatched=unmatched,
            outbox=tuple(rows(draft)),
            told=draft.told,
        )
        try:
            self.ledger.save(entry)
        except StoreFailed as failure:
            if not self.monitoring.failing:
                log.error("store failed, nothing is confirmed and messages wait in their queues error=%s", failure)
            self.monitoring.failing = f"{failure}; nothing is lost, messages wait in their queues"
            return False
        self.mementos.update(mementos)
        self.notifying.stored(draft)
        for delivery, intake in intakes:
            if intake.drifting:
                self.monitoring.drifted(delivery.source)
        for each in unmatched:
            log.debug("message kept aside source=%s reason=%s", each.source, each.reason)
        self.publishing.unmatched_grew |= bool(unmatched)
        return self.recovered()

    def confirm(self, deliveries: Iterable[Delivery]) -> int:
        """Let the sources delete what the ledger now holds; how many deliveries that are."""
        confirmed = 0
        for delivery in deliveries:
            nonce = self.mementos[delivery.source].nonce if delivery.through else None
            if nonce is not None:
                self.fleet.confirm(delivery, nonce)
                confirmed += 1
        return confirmed

    # -- what the loop is made of --------------------------------------------------------------------------------

    def note(self, report: Report) -> None:
        """Log and keep how a source stands."""
        before = self.monitoring.report(report, self.now())
        self.publishing.reports[report.source] = report
        if before is None or before.contact is not report.contact or before.text != report.text:
            level = logging.INFO if report.contact.value in ("reachable", "connecting") else logging.WARNING
            log.log(
                level, "source changed source=%s contact=%s text=%s", report.source, report.contact.value, report.text
            )
        if report.notice:
            log.warning("source noticed source=%s text=%s", report.source, report.notice)

    def tell(self, now: int) -> int | None:
        """Go on with what the Event Console has to be told; return when there is more to do."""
        wake = self.notifying.work(self.board, now)
        self.monitoring.undelivered = self.notifying.complaint()
        return wake

    def next_memento(self, delivery: Delivery) -> Memento:
        before = self.mementos.get(delivery.source, Memento())
        return Memento(queue=delivery.queue, nonce=secrets.token_hex(8), nonce_before=before.nonce)

    def recovered(self) -> bool:
        if self.monitoring.failing:
            log.info("store works again")
        self.monitoring.failing = ""
        return True

    def log_changes(self, made: Step) -> None:
        for change in worth_telling(made.changes):
            log.info(
                "state changed job=%s old=%s new=%s status=%d text=%s",
                change.job.key,
                change.before.state.value,
                change.after.state.value,
                change.after.status,
                describe(change.job, change.standing),
            )

    # -- beginning, reloading, ending ----------------------------------------------------------------------------

    def settle(self, config: Config) -> Board:
        now = self.now()
        board = make_board(config.jobs, self.ledger.settle(config.jobs, now), self.ledger.drained(), now)
        self.watermarks = {
            name: self.watermarks.get(name, Watermark(drained=None, lags_from=now)) for name in config.jobs.sources
        }
        return board

    def reload(self) -> None:
        """Take a new configuration; a faulty one is refused and the old one stays."""
        self.reloading = False
        try:
            config = load(self.config_path)
            board = self.settle(config)
        except (ConfigError, StoreFailed, StoreRefused) as refusal:
            for fault in str(refusal).splitlines():
                log.error("configuration refused, the old one stays file=%s fault=%s", self.config_path, fault)
            self.monitoring.refused = f"the configuration was refused at reload: {str(refusal).splitlines()[0]}"
            return
        before, self.config, self.board = self.config, config, board
        self.monitoring.refused = ""
        for key in restart_needed(before.settings, config.settings):
            log.warning("configuration key takes effect only at the next start key=%s", key)
        self.fleet.replace(before, config, self.mementos)
        self.unsaved = [delivery for delivery in self.unsaved if delivery.source in self.fleet]
        self.unnoted.clear()  # what is true now is told below
        self.monitoring.reload(config, board, self.now())
        self.notifying.begin(config, board, self.now())
        self.publishing.reload(config, board, self.watermarks, self.now())
        log.info(
            "configuration reloaded file=%s jobs=%d sources=%d",
            self.config_path,
            len(config.jobs.by_key),
            len(config.sources),
        )

    def stop(self) -> None:
        self.supervisor.stopping()
        self.fleet.stop()
        self.notifying.close()
        self.publishing.close(self.watermarks, self.now())
        self.ledger.close()
        self.mailbox.close()
        log.info("stopped")

    def watch_signals(self) -> None:
        self.mailbox.wake_on_signals()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_stop)
        signal.signal(signal.SIGHUP, self.on_reload)

    def on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reloading = True
