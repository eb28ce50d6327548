"""Notation: how one value is written in the configuration, and what it then means to the core.

Rule: a value arrives as it was written, as text, be the file JSON or YAML, so both obey the same rules.
Rule: what is wrong is a ValueError that quotes the value, shortened and escaped, and says what was expected.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address

from job_tracker.moments import MICROSECONDS

SHORTEST_INTERVAL = MICROSECONDS // 10
MAX_HOURS = 9999
MAX_SECONDS = MAX_HOURS * 3600
MAX_NAME = 100
MAX_TEXT = 4096

_DURATION = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])")
_CLOCK_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
# Decimal computes with 28 digits: what is shorter than that is never rounded.
_MAX_NUMBER = 25
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# Blanks and quotes break the line of a local check; the rest is what Nagios cores forbid in a service's name.
_NOT_IN_SERVICE_NAMES = re.compile(r"[\s'\"\\;|<>`~!$%^&*?,()=]")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def shown(value: object, limit: int = 60) -> str:
    """Quote a value for a fault: on one line, printable, and not longer than it helps."""
    match value:
        case bool():
            return "'true'" if value else "'false'"
        case str():
            return repr(value) if len(value) <= limit else repr(value[:limit]) + "…"
        case dict():
            return "an object"
        case list():
            return "a list"
    return "null"


def escaped(value: str, limit: int) -> str:
    """Show a text without quotes: on one line, printable, shortened."""
    return shown(value, limit).replace("…", "")[1:-1] + ("…" if len(value) > limit else "")


def duration(value: object) -> int:
    """Read hh:mm:ss, hours up to 9999, as microseconds."""
    return _duration(_written(value, "hh:mm:ss"))


def positive_duration(value: object) -> int:
    """Read hh:mm:ss that is longer than no time at all, as microseconds."""
    return duration(value) or _refuse(value, "longer than zero")


def clock_time(value: object) -> int:
    """Read hh:mm as minutes after midnight."""
    return _clock_time(_written(value, "hh:mm"))


def seconds(value: object) -> int:
    """Read a decimal number of seconds, 0 or more, as whole microseconds, exactly."""
    return _seconds(_written(value, "a number of seconds"))


def positive_seconds(value: object) -> int:
    """Read a decimal number of seconds above 0, as whole microseconds, exactly."""
    return seconds(value) or _refuse(value, "a number of seconds above 0")


def interval(value: object) -> int:
    """Read the pause between two cycles, as whole microseconds; without one the tracker would never rest."""
    found = seconds(value)
    return found if found >= SHORTEST_INTERVAL else _refuse(value, "a number of seconds, at least 0.1")


def unexpanded(written: str) -> str:
    """A path as it was written, unless it begins with what only a shell expands."""
    if written.startswith(("~", "$")):
        raise ValueError(
            f"{shown(written)} begins with '{written[0]}', which nothing expands here; write the whole path, "
            "a daemon's home is not yours"
        )
    return written


def whole(low: int, high: int) -> Callable[[object], int]:
    """Make the reader of a whole number between two bounds, both included."""
    wanted = f"{low} or {high}" if high == low + 1 else f"a whole number from {low} to {high}"

    def read(value: object) -> int:
        written = _written(value, wanted)
        # int() refuses numbers of thousands of digits with words of its own, and takes ' 1_0 ' for ten.
        if re.fullmatch(r"[0-9]{1,9}", written) and low <= int(written) <= high:
            return int(written)
        return _refuse(value, wanted)

    return read


def flag(value: object) -> bool:
    """Read true or false, also written yes, no, on or off."""
    found = _FLAGS.get(_written(value, "true or false").lower())
    if found is None:
        raise ValueError(f"{shown(value)} is not true or false")
    return found


def one_of(*words: str) -> Callable[[object], str]:
    """Make the reader of one word out of a few, in any case."""
    wanted = " or ".join([", ".join(map(repr, words[:-1])), repr(words[-1])])

    def read(value: object) -> str:
        word = _written(value, wanted).lower()
        if word not in words:
            raise ValueError(f"{shown(value)} is not {wanted}")
        return word

    return read


def backends(value: object) -> frozenset[str]:
    """Read the monitoring backends: "status", "event", or both with a comma between them."""
    wanted = "'status', 'event' or 'status,event'"
    words = [word.strip().lower() for word in _written(value, wanted).split(",")]
    if not set(words) <= {"status", "event"} or len(set(words)) < len(words):
        raise ValueError(f"{shown(value)} is not {wanted}")
    return frozenset(words)


def text(value: object) -> str:
    """Read a text that is not empty, on one line, and printable."""
    written = _written(value, "a text")
    if not written:
        raise ValueError("is empty")
    if len(written) > MAX_TEXT:
        raise ValueError(f"{shown(value)} is longer than {MAX_TEXT} characters")
    if not written.isprintable():
        raise ValueError(f"{shown(value)} has characters that cannot be printed")
    return written


def name(value: object) -> str:
    """Read the name or env of a job: harmless in a file's and in a service's name."""
    wanted = f"letters, digits, '_', '.', '-', a letter or digit first, at most {MAX_NAME} characters"
    return _matching(value, _NAME, wanted)


def source_name(value: object) -> str:
    """Read the name of a source: harmless in a service's name."""
    return _matching(value, _SOURCE_NAME, f"letters, digits, '_', '.', '-', at most {MAX_NAME} characters")


