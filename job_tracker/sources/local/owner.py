"""The owner of the operators' queue: as whom root looks into it, and speaks.

Rule: root opens no database in a directory that others may write to.  A journal that somebody lays beside it is rolled
back by whoever opens it next, and SQLite removes the file that it names: with root's rights that may be any.
"""

import os
from pathlib import Path
from typing import TypedDict


class Account(TypedDict, total=False):
    """What `subprocess` is told of whom a child is; empty: it is whoever starts it."""

    user: int
    group: int
    extra_groups: list[int]


def account_for(queue: Path) -> Account:
    """The owner of a queue's directory, or of the queue where the directory is root's; only root becomes somebody else.

    Of the directory first: whoever may write there can put a link to a file of root's in the queue's place.
    A daemon that runs as root in a unit which lets it become nobody else stays who it is.
    """
    if os.geteuid() != 0 or not _may_become_somebody_else():
        return {}
    try:
        owner = queue.parent.stat()
        owner = owner if owner.st_uid != 0 else queue.lstat()
    except FileNotFoundError:
        return {}  # nobody's yet: the daemon makes it
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if owner.st_uid != 0 else {}


def _may_become_somebody_else() -> bool:
    """No capability was taken away, and no filter of system calls forbids it; asked without changing anything."""
    try:
        os.setgroups(os.getgroups())
    except OSError:
        return False
    return True
