"""An emitter of WPS-T that is killed at a boundary that is named, the n-th time that it comes there.

Started as a process of its own, it forks one emitter for each line of its stdin, "PORT LOG BOUNDARY NTH", which polls
once, and prints its exit code when that has ended.  NTH 0 is one that lives.  Forking saves the start of an
interpreter, nothing else: all that an emitter has open it opens after the fork.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from job_tracker.endpoints import emitter
from job_tracker.endpoints.commands import status_checker
from job_tracker.ledger.ledger import Ledger
from job_tracker.shippers import lines
from job_tracker.shippers.store import ShipStore
from job_tracker.sources.ogc.sweep import Sweeper

emitter.AT_ONCE = 2  # several writes of a few lines


class Fate:
    """Ends the process before, in the middle of, or after the n-th of certain calls."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def fatal(self, call: Callable[..., Any], when: str) -> Callable[..., Any]:
        """The same call, at which one may die."""

        def instead(*arguments: Any, **keys: Any) -> Any:
            self.left -= 1
            if self.left:
                return call(*arguments, **keys)
            if when == "after":
                call(*arguments, **keys)
            if when == "half":
                call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("nobody gets here")

        return instead


class Patched:
    """The module os, but for one call."""

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        setattr(self, name, call)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


PLACES = {"sweep": (Sweeper, "sweep"), "save": (Ledger, "save"), "cursor": (ShipStore, "advance_lines")}


def arrange(boundary: str, nth: int) -> None:
    """Let the calls of a boundary, as `after-sweep` or `half-write`, ask fate."""
    when, what = boundary.split("-")
    if what in PLACES:
        owner, name = PLACES[what]
        setattr(owner, name, Fate(nth).fatal(getattr(owner, name), when))
    else:
        patched = Patched(what, Fate(nth).fatal(getattr(os, what), when))
        lines.os = patched  # type: ignore[assignment, attr-defined]  # stands in for the module


def main() -> None:
    """Fork one for each line."""
    for line in sys.stdin:
        port, log, boundary, nth = line.split()
        child = os.fork()
        if child == 0:
            code = 70
            try:
                if int(nth):
                    arrange(boundary, int(nth))
                code = status_checker(["--once", "--interval", "0.05", "--server_port", port, f"--output_log={log}"])
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - to the test


if __name__ == "__main__":
    main()