def source_names(value: object) -> tuple[str, ...]:
    """Read one source's name or a list of them."""
    names = tuple(dict.fromkeys(map(source_name, value if isinstance(value, list) else [value])))
    if not names:
        raise ValueError("is an empty list; leave the key out if any source may speak for the job")
    return names


def command(value: object) -> tuple[str, ...]:
    """Read a program, or a list of a program and its arguments; no shell ever reads it, so blanks separate nothing."""
    words = tuple(map(text, value if isinstance(value, list) else [value]))
    if not words:
        raise ValueError("is an empty list; leave the key out for the default")
    program = words[0]
    if program.startswith(("-", "~")) or ("/" in program and not program.startswith("/")):
        raise ValueError(f"{shown(program)} is neither a program's name nor its whole path")
    if " " in program and not isinstance(value, list):
        raise ValueError(f"{shown(program)} has blanks; write a list of the program and its arguments")
    return words


def is_source_name(value: object) -> bool:
    """Whether a text can name a source."""
    return isinstance(value, str) and len(value) <= MAX_NAME and _SOURCE_NAME.fullmatch(value) is not None


def is_address(value: str) -> bool:
    """Whether a text is an address of IPv4 or IPv6, perhaps with a zone."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def hostname(value: object) -> str:
    """Read a host's name or address; one that begins with '-' would be an option to ssh."""
    written = text(value)
    if hint := _not_a_host(written):
        raise ValueError(f"{shown(value)} is not a host's name or address; {hint}")
    if " " in written or written.startswith("-") or len(written) > 253:
        raise ValueError(f"{shown(value)} is not a host's name or address")
    return written


def _not_a_host(written: str) -> str:
    """What to write instead of a host with its user, port or protocol."""
    if "://" in written:
        host = written.partition("://")[2].partition("/")[0]
        return _not_a_host(host) or f"write {shown(host)}"
    if "@" in written:
        user, _, host = written.rpartition("@")
        return f"write user {shown(user)} and hostname {shown(host)}"
    if written.startswith("[") and "]" in written:
        host, _, port = written[1:].partition("]")
        return f"write hostname {shown(host)}" + (f" and port {port[1:]}" if port.startswith(":") else "")
    if ":" in written and not is_address(written):
        host, _, port = written.rpartition(":")
        return f"write hostname {shown(host)} and port {shown(port)[1:-1]}"
    return ""


def service_prefix(value: object) -> str:
    """Read what each service's name begins with; it may be empty."""
    written = _written(value, "a text")
    if _NOT_IN_SERVICE_NAMES.search(written) or not written.isprintable() or len(written) > MAX_NAME:
        raise ValueError(
            f"{shown(value)} cannot begin a service's name: no blanks, quotes or special characters, "
            f"at most {MAX_NAME} characters"
        )
    return written


@lru_cache(maxsize=4096)
def _duration(written: str) -> int:
    """Remember each spelling: ten thousand jobs have a few dozen."""
    found = _DURATION.fullmatch(written)
    if found is None:
        hint = f" of at most {MAX_HOURS} hours" if re.match(r"[0-9]{5,}:", written) else ""
        raise ValueError(f"{shown(written)} is not hh:mm:ss{hint}")
    hours, minutes, seconds_ = map(int, found.groups())
    return ((hours * 60 + minutes) * 60 + seconds_) * MICROSECONDS


@lru_cache(maxsize=4096)
def _clock_time(written: str) -> int:
    found = _CLOCK_TIME.fullmatch(written)
    if found is None:
        hint = "; midnight is 00:00" if written == "24:00" else ""
        raise ValueError(f"{shown(written)} is not hh:mm{hint}")
    hours, minutes = map(int, found.groups())
    return hours * 60 + minutes


def _seconds(written: str) -> int:
    if not _NUMBER.fullmatch(written):
        raise ValueError(f"{shown(written)} is not a number of seconds")
    number = Decimal(written)
    if number < 0:
        raise ValueError(f"{shown(written)} is less than 0 seconds")
    if number > MAX_SECONDS:
        raise ValueError(f"{shown(written)} is more than {MAX_SECONDS} seconds ({MAX_HOURS} hours)")
    microseconds = number.scaleb(6)
    if len(written) > _MAX_NUMBER or microseconds != microseconds.to_integral_value():
        raise ValueError(f"{shown(written)} is finer than a microsecond")
    return int(microseconds)


def _matching(value: object, pattern: re.Pattern[str], wanted: str) -> str:
    written = _written(value, "a text")
    if len(written) > MAX_NAME or not pattern.fullmatch(written):
        raise ValueError(f"{shown(value)} is not {wanted}")
    return written


def _written(value: object, wanted: str) -> str:
    """Give a value as the text it was written as; a list or an object is none."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
    raise ValueError(f"{shown(value)} is not {wanted}")


def _refuse(value: object, wanted: str) -> int:
    raise ValueError(f"{shown(value)} is not {wanted}")
