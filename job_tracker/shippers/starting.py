"""Starting: what shipping needs before it runs, and what to say where that is not to be had.

Rule: one process for one store; the lock of its pid file decides.
"""

import logging
import os
import sys
from pathlib import Path

from job_tracker import __version__
from job_tracker.config.for_shipping import load_for_shipping
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.exit_codes import DONE, FAILED
from job_tracker.process.log import LINE, OneLine
from job_tracker.process.pid_file import PidFile
from job_tracker.process.signals import Asked
from job_tracker.process.supervisor import Supervisor
from job_tracker.shippers.program import Shipping
from job_tracker.shippers.store import ShipStore

log = logging.getLogger("job_tracker")


def run(config_path: Path, supervisor: Supervisor) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.  Raises ConfigError."""
    asked = Asked()
    asked.watch_reload()
    config = load_for_shipping(config_path)
    _begin_log(config.settings.log_level)
    store_file = config.settings.ship_store_file
    try:
        _make_directories(store_file.parent, config.settings.ship_run_dir)
        lock = PidFile(store_file.with_suffix(".pid"))
        if not lock.take():
            log.error("not started, it runs already: %s is locked", lock.path)
            return FAILED
        lock.write(config_path)
        store = ShipStore(store_file)
    except (OSError, StoreFailed, StoreRefused) as refusal:
        log.error("not started: %s", refusal)
        return FAILED
    asked.watch_stop()
    log.info("started version=%s config=%s shippers=%d", __version__, config_path, len(config.shippers))
    Shipping(config_path, config, store, asked, supervisor).run()
    lock.empty()
    return DONE


def _make_directories(state: Path, run_dir: Path) -> None:
    """What the service's unit makes, for who runs it without one: for us alone."""
    for directory in (state, run_dir):
        if not directory.exists():
            os.makedirs(directory, mode=0o700)


def _begin_log(level: str) -> None:
    """To stderr, which a service's manager keeps."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(LINE))
    log.setLevel(level.upper())
    log.handlers = [handler]
    log.propagate = False
    logging.raiseExceptions = False
