"""Messages: what a job reports, checked and completed before it is stored, and read back whatever was stored."""

import json
import os

from .ground import COLUMNS, HIGHEST_ID, LATEST_TIMESTAMP, LONGEST_MESSAGE, LONGEST_NAME, InputError


def _refuse_constant(name):
    raise ValueError("{} is not a number".format(name))


def _parse_int(digits):
    # Python before 3.11 takes seconds for a million digits, and newer ones refuse only beyond 4,300.
    if len(digits) > 20:
        raise ValueError("a number of {} digits".format(len(digits)))
    return int(digits)


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int)
COMPACT = json.JSONEncoder(separators=(",", ":"))


def decode_json(text, where):
    """Whatever JSON the text holds; InputError for all the ways in which it may not."""
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise InputError("{}: nested too deeply".format(where)) from None
    except ValueError as error:
        raise InputError("{}: not JSON: {}".format(where, error)) from None


def clean_text(text):
    """The text with surrogate pairs joined and lone surrogates replaced, so that any UTF-8 encoder takes it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def argument(text):
    """A command line argument as text: Python before 3.7 reads it as ASCII under LC_ALL=C, and any byte may come."""
    return os.fsencode(text).decode("utf-8", "replace")


def random_id():
    return os.urandom(16).hex()


def make_message(given, now, where="message"):
    """The message to store, checked and completed; `now` (epoch seconds) is its timestamp where none is given.

    An `_id`, as `list` prints it, is ignored: the queue gives its own.
    """
    if not isinstance(given, dict):
        raise InputError("{}: not a JSON object".format(where))
    unknown = sorted(set(given) - set(COLUMNS))
    if unknown:
        raise InputError("{}: unknown key {}; known are {}".format(where, ascii(unknown[0]), ", ".join(COLUMNS[1:])))
    message = {
        "uid": _optional(checked_name, given, "uid", where) or random_id(),
        "timestamp": round(float(now), 6),
        "instance": checked_name(given.get("instance"), "instance", where),
        "job": checked_name(given.get("job"), "job", where),
        "event": checked_name(given.get("event"), "event", where),
        "message": _optional(_text, given, "message", where) or "",
        "run": _optional(checked_name, given, "run", where),
        "exit_code": _optional(_exit_code, given, "exit_code", where),
    }
    if given.get("timestamp") is not None:
        message["timestamp"] = checked_timestamp(given["timestamp"], "timestamp", where)
    message["message"] = _cut(message)
    return message


def _optional(check, given, key, where):
    return None if given.get(key) is None else check(given[key], key, where)


def _text(value, key, where):
    if not isinstance(value, str):
        raise InputError("{}: {} must be text".format(where, key))
    return clean_text(value)


def checked_name(value, key, where):
    if not isinstance(value, str) or not value:
        raise InputError("{}: {} must be a text that is not empty".format(where, key))
    if len(value) > LONGEST_NAME:
        raise InputError("{}: {} is longer than {} characters".format(where, key, LONGEST_NAME))
    return clean_text(value)


def checked_timestamp(value, key, where):
    # A bool is an int to Python, and NaN compares false with everything: both end here.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < LATEST_TIMESTAMP:
        raise InputError("{}: {} must be a number of seconds since 1970 and before the year 10000".format(where, key))
    return round(float(value), 6)


def _exit_code(value, key, where):
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**32:
        raise InputError("{}: {} must be a whole number of at most 32 bits".format(where, key))
    return value


def _cut(message):
    """The message's text, cut where it would make the whole longer than LONGEST_MESSAGE as JSON."""
    text = message["message"]
    if len(text) * 12 < LONGEST_MESSAGE - LONGEST_NAME * 60:  # no escape is longer than 12 bytes
        return text
    room = LONGEST_MESSAGE - len(json.dumps(dict(message, _id=HIGHEST_ID, message="")))
    if len(json.dumps(text)) - 2 <= room:
        return text
    mark = "...[cut: {} characters in all]".format(len(text))
    kept = text[:room]
    while len(json.dumps(kept)) - 2 + len(mark) > room:
        kept = kept[: min(len(kept) - 1, len(kept) * (room - len(mark)) // len(json.dumps(kept)))]
    return kept + mark


def as_object(row):
    """A row as the message that is printed and sent: optional keys are left out where they are empty.

    Others may have written past `add`: what is no text is made one, so that it blocks nothing that comes after it.
    """
    message = {key: value if not isinstance(value, bytes) else decoded(value) for key, value in zip(COLUMNS, row)}
    for key in ("run", "exit_code"):
        if message[key] is None:
            del message[key]
    return message


def decoded(data):
    """Bytes as text, with replacement characters for what is no UTF-8."""
    return data.decode("utf-8", "replace")


def shortened(message):
    """A message too long for a line of the protocol, with each of its texts cut to what `add` would let pass."""
    return {key: value[:LONGEST_NAME] if isinstance(value, str) else value for key, value in message.items()}
