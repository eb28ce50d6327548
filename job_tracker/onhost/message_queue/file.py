"""The file: how it comes to be, under which name it may be used, and what SQLite's complaints about it mean."""

import contextlib
import os
import stat

from .ground import DamagedError, InputError, QueueError
from .messages import random_id


@contextlib.contextmanager
def exact_modes():
    """Files and directories get the mode we say, whatever umask the job runs under."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def make_directory(path, mode):
    """Make the queue's directory, complete and durable: it appears at once with its final mode, or not at all.

    mkdir ignores the setgid bit, and a file made by another job before our chmod would belong to the wrong group
    for ever; hence a directory of another name that is renamed.
    """
    parent = os.path.dirname(path) or "."
    os.makedirs(parent, mode=0o755, exist_ok=True)
    made = os.path.join(parent, ".queue-" + random_id())
    os.mkdir(made, 0o700)
    try:
        os.chmod(made, mode)
        os.rename(made, path)
    except OSError:
        os.rmdir(made)
        if not os.path.isdir(path):  # else another job was faster
            raise
    sync_directory(parent)


def sync_directory(path):
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_file(path, directory_mode):
    """Make an empty queue file, 0660 from the first moment; the directory is what keeps others out."""
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        make_directory(directory, directory_mode)
    with exact_modes(), contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o660))


def require_expanded(path):
    """Refuse a path that a shell was meant to expand and did not: it would make a directory of that name."""
    if not path:
        raise InputError("the path of the queue is empty; is a variable not set?")
    if path[0] not in "~$":
        return
    meant = os.path.expandvars(os.path.expanduser(path))
    meant = meant if os.path.isabs(meant) and "$" not in meant else "the whole path, beginning with /"
    raise InputError(
        "{}: nothing has expanded the {} at its beginning: write {} (or ./{} if that is its name)".format(
            path, path[0], meant, path
        )
    )


def is_begun(path):
    """Whether anything of a queue is there; an empty file is a queue that nobody has begun."""
    require_expanded(path)
    return identity(path) is not None and os.stat(path).st_size > 0


def require_makeable(path):
    """Refuse a path at which this user could make no queue, before anybody relies on it."""
    place = path if os.path.lexists(path) else os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK) or not (os.path.isfile(place) or os.path.isdir(place)):
        raise QueueError(
            "there is no queue at {}, and uid {} cannot make one: {} is not for it to write".format(
                path, os.geteuid(), place
            )
        )


def identity(path):
    """Device and inode of the queue file, or None if it is missing; anything but plain files is refused."""
    for suffix in ("-journal", "-wal", "-shm"):
        regular_file(path + suffix)
    found = regular_file(path)
    if found is None:
        return None
    if found.st_nlink > 1:  # two names would mean two journals, and a crash would damage the file
        raise QueueError("{} has more than one name (a hard link): refused".format(path))
    return found.st_dev, found.st_ino


def regular_file(path):
    """What lstat says of a plain file, or None if it is missing; a link, a directory or a FIFO is refused."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise QueueError("{} is not a regular file: refused".format(path))
    return found


def escape_path(path):
    """The path for a file: URI; every byte is escaped, so no character of it can mean anything."""
    return "".join("%{:02x}".format(byte) for byte in os.path.abspath(os.fsencode(path)))


def explain(error, path):
    """The error of ours that an SQLite error means. Python before 3.11 has no error codes: the texts are stable."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return QueueError("{} is locked by another process: gave up waiting".format(path))
    if "full" in text:
        return QueueError("{}: no room left on the disk".format(path))
    if "readonly" in text or "unable to open" in text:
        journal = path + "-journal"
        if os.path.exists(journal) and not os.access(journal, os.R_OK | os.W_OK):
            return QueueError(
                "{} waits for what uid {} left half-done in {}, and uid {} may not read that: let that user, or a"
                " member of the queue's group, look at the queue once, with count".format(
                    path, os.lstat(journal).st_uid, journal, os.geteuid()
                )
            )
        return QueueError(
            "{} cannot be used by uid {}: it, its directory or its file system is read-only ({})".format(
                path, os.geteuid(), text
            )
        )
    if "not a database" in text or "malformed" in text or "no such" in text or "encrypted" in text:
        return DamagedError(
            "{} is damaged or no message queue ({}): move it away, the next add makes a new one".format(path, text)
        )
    return QueueError("{}: {}".format(path, text))
