"""Link: paramiko's transport, made fit for hundreds of connections that stand for months.

Rule: whatever a host sends, before or after it has proved who it is, takes a bounded amount of memory.
Rule: a link that is idle costs nothing: no thread of it wakes up unless there is something to read.

For whoever upgrades paramiko: what is used or overridden of it beyond its documented interface.

| where | what | why |
|---|---|---|
| here | `Packetizer.read_all`, `_read_timeout` | no packet and no first line fills the memory |
| here | `Packetizer.start_handshake` | no timer thread for each connection |
| here | `Transport._preferred_ciphers` | encryption and checksum in one go |
| here | `Transport.preferred_keys`, `_filter_algorithm` | host keys proper, no certificates |
| login.py | `AgentSSH._connect`, `_close` | an agent on a socket that hangs on the lifeline |
| channel.py | `Channel.status_event`, `exit_status`, `eof_received` | how the handler ended, without waiting for ever |

paramiko gives its socket a timeout of 0.1 s, to look whether it was closed: ten wake-ups a second for each connection.
Here the socket blocks once the link stands, and whoever ends it shuts the socket down, which wakes the reader at once.
"""

import logging
import socket
from contextlib import suppress
from typing import Any

import paramiko
from paramiko.packet import Packetizer

from job_tracker.errors import SourceRefused, SourceUnreachable
from job_tracker.sources.queue.transport import one_line
from job_tracker.sources.ssh.host_keys import fingerprint, known_hosts
from job_tracker.sources.ssh.lifeline import Lifeline
from job_tracker.sources.ssh.route import Stop

LONGEST_PACKET = 256 * 1024  # bytes, as OpenSSH has it
LONGEST_PRELUDE = 64 * 1024  # bytes before SSH's own first line ends
ENDING_SECONDS = 0.3
PARAMIKO_WORDS = {"ciphers": "ciphers", "macs": "digests", "kexalgorithms": "kex", "hostkeyalgorithms": "key_types"}
NO_SSH = ("protocol version", "SSH banner", "an endless line", "a packet of", "Invalid packet", "Expecting packet")
"""In what paramiko says of a server that is none."""

# What paramiko has to say reaches us as exceptions; its log lines are the same again, as tracebacks.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class BoundedPacketizer(Packetizer):
    """Refuses what would fill the memory."""

    _prelude = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """So many bytes; no packet is longer than OpenSSH would make it."""
        if n > LONGEST_PACKET:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        return super().read_all(n, check_rekey)

    def start_handshake(self, timeout: float) -> None:
        """Start no timer, which would be a thread for each connection: the lifeline has the time."""

    def _read_timeout(self, timeout: float) -> bytes:
        data: bytes = super()._read_timeout(timeout)  # type: ignore[misc]  # not in the stubs
        self._prelude += len(data)
        if self._prelude > LONGEST_PRELUDE:
            raise paramiko.SSHException("an endless line")
        return data


class Link(paramiko.Transport):
    """A connection to an SSH server over a stream: `shake_hands`, log in, open a channel, and at the end `end`."""

    # Encryption and checksum in one go: half the time of paramiko's own first choice.
    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    )

    def __init__(self, stream: Any, seconds: float) -> None:
        """seconds: the longest wait for any answer of SSH itself, as far as paramiko waits by the clock."""
        self._stream = stream
        super().__init__(stream, packetizer_class=BoundedPacketizer)
        self.banner_timeout = self.handshake_timeout = self.auth_timeout = seconds
        self.channel_timeout = self.clear_to_send_timeout = seconds

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Host keys proper, no certificates: a known_hosts' @cert-authority is not supported."""
        keys: tuple[str, ...] = self._filter_algorithm("keys")  # type: ignore[attr-defined]  # not in the stubs
        return keys

    def shake_hands(self, stop: Stop, lifeline: Lifeline) -> str:
        """Agree on keys, and see that the host is who it should be before anything else is said; its fingerprint."""
        lifeline.stage = f"exchanging keys with {stop.place}"
        known = known_hosts(*stop.known_hosts)
        self._agree_only_on(stop)
        self._ask_first_for(known.algorithms(*stop.known_as))
        try:
            self.start_client()
            key = self.get_remote_server_key()
        except paramiko.SSHException as error:
            raise _not_agreed(error, stop) from None
        except (EOFError, OSError):
            raise SourceUnreachable(f"{stop.place} hung up during the exchange of keys") from None
        known.check(*stop.known_as, key.get_name(), key.asbytes())
        return f"{key.get_name()} {fingerprint(key.asbytes())}"

    def calm_down(self) -> None:
        """The link stands: from now on its thread sleeps until something comes."""
        self._stream.settimeout(None)

    def end(self) -> None:
        """End it at once, and its thread with it."""
        if isinstance(self._stream, socket.socket):
            Lifeline.shut(self._stream)
        for close in (self.close, self._stream.close):
            # A channel says good-bye to a bastion when it is closed, which may be gone.
            with suppress(paramiko.SSHException, EOFError, OSError):
                close()
        if self.ident is not None:
            self.join(ENDING_SECONDS)

    def _agree_only_on(self, stop: Stop) -> None:
        """Keep to the algorithms that an ssh_config allows, in its order."""
        options = self.get_security_options()
        for keyword, wanted in stop.algorithms:
            name = PARAMIKO_WORDS[keyword]
            usable = tuple(each for each in wanted if each in getattr(options, name))
            if not usable:
                raise SourceRefused(f"for {stop.place} the ssh_config allows no {keyword} that this tracker knows")
            setattr(options, name, usable)

    def _ask_first_for(self, algorithms: tuple[str, ...]) -> None:
        options = self.get_security_options()
        usable = [each for each in algorithms if each in options.key_types]
        options.key_types = (*usable, *(each for each in options.key_types if each not in usable))


def _not_agreed(error: paramiko.SSHException, stop: Stop) -> SourceRefused | SourceUnreachable:
    text = one_line(str(error))
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return SourceRefused(f"{stop.place} and this tracker have no common algorithm: {text}")
    if any(sign in text for sign in NO_SSH):
        return SourceRefused(f"{stop.place} does not speak SSH: {text}")
    return SourceUnreachable(f"{stop.place} did not agree on keys: {text}")
