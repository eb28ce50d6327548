"""Measures what was promised of the tracker, each figure beside its target and beside what it can be compared with.

Wall times are only worth something on a machine that has nothing else to do; the load is printed for that reason.
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

import calendars
import large
import limits
import throughput
from rig import GaveUpError, Row, default_base, file_system

BENCHES: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    "start": large.start,
    "resident": large.resident,
    "cron": calendars.cron,
    "core": throughput.core,
    "daemon": throughput.daemon,
    "replay": throughput.replay,
    "serve": limits.serve,
    "adding": limits.adding,
    "sqlite": limits.sqlite,
    "check": limits.check,
}
HEADINGS = ("figure", "target", "measured", "", "beside that")


def main() -> None:
    """Run the measurements; exit code 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", choices=BENCHES, help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--dir", type=Path, default=default_base(), help="where the files lie [%(default)s]")
    arguments = parser.parse_args()
    begun = time.monotonic()
    if not arguments.json:
        print(surroundings(arguments.dir), flush=True)
    rows = []
    for name in arguments.only or BENCHES:
        for row in measured(name, arguments.dir):
            rows.append(row)
            if arguments.json:
                print(json.dumps({"bench": name, **asdict(row)}), flush=True)
            elif sys.stderr.isatty():
                print(f"  {row.figure}: {row.measured}", file=sys.stderr)
    if not arguments.json:
        print(table(rows))
        print(f"{time.monotonic() - begun:.0f} s, load {os.getloadavg()[0]:.1f} at the end")
    sys.exit(any(row.met is False for row in rows))


def measured(name: str, base: Path) -> Iterator[Row]:
    """The rows of one measurement, or one that says why there are none."""
    try:
        yield from BENCHES[name](base)
    except GaveUpError as failure:
        yield Row(figure=name, measured=str(failure), met=False)


def surroundings(base: Path) -> str:
    """What the figures depend on."""
    memory = default_base()
    return (
        f"files in {base} ({file_system(base)}), state files in {memory} ({file_system(memory)}); "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n"
    )


def table(rows: list[Row]) -> str:
    """The rows below their headings, in columns."""
    verdicts = {None: "", True: "met", False: "MISSED"}
    cells = [(row.figure, row.target, row.measured, verdicts[row.met], row.comparison) for row in rows]
    widths = [max(len(line[at]) for line in (HEADINGS, *cells)) for at in range(len(HEADINGS))]
    lines = [HEADINGS, tuple("-" * width for width in widths), *cells]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


if __name__ == "__main__":
    main()
