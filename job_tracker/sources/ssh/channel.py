"""SSH sources: a queue on another host, spoken to over one connection that stands, and one `serve` behind it.

Rule: a host is verified before anything is told to it, a bastion too; there is no way to switch that off.
Rule: one deadline bounds the whole way to the running handler, and cutting the lifeline ends it anywhere.
Rule: the remote command is made of words, each of them quoted; nothing else is ever run there.
"""

import shlex
import socket
import time
from itertools import pairwise
from typing import Any

import paramiko

from job_tracker.errors import SourceClosed, SourceRefused, SourceUnreachable
from job_tracker.ports import Host, Terms
from job_tracker.sources.queue.handler import command
from job_tracker.sources.queue.transport import LONGEST_TEXT, Ending, Lines, one_line
from job_tracker.sources.ssh.diagnosis import Command, diagnose
from job_tracker.sources.ssh.dialling import ProxyCommand, await_banner, dial
from job_tracker.sources.ssh.lifeline import Lifeline, Turns
from job_tracker.sources.ssh.link import Link
from job_tracker.sources.ssh.login import log_in
from job_tracker.sources.ssh.route import Route, Stop, route

CHUNK = 256 * 1024
WORDS_KEPT = 16 * LONGEST_TEXT  # bytes of stderr
ENDING_SECONDS = 0.5

turns, dialling, askers = Turns(), Turns(most=64), Turns(most=4)
"""Shared by all sources of this process: who may shake hands now, who may knock, and who may ask ssh."""


def remote_command(host: Host) -> str:
    """What is run on the host, where a login shell cuts it into words again."""
    return shlex.join(command(host))


