"""Shipping that is killed at its n-th boundary: after a poll, mid-line, after sending, before the cursor.

Started as a process of its own, it forks one shipping process for each line of its stdin, "CONFIG SEED", and prints the
exit code when that has ended.  SEED 0 is one that lives; it ends by itself once everything is sent.  Forking saves the
start of an interpreter, nothing else: all that shipping has open it opens after the fork.
"""

import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.client
import botocore.session
import urllib3
from botocore.loaders import create_loader

from job_tracker.config.for_shipping import load_for_shipping
from job_tracker.events.reading import EventsReader
from job_tracker.process.signals import Asked
from job_tracker.process.supervisor import Supervisor
from job_tracker.shippers import lines
from job_tracker.shippers.program import Shipping
from job_tracker.shippers.store import ShipStore

BOUNDARIES = 30
"""The last boundary at which one may be killed."""


class Fate:
    """Counts boundaries, and ends the process at the one that was chosen: before it, after it, or in its middle."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.left = self.chance.randint(1, BOUNDARIES)
        self.lock = threading.Lock()

    def strikes(self) -> bool:
        """Whether this is the one."""
        with self.lock:
            self.left -= 1
            return self.left == 0

    def fatal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, at which one may die."""

        def instead(*arguments: Any, **keys: Any) -> Any:
            if not self.strikes():
                return call(*arguments, **keys)
            if call is os.write:
                os.write(arguments[0], bytes(arguments[1])[: self.chance.randint(0, len(arguments[1]))])
            elif self.chance.random() < 0.7:
                call(*arguments, **keys)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("nobody gets here")

        return instead


class Patched:
    """The module os, but for some calls."""

    def __init__(self, fate: Fate) -> None:
        vars(self).update({name: fate.fatal(getattr(os, name)) for name in ("write", "fsync", "rename")})

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def arrange(fate: Fate) -> None:
    """Let each boundary ask fate."""
    lines.os = Patched(fate)  # type: ignore[assignment, attr-defined]  # the whole module stands in for the module
    for owner, name in (
        (EventsReader, "after"),
        (ShipStore, "advance"),
        (ShipStore, "advance_lines"),
        (ShipStore, "begin"),
        (urllib3.PoolManager, "request"),
        (botocore.client.BaseClient, "_make_api_call"),
    ):
        setattr(owner, name, fate.fatal(getattr(owner, name)))


def be_shipping(config_path: Path, seed: int) -> None:
    """Ship in this process until everything is sent, or until it is killed; it does not return."""
    logging.getLogger("job_tracker").addHandler(logging.FileHandler(config_path.with_name("ship.log")))
    if seed:
        arrange(Fate(seed))
    config = load_for_shipping(config_path)
    newest = EventsReader(config.settings.events).newest(1)[0]["seq"]
    asked = Asked()
    shipping = Shipping(config_path, config, ShipStore(config.settings.ship_store_file), asked, Supervisor())

    def watch() -> None:
        while any((lane.standing.seq or 0) < newest for lane in [*shipping.lanes.values()]) or not shipping.lanes:
            time.sleep(0.01)  # the pace of looking; how far it is decides
        asked.stopping = True

    threading.Thread(target=watch, daemon=True).start()
    shipping.run()
    os._exit(0)


def main() -> None:
    """Fork one for each line."""
    from job_tracker.shippers import elasticsearch, jsonl, sqs  # noqa: F401 - once for all forks

    loader = create_loader()  # what it has read once it keeps, for all forks
    botocore.session.create_loader = lambda *_: loader
    botocore.session.Session().create_client("sqs", region_name="eu-central-1").close()
    for line in sys.stdin:
        config, seed = line.split()
        child = os.fork()
        if child == 0:
            try:
                be_shipping(Path(config), int(seed))
            finally:
                os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - to the test


if __name__ == "__main__":
    main()
