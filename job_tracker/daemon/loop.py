"""The loop: hear, step, save, confirm, tell; then sleep until a message arrives or a deadline passes.

While more arrives, several cycles hear and confirm before what they found is told: see `pace`.

Rule: nothing is confirmed that is not in the ledger, nothing is told that is not in the ledger.
Rule: signals only set a flag; sources' threads only hand over; everything else happens here, on the main thread.
Rule: to whom it is told stands in `outputs.table`; here they are all alike.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.config.reading import Config
from job_tracker.config.settings import restart_needed
from job_tracker.core.notices import worth_telling
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.texts import describe
from job_tracker.daemon.books import Booked, Books
from job_tracker.daemon.candidate import Candidate
from job_tracker.daemon.control import Control
from job_tracker.daemon.fleet import Fleet, MakeSource
from job_tracker.daemon.health import Health
from job_tracker.daemon.mailbox import PipedMailbox
from job_tracker.daemon.of_sources import Known, known_of, told_of
from job_tracker.daemon.outlook import Outlook
from job_tracker.daemon.pace import Pace
from job_tracker.errors import ConfigError, StoreFailed, StoreRefused
from job_tracker.ledger.ledger import Ledger
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.making import Ground
from job_tracker.outputs.table import OUTPUTS
from job_tracker.ports import Contact, Delivery, Found, Picture, Report, Scribe
from job_tracker.process.signals import Asked
from job_tracker.process.supervisor import Supervisor

log = logging.getLogger("job_tracker")

ELEMENTS_PER_CYCLE = 20_000
PAUSE_AFTER_FAILURE = 1.0
"""Seconds until the ledger is tried again."""


class Loop:
    """The loop and what it holds: the books, the sources, and the outputs.  reports: how each source stands."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        make_source: MakeSource,
        *,
        config_path: Path,
        supervisor: Supervisor | None = None,
        asked: Asked | None = None,
        now: Callable[[], int] = clock.now,
    ) -> None:
        self.config, self.ledger = config, ledger
        self.config_path, self.now = config_path, now
        self.supervisor = supervisor or Supervisor()
        self.mailbox = PipedMailbox()
        ground = Ground(config=config, ledger=ledger, wake=self.mailbox.wake, started=now())
        self.outputs = tuple(make(ground) for make in OUTPUTS)
        scribe = next(each for each in self.outputs if isinstance(each, Scribe))
        self.books = Books(config, ledger, scribe, self.supervisor, now())
        self.control = Control(config.settings, now())
        self.fleet = Fleet(make_source, self.mailbox, ledger.tracker, self.control.host)
        self.reports: dict[str, Report] = {}
        self.told: dict[str, Known] = {}
        self.pace = Pace()
        self.health = Health()
        self.outlook = Outlook()
        self.asked = asked or Asked()
        self.candidate: Candidate | None = None

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until a signal that `watch_signals` watches for says otherwise."""
        self.begin()
        self.supervisor.ready()
        try:
            self.cycle_until_stopped()
        finally:
            self.stop()

    def begin(self) -> None:
        """Tell all that is true, and begin to hear."""
        self.begin_to_tell()
        self.fleet.begin(self.config, self.books.recalled())

    def cycle_until_stopped(self) -> None:
        """Cycle and sleep; whatever ends that, what is in the ledger is told."""
        try:
            while not self.asked.stopping:
                wake = self.cycle()
                if not self.asked.stopping and not self.reload_is_due:
                    self.mailbox.sleep(min((wake - self.now()) / MICROSECONDS, self.supervisor.longest_silence))
        finally:
            self.tell_rest()

    def cycle(self) -> int:
        """Hear, step, save, confirm, tell; return the moment of the next cycle, in microseconds."""
        if self.reload_is_due:
            self.begin_reload()
        if self.candidate is not None and self.candidate.is_answered:
            self.end_reload(self.candidate)
        self.supervisor.alive()
        begun = self.now()
        deliveries = [each for each in self.control.admit(self.hear(), begun) if each.source in self.fleet]
        try:
            booked = self.books.enter(deliveries, begun)
        except StoreFailed as failure:
            return self.store_failed(failure, begun)
        self.health.store_works()
        self.confirm(booked)
        now = self.now()
        self.pace.add(booked.found, len(booked.confirmable), now)
        waits_until = self.pace.waits_until(now, more_came=self.mailbox.has_more)
        told = self.tell(self.pace.take()) if waits_until is None else waits_until
        longest = begun + self.config.settings.interval_microseconds
        wakes = (longest, booked.found.step.wake, told, self.control.awaited_until(now))
        return min(wake for wake in wakes if wake is not None)

    # -- what a cycle is made of ---------------------------------------------------------------------------------

    def hear(self) -> list[Delivery]:
        """Take what the sources handed over."""
        deliveries: list[Delivery] = []
        self.mailbox.gather()
        for item in self.mailbox.take(ELEMENTS_PER_CYCLE):
            if item.source not in self.fleet:
                continue  # a last word of a source that is no longer configured
            self.control.heard(item)
            for output in self.outputs:
                output.heard(item, self.now())
            if isinstance(item, Report):
                self.note(item)
            else:
                deliveries.append(item)
        return deliveries

    def note(self, report: Report) -> None:
        """Log and keep how a source stands."""
        before = self.reports.get(report.source)
        self.reports[report.source] = report
        if report.source != OPERATOR:
            told = self.told.get(report.source, Known())
            known = self.told[report.source] = known_of(told, report, self.config.jobs.grace)
            self.books.note(told_of(told, known, report, self.now()))
        if before is None or before.contact is not report.contact or before.text != report.text:
            is_well = report.contact in (Contact.REACHABLE, Contact.CONNECTING)
            level, contact = logging.INFO if is_well else logging.WARNING, report.contact.value
            log.log(level, "source changed source=%s contact=%s text=%s", report.source, contact, report.text)
        if report.differs and (before is None or before.differs != report.differs):
            log.warning("source differs source=%s text=%s", report.source, report.differs)
        if report.notice:
            log.warning("source noticed source=%s text=%s", report.source, report.notice)

    def confirm(self, booked: Booked) -> None:
        """Let the sources delete what the ledger now holds."""
        for delivery, nonce in booked.confirmable:
            self.fleet.confirm(delivery, nonce)

    def store_failed(self, failure: StoreFailed, begun: int) -> int:
        """Say so, tell what is in the ledger already, and return when it is tried again."""
        self.health.store_failed(failure)
        told = self.tell(self.pace.take())
        again = begun + round(PAUSE_AFTER_FAILURE * MICROSECONDS)
        return again if told is None else min(again, told)

    # -- telling -------------------------------------------------------------------------------------------------

    def begin_to_tell(self) -> None:
        """Tell every output all that is true."""
        for output in self.outputs:
            output.begin(self.config, self.picture())

    def tell(self, found: Sequence[Found]) -> int | None:
        """Tell every output, and the log, what was found; return when there is more to do."""
        wakes = [output.tell(found, self.picture()) for output in self.outputs]
        for each in found:
            self.log_changes(each)
        return min((wake for wake in wakes if wake is not None), default=None)

    def tell_rest(self) -> None:
        """Tell at once what waits to be told, before something that may take its time."""
        if self.pace:
            self.tell(self.pace.take())

    def picture(self) -> Picture:
        """What is true now."""
        now, books = self.now(), self.books
        complaints = [output.complaint() for output in self.outputs]
        complaints += [*self.outlook.warnings(self.config, now), self.control.complaint(now)]
        return Picture(
            now=now,
            board=books.board,
            watermarks=books.watermarks,
            reports=self.reports,
            failing=self.health.failing,
            faults=self.health.faults(complaints, books.ahead, now, self.config.settings.time_zone),
            undelivered=self.undelivered,
        )

    def undelivered(self) -> list[dict[str, Any]]:
        """What waits to be told, of all outputs."""
        now = self.now()
        return [document for output in self.outputs for document in output.undelivered(now)]

    def log_changes(self, found: Found) -> None:
        """What an operator looks for first."""
        for change in worth_telling(found.step.changes):
            log.info(
                "state changed job=%s old=%s new=%s status=%d text=%s",
                change.job.key,
                change.before.state.value,
                change.after.state.value,
                change.after.status,
                describe(change.job, change.standing),
            )

    # -- reloading and ending ------------------------------------------------------------------------------------

    @property
    def reload_is_due(self) -> bool:
        """Whether one is asked for; one at a time, and the next reads the file again."""
        return self.asked.reloading and self.candidate is None

    def begin_reload(self) -> None:
        """Read the configuration, and let OpenSSH be asked about its hosts; work goes on meanwhile."""
        self.asked.reloading = False
        self.tell_rest()
        self.supervisor.reloading()
        try:
            self.candidate = Candidate(self.config_path, self.mailbox.wake)
        except ConfigError as refusal:
            self.health.refused(self.config_path, refusal)
            self.supervisor.ready()
            return
        if not self.candidate.is_answered:
            log.info("reload has begun, ssh is asked about each host file=%s", self.config_path)

    def end_reload(self, candidate: Candidate) -> None:
        """Take up a configuration about which all is known."""
        self.candidate = None
        self.tell_rest()
        self.reload(candidate)
        self.supervisor.ready()

    def reload(self, candidate: Candidate) -> None:
        """Take a new configuration; a faulty one is refused and the old one stays."""
        try:
            config = candidate.accepted(in_place_of=self.config)
            self.books.begin(config, self.now(), is_asked_to=True)
        except (ConfigError, StoreFailed, StoreRefused) as refusal:
            self.health.refused(self.config_path, refusal)
            return
        before, self.config = self.config, config
        told = self.told if before.settings.event_log else {}
        self.told = {name: each for name, each in told.items() if name in config.jobs.sources}
        self.health.accepted()
        for key in restart_needed(before.settings, config.settings):
            log.warning("configuration key takes effect only at the next start key=%s", key)
        self.fleet.replace(before, config, self.books.recalled())
        configured = {OPERATOR, *config.jobs.sources}
        self.reports = {name: each for name, each in self.reports.items() if name in configured}
        self.begin_to_tell()
        log.info(
            "configuration reloaded file=%s jobs=%d sources=%d",
            self.config_path,
            len(config.jobs.by_key),
            len(config.sources),
        )

    def stop(self) -> None:
        """Say what can be said in a moment, and let go of everything."""
        self.supervisor.stopping()
        if self.candidate is not None:
            self.candidate.give_up()
        self.fleet.stop()
        with suppress(StoreFailed):  # then the next start knows how far it was heard
            self.ledger.spans.end(self.now())
        for output in self.outputs:
            output.close(self.picture())
        self.ledger.close()
        self.mailbox.close()
        log.info("stopped by=%s", self.asked.by or "a fault")

    def watch_signals(self) -> None:
        """Let signals wake the loop, and one that would end it ask it to stop."""
        self.mailbox.wake_on_signals()
        self.asked.watch_stop()
