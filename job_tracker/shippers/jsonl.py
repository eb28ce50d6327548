"""jsonl: each event is a line at the end of a file, exactly once."""

import errno
from collections.abc import Sequence

from job_tracker.config.shippers import ShipperEntry
from job_tracker.shippers.lines import LineFile, LinesNotWritten, Mark
from job_tracker.shippers.store import Cursor, ShipStore
from job_tracker.shippers.target import Item, Sent, TargetRefused

MEGABYTE = 1_000_000
SOMEBODYS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOENT, errno.EINVAL, errno.ENOTDIR})
"""What does not pass by itself."""


class JsonlTarget:
    """A file of lines.  Its cursor is saved with each of its marks."""

    at_once = 500

    def __init__(self, entry: ShipperEntry, cursor: Cursor, store: ShipStore) -> None:
        if entry.path is None:
            raise TargetRefused("has no path")
        self._name, self._store = entry.name, store
        self._late: tuple[int, ...] = ()
        rotate_at = (entry.rotate_at_mb or 0) * MEGABYTE
        self._lines = LineFile(
            entry.path, cursor.seq, cursor.mark, self._save, mode=entry.mode, rotate_at=rotate_at, keep=entry.keep
        )

    def send(self, items: Sequence[Item], *, late: bool = False) -> Sent:
        """Add a line for each."""
        lines = [(item.seq, item.line.encode("utf-8", "replace") + b"\n") for item in items]
        self._late = tuple(seq for seq, _ in lines) if late else ()
        try:
            self._lines.append(lines, late=late)
        except LinesNotWritten as failure:
            cause = failure.__cause__
            return Sent(problem=str(failure), is_held=isinstance(cause, OSError) and cause.errno in SOMEBODYS)
        return Sent(done=frozenset(item.seq for item in items))

    def send_again(self, items: Sequence[Item]) -> Sent:
        """Add them behind those that are newer."""
        return self.send(items, late=True)

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()

    def _save(self, through: int, mark: Mark) -> None:
        self._store.advance_lines(self._name, through, mark, sent=self._late)
