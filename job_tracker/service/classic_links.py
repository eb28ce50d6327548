"""Links: the classic paths /var/run/job_tracker.<job>.state, where state files lie in a directory of their own.

Rule: they are made with root's rights before the daemon has its own, which may not write to /var/run.
Rule: only what is ours is touched: a link into the run directory, or a state file of a tracker that ran as root.
Rule: while the daemon runs they stay with the run directory it began with, for it writes there until it ends.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from job_tracker.outputs.checkmk.files import STATE_FILE, state_file_name

CLASSIC = Path("/var/run")
TMPFILES_HEAD = "# Made by `job_tracker links --tmpfiles`: the run directory, and the classic path of each job.\n"


def make(keys: Iterable[str], run_dir: Path, classic: Path = CLASSIC) -> int:
    """Make the link of each job and remove those of jobs that are gone; the number of changes.  Raises OSError."""
    if classic.resolve() == run_dir.resolve():
        return 0
    wanted = {state_file_name(key): run_dir / state_file_name(key) for key in keys}
    changes = 0
    with os.scandir(classic) as found:
        gone = [each.name for each in found if STATE_FILE.fullmatch(each.name) and each.name not in wanted]
    for name in gone:
        if _target(classic / name).parent == run_dir:
            (classic / name).unlink(missing_ok=True)
            changes += 1
    for name, target in wanted.items():
        if _target(classic / name) != target:
            _replace(classic / name, target)
            changes += 1
    return changes


def elsewhere(keys: Iterable[str], run_dir: Path, classic: Path = CLASSIC) -> Path | None:
    """The directory whose state files the classic paths of these jobs show, if it is not the run directory."""
    if classic.resolve() == run_dir.resolve():
        return None
    for path in (classic / state_file_name(key) for key in keys):
        if os.path.lexists(path):
            shown = (classic / _target(path)).parent if path.is_symlink() else classic
            if shown != run_dir and shown.resolve() != run_dir.resolve():
                return shown
    return None


def tmpfiles(keys: Iterable[str], run_dir: Path, user: str, group: str) -> str:
    """The same for systemd-tmpfiles at boot: the directory, its owner, and the links."""
    # systemd has it that /run is written as such; on every system that has it, /var/run is a link there.
    lines = [f"d {run_dir} 0750 {user} {group} -\n"]
    lines += [f"L+ /run/{state_file_name(key)} - - - - {run_dir / state_file_name(key)}\n" for key in keys]
    return TMPFILES_HEAD + "".join(lines)


def _target(link: Path) -> Path:
    """Where a link leads; nowhere, if it is none."""
    try:
        return Path(os.readlink(link))
    except OSError:
        return Path()


def _replace(link: Path, target: Path) -> None:
    """Let a link lead elsewhere at once, with no moment without one."""
    draft = link.with_name(f".{link.name}.link")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    draft.symlink_to(target)
    draft.rename(link)
