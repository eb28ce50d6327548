"""The jobs screen: a line per job."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.cli.screens.times import STATUS_WORDS, clock, short, took

Document = dict[str, Any]

HEADINGS = ("JOB", "STATE", "STATUS", "SINCE", "LAST RUN", "TOOK", "RESULT", "ERRORS", "MISSED", "MAX", "NEXT DEADLINE")

EXPENDABLE = ("RESULT", "MAX", "STATUS", "TOOK", "LAST RUN", "MISSED", "ERRORS", "NEXT DEADLINE")
"""What a narrow terminal does without, the first of it first: the state's word and its colour say most."""


def select(
    jobs: Iterable[Document], *, pattern: str = "", states: Sequence[str] = (), problems: bool = False
) -> list[Document]:
    """The jobs whose name fits a pattern (with *, ? or [ a glob, else a part of the name, in any case) and the rest."""
    wanted = {state.upper() for state in states}
    return [
        job
        for job in jobs
        if matches(job["job"], pattern) and (not wanted or job["state"] in wanted) and (job["status"] or not problems)
    ]


def matches(key: str, pattern: str) -> bool:
    """Whether a job's name fits a pattern."""
    key, pattern = key.lower(), pattern.lower()
    return fnmatchcase(key, pattern) if any(c in pattern for c in "*?[") else pattern in key


def table(jobs: Iterable[Document], now: int, *, brief: bool) -> Table:
    """A line per job; brief: times as short as can be, for a terminal."""
    return Table(
        headings=HEADINGS,
        rows=[row(job, now, brief=brief) for job in jobs],
        narrow=frozenset({"JOB"}),
        right=frozenset({"TOOK", "ERRORS", "MISSED", "MAX"}),
        expendable=EXPENDABLE,
    )


def row(job: Document, now: int, *, brief: bool) -> list[Cell]:
    """One job's line."""
    zone, status, run = job["zone"], job["status"], job["last_run"]

    def when(moment: int | None) -> str:
        return short(moment, zone, now) if brief else clock(moment, zone)

    return [
        cell(job["job"]),
        cell(job["state"], STYLES[status]),
        cell(STATUS_WORDS[status], STYLES[status]),
        cell(when(job["since"])),
        cell(when(run["begun"]) if run else ""),
        cell(took(run, now) if run else ""),
        cell(RESULTS[run["outcome"]] if run else "never ran"),
        cell(job["errors"], STYLES[2] if job["errors"] >= job["max_errors"] else STYLES[1] if job["errors"] else ""),
        cell(job["missed"], STYLES[2] if job["missed"] else ""),
        cell(job["max_errors"]),
        cell(when(job["deadline"])),
    ]


RESULTS = {"open": "running", "well": "ok", "badly": "failed", "lost": "lost"}
"""By outcome."""


def totals(jobs: Sequence[Document]) -> str:
    """How many jobs there are of each status."""
    counts = [(sum(1 for job in jobs if job["status"] == status), word) for status, word in STATUS_WORDS.items()]
    parts = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}" + (f": {parts}" if parts else "")
