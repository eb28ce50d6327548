#!/usr/bin/env python3
"""Light hosts: real sshd's, each in namespaces of its own with its own address, made and gone in a second.

Rule: what is made here is told by its name, `jtl<lab>…`, and by its directory; whatever a killed process left behind is
removed by the next one that makes anything.  Nothing is ever sent to an address that was not made here.

    light.py up N        make N hosts that stay until `down`, and print how to reach them
    light.py down        remove them
    light.py cut NAME    take a host's link down      light.py heal NAME   and up again
    light.py kill NAME   kill everything in a host    light.py revive NAME and start it again

A host is this machine's own sshd in a network, a mount and a process namespace: the file system is shared but for /run,
/var/log and its own directory.  Without root it is an sshd on loopback, on a port of its own, without a link to cut.
"""

import argparse
import contextlib
import fcntl
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE, IN_MEMORY = Path("/tmp"), Path("/dev/shm")
PREFIX = "job_tracker-lab-"
MOST_LABS = 100
FIRST_NET = 100
"""Lab 0 is 10.77.100.0/24; below are other makers of hosts."""
BY_HAND = "hand"
SLOW = 20.0  # seconds
TOOL = Path(__file__).resolve().parents[2] / "job_tracker" / "onhost" / "message-queue.py"
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
NEEDED = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "ssh": "openssh-client"}
NEEDED_BY_ROOT = {"ip": "iproute2", "unshare": "util-linux"}
PATHS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

CONFIG = """\
ListenAddress {address}:{port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
StrictModes no
UseDNS no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
PrintLastLog no
MaxStartups 300:30:400
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv HOME={directory}/home
"""


def missing() -> str:
    """Why there cannot be any hosts here; empty if there can."""
    needed = NEEDED | (NEEDED_BY_ROOT if is_root() else {})
    packages = sorted({package for program, package in needed.items() if shutil.which(program, path=PATHS) is None})
    return f"missing system packages: {' '.join(packages)}" if packages else ""


def is_root() -> bool:
    """Whether hosts can have namespaces and addresses."""
    return os.geteuid() == 0


