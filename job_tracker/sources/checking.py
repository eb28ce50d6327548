"""Checking: connects to a source once, hears its greeting, and tells how far that got.

Rule: nothing is opened, taken or confirmed, so that a check beside a running tracker changes nothing.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from job_tracker.errors import SourceRefused, SourceUnreachable
from job_tracker.ports import Contact, Host, Server, Terms
from job_tracker.sources.making import make_transport
from job_tracker.sources.queue.answers import short
from job_tracker.sources.queue.conversation import Conversation, Greeting
from job_tracker.sources.queue.handler import differences

SIDE_BY_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found.

    steps: what worked, in order.  text: what did not, in words an operator can act on; empty if all did.
    clock_offset: microseconds the host's clock is ahead of ours.  took: microseconds to the greeting.
    drainer: the beginning of the id of the tracker that drains the queue, None if none has.
    path, interpreter: of the queue and of the Python there; exists: whether there is a queue yet, None if nobody knows.
    differs: what is other than the configuration says.  about: what a server of jobs is, and has.
    """

    source: str
    contact: Contact
    steps: tuple[str, ...]
    took: int
    text: str = ""
    version: str | None = None
    python: str | None = None
    depth: int | None = None
    clock_offset: int | None = None
    drainer: str | None = None
    path: str = ""
    interpreter: str = ""
    exists: bool | None = None
    differs: str = ""
    about: str = ""

    @property
    def works(self) -> bool:
        """Whether the tracker could drain it."""
        return self.contact is Contact.REACHABLE


def check_all(hosts: Iterable[Host], terms: Terms) -> list[CheckResult]:
    """Check sources side by side; the results come in their order."""
    with ThreadPoolExecutor(SIDE_BY_SIDE, "check") as pool:
        return list(pool.map(lambda host: check(host, terms), hosts))


def check(host: Host, terms: Terms) -> CheckResult:
    """Connect to a source, and hear its greeting, or a page of what a server has."""
    if host.server is not None:
        return _check_server(host, host.server, terms)
    transport, clock = make_transport(host, terms), terms.clock
    began = clock()
    try:
        greeting = Conversation(transport, load_timeout=terms.load_timeout, clock=clock).greet()
    except (SourceRefused, SourceUnreachable) as error:
        contact = Contact.REFUSED if isinstance(error, SourceRefused) else Contact.UNREACHABLE
        return CheckResult(
            source=host.name, contact=contact, steps=tuple(transport.steps), took=clock() - began, text=str(error)
        )
    finally:
        transport.close()
    return _good(host, greeting, transport.steps, clock() - began)


def _check_server(host: Host, server: Server, terms: Terms) -> CheckResult:
    from job_tracker.sources.ogc.looking import look  # with the HTTP client, for those that have a server

    began, steps = terms.clock(), list[str]()
    try:
        seen = look(server, terms, steps)
    except (SourceRefused, SourceUnreachable) as error:
        contact = Contact.REFUSED if isinstance(error, SourceRefused) else Contact.UNREACHABLE
        took = terms.clock() - began
        return CheckResult(source=host.name, contact=contact, steps=tuple(steps), took=took, text=str(error))
    return CheckResult(
        source=host.name,
        contact=Contact.REACHABLE,
        steps=tuple(steps),
        took=terms.clock() - began,
        clock_offset=seen.offset,
        path=server.url,
        about=seen.about,
        differs=seen.differs,
    )


def _good(host: Host, greeting: Greeting, steps: Sequence[str], took: int) -> CheckResult:
    exchange = greeting.exchange
    handler = f"message-queue.py {greeting.version} answers on Python {greeting.python}"
    return CheckResult(
        source=host.name,
        contact=Contact.REACHABLE,
        steps=(*steps, handler),
        took=took,
        version=greeting.version,
        python=greeting.python,
        depth=greeting.depth,
        clock_offset=None if exchange.clock is None else exchange.clock - exchange.received,
        drainer=None if greeting.drainer is None else short(greeting.drainer),
        path=greeting.path,
        interpreter=greeting.interpreter,
        exists=greeting.exists,
        differs=differences(host, greeting),
    )
