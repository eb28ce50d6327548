"""The daemon: from a configuration file to the running loop, and what to say when that fails.

Rule: whatever keeps it from starting is said in a line that tells what to do, and nothing is left half started.
"""

import gc
import logging
from pathlib import Path

from job_tracker import __version__
from job_tracker.config.whole import load_whole
from job_tracker.daemon.loop import Loop
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.exit_codes import DONE, FAILED
from job_tracker.ledger.opening import open_ledger
from job_tracker.process.limits import raise_file_limit
from job_tracker.process.log import begin_log
from job_tracker.process.signals import Asked
from job_tracker.process.supervisor import Supervisor
from job_tracker.sources.making import make_source

log = logging.getLogger("job_tracker")


def run(config_path: Path, supervisor: Supervisor) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.  Raises ConfigError."""
    asked = Asked()
    asked.watch_reload()
    config = load_whole(config_path, each_host=False)
    begin_log(log, config.settings.log_file, config.settings.log_level)
    raise_file_limit()
    try:
        ledger, opened = open_ledger(config.settings.store_file)
    except StoreRefused as refusal:
        log.error("not started, the store is refused: %s", refusal)
        return FAILED
    log.info("%s", opened)
    try:
        loop = Loop(config, ledger, make_source, config_path=config_path, supervisor=supervisor, asked=asked)
    except (StoreFailed, StoreRefused) as failure:
        log.error("not started: %s", failure)
        ledger.close()
        return FAILED
    loop.watch_signals()
    calm_garbage_collection()
    jobs, sources = len(config.jobs.by_key), len(config.sources)
    zone = config.settings.time_zone.key
    log.info("started version=%s config=%s jobs=%d sources=%d zone=%s", __version__, config_path, jobs, sources, zone)
    try:
        loop.run()
    except Exception:
        log.exception("stopped by a fault of the program, please report it; what was confirmed is in the store")
        raise
    return DONE


def calm_garbage_collection() -> None:
    """Ten thousand standings make every full collection slow, and hardly anything here is ever garbage in a cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
