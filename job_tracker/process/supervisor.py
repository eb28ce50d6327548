"""Supervisor: who started the daemon and waits to hear of it: systemd, the command `start`, or nobody.

Rule: saying something to a supervisor never fails and never waits; the daemon's work does not depend on being heard.

systemd's protocol is a datagram of `NAME=value` lines to the socket that NOTIFY_SOCKET names (sd_notify(3)).  It is
written out here: the packages that offer it are unmaintained, or need a compiler and systemd's headers.
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Mapping

READY_MARK, REFUSED_MARK = b"\0", b"\1"
"""What the command `start` is told on stderr, besides lines: it works; it ends, the configuration is at fault."""


class Supervisor:
    """Nobody is waiting."""

    longest_silence: float = math.inf
    """Seconds after which it takes a silent daemon for a hung one, divided so that one word may come late."""

    def ready(self) -> None:
        """Configuration, store and run directory are fine; sources are not waited for."""

    def alive(self) -> None:
        """The main loop is at work."""

    def reloading(self) -> None:
        """A new configuration is being read; `ready` follows."""

    def stopping(self) -> None:
        """The daemon ends."""


class Systemd(Supervisor):
    """A unit of Type=notify, perhaps with a watchdog."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment["NOTIFY_SOCKET"]
        if self._address.startswith("@"):  # a name without a file
            self._address = "\0" + self._address[1:]
        self._alive_at = -math.inf
        watchdog = environment.get("WATCHDOG_USEC", "")
        if watchdog.isdecimal() and environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            self.longest_silence = int(watchdog) / 1_000_000 / 4

    def ready(self) -> None:
        """See `Supervisor`."""
        self._say("READY=1")

    def alive(self) -> None:
        """See `Supervisor`."""
        if time.monotonic() - self._alive_at >= self.longest_silence / 4:
            self._alive_at = time.monotonic()
            self._say("WATCHDOG=1")

    def reloading(self) -> None:
        """See `Supervisor`."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """See `Supervisor`."""
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as said,
        ):
            said.sendto(words.encode(), self._address)


class WaitingParent(Supervisor):
    """The command `start`: it reads what we write to stderr until we are ready, or until we have ended."""

    def ready(self) -> None:
        """See `Supervisor`."""
        with contextlib.suppress(OSError):  # it lost its patience; we go on
            os.write(2, READY_MARK)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 2)
        os.close(nowhere)


def from_environment() -> Supervisor:
    """The supervisor of a daemon that runs in the foreground."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return Supervisor()
    supervisor = Systemd(os.environ)
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):  # not the business of what we start
        os.environ.pop(name, None)
    return supervisor
