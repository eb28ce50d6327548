"""Checkmk files: the run directory, whose files the monitoring reads.

Rule: a file is seen whole or not at all, and one that could not be written stays pending until it could; the loop goes
on meanwhile.

All names are ours by their pattern:

    job_tracker.<key>.state     the line of one job
    job_tracker.services        what the local check reads: "# job_tracker services 1 <written> <stale after> <zone>",
                                all lines, "# end"
    .<name>.tmp                 a file being written; after a kill, a leftover that the next start removes
"""

import contextlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from job_tracker.errors import OutputError
from job_tracker.outputs.checkmk.line import name_in

SERVICES_FILE = "job_tracker.services"
SERVICES_HEADER = "# job_tracker services 1"
SERVICES_END = "# end"

_KEY = re.compile(r"[A-Za-z0-9_.-]+")
STATE_FILE = re.compile(r"job_tracker\.([A-Za-z0-9_.-]+)\.state")
"""The name of a job's state file, and the key in it."""
_LEFTOVER = re.compile(r"\.job_tracker\.[A-Za-z0-9_.-]+\.tmp")


def state_file_name(key: str) -> str:
    """The state file's name of the job `name__env`; ValueError for a key that could leave the directory."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot be part of a file name")
    return f"job_tracker.{key}.state"


def services_text(lines: Iterable[str], *, written: float, stale_after: float, zone: str = "") -> str:
    """The services file: when it was written, when it is stale (epoch seconds, seconds), the lines, the end.

    zone: the time zone of the texts, by its name.  The last line is what tells a whole file from half of one.  Of two
    lines with one service name Checkmk would take the last; here the first stays, so that nothing can stand in for the
    daemon's own.
    """
    header = f"{SERVICES_HEADER} {math.floor(written)} {math.ceil(stale_after)} {zone}".rstrip() + "\n"
    first_of_each: dict[str, str] = {}
    for line in lines:
        first_of_each.setdefault(name_in(line), line)
    return "".join([header, *first_of_each.values(), SERVICES_END, "\n"])


class StatusFiles:
    """The files of the run directory; remembers what they should say, and tries again what could not be written."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._wanted: dict[str, str] = {}
        self._pending: dict[str, None] = {}
        self._identity: tuple[int, int] | None = None

    def begin(self, lines: Mapping[str, str]) -> None:
        """Write the state files of all jobs (key to line) and remove what is ours and belongs to none of them."""
        self._wanted = dict(lines)
        self._pending = dict.fromkeys(lines)
        with _reported(self._run_dir), _directory(self._run_dir) as directory:
            self._identity = _identity(directory)
            names = _files_and_links(directory)
            found = (match[1] for match in map(STATE_FILE.fullmatch, names) if match)
            self._pending.update(dict.fromkeys(key for key in found if key not in lines))
            self._flush(directory)
            for name in filter(_LEFTOVER.fullmatch, names):
                _unlink(directory, name)

    def update(self, lines: Mapping[str, str]) -> None:
        """Write the state files of some jobs (key to line), as far as they should say something else than they do."""
        fresh = [key for key, line in lines.items() if self._wanted.get(key) != line or key in self._pending]
        for key in fresh:
            state_file_name(key)
        self._wanted.update((key, lines[key]) for key in fresh)
        self._pending.update(dict.fromkeys(fresh))
        if fresh:
            with _reported(self._run_dir), _directory(self._run_dir) as directory:
                self._flush(directory)

    def services(self, lines: Iterable[str], *, written: float, stale_after: float, zone: str = "") -> None:
        """Rename the services file into place; state files that could not be written before are tried again too."""
        text = services_text(lines, written=written, stale_after=stale_after, zone=zone)
        before, self._identity = self._identity, None  # one that was missing may come back with the same number
        with _reported(self._run_dir), _directory(self._run_dir) as directory:
            self._identity = _identity(directory)
            if self._identity != before:  # it was removed and made anew: nothing of ours is in it
                self._pending = dict.fromkeys(self._wanted)
            _publish_in(directory, SERVICES_FILE, text, 0o644)
            self._flush(directory)

    def _flush(self, directory: int) -> None:
        """Bring every pending file to what it should say; one that refuses does not keep the others waiting."""
        failure: OSError | None = None
        for key in list(self._pending):
            name = state_file_name(key)
            try:
                if key in self._wanted:
                    _publish_in(directory, name, self._wanted[key], 0o644)
                else:
                    _unlink(directory, name)
            except OSError as error:
                failure = failure or error
            else:
                del self._pending[key]
        if failure is not None:
            raise failure


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if isinstance(error.filename, str) else ""
        raise OutputError(f"cannot write {path}: {error.strerror or error}{where}") from error


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    """The directory, opened anew each time: it lies in a tmpfs that others tidy up, and may be another one now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _identity(directory: int) -> tuple[int, int]:
    status = os.fstat(directory)
    return status.st_dev, status.st_ino


def _publish_in(directory: int, name: str, text: str, mode: int) -> None:
    temporary = f".{name}.tmp"
    descriptor = _create(directory, temporary)
    try:
        try:
            os.fchmod(descriptor, mode)  # on purpose, whatever the umask: the agent's side reads it as somebody else
            _write_all(descriptor, text.encode())
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with contextlib.suppress(OSError):
            _unlink(directory, temporary)
        raise


def _create(directory: int, name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, 0o600, dir_fd=directory)
    except FileExistsError:  # left by a process that was killed, or planted: never opened, only removed
        _unlink(directory, name)
        return os.open(name, flags, 0o600, dir_fd=directory)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _unlink(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _files_and_links(directory: int) -> list[str]:
    """Names that may be removed: a directory or a socket with a name like ours was made by somebody else."""
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_symlink() or entry.is_file(follow_symlinks=False)]
