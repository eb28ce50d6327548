"""Sources: a thread for each, which connects, drains, and after any failure connects again.

Rule: the thread talks to its host and puts what it got into the mailbox; everything else is on the main thread.
Rule: the main thread never waits for a host: what it says is noted here, and the source's thread is woken.
"""

import logging
import random
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Protocol

from job_tracker.errors import (
    LoginRefused,
    QueueChanged,
    QueueDrainedElsewhere,
    SourceRefused,
    SourceSuperseded,
    SourceUnreachable,
)
from job_tracker.ports import Contact, Delivery, Host, Mailbox, Memento, Terms
from job_tracker.sources.queue.bookmark import Bookmark
from job_tracker.sources.queue.contact import ContactLog
from job_tracker.sources.queue.conversation import Conversation
from job_tracker.sources.queue.drain import Drain
from job_tracker.sources.queue.transport import Transport

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds before connecting again
LOGIN_PAUSE = 20.0
"""Seconds at least after a refused login: OpenSSH 9.8 and newer counts each as five seconds, and from fifteen on it
locks our whole address out, for every other source there and for who wants to repair it (PerSourcePenalties)."""
STOP_SECONDS = 0.9  # `stop` promises one second


class Stopped(Exception):
    """The source is to stop; only its own thread ever sees this."""


class DrainingSource:
    """A source over any transport; implements ports.Source."""

    def __init__(
        self,
        host: Host,
        terms: Terms,
        mailbox: Mailbox,
        memento: Memento,
        *,
        connect: Callable[[], Transport],
    ) -> None:
        """connect: makes a transport that is not yet open."""
        self.name = host.name
        self._host, self._terms = host, terms
        self._connect = connect
        self._mailbox = mailbox
        self._bookmark = Bookmark(memento)
        self._contact = ContactLog(host.name, terms.clock)
        self._orders = Orders()
        self._least_pause = 0.0
        self._thread = Thread(target=self._live, name=f"source {host.name}", daemon=True)

    def start(self) -> None:
        """Begin to connect, to take, and to hand over."""
        self._thread.start()

    def confirm(self, delivery: Delivery, nonce: str) -> None:
        """Note that the ledger holds this; a delivery of an older connection is not deleted, for it comes again."""
        self._orders.confirm(delivery, nonce)

    def reconnect(self) -> None:
        """Try again now instead of after the pause; a connection that stands is left alone."""
        self._orders.hurry()

    def stop(self) -> None:
        """End the connection and the thread; a child or host that hangs is left to the system after a second."""
        self._orders.stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def _live(self) -> None:
        """The thread: connect, drain, and after each failure pause and begin again."""
        self._mailbox.put(self._contact.report(Contact.CONNECTING))
        failures = 0
        try:
            while True:
                answered, at_once = self._drain()
                failures = 0 if answered else failures + 1
                if not (at_once and failures == 0):
                    self._orders.pause_before_connecting(max(pause_after(failures), self._least_pause))
        except Stopped:
            return

    def _drain(self) -> tuple[bool, bool]:
        """One connection; whether it was of use, so that pauses are short again, and whether to connect at once."""
        transport = self._connect()
        conversation = Conversation(transport, load_timeout=self._terms.load_timeout, clock=self._terms.clock)
        drain = Drain(
            self._host,
            self._terms,
            conversation,
            bookmark=self._bookmark,
            contact=self._contact,
            mailbox=self._mailbox,
            superior=self._orders,
        )
        at_once = superseded = False
        self._least_pause = 0.0
        try:
            self._orders.connecting(transport)
            drain.run()
        except Stopped:
            raise
        except QueueChanged as error:
            at_once = True
            self._lost(Contact.UNREACHABLE, str(error))
        except SourceUnreachable as error:
            superseded = isinstance(error, SourceSuperseded)
            self._lost(Contact.UNREACHABLE, str(error))
        except QueueDrainedElsewhere as error:
            way_out = f"stop that one, or, if it is gone for good: job_tracker take-over {self.name}"
            self._lost(Contact.REFUSED, f"{error}; {way_out}")
        except SourceRefused as error:
            self._least_pause = LOGIN_PAUSE if isinstance(error, LoginRefused) else 0.0
            self._lost(Contact.REFUSED, str(error))
        except Exception as error:
            # A fault of ours in one source must neither end it in silence nor touch the others.
            log.exception("source failed source=%s", self.name)
            self._lost(Contact.UNREACHABLE, f"internal error: {error!r}"[:300])
        finally:
            self._orders.connecting(None)
            transport.close()
        # Two trackers of one name would drive each other out twice a second.
        return drain.answered and not superseded, at_once

    def _lost(self, contact: Contact, text: str) -> None:
        """Say that contact was lost, unless we are the ones who end it."""
        self._orders.check()
        self._mailbox.put(self._contact.report(contact, text))


class Interruptible(Protocol):
    """What a thread may wait for."""

    def interrupt(self) -> None:
        """End that, from any thread."""


class Orders:
    """What the main thread says to a source's thread: two confirmations at most, usually; hurry; stop."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._confirmations: deque[tuple[Delivery, str]] = deque()
        self._transport: Interruptible | None = None
        self._hurried = False
        self._stopping = False

    def confirm(self, delivery: Delivery, nonce: str) -> None:
        """A delivery is in the ledger, together with a nonce."""
        with self._condition:
            self._confirmations.append((delivery, nonce))
            self._condition.notify_all()

    def hurry(self) -> None:
        """Cut the pause before connecting short."""
        with self._condition:
            self._hurried = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Wake the thread wherever it waits, to end it."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
            transport = self._transport
        if transport is not None:
            transport.interrupt()

    def check(self) -> None:
        """Raise Stopped if the source is to stop."""
        if self._stopping:
            raise Stopped

    def connecting(self, transport: Interruptible | None) -> None:
        """Name what is to be interrupted by a stop."""
        with self._condition:
            self._transport = transport
            self._hurried = self._hurried and transport is None
            if transport is not None:
                self.check()

    def confirmation(self, seconds: float) -> tuple[Delivery, str] | None:
        """The next confirmation, oldest first; None if none came in that time."""
        with self._condition:
            self._condition.wait_for(lambda: self._confirmations or self._stopping, seconds)
            self.check()
            return self._confirmations.popleft() if self._confirmations else None

    def pause(self, seconds: float) -> None:
        """Wait; nothing but a stop cuts it short."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopping, seconds)
            self.check()

    def pause_before_connecting(self, seconds: float) -> None:
        """Wait; a hurry cuts it short, too."""
        with self._condition:
            self._condition.wait_for(lambda: self._hurried or self._stopping, seconds)
            self.check()


def pause_after(failures: int) -> float:
    """Seconds before connecting again: doubled by each failure, and different for each source of a host that died."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(failures - 1, 0), 20))
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, hides nothing
