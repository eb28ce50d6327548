"""Control: the tracker's own queue, in which its operators speak, as the loop looks at it.

Rule: after a start it is heard before anything is judged; who paused a job while the daemon was away meant that, too.
What the hosts have said is kept until then, and so nothing is judged: silence proves nothing before they are heard.
Rule: nobody waits for it longer than the load timeout, nor for one that is not there and cannot be made.
Rule: it has no service of its own; what keeps it from being heard stands in the daemon's.
"""

import os
from collections.abc import Iterable

from job_tracker.config.settings import Settings
from job_tracker.core.operator_word import OPERATOR
from job_tracker.ports import Contact, Delivery, Host, Report

LOST = frozenset({Contact.UNREACHABLE, Contact.REFUSED})


class Control:
    """How the control queue stands.  host: where it is, as at the start; only another start takes up another one."""

    def __init__(self, settings: Settings, now: int) -> None:
        self.host: Host = settings.control_host()
        self._patience = settings.load_timeout_microseconds
        self._began = now
        self._is_awaited = True
        self._report = Report(source=OPERATOR, contact=Contact.CONNECTING, since=now)
        self._held: list[Delivery] = []

    def heard(self, item: Delivery | Report) -> None:
        """Learn how it stands; what others say is none of its business."""
        if item.source != OPERATOR:
            return
        if isinstance(item, Report):
            self._report = item
            if item.contact in LOST and not os.path.lexists(self.host.message_queue):
                self._is_awaited = False
        elif item.drained is not None:
            self._is_awaited = False

    def admit(self, deliveries: Iterable[Delivery], now: int) -> list[Delivery]:
        """Those that may be judged now; while the operators' words are awaited only these, the others are kept."""
        self._held.extend(deliveries)
        if self.awaited_until(now) is None:
            admitted, self._held = self._held, []
        else:
            admitted = [each for each in self._held if each.source == OPERATOR]
            self._held = [each for each in self._held if each.source != OPERATOR]
        return admitted

    def awaited_until(self, now: int) -> int | None:
        """Until when it is waited for at most; None where it is not."""
        until = self._began + self._patience
        if not self._began <= now < until:  # below: the clock was set back
            self._is_awaited = False
        return until if self._is_awaited else None

    def complaint(self, now: int) -> str:
        """Why nobody's word is heard, for the daemon's own service; empty while all is well, or it is soon again."""
        report = self._report
        if report.contact is Contact.REACHABLE or now - report.since < self._patience:
            return ""
        why = f": {report.text}" if report.text else ""
        return f"pauses, resumes and marks are not heard, {self.host.message_queue} cannot be read{why}"
