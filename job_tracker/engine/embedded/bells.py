"""Bells: how a process on this host hears at once that there is something to do.

Rule: a bell says only that something happened; what it was is asked of the store, so that one that is lost or rung
twice changes nothing but the moment.  Rule: ringing never waits.

Each listener has a FIFO of its own beside the store, in a folder that only its owner can open.  One that nobody reads
any more belonged to somebody who was killed, and goes.
"""

import asyncio
import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

MUCH = 65536
"""Bytes: more than a FIFO holds."""


class Bell:
    """One listener's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        draft = self._path.with_name(f".{self._path.name}")
        os.mkfifo(draft, 0o600)
        try:
            self._descriptor = os.open(draft, os.O_RDWR | os.O_NONBLOCK)  # a writer of its own: no end of file
            os.rename(draft, self._path)  # nobody finds it before somebody reads it
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Take it down."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    async def rung(self) -> None:
        """Wait until somebody rings; how often he did since the last time is one."""
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_reader(self._descriptor, heard.set)
        try:
            await heard.wait()
        finally:
            loop.remove_reader(self._descriptor)
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, MUCH)


def ring(folder: Path) -> None:
    """Ring all that hang there."""
    for path in _hung(folder):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as failure:
            if failure.errno == errno.ENXIO:
                with contextlib.suppress(OSError):
                    path.unlink()
            continue
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                with contextlib.suppress(OSError):  # one that is full is heard
                    os.write(descriptor, b"\n")
        finally:
            os.close(descriptor)


def _hung(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            yield from [Path(each.path) for each in found if not each.name.startswith(".")]
    except OSError:
        return  # nobody has listened yet, or may be told
