"""Messages: what a job reports, checked and completed before it is stored, and read back whatever was stored."""

import os

from .ground import (
    COLUMNS,
    HIGHEST_ID,
    LATEST_TIMESTAMP,
    LONGEST_FURTHER,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    LONGEST_UID,
    InputError,
    hashlib,
    json,
)

UID = len(COLUMNS)  # where a row has its uid as bytes
KNOWN_FURTHER = ("usage",)
"""Keys beyond COLUMNS that this version writes; any other one is handed on, too, but it may be a slip."""


def _odd_number(digits):
    """An integer; as text where it has more than 20 digits, for which Python before 3.11 takes seconds."""
    return int(digits) if len(digits) <= 20 else digits[:20] + "..."


def decode_json(text, where):
    """Whatever JSON the text holds; InputError for all the ways in which it may not.

    NaN and numbers beyond reason come as text: they are wrong wherever they stand, and cost nothing else.
    """
    try:
        return json.loads(text, parse_constant=str, parse_int=_odd_number)
    except RecursionError:
        raise InputError("{}: nested too deeply".format(where)) from None
    except ValueError as error:
        raise InputError("{}: not JSON: {}".format(where, error)) from None


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def clean_text(text):
    """The text with surrogate pairs joined and lone surrogates replaced, so that any UTF-8 encoder takes it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def argument(text):
    """A command line argument as text: Python before 3.7 reads it as ASCII under LC_ALL=C, and any byte may come."""
    return os.fsencode(text).decode("utf-8", "replace")


def random_id():
    return os.urandom(16).hex()


def make_message(given, now, where="message", remarks=None):
    """The message to store, checked and completed; `now` (epoch seconds) is its timestamp where none is given.

    Without instance, job and event nobody can know whose report it is. Any other key whose value is odd costs only
    itself: the value goes into the text, and a sentence about it into `remarks`. An `_id`, as `list` prints it, is
    ignored: the queue gives its own.
    """
    if not isinstance(given, dict):
        raise InputError("{}: not a JSON object".format(where))
    remarks = [] if remarks is None else remarks
    message = {key: checked_name(given.get(key), key, where) for key in ("instance", "job", "event")}
    message.update(uid=random_id(), timestamp=round(float(now), 6), message="", run=None, exit_code=None)
    odd = []
    for key, check in DETAILS:
        if given.get(key) is not None:
            try:
                message[key] = check(given[key], key, where)
            except InputError as error:
                remarks.append("{}: stored without it, it is in the text".format(error))
                odd.append("[odd {}: {}]".format(key, _shown(given[key])))
    message["further"] = _further(given, where, remarks)
    message["message"] = " ".join(filter(None, [message["message"], *odd]))
    message["message"] = _cut(message)
    return message


def _further(given, where, remarks):
    """The keys that have no column, as they are; None where there are none, or more than may be."""
    further = {key: value for key, value in given.items() if key not in COLUMNS and value is not None}
    for key in sorted(set(further) - set(KNOWN_FURTHER)):
        known = ", ".join(COLUMNS[1:] + KNOWN_FURTHER)
        remarks.append("{}: unknown key {} is stored and handed on; known are {}".format(where, ascii(key), known))
    try:
        size = len(json.dumps(further))
    except RecursionError:
        size = LONGEST_FURTHER + 1
    if size > LONGEST_FURTHER:
        remarks.append("{}: stored without its further keys, more than {} bytes".format(where, LONGEST_FURTHER))
        return None
    return further or None


def _shown(value):
    """A value as it stands in a text, and not all of a long one."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "nested too deeply"
    return clean_text(text if len(text) <= 200 else text[:200] + "...")


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


def _uid(value, key, where):
    """A uid, or the hash of one that is too long to be remembered: the same again is the same message either way."""
    if not isinstance(value, str) or not value:
        raise InputError("{}: {} must be a text that is not empty".format(where, key))
    text = clean_text(value)
    return text if len(text) <= LONGEST_UID else "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def checked_timestamp(value, key, where):
    # A bool is an int to Python, and NaN compares false with everything: both end here.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < LATEST_TIMESTAMP:
        raise InputError("{}: {} must be a number of seconds since 1970 and before the year 10000".format(where, key))
    return round(float(value), 6)


def _exit_code(value, key, where):
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**32:
        raise InputError("{}: {} must be a whole number of at most 32 bits".format(where, key))
    return value


DETAILS = (
    ("uid", _uid),
    ("timestamp", checked_timestamp),
    ("message", _text),
    ("run", checked_name),
    ("exit_code", _exit_code),
)


def _cut(message):
    """The message's text, cut where it would make the whole longer than LONGEST_MESSAGE as JSON."""
    text = message["message"]
    if len(text) * 12 < LONGEST_MESSAGE - LONGEST_NAME * 60 and not message["further"]:  # no escape has over 12 bytes
        return text
    bare = dict(message, _id=HIGHEST_ID, message="", **(message["further"] or {}))
    room = LONGEST_MESSAGE - len(json.dumps({key: value for key, value in bare.items() if key != "further"}))
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
    if row[-1] is not None:
        message.update(_read_further(row[-1]))
    return message


def _read_further(text):
    """The keys that have no column, handed on as they were stored; none where somebody else's hand was at them."""
    try:
        further = json.loads(text)
        json.dumps(further)
    except (TypeError, ValueError, RecursionError):
        return {}
    return {key: value for key, value in further.items() if key not in COLUMNS} if isinstance(further, dict) else {}


def decoded(data):
    """Bytes as text, with replacement characters for what is no UTF-8."""
    return data.decode("utf-8", "replace")


def shortened(message):
    """A message too long for a line of the protocol, without further keys, its texts cut to what `add` would take."""
    known = ((key, message[key]) for key in COLUMNS if key in message)
    return {key: value[:LONGEST_NAME] if isinstance(value, str) else value for key, value in known}
