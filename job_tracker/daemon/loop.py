"""The loop: hear, step, save, confirm, tell; then sleep until a message arrives or a deadline passes.

While more arrives, several cycles hear and confirm before what they found is told: see `showing`.

Rule: nothing is confirmed that is not in the ledger, nothing is told that is not in the ledger.
Rule: signals only set a flag; sources' threads only hand over; everything else happens here, on the main thread.
"""

import logging
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from job_tracker import clock
from job_tracker.config.reading import Config, load
from job_tracker.config.settings import restart_needed
from job_tracker.core.notices import worth_telling
from job_tracker.core.record import Step
from job_tracker.core.texts import describe
from job_tracker.daemon.books import Booked, Books
from job_tracker.daemon.fleet import Fleet, MakeSource
from job_tracker.daemon.mailbox import PipedMailbox
from job_tracker.daemon.pace import Showing
from job_tracker.errors import ConfigError, StoreFailed, StoreRefused
from job_tracker.ledger.ledger import Ledger
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.checkmk.keeper import Monitoring
from job_tracker.outputs.event_console.keeper import Notifying
from job_tracker.outputs.view.keeper import Publishing
from job_tracker.ports import Delivery, Report
from job_tracker.process.supervisor import Supervisor

log = logging.getLogger("job_tracker")

ELEMENTS_PER_CYCLE = 20_000
PAUSE_AFTER_FAILURE = 1.0
"""Seconds until the ledger is tried again."""


class Loop:
    """The loop and what it holds: the books, the sources, and those who tell others."""

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
        self.books = Books(config, ledger, self.notifying, self.supervisor, now())
        self.fleet = Fleet(make_source, self.mailbox, ledger.tracker)
        self.showing = Showing()
        self.stopping = self.reloading = False

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until a signal that `watch_signals` watches for says otherwise."""
        books = self.books
        self.notifying.begin(self.config, books.board, self.now())
        self.monitoring.begin(books.board, self.now())
        self.fleet.begin(self.config, books.mementos)
        self.publishing.rebuild(books.board, books.watermarks, self.now())
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
        try:
            booked = self.books.enter(deliveries, begun)
        except StoreFailed as failure:
            return self.store_failed(failure, begun)
        self.store_works()
        self.confirm(booked)
        self.monitoring.ahead = self.books.ahead
        now = self.now()
        self.showing.add(booked.step, len(booked.confirmable), begun, now)
        waits_until = self.showing.waits_until(now, more_came=self.mailbox.has_more)
        shown = self.show() if waits_until is None else waits_until
        longest = begun + self.config.settings.interval_microseconds
        return min(wake for wake in (longest, booked.step.wake, shown) if wake is not None)

    def show(self) -> int | None:
        """Tell the monitoring, the Event Console, the command line and the log; return when there is more to do."""
        books = self.books
        steps, since = self.showing.take()
        touched = dict.fromkeys(key for made in steps for key in made.records)
        self.monitoring.tell(touched, books.board, since, self.now())
        told = self.tell(self.now())
        published = self.publishing.publish(steps, books.board, books.watermarks, self.now())
        for made in steps:
            self.log_changes(made)
        return min((wake for wake in (self.monitoring.wake, told, published) if wake is not None), default=None)

    def show_rest(self) -> None:
        """Tell at once what waits to be told, before something that may take its time."""
        if self.showing:
            self.show()

    def hear(self) -> list[Delivery]:
        """Take what the sources handed over."""
        deliveries: list[Delivery] = []
        self.mailbox.gather()
        for item in self.mailbox.take(ELEMENTS_PER_CYCLE):
            if item.source not in self.fleet:
                continue  # a last word of a source that is no longer configured
            if isinstance(item, Report):
                self.note(item)
                continue
            deliveries.append(item)
            self.notifying.heard(item, self.now())
        return deliveries

    def confirm(self, booked: Booked) -> None:
        """Let the sources delete what the ledger now holds, and note what else it says of them."""
        for delivery, nonce in booked.confirmable:
            self.fleet.confirm(delivery, nonce)
        for source in booked.drifting:
            self.monitoring.drifted(source)
        self.publishing.unmatched_grew |= booked.kept_aside

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
        wake = self.notifying.work(self.books.board, now)
        self.monitoring.undelivered = self.notifying.complaint()
        return wake

    def store_failed(self, failure: StoreFailed, begun: int) -> int:
        """Say so, tell what is in the ledger already, and return when it is tried again."""
        if not self.monitoring.failing:
            log.error("store failed, nothing is confirmed and messages wait in their queues error=%s", failure)
        self.monitoring.failing = f"{failure}; nothing is lost, messages wait in their queues"
        self.show_rest()
        told = self.tell(self.now())
        self.monitoring.write_services(self.now())
        again = begun + round(PAUSE_AFTER_FAILURE * MICROSECONDS)
        return again if told is None else min(again, told)

    def store_works(self) -> None:
        if self.monitoring.failing:
            log.info("store works again")
        self.monitoring.failing = ""

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

    def reload(self) -> None:
        """Take a new configuration; a faulty one is refused and the old one stays."""
        self.reloading = False
        try:
            config = load(self.config_path)
            self.books.begin(config, self.now(), is_asked_to=True)
        except (ConfigError, StoreFailed, StoreRefused) as refusal:
            for fault in str(refusal).splitlines():
                log.error("configuration refused, the old one stays file=%s fault=%s", self.config_path, fault)
            self.monitoring.refused = f"the configuration was refused at reload: {str(refusal).splitlines()[0]}"
            return
        before, self.config, books = self.config, config, self.books
        self.monitoring.refused = ""
        for key in restart_needed(before.settings, config.settings):
            log.warning("configuration key takes effect only at the next start key=%s", key)
        self.fleet.replace(before, config, books.mementos)
        self.monitoring.reload(config, books.board, self.now())
        self.notifying.begin(config, books.board, self.now())
        self.publishing.reload(config, books.board, books.watermarks, self.now())
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
        self.publishing.close(self.books.watermarks, self.now())
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
