"""The unmatched screen: messages that belong to no configured job, and what would adopt them."""

import json
import re
from collections.abc import Sequence
from typing import Any

from job_tracker.cli.screens.plain import Table, cell
from job_tracker.cli.screens.times import clock

Document = dict[str, Any]

HEADINGS = ("NAME", "ENV", "SOURCE", "COUNT", "FIRST", "LAST", "REASON")
UNKNOWN_JOB = "no such job is configured"
"""The reason that a new job in the configuration removes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def table(rows: Sequence[Document]) -> Table:
    """A line per name, source and reason; times on this host's clock."""
    return Table(
        headings=HEADINGS,
        rows=[
            [
                cell(row["name"]),
                cell(row["env"]),
                cell(row["source"]),
                cell(row["count"]),
                cell(clock(row["first"], None)),
                cell(clock(row["last"], None)),
                cell(row["reason"]),
            ]
            for row in rows
        ],
        narrow=frozenset({"NAME", "REASON"}),
        right=frozenset({"COUNT"}),
    )


def snippet(rows: Sequence[Document]) -> str:
    """The entries for `jobs` that would adopt what can be adopted; empty if nothing can."""
    return ",\n".join(json.dumps(entry, indent=2) for entry in adopting(rows))


def adopting(rows: Sequence[Document]) -> list[Document]:
    """A job for each name that could be one, with all the sources that spoke of it; its promise is only a guess."""
    sources: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["reason"] == UNKNOWN_JOB and _NAME.fullmatch(row["name"]) and _NAME.fullmatch(row["env"]):
            sources.setdefault((row["name"], row["env"]), []).append(row["source"])
    return [
        {
            "name": name,
            "env": env,
            "source_host": named[0] if len(named) == 1 else sorted(named),
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": "24:00:00",
            "timeout_in_hh:mm:ss": "01:00:00",
        }
        for (name, env), named in sources.items()
    ]
