"""Secret files: a password or a token is a file that nobody but its reader can read.

Rule: what a secret says is in no message, no log and no repr; only where it lies is.
"""

import os
import stat
from pathlib import Path

from job_tracker.errors import JobTrackerError

LONGEST = 65_536


class SecretRefused(JobTrackerError):
    """A secret cannot be used as it lies there; what needs it waits until somebody mends the file."""


class SecretUnseen(SecretRefused):
    """A secret may not be looked at by this user; whether it is fit is seen by whoever reads it."""


def read_secret(path: Path) -> str:
    """The secret in a file, without the end of its line.  Raises SecretRefused."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as failure:
        raise _refusal(path, failure) from failure
    try:
        _judge(path, os.fstat(file))
        content = os.read(file, LONGEST + 1)
    except OSError as failure:
        raise _refusal(path, failure) from failure
    finally:
        os.close(file)
    secret = content.decode("utf-8", "replace").rstrip("\r\n")
    if not secret or len(content) > LONGEST or not secret.isprintable():
        raise SecretRefused(f"{path} holds no secret: one line of text is wanted")
    return secret


def look_at_secret(path: Path) -> None:
    """Whether a file is fit for a secret, without reading it.  Raises SecretRefused."""
    try:
        _judge(path, os.stat(path, follow_symlinks=False))
    except OSError as failure:
        raise _refusal(path, failure) from failure


def _judge(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretRefused(f"{path} is not a regular file; a secret is one, and no link to one")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise SecretRefused(f"{path} is open to others (mode {mode:04o}); chmod 600, and change the secret")


def _refusal(path: Path, failure: OSError) -> SecretRefused:
    if isinstance(failure, PermissionError):
        return SecretUnseen(f"{path} may not be read by this user; a secret belongs to whoever needs it, mode 0600")
    if isinstance(failure, FileNotFoundError):
        return SecretRefused(f"{path} is not there")
    return SecretRefused(f"{path} cannot be read, a secret is a regular file: {failure.strerror}")
