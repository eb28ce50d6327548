"""The suggest screen: what the history says should be promised instead, with the lines that would say so.

Rule: nothing is decided here, and nothing is done: promises come from the configuration, runs from the view, and what
one says about the other is judged in `view.hints`.
"""

import json as json_text
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from job_tracker import clock
from job_tracker.cli.screens import output
from job_tracker.cli.screens.commands import put_age, view_document
from job_tracker.config.reading import Config, load
from job_tracker.errors import JobTrackerError
from job_tracker.telling.adopting import adoptable
from job_tracker.telling.harmless import safe
from job_tracker.telling.jobs import matches
from job_tracker.view import reading
from job_tracker.view.documents import Document
from job_tracker.view.hints import delays, ends, looking, names
from job_tracker.view.hints.words import NEEDED, Hint, Past
from job_tracker.view.rows import run_of

INDENT = "    "


def show(path: Path, view: Path, pattern: str, *, json: bool, as_yaml: bool) -> None:
    """Show what the jobs that fit a pattern should promise.  as_yaml: the configuration is written in YAML."""
    config = load(path)
    meta, rows = reading.read_unmatched(view)
    pasts = [past for key in config.jobs.by_key if matches(key, pattern) for past in _past(config, view, key)]
    hints = found(config, meta, rows, pasts)
    hints = [hint for hint in hints if hint.job not in config.jobs.by_key or matches(hint.job, pattern)]
    short = [past.job.key for past in pasts if len(past.runs) < NEEDED]
    now = clock.now()
    if json:
        output.put_json(
            {
                "view": view_document(meta, now),
                "hints": [_document(hint) for hint in hints],
                "runs_needed": NEEDED,
                "too_short": short,
            }
        )
    elif hints:
        output.put("\n\n".join(as_text(hint, as_yaml=as_yaml) for hint in hints))
    put_age(meta, now, json=json, before=_note(hints, len(pasts), len(short)))


def found(config: Config, meta: Document, rows: Sequence[Document], pasts: Sequence[Past]) -> list[Hint]:
    """All hints, in the order of the configuration; what concerns every job comes last."""
    zones = dict.fromkeys([ZoneInfo("UTC"), config.settings.time_zone, *(past.job.zone for past in pasts)])
    hints = [hint for past in pasts for hint in looking.about_job(past, list(zones))]
    hints += names.about(adoptable(rows), config.jobs)
    offsets = [abs(source.get("clock_offset") or 0) for source in meta["sources"].values()]
    return [*hints, *delays.about_grace(pasts, max(offsets, default=0))]


def of_ends(config: Config, view: Path) -> list[str]:
    """What a check recommends of the clock times by which runs have to end; nothing where no history can be read."""
    ending = [
        key for key, job in config.jobs.by_key.items() if job.starts is not None and job.starts.end_clock is not None
    ]
    try:
        pasts = [past for key in ending for past in _past(config, view, key)]
    except JobTrackerError:
        return []
    return [f'jobs: "{hint.job}": end_by: {hint.text}' for past in pasts for hint in ends.about(past)]


def as_text(hint: Hint, *, as_yaml: bool) -> str:
    """A hint for people, and its lines as they can be copied."""
    end = "" if as_yaml else ","
    lines = [f"{safe(hint.job)}: {safe(hint.text)}"]
    for key, value in hint.lines.items():
        name = key if as_yaml else json_text.dumps(key)
        lines.append(f"{INDENT}{name}: {json_text.dumps(value, ensure_ascii=False)}{end}")
    lines += [f"{INDENT}(and without {key})" for key in hint.without]
    return "\n".join(lines)


def _past(config: Config, view: Path, key: str) -> list[Past]:
    """What is kept of a job; none of one that the daemon does not know yet."""
    kept = reading.read_job(view, key)
    if kept is None:
        return []
    runs = sorted(map(run_of, kept.runs), key=lambda run: run.order)
    return [Past(job=config.jobs.by_key[key], runs=runs, promised_since=kept.job["promised_since"])]


def _document(hint: Hint) -> Document:
    return {
        "job": hint.job,
        "kind": hint.kind,
        "text": hint.text,
        "lines": dict(hint.lines),
        "without": list(hint.without),
    }


def _note(hints: Sequence[Hint], jobs: int, short: int) -> str:
    some = f"{len(hints)} hint{'' if len(hints) == 1 else 's'}" if hints else "no hint"
    few = (
        f", of which {short} {'has' if short == 1 else 'have'} fewer than {NEEDED} runs, too few to say anything of"
        if short
        else ""
    )
    return f"{some} for {jobs} job{'' if jobs == 1 else 's'}{few}; "
