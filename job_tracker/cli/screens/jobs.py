"""The jobs screen: a line per job."""

from collections.abc import Container, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.cli.screens.times import STATUS_WORDS, clock, short, took

Document = dict[str, Any]

HEADINGS = ("JOB", "STATE", "STATUS", "SINCE", "LAST RUN", "TOOK", "RESULT", "ERRORS", "MISSED", "MAX", "NEXT DEADLINE")

SOURCE, ZONE = "SOURCE", "ZONE"

EXPENDABLE = (
    *("MAX", "TOOK", "RESULT", "LAST RUN", "MISSED", "ERRORS", ZONE, SOURCE, "NEXT DEADLINE", "SINCE"),
    *("STATUS", "STATE"),
)
"""What a narrow terminal does without, the first of it first: what is wrong is worth more than its numbers."""

SORTS = ("configured", "state", "name", "since", "deadline")
URGENCY = (2, 3, 1, 0)
"""Statuses, the one that is looked at first in front."""


def select(
    jobs: Iterable[Document],
    *,
    pattern: str = "",
    states: Sequence[str] = (),
    problems: bool = False,
    unheard: Container[str] = (),
) -> list[Document]:
    """The jobs whose name fits a pattern (with *, ? or [ a glob, else a part of the name, in any case) and the rest.

    problems: only those whose status is not OK, and those of which nobody can know, for none of their sources is heard.
    """
    wanted = {state.upper() for state in states}
    return [
        job
        for job in jobs
        if matches(job["job"], pattern)
        and (not wanted or job["state"] in wanted)
        and (not problems or job["status"] or is_unheard(job, unheard))
    ]


def is_unheard(job: Document, unheard: Container[str]) -> bool:
    """Whether none of the sources that a job belongs to is heard."""
    return bool(job["sources"]) and all(source in unheard for source in job["sources"])


def in_order(jobs: Iterable[Document], sort: str) -> list[Document]:
    """The jobs as they are configured, or by state (problems first, the oldest first), name, since or next deadline."""
    match sort:
        case "state":
            return sorted(jobs, key=lambda job: (URGENCY.index(job["status"]), job["since"] if job["status"] else 0))
        case "name":
            return sorted(jobs, key=lambda job: str(job["job"]).lower())
        case "since":
            return sorted(jobs, key=lambda job: int(job["since"]), reverse=True)
        case "deadline":
            return sorted(jobs, key=lambda job: (job["deadline"] is None, job["deadline"] or 0))
        case _:
            return list(jobs)


def matches(key: str, pattern: str) -> bool:
    """Whether a job's name fits a pattern."""
    key, pattern = key.lower(), pattern.lower()
    return fnmatchcase(key, pattern) if any(c in pattern for c in "*?[") else pattern in key


def table(jobs: Sequence[Document], now: int, *, brief: bool, sources: int = 1, unheard: Container[str] = ()) -> Table:
    """A line per job; brief: times as short as can be, for a terminal.

    sources: how many are configured; where it is more than one, each job's are named.  unheard: those not heard now.
    """
    has_zones = len({job["zone"] for job in jobs}) > 1
    further = (*((SOURCE,) if sources > 1 else ()), *((ZONE,) if has_zones else ()))
    return Table(
        headings=(*HEADINGS, *further),
        rows=[
            [*row(job, now, brief=brief)]
            + ([_source(job, unheard)] if sources > 1 else [])
            + ([cell(job["zone"])] if has_zones else [])
            for job in jobs
        ],
        narrow=frozenset({"JOB"}),
        right=frozenset({"TOOK", "ERRORS", "MISSED", "MAX"}),
        expendable=tuple(each for each in EXPENDABLE if each in (*HEADINGS, *further)),
    )


def row(job: Document, now: int, *, brief: bool) -> list[Cell]:
    """One job's line; where an older run is still open, it is that run's, for it is what somebody has to look at."""
    zone, status, newest = job["zone"], job["status"], job["last_run"]
    run = job["open_runs"][0] if job["open_runs"] else newest

    def when(moment: int | None) -> str:
        return short(moment, zone, now) if brief else clock(moment, zone)

    return [
        cell(job["job"]),
        cell(job["state"], STYLES[status]),
        cell(STATUS_WORDS[status], STYLES[status]),
        cell(when(job["since"])),
        cell(when(run["begun"]) if run else ""),
        cell(took(run, now) if run else ""),
        cell(result(run, newest)),
        cell(job["errors"], STYLES[2] if job["errors"] >= job["max_errors"] else STYLES[1] if job["errors"] else ""),
        cell(job["missed"], STYLES[2] if job["missed"] else ""),
        cell(job["max_errors"]),
        cell(when(job["deadline"])),
    ]


def result(run: Document | None, newest: Document | None) -> str:
    """How a run ended; of one that is open while a newer one is not, how that ended as well."""
    if run is None or newest is None:
        return "never ran"
    return RESULTS[run["outcome"]] + (f", a later one {RESULTS[newest['outcome']]}" if run is not newest else "")


RESULTS = {
    "open": "running",
    "well": "ok",
    "warned": "warned",
    "skipped": "skipped",
    "badly": "failed",
    "lost": "lost",
}
"""By outcome."""


def _source(job: Document, unheard: Container[str]) -> Cell:
    """The sources that a job belongs to; those that are not heard are marked."""
    named = [f"{source} (not heard)" if source in unheard else source for source in job["sources"][:NAMED]]
    more = f" and {len(job['sources']) - NAMED} more" if len(job["sources"]) > NAMED else ""
    return cell(", ".join(named) + more, STYLES[3] if is_unheard(job, unheard) else "")


NAMED = 2
"""Sources of a job that are named; one that nothing was heard of belongs to all."""


def totals(jobs: Sequence[Document]) -> str:
    """How many jobs there are of each status."""
    counts = [(sum(1 for job in jobs if job["status"] == status), word) for status, word in STATUS_WORDS.items()]
    parts = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}" + (f": {parts}" if parts else "")
