"""Remarks: what of the sources lasts longer than the report that told it, and the lines of the log about it.

Rule: a clock that differs and a message dated ahead are two things; each ends by itself, and neither ends the other.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.checkmk.service_lines import Remark
from job_tracker.ports import Contact, Report

log = logging.getLogger("job_tracker")


class Remarks:
    """A remark for each source, and how it stood when it was heard last."""

    def __init__(self) -> None:
        self._remarks: dict[str, Remark] = {}
        self._contacts: dict[str, Contact] = {}

    def of(self, source: str) -> Remark:
        """What is to be said of a source."""
        return self._remarks.get(source, _NOTHING)

    def keep_only(self, sources: Iterable[str]) -> None:
        """Forget those that are no longer configured."""
        kept = frozenset(sources)
        self._remarks = {name: each for name, each in self._remarks.items() if name in kept}
        self._contacts = {name: each for name, each in self._contacts.items() if name in kept}

    def heard(self, report: Report, now: int, grace: int) -> bool:
        """Take in how a source stands; whether that should be told at once."""
        before, name = self.of(report.source), report.source
        is_urgent = self._contacts.get(name) is not report.contact or bool(report.notice)
        self._contacts[name] = report.contact
        offset, drifting = report.clock_offset, before.drifting
        if offset is not None:
            drifting = abs(offset) > grace
        if drifting and not before.drifting:
            log.warning(
                "clock drifts by more than the grace source=%s ahead=%+.1f s", name, (offset or 0) / MICROSECONDS
            )
        elif before.drifting and not drifting:
            log.info("clock is right again source=%s", name)
        self._remarks[name] = replace(
            before,
            drifting=drifting,
            notice=report.notice or before.notice,
            noticed_at=now if report.notice else before.noticed_at,
        )
        return is_urgent

    def dated_ahead(self, source: str, now: int) -> None:
        """A message of this source lay further ahead of our clock than the grace."""
        before = self.of(source)
        if not before.lately_dated_ahead(now):
            log.warning("message dated ahead by more than the grace, it is taken as of now source=%s", source)
        self._remarks[source] = replace(before, dated_ahead=now)


_NOTHING = Remark()
