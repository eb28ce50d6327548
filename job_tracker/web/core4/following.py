"""Following: what core4's clients hear of, kept up with from when the first of them asks.

Rule: who has no such client pays nothing: until one asks, nothing is read, counted or kept.
"""

import asyncio
import logging
import pwd
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from job_tracker import clock
from job_tracker.events.reading import EventsMissing, EventsReader
from job_tracker.web.board import Snapshot
from job_tracker.web.core4.queue import Queue, read_past
from job_tracker.web.core4.sockets import Sockets
from job_tracker.web.reader import Event, News

log = logging.getLogger("job_tracker.web")


class Core4:
    """view, events: the files; critical: microseconds; board: what is known now; is_still: who is still let in."""

    def __init__(self, view: Path, events: Path, critical: int, board: Callable[[], Snapshot]) -> None:
        self.view, self.events, self.board = view, events, board
        self.queue = Queue(critical)
        self.sockets = Sockets(self.queue)
        self._is_begun = False
        self._waiting: list[News] | None = None
        self._lock = asyncio.Lock()

    async def ready(self) -> None:
        """Begin, if nobody has asked before.  Raises EventsUnreadable."""
        if self._is_begun:
            return
        async with self._lock:
            if self._is_begun:
                return
            self._waiting = []
            try:
                past = await run_in_threadpool(self._past)
                self.queue.begin(self.board(), past, clock.now())
                self.sockets.author = author_of(self.view)
                self._is_begun = True
                for news in self._waiting:
                    self.hear(news)
            finally:
                self._waiting = None

    def hear(self, news: News) -> None:
        """Hear of news, on the loop's own thread."""
        if self._is_begun:
            self.sockets.spread(self.queue.hear(news, clock.now()), news)
        elif self._waiting is not None:
            self._waiting.append(news)

    def tick(self) -> None:
        """Let time pass; once a second."""
        if not self._is_begun:
            return
        now = clock.now()
        try:
            self.queue.settle(now)
            self.sockets.tick(self.board(), now)
        except Exception:  # the summaries of all other seconds are not to end with this one
            log.exception("core4: the queue was not looked at; it is a second later")

    def _past(self) -> list[Event]:
        try:
            reader = EventsReader(self.events)
        except EventsMissing:
            return []
        try:
            return read_past(reader.backwards())
        finally:
            reader.close()


def author_of(view: Path) -> str:
    """Whose word all of it is: the user that the daemon runs as, which the view belongs to."""
    try:
        return pwd.getpwuid(view.stat().st_uid).pw_name
    except (OSError, KeyError):
        return "job_tracker"
