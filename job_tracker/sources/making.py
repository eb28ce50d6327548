"""Making: the transport and the source of a host, whatever its kind; here, and nowhere else, the kind is looked at."""

from functools import partial
from pathlib import Path

from job_tracker.ports import Host, Mailbox, Memento, Source, Terms
from job_tracker.sources.local.child import ChildTransport
from job_tracker.sources.local.owner import account_for
from job_tracker.sources.queue.handler import command
from job_tracker.sources.queue.source import DrainingSource
from job_tracker.sources.queue.transport import Transport
from job_tracker.sources.ssh.channel import SshTransport


def make_source(host: Host, terms: Terms, mailbox: Mailbox, memento: Memento) -> Source:
    """A source that drains a host's queue, or asks a server; it does nothing until it is started."""
    if host.server is not None:
        from job_tracker.sources.ogc.source import ServerSource  # with the HTTP client, for those that have a server

        return ServerSource(host, terms, mailbox, memento)
    return DrainingSource(host, terms, mailbox, memento, connect=lambda: make_transport(host, terms))


def make_transport(host: Host, terms: Terms) -> Transport:
    """A way to a host's handler, not yet open."""
    if host.connection != "local":
        return SshTransport(host, terms)
    if host.is_ours:
        return ChildTransport(command(host), partial(account_for, Path(host.message_queue)))
    return ChildTransport(command(host))
