"""View rows: where each row of the view lies, and what is known of a job when a view is built.

Rule: pure; the tables and their documents are described in `documents`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from job_tracker.core.messages import Message
from job_tracker.core.standing import Outcome, Run
from job_tracker.view.documents import Document, Publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All that is shown of one job: its `documents.whole_document`, and what is kept, each in its order."""

    document: Document
    runs: Iterable[Run]
    changes: Iterable[Document]
    messages: Iterable[Message]
    days: Iterable[tuple[str, str]] = ()


def run_of(document: Document) -> Run:
    """A run as it was before it became a document, as far as that is shown."""
    names = ("order", "id", "begun", "ended", "errors", "timeouts", "exit_code", "text")
    return Run(outcome=Outcome(document["outcome"]), **{name: document[name] for name in names})


def run_key(job: str, order: int) -> str:
    """Where a run lies; in the order of its beginning."""
    return f"{job} {order:012d}"


def change_key(job: str, number: int) -> str:
    """Where a change lies; in the order in which they were found."""
    return f"{job} {number:012d}"


def days_key(job: str, month: str) -> str:
    """Where a month's days lie; in order."""
    return f"{job} {month}"


def span_key(span: Document) -> str:
    """Where a span of contact lies; in the order of their beginning."""
    return f"{span['begin']:020d} {span['source']}"


def end_of(job: str) -> str:
    """Behind all keys of a job's rows: '!' follows the blank, and no job's name holds either."""
    return f"{job}!"


def in_order(rows: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    """Rows whose place among the others is their key."""
    for number, row in enumerate(rows):
        yield f"{number:06d}", row


def of_others(new: Publication, jobs: Collection[str]) -> Publication:
    """What a publication says of other jobs than these."""
    if not jobs:
        return new
    return replace(
        new,
        jobs=tuple(document for document in new.jobs if document["job"] not in jobs),
        rewound=tuple(each for each in new.rewound if each[0] not in jobs),
        runs=tuple(each for each in new.runs if each[0] not in jobs),
        outdated=tuple(each for each in new.outdated if each[0] not in jobs),
        changes=tuple(each for each in new.changes if each[0] not in jobs),
        messages=tuple(each for each in new.messages if each[0] not in jobs),
        days={place: text for place, text in new.days.items() if place[0] not in jobs},
    )
