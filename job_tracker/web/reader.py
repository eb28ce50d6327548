"""The reader: the one thread that reads the view and the events, for however many browsers there are.

Rule: the view is read whole at the start and when it is another file, else only what has changed.
Rule: what cannot be read is said with what is known, and never leaves an old board looking like a new one.
Rule: whoever is told is told in the thread's own time and must not wait.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.errors import JobTrackerError
from job_tracker.events.reading import AT_ONCE, EventsReader
from job_tracker.view.following import Following, Look
from job_tracker.web.board import Row, Snapshot, row_of

log = logging.getLogger("job_tracker.web")

LOOK_EVERY, LOOK_EVERY_WHEN_QUIET, LOOK_EVERY_WHEN_UNSEEN = 0.05, 0.2, 1.0
"""Seconds between two looks, each some hundred microseconds: while something happens, when nothing does, and while
nobody wants to know."""

WANTED_FOR = 10.0
"""Seconds after a request, or after the last stream, for which somebody wants to know."""

QUIET_AFTER = 40
"""Looks that found nothing."""

ROWS_AT_ONCE = 500
"""Rows read until events are looked for again: thousands of jobs that change at one moment hold no event up."""

TRY_AGAIN_EVERY = 5
"""Looks between two tries at what cannot be read."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a look found.  changed: the jobs that show something else now; is_whole: any may.  events: in order."""

    board: Snapshot
    changed: tuple[str, ...] = ()
    is_whole: bool = False
    events: tuple[Event, ...] = ()


class Reader:
    """Keeps the board.  view, events: the files; tell: who wants to hear of each change."""

    def __init__(self, view: Path, events: Path, tell: Callable[[News], None] = lambda _: None) -> None:
        self.board = Snapshot(version=clock.now())
        self.tell = tell
        self._following = Following(view)
        self._events_file = events
        self._events: EventsReader | None = None
        self._is_behind = False
        self._quiet_looks = 0
        self._looks_until_tried = 0
        self._wanted_until = -math.inf
        self._has_looked, self._wake = threading.Event(), threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Look once, so that the first page is no empty one, and go on in a thread."""
        self._thread.start()
        self._has_looked.wait()

    def stop(self) -> None:
        """End the thread, which lets go of the files."""
        self._is_ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def want(self) -> None:
        """Somebody wants to know, for a while: look more often, and at once if nobody did.  From any thread."""
        before, now = self._wanted_until, time.monotonic()
        self._wanted_until = now + WANTED_FOR
        if before < now:
            self._wake.set()

    def look(self) -> None:
        """Look at both files, and tell what is new."""
        fault = ""
        if self._looks_until_tried > 0:
            self._looks_until_tried -= 1
            return
        try:
            self._tell_events()
            found = self._following.look()
            told = self._taken(found) if found is not None else News(board=self.board)
        except JobTrackerError as failure:
            fault = str(failure)
            self._looks_until_tried = TRY_AGAIN_EVERY
            told = News(board=self.board)
        self._publish(told, fault)

    def _tell_events(self) -> None:
        events = self._look_at_events()
        if events:
            self.board = replace(self.board, seq=events[-1]["seq"], tracker=self._tracker(self.board))
            self._quiet_looks = 0
            self.tell(News(board=self.board, events=events))

    def _publish(self, told: News, fault: str) -> None:
        board = told.board
        alive = _is_alive(board.meta)
        self._quiet_looks += 1
        if fault != board.fault or alive != board.is_alive or board is not self.board:
            if fault and fault != board.fault:
                log.warning("board not renewed: %s", fault)
            board = replace(board, fault=fault, is_alive=alive, tracker=self._tracker(board))
            self.board = board
            self._quiet_looks = 0
            self.tell(replace(told, board=board))

    def _run(self) -> None:
        while not self._is_ending:
            try:
                self.look()
            except Exception:
                log.exception("reader: a look failed; it goes on")
                self._looks_until_tried = TRY_AGAIN_EVERY
            self._has_looked.set()
            self._wake.wait(self._pace())
            self._wake.clear()
        self._following.close()
        if self._events is not None:
            self._events.close()

    def _pace(self) -> float:
        if self._is_behind:
            return LOOK_EVERY
        if self._wanted_until < time.monotonic():
            return LOOK_EVERY_WHEN_UNSEEN
        return LOOK_EVERY_WHEN_QUIET if self._quiet_looks > QUIET_AFTER else LOOK_EVERY

    def _taken(self, look: Look) -> News:
        """The board with what a look has found."""
        rows: dict[str, Row] = {} if look.is_whole else dict(self.board.rows)
        changed = []
        for number, (job, promise) in enumerate(look.jobs, 1):
            if number % ROWS_AT_ONCE == 0:
                self._tell_events()
            row = row_of(job, promise)
            if rows.get(row.key) != row:
                rows[row.key] = row
                changed.append(row.key)
        is_whole = look.is_whole
        if len(rows) != look.meta["jobs"]:  # a view that is being changed at this very moment: look at all of it again
            self._following.close()
            self._looks_until_tried = TRY_AGAIN_EVERY
        if look.is_whole:
            rows = _in_order(rows.values())
            if self.board.rows.keys() == rows.keys():
                changed = [key for key, row in rows.items() if self.board.rows[key] != row]
                is_whole = False
        version = self.board.version + bool(changed or is_whole)
        board = replace(self.board, rows=rows, meta=look.meta, version=version)
        return News(board=board, changed=tuple(changed), is_whole=is_whole)

    def _look_at_events(self) -> tuple[Event, ...]:
        """The events since the last look; none where there is no log."""
        if self._events is None:
            if not self._events_file.exists():
                return ()
            self._events = EventsReader(self._events_file)
            if not self.board.seq:
                newest = self._events.newest(1)
                self.board = replace(self.board, seq=newest[-1]["seq"] if newest else 0)
        if not self._events.has_changed() and not self._is_behind:
            return ()
        found = self._events.after(self.board.seq)
        self._is_behind = len(found) == AT_ONCE
        return tuple(found)

    def _tracker(self, board: Snapshot) -> str:
        return self._events.tracker if self._events is not None else board.tracker


def _in_order(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.key: row for row in sorted(rows, key=lambda row: row.order)}


def _is_alive(meta: dict[str, Any]) -> bool:
    """Whether the daemon that writes the view is there; what may not be asked is taken for alive, its age decides."""
    if not meta or meta["stopped"] is not None:
        return False
    try:
        os.kill(meta["pid"], 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
