#!/usr/bin/env python3
"""Real hosts for the tests: each with an init (systemd or SysV), an address, an sshd and a disk of its own.

    nspawn.py base [systemd|sysv]...  make the bases: a minute each, once
    nspawn.py up NAME[:systemd|:sysv]...  make hosts and boot them, or boot again those that lost their power
    nspawn.py down [NAME]...          remove hosts, or all of them and their bridge
    nspawn.py reboot NAME | kill NAME     ask its init for a reboot | cut its power
    nspawn.py cut NAME | heal NAME        take its link down | up
    nspawn.py ssh NAME COMMAND...     run a command there; host keys are always verified
    nspawn.py list

Rule: nothing leaves the machine: a bridge and a network namespace per host, 10.77.LAB.0/24, names that begin with jtn.
Rule: who works beside somebody else has a lab of his own: JOB_TRACKER_TEST_LAB, 1 by default, one for each of pytest's.
Rule: nothing outlives its use: a host whose keeper has run for LIFETIME is switched off.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bases import HOME, KEY, RECIPE, base, run, until

LAB = int(os.environ.get("JOB_TRACKER_TEST_LAB") or int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1")[2:]) + 2)
PREFIX = f"jtn{LAB}-"
HOSTS, SSH_CONFIG, KNOWN_HOSTS = HOME / f"hosts{LAB}", HOME / f"ssh_config{LAB}", HOME / f"known_hosts{LAB}"
SOCKETS = HOME / f"sockets{LAB}"
BRIDGE, NETWORK, LIFETIME = f"{PREFIX}bridge", f"10.77.{LAB}.", 3 * 3600
KEEPERS: list[subprocess.Popen[bytes]] = []
"""Those that this process began, to be reaped."""

REBOOT_ASKED = 133  # nspawn's exit code then


class Host:
    """A host by its name; what it is made of lies in a directory of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.home = HOSTS / name
        self.root = self.home / "root"

    @property
    def kind(self) -> str:
        """systemd or sysv."""
        return (self.home / "kind").read_text()

    @property
    def number(self) -> int:
        """The last part of its address, and what its link is called by."""
        return int((self.home / "number").read_text())

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"{NETWORK}{self.number}"

    @property
    def link(self) -> str:
        """Our end of its cable."""
        return f"{PREFIX}{self.number}"

    def make(self, kind: str) -> None:
        """Give it a disk over the base, an address and a cable."""
        lower = base(kind)
        taken = {
            Host(each.name).number for each in HOSTS.glob("*/") if each != self.home and (each / "number").exists()
        }
        for part in ("upper", "work", "root"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        (self.home / "kind").write_text(kind)
        (self.home / "number").write_text(str(min(set(range(11, 250)) - taken)))
        layers = f"lowerdir={lower},upperdir={self.home / 'upper'},workdir={self.home / 'work'}"
        run("mount", "-t", "overlay", "-o", layers, f"{PREFIX}{self.name}", self.root)
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        run("ip", "netns", "add", f"{PREFIX}{self.name}")
        inside = ("ip", "-n", f"{PREFIX}{self.name}")
        run("ip", "link", "add", self.link, "type", "veth", "peer", "host0", "netns", f"{PREFIX}{self.name}")
        run("ip", "link", "set", self.link, "master", BRIDGE, "up")
        run(*inside, "address", "add", f"{self.address}/24", "dev", "host0")
        for device in ("host0", "lo"):
            run(*inside, "link", "set", device, "up")

    def boot(self) -> None:
        """Switch it on; whoever keeps it running is a process of its own."""
        command = [sys.executable, __file__, "keep", self.name]
        with (self.home / "console").open("ab") as console:
            keeper = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd="/"
            )
        KEEPERS.append(keeper)

    def keep(self) -> None:
        """Be its power supply: start it again when it asks for a reboot, until it is switched off."""
        (self.home / "keeper").write_text(str(os.getpid()))
        limits = {"sysv": ["--kill-signal=SIGPWR"]}.get(self.kind, [])
        code = REBOOT_ASKED
        until_when = time.monotonic() + LIFETIME
        while code == REBOOT_ASKED:
            words = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", f"--machine={self.name}"]
            words += [f"--directory={self.root}", f"--network-namespace-path=/run/netns/{PREFIX}{self.name}"]
            words += ["--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no", *limits]
            with subprocess.Popen(words, stdin=subprocess.DEVNULL, preexec_fn=self.enter_cgroup) as guest:
                (self.home / "pid").write_text(str(guest.pid))
                try:
                    code = guest.wait(timeout=max(1.0, until_when - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.cut_power()
                    code = guest.wait()

    def enter_cgroup(self) -> None:
        """Give its init a subtree of its own; a hybrid machine has two of them."""
        for tree in (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
            if (tree / "cgroup.procs").exists():
                group = tree / f"{PREFIX}{self.name}"
                group.mkdir(exist_ok=True)
                (group / "cgroup.procs").write_text(str(os.getpid()))

    def init(self) -> int | None:
        """The number of its first process, seen from here; None while it is off."""
        with contextlib.suppress(OSError, ValueError):
            nspawn = (self.home / "pid").read_text()
            if b"systemd-nspawn" not in Path(f"/proc/{nspawn}/cmdline").read_bytes():
                return None
            children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
            return next((int(each) for each in children if _is_first(each)), None)
        return None

    def cut_power(self) -> None:
        """End everything there at once.  Killing nspawn instead would leave the guest running."""
        if (init := self.init()) is not None:
            os.kill(init, signal.SIGKILL)
        until(f"{self.name} is off", lambda: not self.is_kept())
        KEEPERS[:] = [each for each in KEEPERS if each.poll() is None]

    def is_kept(self) -> bool:
        """Whether it is switched on."""
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{(self.home / 'keeper').read_text()}/cmdline").read_bytes().split(b"\0")
            return words[-3:-1] == [b"keep", self.name.encode()]
        return False

    def answers(self) -> bool:
        """Whether its sshd does."""
        with contextlib.suppress(OSError), socket.create_connection((self.address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def remove(self) -> None:
        """Leave nothing of it."""
        if not self.home.exists():
            return
        self.cut_power()
        for command in (("ip", "link", "del", self.link), ("ip", "netns", "del", f"{PREFIX}{self.name}")):
            subprocess.run(command, capture_output=True, check=False)
        while os.path.ismount(self.root):
            run("umount", "--lazy", self.root)
        for tree in ("systemd", "unified", "."):
            for group in sorted(Path("/sys/fs/cgroup", tree).glob(f"{PREFIX}{self.name}/**/"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()
        shutil.rmtree(self.home)


def _is_first(number: str) -> bool:
    status = Path(f"/proc/{number}/status").read_text()
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines())


def hosts() -> list[Host]:
    """All there are."""
    return [Host(each.name) for each in sorted(HOSTS.glob("*/"))]


def up(*wanted: str) -> None:
    """Make and boot hosts, NAME or NAME:KIND, and wait until they answer."""
    if not Path("/sys/class/net", BRIDGE).exists():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
    chosen = [(Host(name), kind or "systemd") for name, _, kind in (each.partition(":") for each in wanted)]
    lacking = [(host, kind) for host, kind in chosen if not (host.home / "number").exists()]
    for kind in sorted({kind for _, kind in lacking}):
        base(kind)  # all of them before the first host: none is made anew under hosts that stand on it
    for host, kind in lacking:
        host.make(kind)
    names = "".join(f"{each.address} {each.name}\n" for each in hosts())
    for each in hosts():
        (each.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{names}")
    for host, _ in chosen:
        if not host.is_kept():
            host.boot()
    for host, _ in chosen:
        until(f"{host.name} answers", host.answers)
    write_ssh_config()


def write_ssh_config() -> None:
    """How ssh reaches the hosts; their keys come from their disks, not from whoever answers."""
    known, text = [], ""
    for each in hosts():
        key = each.root / "etc/ssh/ssh_host_ed25519_key.pub"
        if key.exists():
            known.append(f"{each.name},{each.address} {key.read_text()}")
            text += f"Host {each.name}\n    HostName {each.address}\n    HostKeyAlias {each.name}\n"
    text += f"Host *\n    User root\n    IdentityFile {KEY}\n    IdentitiesOnly yes\n    StrictHostKeyChecking yes\n"
    text += f"    UserKnownHostsFile {KNOWN_HOSTS}\n    ConnectTimeout 10\n    LogLevel ERROR\n"
    KNOWN_HOSTS.write_text("".join(known))
    SSH_CONFIG.write_text(text)


def down(*names: str) -> None:
    """Remove hosts; without names all of them, and the bridge."""
    for host in [Host(name) for name in names] or hosts():
        host.remove()
    if not hosts() and Path("/sys/class/net", BRIDGE).exists():
        run("ip", "link", "del", BRIDGE)


def ssh(name: str, *command: str, seconds: float = 120, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a shell command on a host."""
    words = ["ssh", "-F", str(SSH_CONFIG), "-o", "BatchMode=yes", name, " ".join(command)]
    return subprocess.run(words, input=text, capture_output=True, text=True, timeout=seconds, check=False)


def reboot(name: str) -> None:
    """Ask its init for a reboot, and wait until it answers again."""
    host = Host(name)
    before = host.init()
    ssh(name, "reboot")
    until(f"{name} has gone down", lambda: host.init() != before)
    until(f"{name} answers", host.answers)


def cut(name: str) -> None:
    """Take its link down: it lives on, and nobody hears of it."""
    run("ip", "link", "set", Host(name).link, "down")


def heal(name: str) -> None:
    """Take its link up again."""
    run("ip", "link", "set", Host(name).link, "up")


def main(arguments: Sequence[str]) -> int:
    """One verb, by hand."""
    verb, names = arguments[0] if arguments else "", list(arguments[1:])
    if verb == "ssh":
        os.execvp("ssh", ["ssh", "-F", str(SSH_CONFIG), *names])  # noqa: S606 - no shell is wanted in between
    verbs: dict[str, Callable[..., object]] = {"up": up, "down": down}
    each_of: dict[str, Callable[[str], object]] = {
        "base": base, "reboot": reboot, "cut": cut, "heal": heal,
        "kill": lambda name: Host(name).cut_power(), "keep": lambda name: Host(name).keep(),
    }  # fmt: skip
    if verb == "base" and not names:
        names = list(RECIPE)
    if verb == "list":
        for host in hosts():
            sys.stdout.write(f"{host.name} {host.kind} {host.address} {'on' if host.is_kept() else 'off'}\n")
    elif verb in verbs:
        verbs[verb](*names)
    elif verb in each_of:
        for name in names:
            each_of[verb](name)
    else:
        sys.stderr.write(str(__doc__))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
