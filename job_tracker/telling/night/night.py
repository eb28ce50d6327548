"""Night: the document behind the picture of a window, and behind its table.

Rule: it says from when on it knows; what lies before that is neither well nor unseen.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from job_tracker.telling.night import sight
from job_tracker.telling.night.lanes import Past, lane
from job_tracker.telling.night.window import Window, offsets, seconds, spans_in_seconds

Document = dict[str, Any]


def night(
    pasts: Iterable[Past], window: Window, *, meta: Document, spans: Sequence[Document], zone: ZoneInfo
) -> Document:
    """A lane for each job, in their order.  spans: of contact, as they are kept.  zone: in which hours are marked."""
    by_source = sight.unseen_by_source(spans, meta, window)
    unseen: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    lanes = []
    for past in pasts:
        sources = tuple(past.job["sources"])
        if sources not in unseen:
            unseen[sources] = sight.unseen(sources, by_source)
        lanes.append(lane(past, window, unseen[sources]))
    shown = {source for sources in unseen for source in sources}
    return {
        "from": seconds(window.begin),
        "to": seconds(window.end),
        "now": seconds(window.now),
        "zone": zone.key,
        "offsets": offsets(zone, window),
        "known_since": seconds(sight.known_since(spans, meta)),
        "looked_until": seconds(sight.last_look(meta, window.now)),
        "unseen": {name: spans_in_seconds(found) for name, found in by_source.items() if found and name in shown},
        "lanes": lanes,
    }
