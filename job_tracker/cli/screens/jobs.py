"""The jobs screen: a line per job."""

from collections.abc import Container, Sequence
from typing import Any

from job_tracker.cli.screens.plain import STYLES, Cell, Table, cell
from job_tracker.telling.jobs import is_unheard, result
from job_tracker.telling.times import STATUS_WORDS, clock, short, took

Document = dict[str, Any]

HEADINGS = ("JOB", "STATE", "STATUS", "SINCE", "LAST RUN", "TOOK", "RESULT", "ERRORS", "MISSED", "MAX", "NEXT DEADLINE")

SOURCE, ZONE = "SOURCE", "ZONE"

EXPENDABLE = (
    *("MAX", "TOOK", "RESULT", "LAST RUN", "MISSED", "ERRORS", ZONE, SOURCE, "NEXT DEADLINE", "SINCE"),
    *("STATUS", "STATE"),
)
"""What a narrow terminal does without, the first of it first: what is wrong is worth more than its numbers."""


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


def _source(job: Document, unheard: Container[str]) -> Cell:
    """The sources that a job belongs to; those that are not heard are marked."""
    named = [f"{source} (not heard)" if source in unheard else source for source in job["sources"][:NAMED]]
    more = f" and {len(job['sources']) - NAMED} more" if len(job["sources"]) > NAMED else ""
    return cell(", ".join(named) + more, STYLES[3] if is_unheard(job, unheard) else "")


NAMED = 2
"""Sources of a job that are named; one that nothing was heard of belongs to all."""
