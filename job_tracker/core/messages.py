"""Messages: what a job said, read from a queue's JSON and checked once.

Rule: a message that cannot be read is refused here with its reason; what passes needs no further check.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from job_tracker.core.signals import Signal
from job_tracker.errors import BadMessage
from job_tracker.moments import MICROSECONDS

TEXT_LIMIT = 500
"""Characters of a message's text that judging and showing need; where more was said a mark stands for the middle."""

CUT_MARK = " … "

UID_LIMIT = 200
"""Characters of a uid that are remembered; of a longer one its hash is."""

LATEST = 250_000_000_000
"""The last timestamp taken, in seconds: the year 9892, so that no calendar ends on us."""

NUMBER = (int, float)
"""What JSON's numbers are read as."""


Default = TypeVar("Default")


Usage = Mapping[str, float]
"""Numbers by name, such as user_sec; which ones is up to whoever measures."""

USAGES, USAGE_NAME = 20, 40
"""Numbers that are kept of one run, and characters of the name of one."""

Position = tuple[int, str, int]
"""Where a message is folded: its moment, its source, its number there."""


Meaning = Callable[[str, str, str, str | None, int | None], tuple[str, Signal | None]]
"""Of job, instance, event, run, exit code: the key of the job, empty for its own name, and the word that is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One report of a job.

    moment: microseconds, as judged.  claimed: microseconds, as sent; differs where the claim lay too far ahead.
    number: the queue's `_id`.  received: microseconds, when the tracker heard it.  signal: what it means, None only
    where it was stored before that was kept.  usage: what the run used, as measured on its host.  until: of a pause,
    its end.  key: of the job that it is of, which may report under other names than its own.
    """

    moment: int
    source: str
    number: int
    name: str
    env: str
    event: str
    received: int
    claimed: int
    text: str = ""
    uid: str = ""
    run: str | None = None
    exit_code: int | None = None
    signal: Signal | None = None
    usage: Usage | None = field(default=None, hash=False)
    until: int | None = None
    key: str = field(default="", compare=False, repr=False)
    position: Position = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", (self.moment, self.source, self.number))
        if not self.key:
            object.__setattr__(self, "key", f"{self.name}__{self.env}")


def decode(
    element: Any, *, source: str, received: int, grace: int, meaning: Meaning = lambda *_: ("", None)
) -> Message:
    """Read one element of a queue's answer; a claim of more than the grace ahead of `received` is taken as then.

    Raises BadMessage with the reason.
    """
    if not isinstance(element, dict):
        raise BadMessage(f"not a JSON object but {type(element).__name__}")
    claimed, usage = _moment(element.get("timestamp")), element.get("usage")
    name, env, event = _word(element, "job"), _word(element, "instance"), _word(element, "event")
    run, exit_code = _text(element, "run") or None, _whole(element, "exit_code", default=None)
    key, signal = meaning(name, env, event, run, exit_code)
    return Message(
        moment=received if claimed > received + grace else claimed,
        claimed=claimed,
        received=received,
        source=source,
        number=_whole(element, "_id", default=0),
        name=name,
        env=env,
        event=event,
        text=_told(_text(element, "message")),
        uid=uid_from(_text(element, "uid")),
        run=run,
        exit_code=exit_code,
        usage=None if usage is None else _usage(usage),
        key=key,
        signal=signal,
    )


def claimed_moment(element: Mapping[str, Any]) -> int:
    """The moment that an element claims, in microseconds.  Raises BadMessage."""
    return _moment(element.get("timestamp"))


def uid_from(text: str) -> str:
    """A uid as it is remembered: one that is too long by its hash, as message-queue.py stores it in the first place."""
    return text if len(text) <= UID_LIMIT else "sha256:" + sha256(text.encode()).hexdigest()


def cut(text: str, longest: int) -> str:
    """A text of so many characters at most: its beginning says what happened, its end, where output is quoted, why."""
    if len(text) <= longest:
        return text
    head = longest * 2 // 5
    return text[:head].rstrip() + CUT_MARK + text[head + len(CUT_MARK) - longest :].lstrip()


def encodable(text: str) -> str:
    """A text without lone surrogates, which fit no file and no terminal."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _moment(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, NUMBER):
        raise BadMessage(f"timestamp: {_short(value)} is not a number of seconds")
    if not 0 <= value <= LATEST:  # NaN is not, either
        raise BadMessage(f"timestamp: {_short(value)} is not a moment between 1970 and 9892")
    return round(value * MICROSECONDS)


def _word(element: Mapping[str, Any], name: str) -> str:
    value = _text(element, name)
    if not value:
        raise BadMessage(f"{name}: missing or empty")
    return value


def _text(element: Mapping[str, Any], name: str) -> str:
    value = element.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadMessage(f"{name}: {_short(value)} is not a text")
    return value if value.isascii() else encodable(value)


def _whole(element: Mapping[str, Any], name: str, *, default: Default) -> int | Default:
    value = element.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise BadMessage(f"{name}: {_short(value)} is not a whole number")
    return value


def _usage(value: Any) -> Usage | None:
    """What can be read of it; a number that cannot be is no reason to refuse what the job says of itself."""
    if not isinstance(value, dict):
        return None
    known = ((name, each) for name, each in value.items() if isinstance(name, str) and 0 < len(name) <= USAGE_NAME)
    numbers = {encodable(name): each for name, each in known if _is_number(each)}
    return dict(list(numbers.items())[:USAGES]) or None


def _is_number(value: Any) -> bool:
    return isinstance(value, NUMBER) and not isinstance(value, bool) and abs(value) < 1 << 63


def _short(value: Any) -> str:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or a very deep list
        return f"a {type(value).__name__} too long to show"
    return shown if len(shown) <= 60 else shown[:59] + "…"


def _told(text: str) -> str:
    """What is kept of a job's text: nothing of blanks, which would hide an exit code."""
    return "" if text.isspace() else cut(text, TEXT_LIMIT)
