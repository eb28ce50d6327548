"""SSH settings: the way to a source host, from its section of the configuration and an ssh_config beside it.

Rule: what the configuration says stands; an ssh_config fills in HostName, Port, User, IdentityFile, and the way there.
Rule: nothing of an ssh_config is run while it is read, and what would change the meaning of the rest is refused.
Rule: a ProxyCommand is cut into words before a host's name is put into them, and no shell ever sees it.
"""

import getpass
import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import paramiko

from job_tracker.errors import SourceRefused
from job_tracker.ports import Host
from job_tracker.sources.queue.transport import one_line
from job_tracker.sources.ssh.host_keys import SSH_PORT

_NO_EXEC = "Match exec would run a program; it is refused"
_REFUSED_LINES = (
    (re.compile(r"match\b.*?\bexec\b", re.IGNORECASE), _NO_EXEC),
    (re.compile(r"include\b", re.IGNORECASE), "Include is not followed; put the settings into this file"),
    (
        re.compile(r"canonicalizehostname[\s=]+\"?(yes|always)", re.IGNORECASE),
        "CanonicalizeHostname is not supported; write full names",
    ),
)
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?:\[(?P<address>[^\]]+)\]|(?P<host>[^:\s/\[]+))(?::(?P<port>\d{1,5}))?/?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A host to log in to.  keys: private keys' files, in order; only: whether no others are to be offered."""

    host: str
    port: int
    user: str
    keys: tuple[Path, ...]
    only: bool
    known_hosts: Path | None

    @property
    def place(self) -> str:
        """Where it is, for texts."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to a source host: directly, over a bastion, or through a command's stdin and stdout."""

    goal: Stop
    bastion: Stop | None = None
    command: tuple[str, ...] = ()


class Reading(paramiko.SSHConfig):
    """paramiko's reader, which leaves a ProxyCommand as it is written, and runs no `exec`, however it is written."""

    def _allowed_tokens(self, key: str) -> list[str]:
        allowed: list[str] = [] if key == "proxycommand" else super()._allowed_tokens(key)  # type: ignore[misc] # not in the stubs
        return allowed

    def _get_matches(self, match: str) -> list[dict[str, Any]]:
        matches: list[dict[str, Any]] = super()._get_matches(match)  # type: ignore[misc]  # not in the stubs
        if any(each["type"] == "exec" for each in matches):
            raise paramiko.ConfigParseError(_NO_EXEC)
        return matches


def route(host: Host, ssh_config: Path | None) -> Route:
    """The way to a host; SourceRefused if the ssh_config cannot be used for it."""
    given = _lookup(ssh_config, host.hostname)
    goal = Stop(
        host=str(given.get("hostname", host.hostname)),
        port=host.port or _port(given, ssh_config),
        user=host.user or str(given.get("user") or getpass.getuser()),
        keys=_keys(host.key, given),
        only=host.key is not None or str(given.get("identitiesonly", "no")).lower() == "yes",
        known_hosts=host.known_hosts,
    )
    jump = str(given.get("proxyjump") or "none")
    if jump.lower() != "none":
        return Route(goal=goal, bastion=_bastion(jump, host, ssh_config))
    command = given.get("proxycommand")
    return Route(goal=goal, command=_words(str(command), goal, host.hostname) if command else ())


def _bastion(jump: str, host: Host, ssh_config: Path | None) -> Stop:
    if "," in jump:
        raise SourceRefused(f"ssh_config {ssh_config}: ProxyJump {one_line(jump, 80)!r}: only one hop is supported")
    parts = _JUMP.fullmatch(jump)
    if parts is None:
        raise SourceRefused(f"ssh_config {ssh_config}: ProxyJump {one_line(jump, 80)!r} is not [user@]host[:port]")
    alias = parts["address"] or parts["host"]
    given = _lookup(ssh_config, alias)
    further = given.get("proxyjump") or given.get("proxycommand")
    if further and str(further).lower() != "none":
        raise SourceRefused(f"ssh_config {ssh_config}: the bastion {alias} has a proxy too: only one hop is supported")
    return Stop(
        host=str(given.get("hostname", alias)),
        port=int(parts["port"]) if parts["port"] else _port(given, ssh_config),
        user=parts["user"] or str(given.get("user") or getpass.getuser()),
        keys=_keys(None, given) or _keys(host.key, {}),
        only=host.key is not None,
        known_hosts=host.known_hosts,
    )


def _keys(key: Path | None, given: dict[str, Any]) -> tuple[Path, ...]:
    if key is not None:
        return (key.expanduser(),)
    return tuple(Path(each).expanduser() for each in given.get("identityfile", ()) if each.lower() != "none")


def _port(given: dict[str, Any], ssh_config: Path | None) -> int:
    written = str(given.get("port", SSH_PORT))
    if not written.isdecimal() or not 0 < int(written) < 65536:
        raise SourceRefused(f"ssh_config {ssh_config}: Port {one_line(written, 20)!r} is no port")
    return int(written)


def _words(command: str, goal: Stop, alias: str) -> tuple[str, ...]:
    """The words of a ProxyCommand, in each of which its tokens are replaced."""
    tokens = {"%h": goal.host, "%p": str(goal.port), "%r": goal.user, "%n": alias, "%%": "%"}
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SourceRefused(f"ProxyCommand {one_line(command, 80)!r}: {error}") from None
    words = words[1:] if words[:1] == ["exec"] else words  # for a shell, which is not there
    if not words:
        raise SourceRefused("ProxyCommand is empty")
    words[0] = str(Path(words[0]).expanduser()) if words[0].startswith("~") else words[0]
    return tuple(re.sub(r"%[hprn%]", lambda found: tokens[found[0]], word) for word in words)


def _lookup(ssh_config: Path | None, alias: str) -> dict[str, Any]:
    if ssh_config is None:
        return {}
    place = ssh_config.expanduser()
    try:
        status = place.stat()
        return dict(_reading(place, status.st_mtime_ns, status.st_size).lookup(alias))
    except OSError as error:
        raise SourceRefused(f"ssh_config {place} cannot be read: {error.strerror}") from None
    except (paramiko.SSHException, ValueError, KeyError) as error:
        raise SourceRefused(f"ssh_config {place} cannot be used: {one_line(str(error))}") from None


@lru_cache(maxsize=8)
def _reading(place: Path, _changed: int, _size: int) -> Reading:
    text = place.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, why in _REFUSED_LINES:
            # A key may be quoted, and an equals sign may stand for the blank.
            if pattern.match(line.strip().replace("=", " ").replace('"', " ").strip()):
                raise SourceRefused(f"ssh_config {place}: line {number}: {why}")
    reading = Reading()
    reading.parse(StringIO(text))
    return reading
