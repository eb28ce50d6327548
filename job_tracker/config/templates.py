"""Templates: the file of a template, read and tried out.

Rule: what was checked is what is used, until the configuration is read again; nobody opens the file a second time.
"""

import os
import stat
from pathlib import Path

from job_tracker.config.notation import escaped, shown

LONGEST = 20_000
"""Bytes."""


def read(path: Path) -> str:
    """The text of a notification template; ValueError for one that cannot be read, or fails on a typical event."""
    name = shown(str(path), 200)
    try:
        content = _content(path)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from error
    if content is None:
        raise ValueError(f"{name} is not a file")
    if len(content) > LONGEST:
        raise ValueError(f"{name} is longer than {LONGEST} bytes")
    from job_tracker.config.notification_template import check_template  # jinja2 is loaded only for a named one

    try:
        text = content.decode("utf-8")
        check_template(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8") from error
    except ValueError as fault:
        raise ValueError(f"{name}: {escaped(str(fault), 200)}") from fault
    return text


def _content(path: Path) -> bytes | None:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would keep us waiting
    try:
        return os.read(file, LONGEST + 1) if stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        os.close(file)
