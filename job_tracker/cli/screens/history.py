"""The history screen: a job's runs, and the alarms between them, in the order of their moments."""

from collections.abc import Callable, Sequence
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.telling.past import result_of
from job_tracker.telling.times import STATUS_WORDS, clock, short, took
from job_tracker.telling.usage import used

Document = dict[str, Any]

When = Callable[[int | None], str]

HEADINGS = ("BEGIN", "END", "TOOK", "WHAT", "RESULT", "TEXT")


def table(lines: Sequence[Document], zone: str, now: int, *, brief: bool) -> Table:
    """A line per run and per change; brief: times as short as can be, for a terminal."""

    def when(moment: int | None) -> str:
        return short(moment, zone, now) if brief else clock(moment, zone)

    return Table(
        headings=HEADINGS,
        rows=[_row(line, when, now) for line in lines],
        narrow=frozenset({"TEXT", "RESULT"}),
        right=frozenset({"TOOK"}),
    )


def _row(line: Document, when: When, now: int) -> list[Cell]:
    match line["what"]:
        case "run":
            return _run(line, when, now)
        case "operator":
            return _word(line, when)
        case _:
            return _change(line, when)


def _word(word: Document, when: When) -> list[Cell]:
    until = f" until {when(word['ends'])}" if word.get("ends") is not None else ""
    said = cell(f"{word['event']}{until}")
    return [cell(when(word["at"])), cell(""), cell(""), cell(word["what"]), said, cell(word["text"])]


def _run(run: Document, when: When, now: int) -> list[Cell]:
    bad = run["outcome"] in ("badly", "lost") or run["timeouts"] > 0
    style = STYLES[2] if bad else "cyan" if run["outcome"] == "open" else STYLES[0]
    return [
        cell(when(run["begun"])),
        cell(when(run["ended"])),
        cell(took(run, now)),
        cell("run"),
        cell(result_of(run), style),
        cell("; ".join(filter(None, (run["text"], used(run["usage"]))))),
    ]


def _change(change: Document, when: When) -> list[Cell]:
    status = change["status_to"]
    return [
        cell(when(change["at"])),
        cell(""),
        cell(""),
        cell(change["what"], STYLES[status]),
        cell(f"{change['state_from']} to {change['state_to']}, {STATUS_WORDS[status]}", STYLES[status]),
        cell(change["text"]),
    ]
