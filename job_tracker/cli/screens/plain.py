"""Plain: tables that a terminal shows with colours and a pipe without.

Rule: in a pipe a table is aligned text, whole: no colour, no boxes, nothing cut off, a dash for what is empty.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from job_tracker.telling.harmless import safe

if TYPE_CHECKING:
    from rich.table import Table as RichTable

EMPTY = "-"
GAP = 2
STYLES = {0: "green", 1: "yellow", 2: "bold red", 3: "magenta"}
"""By status."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and how a terminal shows it."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Headings and rows.

    narrow: the columns that may be folded where a terminal is too narrow; right: numbers.  expendable: the columns that
    are left out there, the first of them first.
    """

    headings: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    narrow: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    expendable: tuple[str, ...] = ()


def cell(value: object, style: str = "") -> Cell:
    """A harmless cell; None and empty texts are a dash."""
    text = "" if value is None else safe(value).strip()
    return Cell(text or EMPTY, style)


def as_text(table: Table) -> str:
    """A table for a pipe."""
    lines = [table.headings, *([each.text for each in row] for row in table.rows)]
    widths = _widths(table)
    return "\n".join(_line(line, widths, table) for line in lines)


def fitted(table: Table, width: int) -> Table:
    """The table without as many of its expendable columns as it takes to fit into a width."""
    for heading in table.expendable:
        if sum(_widths(table)) + GAP * (len(table.headings) - 1) <= width:
            break
        at = table.headings.index(heading)
        table = replace(
            table,
            headings=(*table.headings[:at], *table.headings[at + 1 :]),
            rows=[[*row[:at], *row[at + 1 :]] for row in table.rows],
        )
    return table


def greyed(table: Table) -> Table:
    """The table in grey, for what may not be so any more."""
    return replace(table, rows=[[Cell(each.text, "dim") for each in row] for row in table.rows])


def as_rich(table: Table, width: int) -> "RichTable":
    """A table for a terminal of a width."""
    from rich.table import Table as RichTable
    from rich.text import Text

    table = fitted(table, width)
    shown = RichTable(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", collapse_padding=True)
    for heading in table.headings:
        is_narrow = heading in table.narrow
        shown.add_column(
            heading,
            justify="right" if heading in table.right else "left",
            no_wrap=not is_narrow,
            overflow="fold",
            min_width=8 if is_narrow else None,
        )
    for row in table.rows:
        shown.add_row(*(Text(each.text, style=each.style) for each in row))
    return shown


def columns(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what belongs to them, aligned."""
    pairs = list(rows)
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs)


def _line(texts: Sequence[str], widths: Sequence[int], table: Table) -> str:
    padded = (
        text.rjust(width) if heading in table.right else text.ljust(width)
        for text, width, heading in zip(texts, widths, table.headings, strict=True)
    )
    return (" " * GAP).join(padded).rstrip()


def _widths(table: Table) -> list[int]:
    lines = [table.headings, *([each.text for each in row] for row in table.rows)]
    return [max(len(line[column]) for line in lines) for column in range(len(table.headings))]
