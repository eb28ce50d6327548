"""Labels: by what name an entry of a configuration is told, be it as faulty as it may."""

from job_tracker.config import notation, servers
from job_tracker.config.text import Tree


def source_name(given: Tree) -> str | None:
    """Give the name a source is written with, which is its hostname if it has no other."""
    if not isinstance(given, dict):
        return None
    for key in ("name", "hostname"):
        name = given.get(key)
        if name is not None:
            return name if isinstance(name, str) else None
    if given.get("connection") == servers.OGC:
        return servers.host_of(given.get("url")) or None
    return "localhost" if given.get("connection") == "local" else None


def job_name(given: Tree) -> str | None:
    """Give the name__env a job is written with, or as much of it as there is."""
    if not isinstance(given, dict):
        return None
    parts = [part for part in (given.get("name"), given.get("env")) if isinstance(part, str)]
    return "__".join(parts) if isinstance(given.get("name"), str) else None


def entry_name(given: Tree) -> str | None:
    """Give the name that anything else is written with."""
    name = given.get("name") if isinstance(given, dict) else None
    return name if isinstance(name, str) else None


def label(name: str | None) -> str:
    """Show the name in a place."""
    return "" if name is None else f' "{notation.escaped(name, 2 * notation.MAX_NAME + 2)}"'
