"""Drain: one connection's life, from the greeting to whatever ends it.

Rule: take, hand over, wait until it is in the ledger, confirm; never the other way round, and one delivery at a time.
Rule: a source is drained up to the moment of a look once everything which that look saw has been taken.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from job_tracker.errors import QueueBusy
from job_tracker.ports import Contact, Delivery, Host, Mailbox, Terms
from job_tracker.sources.queue import ADD_MAY_WAIT
from job_tracker.sources.queue.answers import short
from job_tracker.sources.queue.bookmark import Bookmark
from job_tracker.sources.queue.contact import ContactLog
from job_tracker.sources.queue.conversation import Conversation, Greeting, Opened, Taken
from job_tracker.sources.queue.handler import differences

MOST = 5000
"""Messages asked for at once; a line holds about as many short ones."""

LONGEST_WAIT = 15.0
"""Seconds of one take: serve gives up a tracker that asks nothing for 60."""

PING_SECONDS = 10.0
"""The longest silence while the ledger takes its time: serve gives us up after 60 seconds, an operator sooner."""

BUSY_SECONDS = 1.0
"""Between two tries at a queue that is locked, full or read-only; serve has waited for the lock before it says so."""

BUSY_TRIES = 5
"""After so many in a row the source counts as unreachable: nothing comes from it."""

AnswerT = TypeVar("AnswerT")


class Superior(Protocol):
    """How the main thread is heard; both end with Stopped as soon as the source is to stop."""

    def confirmation(self, seconds: float) -> tuple[Delivery, str] | None:
        """The next confirmation, oldest first; None if none came in that time."""

    def pause(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBatch:
    """A delivery, not yet handed over; how many messages came after it in the queue, and what is wrong with them."""

    delivery: Delivery
    left: int
    problem: str


class Watermark:
    """Up to which moment the source is drained, after each answer of one connection."""

    def __init__(self) -> None:
        self._goal: tuple[int, int] | None = None

    def after(self, taken: Taken, left: int) -> int | None:
        """Microseconds; None if it is not later than before, because messages are left in the queue.

        A queue that never gets empty is drained as well: up to the look that saw, as the highest, an `_id` that has
        been reached since.
        """
        moment = taken.looked - ADD_MAY_WAIT
        if left <= 0:
            self._goal = None
            return moment
        reached = self._goal[1] if self._goal is not None and taken.through >= self._goal[0] else None
        if reached is not None or self._goal is None:
            self._goal = (taken.highest, moment)
        return reached


class Drain:
    """One connection, from the greeting on; `answered` tells whether it was ever good for anything."""

    def __init__(
        self,
        host: Host,
        terms: Terms,
        conversation: Conversation,
        *,
        bookmark: Bookmark,
        contact: ContactLog,
        mailbox: Mailbox,
        superior: Superior,
    ) -> None:
        self._host, self._terms = host, terms
        self._longest_wait = min(terms.interval, terms.load_timeout / 2, LONGEST_WAIT)
        self._conversation = conversation
        self._bookmark = bookmark
        self._contact = contact
        self._mailbox = mailbox
        self._superior = superior
        self._watermark = Watermark()
        self._queue = ""
        self.answered = False

    def run(self) -> None:
        """Drain until something ends it, which is raised: any SourceUnreachable or SourceRefused, or Stopped."""
        greeting = self._conversation.greet()
        while (late := self._superior.confirmation(0)) is not None:
            self._bookmark.committed(late[1])
        opened = self._repeat(lambda: self._conversation.open(self._terms.tracker, take_over=self._host.is_ours))
        self._queue = opened.queue
        self._contact.measure(opened.exchange, opened.depth)
        self._contact.found(greeting.path, differences(self._host, greeting))
        self._recognize(greeting, opened)
        wait = 0.0  # the first answer comes at once, and shows that the source is reachable
        while True:
            self._deliver(self._take(wait))
            wait = self._until_the_beat()

    def _until_the_beat(self) -> float:
        """How long the next take waits for its first message: until the beat that all sources of a tracker share.

        So their empty answers come together, and the tracker wakes once for all of them, not once for each.
        """
        return self._longest_wait - time.monotonic() % self._longest_wait

    def _recognize(self, greeting: Greeting, opened: Opened) -> None:
        """Say what is strange about the queue, and leave the ledger's last nonce in it where that is missing."""
        notices = [self._bookmark.open(opened)]
        if greeting.drainer is not None and greeting.drainer != self._terms.tracker:
            former = short(greeting.drainer)
            notices.append(f"taken over from tracker {former}; what that one has taken is not seen here")
        if any(notices):
            self._mailbox.put(self._contact.report(notice="; ".join(filter(None, notices))))
        nonce = self._bookmark.missing(opened)
        if nonce is not None:
            self._leave(nonce)

    def _take(self, wait: float, before: Delivery | None = None) -> TakenBatch:
        """Take what follows a delivery that is not yet confirmed, or the oldest there is."""
        after, held = (before.through, len(before.elements)) if before is not None else (0, 0)
        taken = self._repeat(lambda: self._conversation.take(MOST, wait, after))
        self.answered = True
        left = taken.depth - held - len(taken.elements)
        self._contact.count(taken)
        stuck = left > 0 and not taken.elements
        problem = f"{left} messages in the queue are too long to be taken; remove them there" if stuck else ""
        delivery = Delivery(
            source=self._host.name,
            queue=self._queue,
            elements=taken.elements,
            through=taken.through,
            received=taken.exchange.received,
            drained=self._watermark.after(taken, left),
            size=taken.size,
        )
        return TakenBatch(delivery=delivery, left=left, problem=problem)

    def _deliver(self, batch: TakenBatch) -> None:
        """Hand over what was taken, and see it confirmed; while the ledger is at it, already take what follows."""
        self._hand_over(batch)
        while batch.delivery.elements:
            following = self._take(0.0, batch.delivery) if batch.left > 0 else None
            nonce = self._settled(batch.delivery)
            # First: the ledger must never be two nonces ahead of the queue.
            self._confirm(batch.delivery.through, nonce)
            if following is None:
                return
            self._hand_over(following)
            batch = following

    def _hand_over(self, batch: TakenBatch) -> None:
        self._mailbox.put(self._contact.report(Contact.REACHABLE, batch.problem), batch.delivery)

    def _settled(self, delivery: Delivery) -> str:
        """Wait until the ledger holds a delivery, however long that takes; the nonce it is to be confirmed with."""
        while True:
            got = self._superior.confirmation(PING_SECONDS)
            if got is None:
                self._ping()
                continue
            confirmed, nonce = got
            self._bookmark.committed(nonce)
            if confirmed is delivery:
                return nonce
            # It came over an older connection: its messages come again, but the ledger counts on its nonce.
            self._leave(nonce)

    def _confirm(self, through: int, nonce: str) -> None:
        self._repeat(lambda: self._conversation.confirm(through, nonce))
        self._bookmark.left(nonce)

    def _leave(self, nonce: str) -> None:
        self._repeat(lambda: self._conversation.leave(nonce))
        self._bookmark.left(nonce)

    def _ping(self) -> None:
        depth, exchange = self._repeat(self._conversation.ping)
        self._contact.measure(exchange, depth)
        self._mailbox.put(self._contact.report())

    def _repeat(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask until the queue is not busy; say so meanwhile, and when it is over."""
        tries = 0
        while True:
            try:
                answer = ask()
            except QueueBusy as busy:
                tries += 1
                lost = Contact.UNREACHABLE if tries >= BUSY_TRIES else None
                self._mailbox.put(self._contact.report(lost, str(busy)))
                self._superior.pause(BUSY_SECONDS)
            else:
                if tries:
                    self._mailbox.put(self._contact.report(Contact.REACHABLE))
                return answer
