"""A tracker that is killed at its n-th write: to the ledger, or to a file of the run directory.

Started as a process of its own, it forks one tracker for each line of its stdin, "CONFIG N", prints its process id,
and, when that has ended, its exit code.  N is 0 for a tracker that lives.  Forking saves the start of an interpreter,
nothing else: all that a daemon has open it opens after the fork.
"""

import os
import signal
import sqlite3
import sys
import types
from typing import Any

from job_tracker.cli import app
from job_tracker.ledger import opening
from job_tracker.outputs.checkmk import files
from job_tracker.sources.queue import drain

WRITES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE", "PRAGMA")


class Fate:
    """Counts writes, and ends the process before the one that was chosen."""

    def __init__(self, chosen: int) -> None:
        self.chosen, self.count = chosen, 0

    def write(self) -> None:
        """A write is about to happen."""
        self.count += 1
        if self.count == self.chosen:
            os.kill(os.getpid(), signal.SIGKILL)


def arrange(fate: Fate) -> None:
    """Let every write ask fate first."""

    class Connection(sqlite3.Connection):
        """The ledger's."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql.lstrip().startswith(WRITES):
                fate.write()
            return super().execute(sql, *values)

        def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
            rows = list(rows)
            if rows:
                fate.write()
            return super().executemany(sql, rows)

    def fatal(function: Any) -> Any:
        def call(*arguments: Any, **keys: Any) -> Any:
            fate.write()
            return function(*arguments, **keys)

        return call

    def connect(*arguments: Any, **keys: Any) -> sqlite3.Connection:
        return sqlite3.connect(*arguments, factory=Connection, **keys)

    opening.sqlite3 = types.SimpleNamespace(**{**vars(sqlite3), "connect": connect})  # type: ignore[assignment, attr-defined]  # seen by this module alone
    writes = {name: fatal(getattr(os, name)) for name in ("write", "rename")}
    files.os = types.SimpleNamespace(**{**vars(os), **writes})  # type: ignore[assignment, attr-defined]  # likewise
    opening.os = types.SimpleNamespace(**{**vars(os), "rename": fatal(os.rename)})  # type: ignore[assignment, attr-defined]  # likewise
    drain.MOST = 5  # several deliveries of a few messages


def be_tracker(config: str, chosen: int) -> None:
    """Run a tracker in this process; it does not return."""
    arrange(Fate(chosen))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    sys.argv = ["job_tracker", "run", "-c", config]
    code = 1
    try:
        app.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


def main() -> None:
    """Fork a tracker a line."""
    import job_tracker.daemon.starting  # noqa: F401 - what a command imports when it runs, once for all forks

    for line in sys.stdin:
        config, chosen = line.split()
        child = os.fork()
        if child == 0:
            be_tracker(config, int(chosen))
        print(child, flush=True)  # noqa: T201 - to the test
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
