"""The section `web`: where the pages are served, and whom they believe.

Rule: no key of it is part of a job's promise; the tracker itself does not look at one of them.
Rule: what would send passwords through a network in the clear is a fault, not a warning.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ValidationInfo

from job_tracker.config import notation
from job_tracker.config.settings import Contradiction, LocalPath, Section, Text, Zone, local_path

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SOCKET = "unix"
"""In trusted_proxies: whoever may open the socket."""

EXTRA = ("starlette", "uvicorn", "websockets", "argon2")
"""What the extra `web` brings."""

_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where somebody listens: a host and a port, or the path of a socket.  port: 0 is any that is free."""

    host: str = ""
    port: int = 0
    socket: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this host reaches it over a network."""
        return self.socket is None and (self.host == "localhost" or ip_address(self.host).is_loopback)


def address(value: object, info: ValidationInfo) -> Listen:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`."""
    written = notation.text(value)
    if written.startswith("unix:"):
        return Listen(socket=local_path(written.removeprefix("unix:"), info))
    host, colon, port = written.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    is_host = host == "localhost" or notation.is_address(host)
    if not (colon and is_host and re.fullmatch(r"[0-9]{1,5}", port) and int(port) < 1 << 16):
        wanted = "an address of this host and a port, as 127.0.0.1:5001 or [::]:5001, or unix:PATH"
        raise ValueError(f"{notation.shown(value)} is not {wanted}")
    return Listen(host=host, port=int(port))


def origin(value: object) -> str:
    """Read where pages come from, as a browser says it: `https://jobs.example.com`, without a path."""
    written = notation.text(value).rstrip("/").lower()
    parts = urlsplit(written)
    try:
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{notation.shown(value)} is not http:// or https:// and a host, as https://jobs.example.com")
    return written


def origins(value: object) -> tuple[str, ...]:
    """Read one origin or a list of them."""
    return tuple(dict.fromkeys(map(origin, value if isinstance(value, list) else [value])))


def host_names(value: object) -> tuple[str, ...]:
    """Read one host or a list of them."""
    return tuple(dict.fromkeys(notation.hostname(each).lower() for each in _listed(value)))


def proxies(value: object) -> tuple[str, ...]:
    """Read from where a proxy comes: `unix`, or addresses that are not everybody's on this host."""
    return tuple(dict.fromkeys(_proxy(notation.text(each)) for each in _listed(value)))


def header(value: object) -> str:
    """Read the name of a header."""
    written = notation.text(value)
    if not _HEADER.fullmatch(written) or written.lower() in ("authorization", "cookie", "host", "origin"):
        raise ValueError(f"{notation.shown(value)} is not the name of a header that a proxy may set, as X-Remote-User")
    return written.lower()


class Web(Section):
    """web: the pages and the API."""

    listen: Annotated[Listen, BeforeValidator(address)] = Listen(host="127.0.0.1", port=5001)
    tls_certificate: LocalPath | None = None
    tls_key: LocalPath | None = None
    public_url: Annotated[str, BeforeValidator(origin)] | None = None
    trusted_hosts: Annotated[tuple[str, ...], BeforeValidator(host_names)] = ()
    trusted_user_header: Annotated[str, BeforeValidator(header)] | None = None
    trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(proxies)] = ()
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(origins)] = ()
    session_in_hours: Annotated[int, BeforeValidator(notation.whole(1, 720))] = 12
    store_file: LocalPath = Path("/var/lib/job_tracker_web/web.sqlite")
    core4_credentials_in_url: Annotated[bool, BeforeValidator(notation.flag)] = True
    page_title: Text = "job_tracker"
    time_zone: Zone | None = None

    @property
    def has_tls(self) -> bool:
        """Whether it speaks TLS itself."""
        return self.tls_certificate is not None

    @property
    def is_https(self) -> bool:
        """Whether whoever comes from afar comes over TLS."""
        return self.has_tls or (self.public_url or "").startswith("https:")

    @property
    def hosts(self) -> frozenset[str]:
        """Under which names it answers."""
        named = {*LOOPBACK_NAMES, *self.trusted_hosts}
        if self.listen.host and not ip_address(_address(self.listen.host)).is_unspecified:
            named.add(self.listen.host)
        if self.public_url:
            named.add(urlsplit(self.public_url).hostname or "")
        return frozenset(named)

    def contradictions(self, given: Mapping[str, Any]) -> Iterator[Contradiction]:
        """What keys say against each other; what was wrong in itself has its default here."""
        for key, other in (
            ("tls_certificate", "tls_key"),
            ("tls_key", "tls_certificate"),
            ("trusted_user_header", "trusted_proxies"),
            ("trusted_proxies", "trusted_user_header"),
        ):
            if given.get(key) is not None and given.get(other) is None:
                yield key, f"needs {other} beside it"
        if self.listen.socket is None and not self.listen.is_loopback and not self.is_https:
            yield (
                "listen",
                (
                    f"{notation.shown(self.listen.host)} is reached from other hosts, and passwords would travel in "
                    "the clear; name tls_certificate and tls_key, or the public_url, https://…, of the proxy before it"
                ),
            )
        if SOCKET in self.trusted_proxies and self.listen.socket is None:
            yield "trusted_proxies", "names the socket, but listen is none; write listen: unix:PATH"
        if self.has_tls and self.listen.socket is not None:
            yield "tls_certificate", "is of no use on a socket; the proxy before it speaks TLS"

    def recommendations(self) -> Iterator[str]:
        """What is accepted here, but does not work on this host as it is."""
        if self.model_fields_set and any(find_spec(name) is None for name in EXTRA):
            missing = "`job_tracker web` needs the extra web, as in `pip install 'job_tracker[web]'`"
            yield f"web: is not installed here: {missing}"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _address(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def _proxy(written: str) -> str:
    if written == SOCKET:
        return written
    try:
        network = ip_network(written)
    except ValueError as fault:
        raise ValueError(f"{notation.shown(written)} is not 'unix', an address or a network") from fault
    if network.is_loopback or network.num_addresses > 1 << 16:
        reason = "anybody on this host comes from there" if network.is_loopback else "that is half the world"
        raise ValueError(f"{notation.shown(written)} cannot be a proxy that is believed: {reason}")
    return str(network)
