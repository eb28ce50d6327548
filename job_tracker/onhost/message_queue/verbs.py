"""The verbs that people and scripts use: add, list, remove, count, stats, vacuum."""

import contextlib
import os
import sys
import time

from .ground import DELETE, LATEST_TIMESTAMP, LONGEST_INPUT, PATIENCE, PYTHON, InputError, complain, json, sqlite3
from .messages import UID, argument, as_object, decode_json, make_message
from .queue import Queue, store

PLAIN = ("instance", "job", "event", "message", "run", "uid", "exit_code", "timestamp")
"""The options of `add` that make a message."""

MOST_REMARKS = 10  # lines on stderr of one `add`


def do_add(arguments):
    remarks = []
    if arguments.json is None:
        labelled = [("message", _given(arguments, remarks))]
    elif arguments.json == "-":
        with open(0, "rb", closefd=False) as stdin:
            labelled = read_messages(stdin.read(LONGEST_INPUT + 1))
    else:
        labelled = [("-j", decode_json(argument(arguments.json), "-j"))]
    now = time.time()  # before any waiting for locks
    store(arguments.file, [make_message(given, now, where, remarks) for where, given in labelled], arguments.mode)
    for remark in remarks[:MOST_REMARKS]:
        complain(remark)
    if len(remarks) > MOST_REMARKS:
        complain("and {} more of the kind".format(len(remarks) - MOST_REMARKS))
    return 0


def _given(arguments, remarks):
    """The message of the single options. Numbers that are none stay text, so that they are found to be odd."""
    texts = {key: getattr(arguments, key) for key in PLAIN}
    given = {key: argument(value) for key, value in texts.items() if value is not None}
    for key, number in (("exit_code", int), ("timestamp", float)):
        with contextlib.suppress(ValueError):
            if "_" not in given.get(key, "_"):  # which Python takes in numbers, and nobody else does
                given[key] = number(given[key][:30])
    if arguments.rest:
        rest = argument(" ".join(arguments.rest))
        remarks.append("arguments that are not understood are in the text: " + rest)
        given["message"] = "{} [odd arguments: {}]".format(given.get("message", ""), rest[:1000]).strip()
    return given


def read_messages(data):
    """(where, object) of each message in what came on stdin: one object, one per line, or an array as list prints."""
    if len(data) > LONGEST_INPUT:
        raise InputError("stdin: more than {} MiB at once".format(LONGEST_INPUT // 1024 // 1024))
    text = data.decode("utf-8-sig", "replace")
    try:
        whole = decode_json(text, "stdin")
    except InputError:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not lines:
            raise InputError("stdin: nothing there") from None
        return [("stdin, line {}".format(n), decode_json(line, "stdin, line {}".format(n))) for n, line in lines]
    if isinstance(whole, list):
        return [("stdin, element {}".format(number), element) for number, element in enumerate(whole, 1)]
    return [("stdin", whole)]


def do_list(arguments):
    with Queue(arguments.file, time.monotonic() + PATIENCE, writes=False) as queue:
        print_messages(queue, "timestamp >= ?", arguments.id, arguments.since)
    return 0


def do_remove(arguments):
    """Print, then remove exactly what was printed: output that reaches nobody must not cost a message."""
    with Queue(arguments.file, time.monotonic() + PATIENCE) as queue:
        shown = print_messages(queue, "timestamp < ?", arguments.id, arguments.before)
        queue.until = time.monotonic() + PATIENCE
        with queue.transaction():
            removed = queue.connection.executemany(DELETE, shown).rowcount
    if shown and removed < len(shown):
        complain("{} of these {} were taken by another process meanwhile".format(len(shown) - removed, len(shown)))
    return 0


def print_messages(queue, condition, only_id, limit):
    """Print messages as a JSON array on one line; return their (_id, uid)."""
    wanted = [("_id = ?", only_id), (condition, limit)]
    wanted = [(sql, value) for sql, value in wanted if value is not None]
    shown = []
    sys.stdout.write("[")
    for rows in queue.pages(" AND ".join(sql for sql, _ in wanted) or "1", [value for _, value in wanted]):
        sys.stdout.write((", " if shown else "") + ", ".join(json.dumps(as_object(row)) for row in rows))
        shown.extend((row[0], row[UID]) for row in rows)
    sys.stdout.write("]\n")
    sys.stdout.flush()
    return shown


def do_count(arguments):
    with Queue(arguments.file, time.monotonic() + PATIENCE, writes=False) as queue:
        depth = queue.depth()
    print(depth)
    return 0


def do_stats(arguments):
    with Queue(arguments.file, time.monotonic() + PATIENCE, writes=False) as queue, queue.transaction("DEFERRED"):
        meta = queue.facts()
        ((oldest, newest, low, high),) = queue.rows(
            "SELECT min(timestamp), max(timestamp), min(_id), max(_id) FROM messages"
        )
        facts = [
            ("queue", meta["queue"]),
            ("depth", meta["depth"]),
            ("oldest_timestamp", oldest),
            ("newest_timestamp", newest),
            ("lowest_id", low),
            ("highest_id", high),
            ("highest_id_ever", meta["highest"]),
            ("drained_by", meta["tracker"]),
            ("drained_since", meta["since"]),
            ("drainer_lease", meta["lease"]),
            ("last_nonce", meta["nonce"]),
            ("layout", meta["schema"]),
            ("file_bytes", os.stat(arguments.file).st_size),
            ("unused_bytes", _pragma(queue, "freelist_count") * _pragma(queue, "page_size")),
            ("sqlite", sqlite3.sqlite_version),
            ("python", PYTHON),
        ]
    if arguments.json:
        print(json.dumps(dict(facts)))
    else:
        for name, value in facts:
            print("{:<17} {}{}".format(name, "-" if value is None else json.dumps(value), in_words(name, value)))
    return 0


def in_words(name, value):
    """What stands beside a value so that people can read it: a moment of this host's local time, and how long ago."""
    if name not in ("oldest_timestamp", "newest_timestamp", "drained_since"):
        return ""
    if not isinstance(value, (int, float)) or not 0 <= value < LATEST_TIMESTAMP:
        return ""
    moment = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(value))
    seconds = int(time.time() - value)
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds")):
        if abs(seconds) >= 2 * size:
            return "  ({}, {} {} {})".format(moment, abs(seconds) // size, word, "ago" if seconds > 0 else "ahead")
    return "  ({}, now)".format(moment)


def _pragma(queue, name):
    return queue.rows("PRAGMA " + name)[0][0]


def do_vacuum(arguments):
    with Queue(arguments.file, time.monotonic() + PATIENCE) as queue:
        queue.execute("VACUUM")
    return 0
