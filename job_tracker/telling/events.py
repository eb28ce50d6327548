"""Events: what an event says, on a line."""

from typing import Any

from job_tracker.core.events import GAP
from job_tracker.telling.harmless import safe

Document = dict[str, Any]


def told(event: Document) -> str:
    """All that an event says beside its kind and whose it is."""
    said: list[str] = []
    if event["kind"] == GAP:
        said.append(f"numbers {event['from']} to {event['to']} are not here: {event['why']}")
    elif isinstance(event.get("from"), dict):
        said.append(event["text"])
    elif "from" in event:
        said.append(f"{event['from'] or 'unknown'} to {event['to']}")
    if "seconds" in event and event["seconds"] is not None:
        said.append(f"after {event['seconds']:g} s")
    if event.get("exit_code") is not None:
        said.append(f"exit code {event['exit_code']}")
    if "count" in event:
        said.append(f"{event['count']} missed")
    if event.get("text") and event["text"] not in said:
        said.append(event["text"])
    if event.get("corrects"):
        said.append(f"(corrects {', '.join(map(str, event['corrects']))})")
    return safe(", ".join(said)) + (" (late)" if event.get("late") else "")
