"""Listing: all jobs that a server lists, in either dialect, and whether that were all.

Rule: only links that the server gives are followed; a page without a new id, an address that was asked before, or too
many pages make the list incomplete, and what it lacks is not known to be gone.
Rule: one row that cannot be read costs itself, one process whose list cannot be had costs only that the list is whole.
Rule: the first row of a job counts; one that is known to say nothing new is not read.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from job_tracker.errors import BadAnswer, BadMessage, SourceRefused
from job_tracker.sources.ogc.client import Answer, Client, Silent
from job_tracker.sources.ogc.reading import Sighting, digest_of, of_row

OGC, WPST, AUTO = "ogc", "wpst", "auto"
AT_ONCE = 1000
"""Jobs asked for with one page: the most that version 1.0 of the standard allows."""

MOST_PAGES = 1000


@dataclass(kw_only=True)
class Listing:
    """What a server lists.  lacks: why it may not be all, empty if it is; identity: what the server calls itself.

    rows: all that are listed, each with the digest of its row, empty where that could not be read.  jobs: those whose
    row was read.  faults: rows that could not be read.
    """

    rows: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, Sighting] = field(default_factory=dict)
    lacks: str = ""
    identity: str = ""
    version: str = ""
    faults: list[str] = field(default_factory=list)
    offset: int | None = None
    latencies: list[int] = field(default_factory=list)
    size: int = 0

    def learn(self, answer: Answer) -> None:
        """What any answer says of its server."""
        self.latencies.append(answer.latency)
        self.size += answer.size
        self.offset = answer.offset if answer.offset is not None else self.offset
        if isinstance(answer.document, dict):
            self.identity = _word(answer.document.get("ades_id")) or self.identity
            self.version = _word(answer.document.get("api_version")) or self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a server is asked: by whom, and what of its jobs is wanted.

    settled: rows that say nothing new, by their digests the ids of their jobs.
    """

    client: Client
    with_inputs: bool = False
    settled: Mapping[bytes, str] = field(default_factory=dict)


def dialect_of(client: Client) -> str:
    """Which dialect a server speaks.  Raises BadAnswer if neither, SourceUnreachable, SourceRefused."""
    jobs = client.get("jobs")
    if jobs.status == 200 and isinstance(jobs.document, dict) and isinstance(jobs.document.get("jobs"), list):
        return WPST if "ades_id" in jobs.document else OGC
    processes = client.get("processes")
    if processes.status == 200 and _processes(processes) is not None:
        return WPST
    raise BadAnswer(
        f"{jobs.url} answers {jobs.status} and {processes.url} {processes.status}: neither lists anything; is url the "
        "address below which jobs or processes are found?"
    )


def list_jobs(asking: Asking, dialect: str, seen: int, processes: Collection[str]) -> Listing:
    """All that a server lists; processes: that are known, for it may hide one whose jobs are still there.

    Raises SourceUnreachable, BadAnswer where there is no list at all, SourceRefused.
    """
    listing = Listing()
    if dialect == OGC:
        _list_pages(asking, listing, _first_page(asking.client), "", seen)
        return listing
    answer = asking.client.get("processes")
    listing.learn(answer)
    rows = _processes(answer)
    if answer.status != 200 or rows is None:
        raise BadAnswer(f"{answer.url} answers {answer.status}, and no list of processes")
    images = {id: row.get("owsContextURL") for id, row in rows.items()}
    for process in dict.fromkeys([*images, *sorted(processes)]):
        _list_process(asking, listing, process, seen, is_hidden=process not in images)
    listing.jobs = {id: _with_image(each, images, listing) for id, each in listing.jobs.items()}
    return listing


def list_first(asking: Asking, dialect: str, seen: int) -> Listing:
    """No more than a page of it.  Raises as `list_jobs` does."""
    listing = Listing()
    if dialect == OGC:
        answer = asking.client.get("jobs")
    else:
        answer = asking.client.get("processes")
        listing.learn(answer)
        named = list(_processes(answer) or {})
        if answer.status != 200 or not named:
            listing.lacks = "" if answer.status == 200 else f"{answer.url} answers {answer.status}"
            return listing
        answer = asking.client.get(f"processes/{segment(named[0])}/jobs")
    listing.learn(answer)
    for row in _rows(answer):
        _take(listing, row, "", seen, asking)
    return listing


