"""The operator's word: pauses, and marks that end a run, from the tracker's own queue.

Rule: its words are fixed and mean this only there; whatever else lies in that queue is kept aside.
Rule: it may speak for every job, no job ever belongs to it, and no deadline waits for it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from job_tracker.core.messages import TEXT_LIMIT, Message, cut, decode, encodable
from job_tracker.core.signals import Signal
from job_tracker.errors import BadMessage
from job_tracker.moments import DAY, MICROSECONDS

OPERATOR = "(operator)"
"""The source that the tracker's own queue is heard as; no host can have that name."""

WORDS: Mapping[str, Signal] = {
    "PAUSE": Signal.PAUSE,
    "RESUME": Signal.RESUME,
    "SUCCESS": Signal.END,
    "ERROR": Signal.ERROR,
}

FORGET = "FORGET"
"""The word that is about no job: what was kept aside under a name is forgotten, until it is reported again."""

USUAL, LONGEST = DAY, 366 * DAY
"""How long a pause lasts that names no end, and one that names a later one."""


def decode_word(element: Any, *, received: int, grace: int) -> Message:
    """Read an element of that queue, its note `{"until", "author", "why"}` opened.

    Raises BadMessage with the reason.
    """
    if not isinstance(element, Mapping):
        raise BadMessage(f"not a JSON object but {type(element).__name__}")
    signal = WORDS.get(str(element.get("event")))
    if signal is None:
        raise BadMessage(f"event: none of the operator's words {', '.join(WORDS)}")
    note = element.get("message")
    if not isinstance(note, Mapping):
        raise BadMessage("message: not a JSON object with author and why")
    bare = {**element, "message": None, "run": None, "exit_code": None, "usage": None}
    message = decode(bare, source=OPERATOR, received=received, grace=grace)
    by = f"{_of(note, 'author') or 'somebody'}: {_of(note, 'why') or 'no reason given'}"
    text = f"by {by}" if signal in (Signal.PAUSE, Signal.RESUME) else f"marked by {by}"
    until = _until(note, message.moment) if signal is Signal.PAUSE else None
    return replace(message, signal=signal, text=cut(text, TEXT_LIMIT), until=until)


def forgotten(element: Any) -> tuple[str, str] | None:
    """The name and environment that an element of that queue lets be forgotten, None if it is another word.

    Its note is `{"author", "name", "env"}`: what is forgotten may bear names that no job can.  Raises BadMessage.
    """
    if not isinstance(element, Mapping) or element.get("event") != FORGET:
        return None
    note = element.get("message")
    if not isinstance(note, Mapping) or not all(isinstance(note.get(key), str) for key in ("name", "env")):
        raise BadMessage("message: not a JSON object with name and env")
    return encodable(note["name"]), encodable(note["env"])


def _until(note: Mapping[str, Any], begin: int) -> int:
    value = note.get("until")
    if value is None:
        return begin + USUAL
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 40:
        raise BadMessage("message: until is not a moment in seconds since 1970")
    return min(round(value * MICROSECONDS), begin + LONGEST)


def _of(note: Mapping[str, Any], name: str) -> str:
    value = note.get(name, "")
    if not isinstance(value, str):
        raise BadMessage(f"message: {name} is not a text")
    return encodable(" ".join(value.split()))
