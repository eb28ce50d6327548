"""The sources screen: how the tracker stands with its source hosts."""

from collections.abc import Iterable
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.telling.sources import REACHABLE, drift
from job_tracker.telling.times import clock, short

Document = dict[str, Any]

HEADINGS = (
    "SOURCE",
    "CONTACT",
    "SINCE",
    "DRIFT",
    "DEPTH",
    "MESSAGES",
    "BYTES",
    "LAST MESSAGE",
    "LATENCY",
    "QUEUE",
    "TEXT",
)
CONTACT_STYLES = {"reachable": STYLES[0], "unreachable": STYLES[2], "refused": STYLES[2]}
SAID = ("text", "differs", "notice", "about")
"""What there is to say of a source, the more urgent first."""

UNKNOWN_DEPTH = "?"
"""How many messages wait where nobody can look."""


def table(sources: Iterable[Document], now: int, *, brief: bool, zone: str | None) -> Table:
    """A line per source; the latency of the last answers as median and worst.  zone: the configuration's."""
    return Table(
        headings=HEADINGS,
        rows=[_row(source, now, brief=brief, zone=zone) for source in sources],
        narrow=frozenset({"SOURCE", "QUEUE", "TEXT"}),
        right=frozenset({"DRIFT", "DEPTH", "MESSAGES", "BYTES", "LATENCY"}),
    )


def _row(source: Document, now: int, *, brief: bool, zone: str | None) -> list[Cell]:
    def when(moment: int | None) -> str:
        return short(moment, zone, now) if brief else clock(moment, zone)

    contact = source.get("contact", "")
    return [
        cell(source["source"]),
        cell(contact, CONTACT_STYLES.get(contact, "")),
        cell(when(source.get("since"))),
        cell(drift(source.get("clock_offset"))),
        cell(source.get("depth") if contact in ("", REACHABLE) else UNKNOWN_DEPTH),
        cell(source.get("messages")),
        cell(source.get("bytes")),
        cell(when(source.get("last_message"))),
        cell(_latency(source)),
        cell(source.get("path")),
        cell(next((source[key] for key in SAID if source.get(key)), "")),
    ]


def _latency(source: Document) -> str:
    median, worst = source.get("latency_median"), source.get("latency_worst")
    return "" if median is None or worst is None else f"{median / 1000:.1f}/{worst / 1000:.1f} ms"
