"""The program: `job_tracker ship`, from its configuration to its lanes, and what it tells of them.

Rule: it reads the events file and nothing else of the tracker's; it goes on while the tracker is down.
Rule: its own thread only looks and tells; whatever may wait for a target is done by lanes.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from job_tracker import __version__, clock
from job_tracker.config.for_shipping import ForShipping, load_for_shipping
from job_tracker.config.shippers import ShipperEntry
from job_tracker.errors import ConfigError, JobTrackerError, OutputError, StoreFailed
from job_tracker.events.reading import EventsReader, EventsUnreadable
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.checkmk.files import StatusFiles
from job_tracker.process.signals import Asked
from job_tracker.process.supervisor import Supervisor
from job_tracker.shippers.bell import Bell
from job_tracker.shippers.lane import Lane
from job_tracker.shippers.making import make_target
from job_tracker.shippers.reporting import LISTED, Report, document, own_line, shipper_line
from job_tracker.shippers.store import ShipStore, status_file

log = logging.getLogger("job_tracker")

LOOK_EVERY = 0.05
"""Seconds between two looks at the events file, each some microseconds."""

ASKED_EVERY = 0.5
"""Seconds between two looks at what an operator asks."""

FORGET_EVERY = 3600.0
TELL_EVERY = 5.0
STALE_AFTER = 60.0
TO_END = 10.0
"""Seconds that lanes have for what they are sending; what is not noted by then is sent again."""


class Shipping:
    """The running program; `run` returns when it is asked to stop."""

    def __init__(self, path: Path, config: ForShipping, store: ShipStore, asked: Asked, supervisor: Supervisor) -> None:
        self.path, self.config, self.store, self.asked, self.supervisor = path, config, store, asked, supervisor
        self.bell = Bell()
        self.lanes: dict[str, Lane] = {}
        self.ending: list[Lane] = []
        self.refused = self.unwritten = self.blind = ""
        self.files = StatusFiles(config.settings.ship_run_dir)
        self.reader: EventsReader | None = None
        self.forgot_at = 0.0

    def run(self) -> None:
        """Look, wake, tell."""
        self._take_up(self.config)
        self.supervisor.ready()
        asked_at = told_at = 0.0
        told: list[object] = []
        while not self.asked.stopping:
            now = time.monotonic()
            if self.asked.reloading:
                self._reload()
                told_at = 0.0
            if now >= asked_at + ASKED_EVERY:
                asked_at = now
                self._hear()
            self._look()
            news: list[object] = [self.refused, self.blind, *(lane.standing.news for lane in self.lanes.values())]
            if now >= told_at + TELL_EVERY or news != told:
                told_at, told = now, news
                self._tell()
            self.supervisor.alive()
            time.sleep(LOOK_EVERY)  # the pace of looking; a signal's handler has set its flag by the end of it
        self._stop()

    # -- lanes -----------------------------------------------------------------------------------------------------

    def _take_up(self, config: ForShipping) -> None:
        """Let those go whose entries are no longer there or say something else; begin those that are new."""
        wanted = {entry.name: entry for entry in config.shippers if entry.enabled}
        events = config.settings.events
        moved = events != self.config.settings.events
        for name, lane in list(self.lanes.items()):
            if moved or wanted.get(name) != lane.entry:
                lane.stop()
                self.ending.append(self.lanes.pop(name))
        self.config = config
        self.bell.call()
        self._forget()
        self._begin(wanted.values(), events)

    def _forget(self) -> None:
        """Let go of the cursors of those that were removed long ago; also by a process that runs for months."""
        self.forgot_at = time.monotonic()
        for gone in self.store.configure([entry.name for entry in self.config.shippers], clock.now()):
            log.warning("shipper is forgotten, it was removed seven days ago name=%s", gone)

    def _begin(self, entries: Iterable[ShipperEntry], events: Path) -> None:
        """Begin those that are not at work; one whose old self still ends has to wait for it."""
        self.ending = [lane for lane in self.ending if not lane.join(0)]
        busy = {lane.entry.name for lane in self.ending}
        for entry in entries:
            if entry.name not in self.lanes and entry.name not in busy:
                lane = self.lanes[entry.name] = Lane(entry, events, self.store, self.bell, make_target)
                lane.start()

    def _reload(self) -> None:
        self.asked.reloading = False
        self.supervisor.reloading()
        try:
            config = load_for_shipping(self.path)
        except ConfigError as refusal:
            self.refused = f"configuration refused, the old one stays: {refusal.faults[0]}"
            for fault in refusal.faults:
                log.error("configuration refused fault=%s", fault)
        else:
            self.refused = ""
            for key in ("ship_store_file", "ship_run_dir"):
                if getattr(config.settings, key) != getattr(self.config.settings, key):
                    log.warning("configuration key takes effect only at the next start key=%s", key)
            try:
                self._take_up(config)
                log.info("configuration reloaded file=%s shippers=%d", self.path, len(config.shippers))
            except StoreFailed as failure:
                log.error("configuration not taken up error=%s", failure)
                self.refused = str(failure)
        self.supervisor.ready()

    # -- looking ---------------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        with contextlib.suppress(StoreFailed):  # lanes say so themselves
            if self.store.has_changed():
                self.bell.call()
            if time.monotonic() > self.forgot_at + FORGET_EVERY:
                self._forget()
        self._begin([entry for entry in self.config.shippers if entry.enabled], self.config.settings.events)

    def _look(self) -> None:
        try:
            if self.reader is None or self.reader.path != self.config.settings.events:
                self.reader = EventsReader(self.config.settings.events)
                self.bell.ring()
            elif self.reader.has_changed():
                self.bell.ring()
            self.blind = ""
        except EventsUnreadable as failure:
            if not self.blind:
                log.warning("events cannot be read, they are sent once they can error=%s", failure)
            self.blind, self.reader = str(failure), None

    # -- telling ---------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        now, settings = clock.now(), self.config.settings
        try:
            reports = [self._report(lane) for lane in self.lanes.values()]
        except StoreFailed as failure:
            log.warning("shippers are not told of error=%s", failure)
            return
        faults = [each for each in (self.refused, self.blind, self.unwritten) if each]
        sent = sum(report.standing.sent for report in reports)
        lines = [own_line(len(reports), faults, sent=sent)]
        prefix, with_metrics = settings.service_prefix, settings.perfdata
        lines += [shipper_line(report, now=now, prefix=prefix, with_metrics=with_metrics) for report in reports]
        shown = {
            "written": now / MICROSECONDS,
            "stale_after": STALE_AFTER,
            "pid": os.getpid(),
            "faults": faults,
            "shippers": [document(report, now) for report in reports],
        }
        self._write(lambda: self._publish_status(shown))
        zone = settings.time_zone.key
        moment = now / MICROSECONDS
        self._write(lambda: self.files.services(lines, written=moment, stale_after=STALE_AFTER, zone=zone))

    def _report(self, lane: Lane) -> Report:
        name = lane.entry.name
        cursor, dead = self.store.cursor(name), self.store.count_dead(name)
        letters = self.store.dead(name, LISTED) if dead else []
        gap, gap_at = ("", 0) if cursor is None else (cursor.gap, cursor.gap_at)
        return Report(entry=lane.entry, standing=lane.standing, dead=dead, letters=letters, gap=gap, gap_at=gap_at)

    def _publish_status(self, shown: dict[str, Any]) -> None:
        path = status_file(self.store.path)
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            os.fchmod(file, 0o640)
            json.dump(shown, stream)
        draft.rename(path)

    def _write(self, publish: Callable[[], None]) -> None:
        """What cannot be told stops nothing."""
        try:
            publish()
            self.unwritten = ""
        except (OSError, OutputError) as failure:
            if not self.unwritten:
                log.warning("shippers are not told of, it is tried again error=%s", failure)
            self.unwritten = str(failure)

    def _stop(self) -> None:
        self.supervisor.stopping()
        lanes = [*self.lanes.values(), *self.ending]
        for lane in lanes:
            lane.stop()
        self.bell.call()
        until = time.monotonic() + TO_END
        late = [lane.entry.name for lane in lanes if not lane.join(max(0.0, until - time.monotonic()))]
        with contextlib.suppress(JobTrackerError):
            self._tell()
        if late:
            log.warning("shippers were still sending, they send it again after the start names=%s", ",".join(late))
        else:
            self.store.close()
        log.info("stopped by=%s version=%s", self.asked.by, __version__)
