"""The fleet: the sources that are running, one thread each.

Rule: a source whose configuration did not change goes on through a reload, and tries again at once.
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Thread

from job_tracker.config.reading import Config
from job_tracker.daemon.mailbox import PipedMailbox
from job_tracker.ports import Delivery, Memento, Source

MakeSource = Callable[[Config, str, PipedMailbox, Memento, str], Source]
"""Makes the source of a name: configuration, name, mailbox, memento, the tracker's id."""


class Fleet:
    """All sources by name."""

    def __init__(self, make_source: MakeSource, mailbox: PipedMailbox, tracker: str) -> None:
        self._make_source, self._mailbox, self._tracker = make_source, mailbox, tracker
        self._sources: dict[str, Source] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def begin(self, config: Config, mementos: Mapping[str, Memento]) -> None:
        """Start every configured source that does not run yet."""
        for name in config.jobs.sources:
            if name not in self._sources:
                memento = mementos.get(name, Memento())
                self._sources[name] = self._make_source(config, name, self._mailbox, memento, self._tracker)
                self._sources[name].start()

    def replace(self, before: Config, after: Config, mementos: Mapping[str, Memento]) -> None:
        """End what is gone or has changed, let the others try again at once, and start what is new."""
        new = {host.name: host for host in after.sources}
        settings = (before.settings, after.settings)
        same_manner = len({(each.load_timeout, each.controller_interval, each.ssh_config) for each in settings}) == 1
        gone = [host.name for host in before.sources if new.get(host.name) != host or not same_manner]
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
