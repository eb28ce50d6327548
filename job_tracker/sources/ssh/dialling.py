"""Dialling: a byte stream to a host's SSH server, straight over TCP or through a ProxyCommand.

Rule: nothing here blocks where a cut lifeline does not reach: names are looked up on a thread that may be left behind.
Rule: a stream is a real socket, for a ProxyCommand too: one end of a pair, whose other end is its stdin and stdout.
"""

import errno
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress

from job_tracker.errors import SourceRefused, SourceUnreachable
from job_tracker.sources.queue.transport import one_line
from job_tracker.sources.ssh.lifeline import Lifeline
from job_tracker.sources.ssh.route import Stop

KEEPALIVE_IDLE, KEEPALIVE_PAUSE = 15, 5  # seconds
POLITE_SECONDS = 0.2
BANNER_PEEK = 512
COMPLAINTS = 64 * 1024
FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
TURNED_AWAY = {
    b"Not allowed at this time": "talks to nobody from this tracker's address for a while: its sshd has counted failed"
    " logins or broken connections against it (PerSourcePenalties); its log says which",
    b"Exceeded MaxStartups": "has as many logins under way as its sshd allows (MaxStartups)",
}
"""What sshd says instead of its first line, and what that means."""

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def dial(stop: Stop, lifeline: Lifeline, *, load_timeout: float) -> socket.socket:
    """A TCP connection, to the first of the host's addresses that takes it; the load timeout is for each of them."""
    host, port = stop.host, stop.port
    lifeline.stage = f"looking up the address of {host}"
    last: OSError | None = None
    for family, address in _addresses(stop, lifeline):
        lifeline.stage = f"connecting to {address[0]!s}:{port}"
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            _tune(made, load_timeout)
            lifeline.hold(made)
            _connect(made, address)
            lifeline.check()
        except OSError as error:
            made.close()
            lifeline.check()
            last = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    text = os.strerror(last.errno) if last is not None and last.errno else str(last)
    raise SourceUnreachable(f"{host}:{port} cannot be reached: {text}")


def await_banner(made: socket.socket, place: str, lifeline: Lifeline) -> None:
    """Wait until the far side says something, and look whether it may be SSH."""
    lifeline.stage = f"waiting for {place} to say that it speaks SSH"
    poll = select.poll()
    poll.register(made, select.POLLIN)
    while not poll.poll():
        pass
    lifeline.check()
    try:
        said = made.recv(BANNER_PEEK, socket.MSG_PEEK)
    except OSError as error:
        raise SourceUnreachable(f"{place} broke off before it said anything: {error.strerror}") from None
    lifeline.check()
    if not said:
        raise SourceUnreachable(f"{place} hung up before it said anything")
    for words, meaning in TURNED_AWAY.items():
        if said.startswith(words):
            raise SourceUnreachable(f"{place} {meaning}")
    if b"SSH-" not in said and (b"\0" in said or said.startswith((b"HTTP/", b"220 ", b"+OK", b"* OK", b"<"))):
        raise SourceRefused(f"{place} does not speak SSH, it says {one_line(said, 80)!r}")


class ProxyCommand:
    """A program that is the way to the host; it and all it started end with it."""

    def __init__(self, words: Sequence[str], lifeline: Lifeline) -> None:
        self._words = words
        lifeline.stage = f"connecting through {one_line(words[0], 80)}"
        self.stream, theirs = socket.socketpair()
        lifeline.hold(self.stream)
        # Not blocking on either end: a program that complains without end is not held up, and loses what has no room.
        self._complaints, complaints = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                words, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=complaints, process_group=0
            )
        except OSError as error:
            self.stream.close()
            os.close(self._complaints)
            raise SourceRefused(f"cannot start the ProxyCommand {one_line(words[0], 80)}: {error.strerror}") from None
        finally:
            theirs.close()
            os.close(complaints)

    def words(self) -> str:
        """What it complained about last; empty if about nothing."""
        with suppress(BlockingIOError):
            said = [line for line in os.read(self._complaints, COMPLAINTS).splitlines() if line.strip()]
            return one_line(said[-1], 150) if said else ""
        return ""

    def end(self) -> None:
        """Close its stream, give it a moment, and kill its group."""
        self.stream.close()
        os.close(self._complaints)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(POLITE_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(POLITE_SECONDS)


def _addresses(stop: Stop, lifeline: Lifeline) -> list[Address]:
    """All addresses of a host; a resolver that hangs is left behind, for nothing can interrupt it."""
    host, family = stop.host, FAMILIES[stop.family]
    found: list[list[Address] | OSError] = []

    def look_up(flags: int) -> None:
        try:
            infos = socket.getaddrinfo(host, stop.port, family, type=socket.SOCK_STREAM, flags=flags)
            found.append([(info[0], info[4]) for info in infos])
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error)))
        lifeline.awake()

    look_up(socket.AI_NUMERICHOST)
    if isinstance(found[0], OSError):
        found.clear()
        threading.Thread(target=look_up, args=(0,), name=f"looking up {host}", daemon=True).start()
        lifeline.wait(lambda: bool(found), threading.TIMEOUT_MAX)
    answer = found[0]
    if isinstance(answer, OSError):
        raise SourceUnreachable(f"{one_line(host, 100)} has no address: {answer.strerror or answer}")
    return answer


def _connect(made: socket.socket, address: object) -> None:
    """Connect without blocking in the call, so that shutting the socket down wakes us; the lifeline has the time."""
    made.setblocking(False)
    code = made.connect_ex(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
    if code == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(made, select.POLLOUT)
        while not poll.poll():
            pass
        code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    made.setblocking(True)


def _tune(made: socket.socket, load_timeout: float) -> None:
    """Small lines travel at once, and a link that is cut ends the connection although nothing is ever answered."""
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_PAUSE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1000, round(load_timeout * 1000)))
