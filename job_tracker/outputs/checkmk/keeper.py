"""The Checkmk output: keeps the run directory's files in step with what is true.

Rule: what cannot be written is said once, and tried again; it never stops the loop.
Rule: a line is rendered when its job changed, never for all jobs but at start and reload.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from job_tracker.config.reading import Config
from job_tracker.core.board import Board
from job_tracker.core.jobs import Job
from job_tracker.core.sight import owners
from job_tracker.core.standing import ENDED_WELL
from job_tracker.errors import OutputError, StoreFailed
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.checkmk.files import StatusFiles
from job_tracker.outputs.checkmk.line import with_metric, without_host
from job_tracker.outputs.checkmk.remarks import Remarks
from job_tracker.outputs.checkmk.service_lines import Stray, daemon_line, job_line, source_line, unmatched_line
from job_tracker.outputs.making import Ground
from job_tracker.ports import Contact, Delivery, Found, Output, Picture, Report

log = logging.getLogger("job_tracker")

LEAST_PAUSE = MICROSECONDS
"""Between two writes of the services file when nothing of it changed but its moment, and what is measured."""

PAUSE_PER_LINE = 20
"""Microseconds of it for each line when some changed: ten thousand take milliseconds, which no message may wait for."""


class CheckmkOutput(Output[Config]):
    """The state files and the services file."""

    def __init__(self, ground: Ground) -> None:
        self._config, self._ledger = ground.config, ground.ledger
        self._files = StatusFiles(ground.config.settings.run_dir)  # a reload changes it only at the next start
        self._lines: dict[str, str] = {}
        self._remarks = Remarks()
        self._strays: list[Stray] = []
        self._successes: dict[str, int] = {}
        self._hosts: dict[str, str] = {}
        self._began = ground.started
        self._services_at = 0
        self._cycle = 0
        self._said = ("", False)
        self._is_behind = False
        self._unsaid: set[str] = set()

    def begin(self, config: Config, picture: Picture) -> None:
        """Write everything, and remove what is left of jobs that are no longer configured."""
        self._config, self._began = config, picture.now
        self._remarks.keep_only(config.jobs.sources)
        self._hosts = {source.name: source.shown_on for source in config.sources}
        self._lines = {key: self._job_line(job, picture.board) for key, job in config.jobs.by_key.items()}
        self._read_ledger()
        self._try("state files", lambda: self._files.begin(self._state_lines(self._lines)))
        self._write_services(picture)

    def heard(self, item: Delivery | Report, now: int) -> None:
        """How a source stands; a contact that changed is not to wait for the next interval."""
        if isinstance(item, Report) and self._remarks.heard(item, now, self._config.settings.grace_microseconds):
            self._services_at = 0

    def tell(self, found: Sequence[Found], picture: Picture) -> int | None:
        """Write the lines that changed, each in its file at once, and the services file when it is due."""
        self._update((key for each in found for key in each.step.records), picture.board)
        for source in {source for each in found for source in each.dated_ahead}:
            self._remarks.dated_ahead(source, picture.now)
        self._find_successes(found)
        if any(each.kept_aside for each in found):
            self._read_ledger()
        if found:
            self._cycle = picture.now - found[0].begun
        if self._is_due(picture):
            self._write_services(picture)
        return self._wake

    # -- lines -----------------------------------------------------------------------------------------------------

    def _job_line(self, job: Job, board: Board) -> str:
        settings, standing = self._config.settings, board.standing(job)
        host = ""
        if settings.piggyback:
            sources = owners(job, standing, self._config.jobs)
            host = self._hosts.get(sources[0], "") if len(sources) == 1 else ""  # until it is known where it runs
        return job_line(job, standing, prefix=settings.service_prefix, with_metrics=settings.perfdata, host=host)

    def _state_lines(self, lines: Mapping[str, str]) -> dict[str, str]:
        """Lines as their own files have them: of whoever looks there, it is clear which host they belong to."""
        return {key: without_host(line) for key, line in lines.items()}

    def _find_successes(self, found: Sequence[Found]) -> None:
        """When each job ended well last, as far as that is to be measured."""
        for each in found if self._config.settings.perfdata else ():
            for key, record in each.step.records.items():
                ends = (run.ended for run in record.runs.values() if run.outcome in ENDED_WELL and run.ended)
                self._successes[key] = max((self._successes.get(key, 0), *ends))

    def _aged_lines(self, now: int) -> Iterable[str]:
        """The lines of jobs; what is measured anew each time is put into them here."""
        if not self._config.settings.perfdata:
            return self._lines.values()
        return [
            with_metric(line, f"job_age={(now - success) // MICROSECONDS}")
            if (success := self._successes.get(key, 0)) and success <= now
            else line
            for key, line in self._lines.items()
        ]

    def _update(self, touched: Iterable[str], board: Board) -> None:
        """Render the lines of jobs that may show something else, and write those that do."""
        changed: dict[str, str] = {}
        for key in dict.fromkeys(touched):
            line = self._job_line(self._config.jobs.by_key[key], board)
            if line != self._lines.get(key):
                changed[key] = line
        if changed:
            self._lines.update(changed)
            self._is_behind = True
            self._try("state files", lambda: self._files.update(self._state_lines(changed)))

    def _read_ledger(self) -> None:
        """Find names that no configured job has, and when each job ended well last."""
        jobs, is_measured = self._config.jobs, self._config.settings.perfdata
        try:
            strays = [Stray(name=name, env=env, first=first) for name, env, first in self._ledger.strays.names()]
            self._strays = [each for each in strays if jobs.of(each.name, each.env) is None]
            self._successes = self._ledger.history.last_successes() if is_measured else {}
        except StoreFailed as failure:  # the daemon's own service says so, and it is read again when there is more
            log.debug("what services show besides is not read error=%s", failure)

    def _service_lines(self, picture: Picture) -> Iterable[str]:
        """The lines but for those of jobs."""
        settings, jobs = self._config.settings, self._config.jobs
        prefix, zone, with_metrics = settings.service_prefix, settings.time_zone, settings.perfdata
        cycle = self._cycle / MICROSECONDS
        yield daemon_line(
            picture, jobs=len(jobs.by_key), sources=len(jobs.sources), cycle=cycle, with_metrics=with_metrics
        )
        for name in jobs.sources:
            fresh = Report(source=name, contact=Contact.CONNECTING, since=self._began)
            yield source_line(
                picture.reports.get(name, fresh),
                self._remarks.of(name),
                now=picture.now,
                prefix=prefix,
                critical_after=settings.unreachable_critical_after_microseconds,
                zone=zone,
                with_metrics=with_metrics,
            )
        yield unmatched_line(self._strays, now=picture.now, prefix=prefix, zone=zone, with_metrics=with_metrics)

    # -- the services file -----------------------------------------------------------------------------------------

    def _is_due(self, picture: Picture) -> bool:
        if _health(picture) != self._said:
            return True
        due = self._services_at + min(self._config.settings.interval_microseconds, LEAST_PAUSE)
        was_set_back = picture.now < self._services_at  # such a clock must not be waited for
        return was_set_back or picture.now >= min(due, self._wake or due)

    @property
    def _wake(self) -> int | None:
        """When the services file has to be written, because a line changed that it does not hold yet."""
        return self._services_at + PAUSE_PER_LINE * len(self._lines) if self._is_behind else None

    def _write_services(self, picture: Picture) -> None:
        """Rename the services file into place."""
        settings = self._config.settings
        self._services_at, self._is_behind, self._said = picture.now, False, _health(picture)
        lines = [*self._service_lines(picture), *self._aged_lines(picture.now)]
        self._try(
            "services file",
            lambda: self._files.services(
                lines,
                written=picture.now / MICROSECONDS,
                stale_after=settings.stale_after_microseconds / MICROSECONDS,
                zone=settings.time_zone.key,
            ),
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


def _health(picture: Picture) -> tuple[str, bool]:
    """What of the daemon's own service is told at once: its status, and why it is CRIT."""
    return picture.failing, bool(picture.faults)
