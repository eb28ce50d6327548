"""Servers: how a server with jobs of its own is written as a source host, and what its keys say against each other.

Rule: as in `notation`: what is wrong is a ValueError that quotes the value and says what was expected.
Rule: a credential travels over TLS or on this host alone, and verification cannot be switched off.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from job_tracker.config.notation import shown, text

OGC = "ogc"
OF_SERVERS = (
    *("url", "dialect", "env", "poll_interval_in_sec", "parallel_requests", "process_to_job", "bearer_token_file"),
    *("password_file", "client_certificate", "ca_file", "server_lag_in_sec", "adopt", "include_inputs"),
)
"""Keys that mean something with `connection: ogc` alone."""

OF_QUEUES = ("hostname", "port", "key", "known_hosts", "message_queue", "message_queue_handler", "python")
"""Keys that mean nothing with it."""

_RULE_KEYS = {"process", "job"}


def url(value: object) -> str:
    """Read the address under which a server's jobs or processes are found; without a slash at its end."""
    written = text(value)
    try:
        parts = urlsplit(written)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or not written.isascii() or re.search(r"\s", written):
        raise ValueError(f"{shown(value)} is not an address as https://ades.example.org/wpst")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a name or password; say user and password_file")
    if parts.query or parts.fragment:
        raise ValueError(f"{shown(value)} has more than a path; jobs and processes are found from it")
    return written.rstrip("/")


def rules(value: object) -> tuple[tuple[str, str], ...]:
    """Read which job a process is: patterns of the whole process id, and the name they make, with \\1 for a group."""
    found = []
    for at, each in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(each, dict) or set(each) != _RULE_KEYS or not all(isinstance(x, str) for x in each.values()):
            raise ValueError(
                f"[{at}]: is not an object with process and job, as {{process: '(.+)-[0-9.]+', job: '\\1'}}"
            )
        try:
            re.compile(f"(?:{each['process']})|").sub(each["job"], "")  # an empty match tries the replacement as well
        except (re.error, IndexError, OverflowError, RecursionError) as fault:
            raise ValueError(f"[{at}]: {shown(each['process'])} to {shown(each['job'])}: {fault}") from fault
        found.append((each["process"], each["job"]))
    return tuple(found)


def host_of(value: object) -> str:
    """The host of an address, or nothing if it has none."""
    try:
        return urlsplit(value).hostname or "" if isinstance(value, str) else ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host does not leave this one."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def contradictions(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the keys of a source host say against its kind, and against each other."""
    if shown(given.get("connection")).lower() != "'ogc'":
        yield from ((key, "means something with connection: ogc alone") for key in OF_SERVERS if given.get(key))
        if given.get("message_queue") is None:
            yield "message_queue", "is missing"
        return
    yield from ((key, "is missing") for key in ("url", "env") if given.get(key) is None)
    yield from ((key, "means nothing with connection: ogc") for key in OF_QUEUES if given.get(key) is not None)
    token, user, password = (given.get(key) for key in ("bearer_token_file", "user", "password_file"))
    if bool(user) != bool(password):
        yield ("password_file" if user else "user"), "is missing beside the other"
    if token and user:
        yield "bearer_token_file", "says who we are, and so does user; one of them is enough"
    address = given.get("url")
    is_plain = isinstance(address, str) and address.lower().startswith("http:")
    if is_plain and (token or user) and not is_loopback(host_of(address)):
        yield "url", "sends a secret over http, where anybody can read it; use https"
    if given.get("client_certificate") and is_plain:
        yield "client_certificate", "means nothing over http"
    if str(given.get("dialect")).lower() == "wpst" and str(given.get("parallel_requests", "1")) != "1":
        yield "parallel_requests", "is 1 with dialect: wpst, whose server locks its database against itself"
