"""Taking over: lets queues forget who drained them, so that another tracker may, whose next try succeeds.

Rule: it needs neither ledger nor daemon, deletes nothing, and touches no queue but those that were named.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from job_tracker.errors import QueueBusy, SourceRefused, SourceUnreachable
from job_tracker.ports import Host, Terms
from job_tracker.sources.making import make_transport
from job_tracker.sources.queue.conversation import Conversation

SIDE_BY_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What became of one queue; text: whom it forgot, or why it did not."""

    source: str
    done: bool
    text: str


def forget_all(hosts: Iterable[Host], terms: Terms) -> list[Forgotten]:
    """Let queues forget who drains them, side by side; the results come in their order."""
    with ThreadPoolExecutor(SIDE_BY_SIDE, "take over") as pool:
        return list(pool.map(lambda host: forget(host, terms), hosts))


def forget(host: Host, terms: Terms) -> Forgotten:
    """Let one queue forget who drains it."""
    if host.server is not None:
        return Forgotten(source=host.name, done=False, text="it is a server with jobs of its own, and has no queue")
    transport = make_transport(host, terms)
    conversation = Conversation(transport, load_timeout=terms.load_timeout, clock=terms.clock)
    try:
        conversation.greet()
        return Forgotten(source=host.name, done=True, text=conversation.forget())
    except (SourceRefused, SourceUnreachable, QueueBusy) as error:
        return Forgotten(source=host.name, done=False, text=str(error))
    finally:
        transport.close()
