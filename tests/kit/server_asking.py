"""A source of a server as a test drives it: what it hands over is kept as the ledger would, and confirmed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from job_server import JobServer
from sourcing import Box, now

from job_tracker.core.events import Event
from job_tracker.ports import Contact, Delivery, Host, Memento, RemoteJob, Report, Server, Terms
from job_tracker.sources.making import make_source

TERMS = Terms(interval=0.2, load_timeout=5.0, clock=now, tracker="t1")
NAME = "ades1"


def server_of(url: str, **more: Any) -> Server:
    """How a server is asked: as often as can be."""
    return Server(**{"url": url, "env": "ADES", "poll_interval": 1, **more})


def host_of(server: Server) -> Host:
    return Host(name=NAME, connection="ogc", message_queue="", message_queue_handler="", python="", server=server)


@dataclass(kw_only=True)
class Kept:
    """What a ledger would hold: once each uid, and what was last seen of each job."""

    memento: Memento = field(default_factory=Memento)
    remote: dict[str, RemoteJob] = field(default_factory=dict)
    elements: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    repeated: int = 0

    def take(self, delivery: Delivery) -> None:
        for element in delivery.elements:
            self.repeated += element["uid"] in self.elements
            self.elements.setdefault(element["uid"], element)
        for event in delivery.events:
            self.repeated += event.body["uid"] in self.events
            self.events.setdefault(event.body["uid"], event)
        self.remote.update((each.id, each) for each in delivery.remote)
        if delivery.through:
            self.memento = Memento(queue=delivery.queue, nonce="n")

    def said(self, id: str) -> list[str]:
        """The words of a job, in order."""
        return [each["event"] for each in self.elements.values() if each["run"] == id]

    def told(self, id: str) -> list[str]:
        """The statuses that were told of a job, in order."""
        return [
            each.body["to"] for each in self.events.values() if each.body["id"] == id and each.kind == "remote.status"
        ]


@dataclass(kw_only=True)
class Sweeps:
    """A source, sweep by sweep."""

    box: Box
    source: Any
    kept: Kept
    at: int = 0
    drained: int | None = None

    def next(self) -> Report:
        """The report after one whole sweep that began from now on, all of it confirmed."""
        for _ in range(len(self.box.items) - self.at):  # of sweeps that were over before
            self._step()
        self.first()
        return self.first()

    def first(self) -> Report:
        """That of the sweep under way."""
        while True:
            report = self._step()
            if report is not None:
                return report

    def _step(self) -> Report | None:
        item = self.box.wait_for(lambda _: True, self.at)
        self.at += 1
        if isinstance(item, Report):
            return None if item.contact is Contact.CONNECTING else item
        self.kept.take(item)
        self.drained = item.drained
        if item.through:
            self.source.confirm(item, "n")
        return None


@contextmanager
def asked(server: JobServer | Server, kept: Kept | None = None, terms: Terms = TERMS, **more: Any) -> Iterator[Sweeps]:
    """A source that asks a server."""
    kept = kept or Kept()
    described = server if isinstance(server, Server) else server_of(server.url, **more)
    box = Box()
    source = make_source(host_of(described), terms, box, replace(kept.memento, remote=dict(kept.remote)))
    source.start()
    try:
        yield Sweeps(box=box, source=source, kept=kept)
    finally:
        source.stop()


def secret(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path
