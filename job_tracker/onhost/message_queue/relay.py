"""Relay: a stream of the command passed on byte for byte, and its end kept for the note.

It is a process in a session of its own: whoever kills `run` with SIGKILL, or its group, breaks no pipe under the job.
It ends when nobody holds the stream any more, and until then serves those whom the command has left behind.
"""

import collections
import contextlib
import os
import signal
import sys
import time

from .ground import CHUNK, FORWARDED_SIGNALS, fcntl, select, termios
from .signals import let_go, pipe

WINDOW = 64 * 1024  # bytes that are kept: far more than are noted, so that masks see what stands before


class Relay:
    """The relay of one descriptor, 1 or 2. `inlet` is what the command writes into; close it once the command runs."""

    def __init__(self, descriptor):
        outlet, self.inlet = pipe()
        asked, self.ask = pipe()
        self.answer, answering = pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                for name in FORWARDED_SIGNALS:
                    signal.signal(getattr(signal, name), signal.SIG_IGN)
                let_go(descriptor, outlet, asked, answering)
                _Stream(outlet, descriptor, asked, answering).pass_on()
            finally:
                os._exit(0)
        for mine in (outlet, asked, answering):
            os.close(mine)

    def last(self, until):
        """What the stream's end was when the command ended, once all of that is passed on; None if not in time."""
        received = []
        with contextlib.suppress(OSError):
            os.write(self.ask, b"?")
            waiting = select.poll()
            waiting.register(self.answer, select.POLLIN)
            while waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                part = os.read(self.answer, CHUNK)
                if not part:
                    return b"".join(received)
                received.append(part)
        return None


class _Stream:
    """The relay's own side."""

    def __init__(self, outlet, target, asked, answering):
        self.outlet, self.target, self.asked, self.answering = outlet, target, asked, answering
        self.kept = collections.deque()
        self.size = 0
        self.left = None  # bytes that were in the pipe when the command ended and are not yet passed on

    def pass_on(self):
        waiting = select.poll()
        waiting.register(self.outlet, select.POLLIN)
        waiting.register(self.asked, select.POLLIN)
        is_open = True
        while is_open:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if self.asked in ready:
                waiting.unregister(self.asked)
                self.left = self._waiting() if os.read(self.asked, 1) else None
            elif self.outlet in ready:
                data = os.read(self.outlet, CHUNK if self.left is None else min(CHUNK, self.left))
                is_open = bool(data) and write_all(self.target, data)
                self._keep(data)
            if self.left == 0:
                self._say()
        os.close(self.outlet)  # nobody reads any more: the command learns it as it would without us
        if self.answering is not None and (self.left is not None or os.read(self.asked, 1)):
            self._say()

    def _waiting(self):
        """How many bytes the pipe holds. What comes later is of others, and nobody waits for them."""
        return int.from_bytes(fcntl.ioctl(self.outlet, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _keep(self, data):
        self.kept.append(data)
        self.size += len(data)
        self.left = None if self.left is None else self.left - len(data)
        while self.size - len(self.kept[0]) >= WINDOW:
            self.size -= len(self.kept.popleft())

    def _say(self):
        with contextlib.suppress(OSError):  # `run` may be gone
            write_all(self.answering, b"".join(self.kept))
        os.close(self.answering)
        self.answering = self.left = None


def write_all(target, data):
    """Write all of it; False if nobody reads any more.

    Any other failure, as of a full disk, costs these bytes as it would without us, and not the command.
    """
    data = memoryview(data)
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:  # somebody else who has this stream does not like to wait
            waiting = select.poll()
            waiting.register(target, select.POLLOUT)
            waiting.poll()
        except BrokenPipeError:
            return False
        except OSError:
            return True
    return True
