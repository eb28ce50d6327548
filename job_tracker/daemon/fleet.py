"""The fleet: the sources that are running, one thread each.

Rule: a source whose configuration did not change goes on through a reload, and tries again at once.
Rule: the queue in which operators speak is one of them, whatever is configured.
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Thread

from job_tracker.config.reading import Config
from job_tracker.core.operator_word import OPERATOR
from job_tracker.daemon.mailbox import PipedMailbox
from job_tracker.ports import Delivery, Host, Mailbox, Memento, Source, Terms

MakeSource = Callable[[Host, Terms, Mailbox, Memento], Source]
"""Makes the source of a host."""


class Fleet:
    """All sources by name.  control: the tracker's own queue."""

    def __init__(self, make_source: MakeSource, mailbox: PipedMailbox, tracker: str, control: Host) -> None:
        self._make_source, self._mailbox, self._tracker, self._control = make_source, mailbox, tracker, control
        self._sources: dict[str, Source] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def begin(self, config: Config, mementos: Mapping[str, Memento]) -> None:
        """Start every configured source that does not run yet."""
        terms = config.settings.terms(self._tracker)
        for host in (self._control, *(section.host() for section in config.sources)):
            if host.name not in self._sources:
                memento = mementos.get(host.name, Memento())
                self._sources[host.name] = self._make_source(host, terms, self._mailbox, memento)
                self._sources[host.name].start()

    def replace(self, before: Config, after: Config, mementos: Mapping[str, Memento]) -> None:
        """End what is gone or has changed, let the others try again at once, and start what is new."""
        new = {host.name: host for host in after.sources}
        is_same = before.settings.terms() == after.settings.terms()
        gone = [host.name for host in before.sources if new.get(host.name) != host or not is_same]
        gone += [] if is_same else [OPERATOR]
        _end(self._sources.pop(name) for name in gone if name in self._sources)
        self._mailbox.forget(gone)
        for source in self._sources.values():
            source.reconnect()
        self.begin(after, mementos)

    def confirm(self, delivery: Delivery, nonce: str) -> None:
        """Let a source delete what the ledger now holds."""
        if delivery.source in self._sources:
            self._sources[delivery.source].confirm(delivery, nonce)

    def stop(self) -> None:
        """End all of them."""
        _end(self._sources.values())


def _end(sources: Iterable[Source]) -> None:
    """Stop sources side by side: each host that hangs takes most of a second, and so may all of them together."""
    threads = [Thread(target=source.stop, name=f"end of source {source.name}") for source in sources]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
