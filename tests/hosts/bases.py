"""Bases: what the hosts' disks start from, a small Debian with systemd and one with SysV init.

Rule: a base is whole or not there; one is made anew when its recipe changes, and never under a host that uses it.
Rule: no mirror is written down here; a base comes from wherever the machine itself was installed from.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOME = Path(os.environ.get("JOB_TRACKER_TEST_HOSTS", "~/.cache/job_tracker-test-hosts")).expanduser()
KEY = HOME / "id_ed25519"
EDITION = 1  # raised when what `finish` and its like do changes
NEEDED = ("debootstrap", "systemd-nspawn", "ip", "ssh", "ssh-keygen", "mount")

PACKAGES = "openssh-server,python3,python3-venv,python3-pip,iproute2,procps,ca-certificates,cron,logrotate,sudo,tzdata"
RECIPE = {
    "systemd": [f"--include=systemd,systemd-sysv,dbus,nginx,apache2,{PACKAGES}"],
    "sysv": [
        f"--include=sysvinit-core,sysv-rc,initscripts,orphan-sysvinit-scripts,insserv,{PACKAGES}",
        "--exclude=systemd,systemd-sysv",
    ],
}
MASKED = (
    "systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-networkd.service "
    "systemd-resolved.service systemd-timesyncd.service getty@.service console-getty.service apt-daily.timer "
    "apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer"
)
SSHD = "HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nMaxStartups 100:30:200\nPermitRootLogin prohibit-password\n"
MAKE_KEY = "[ -s /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
KEY_UNIT = f"""[Unit]
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c "{MAKE_KEY}"
[Install]
WantedBy=ssh.service
"""
KEY_SCRIPT = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          ssh-key
# Required-Start:    $local_fs
# Required-Stop:
# X-Start-Before:    ssh
# Default-Start:     2 3 4 5
# Default-Stop:
# Short-Description: make the host's own key at its first boot
### END INIT INFO
{MAKE_KEY}
"""


class Unavailable(Exception):
    """This machine cannot have such hosts; the reason says what is missing."""


def missing() -> str:
    """What keeps this machine from having hosts; empty if nothing does."""
    if os.geteuid() != 0:
        return "real hosts need root"
    lacking = [each for each in NEEDED if shutil.which(each) is None]
    return f"real hosts need {', '.join(lacking)}: sh tests/packages.sh hosts" if lacking else ""


def run(*words: str | Path, **options: Any) -> str:
    """Run a command; its stdout. What it complained of is in the exception when it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return str(done.stdout)


def until(what: str, holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds; TimeoutError if it does not in that time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def base(kind: str) -> Path:
    """The directory of a base, made if it is not there yet."""
    if reason := missing():
        raise Unavailable(reason)
    recipe = repr((EDITION, RECIPE[kind], MASKED, SSHD, KEY_UNIT, KEY_SCRIPT))
    stamp = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    path = HOME / "bases" / f"{kind}-{stamp}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (HOME / "bases.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that want it make it once
        if not path.exists():
            make(kind, path)
    return path


def make(kind: str, path: Path) -> None:
    """Make a base; those of other recipes go."""
    outdated = list(path.parent.glob(f"{kind}-*"))
    if outdated and any(HOME.glob("hosts*/*/")):
        raise Unavailable("there are hosts on an older base: `nspawn.py down` first")
    for old in outdated:
        if os.path.ismount(old / "proc"):  # left by a debootstrap that was ended
            run("umount", "--lazy", str(old / "proc"))
        shutil.rmtree(old)
    draft = path.with_suffix(".draft")
    (HOME / "packages").mkdir(exist_ok=True)
    options = ["--variant=minbase", f"--cache-dir={HOME / 'packages'}", *RECIPE[kind]]
    run("debootstrap", *options, *release_and_mirror(draft))
    {"systemd": finish_systemd, "sysv": finish_sysv}[kind](draft)
    finish(draft)
    draft.rename(path)


def release_and_mirror(target: Path) -> list[str]:
    """What the machine itself is installed from."""
    lines = run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages").splitlines()
    release = run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
    mirror = next((line.split()[1] for line in lines if line.split()[0] == release), None)
    if mirror is None:
        raise Unavailable(f"the machine's apt sources do not name {release}")
    return [release, str(target), mirror]


def finish(root: Path) -> None:
    """What both kinds have in common."""
    for path in [*root.glob("etc/ssh/ssh_host_*"), root / "var/lib/dbus/machine-id", root / "etc/resolv.conf"]:
        path.unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    (root / "etc/resolv.conf").write_text("")  # an unreachable name server would cost ten seconds a fact gathering
    (root / "etc/apt/sources.list").write_text("")
    (root / "etc/ssh/sshd_config.d/hosts.conf").write_text(SSHD)
    if not KEY.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_text(KEY.with_suffix(".pub").read_text())


def finish_systemd(root: Path) -> None:
    """No devices, networks, name servers and terminals to look after."""
    for name in MASKED.split():
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")
    (root / "etc/systemd/system/ssh-key.service").write_text(KEY_UNIT)
    run("chroot", root, "systemctl", "--quiet", "enable", "ssh-key.service", "ssh.service")
    run("chroot", root, "systemctl", "--quiet", "disable", "nginx.service", "apache2.service")  # whose test wants them


def finish_sysv(root: Path) -> None:
    """No terminals, and a power button that works."""
    inittab = root / "etc/inittab"
    lines = ["#" + line if "getty" in line and line[:1] != "#" else line for line in inittab.read_text().splitlines()]
    inittab.write_text("\n".join([*lines, "pf::powerwait:/sbin/halt -p", ""]))
    script = root / "etc/init.d/ssh-key"
    script.write_text(KEY_SCRIPT)
    script.chmod(0o755)
    run("chroot", root, "update-rc.d", "ssh-key", "defaults")
