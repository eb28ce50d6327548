"""Route: the way to a source host, from its section of the configuration and what OpenSSH makes of an ssh_config.

Rule: what the configuration says stands; an ssh_config says the rest as OpenSSH understands it, each hop included.
Rule: without an ssh_config no OpenSSH client is needed, and none is asked.
Rule: a ProxyCommand is cut into words before a host's name is put into them, and no shell ever sees it.
"""

import getpass
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from job_tracker.errors import SourceRefused
from job_tracker.ports import Host, Terms
from job_tracker.sources.queue.transport import one_line
from job_tracker.sources.ssh.asker import Asker, asker
from job_tracker.sources.ssh.host_keys import SSH_PORT
from job_tracker.sources.ssh.lifeline import Lifeline
from job_tracker.sources.ssh.openssh import Answer, settings_of

MOST_STOPS = 8
"""More than anybody has; a ProxyJump that leads back to itself has no end."""

KNOWN_HOSTS = ("userknownhostsfile", "globalknownhostsfile")
AGENT_WORDS: Mapping[str, str | None] = {"": None, "SSH_AUTH_SOCK": None, "none": ""}
ALGORITHMS = ("ciphers", "macs", "kexalgorithms", "hostkeyalgorithms")
_JUMP = re.compile(r"(?:(?P<user>[^\s]+)@)?(?:\[(?P<address>[^\]]+)\]|(?P<host>[^:\s/\[]+))(?::(?P<port>\d{1,5}))?")
_SHELL = re.compile(r"[$`\n]")
_TOKEN = re.compile(r"%(.?)")
_VARIABLE = re.compile(r"\$\{(\w*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A host to log in to.

    keys: private keys' files, in order; None: ssh's own defaults.  only: whether no others are to be offered.
    agent: path of the agent's socket, empty for none, None for the one that the environment names.
    known_hosts: files, none for the user's own.  alias: by which its host key is known, if not by its address.
    family: "any", "inet" or "inet6".  algorithms: by ssh_config's keyword, those that may be used.
    """

    host: str
    port: int
    user: str
    keys: tuple[Path, ...] | None = None
    only: bool = False
    agent: str | None = None
    known_hosts: tuple[Path, ...] = ()
    alias: str = ""
    family: str = "any"
    algorithms: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def place(self) -> str:
        """Where it is, for texts."""
        return f"{self.host}:{self.port}"

    @property
    def known_as(self) -> tuple[str, int]:
        """Host and port under which known_hosts knows it; an alias stands as it is written."""
        return (self.alias, SSH_PORT) if self.alias else (self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to a source host: from stop to stop, the first one directly or through a command's stdin and stdout."""

    stops: tuple[Stop, ...]
    command: tuple[str, ...] = ()

    @property
    def goal(self) -> Stop:
        """The source host itself."""
        return self.stops[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One word of a ProxyJump."""

    name: str
    user: str = ""
    port: int | None = None


def route(host: Host, terms: Terms, lifeline: Lifeline) -> Route:
    """The way to a host; SourceRefused if the ssh_config cannot be used for it."""
    if terms.ssh_config is None:
        return Route(stops=(_straight(host),))
    who = asker(terms.state_folder)
    planning = _Planning(host=host, config=who.expanded(terms.ssh_config), asker=who, lifeline=lifeline)
    return planning.way(Hop(name=host.hostname, user=host.user, port=host.port), is_goal=True)


def _straight(host: Host) -> Stop:
    """What the configuration alone says of a host, and ssh's own defaults."""
    return Stop(
        host=host.hostname,
        port=host.port or SSH_PORT,
        user=host.user or getpass.getuser(),
        keys=None if host.key is None else (host.key.expanduser(),),
        only=host.key is not None,
        known_hosts=() if host.known_hosts is None else (host.known_hosts.expanduser(),),
    )


@dataclass(kw_only=True)
class _Planning:
    """One look for the way to one host."""

    host: Host
    config: Path
    asker: Asker
    lifeline: Lifeline
    stops: list[str] = field(default_factory=list)

    def way(self, hop: Hop, over: Sequence[Hop] = (), *, is_goal: bool = False) -> Route:
        """To a host, over what its ProxyJump or ProxyCommand says, or over these hops, if there are any."""
        self.stops.append(hop.name)
        if len(self.stops) > MOST_STOPS:
            raise self.refusal(f"ProxyJump has no end: {' after '.join(self.stops)}")
        said = settings_of(
            hop.name, user=hop.user, port=hop.port, config=self.config, asker=self.asker, lifeline=self.lifeline
        )
        stop = self.stop(hop, said, is_goal=is_goal)
        hops = over or self.hops(_one(said, "proxyjump"))
        if hops:
            # As ssh: the last hop is reached over those before it, or, without any, as it says itself.
            before = self.way(hops[-1], hops[:-1])
            return Route(stops=(*before.stops, stop), command=before.command)
        command = _one(said, "proxycommand")
        if command.lower() in ("", "none"):
            return Route(stops=(stop,))
        return Route(stops=(stop,), command=self.words(command, stop, hop.name))

    def stop(self, hop: Hop, said: Answer, *, is_goal: bool) -> Stop:
        """What to know of one host; the section's known_hosts is for all on the way, its key for who names none."""
        port = _one(said, "port")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise self.refusal(f"Port {one_line(port, 20)!r} is no port")
        stop = Stop(
            host=_one(said, "hostname"),
            port=int(port),
            user=_one(said, "user"),
            only=_one(said, "identitiesonly") == "yes",
            alias=_one(said, "hostkeyalias"),
            family=_one(said, "addressfamily") or "any",
            algorithms=tuple((key, tuple(_one(said, key).split(","))) for key in ALGORITHMS if key in said),
        )
        agent, files = _one(said, "identityagent"), said.get("identityfile")
        known = [word for key in KNOWN_HOSTS for word in _one(said, key).split()]
        stop = replace(
            stop,
            agent=str(self.path(agent, stop, hop.name)) if agent not in AGENT_WORDS else AGENT_WORDS[agent],
            keys=None if files is None else self.paths(files, stop, hop.name),
            known_hosts=self.paths(known, stop, hop.name),
        )
        if self.host.known_hosts is not None:
            stop = replace(stop, known_hosts=(self.asker.expanded(self.host.known_hosts),))
        if self.host.key is not None and (is_goal or not stop.keys):
            stop = replace(stop, keys=(self.asker.expanded(self.host.key),), only=True)
        return stop

    def hops(self, jump: str) -> tuple[Hop, ...]:
        """The words of a ProxyJump."""
        if jump.lower() in ("", "none"):
            return ()
        found = []
        for word in jump.split(","):
            parts = _JUMP.fullmatch(word)
            if parts is None:
                raise self.refusal(f"ProxyJump {one_line(jump, 80)!r} is not [user@]host[:port], or some of these")
            port = int(parts["port"]) if parts["port"] else None
            found.append(Hop(name=parts["address"] or parts["host"], user=parts["user"] or "", port=port))
        return tuple(found)

    def words(self, command: str, stop: Stop, name: str) -> tuple[str, ...]:
        """The words of a ProxyCommand, in each of which its tokens are replaced."""
        shown = one_line(command, 80)
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.commenters, lexer.whitespace_split = "", True
        try:
            words = list(lexer)
        except ValueError as error:
            raise self.refusal(f"ProxyCommand {shown!r}: {error}") from None
        if _SHELL.search(command) or any(word and set(word) <= set("();<>|&") for word in words):
            raise self.refusal(f"ProxyCommand {shown!r} needs a shell, which is never used; write a script and name it")
        words = words[1:] if words[:1] == ["exec"] else words  # for a shell, which is not there
        if not words:
            raise self.refusal("ProxyCommand is empty")
        return tuple(
            self.replaced(str(self.asker.expanded(word)) if word[:1] == "~" else word, stop, name) for word in words
        )

    def paths(self, written: Iterable[str], stop: Stop, name: str) -> tuple[Path, ...]:
        """The files that are named."""
        return tuple(self.path(each, stop, name) for each in written if each.lower() != "none")

    def path(self, written: str, stop: Stop, name: str) -> Path:
        """A file's path, as ssh expands it; of the environment there is only HOME, for a daemon has no other."""
        for variable in _VARIABLE.findall(written):
            if variable != "HOME":
                raise self.refusal(f"{one_line(written, 80)}: a daemon has no environment to take {variable} from")
        whole = _VARIABLE.sub(lambda _: str(self.asker.home), written)
        return self.asker.expanded(self.replaced(whole, stop, name))

    def replaced(self, text: str, stop: Stop, name: str) -> str:
        """A text with its tokens replaced."""
        tokens = {
            "%": "%",
            "h": stop.host,
            "p": str(stop.port),
            "r": stop.user,
            "n": name,
            "k": stop.alias or name,
            "d": str(self.asker.home),
            "u": self.asker.name,
            "i": str(self.asker.uid),
        }
        for token in _TOKEN.findall(text):
            if token not in tokens:
                raise self.refusal(f"%{token} in {one_line(text, 80)!r} is not supported")
        return _TOKEN.sub(lambda found: tokens[found[1]], text)

    def refusal(self, why: str) -> SourceRefused:
        return SourceRefused(f"ssh_config {self.config}: {why}")


def _one(said: Answer, key: str) -> str:
    return said.get(key, ("",))[0]
