"""Lines: numbered lines at the end of a file, each whole and exactly once.

Rule: append, fsync, then save how far it has come.  Whatever a kill, a full disk or a rename cuts short is found again
in the file itself: what lies behind the saved mark was written and not noted.
Rule: a torn last line is completed, never cut off: readers who see a file shrink begin it anew.
Rule: another file at the path (logrotate renamed ours) is begun only between two whole lines, and saved as the place
to go on at before the first line is in it; so there is never more than one file whose end is not known.

A line holds its number as `"seq": N` in a JSON object, which is the line or stands behind `+++`; by that it is known
again.  The same number is always the same text, or a torn line cannot be completed with what was meant.

    lines = LineFile(path, through, mark, save)     # save(through, mark) has to be durable when it returns
    lines.append([(seq, b"...\n"), ...])            # written, on the disk, and saved; or LinesNotWritten: again later
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import stat
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from job_tracker.errors import OutputError

log = logging.getLogger("job_tracker")

AT_ONCE = 1 << 20
"""Bytes that go with one write, unless a line is longer."""

LOOKED_AT = 128
"""Bytes before a mark by which the file is known to be the one that was marked: numbers of files are used again."""

SEPARATOR = b"+++"

Line = tuple[int, bytes]
"""Its number, and its bytes with the line feed at the end."""


class LinesNotWritten(OutputError):
    """Lines could not be written; perhaps some were, which is found out when the same lines are given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a file is known.  check: what stands before offset.  inode 0: there was none yet."""

    inode: int = 0
    offset: int = 0
    check: int = 0


Save = Callable[[int, Mark], None]


class LineFile:
    """The file at a path, wherever it is renamed to.  Not for several threads; another writer is refused."""

    def __init__(
        self,
        path: Path,
        through: int,
        mark: Mark,
        save: Save,
        *,
        mode: int = 0o640,
        rotate_at: int = 0,
        keep: int = 5,
    ) -> None:
        """through: the number up to which all is in; mark: where that ends.  rotate_at: bytes, 0 for never."""
        self.path, self.through, self.mark = path, through, mark
        self.mode, self.rotate_at, self.keep = mode, rotate_at, keep
        self._save = save
        self._file: int | None = None
        self._there: frozenset[int] = frozenset()
        self._torn = b""

    def append(self, lines: Sequence[Line], through: int = 0, *, late: bool = False) -> None:
        """Write those that are not in yet, in order, and save; through: a later number up to which none are to come.

        late: lines that were left out before, and are older than what is in.  Raises LinesNotWritten; whatever `save`
        raises goes out as it is.
        """
        try:
            self._open()
            fresh = [(seq, line) for seq, line in lines if (late or seq > self.through) and seq not in self._there]
            if self._torn and fresh:
                self._complete(*fresh.pop(0))
            if fresh:
                self._go_to_path()
                self._write(b"".join(line for _, line in fresh))
            self._settle(max([self.through, through, *(seq for seq, _ in lines)]))
            self._rotate()
        except OSError as failure:
            self.close()
            raise LinesNotWritten(f"{self.path}: {_reason(failure)}") from failure
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file; the next lines open it again."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    # -- what is there ---------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Be at the end of the file that was marked, and know what lies behind the mark."""
        if self._file is not None:
            return
        self._there, self._torn = frozenset(), b""
        name = self._marked()
        if name is None:
            if self.mark.inode:
                log.warning("file of lines is gone, what was written last may be in it twice path=%s", self.path)
            self._begin()
            return
        self._file = self._opened(name, os.O_APPEND)
        if os.fstat(self._file).st_ino != self.mark.inode:
            raise OSError(errno.EAGAIN, "was renamed at this very moment")
        behind = _read(self._file, self.mark.offset)
        whole, _, self._torn = behind.rpartition(b"\n")
        numbers = map(number_of, whole.split(b"\n")) if whole else ()
        self._there = frozenset(number for number in numbers if number is not None)
        if behind:
            found = len(self._there)
            log.info(
                "lines found that were written and not noted path=%s lines=%d torn=%s", name, found, self._torn != b""
            )

    def _marked(self) -> Path | None:
        """Where the marked file lies now: at its path, or beside it where it was renamed to."""
        if not self.mark.inode:
            return None
        beside = sorted(self.path.parent.glob(f"{_escaped(self.path.stem)}*"))
        for each in (self.path, *(found for found in beside if found != self.path)):
            if self._is_marked(each):
                return each
        return None

    def _is_marked(self, name: Path) -> bool:
        with contextlib.suppress(FileNotFoundError):
            found = name.stat(follow_symlinks=False)
            if found.st_ino == self.mark.inode and stat.S_ISREG(found.st_mode) and found.st_size >= self.mark.offset:
                file = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    return _check(file, self.mark.offset) == self.mark.check
                finally:
                    os.close(file)
        return False

    # -- writing ---------------------------------------------------------------------------------------------------

    def _complete(self, seq: int, line: bytes) -> None:
        """Make a whole line of the torn one: the line that it begins, or, if it was none of ours, one of its own."""
        torn, self._torn = self._torn, b""
        if line.startswith(torn):
            self._write(line[len(torn) :])
        elif number_of(torn) == seq:  # whole but for its end, in the words of another version
            self._write(b"\n")
        else:
            log.warning("torn line is none of those to come, it is ended as it is path=%s", self.path)
            self._write(b"\n")
            self._go_to_path()
            self._write(line)
        self._there |= {seq}

    def _go_to_path(self) -> None:
        """Leave a file that was renamed for the one at the path, which is saved before anything is in it."""
        assert self._file is not None  # noqa: S101 - _open comes first
        mine = os.fstat(self._file)
        with contextlib.suppress(FileNotFoundError):
            at_path = os.stat(self.path, follow_symlinks=False)
            if (at_path.st_dev, at_path.st_ino) == (mine.st_dev, mine.st_ino):
                self._look_at_end(mine.st_size)
                return
        self._settle(self.through)
        self.close()
        self._begin()

    def _look_at_end(self, size: int) -> None:
        """What somebody else did to the file: cut it, or left half a line at its end."""
        assert self._file is not None  # noqa: S101 - likewise
        if size < self.mark.offset:
            log.warning(
                "file of lines was truncated, what nobody had read is lost; rotate by rename path=%s", self.path
            )
            self.mark = _mark(self._file)
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            self._write(b"\n")

    def _begin(self) -> None:
        try:
            self._file = self._opened(self.path, os.O_APPEND)
        except FileNotFoundError:
            self._file = self._opened(self.path, os.O_APPEND | os.O_CREAT | os.O_EXCL)
            os.fchmod(self._file, self.mode)
            _sync_directory(self.path.parent)
        self._settle(self.through)

    def _opened(self, name: Path, how: int) -> int:
        """The file for appending, and ours alone."""
        file = os.open(name, how | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, self.mode)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "is not a regular file")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            os.close(file)
            raise OSError(errno.EBUSY, "another process of ours writes it") from failure
        except BaseException:
            os.close(file)
            raise
        return file

    def _write(self, content: bytes) -> None:
        assert self._file is not None  # noqa: S101 - likewise
        view = memoryview(content)
        while view:
            view = view[os.write(self._file, view[:AT_ONCE]) :]

    def _settle(self, through: int) -> None:
        """Make sure that all is on the disk, and save how far that is."""
        assert self._file is not None  # noqa: S101 - likewise
        if self._torn:  # its line is still to come, and begins before it
            return
        through = max([through, *self._there])  # lines are in order: all before one that is there is, too
        mark = _mark(self._file)
        if mark != self.mark:
            os.fsync(self._file)
        if (through, mark) != (self.through, self.mark):
            self._save(through, mark)
        self.through, self.mark, self._there = through, mark, frozenset()

    def _rotate(self) -> None:
        """Rename a file that has become long; the next line begins another."""
        if not self.rotate_at or self.mark.offset < self.rotate_at or self._torn:
            return
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{number}") for number in range(1, self.keep + 1))]
        last = next((place for place, name in enumerate(names) if not name.exists()), len(names) - 1)
        for place in range(last, 0, -1):
            os.rename(names[place - 1], names[place])
        _sync_directory(self.path.parent)


def number_of(line: bytes) -> int | None:
    """The number that a line holds, if it holds one."""
    for text in (line, line.partition(SEPARATOR)[2]):
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(text)
            if isinstance(document, dict) and type(document.get("seq")) is int:
                return int(document["seq"])
    return None


def _mark(file: int) -> Mark:
    found = os.fstat(file)
    return Mark(inode=found.st_ino, offset=found.st_size, check=_check(file, found.st_size))


def _check(file: int, offset: int) -> int:
    begin = max(0, offset - LOOKED_AT)
    return zlib.crc32(os.pread(file, offset - begin, begin))


def _read(file: int, offset: int) -> bytes:
    parts = []
    while part := os.pread(file, AT_ONCE, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _escaped(name: str) -> str:
    """A name as a glob that fits it alone."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)


def _reason(failure: OSError) -> str:
    match failure.errno:
        case errno.ENOENT:
            return "its directory is not there; make it, for the user that writes"
        case errno.ELOOP:
            return "is a link, and is not followed"
        case errno.ENOSPC | errno.EDQUOT:
            return f"{failure.strerror}; what is lacking is written once there is room"
    return failure.strerror or str(failure)
