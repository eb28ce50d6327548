"""Reporting: the pages' own service in the monitoring, in a services file of the same kind as the tracker's.

Rule: what is not written any more goes stale, and the local check says so; nothing here stops the pages.
"""

import logging
import os
from pathlib import Path

from job_tracker.core.states import OK, WARN
from job_tracker.errors import OutputError
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.checkmk.files import StatusFiles
from job_tracker.outputs.checkmk.line import service_line
from job_tracker.web.board import Snapshot

log = logging.getLogger("job_tracker.web")

SERVICE = "job_tracker_web"
USUAL_DIRECTORY = Path("/run/job_tracker_web")
STALE_AFTER = 60.0


def directory() -> Path | None:
    """Where the local check looks: what the service manager made for us, or the usual place if it is ours."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    path = Path(given) if given else USUAL_DIRECTORY
    return path if path.is_dir() and os.access(path, os.W_OK) else None


def own_line(board: Snapshot, *, address: str, streams: int) -> str:
    """The service of this process; what is shown and how old that is, the tracker's own service says."""
    text = f"serves {len(board.rows)} jobs at {address}, {streams} live"
    if board.fault:
        return service_line(status=WARN, service=SERVICE, text=f"cannot show what is so now: {board.fault}; {text}")
    return service_line(status=OK, service=SERVICE, text=text)


class Reporting:
    """Writes it; what cannot be written is said once."""

    def __init__(self, place: Path | None, zone: str) -> None:
        self.files = None if place is None else StatusFiles(place)
        self.zone = zone
        self._complaint = ""

    def write(self, line: str, now: int) -> None:
        """Renew the file."""
        if self.files is None:
            return
        try:
            self.files.services([line], written=now / MICROSECONDS, stale_after=STALE_AFTER, zone=self.zone)
            self._complaint = ""
        except OutputError as failure:
            if not self._complaint:
                log.warning("services file not written error=%s", failure)
            self._complaint = str(failure)
