"""Lane: one shipper at work, in a thread of its own, with its own cursor and its own pauses.

Rule: send, then move the cursor; a kill in between sends again what was not noted, which each target deals with.
Rule: what is refused for good becomes a dead letter, and never keeps what is behind it waiting.
Rule: whatever goes wrong is said, and tried again after a pause; only the program's end ends a lane.
"""

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from job_tracker import clock
from job_tracker.config.shippers import ShipperEntry
from job_tracker.core.events import GAP
from job_tracker.errors import JobTrackerError
from job_tracker.events.reading import EventsReader, EventsUnreadable
from job_tracker.moments import MICROSECONDS
from job_tracker.retries import LONGEST, pause
from job_tracker.shippers.bell import Bell
from job_tracker.shippers.choosing import Event, Untellable, item
from job_tracker.shippers.store import Cursor, DeadLetter, ShipStore
from job_tracker.shippers.target import Item, Sent, Target, TargetRefused

log = logging.getLogger("job_tracker")

READ = 200
"""Events that are read at once."""

A_WHILE = 60.0
"""Seconds after which a lane looks for events that nobody has told it of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a shipper stands, for whoever asks; moments in microseconds.

    waiting_since: when the oldest event was found that is still to be sent.  problem, since: why it pauses, since when.
    is_held: only somebody's doing helps.  sent: events since the start, and when the last was.  incidents: how often
    something came about that is to be told at once: a dead letter, a gap.
    """

    seq: int | None = None
    waiting_since: int | None = None
    problem: str = ""
    since: int = 0
    is_held: bool = False
    sent: int = 0
    last_sent: int | None = None
    remark: str = ""
    incidents: int = 0

    @property
    def news(self) -> tuple[object, ...]:
        """What is told at once where it changes."""
        return self.problem, self.is_held, self.seq is None, self.remark, self.incidents


Make = Callable[[ShipperEntry, Cursor, ShipStore], Target]


