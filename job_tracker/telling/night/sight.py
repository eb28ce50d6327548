"""Sight: when the sources of a job could not be seen, from the spans of contact that are kept.

Rule: where nothing is known of a source it was not seen; nothing is taken for seen because nobody wrote otherwise.
Rule: a job that belongs to several sources can be seen while all of them are, for any of them may speak for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from job_tracker.moments import stale_after
from job_tracker.telling.night.window import Span, Window, united

Document = dict[str, Any]

REACHABLE = "reachable"


def unseen_by_source(spans: Iterable[Document], meta: Document, window: Window) -> Mapping[str, list[Span]]:
    """Of each source, when it was not seen in a window, up to now; what was before all that is kept is left out."""
    kept: dict[str, list[tuple[int, str | None]]] = {}
    for span in spans:
        kept.setdefault(span["source"], []).append((span["begin"], span["contact"]))
    return {
        name: _unseen(sorted(kept.get(name, ()), key=lambda each: each[0]), meta, window) for name in meta["sources"]
    }


def unseen(sources: Sequence[str], by_source: Mapping[str, list[Span]]) -> list[Span]:
    """When a job of these sources could not be seen."""
    return united(span for source in sources for span in by_source.get(source, ()))


def known_since(spans: Iterable[Document], meta: Document) -> int | None:
    """From when on it is known whether anything could be seen at all."""
    begins = [span["begin"] for span in spans]
    started: int | None = meta.get("days_since")
    return min(begins) if begins else started


def last_look(meta: Document, now: int) -> int:
    """Up to when the tracker looked: now, while it is at work."""
    written, stopped = int(meta["written"]), meta["stopped"]
    if stopped is not None:
        return int(stopped)
    return now if now - written <= stale_after(meta["interval"]) else written


def _unseen(kept: Sequence[tuple[int, str | None]], meta: Document, window: Window) -> list[Span]:
    until = min(last_look(meta, window.now), window.end)
    found: list[Span | None] = []
    for at, (begin, contact) in enumerate(kept):
        end = kept[at + 1][0] if at + 1 < len(kept) else until
        if contact != REACHABLE:
            found.append(window.cut(begin, end))
    if until < window.now:  # nobody looks any more, whatever was so before
        found.append(window.cut(until, min(window.now, window.end)))
    return united(span for span in found if span is not None)