def path_of(dialect: str, job: Sighting) -> str:
    """Where a single job is asked for, below the server's address."""
    jobs = f"jobs/{segment(job.id)}"
    return jobs if dialect == OGC else f"processes/{segment(job.process)}/{jobs}"


def segment(name: str) -> str:
    """A name as one part of a path, whatever is in it; `..` would be the part before it."""
    written = quote(name, safe="")
    return written.replace(".", "%2E") if name in (".", "..") else written


def _list_process(asking: Asking, listing: Listing, process: str, seen: int, *, is_hidden: bool) -> None:
    try:
        first = asking.client.get(f"processes/{segment(process)}/jobs")
        _list_pages(asking, listing, first, process, seen)
    except Silent:
        raise
    except BadAnswer as fault:
        if not is_hidden:  # one that is no longer listed gets no new jobs, and those that are open are asked for singly
            listing.lacks = listing.lacks or f"the jobs of {process} are not to be had: {fault}"


def _first_page(client: Client) -> Answer:
    """As much at once as the standard allows; a server that allows less gives what it gives unasked."""
    answer = client.get(f"jobs?limit={AT_ONCE}")
    return client.get("jobs") if answer.status in (400, 404, 422, 500) else answer


def _list_pages(asking: Asking, listing: Listing, answer: Answer, process: str, seen: int) -> None:
    asked = {answer.url}
    for _ in range(MOST_PAGES):
        listing.learn(answer)
        rows = _rows(answer)
        before = len(listing.rows)
        for row in rows:
            _take(listing, row, process, seen, asking)
        try:
            following = _next(asking.client, answer)
        except (SourceRefused, BadAnswer) as refusal:
            listing.lacks = f"its next page cannot be asked for: {refusal}"
            return
        if following is None:
            if len(rows) == AT_ONCE:
                listing.lacks = f"{answer.url} gave {AT_ONCE} jobs, which were asked for, and no page behind them"
            return
        if following in asked or len(listing.rows) == before:
            listing.lacks = f"the pages of {answer.url} do not end: there was nothing new on the last"
            return
        asked.add(following)
        answer = asking.client.get(following)
    listing.lacks = f"there are more than {MOST_PAGES} pages of jobs"


def _take(listing: Listing, row: Any, process: str, seen: int, asking: Asking) -> None:
    digest = digest_of(row, process)
    settled = asking.settled.get(digest)
    if settled is not None:
        listing.rows.setdefault(settled, digest)
        return
    try:
        found = of_row(row, process=process, seen=seen, with_inputs=asking.with_inputs)
    except BadMessage as fault:
        listing.faults.append(f"a job of the list {fault}")
        id = row.get("jobID") or row.get("id") if isinstance(row, dict) else None
        if not isinstance(id, str) or not id.strip() or len(id) >= 500:
            return
        found, digest = Sighting(id=id, process=process, seen=seen), b""  # it says too little, but that it is there
    if found.id not in listing.rows:
        listing.rows[found.id] = digest
        listing.jobs[found.id] = found


def _rows(answer: Answer) -> list[Any]:
    document = answer.document
    rows = document.get("jobs") if isinstance(document, dict) else document
    if answer.status != 200 or not isinstance(rows, list):
        raise BadAnswer(f"{answer.url} answers {answer.status}, and no list of jobs")
    return rows


def _next(client: Client, answer: Answer) -> str | None:
    document = answer.document
    links = document.get("links") if isinstance(document, dict) else None
    for link in _objects(links):
        if link.get("rel") == "next" and isinstance(link.get("href"), str):
            return client.resolve(answer.url, link["href"])
    named = answer.links.get("next")
    return None if named is None else client.resolve(answer.url, named)


def _processes(answer: Answer) -> dict[str, dict[str, Any]] | None:
    document = answer.document
    rows = document.get("processes") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        return None
    return {row["id"]: row for row in _objects(rows) if isinstance(row.get("id"), str) and row["id"]}


def _objects(rows: Any) -> Iterator[dict[str, Any]]:
    yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _with_image(job: Sighting, images: dict[str, Any], listing: Listing) -> Sighting:
    image = _word(images.get(job.process)) or None
    facts = {**job.facts, "image": image, "server": listing.identity or None, "api_version": listing.version or None}
    return replace(job, facts=facts)


def _word(value: Any) -> str:
    return value[:500] if isinstance(value, str) else ""
