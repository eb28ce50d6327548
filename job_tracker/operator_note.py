"""The operator's note: what lies as JSON in the text of a message of the tracker's own queue, opened for the core.

Rule: whoever hears that queue, or reads a recording of it, opens its notes before anything is taken in; one that cannot
be opened stays the text it is, and is refused by `core/operator_word` with the reason.
"""

import json
from typing import Any


def opened(element: Any) -> Any:
    """An element of that queue with its note as an object."""
    if not isinstance(element, dict) or not isinstance(element.get("message"), str):
        return element
    try:
        note = json.loads(element["message"])
    except (ValueError, RecursionError):
        return element
    return {**element, "message": note}
