"""Bars: the runs of a job over a window; those too narrow to be told apart are gathered, with how many there are.

Rule: nothing is lost in gathering: a bar says of how many runs it is, and how each of them ended.
Rule: what ended badly is never hidden in a crowd: it takes the colour of the bar that it is gathered in.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from job_tracker.telling.night.window import Window, seconds

Document = dict[str, Any]

NARROW = 3
"""Pixels below which a run is gathered with its neighbours."""
WIDEST = 28
"""Pixels that a gathered bar takes at most, so that it still shows when what happened; a number fits into it."""
GAP = 1.5
"""Pixels between neighbours below which they are one."""
SHOWN = 160
"""Letters of a run's text."""
WORST = ("badly", "lost", "open", "warned", "skipped", "well")
"""Outcomes, the one first that a gathered bar is coloured by."""
ENOUGH = 20
"""The last runs whose median says how long the next one takes."""


@dataclass(slots=True)
class _Bar:
    begin: int
    end: int
    is_narrow: bool
    runs: list[Document] = field(default_factory=list)


def bars(runs: Iterable[Document], window: Window) -> list[Document]:
    """The runs that touch a window, by their beginning."""
    found: list[_Bar] = []
    shown = sorted(_in_window(runs, window), key=lambda each: (each[0], each[2]["order"]))
    for begin, end, run in shown:
        is_narrow = end - begin < NARROW * window.pixel and run["outcome"] != "open"
        last = found[-1] if found else None
        if (
            last is not None
            and is_narrow
            and last.is_narrow
            and begin - last.end < GAP * window.pixel
            and max(end, last.end) - last.begin <= WIDEST * window.pixel
        ):
            last.end = max(last.end, end)
            last.runs.append(run)
        else:
            found.append(_Bar(begin, end, is_narrow, [run]))
    return [_one(bar.runs[0], bar, window) if len(bar.runs) == 1 else _gathered(bar) for bar in found]


def usual(runs: Sequence[Document]) -> int | None:
    """How long the last runs that ended by themselves took, in the median."""
    took = [run["ended"] - run["begun"] for run in runs if run["outcome"] in ("well", "warned") and _is_measured(run)]
    return round(median(took[-ENOUGH:])) if took else None


def _in_window(runs: Iterable[Document], window: Window) -> Iterator[tuple[int, int, Document]]:
    for run in runs:
        begin = run["ended"] if run["begun"] is None else run["begun"]
        end = begin if run["ended"] is None else run["ended"]
        if begin is None:
            continue
        if run["outcome"] == "open":
            end = max(window.now, begin)
        begin, end = min(begin, end), max(begin, end)
        if begin < window.end and end >= window.begin:
            yield begin, end, run


def _one(run: Document, bar: _Bar, window: Window) -> Document:
    found: Document = {
        "begin": seconds(bar.begin),
        "end": None if run["outcome"] == "open" else seconds(bar.end),
        "outcome": run["outcome"],
        "run": run["order"],
    }
    if run["begun"] is None:
        found["unseen_start"] = True
    if run["timeouts"]:
        found["timeouts"] = run["timeouts"]
    if run["timeout_at"] is not None and run["timeout_at"] < window.end:
        found["timeout_at"] = seconds(run["timeout_at"])
    if run["exit_code"]:
        found["exit_code"] = run["exit_code"]
    if run["outcome"] not in ("well", "skipped") and run["text"]:
        found["text"] = run["text"][:SHOWN]
    return found


def _gathered(bar: _Bar) -> Document:
    counts = Counter(run["outcome"] for run in bar.runs)
    return {
        "begin": seconds(bar.begin),
        "end": seconds(bar.end),
        "outcome": next(each for each in WORST if each in counts),
        "run": bar.runs[0]["order"],
        "last": bar.runs[-1]["order"],
        "count": len(bar.runs),
        "outcomes": dict(counts),
    }


def _is_measured(run: Document) -> bool:
    return run["begun"] is not None and run["ended"] is not None and run["ended"] >= run["begun"]
