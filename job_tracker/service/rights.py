"""Rights: as whom the daemon runs, and what only root can make for it beforehand.

Rule: what needs root is done first (the run directory, the links at the classic paths), then its rights are given up.
"""

import grp
import os
import pwd

from job_tracker.config.reading import Config
from job_tracker.errors import ServiceRefused
from job_tracker.service import classic_links

READERS = "job_tracker_status"
"""The group whose members may read what is told, and nothing else of the daemon's."""


class RestartNeeded(ServiceRefused):
    """A reload cannot do what is asked; nothing was touched, the daemon goes on as it is."""


def prepare(config: Config, account: pwd.struct_passwd | None, *, is_running: bool | None = None) -> int:
    """Make what only root may: the run directory and the classic links; the number of links changed.

    A daemon that keeps the rights it was started with needs nothing made for it.  is_running: whether it does; None:
    what systemd says of it.  Raises OSError, RestartNeeded.
    """
    if account is None:
        return 0
    run_dir = config.settings.run_dir
    if is_running is None:
        is_running = bool(os.environ.get("MAINPID"))  # systemd sets it for ExecReload, not for ExecStartPre
    shown = classic_links.elsewhere(config.jobs.by_key, run_dir) if is_running else None
    if shown is not None:
        raise RestartNeeded(f"run_dir is {run_dir}, but it runs with {shown}; restart it, that cannot be reloaded")
    if not run_dir.exists():
        run_dir.mkdir(mode=0o750, parents=True)
        os.chown(run_dir, account.pw_uid, readers_of(account))
    return classic_links.make(config.jobs.by_key, run_dir)


def find_account(user: str) -> pwd.struct_passwd | None:
    """As whom root lets it run; None: as it is.  Raises ServiceRefused."""
    if not user:
        return None
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise ServiceRefused(
            f"there is no user {user} for the daemon to run as; make it, or name another one"
        ) from None
    if os.geteuid() in (0, account.pw_uid):
        return account if os.geteuid() == 0 else None
    raise ServiceRefused(f"only root can start it as {user}")


def give_up_root(account: pwd.struct_passwd) -> None:
    """Become a user, with the user's groups and nobody else's."""
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def readers_of(account: pwd.struct_passwd) -> int:
    """The group that may read the run directory: the one made for Checkmk's agent, else the user's own."""
    try:
        return grp.getgrnam(READERS).gr_gid
    except KeyError:
        return account.pw_gid


def group_of(account: pwd.struct_passwd) -> str:
    """That group by its name."""
    gid = readers_of(account)
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
