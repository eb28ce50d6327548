"""The events screen: what became true, from the events file, once or as it comes.

Rule: what a reader will not see is said, whatever he asked for.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

from job_tracker.cli.screens import output
from job_tracker.core.events import GAP, KINDS
from job_tracker.errors import JobTrackerError
from job_tracker.events.reading import EventsMissing, EventsReader
from job_tracker.telling.events import told
from job_tracker.telling.harmless import safe

LOOK_EVERY = 0.1
"""Seconds between two looks, each some microseconds."""

USUALLY = 10
"""Events shown before those to come, where nobody says from where on."""

Document = dict[str, Any]


class NoSuchKind(JobTrackerError):
    """The command names a kind that there is not; nothing is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events to show: behind a number, of jobs like a pattern, of some kinds, the last so many."""

    after: int | None = None
    job: str = ""
    kinds: tuple[str, ...] = ()
    most: int | None = None

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if not any(fnmatchcase(each, kind) for each in KINDS):
                raise NoSuchKind(f"--kind {safe(kind)}: there is no such kind; the kinds are {', '.join(KINDS)}")

    def fits(self, event: Document) -> bool:
        """Whether it is wanted; what is lacking always is."""
        if event["kind"] == GAP:
            return True
        if self.job and not fnmatchcase(event.get("job", ""), self.job):
            return False
        return not self.kinds or any(fnmatchcase(event["kind"], kind) for kind in self.kinds)


def show(path: Path, wanted: Wanted, *, follow: bool, json: bool) -> None:
    """A line per event; follow: and then those to come, until somebody interrupts."""
    reader = _waited_for(path) if follow else EventsReader(path)
    lines = _lines(reader, wanted, follow=follow)
    shown = map(as_json if json else as_text, lines)
    if not follow:
        output.put_lines(shown)
        return
    for line in shown:
        output.put(line)


def as_json(event: Document) -> str:
    """An event on a line."""
    return json.dumps(event)


def as_text(event: Document) -> str:
    """An event on a line, for people; moments on this host's clock."""
    at = datetime.fromtimestamp(event["at"]).astimezone()
    about = event.get("job") or event.get("source") or ""
    whose = safe(about) + (f" #{event['run']['number']}" if "run" in event else "")
    return f"{at:%Y-%m-%d %H:%M:%S %Z}  {event['seq']}  {event['kind']:<14}  {whose}  {told(event)}".rstrip()


def _waited_for(path: Path) -> EventsReader:
    """Who follows is not sent away because the daemon has not begun, or makes the file anew."""
    is_said = False
    while True:
        try:
            return EventsReader(path)
        except EventsMissing as missing:
            if not is_said:
                output.complain(f"{missing}; waiting for it")
            is_said = True
            time.sleep(LOOK_EVERY)  # the pace of looking for the file


def _lines(reader: EventsReader, wanted: Wanted, *, follow: bool) -> Iterator[Document]:
    seq = wanted.after or 0
    most = wanted.most if wanted.most is not None or wanted.after is not None or not follow else USUALLY
    reader.has_changed()
    if most is None:
        for event in _behind(reader, seq):
            seq = event["seq"]
            if wanted.fits(event):
                yield event
    else:
        newest = next(iter(reader.newest(1)), None)
        backwards = (each for each in _newer_than(reader.backwards(), seq) if wanted.fits(each))
        yield from reversed(list(islice(backwards, most)))
        seq = seq if newest is None else max(seq, newest["seq"])
    while follow:
        if not reader.has_changed():
            time.sleep(LOOK_EVERY)  # the pace of looking; what is looked for is a change of the file
            continue
        for event in _behind(reader, seq):
            seq = event["seq"]
            if wanted.fits(event):
                yield event


def _behind(reader: EventsReader, seq: int) -> Iterator[Document]:
    while found := reader.after(seq):
        yield from found
        seq = found[-1]["seq"]


def _newer_than(events: Iterable[Document], seq: int) -> Iterator[Document]:
    for event in events:
        if event["seq"] <= seq:
            return
        yield event