class Lane:
    """A shipper's thread.  standing is replaced whole, and may be read by others."""

    def __init__(self, entry: ShipperEntry, events: Path, store: ShipStore, bell: Bell, make: Make) -> None:
        self.entry, self.standing = entry, Standing()
        self._events, self._store, self._bell, self._make = events, store, bell, make
        self._reader: EventsReader | None = None
        self._target: Target | None = None
        self._seq = 0
        self._beyond: set[int] = set()
        self._failures = self._gaps_through = 0
        self._is_failing = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"shipper {entry.name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; the bell has to be rung."""
        self._is_over.set()

    def join(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._is_over.is_set():
            heard, seconds, is_blind = self._bell.heard, A_WHILE, False
            try:
                self._is_failing = False
                is_more = self._turn()
                if not self._is_failing:
                    self._works()
                    if is_more:
                        continue
            except EventsUnreadable as failure:
                is_blind = True
                self._fail(str(failure))
            except TargetRefused as refusal:
                self._fail(str(refusal), is_held=True)
            except JobTrackerError as failure:
                self._fail(str(failure))
            except Exception as fault:
                log.exception("shipper meets a fault of the program, please report it name=%s", self.entry.name)
                self._fail(f"a fault of the program, its log says where: {type(fault).__name__}")
            if self._failures:
                seconds = min(LONGEST, pause(self._failures) / MICROSECONDS * random.uniform(1.0, 1.25))  # noqa: S311 - spreads load
            self._bell.wait(heard, seconds, for_events=is_blind or not self._failures)
        self._let_go()

    def _turn(self) -> bool:
        """Do what is asked, and send what there is; whether there is more."""
        reader = self._reader = self._reader or EventsReader(self._events)
        for request in self._store.requests(self.entry.name):
            self._store.take(request)
            log.info("shipper is asked name=%s begin=%s", self.entry.name, request.begin or "with its dead letters")
            self._let_go_of_target()
            self._failures = 0
            self.standing = replace(self.standing, incidents=self.standing.incidents + 1)
        target = self._target or self._begin(reader)
        if not self._send_dead(target):
            return False
        reader.has_changed()  # a file that was made anew is opened
        events = reader.after(self._seq, READ)
        self._look_for_gaps(events)
        return self._send(target, events) and len(events) == READ

    def _begin(self, reader: EventsReader) -> Target:
        """Go on where it has come to; a new shipper begins where it is told to."""
        name = self.entry.name
        cursor = self._store.cursor(name)
        if cursor is None:
            newest = reader.newest(1) if self.entry.begin_from == "now" else []
            self._store.begin(name, newest[0]["seq"] if newest else 0)
            cursor = self._store.cursor(name) or Cursor(seq=0)
            log.info("shipper begins name=%s behind=%d", name, cursor.seq)
        self._seq, self._beyond = cursor.seq, set(cursor.beyond)
        self.standing = replace(self.standing, seq=cursor.seq)
        self._target = self._make(self.entry, cursor, self._store)
        return self._target

    # -- sending ---------------------------------------------------------------------------------------------------

    def _send(self, target: Target, events: Sequence[Event]) -> bool:
        """Send those that are wanted, and move the cursor; whether all of them are done."""
        waiting, refused = self._chosen(events)
        self._beyond |= refused.keys()
        left = {each.seq for each in waiting}
        self._show(events, left)
        dead = [self._letter(event, refused) for event in events if event["seq"] in refused]
        while waiting and not self._is_over.is_set():
            some, waiting = waiting[: target.at_once], waiting[target.at_once :]
            sent = target.send(some)
            left -= sent.done | sent.dead.keys()
            self._beyond |= sent.done | sent.dead.keys()
            letters = [self._letter(each.event, sent.dead) for each in some if each.seq in sent.dead]
            self._advance(events, left, [*dead, *letters])
            dead = []
            self._take_in(sent, len(sent.done))
            self._show(events, left)
            if sent.problem:
                return False
        if not left:
            self._advance(events, left, dead)
            self._show((), left)
        return not left

    def _chosen(self, events: Sequence[Event]) -> tuple[list[Item], dict[int, str]]:
        """What is to be sent and is not yet; and what cannot be told, with the reason."""
        found, refused = [], {}
        for event in events:
            if event["seq"] in self._beyond:
                continue
            try:
                each = item(self.entry, event)
            except Untellable as fault:
                refused[event["seq"]] = str(fault)
                continue
            if each is not None:
                found.append(each)
        return found, refused

    def _advance(self, events: Sequence[Event], left: set[int], dead: Sequence[DeadLetter]) -> None:
        """Move the cursor to before the first that is left."""
        first = min(left, default=None)
        seq = max((each["seq"] for each in events if first is None or each["seq"] < first), default=self._seq)
        beyond = {each for each in self._beyond if each > seq}
        if (seq, beyond) != (self._seq, self._beyond) or dead:
            self._store.advance(self.entry.name, seq, beyond, dead)
        for letter in dead:
            self.standing = replace(self.standing, incidents=self.standing.incidents + 1)
            log.warning("event is not taken name=%s seq=%d reason=%s", self.entry.name, letter.seq, letter.reason)
        self._seq, self._beyond = seq, beyond

    def _send_dead(self, target: Target) -> bool:
        """Try dead letters again that somebody asks for; False if there is a problem."""
        while letters := self._store.dead(self.entry.name, target.at_once, again=True):
            items, refused = self._chosen_again(letters)
            sent = target.send_again(items) if items else Sent()
            refused |= sent.dead
            done = sent.done | {each.seq for each in letters} - {each.seq for each in items} - refused.keys()
            again = [self._letter(each.event, refused) for each in letters if each.seq in refused]
            self._store.advance(self.entry.name, self._seq, self._beyond, again, sent=done)
            self.standing = replace(self.standing, incidents=self.standing.incidents + 1)
            self._take_in(sent, len(sent.done))
            if sent.problem:
                return False
        return True

    def _chosen_again(self, letters: Sequence[DeadLetter]) -> tuple[list[Item], dict[int, str]]:
        found, refused = [], {}
        for letter in letters:
            try:
                each = item(self.entry, letter.event)
            except Untellable as fault:
                refused[letter.seq] = str(fault)
                continue
            if each is not None:
                found.append(each)
        return found, refused

    def _letter(self, event: Event, reasons: Mapping[int, str]) -> DeadLetter:
        return DeadLetter(seq=event["seq"], at=clock.now(), reason=reasons[event["seq"]], event=event)

    def _look_for_gaps(self, events: Sequence[Event]) -> None:
        """Numbers that were gone before this shipper came to them; one that begins at the beginning lacks none."""
        for event in events:
            if event["kind"] == GAP and self._seq and event["seq"] > self._gaps_through:
                self._gaps_through = event["seq"]
                begin = max(event["from"], self._seq + 1)
                text = f"events {begin} to {event['to']} were gone before they were sent: {event['why']}"
                log.error("shipper has a gap name=%s text=%s", self.entry.name, text)
                self._store.note_gap(self.entry.name, text, clock.now())
                self.standing = replace(self.standing, incidents=self.standing.incidents + 1)

    # -- how it stands ---------------------------------------------------------------------------------------------

    def _show(self, events: Sequence[Event], left: set[int]) -> None:
        created = next((round(each["created"] * MICROSECONDS) for each in events if each["seq"] in left), None)
        self.standing = replace(self.standing, seq=self._seq, waiting_since=created)

    def _take_in(self, sent: Sent, count: int) -> None:
        if count:
            now = clock.now()
            self.standing = replace(self.standing, sent=self.standing.sent + count, last_sent=now)
        if sent.remark:
            self.standing = replace(self.standing, remark=sent.remark)
        if sent.problem:
            if count:
                self._failures = 0
            self._fail(sent.problem, is_held=sent.is_held)

    def _works(self) -> None:
        if self.standing.problem:
            log.info("shipper works again name=%s", self.entry.name)
            self.standing = replace(self.standing, problem="", since=0, is_held=False)
        self._failures = 0

    def _fail(self, problem: str, *, is_held: bool = False) -> None:
        before = self.standing
        self._is_failing = True
        self._failures += 1
        since = before.since if before.problem else clock.now()
        if problem != before.problem:
            log.warning("shipper waits, and tries again name=%s problem=%s", self.entry.name, problem)
        self.standing = replace(before, problem=problem, since=since, is_held=is_held)

    def _let_go_of_target(self) -> None:
        if self._target is not None:
            self._target.close()
        self._target = None

    def _let_go(self) -> None:
        self._let_go_of_target()
        if self._reader is not None:
            self._reader.close()
