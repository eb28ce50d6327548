"""Login: which keys are offered to a host, and in what words a refusal is told.

Rule: keys only: a daemon has no one to ask for a passphrase, so an encrypted key is used through the agent.
Rule: a key that the configuration names is the only one offered; each refused key costs one of the host's few tries.
"""

import os
import socket
import stat
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH

from job_tracker.errors import LoginRefused, SourceRefused, SourceUnreachable
from job_tracker.sources.ssh.host_keys import fingerprint
from job_tracker.sources.ssh.lifeline import Lifeline
from job_tracker.sources.ssh.route import Stop

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
MOST_KEYS = 6
"""OpenSSH's servers hang up after six tries."""

AGENT_VARIABLE = "SSH_AUTH_SOCK"
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A key to offer, and what it is called in texts."""

    key: paramiko.PKey
    name: str


class Agent(AgentSSH):
    """The user's ssh-agent, if there is one; one that hangs ends with the lifeline."""

    def __init__(self, lifeline: Lifeline, path: str | None) -> None:
        """path: of its socket; empty for none, None for the one that the environment names."""
        super().__init__()
        self.complaint = "no agent is wanted" if path == "" else f"{AGENT_VARIABLE} is not set"
        path = os.environ.get(AGENT_VARIABLE) if path is None else path
        if not path:
            return
        self.complaint = ""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lifeline.hold(made)
            made.connect(path)
            self._connect(made)  # type: ignore[attr-defined]  # not in the stubs
        except (OSError, paramiko.SSHException) as error:
            made.close()
            self.complaint = f"the agent at {path} does not answer: {error}"

    def end(self) -> None:
        """Let go of it."""
        self._close()  # type: ignore[attr-defined]  # not in the stubs


def log_in(link: paramiko.Transport, stop: Stop, lifeline: Lifeline) -> str:
    """Log in with one of the keys there are; which one.  SourceRefused if none is good enough."""
    lifeline.stage = f"logging in to {stop.place} as {stop.user}"
    agent = Agent(lifeline, stop.agent)
    complaints: list[str] = []
    refused: list[str] = []
    try:
        for candidate in _candidates(stop, agent, complaints):
            if len(refused) >= MOST_KEYS:
                break
            if _offer(link, stop, candidate, refused):
                return candidate.name
    finally:
        agent.end()
    raise LoginRefused(_refusal(stop, refused, complaints))


def _offer(link: paramiko.Transport, stop: Stop, candidate: Candidate, refused: list[str]) -> bool:
    try:
        further = link.auth_publickey(stop.user, candidate.key)
    except paramiko.BadAuthenticationType as error:
        allowed = ", ".join(error.allowed_types)
        raise SourceRefused(f"login refused: {stop.place} takes no keys from {stop.user}, only {allowed}") from None
    except paramiko.AuthenticationException:
        if not link.is_active() and not refused:
            raise SourceUnreachable(f"{stop.place} hung up while {stop.user} logged in") from None
        refused.append(candidate.name)
        if link.is_active():
            return False
        raise LoginRefused(f"{_refusal(stop, refused, [])} (it hung up)") from None
    if further:
        raise SourceRefused(
            f"login refused: {stop.place} took the key of {stop.user}, but wants more: {', '.join(further)}"
        )
    return True


def _refusal(stop: Stop, refused: list[str], complaints: list[str]) -> str:
    because = f" ({'; '.join(complaints)})" if complaints else ""
    if not refused:
        return f"login refused: there is no key to offer to {stop.place} for {stop.user}{because}"
    return (
        f"login refused: {stop.place} does not take {stop.user} with {' or '.join(refused)}{because};"
        " is its public half in that user's authorized_keys there, and may that account log in (it may be locked,"
        " expired, or not allowed)? The log of the sshd there says which"
    )


def _candidates(stop: Stop, agent: Agent, complaints: list[str]) -> Iterator[Candidate]:
    """The keys in the order in which they are offered; what cannot be offered is complained about."""
    seen: set[bytes] = set()
    for path in stop.keys or ():
        yield from _fresh(_of_file(path, agent, complaints), seen)
    if not stop.only:
        yield from _fresh((_of_agent(key) for key in agent.get_keys()), seen)
    if stop.keys is not None:
        return
    defaults = [path for path in (Path("~/.ssh", name).expanduser() for name in DEFAULT_KEYS) if path.exists()]
    for path in defaults:
        yield from _fresh(_of_file(path, agent, complaints), seen)
    if not defaults:
        complaints.append("no key is configured, ~/.ssh has none, and " + (agent.complaint or "the agent has none"))


def _fresh(candidates: Iterator[Candidate], seen: set[bytes]) -> Iterator[Candidate]:
    for candidate in candidates:
        blob = candidate.key.asbytes()
        if blob not in seen:
            seen.add(blob)
            yield candidate


def _of_agent(key: paramiko.AgentKey) -> Candidate:
    return Candidate(key=key, name=f"the agent's {key.get_name()} {fingerprint(key.asbytes())}")


def _of_file(path: Path, agent: Agent, complaints: list[str]) -> Iterator[Candidate]:
    try:
        status = path.stat()
        if fault := _unguarded(status):
            complaints.append(f"{path} {fault}")
            return
        key = _load(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        complaints.append(f"{path} cannot be read: {error.strerror}")
    except (TypeError, paramiko.PasswordRequiredException):  # cryptography says it with a TypeError
        yield from _of_encrypted(path, agent, complaints)
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        complaints.append(f"{path} is no private key that can be used")
    else:
        yield Candidate(key=key, name=f"{path} ({key.get_name()} {fingerprint(key.asbytes())})")


def _unguarded(status: os.stat_result) -> str:
    """Why a private key is not used, as ssh does not use it either; root may share one with the tracker's group."""
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    mode, others = stat.S_IMODE(status.st_mode), 0o007 if status.st_uid == 0 else 0o077
    return f"is open to others (mode {mode:04o}), so it is not used; chmod go= it" if mode & others else ""


def _of_encrypted(path: Path, agent: Agent, complaints: list[str]) -> Iterator[Candidate]:
    """The agent's key that this file holds encrypted; without knowing its public half, any of the agent's."""
    blob = _public_half(path)
    found = [key for key in agent.get_keys() if blob is None or key.asbytes() == blob]
    if not found:
        why = agent.complaint or "the agent does not hold it: ssh-add it there"
        complaints.append(f"{path} is encrypted, and {why}")
    yield from (_of_agent(key) for key in found)


@lru_cache(maxsize=64)
def _load(path: Path, _changed: int, _size: int) -> paramiko.PKey:
    """A private key; hundreds of sources may share it, and reading an RSA key takes a tenth of a second."""
    return paramiko.PKey.from_path(path)


def _public_half(path: Path) -> bytes | None:
    """The public half of an encrypted key, which stands in clear beside it, or in it in OpenSSH's own format."""
    with suppress(OSError, ValueError, IndexError):
        return _decode(path.with_name(path.name + ".pub").read_text().split()[1])
    with suppress(OSError, ValueError):
        body = _decode("".join(path.read_text().split("-----")[2].split()))
        if body.startswith(_MAGIC):
            message = paramiko.Message(body[len(_MAGIC) :])
            for _ in range(3):  # cipher, key derivation and its options
                message.get_string()
            message.get_int()
            return message.get_string()
    return None


def _decode(text: str) -> bytes:
    return b64decode(text, validate=True)