@dataclass(frozen=True, kw_only=True)
class Host:
    """One light host.  link, space: its network device here, and its namespace; empty on loopback."""

    name: str
    address: str
    port: int
    directory: Path
    user: str
    link: str = ""
    space: str = ""

    @property
    def queue(self) -> Path:
        """Its queue's file."""
        return self.directory / "queue" / "q.sqlite"

    @property
    def public_key(self) -> str:
        """Its host key: type and key."""
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    @property
    def known_hosts_line(self) -> str:
        """The line by which it is known."""
        place = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{place} {self.public_key}\n"

    def authorize(self, *lines: str) -> None:
        """Let in whom these lines of authorized_keys name, and nobody else."""
        (self.directory / "authorized_keys").write_text("".join(f"{line}\n" for line in lines))

    def tool(self, *arguments: str, stdin: str = "") -> str:
        """Run message-queue.py on its queue; what it prints."""
        command = [PYTHON, "-I", str(TOOL), "-f", str(self.queue), *arguments]
        return subprocess.run(command, input=stdin, text=True, check=True, capture_output=True, timeout=SLOW).stdout

    def add(self, *jobs: str, event: str = "STARTED", instance: str = "P") -> None:
        """Add a message for each job."""
        lines = [json.dumps({"instance": instance, "job": job, "event": event}) for job in jobs]
        self.tool("add", "-j", "-", stdin="\n".join(lines))

    def count(self) -> int:
        """How many messages its queue holds."""
        return int(self.tool("count"))

    def cut(self) -> None:
        """Take its link down: what is sent disappears, and nobody is told."""
        ip(f"link set {self.link} down")

    def heal(self) -> None:
        """Take its link up again."""
        ip(f"link set {self.link} up")

    def pids(self, of: str = "") -> list[int]:
        """Its processes, the inner sshd first; only those whose command line holds a text, if one is given."""
        if self.space:
            listed = run("ip", "netns", "pids", self.space).stdout.split()
            found = sorted(map(int, listed))
        else:
            found = descendants(int((self.directory / "pid").read_text()))
        return [pid for pid in found if of in command_line(pid)]

    def serves(self) -> list[int]:
        """Its processes that serve the queue."""
        return [pid for pid in self.pids("message-queue.py") if command_line(pid).split()[0] == PYTHON]

    def signal(self, number: signal.Signals, of: str = "") -> None:
        """Send a signal to all its processes like that."""
        for pid in self.pids(of):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Lose power: everything in it dies at once."""
        until = time.monotonic() + SLOW
        while alive := [pid for pid in self.pids() if is_alive(pid)]:
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} does not die")
            time.sleep(0.01)
        with contextlib.suppress(ChildProcessError, OSError, ValueError):
            os.waitpid(int((self.directory / "pid").read_text()), 0)

    def start(self) -> None:
        """Start its sshd."""
        sshd = [str(shutil.which("sshd", path=PATHS)), "-D", "-e", "-f", str(self.directory / "sshd_config")]
        if self.space:
            inner = "mount -t tmpfs -o size=8m none /run && mkdir /run/sshd && mount -t tmpfs -o size=8m none /var/log"
            spaces = ["ip", "netns", "exec", self.space, "unshare", "--mount", "--pid", "--fork", "--kill-child"]
            sshd = [*spaces, "--mount-proc", "sh", "-c", f'{inner} && exec "$@"', "sh", *sshd]
        with (self.directory / "log").open("ab") as log:
            started = subprocess.Popen(
                sshd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment()
            )
        (self.directory / "pid").write_text(str(started.pid))
        started.returncode = 0  # never waited for: it ends with its lab, and then who started it may be gone

    def await_ssh(self) -> None:
        """Wait until it speaks SSH."""
        until = time.monotonic() + SLOW
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 1) as made:
                if made.recv(4) == b"SSH-":
                    return
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{self.name} at {self.address} does not speak SSH: {(self.directory / 'log').read_text()[-500:]}"
                )
            time.sleep(0.01)


class Lab:
    """Some hosts, the keys to log in to them, and a known_hosts file that knows them.

    key: the private key that may only serve the queue; free_key: one that may do anything.
    """

    def __init__(self, directory: Path, *, loopback: bool) -> None:
        self.directory, self.loopback = directory, loopback
        self.number = int(directory.name.removeprefix(PREFIX))
        self.bridge = f"jtl{self.number}"
        self.net = f"10.77.{FIRST_NET + self.number}"
        self.key, self.free_key = directory / "key", directory / "free_key"
        self.known_hosts = directory / "known_hosts"
        self.hosts: list[Host] = []

    def up(self, count: int) -> None:
        """Make that many more hosts, and wait until they speak SSH."""
        if not self.key.exists():
            for key in (self.key, self.free_key):
                make_key(key)
        first = len(self.hosts) + 1
        made = [self._host(number) for number in range(first, first + count)]
        if not self.loopback:
            self._network(made, fresh=first == 1)
        for host in made:
            self._furnish(host)
            host.start()
        for host in made:
            host.await_ssh()
        self.hosts += made
        self.known_hosts.write_text("".join(host.known_hosts_line for host in self.hosts))

    def forced(self, host: Host, command: str = "") -> str:
        """The line that lets the key do one thing only: serve the queue, or another command."""
        public = self.key.with_suffix(".pub").read_text().strip()
        return f'command="{command or serve_command(host)}",restrict {public}'

    def free(self) -> str:
        """The line that lets the free key do anything."""
        return self.free_key.with_suffix(".pub").read_text().strip()

    def down(self) -> None:
        """Remove everything."""
        self.hosts = self.hosts or list(self.found())
        for host in self.hosts:
            with contextlib.suppress(OSError, subprocess.CalledProcessError, ValueError):
                host.kill()
        if not self.loopback:
            # A connection that is still being told goodbye to keeps a namespace, and its end of the link, for minutes.
            ip(*(f"link delete {host.link}" for host in self.hosts), force=True)
            names = [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line.strip()]
            ip(*(f"netns delete {name}" for name in names if name.startswith(f"{self.bridge}-")), force=True)
            ip(f"link delete {self.bridge}", force=True)
        for place in mounted_below(self.directory):
            run("umount", "--lazy", place, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def found(self) -> Iterator[Host]:
        """The hosts that a directory tells of."""
        for path in sorted(self.directory.glob("h*/host.json")):
            told: dict[str, Any] = json.loads(path.read_text())
            yield Host(**{**told, "directory": path.parent})

    def _host(self, number: int) -> Host:
        name = f"h{number}"
        directory = self.directory / name
        user = getpass.getuser()
        if self.loopback:
            return Host(name=name, address="127.0.0.1", port=free_port(), directory=directory, user=user)
        return Host(
            name=name,
            address=f"{self.net}.{number + 1}",
            port=22,
            directory=directory,
            user=user,
            link=f"{self.bridge}v{number}",
            space=f"{self.bridge}-{name}",
        )

    def _network(self, hosts: list[Host], *, fresh: bool) -> None:
        """A bridge with an address of its own, and for each host a link to it."""
        commands = [
            f"link add {self.bridge} type bridge",
            f"addr add {self.net}.1/24 dev {self.bridge}",
            f"link set {self.bridge} up",
        ] * fresh
        for host in hosts:
            commands += [
                f"netns add {host.space}",
                f"link add {host.link} type veth peer name eth0 netns {host.space}",
                f"link set {host.link} master {self.bridge} up",
            ]
        ip(*commands)
        for host in hosts:
            inner = [f"addr add {host.address}/24 dev eth0", "link set lo up", "link set eth0 up"]
            ip(*inner, space=host.space)

    def _furnish(self, host: Host) -> None:
        (host.directory / "queue").mkdir(parents=True)
        (host.directory / "home").mkdir()  # a shell there must not run what the user here has in his profile
        make_key(host.directory / "host_key")
        told = {key: value for key, value in vars(host).items() if key != "directory"}
        (host.directory / "host.json").write_text(json.dumps(told))
        config = CONFIG.format(address=host.address, port=host.port, directory=host.directory)
        (host.directory / "sshd_config").write_text(config)
        host.authorize(self.forced(host), self.free())


@contextlib.contextmanager
def lab(count: int, *, loopback: bool | None = None, base: Path = BASE) -> Iterator[Lab]:
    """Some hosts, for as long as the context lasts; loopback: by default only without root; base: where files lie."""
    made = make_lab(owner=me(), loopback=not is_root() if loopback is None else loopback, base=base)
    try:
        made.up(count)
        yield made
    finally:
        made.down()


def make_lab(*, owner: str, loopback: bool, base: Path = BASE) -> Lab:
    """A lab without hosts; what dead processes left behind is removed first."""
    with locked():
        for left in labs():
            if not is_owned(left):
                opened(left).down()
        taken = {path.name for path in labs()}
        for number in range(MOST_LABS):
            directory = base / f"{PREFIX}{number}"
            if directory.name in taken or Path(f"/sys/class/net/jtl{number}").exists():
                continue
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o755)
                (directory / "owner").write_text(f"{owner}\n{'loopback' if loopback else 'spaces'}\n")
                return Lab(directory, loopback=loopback)
    raise RuntimeError("too many labs; `light.py down` removes those made by hand")


def opened(directory: Path) -> Lab:
    """The lab of a directory, with its hosts."""
    kind = (directory / "owner").read_text().split()[1:]
    found = Lab(directory, loopback=kind == ["loopback"])
    found.hosts = list(found.found())
    return found


def labs() -> list[Path]:
    """The directories of all labs."""
    found = [path for base in (BASE, IN_MEMORY) for path in base.glob(f"{PREFIX}*") if (path / "owner").exists()]
    return sorted(path for path in found if os.access(path, os.W_OK))


def is_owned(directory: Path) -> bool:
    """Whether whoever made a lab still lives; what was made by hand stays until `down`."""
    owner = (directory / "owner").read_text().splitlines()[0]
    if owner == BY_HAND:
        return True
    pid, _, started = owner.partition(" ")
    return started_at(int(pid)) == started


def me() -> str:
    """This process, told from any that gets its number later."""
    return f"{os.getpid()} {started_at(os.getpid())}"


def mounted_below(directory: Path) -> list[str]:
    """What a test has mounted there and not taken away."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [place for place in reversed(places) if place.startswith(f"{directory}/")]


