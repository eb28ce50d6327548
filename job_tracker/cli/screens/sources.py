"""The sources screen: how the tracker stands with its source hosts."""

from collections.abc import Iterable
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.cli.screens.times import clock, short
from job_tracker.core.operator_word import OPERATOR
from job_tracker.moments import MICROSECONDS

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
REACHABLE = "reachable"
UNKNOWN_DEPTH = "?"
"""How many messages wait where nobody can look."""
NOTHING = 1000
"""Microseconds of drift that are not worth a figure."""


def documents(meta: Document) -> list[Document]:
    """The sources of a view, by name, and the operators' queue last; what is not yet known of one is null."""
    hosts = [{"source": name, **told} for name, told in sorted(meta["sources"].items())]
    return hosts + [{"source": OPERATOR, **told} for told in (meta.get("operator"),) if told]


def unheard(meta: Document) -> list[Document]:
    """The sources that are not heard at the moment."""
    return [source for source in documents(meta) if source.get("contact") not in (None, REACHABLE)]


def complaint(source: Document, jobs: Iterable[Document], zone: str | None) -> str:
    """What it means for jobs that their source is not heard."""
    count = sum(1 for job in jobs if job["sources"] == [source["source"]])
    silent = f"; nothing is known since of {'its job' if count == 1 else f'its {count} jobs'}" if count else ""
    why = f" ({source['text']})" if source.get("text") else ""
    silent = "; pauses, resumes and marks are not heard" if source["source"] == OPERATOR else silent
    return f"{source['source']} is {source['contact']} since {clock(source['since'], zone)}{why}{silent}"


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
        cell(source.get("text") or source.get("differs") or source.get("notice")),
    ]


def drift(offset: int | None) -> str:
    """How far a host's clock is ahead (+) or behind (-); empty if not known."""
    if offset is None:
        return ""
    return "0 s" if abs(offset) < NOTHING else f"{offset / MICROSECONDS:+.3f} s"


def _latency(source: Document) -> str:
    median, worst = source.get("latency_median"), source.get("latency_worst")
    return "" if median is None or worst is None else f"{median / 1000:.1f}/{worst / 1000:.1f} ms"
