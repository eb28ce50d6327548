"""Host keys: who a host proves to be, compared with what known_hosts says of it.

Rule: nothing is ever added, and nothing but a line of the file makes a host known; a revoked key is refused first.
Rule: a line that cannot be used costs itself and not the file: it is reported with its number, once a change.

The format is sshd(8)'s, "SSH_KNOWN_HOSTS FILE FORMAT"; matching is that of OpenSSH's hostfile.c and match.c.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from job_tracker.errors import SourceRefused

log = logging.getLogger(__name__)

USERS_FILE = Path("~/.ssh/known_hosts")
SSH_PORT = 22
REVOKED, AUTHORITY = "@revoked", "@cert-authority"
_KEY_TYPE = re.compile(r"[A-Za-z0-9@.-]{1,100}")
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""By the type of a key, the algorithms that prove it; for all others they are the type itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One usable line.  hosts: the pattern list as written.  blob: the key as it travels."""

    path: Path
    number: int
    hosts: str
    kind: str
    blob: bytes
    revoked: bool

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"line {self.number} of {self.path}"

    def names(self, host: str) -> bool:
        """Whether the line speaks of a host, given as `name` or `[name]:port`."""
        if self.hosts.startswith("|"):
            return _hash_matches(self.hosts, host)
        return _list_matches(self.hosts.lower(), host)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHosts:
    """Some known_hosts files.  path: of the first, which an operator adds to; skipped: what cannot be used of them,
    with line numbers; missing: why none could be read.
    """

    path: Path
    entries: tuple[Entry, ...] = ()
    skipped: tuple[str, ...] = ()
    missing: str = ""

    def algorithms(self, host: str, port: int) -> tuple[str, ...]:
        """The signature algorithms by which the host could prove a key that is known, to be asked for first."""
        names = {host_name(host, port), host.lower()}
        kinds = [each.kind for name in names for each in self._of(name) if not each.revoked]
        return tuple(dict.fromkeys(each for kind in kinds for each in _ALGORITHMS.get(kind, (kind,))))

    def check(self, host: str, port: int, kind: str, blob: bytes) -> None:
        """SourceRefused, in words an operator can act on, unless the host is known by this very key."""
        name = host_name(host, port)
        found, bare = list(self._of(name)), list(self._of(host.lower()))
        offered = f"{kind} {fingerprint(blob)}"
        for each in (*found, *bare):
            if each.revoked and each.blob == blob:
                raise SourceRefused(f"host key revoked: {name} offered {offered}, which {each.place} revokes")
        known = [each for each in found if not each.revoked]
        if any(each.blob == blob for each in known):
            return
        # As ssh does: a line without the port is good enough where none names the port.
        if not known and any(each.blob == blob for each in bare if not each.revoked):
            return
        raise SourceRefused(self._complaint(name, known, offered, f"{name} {kind} {base64.b64encode(blob).decode()}"))

    def _of(self, name: str) -> Iterator[Entry]:
        return (each for each in self.entries if each.names(name))

    def _complaint(self, name: str, known: list[Entry], offered: str, line: str) -> str:
        kind = offered.split()[0]
        same = [each for each in known if each.kind == kind]
        if same:
            return (
                f"host key changed: {name} offered {offered}, but {same[0].place} has"
                f" {fingerprint(same[0].blob)}; somebody may stand between. If the host was set up anew, and its"
                f" administrator confirms the fingerprint, replace that line by: {line}"
            )
        if self.missing:
            why = f"{self.path} cannot be read ({self.missing})"
        elif known:
            others = ", ".join(f"{each.kind} in line {each.number}" for each in known[:3])
            why = f"{self.path} knows only other keys of it ({others})"
        else:
            why = f"no line of {self.path} names it" + (f" ({'; '.join(self.skipped[:3])})" if self.skipped else "")
        return (
            f"host key unknown: {name} offered {offered}, and {why}."
            f" If its administrator confirms the fingerprint, add there: {line}"
        )


