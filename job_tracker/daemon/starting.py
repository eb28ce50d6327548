"""The daemon: from a configuration file to the running loop, and what to say when that fails.

Rule: whatever keeps it from starting is said in a line that tells what to do, and nothing is left half started.
"""

import gc
import logging
import logging.handlers
import signal
import sys
from pathlib import Path

from job_tracker import __version__
from job_tracker.config.reading import Config
from job_tracker.config.whole import load_whole
from job_tracker.daemon.loop import Loop
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.ledger.opening import open_ledger
from job_tracker.process.supervisor import Supervisor
from job_tracker.sources.making import make_source

log = logging.getLogger("job_tracker")

LINE = "%(asctime)s %(levelname)s %(message)s"


def run(config_path: Path, supervisor: Supervisor) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.  Raises ConfigError."""
    asked_to_reload: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: asked_to_reload.append(number))  # by itself it would end us
    config = load_whole(config_path)
    begin_log(config)
    try:
        ledger, opened = open_ledger(config.settings.store_file)
    except StoreRefused as refusal:
        log.error("not started, the store is refused: %s", refusal)
        return 1
    log.info("%s", opened)
    try:
        loop = Loop(config, ledger, make_source, config_path=config_path, supervisor=supervisor)
    except (StoreFailed, StoreRefused) as failure:
        log.error("not started: %s", failure)
        ledger.close()
        return 1
    loop.watch_signals()  # before the look at what came until now, or what comes between the two would be lost
    if asked_to_reload:
        loop.reloading = True
    calm_garbage_collection()
    jobs, sources = len(config.jobs.by_key), len(config.sources)
    zone = config.settings.time_zone.key
    log.info("started version=%s config=%s jobs=%d sources=%d zone=%s", __version__, config_path, jobs, sources, zone)
    try:
        loop.run()
    except Exception:
        log.exception("stopped by a fault of the program, please report it; what was confirmed is in the store")
        raise
    return 0


def begin_log(config: Config) -> None:
    """Log into the file, and onto the terminal as well; a file that cannot be written stops nothing."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    path = config.settings.log_file
    complaint = ""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handlers.append(LogFile(path, encoding="utf-8", errors="backslashreplace"))
    except OSError as failure:
        complaint = f"log file not written path={path} error={failure.strerror}; the log goes to stderr only"
    for handler in handlers:
        handler.setFormatter(OneLine(LINE))
    log.setLevel(config.settings.log_level.upper())
    log.handlers = handlers
    log.propagate = False
    logging.raiseExceptions = False  # a full disk under the log must not fill stderr with tracebacks
    if complaint:
        log.warning("%s", complaint)


class LogFile(logging.handlers.WatchedFileHandler):
    """A file that logrotate may take away, and that cannot be opened again for a while: the daemon goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; what goes wrong while the file is opened anew, the class we inherit from lets out."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


class OneLine(logging.Formatter):
    """A record is a line, whatever its texts hold."""

    def format(self, record: logging.LogRecord) -> str:
        """The record without line breaks and control characters."""
        text = super().format(record)
        if record.exc_info or text.isprintable():
            return text
        return "".join(each if each.isprintable() else " " for each in text)


def calm_garbage_collection() -> None:
    """Ten thousand standings make every full collection slow, and hardly anything here is ever garbage in a cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
