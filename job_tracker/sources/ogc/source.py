"""The source of a server: a thread that sweeps its jobs, and hands over what has changed.

Rule: what was seen of a job counts as known only once the ledger holds it; whoever is killed before sees it as new
again, with the same uids.
Rule: a source is drained up to the begin of its last complete sweep, less the time by which its server may be late.
"""

import json
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Thread
from typing import Any

from job_tracker.core.events import Event
from job_tracker.errors import SourceRefused, SourceUnreachable
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.ports import Contact, Delivery, Host, Mailbox, Memento, RemoteJob, Server, Terms
from job_tracker.sources.ogc.client import Client
from job_tracker.sources.ogc.following import Followed, Follower
from job_tracker.sources.ogc.listing import AUTO, WPST, dialect_of
from job_tracker.sources.ogc.reading import Sighting
from job_tracker.sources.ogc.standing import Standing
from job_tracker.sources.ogc.sweep import Sweeper, Swept, complaints
from job_tracker.sources.ogc.words import has_ended
from job_tracker.sources.queue.source import STOP_SECONDS, Orders, Stopped, pause_after

log = logging.getLogger(__name__)

PART = MICROSECONDS
"""How long what was found waits for more in the same sweep."""

FORGOTTEN_AFTER = 35 * DAY
LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is kept of a server besides its jobs.

    dialect: that it speaks.  identity: what it calls itself.  since: when it was asked first, until all was seen once.
    """

    dialect: str = ""
    identity: str = ""
    since: int | None = None

    def written(self) -> str:
        """As it lies in the ledger."""
        return json.dumps({"dialect": self.dialect, "identity": self.identity, "since": self.since})


def read_memory(text: str | None, now: int) -> Memory:
    """What was kept; of a server that was never asked that it is asked first now."""
    try:
        found = json.loads(text or "")
        return Memory(**{name: found[name] for name in ("dialect", "identity", "since")})
    except (ValueError, TypeError, KeyError):
        return Memory(since=now)


@dataclass(kw_only=True)
class Part:
    """What waits to be handed over."""

    elements: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    jobs: dict[str, RemoteJob] = field(default_factory=dict)


class ServerSource:
    """A source over HTTP; implements ports.Source."""

    def __init__(self, host: Host, terms: Terms, mailbox: Mailbox, memento: Memento) -> None:
        assert host.server is not None  # noqa: S101 - who makes it has looked
        self.name = host.name
        self._server: Server = host.server
        self._terms, self._mailbox, self._clock = terms, mailbox, terms.clock
        self._memory = self._stored = read_memory(memento.queue, terms.clock())
        self._known: dict[str, RemoteJob] = dict(memento.remote)
        self._follower = Follower(host.name, self._server, terms.words, self._memory.since)
        self._standing = Standing(host.name, self._server.url, terms.clock)
        self._part = Part()
        self._handed = self._number = self._took = 0
        self._sweeper: Sweeper | None = None
        self._orders = Orders()
        self._clients: list[Client] = []
        self._thread = Thread(target=self._live, name=f"source {host.name}", daemon=True)

    # -- what the main thread says -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to ask, and to hand over."""
        self._thread.start()

    def confirm(self, delivery: Delivery, nonce: str) -> None:
        """The ledger holds this."""
        self._orders.confirm(delivery, nonce)

    def reconnect(self) -> None:
        """Ask again now."""
        self._orders.hurry()

    def stop(self) -> None:
        """End whatever is asked, and the thread."""
        self._orders.stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def interrupt(self) -> None:
        """End whatever a connection waits for."""
        for client in self._clients:
            client.interrupt()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _live(self) -> None:
        self._mailbox.put(self._standing.report(Contact.CONNECTING))
        failures = 0
        try:
            while True:
                failures = failures + 1 if self._fails() else 0
                pause = max(0, self._server.poll_interval - self._took) / MICROSECONDS
                self._orders.pause_before_connecting(pause_after(failures) if failures else pause)
        except Stopped:
            return
        finally:
            self._close()

    def _fails(self) -> bool:
        """One sweep, and what is said of it; whether it failed."""
        try:
            self._orders.connecting(self)
            self._sweep()
        except Stopped:
            raise
        except SourceUnreachable as failure:
            self._lost(Contact.UNREACHABLE, str(failure))
        except SourceRefused as failure:
            self._lost(Contact.REFUSED, str(failure))
        except Exception as failure:
            # A fault of ours in one source must neither end it in silence nor touch the others.
            log.exception("source failed source=%s", self.name)
            self._lost(Contact.UNREACHABLE, f"internal error: {failure!r}"[:300])
        else:
            return False
        return True

    def _lost(self, contact: Contact, text: str) -> None:
        self._orders.check()
        self._close()
        self._part = Part()  # it is found again
        self._mailbox.put(self._standing.report(contact, text))

    def _close(self) -> None:
        for client in self._clients:
            client.close()

    def _sweep(self) -> None:
        begun = self._handed = self._clock()
        sweeper = self._sweeper = self._sweeper or self._made()
        swept = sweeper.sweep(self._known, self._memory.identity, self._follower.is_of_no_interest, self._found)
        doubted = self._settle(swept)
        self._took = self._clock() - begun
        notice = ""
        if swept.is_complete and not swept.doubt:
            before = self._memory.identity
            self._memory = replace(self._memory, identity=swept.listing.identity, since=None)
            if before and before != self._memory.identity:
                notice = f"the server calls itself {self._memory.identity or 'nothing'}, and was {before}"
        self._hand_over(begun - self._server.lag if swept.is_complete else None)
        self._follower.since = self._memory.since
        about = self._about(swept)
        differs = "; ".join(complaints(swept, sweeper.troubles, doubted))
        self._standing.measure(swept.listing, about=about, differs=differs)
        self._mailbox.put(self._standing.report(Contact.REACHABLE, notice=notice))

    def _made(self) -> Sweeper:
        """What sweeps, in the dialect that is configured, or that was found out once."""
        first = self._client()
        self._clients = [first]
        dialect = self._server.dialect if self._server.dialect != AUTO else self._memory.dialect
        dialect = dialect or dialect_of(first)
        self._memory = replace(self._memory, dialect=dialect)
        more = 0 if dialect == WPST else self._server.parallel_requests - 1
        self._clients += [self._client() for _ in range(more)]
        return Sweeper(self._clients, dialect, clock=self._clock, with_inputs=self._server.include_inputs)

    def _client(self) -> Client:
        return Client(self._server, deadline=self._terms.load_timeout, clock=self._clock)

    def _found(self, sighting: Sighting) -> bool:
        """A job was seen; whether anything of it is new."""
        self._orders.check()
        followed = self._follower.follow(self._known.get(sighting.id), sighting)
        if followed is not None:
            self._put(followed)
        if self._clock() - self._handed > PART and self._part.jobs:
            self._hand_over(None)
        return followed is not None

    def _put(self, followed: Followed) -> None:
        for element in followed.elements:
            self._number = max(self._number + 1, self._clock())
            self._part.elements.append({"_id": self._number, **element})
        self._part.events += followed.events
        self._part.jobs[followed.job.id] = followed.job

    def _settle(self, swept: Swept) -> int:
        """What a sweep says of jobs that it did not see; of how many it is not believed."""
        for job in swept.gone:
            self._put(self._follower.gone(job, swept.begun, f"{_utc(job.since)}"))
        for job in swept.absent:
            self._part.jobs[job.id] = replace(job, absent_since=swept.begun)
        for job in list(self._known.values()):
            if job.absent_since is not None and job.absent_since < swept.begun - FORGOTTEN_AFTER:
                del self._known[job.id]
        return sum(job.id not in swept.listing.rows and not has_ended(job.status) for job in self._known.values())

    def _hand_over(self, drained: int | None) -> None:
        """Hand over what was found, and wait until the ledger holds it."""
        part, self._part = self._part, Part()
        brings = bool(part.jobs) or self._memory != self._stored
        self._number = max(self._number + 1, self._clock())
        memory = self._memory
        delivery = Delivery(
            source=self.name,
            queue=memory.written(),
            elements=tuple(part.elements),
            through=self._number if brings else 0,
            received=self._clock(),
            drained=drained,
            size=0,
            patience=self._server.poll_interval + self._server.lag + self._took,
            events=tuple(part.events),
            remote=tuple(part.jobs.values()),
        )
        self._mailbox.put(delivery)
        if brings:
            self._await(delivery)
            self._known.update(part.jobs)
            self._stored = memory
        self._standing.count(delivery)
        self._handed = self._clock()

    def _await(self, delivery: Delivery) -> None:
        while True:
            confirmed = self._orders.confirmation(LOOK_SECONDS)
            if confirmed is not None and confirmed[0].through == delivery.through:
                return

    def _about(self, swept: Swept) -> str:
        known = sum(job.absent_since is None for job in self._known.values())
        unfinished = sum(not has_ended(job.status) and not job.is_ignored for job in self._known.values())
        named = f" {swept.listing.identity}" if swept.listing.identity else ""
        took = self._took / MICROSECONDS
        jobs = f"{known} jobs known, {unfinished} not ended"
        return f"{self._memory.dialect} server{named}, {jobs}, asked in {took:.1f} s"


def _utc(moment: int) -> str:
    return datetime.fromtimestamp(moment // MICROSECONDS, UTC).strftime("%F %T UTC")