def started_at(pid: int) -> str:
    """When a process was started, in the kernel's ticks; empty if there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for is dead."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def descendants(pid: int) -> list[int]:
    """A process and all that come from it, the oldest first."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return [each for each in found if is_alive(each)]


def command_line(pid: int) -> str:
    """How a process was started; empty if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def serve_command(host: Host) -> str:
    """What a source's key may do."""
    return f"{PYTHON} -I {TOOL} -f {host.queue} serve"


def make_key(path: Path, *options: str) -> None:
    """An ed25519 key without a passphrase, unless the options say otherwise."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "light", "-f", str(path), *options)


def free_port() -> int:
    """A port of loopback that is free at this moment."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def ip(*commands: str, space: str = "", force: bool = False) -> None:
    """Run commands of `ip`; force: go on after one that fails, and do not mind."""
    if not commands:
        return
    options = [*(["-n", space] if space else []), *(["-force"] if force else []), "-batch", "-"]
    run("ip", *options, stdin="\n".join(commands), check=not force)


def run(*command: str, stdin: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a program, in bounded time."""
    done = subprocess.run(
        command, input=stdin, text=True, capture_output=True, timeout=60, check=False, env=environment()
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])}: {done.stderr.strip()[-300:]}")
    return done


def environment() -> dict[str, str]:
    """Nothing of a user's own language or agent reaches a host."""
    return {"PATH": PATHS, "LC_ALL": "C", "HOME": os.path.expanduser("~")}


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One process at a time makes or removes labs."""
    with (BASE / f"{PREFIX}lock.{os.geteuid()}").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Iterable[str]) -> None:
    """By hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up").add_argument("count", type=int)
    verbs.add_parser("down")
    for verb in ("cut", "heal", "kill", "revive"):
        verbs.add_parser(verb).add_argument("name")
    given = parser.parse_args(list(arguments))
    if reason := missing():
        parser.error(reason)
    by_hand = [path for path in labs() if (path / "owner").read_text().startswith(BY_HAND)]
    if given.verb == "up":
        made = opened(by_hand[0]) if by_hand else make_lab(owner=BY_HAND, loopback=not is_root())
        made.up(given.count)
        for host in made.hosts:
            sys.stdout.write(
                f"{host.name}  ssh -i {made.free_key} -o UserKnownHostsFile={made.known_hosts} -p {host.port}"
                f" {host.user}@{host.address}  {host.queue}\n"
            )
        return
    if given.verb == "down":
        for path in by_hand:
            opened(path).down()
        return
    found = [host for path in by_hand for host in opened(path).hosts if host.name == given.name]
    if not found:
        parser.error(f"there is no host {given.name}")
    {"cut": Host.cut, "heal": Host.heal, "kill": Host.kill, "revive": Host.start}[given.verb](found[0])


if __name__ == "__main__":
    main(sys.argv[1:])
