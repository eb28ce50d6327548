"""Asker: as whom OpenSSH is asked what an ssh_config says: as the daemon's user, and never as root.

Rule: what an operator checks as root is what the daemon will find, and no file of another user makes root do anything.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

USER_VARIABLE = "JOB_TRACKER_USER"
USUAL_USER = "job_tracker"
NOBODY = 65534


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """An account.  is_other: whether this process, which is root's, has to become it."""

    name: str
    uid: int
    gid: int
    home: Path
    is_other: bool = False

    def expanded(self, path: Path | str) -> Path:
        """A path whose `~` is the account's home; the homes of others are left to the system."""
        written = str(path)
        if written == "~" or written.startswith("~/"):
            return self.home / written[2:]
        return Path(written).expanduser()


def asker(folder: Path | None) -> Asker:
    """Who asks: this user, or, where that is root, whom JOB_TRACKER_USER names, or whose the store's folder is.

    Where neither says anybody but root it is the user job_tracker, or nobody.
    """
    own = os.geteuid()
    if own != 0:
        return _account(own) or Asker(name=str(own), uid=own, gid=os.getegid(), home=Path("/"))
    named = (_named(os.environ.get(USER_VARIABLE, "")), _owner(folder), _named(USUAL_USER))
    found = next((each for each in named if each is not None and each.uid != 0), None)
    return (
        found
        or _account(NOBODY, is_other=True)
        or Asker(name="nobody", uid=NOBODY, gid=NOBODY, home=Path("/"), is_other=True)
    )


def _owner(folder: Path | None) -> Asker | None:
    try:
        return None if folder is None else _account(folder.stat().st_uid, is_other=True)
    except OSError:
        return None


def _named(name: str) -> Asker | None:
    try:
        return _of(pwd.getpwnam(name), is_other=True) if name else None
    except KeyError:
        return None


def _account(uid: int, *, is_other: bool = False) -> Asker | None:
    try:
        return _of(pwd.getpwuid(uid), is_other=is_other)
    except KeyError:
        return None


def _of(entry: pwd.struct_passwd, *, is_other: bool) -> Asker:
    return Asker(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, home=Path(entry.pw_dir), is_other=is_other)
