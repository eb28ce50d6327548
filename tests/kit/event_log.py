"""An events file without a daemon, written as the daemon writes it."""

from pathlib import Path

from job_tracker import clock
from job_tracker.events.file import EventsFile
from job_tracker.moments import DAY


class EventLog:
    """The events file, written as the daemon writes it."""

    def __init__(self, path: Path) -> None:
        self.file = EventsFile(path, "tracker-1")
        self.file.keep, self.file.most = 365 * DAY, 1 << 30
        self.file.open()
        self.seq = 1000

    def write(self, *jobs: str | None) -> int:
        now = clock.now()
        kinds = [("run.started" if job else "source.changed", job) for job in jobs]
        rows = [(self.seq + 1 + n, now, now, kind, job, None, 0, None, "{}") for n, (kind, job) in enumerate(kinds)]
        self.file.take(rows, now)
        self.seq += len(rows)
        return self.seq

    def close(self) -> None:
        self.file.close()
