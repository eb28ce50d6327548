"""The notifications screen: what the Event Console has not taken yet, since when, and why."""

from collections.abc import Sequence
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Table, cell
from job_tracker.telling.times import STATUS_WORDS, ago, short

Document = dict[str, Any]

HEADINGS = ("SUBJECT", "STATUS", "STATE", "AT", "CHANGES", "WAITING FOR", "TRIES", "NEXT TRY", "REASON")


def table(rows: Sequence[Document], now: int) -> Table:
    """A line per job or source, the one that waits longest first; times on this host's clock."""
    return Table(
        headings=HEADINGS,
        rows=[
            [
                cell(row["subject"]),
                cell(STATUS_WORDS[row["status"]], STYLES[row["status"]]),
                cell(row["state"]),
                cell(short(row["at"], None, now)),
                cell(row["waiting"]),
                cell(ago(now - row["stored"])),
                cell(row["tries"]),
                cell(short(row["next_try"], None, now) if row["tries"] else ""),
                cell(row["reason"]),
            ]
            for row in rows
        ],
        narrow=frozenset({"SUBJECT", "REASON"}),
        right=frozenset({"CHANGES", "TRIES"}),
    )
