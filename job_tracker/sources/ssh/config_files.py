"""Config files: whether OpenSSH may be asked about an ssh_config, for asking must not run anything.

Rule: `Match exec` runs a program while the file is read, so it is refused, with its line, before ssh sees the file.
Rule: whoever may write the file, or one it includes, decides where the daemon goes and what it starts as ProxyCommand:
so each belongs to root or to the daemon's user, and not everybody may write it.

Reading is as coarse as it can be while missing nothing that ssh's own reader takes for these two keywords: quotes and
backslashes vanish, and an equals sign is a blank.
"""

import glob
import os
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from job_tracker.errors import SourceRefused
from job_tracker.sources.queue.transport import one_line
from job_tracker.sources.ssh.asker import Asker

DEEPEST = 16
"""Files within files, as OpenSSH has it."""

_OF_THE_NETWORK = re.compile(r"canonicalizehostname|localnetwork", re.IGNORECASE)
"""Where ssh asks a name server, or looks at the machine's own addresses."""

_UNQUOTED = str.maketrans({"=": " ", '"': None, "'": None, "\\": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A file as it is now; another one says that it has to be read again."""

    path: Path
    changed: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """An Include: its line's number, and what it names."""

    number: int
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """All files that ssh would read; is_steady: what they say of a host changes only when they do."""

    files: tuple[Signature, ...]
    is_steady: bool


def examine(path: Path, asker: Asker) -> Examined:
    """Look at all files that ssh would read; SourceRefused if one of them may not be read by it."""
    found: dict[Path, Signature] = {}
    _examine(path, asker, found, f"ssh_config {path}", 0)
    files = tuple(found.values())
    return Examined(files=files, is_steady=all(_read(each)[1] for each in files))


def _examine(path: Path, asker: Asker, found: dict[Path, Signature], place: str, depth: int) -> None:
    if path in found:
        return
    if depth > DEEPEST:
        raise SourceRefused(f"{place}: more than {DEEPEST} files include each other")
    try:
        status = path.stat()
        _require_trusted(status, asker, place)
        signature = Signature(path=path, changed=status.st_mtime_ns, size=status.st_size, inode=status.st_ino)
        found[path] = signature
        includes, _ = _read(signature)
    except OSError as error:
        raise SourceRefused(f"{place} cannot be read: {error.strerror}") from None
    for each in includes:
        for pattern in each.patterns:
            for name in sorted(glob.glob(str(_place_of(pattern, asker, path, each.number)))):
                inner = f"ssh_config {name} (included by line {each.number} of {path})"
                _examine(Path(name), asker, found, inner, depth + 1)


def _require_trusted(status: os.stat_result, asker: Asker, place: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SourceRefused(f"{place} is no regular file")
    if status.st_uid not in (0, asker.uid):
        raise SourceRefused(f"{place} belongs to another user (uid {status.st_uid}) than root or {asker.name}")
    if status.st_mode & stat.S_IWOTH:
        raise SourceRefused(f"{place} can be written by everybody (mode {status.st_mode & 0o7777:04o}); chmod o-w it")


@lru_cache(maxsize=1024)
def _read(signature: Signature) -> tuple[tuple[Included, ...], bool]:
    """What a file includes, and whether it is steady; SourceRefused if reading it would run a program."""
    text = signature.path.read_bytes().decode("utf-8", "replace")
    includes = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.translate(_UNQUOTED).split()
        keyword = words[0].lower() if words else ""
        if keyword == "match" and any(word.lstrip("!").lower() == "exec" for word in words[1:]):
            raise SourceRefused(
                f"ssh_config {signature.path}: line {number}: Match exec would run a program; it is refused"
            )
        if keyword == "include":
            includes.append(Included(number=number, patterns=tuple(words[1:])))
    return tuple(includes), _OF_THE_NETWORK.search(text) is None


def _place_of(pattern: str, asker: Asker, path: Path, number: int) -> Path:
    """Where ssh looks for what is included: beside the user's own ssh_config, if nothing else is said."""
    if "${" in pattern or "%" in pattern:
        raise SourceRefused(
            f"ssh_config {path}: line {number}: Include {one_line(pattern, 80)}: write the path without variables"
        )
    return asker.home / ".ssh" / asker.expanded(pattern)
