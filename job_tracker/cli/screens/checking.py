"""The check of sources: whether the tracker could reach its source hosts now, and if not, what is to be repaired.

Rule: a check needs no daemon and disturbs none: it takes no message, and opens no queue.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from job_tracker.cli.screens import output
from job_tracker.config.reading import Config, load
from job_tracker.config.settings import SourceHost
from job_tracker.core.operator_word import OPERATOR
from job_tracker.sources.checking import CheckResult, check_all
from job_tracker.telling.as_json import in_seconds
from job_tracker.telling.harmless import safe
from job_tracker.telling.sources import drift

Document = dict[str, Any]


def check(path: Path, *, json: bool) -> bool:
    """Connect to each configured source once, and show what works and what does not; whether all do."""
    config = load(path)
    results, control = _check(config), config.settings.control
    works = all(result.works for result in results)
    if json:
        output.put_json({"config": str(path), "works": works, "sources": [_document(result) for result in results]})
    else:
        output.put("\n".join(line for result in results for line in lines(result)) or "no source is configured")
        good = sum(result.works for result in results)
        output.put_note(f"{good} of {len(results)} sources work; no message was taken")
        if not os.path.lexists(control):
            output.put_note(f"{OPERATOR}: {safe(control)} is not there yet; the daemon makes it at its start")
    return works


def lines(result: CheckResult) -> Sequence[str]:
    """What a check found, for people: the verdict, what worked on the way, and what did not."""
    verdict = "works" if result.works else result.contact.value.upper()
    shown = [f"{safe(result.source)}: {verdict}"]
    shown += [f"  {safe(step)}" for step in result.steps]
    if result.works:
        shown.append(f"  {_found(result)}")
        shown += [f"  WARN: {safe(each)}" for each in (_missing(result), result.differs) if each]
    if result.text:
        shown.append(f"  FAILED: {safe(result.text)}")
    return shown


def _missing(result: CheckResult) -> str:
    """What to say of a queue that is not there: before the first job that is so, and behind a wrong path for ever."""
    if result.exists is not False:
        return ""
    return f"no queue there yet: {result.path} is made when a job reports, or the tracker drains it; is that the path?"


def _found(result: CheckResult) -> str:
    where = f" in {safe(result.path)}" if result.path else ""
    parts = [f"{result.depth} messages wait{where}"] if result.exists else []
    parts += [result.about] if result.about else []
    if result.clock_offset is not None:
        parts.append(f"its clock differs by {drift(result.clock_offset)}")
    parts.append(f"connected in {result.took / 1000:.0f} ms")
    if result.drainer is not None:
        parts.append(f"drained by tracker {result.drainer}")
    return ", ".join(parts)


def _check(config: Config) -> list[CheckResult]:
    """The operators' queue is the last; one that is not there is left to the daemon, to whom it has to belong."""
    hosts = list(map(SourceHost.host, config.sources))
    control = config.settings.control_host()
    hosts += [control] if os.path.lexists(control.message_queue) else []
    return check_all(hosts, config.settings.terms())


def _document(result: CheckResult) -> Document:
    shown: Document = in_seconds(
        {
            "source": result.source,
            "works": result.works,
            "contact": result.contact.value,
            "steps": list(result.steps),
            "text": result.text,
            "took": result.took,
            "version": result.version,
            "python": result.python,
            "depth": result.depth,
            "clock_offset": result.clock_offset,
            "drainer": result.drainer,
            "path": result.path or None,
            "interpreter": result.interpreter or None,
            "exists": result.exists,
            "differs": result.differs or None,
            "about": result.about or None,
        }
    )
    return shown
