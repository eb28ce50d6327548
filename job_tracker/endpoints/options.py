"""Options: what an emitter was asked for, on its command line and in its file.

Rule: the file wins, key by key, and is read again before each poll; an empty value there is none.
Rule: a mistake is one line that says where it is.
"""

import argparse
import configparser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from job_tracker.errors import JobTrackerError
from job_tracker.moments import MICROSECONDS

SECTION = "ADES_SERVER"
KEYS = ("server_ip", "server_port", "output_log")
SHORTEST = 0.05
"""Seconds between two polls."""


class Mistake(JobTrackerError):
    """The command cannot be followed as it was given; nothing was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for.  interval: microseconds."""

    output_log: Path
    server_ip: str
    server_port: int
    config: Path | None
    interval: int
    adopt: str
    once: bool

    @property
    def server(self) -> str:
        """The server's address and port, by which it is known."""
        host = f"[{self.server_ip}]" if ":" in self.server_ip else self.server_ip
        return f"{host}:{self.server_port}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Mistake(f"{message}; --help says what there is")


def read(arguments: Sequence[str], program: str, about: str, default_log: str) -> Wanted:
    """Read the command line, and the file that it names.  Raises Mistake."""
    parser = _Parser(prog=program, description=about)
    add = parser.add_argument
    add("--output_log", help=f"the log file, with its full path (default: {default_log} here)")
    add("--server_ip", default="127.0.0.1", help="the server's address (default: %(default)s)")
    add("--server_port", default="5000", help="its port (default: %(default)s)")
    add("--config", type=Path, help=f"a file with a section [{SECTION}] and {', '.join(KEYS)}, which win")
    add("--interval", default="20", metavar="SECONDS", help="between two polls (default: %(default)s)")
    add("--once", action="store_true", help="poll once, then end")
    add(
        "--adopt",
        choices=("all", "open", "none"),
        default="all",
        help="which jobs of before the first poll are told: all (the default), those that have not ended, none",
    )
    given = parser.parse_args(arguments)
    wanted = Wanted(
        output_log=Path(given.output_log or default_log),
        server_ip=given.server_ip,
        server_port=_port(given.server_port),
        config=given.config,
        interval=_interval(given.interval),
        adopt=given.adopt,
        once=given.once,
    )
    return read_again(wanted)


def read_again(wanted: Wanted) -> Wanted:
    """What is asked for by the file as it is now.  Raises Mistake."""
    if wanted.config is None:
        return wanted
    given = _section(wanted.config)
    if given.get("server_ip"):
        wanted = replace(wanted, server_ip=given["server_ip"])
    if given.get("server_port"):
        wanted = replace(wanted, server_port=_port(given["server_port"]))
    if given.get("output_log"):
        wanted = replace(wanted, output_log=Path(given["output_log"]))
    return wanted


def _section(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise Mistake(f"--config {path}: {failure.strerror}") from failure
    except (configparser.Error, ValueError) as fault:
        raise Mistake(f"--config {path}: {' '.join(str(fault).split())}") from fault
    if not parser.has_section(SECTION):
        raise Mistake(f"--config {path}: has no section [{SECTION}]")
    return {key: value.strip().strip("'\"") for key, value in parser.items(SECTION) if key in KEYS}


def _port(written: str) -> int:
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 65535):
        raise Mistake(f"server_port {written!r} is not a port, which is a number from 1 to 65535")
    return int(written)


def _interval(written: str) -> int:
    try:
        seconds = float(written)
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= 86_400:
        raise Mistake(f"--interval {written!r} is not a number of seconds from {SHORTEST} to 86400")
    return round(seconds * MICROSECONDS)
