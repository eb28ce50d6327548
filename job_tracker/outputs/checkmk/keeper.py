"""Monitoring: keeps what is told of jobs, sources and the daemon in step with the board.

Rule: what cannot be written is said once, and tried again; it never stops the loop.
Rule: a line is rendered when its job changed, never for all jobs but at start and reload.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from job_tracker.config.reading import Config
from job_tracker.core.board import Board
from job_tracker.core.clock_set_back import NOTHING_AHEAD
from job_tracker.errors import OutputError
from job_tracker.moments import MICROSECONDS, clock_text
from job_tracker.outputs.checkmk.files import StatusFiles
from job_tracker.outputs.checkmk.service_lines import SourceView, daemon_line, job_line, source_line
from job_tracker.ports import Contact, Report

log = logging.getLogger("job_tracker")

STALE_INTERVALS = 3
STALE_SECONDS = 60.0
LEAST_PAUSE = MICROSECONDS
"""Between two writes of the services file when nothing of it changed but its moment, and what is measured."""

PAUSE_PER_LINE = 20
"""Microseconds of it for each line when some changed: ten thousand take milliseconds, which no message may wait for."""


class Monitoring:
    """The run directory's files, kept up to date.

    refused: why the last reload was, empty if it was not.  undelivered: why notifications wait, empty if none does.
    ahead: what is known of a time to come.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.files = StatusFiles(config.settings.run_dir)
        self.lines: dict[str, str] = {}
        self.sources: dict[str, SourceView] = {}
        self.refused = ""
        self.failing = ""
        self.undelivered = ""
        self.ahead = NOTHING_AHEAD
        self._services_at = 0
        self._cycle_began = 0
        self._behind = False
        self._unsaid: set[str] = set()

    def begin(self, board: Board, now: int) -> None:
        """Write everything, and remove what is left of jobs that are no longer configured."""
        settings, jobs = self.config.settings, self.config.jobs
        prefix, metrics = settings.service_prefix, settings.perfdata
        self.lines = {
            key: job_line(job, board.standing(job), prefix=prefix, with_metrics=metrics)
            for key, job in jobs.by_key.items()
        }
        fresh = Report(source="", contact=Contact.CONNECTING, since=now)
        self.sources = {
            name: self.sources.get(
                name, SourceView(report=replace(fresh, source=name), drifting=False, notice="", noticed_at=0)
            )
            for name in jobs.sources
        }
        self._try("state files", lambda: self.files.begin(self.lines))
        self.write_services(now)

    def reload(self, config: Config, board: Board, now: int) -> None:
        """Begin again under another configuration; the directory stays the one of the start."""
        self.config = config
        self.begin(board, now)

    def report(self, report: Report, now: int) -> Report | None:
        """Keep how a source stands; returns how it stood before."""
        view = self.sources.get(report.source)
        if view is None:
            return None
        if report.contact is not view.report.contact or report.notice:
            self._services_at = 0  # that is not to wait for the next interval
        offset, drifting = report.clock_offset, view.drifting
        if offset is not None:
            drifting = abs(offset) > self.config.settings.grace_microseconds
        if drifting and not view.drifting:
            log.warning(
                "clock drifts by more than the grace source=%s ahead=%+.1f s",
                report.source,
                (offset or 0) / MICROSECONDS,
            )
        elif view.drifting and not drifting:
            log.info("clock is right again source=%s", report.source)
        self.sources[report.source] = SourceView(
            report=report,
            drifting=drifting,
            notice=report.notice or view.notice,
            noticed_at=now if report.notice else view.noticed_at,
        )
        return view.report

    def drifted(self, source: str) -> None:
        """A message of this source lay further ahead of our clock than the grace."""
        view = self.sources.get(source)
        if view is None:
            return
        if not view.drifting:
            log.warning("message dated ahead by more than the grace, it is taken as of now source=%s", source)
        self.sources[source] = replace(view, drifting=True)

    def tell(self, touched: Iterable[str], board: Board, begun: int, now: int) -> None:
        """Write the lines that changed, each in its file at once, and the services file when it is due.

        touched: the keys of jobs whose line may have changed.  begun: when the cycle that found that out began.
        """
        settings = self.config.settings
        changed: dict[str, str] = {}
        for key in touched:
            job = self.config.jobs.by_key[key]
            line = job_line(job, board.standing(job), prefix=settings.service_prefix, with_metrics=settings.perfdata)
            if line != self.lines.get(key):
                changed[key] = line
        if changed:
            self.lines.update(changed)
            self._behind = True
            self._try("state files", lambda: self.files.update(changed))
        self._cycle_began = begun
        due = self._services_at + min(settings.interval_microseconds, LEAST_PAUSE)
        was_set_back = now < self._services_at  # such a clock must not be waited for
        if was_set_back or now >= min(due, self.wake or due):
            self.write_services(now)

    @property
    def wake(self) -> int | None:
        """When the services file has to be written, because a line changed that it does not hold yet."""
        return self._services_at + PAUSE_PER_LINE * len(self.lines) if self._behind else None

    def write_services(self, now: int) -> None:
        """Rename the services file into place."""
        settings = self.config.settings
        stale_after = max(STALE_SECONDS, STALE_INTERVALS * settings.controller_interval)
        self._services_at, self._behind = now, False
        lines = [self.daemon_line(now), *self.source_lines(now), *self.lines.values()]
        self._try(
            "services file", lambda: self.files.services(lines, written=now / MICROSECONDS, stale_after=stale_after)
        )

    def daemon_line(self, now: int) -> str:
        """The daemon's own service."""
        jobs = self.config.jobs
        cycle = (now - self._cycle_began) / MICROSECONDS if self._cycle_began else 0.0
        faults = [each for each in (self.refused, self.undelivered, self.clock_fault(now)) if each]
        return daemon_line(
            jobs=len(jobs.by_key), sources=len(jobs.sources), faults=faults, failing=self.failing, cycle=cycle
        )

    def clock_fault(self, now: int) -> str:
        """What the clock, or the one of before, is suspected of; empty once the time has come."""
        count, until = self.ahead.jobs, self.ahead.until
        if now >= until:
            return ""
        of_jobs = "1 job is" if count == 1 else f"{count} jobs are"
        when = clock_text(until, self.config.settings.time_zone)
        return (
            f"{of_jobs} known by a clock that was ahead of this one, up to {when}, and not fully judged until then;"
            " if this clock is right, job_tracker reload lets them count from now"
        )

    def source_lines(self, now: int) -> Iterable[str]:
        """The sources' own services."""
        settings = self.config.settings
        for view in self.sources.values():
            yield source_line(
                view,
                now=now,
                prefix=settings.service_prefix,
                critical_after=settings.unreachable_critical_after_microseconds,
                zone=settings.time_zone,
            )

    def _try(self, what: str, write: Callable[[], None]) -> None:
        """Write, and say once that it failed and once that it works again."""
        try:
            write()
        except OutputError as failure:
            if what not in self._unsaid:
                log.error("output failed, it is tried again what=%s error=%s", what, failure)
            self._unsaid.add(what)
            return
        if what in self._unsaid:
            self._unsaid.discard(what)
            log.info("output works again what=%s", what)
