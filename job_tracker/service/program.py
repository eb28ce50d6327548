"""Program: what a service runs in the background, as far as start and stop have to know it.

Rule: whoever starts and stops knows no program but by these words.
"""

import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from job_tracker.config.whole import load_whole
from job_tracker.daemon import starting
from job_tracker.process.supervisor import Supervisor
from job_tracker.service.rights import prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program by its name.

    read: its configuration, for a start; check: likewise, before a running one is touched; both raise ConfigError.
    prepare: makes what only root may, for an account.  run: does its work until it is asked to stop.
    """

    name: str
    read: Callable[[Path], Any]
    check: Callable[[Path], object]
    prepare: Callable[[Any, pwd.struct_passwd | None], object]
    run: Callable[[Path, Supervisor], int]


TRACKER = Program(
    name="job_tracker",
    read=lambda path: load_whole(path, each_host=False),
    check=load_whole,
    prepare=lambda config, account: prepare(config, account, is_running=False),
    run=starting.run,
)
