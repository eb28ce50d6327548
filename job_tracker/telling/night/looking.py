"""Looking: what a window shows of some jobs, from the view, and from the events where the view's history ends."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from job_tracker.errors import JobTrackerError
from job_tracker.events.reading import EventsReader
from job_tracker.moments import DAY
from job_tracker.telling.night.lanes import Past
from job_tracker.telling.night.night import night
from job_tracker.telling.night.recalled import is_cut, pauses_said, runs_told
from job_tracker.telling.night.window import Window
from job_tracker.view import reading
from job_tracker.view.reading import JobView
from job_tracker.view.windows import read_window

Document = dict[str, Any]

Told = Callable[[str, int], Sequence[Document]]
"""The events of a job's runs since a moment."""


def look(view: Path, events: Path, keys: Sequence[str], window: Window, zone: ZoneInfo) -> Document:
    """The night of these jobs, in this order.  Raises ViewUnreadable; without events it shows what the view has."""
    meta, found = read_window(view, keys, window.begin)
    _, spans = reading.read_spans(view)
    reader = _reader(events)
    try:
        pasts = list(_pasts(found, window, reader.runs_of if reader else lambda _job, _since: ()))
    finally:
        if reader is not None:
            reader.close()
    return night(pasts, window, meta=meta, spans=spans, zone=zone)


def _pasts(found: Sequence[JobView], window: Window, told: Told) -> Iterator[Past]:
    for each in found:
        runs = list(each.runs)
        kept = {run["order"] for run in runs}
        runs = [*(run for run in each.job["open_runs"] if run["order"] not in kept), *runs]
        if is_cut(each.job, runs, window.begin):
            first = min((run["order"] for run in runs), default=each.job["runs"] + 1)
            runs = [*runs_told(told(each.job["job"], window.begin - DAY), first), *runs]
        yield Past(
            job=each.job,
            promise=each.promise,
            runs=sorted(runs, key=lambda run: int(run["order"])),
            changes=each.changes,
            pauses=pauses_said(each.messages),
        )


def _reader(events: Path) -> EventsReader | None:
    try:
        return EventsReader(events)
    except JobTrackerError:
        return None
