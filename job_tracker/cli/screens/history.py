"""The history screen: a job's runs, and the alarms between them, in the order of their moments."""

from collections.abc import Callable, Sequence
from typing import Any

from job_tracker.cli.screens.jobs import RESULTS
from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.cli.screens.times import STATUS_WORDS, clock, short, took
from job_tracker.cli.screens.usage import used
from job_tracker.core.operator_word import OPERATOR

Document = dict[str, Any]

ID_SHOWN = 8
"""Characters of a run's id that tell it from its neighbours; `explain` and --json have the whole."""

When = Callable[[int | None], str]

HEADINGS = ("BEGIN", "END", "TOOK", "WHAT", "RESULT", "TEXT")


def entries(
    runs: Sequence[Document], changes: Sequence[Document], most: int, messages: Sequence[Document] = ()
) -> list[Document]:
    """The last runs, and the changes since the first of them; each with `what`, in the order of their moments.

    messages: the last of the job; what operators said among them stands between.
    """
    shown = list(runs[-most:])
    since = min((_moment(run) for run in shown), default=0) if len(runs) > len(shown) else 0
    lines = [{"what": "run", **run} for run in shown]
    lines += [{"what": kind_of(change), **change} for change in changes if change["at"] >= since]
    words = (message for message in messages if message["source"] == OPERATOR and message["moment"] >= since)
    lines += [{"what": "operator", "at": word["moment"], **word} for word in words]
    return sorted(lines, key=lambda line: (_moment(line), line["what"] != "run"))


def kind_of(change: Document) -> str:
    """What a change was to whoever is called at night."""
    before, after = change["status_from"], change["status_to"]
    if after == 2:
        return "alarm" if before != 2 else "still alarm"
    if after == 3:
        return "cannot tell"
    return "alarm over" if before == 2 else "change"


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


def result_of(run: Document) -> str:
    """How a run ended, with all that was counted for it."""
    notes = []
    if run["exit_code"]:
        notes.append(f"exit code {run['exit_code']}")
    if run["timeouts"]:
        notes.append("past its timeout" if run["timeouts"] == 1 else f"{run['timeouts']} timeouts")
    if run["begun"] is None:
        notes.append("start not seen")
    if run["id"]:
        notes.append(f"run {run['id'][:ID_SHOWN]}")
    return RESULTS[run["outcome"]] + (f" ({', '.join(notes)})" if notes else "")


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


def _moment(line: Document) -> int:
    for name in ("at", "begun", "ended"):
        if line.get(name) is not None:
            return int(line[name])
    return 0
