"""The log of a program that runs for long: lines in a file and on stderr.

Rule: a log that cannot be written stops nothing; an event is a line, whatever its texts hold.
"""

import logging
import logging.handlers
import sys
from pathlib import Path

LINE = "%(asctime)s %(levelname)s %(message)s"


def begin_log(log: logging.Logger, path: Path, level: str) -> None:
    """Log into the file, and onto the terminal as well; a file that cannot be written stops nothing."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    complaint = ""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handlers.append(LogFile(path, encoding="utf-8", errors="backslashreplace"))
    except OSError as failure:
        complaint = f"log file not written path={path} error={failure.strerror}; the log goes to stderr only"
    for handler in handlers:
        handler.setFormatter(OneLine(LINE))
    log.setLevel(level.upper())
    log.handlers = handlers
    log.propagate = False
    logging.raiseExceptions = False  # a full disk under the log must not fill stderr with tracebacks
    if complaint:
        log.warning("%s", complaint)


class LogFile(logging.handlers.WatchedFileHandler):
    """A file that logrotate may take away, and that cannot be opened again for a while: the program goes on."""

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
