"""Jobs: which of them are wanted, in which order, and what is said of their runs and of all of them together."""

from collections.abc import Container, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from job_tracker.telling.times import STATUS_WORDS

Document = dict[str, Any]

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


def totals(jobs: Sequence[Document]) -> str:
    """How many jobs there are of each status."""
    counts = [(sum(1 for job in jobs if job["status"] == status), word) for status, word in STATUS_WORDS.items()]
    parts = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}" + (f": {parts}" if parts else "")
