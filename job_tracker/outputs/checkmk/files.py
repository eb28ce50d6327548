"""Checkmk status: service lines as every Checkmk version reads them, and the files that carry them.

Rule: a line is made by `service_line` and nowhere else, and whatever goes in, the line is one that Checkmk accepts
with the status that was meant.  Rule: a file is seen whole or not at all, and one that could not be written stays
pending until it could; the loop goes on meanwhile.

The run directory, all names ours by their pattern:

    job_tracker.<key>.state     the line of one job
    job_tracker.services        what the local check reads: "# job_tracker services 1 <written> <stale after>", all
                                lines, "# end"
    .<name>.tmp                 a file being written; after a kill, a leftover that the next start removes
"""

import contextlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from job_tracker.errors import OutputError

LONGEST_TEXT = 500
SERVICES_FILE = "job_tracker.services"
SERVICES_HEADER = "# job_tracker services 1"
SERVICES_END = "# end"

_CUT_MARK = "…"
_NO_TEXT = "(no text)"
_STATUSES = (0, 1, 2, 3)
_KEY = re.compile(r"[A-Za-z0-9_.-]+")
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9_.:@+-]")
_UNSAFE_IN_METRIC = re.compile(r"[^A-Za-z0-9_.-]")
_METRIC = r"[A-Za-z_][A-Za-z0-9_.-]*=-?[0-9]+(?:\.[0-9]+)?"
_PERFDATA = re.compile(rf"-|{_METRIC}(?:\|{_METRIC})*")
_STATE_FILE = re.compile(r"job_tracker\.([A-Za-z0-9_.-]+)\.state")
_LEFTOVER = re.compile(r"\.job_tracker\.[A-Za-z0-9_.-]+\.tmp")
# Control characters of both sets become spaces; half a surrogate pair cannot be written as UTF-8.
_HARMLESS = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " "),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_PLAIN = re.compile(r"[ -~]*")


def service_line(*, status: int, service: str, text: str, perfdata: str = "-") -> str:
    """One line of a local check, newline included, that every Checkmk version reads as this status.

    Raises ValueError for a status that Checkmk does not have; everything else is made harmless.
    """
    if status not in _STATUSES:
        raise ValueError(f"status {status!r} is none of 0, 1, 2, 3")
    metrics = perfdata if _PERFDATA.fullmatch(perfdata) else "-"
    return f"{status:d} {_safe_name(service)} {metrics} {_safe_text(text)}\n"


def perfdata(metrics: Mapping[str, float | int]) -> str:
    """Metrics as Checkmk reads them, `-` where there are none; one that is no finite number is left out.

    Checkmk would take `nan` and `inf` and hand them on.  Fixed-point, at most six decimals.
    """
    written = [f"{_metric_name(name)}={_number(value)}" for name, value in metrics.items() if _is_finite(value)]
    return "|".join(written) or "-"


def state_file_name(key: str) -> str:
    """The state file's name of the job `name__env`; ValueError for a key that could leave the directory."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot be part of a file name")
    return f"job_tracker.{key}.state"


def services_text(lines: Iterable[str], *, written: float, stale_after: float) -> str:
    """The services file: when it was written, when it is stale (epoch seconds, seconds), the lines, the end.

    The last line is what tells a whole file from half of one.  Of two lines with one service name Checkmk would
    take the last; here the first stays, so that nothing can stand in for the daemon's own.
    """
    header = f"{SERVICES_HEADER} {math.floor(written)} {math.ceil(stale_after)}\n"
    first_of_each: dict[str, str] = {}
    for line in lines:
        first_of_each.setdefault(line.split(" ", 2)[1], line)
    return "".join([header, *first_of_each.values(), SERVICES_END, "\n"])


def publish(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Put the text in place of the file, whole or not at all; OutputError if that was not possible."""
    with _reported(path), _directory(path.parent) as directory:
        _publish_in(directory, path.name, text, mode)


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
            found = (match[1] for match in map(_STATE_FILE.fullmatch, names) if match)
            self._pending.update(dict.fromkeys(key for key in found if key not in lines))
            self._flush(directory)
            for name in filter(_LEFTOVER.fullmatch, names):
                _unlink(directory, name)

    def write(self, key: str, line: str) -> None:
        """Write one job's state file, if it should say something else than it does."""
        self.update({key: line})

    def update(self, lines: Mapping[str, str]) -> None:
        """Write the state files of some jobs (key to line), as far as they should say something else than they do."""
        fresh = [key for key, line in lines.items() if self._wanted.get(key) != line or key in self._pending]
        self._settle(fresh, lines)

    def remove(self, key: str) -> None:
        """Remove the state file of a job that is no longer configured."""
        self._settle([key], {})

    def services(self, lines: Iterable[str], *, written: float, stale_after: float) -> None:
        """Rename the services file into place; state files that could not be written before are tried again too."""
        text = services_text(lines, written=written, stale_after=stale_after)
        before, self._identity = self._identity, None  # one that was missing may come back with the same number
        with _reported(self._run_dir), _directory(self._run_dir) as directory:
            self._identity = _identity(directory)
            if self._identity != before:  # it was removed and made anew: nothing of ours is in it
                self._pending = dict.fromkeys(self._wanted)
            _publish_in(directory, SERVICES_FILE, text, 0o644)
            self._flush(directory)

    def _settle(self, keys: list[str], lines: Mapping[str, str]) -> None:
        """Take in what some files should say, those without a line be gone, and bring them to it."""
        for key in keys:
            state_file_name(key)
        for key in keys:
            self._wanted.pop(key, None)
            self._pending[key] = None
        self._wanted.update((key, lines[key]) for key in keys if key in lines)
        if not keys:
            return
        with _reported(self._run_dir), _directory(self._run_dir) as directory:
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


def _safe_name(service: str) -> str:
    return _UNSAFE_IN_NAME.sub("_", service) or "unnamed"


def _safe_text(text: str) -> str:
    if not (text.isascii() and _PLAIN.fullmatch(text)):
        text = text.translate(_HARMLESS)
    text = " ".join(text.split())
    text = text.replace("\\n", "/n")  # Checkmk makes a newline of these two characters and knows no escape
    if "<<<" in text:
        text = re.sub("<(?=<<)", "< ", text)  # how a section of the agent's output begins
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT - len(_CUT_MARK)].rstrip() + _CUT_MARK
    return text or _NO_TEXT


def _metric_name(name: str) -> str:
    safe = _UNSAFE_IN_METRIC.sub("_", name)
    return safe if safe[:1].isalpha() or safe[:1] == "_" else f"_{safe}"


def _is_finite(value: float | int) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float, and beyond what Checkmk could read
        return False


def _number(value: float | int) -> str:
    if isinstance(value, int):
        return f"{value:d}"
    fixed = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if fixed == "-0" else fixed


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
