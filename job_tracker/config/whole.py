"""The whole configuration: the file, and what the ssh_config that it names makes of each source host.

Rule: what is accepted here works: an ssh_config that is missing, or that cannot be followed for a host, is a fault.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def ssh_faults(config: Config, *, each_host: bool = True) -> Sequence[str]:
    """What keeps us from following the ssh_config, each with its place; many hosts have one fault in common."""
    terms = config.settings.terms()
    if terms.ssh_config is None:
        return ()
    who = asker(terms.state_folder)
    try:
        examine(who.expanded(terms.ssh_config), who)
    except SourceRefused as refusal:
        return [f"{GLOBAL_CONFIG}: {refusal}"]
    hosts = [section.host() for section in config.sources] if each_host else []
    with ThreadPoolExecutor(SIDE_BY_SIDE, "ssh_config") as pool:
        found = list(pool.map(lambda host: _fault(host, terms), hosts))
    places: dict[str, list[str]] = {}
    for index, (host, fault) in enumerate(zip(hosts, found, strict=True)):
        if fault:
            places.setdefault(fault, []).append(f'{SOURCE_HOSTS}[{index}] "{host.name}"')
    return [f"{_some(where)}: {fault}" for fault, where in places.items()]


def _fault(host: Host, terms: Terms) -> str:
    if host.connection != "ssh":
        return ""
    lifeline = Lifeline()
    try:
        with lifeline.until(time.monotonic() + ANSWER_SECONDS):
            route(host, terms, lifeline)
    except (SourceRefused, SourceUnreachable) as refusal:
        return str(refusal)
    return ""


def _some(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
