"""The unmatched screen: messages that belong to no configured job."""

from collections.abc import Sequence
from typing import Any

from job_tracker.cli.screens.plain import Table, cell
from job_tracker.telling.adopting import quoted
from job_tracker.telling.times import clock

Document = dict[str, Any]

HEADINGS = ("NAME", "ENV", "SOURCE", "COUNT", "FIRST", "LAST", "REASON")


def table(rows: Sequence[Document], zone: str | None) -> Table:
    """A line per name, source and reason.  zone: the configuration's."""
    return Table(
        headings=HEADINGS,
        rows=[
            [
                cell(quoted(row["name"])),
                cell(quoted(row["env"])),
                cell(row["source"]),
                cell(row["count"]),
                cell(clock(row["first"], zone)),
                cell(clock(row["last"], zone)),
                cell(row["reason"]),
            ]
            for row in rows
        ],
        narrow=frozenset({"NAME", "REASON"}),
        right=frozenset({"COUNT"}),
    )
