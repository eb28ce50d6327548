"""Spool: rows in the order of their moments, kept outside memory until they are asked for.

Rule: what comes in order is written once and read once; what does not is sorted in runs that are merged while reading.
Rows of one moment keep the order in which they came.
"""

import marshal
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain
from operator import itemgetter
from typing import IO, Any

ROWS_IN_MEMORY = 20_000
ROWS_IN_BLOCK = 500

Row = tuple[Any, ...]
"""A moment, and whatever `marshal` can write: numbers, texts, None."""

_MOMENT = itemgetter(0)


class Spool:
    """Rows with their moment first.  Put all of them, then iterate as often as you like.

    The file is made where the rows are many; it is ours alone, has no name and goes with us, so what is read is what
    was written.
    """

    def __init__(self) -> None:
        self._made: IO[bytes] | None = None
        self._runs: list[list[tuple[int, int]]] = []  # of each run the places and lengths of its blocks
        self._last = -1  # the last moment of the newest run
        self._waiting: list[Row] = []

    def put(self, row: Row) -> None:
        """Take a row in."""
        self._waiting.append(row)
        if len(self._waiting) >= ROWS_IN_MEMORY:
            self._write()

    def __iter__(self) -> Iterator[Row]:
        """All rows by moment, read block by block."""
        if self._made is None:
            return iter(sorted(self._waiting, key=_MOMENT))
        self._write()
        return merge(*map(self._read, self._runs), key=_MOMENT) if len(self._runs) > 1 else self._read_only_run()

    @property
    def _file(self) -> IO[bytes]:
        if self._made is None:
            self._made = tempfile.TemporaryFile(prefix="job_tracker-")  # noqa: SIM115 - it lives as long as the spool
            weakref.finalize(self, self._made.close)
        return self._made

    def _read_only_run(self) -> Iterator[Row]:
        return chain.from_iterable(map(self._read, self._runs))

    def _write(self) -> None:
        """Append what waits to the newest run where it continues it; else it begins another."""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        rows.sort(key=_MOMENT)
        if not self._runs or rows[0][0] < self._last:
            self._runs.append([])
        self._last = rows[-1][0]
        place = self._file.seek(0, 2)
        for at in range(0, len(rows), ROWS_IN_BLOCK):
            block = packed(rows[at : at + ROWS_IN_BLOCK])
            self._file.write(block)
            self._runs[-1].append((place, len(block)))
            place += len(block)

    def _read(self, run: list[tuple[int, int]]) -> Iterator[Row]:
        for place, length in run:
            self._file.seek(place)
            yield from unpacked(self._file.read(length))


def packed(rows: Iterable[Row]) -> bytes:
    """Rows as bytes that take little room; for this process alone."""
    return zlib.compress(marshal.dumps(list(rows)), 1)


def unpacked(block: bytes) -> list[Row]:
    """The rows again."""
    rows: list[Row] = marshal.loads(zlib.decompress(block))  # noqa: S302 - nobody else could write to it
    return rows