def host_name(host: str, port: int) -> str:
    """A host as known_hosts writes it."""
    return host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """A key's fingerprint, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


_read: dict[Path, tuple[tuple[int, int, int], KnownHosts]] = {}
_reading = Lock()


def known_hosts(*paths: Path) -> KnownHosts:
    """What the files say as they are now; without any, the user's own."""
    first, *others = [_known_hosts(path) for path in paths or (USERS_FILE,)]
    if not others:
        return first
    every = [each for each in (first, *others) if not each.missing]
    return KnownHosts(
        path=first.path,
        entries=tuple(entry for each in every for entry in each.entries),
        skipped=tuple(complaint for each in every for complaint in each.skipped),
        missing="" if every else first.missing,
    )


def _known_hosts(path: Path) -> KnownHosts:
    """The file as it is now; read again only after it changed, for hundreds may share it."""
    place = path.expanduser()
    with _reading:
        try:
            status = place.stat()
            signature = (status.st_mtime_ns, status.st_size, status.st_ino)
            before = _read.get(place)
            if before is not None and before[0] == signature:
                return before[1]
            text = place.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return KnownHosts(path=place, missing=error.strerror or str(error))
        found = parse(place, text)
        _read[place] = (signature, found)
    for complaint in found.skipped:
        log.warning("known hosts line skipped file=%s %s", place, complaint)
    return found


def parse(path: Path, text: str) -> KnownHosts:
    """Read a file's lines, each for itself."""
    entries: list[Entry] = []
    skipped: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            entries.append(_entry(path, number, words))
        except ValueError as fault:
            skipped.append(f"line {number} is skipped: {fault}")
    return KnownHosts(path=path, entries=tuple(entries), skipped=tuple(skipped))


def _entry(path: Path, number: int, words: list[str]) -> Entry:
    marker = words[0] if words[0].startswith("@") else ""
    if marker == AUTHORITY:
        raise ValueError("@cert-authority is not supported, give the host's own key")
    if marker and marker != REVOKED:
        raise ValueError(f"an unknown marker {marker[:20]!r}")
    fields = words[1:] if marker else words
    if len(fields) < 3:
        raise ValueError("it has fewer than three fields")
    hosts, kind, key = fields[:3]
    if not _KEY_TYPE.fullmatch(kind):
        raise ValueError("its second field is no type of key")
    if hosts.startswith("|") and _hashed(hosts) is None:
        raise ValueError("its hashed host name is damaged")
    try:
        blob = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("its key is damaged") from None
    inner = kind.encode()
    if blob[: 4 + len(inner)] != len(inner).to_bytes(4, "big") + inner:
        raise ValueError(f"its key is damaged, or none of type {kind}")
    return Entry(path=path, number=number, hosts=hosts, kind=kind, blob=blob, revoked=marker == REVOKED)


def _hashed(hosts: str) -> tuple[bytes, bytes] | None:
    """Salt and hash of a hashed name; None if it is damaged."""
    parts = hosts.split("|")
    if len(parts) != 4 or parts[0] or parts[1] != "1":
        return None
    try:
        salt, hashed = (base64.b64decode(part, validate=True) for part in parts[2:])
    except (binascii.Error, ValueError):
        return None
    return (salt, hashed) if len(salt) == len(hashed) == hashlib.sha1(usedforsecurity=False).digest_size else None


def _hash_matches(hosts: str, host: str) -> bool:
    parts = _hashed(hosts)
    return parts is not None and hmac.compare_digest(hmac.digest(parts[0], host.encode(), "sha1"), parts[1])


def _list_matches(patterns: str, host: str) -> bool:
    """One pattern must match, and no negated one."""
    matched = False
    for pattern in patterns.split(","):
        negated = pattern.startswith("!")
        if _pattern(pattern[negated:]).fullmatch(host):
            if negated:
                return False
            matched = True
    return matched


def _pattern(pattern: str) -> re.Pattern[str]:
    """A pattern with `*` and `?` only: brackets are a port's here, not a choice of letters."""
    cached = _patterns.get(pattern)
    if cached is None:
        if len(_patterns) > 50_000:
            _patterns.clear()
        letters = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
        cached = _patterns[pattern] = re.compile("".join(letters), re.DOTALL)
    return cached


_patterns: dict[str, re.Pattern[str]] = {}
