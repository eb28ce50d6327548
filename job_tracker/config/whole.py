"""The whole configuration: the file, and what the ssh_config that it names makes of each source host.

Rule: what is accepted here works: an ssh_config that is missing, or that cannot be followed for a host, is a fault.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from job_tracker.config.reading import GLOBAL_CONFIG, SOURCE_HOSTS, Config, load
from job_tracker.errors import ConfigError, SourceRefused, SourceUnreachable
from job_tracker.ports import Host, Terms
from job_tracker.sources.ssh.asker import asker
from job_tracker.sources.ssh.config_files import examine
from job_tracker.sources.ssh.lifeline import Lifeline
from job_tracker.sources.ssh.route import route

SIDE_BY_SIDE = 4
ANSWER_SECONDS = 5.0
"""OpenSSH's client answers within hundredths of a second, unless it waits for a name server."""


class Asking:
    """Whether answers are still wanted: whoever asked may give up, from any thread, and nothing waits any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lifelines: set[Lifeline] = set()
        self.is_over = False

    @contextmanager
    def about_a_host(self) -> Iterator[Lifeline]:
        """What asking about one host hangs on, with a limit of its own."""
        lifeline = Lifeline()
        with self._lock:
            self._lifelines.add(lifeline)
        try:
            with lifeline.until(time.monotonic() + ANSWER_SECONDS):
                yield lifeline
        finally:
            with self._lock:
                self._lifelines.remove(lifeline)

    def give_up(self) -> None:
        """Nobody waits for the answers."""
        with self._lock:
            self.is_over = True
            for each in self._lifelines:
                each.cut("nobody waits for the answer")


def load_whole(path: Path | str, *, each_host: bool = True) -> Config:
    """Read a configuration file, and ask OpenSSH about its hosts if it names an ssh_config.  Raises ConfigError.

    each_host: what it makes of each of them; a start only looks whether the file may be used, for every source asks
    for itself when it connects, and no host's settings keep the tracker from watching the others.
    """
    config = load(path)
    faults = ssh_faults(config, each_host=each_host)
    if faults:
        raise ConfigError(faults)
    return config


def ssh_faults(config: Config, asking: Asking | None = None, *, each_host: bool = True) -> Sequence[str]:
    """What keeps us from following the ssh_config, each with its place; many hosts have one fault in common.

    Once the asking is given up what is returned means nothing.
    """
    terms = config.settings.terms()
    if terms.ssh_config is None:
        return ()
    who = asker(terms.state_folder)
    try:
        examine(who.expanded(terms.ssh_config), who)
    except SourceRefused as refusal:
        return [f"{GLOBAL_CONFIG}: {refusal}"]
    hosts = [section.host() for section in config.sources] if each_host else []
    asking = asking or Asking()
    with ThreadPoolExecutor(SIDE_BY_SIDE, "ssh_config") as pool:
        found = list(pool.map(lambda host: _fault(host, terms, asking), hosts))
    places: dict[str, list[str]] = {}
    for index, (host, fault) in enumerate(zip(hosts, found, strict=True)):
        if fault:
            places.setdefault(fault, []).append(f'{SOURCE_HOSTS}[{index}] "{host.name}"')
    return [f"{_some(where)}: {fault}" for fault, where in places.items()]


def _fault(host: Host, terms: Terms, asking: Asking) -> str:
    if host.connection != "ssh" or asking.is_over:
        return ""
    try:
        with asking.about_a_host() as lifeline:
            route(host, terms, lifeline)
    except (SourceRefused, SourceUnreachable) as refusal:
        return str(refusal)
    return ""


def _some(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
