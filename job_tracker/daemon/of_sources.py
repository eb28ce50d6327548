"""What is told of sources: a report compared with the one before.

Rule: trying again is no change; a source that cannot be reached is so until it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from job_tracker.core import events
from job_tracker.core.events import Event
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Contact, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was told of a source last."""

    contact: Contact | None = None
    drifts: bool = False
    differs: str = ""


def known_of(before: Known, report: Report, grace: int) -> Known:
    """What is known after a report; one that only says that it is tried again says nothing."""
    contact = before.contact if report.contact is Contact.CONNECTING else report.contact
    offset = report.clock_offset
    drifts = before.drifts if offset is None else abs(offset) > grace
    return Known(contact=contact, drifts=drifts, differs=report.differs)


def told_of(before: Known, after: Known, report: Report, now: int) -> Iterator[Event]:
    """The events of a report."""
    if after != before:
        yield events.of_source(
            events.SOURCE_CHANGED,
            report.since if after.contact is not before.contact else now,
            report.source,
            **{
                "from": before.contact and before.contact.value,
                "to": after.contact and after.contact.value,
                "text": report.text,
                "drifts": after.drifts,
                "clock_offset": None if report.clock_offset is None else report.clock_offset / MICROSECONDS,
                "differs": after.differs,
            },
        )
    if report.notice:
        yield events.of_source(events.SOURCE_NOTICED, now, report.source, text=report.notice)
