"""A night with four jobs that is looked at: a tracker that publishes what a test says, its events, and the pages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from browsing import Looker
from event_log import EventLog
from published import T0, Published, cyclic, daily, jobs_of
from web_server import WebServer

from job_tracker import clock

HOUR = 3600
JOBS = jobs_of(
    cyclic("LOAD_DWH", group="finance"), cyclic("LOAD_CRM"), cyclic("STAGE", group="finance"), daily("BACKUP")
)

Open = Callable[..., Looker]
"""Somebody looks, in a browser of his own."""


class Night:
    """A tracker that publishes what a test says, and the pages over it.  events: told apart from what is said."""

    def __init__(self, place: Path) -> None:
        self.published = Published(place / "view.sqlite", JOBS, now=clock.now() - 6 * HOUR * 1_000_000)
        self.events = EventLog(place / "events.sqlite")
        self.events.write(None)
        self.server = WebServer(place)
        for name, begun, took, event in (
            ("LOAD_DWH", 5, 900, "SUCCESS"),
            ("LOAD_DWH", 3, 1200, "SUCCESS"),
            ("LOAD_CRM", 2, 300, "SUCCESS"),
            ("STAGE", 1, 200, "ERROR"),
        ):
            begin = self.now() - begun * HOUR
            self.say((begin, name, "STARTED"), (begin + took, name, event, "ORA-01555" if event == "ERROR" else ""))
        self.say((self.now() - 60, "LOAD_CRM", "STARTED"))

    @staticmethod
    def now() -> int:
        """Seconds, as the published tracker counts them."""
        return (clock.now() - T0) // 1_000_000

    def say(self, *said: Any) -> None:
        """Messages that arrive at this very moment."""
        self.published.step(clock.now(), [self.published.message(*each) for each in said])

    def close(self) -> None:
        """Let go of the files."""
        self.published.close()
        self.events.close()