class SshTransport:
    """A transport to the handler on another host; `steps` tells how far it got, for people."""

    def __init__(self, host: Host, terms: Terms) -> None:
        self._host, self._terms = host, terms
        self._lifeline = Lifeline()
        self._proxy: ProxyCommand | None = None
        self._streams: list[socket.socket] = []
        self._links: list[Link] = []
        self._channel: paramiko.Channel | None = None
        self._lines = Lines()
        self._words = b""
        self.steps: list[str] = []

    def open(self, deadline: float) -> float:
        """Connect, verify, log in, and start the handler; waiting for our turn does not count."""
        lifeline = self._lifeline
        lifeline.check()
        try:
            way, waited = self._plan(deadline)
            with dialling.turn(lifeline) as longer, lifeline.until(deadline + waited + longer):
                waited += longer
                stream = self._dial(way)
            with turns.turn(lifeline) as longer, lifeline.until(deadline + waited + longer):
                waited += longer
                self._travel(way, stream)
                lifeline.stage = "starting the handler"
                self._start()
        except (paramiko.SSHException, EOFError, OSError) as error:
            lifeline.check()
            raise SourceUnreachable(f"lost the connection while {lifeline.stage}: {_words_of(error)}") from None
        except SourceRefused:
            lifeline.check()  # why it was cut says more than what that broke
            raise
        except SourceUnreachable as error:
            lifeline.check()
            words = self._proxy.words() if self._proxy is not None else ""
            raise SourceUnreachable(f"{error}; the ProxyCommand says: {words}" if words else str(error)) from None
        lifeline.check()
        return waited

    def send(self, line: bytes) -> None:
        """Send a line, which is short: it has room in the window and in the socket's buffer."""
        channel = self._opened()
        try:
            channel.settimeout(self._terms.load_timeout)
            channel.sendall(line)
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._lifeline.check()
            if channel.eof_received:
                return  # it has ended: whatever it said before, and why, comes with the next receive
            raise SourceUnreachable(f"lost the connection: {_words_of(error)}") from None

    def receive(self, deadline: float) -> bytes:
        """The handler's next line."""
        while (line := self._lines.next()) is None:
            self._read(deadline)
        return line

    def interrupt(self) -> None:
        """Wake whoever waits for the host."""
        self._lifeline.cut("interrupted")

    def ending(self) -> Ending:
        """The handler's exit code, and what is to be repaired."""
        channel = self._opened()
        channel.status_event.wait(ENDING_SECONDS)
        self._hear(channel)
        exit_code = channel.exit_status if channel.exit_status >= 0 else None
        started = Command(python=self._host.python, handler=self._host.message_queue_handler)
        return Ending(exit_code=exit_code, words=diagnose(exit_code, self._words, started))

    def close(self) -> None:
        """End the connection; the host's sshd closes the handler's stdin, which ends it."""
        self._lifeline.cut("closed")
        links, streams, proxy = self._links[::-1], self._streams, self._proxy
        self._links, self._streams, self._proxy, self._channel = [], [], None, None
        for link in links:
            link.end()
        for stream in streams:
            stream.close()
        if proxy is not None:
            proxy.end()

    def _plan(self, deadline: float) -> tuple[Route, float]:
        """The way to go, and how long we waited until ssh could be asked for it, where there is something to ask."""
        if self._terms.ssh_config is None:
            return route(self._host, self._terms, self._lifeline), 0.0
        with askers.turn(self._lifeline) as waited, self._lifeline.until(deadline + waited):
            return route(self._host, self._terms, self._lifeline), waited

    def _dial(self, way: Route) -> socket.socket:
        first = way.stops[0]
        if way.command:
            self._proxy = ProxyCommand(way.command, self._lifeline)
            stream = self._proxy.stream
        else:
            stream = dial(first, self._lifeline, load_timeout=self._terms.load_timeout)
        self._streams.append(stream)
        await_banner(stream, first.place, self._lifeline)
        self.steps.append(f"{first.place} speaks SSH")
        return stream

    def _travel(self, way: Route, stream: Any) -> None:
        """From stop to stop; each proves who it is and lets us in before the next is spoken to."""
        link = self._arrive(way.stops[0], stream)
        for at, following in pairwise(way.stops):
            link = self._arrive(following, self._through(link, at, following))

    def _arrive(self, stop: Stop, stream: Any) -> Link:
        link = Link(stream, self._terms.load_timeout)
        self._links.append(link)
        key = link.shake_hands(stop, self._lifeline)
        self.steps.append(f"{stop.place} is known by {key}")
        login = log_in(link, stop, self._lifeline)
        self.steps.append(f"logged in as {stop.user} with {login}")
        link.calm_down()
        return link

    def _through(self, bastion: Link, at: Stop, following: Stop) -> paramiko.Channel:
        self._lifeline.stage = f"connecting to {following.place} through {at.place}"
        try:
            return bastion.open_channel("direct-tcpip", (following.host, following.port), ("127.0.0.1", 0))
        except paramiko.ChannelException as error:
            self._lifeline.check()
            text = f"{following.place} cannot be reached through {at.place}: {one_line(error.text)}"
            # 1: the bastion forbids it; anything else may pass.
            raise (SourceRefused if error.code == 1 else SourceUnreachable)(text) from None

    def _start(self) -> None:
        link = self._links[-1]
        self._channel = link.open_session()
        try:
            self._channel.exec_command(remote_command(self._host))
        except paramiko.SSHException:
            self._lifeline.check()
            if not link.is_active():
                raise
            raise SourceRefused("the host refuses to start any command for this user") from None

    def _opened(self) -> paramiko.Channel:
        if self._channel is None:
            raise SourceUnreachable("not connected")
        return self._channel

    def _read(self, deadline: float) -> None:
        """Wait for anything, and take it in."""
        channel = self._opened()
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
            data = channel.recv(CHUNK)
        except TimeoutError:
            raise SourceUnreachable("gave no complete answer in time") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._lifeline.check()
            raise SourceUnreachable(f"lost the connection: {_words_of(error)}") from None
        self._hear(channel)
        if data:
            self._lines.feed(data)
            return
        self._lifeline.check()
        if not channel.eof_received:
            raise SourceUnreachable(f"lost the connection: {_words_of(self._links[-1].get_exception())}")
        raise SourceClosed("hung up")

    def _hear(self, channel: paramiko.Channel) -> None:
        """Keep the end of what the handler complains about, so that it neither blocks nor is forgotten."""
        while channel.recv_stderr_ready():
            self._words = (self._words + channel.recv_stderr(CHUNK))[-WORDS_KEPT:]


def _words_of(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(str(error)) if error is not None and str(error) else "the host hung up"
