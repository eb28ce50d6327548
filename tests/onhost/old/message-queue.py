#!/usr/bin/env python3
"""The message queue of a source host: jobs report into it, the tracker drains it.

The rules this file keeps, and why it looks the way it does:

* It is copied to hosts that other people own: one file, standard library, Python 3.6 syntax, SQL of SQLite 3.7.
* It never makes a job fail. Whoever cannot write learns why, in one line on stderr, within PATIENCE seconds.
* All or nothing. Every change is one transaction; what was killed half-way is rolled back by whoever comes next.
* Rollback journal, never WAL: several users write one queue, and in WAL mode one user's -shm file shuts out the rest.
  synchronous=EXTRA, because FULL leaves the journal's removal unsynced, and a power cut could roll back a finished add.
* No lock is held while waiting for anything outside: neither for the tracker nor for a reader of our output.
* Nothing is deleted for the tracker before it confirms, and then only what this very session gave out: _id and uid.
* Everything printed is ASCII, whatever the locale. Exit codes: 0 done, 1 could not, 2 wrong usage or wrong input.
"""

import argparse
import contextlib
import json
import os
import re
import select
import signal
import sqlite3
import stat
import subprocess
import sys
import time

VERSION = "0.1.0"
PYTHON = "{}.{}.{}".format(*sys.version_info[:3])
PROTOCOL = 1
SCHEMA_VERSION = 1
PATIENCE = 4.5  # seconds a verb waits for locks, in all: with start and end of the process it stays below 5
RUN_PATIENCE = 5.0  # seconds `run` holds up the end of a job for its notes
SERVE_PATIENCE = 2.0  # shorter while serving: wait and lock together stay below the tracker's load timeout
POLL = 0.5  # seconds between two looks at PRAGMA data_version when nobody pokes the FIFO
IDLE = 60.0  # seconds without a request after which serve takes the tracker for dead
LONGEST_MESSAGE = 64 * 1024  # bytes of JSON
LONGEST_LINE = 1024 * 1024  # bytes of one protocol line
LONGEST_INPUT = 64 * 1024 * 1024  # bytes of one `add -j -`
LONGEST_NAME = 1000  # characters: leaves room for the text even when each of them is escaped
LATEST_TIMESTAMP = 253402300800.0  # the year 10000; also catches milliseconds given as seconds
HIGHEST_ID = 2**63 - 1
CHUNK = 64 * 1024  # bytes read from stdin at a time
PAGE = 1000  # messages read at a time where the reader of our output may be slow

COLUMNS = ("_id", "uid", "timestamp", "instance", "job", "event", "message", "run", "exit_code")
# the uid once more as bytes: what somebody wrote past `add` may be no UTF-8, and must be found again to be removed
SELECT = "SELECT _id, uid, timestamp, instance, job, event, message, run, exit_code, CAST(uid AS BLOB) FROM messages "
DELETE = "DELETE FROM messages WHERE _id = ? AND CAST(uid AS BLOB) = ?"
INSERT = "INSERT OR IGNORE INTO messages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
FACTS = (
    "SELECT name, value FROM meta UNION ALL SELECT 'depth', count(*) FROM messages"
    " UNION ALL SELECT 'highest', (SELECT seq FROM sqlite_sequence WHERE name = 'messages')"
)
SCHEMA = (
    "CREATE TABLE messages (_id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, timestamp REAL NOT NULL,"
    " instance TEXT NOT NULL, job TEXT NOT NULL, event TEXT NOT NULL, message TEXT NOT NULL, run TEXT,"
    " exit_code INTEGER)",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value)",
)
FORWARDED_SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")


class InputError(Exception):
    """What was asked for makes no sense; the caller must ask differently. Exit code 2."""


class QueueError(Exception):
    """The queue cannot do it; nothing was changed. Exit code 1, and `queue-busy` to the tracker, who tries again."""


class QueueChangedError(QueueError):
    """The file at the path is not the one we opened: removed, replaced, restored or damaged. serve ends with 3."""


class DamagedError(QueueChangedError):
    """What is at the path is no queue, and trying again will not make it one."""


class SupersededError(QueueError):
    """A newer serve drains this queue; this one may not confirm any more and ends with 4."""


# ------------------------------------------------------------------------------------------------ messages


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
        "uid": _optional(_name, given, "uid", where) or random_id(),
        "timestamp": round(float(now), 6),
        "instance": _name(given.get("instance"), "instance", where),
        "job": _name(given.get("job"), "job", where),
        "event": _name(given.get("event"), "event", where),
        "message": _optional(_text, given, "message", where) or "",
        "run": _optional(_name, given, "run", where),
        "exit_code": _optional(_exit_code, given, "exit_code", where),
    }
    if given.get("timestamp") is not None:
        message["timestamp"] = _timestamp(given["timestamp"], "timestamp", where)
    message["message"] = _cut(message)
    return message


def _optional(check, given, key, where):
    return None if given.get(key) is None else check(given[key], key, where)


def _text(value, key, where):
    if not isinstance(value, str):
        raise InputError("{}: {} must be text".format(where, key))
    return clean_text(value)


def _name(value, key, where):
    if not isinstance(value, str) or not value:
        raise InputError("{}: {} must be a text that is not empty".format(where, key))
    if len(value) > LONGEST_NAME:
        raise InputError("{}: {} is longer than {} characters".format(where, key, LONGEST_NAME))
    return clean_text(value)


def _timestamp(value, key, where):
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


# ------------------------------------------------------------------------------------------------ the file


@contextlib.contextmanager
def exact_modes():
    """Files and directories get the mode we say, whatever umask the job runs under."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def make_directory(path, mode):
    """Make the queue's directory, complete and durable: it appears at once with its final mode, or not at all.

    mkdir ignores the setgid bit, and a file made by another job before our chmod would belong to the wrong group
    for ever; hence a directory of another name that is renamed.
    """
    parent = os.path.dirname(path) or "."
    os.makedirs(parent, mode=0o755, exist_ok=True)
    made = os.path.join(parent, ".queue-" + random_id())
    os.mkdir(made, 0o700)
    try:
        os.chmod(made, mode)
        os.rename(made, path)
    except OSError:
        os.rmdir(made)
        if not os.path.isdir(path):  # else another job was faster
            raise
    sync_directory(parent)


def sync_directory(path):
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_file(path, directory_mode):
    """Make an empty queue file, 0660 from the first moment; the directory is what keeps others out."""
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        make_directory(directory, directory_mode)
    with exact_modes(), contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o660))


def identity(path):
    """Device and inode of the queue file, or None if it is missing; anything but plain files is refused."""
    for suffix in ("-journal", "-wal", "-shm"):
        regular_file(path + suffix)
    found = regular_file(path)
    if found is None:
        return None
    if found.st_nlink > 1:  # two names would mean two journals, and a crash would damage the file
        raise QueueError("{} has more than one name (a hard link): refused".format(path))
    return found.st_dev, found.st_ino


def regular_file(path):
    """What lstat says of a plain file, or None if it is missing; a link, a directory or a FIFO is refused."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise QueueError("{} is not a regular file: refused".format(path))
    return found


def escape_path(path):
    """The path for a file: URI; every byte is escaped, so no character of it can mean anything."""
    return "".join("%{:02x}".format(byte) for byte in os.path.abspath(os.fsencode(path)))


def explain(error, path):
    """The error of ours that an SQLite error means. Python before 3.11 has no error codes: the texts are stable."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return QueueError("{} is locked by another process: gave up waiting".format(path))
    if "full" in text:
        return QueueError("{}: no room left on the disk".format(path))
    if "readonly" in text or "unable to open" in text:
        return QueueError(
            "{} cannot be used by uid {}: it, its directory or its file system is read-only ({})".format(
                path, os.geteuid(), text
            )
        )
    if "not a database" in text or "malformed" in text or "no such" in text or "encrypted" in text:
        return DamagedError(
            "{} is damaged or no message queue ({}): move it away, the next add makes a new one".format(path, text)
        )
    return QueueError("{}: {}".format(path, text))


class Queue:
    """An open queue file. Every statement waits for locks until `until` (monotonic seconds) and not longer.

    SQLite's own busy handler starts anew with each statement, and sleeps whole seconds where it was built without
    usleep; so it is off, and one deadline spans all that a verb does.
    """

    def __init__(self, path, until, writes=True, create_mode=None):
        """Open the file; `create_mode` is the mode of its directory, if file and directory may be made."""
        self.path = path
        self.until = until
        self.identity = identity(path)
        if self.identity is None and create_mode is not None:
            make_file(path, create_mode)
            self.identity = identity(path)
        if self.identity is None:
            raise QueueError("there is no queue at {}".format(path))
        # A reader who may write opens for writing, too: only then can it roll back what a killed job left half-done.
        writable = writes or os.access(path, os.W_OK)
        uri = "file:{}?mode={}".format(escape_path(path), "rw" if writable else "ro")
        try:
            self.connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise explain(error, path) from None
        self.connection.text_factory = decoded
        try:
            self._prepare(writable, create_mode is not None)
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def _prepare(self, writable, create):
        # SQLite before 3.12 takes the unknown word EXTRA for NORMAL: there FULL, and we sync the directory.
        self.extra = sqlite3.sqlite_version_info >= (3, 12, 0)
        if writable:
            if self.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
                raise QueueError("{} is not in rollback mode and could not be changed to it".format(self.path))
            self.execute("PRAGMA synchronous={}".format("EXTRA" if self.extra else "FULL"))
        tables = self._tables()
        if create and not tables:
            with self.transaction():
                if not self._tables():  # else another job was faster
                    self._create_schema()
            tables = self._tables()
        if "meta" not in tables:
            raise QueueError("{} is an SQLite file, but no message queue".format(self.path))
        version = self.meta().get("schema")
        if version != SCHEMA_VERSION:
            raise QueueError(
                "{} was made by another message-queue.py (layout {}, this one knows {}): install that one here".format(
                    self.path, version, SCHEMA_VERSION
                )
            )

    def _tables(self):
        return [name for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def _create_schema(self):
        for statement in SCHEMA:
            self.execute(statement)
        facts = {"schema": SCHEMA_VERSION, "queue": random_id(), "lease": 0}
        facts.update(dict.fromkeys(("nonce", "token", "tracker", "since")))
        self.connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(facts.items()))

    def execute(self, sql, values=()):
        """Execute one statement, trying again while another process holds the lock and there is time."""
        while True:
            try:
                return self.connection.execute(sql, values)
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() >= self.until:
                    raise explain(error, self.path) from None
            time.sleep(0.0005 + os.urandom(1)[0] / 128000.0)  # 0.5 to 2.5 ms: many waiters must not march in step

    @contextlib.contextmanager
    def transaction(self, kind="IMMEDIATE"):
        """All or nothing. `DEFERRED` is for reading: one consistent look.

        SQLite believes its cache as long as the file's change counter is the one it remembers. A copy that was put
        back in place and then written to can have caught up with that number: so nothing cached is believed here.
        """
        self.execute("PRAGMA shrink_memory")
        self.execute("BEGIN " + kind)
        try:
            self.require_same_file()
            yield
            self.execute("COMMIT")
        except BaseException as error:
            if self.connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise explain(error, self.path) from None
            raise
        if kind == "IMMEDIATE" and not self.extra:
            sync_directory(os.path.dirname(self.path) or ".")

    def require_same_file(self):
        """A queue that was moved away while we had it open would swallow what we write."""
        if identity(self.path) != self.identity:
            raise QueueChangedError("{} was removed or replaced".format(self.path))

    def meta(self):
        """What the queue remembers of itself: schema, queue (its id), nonce, lease, token, tracker, since."""
        return dict(self.execute("SELECT name, value FROM meta").fetchall())

    def remember(self, **facts):
        self.connection.executemany("UPDATE meta SET value = ? WHERE name = ?", [(v, n) for n, v in facts.items()])

    def facts(self):
        """What `meta` says, with depth and highest: the highest _id ever given out in this file, or 0."""
        facts = dict(self.execute(FACTS).fetchall())
        facts["highest"] = facts["highest"] or 0
        return facts

    def depth(self):
        return self.execute("SELECT count(*) FROM messages").fetchone()[0]

    def data_version(self):
        """A number that changes when another process has changed the file; None where SQLite is too old to say."""
        row = self.execute("PRAGMA data_version").fetchone()
        return row and row[0]

    def pages(self, condition="1", values=()):
        """Rows in the order of their _id, a page at a time, with no lock held while the caller works."""
        last = 0
        while True:
            sql = SELECT + "WHERE _id > ? AND ({}) ORDER BY _id LIMIT {}".format(condition, PAGE)
            rows = self.execute(sql, [last, *values]).fetchall()
            if not rows:
                return
            yield rows
            last = rows[-1][0]
            self.until = time.monotonic() + PATIENCE  # printing took its time; that was no waiting for a lock


def store(path, messages, mode=0o700, patience=PATIENCE):
    """Store the messages, all or none, and wake the drainer. A uid that is there already is not stored again."""
    until = time.monotonic() + patience
    rows = [tuple(message[column] for column in COLUMNS[1:]) for message in messages]
    while True:
        try:
            with Queue(path, until, create_mode=mode) as queue, queue.transaction():
                queue.connection.executemany(INSERT, rows)
            break
        except DamagedError:
            raise
        except QueueChangedError:  # moved away under our hands: the file that is there now is the queue
            if time.monotonic() >= until:
                raise
    poke(path + ".wake")


def poke(path):
    """Wake whoever waits at the FIFO. Nobody there, full, no FIFO: the poll will find the message."""
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.lstat(path).st_mode):
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                os.write(descriptor, b"\n")
            finally:
                os.close(descriptor)


def open_wake(path):
    """The FIFO to wait at, made if missing; None where something else is in its place or we may not use it."""
    with contextlib.suppress(OSError):
        with exact_modes(), contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o660)
        if stat.S_ISFIFO(os.lstat(path).st_mode):
            # For reading and writing: a FIFO without a writer would be at its end, and readable, all the time.
            return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    return None


# ------------------------------------------------------------------------------------------------ the verbs


def do_add(arguments):
    if arguments.json is None:
        given = {
            key: argument(value)
            for key, value in vars(arguments).items()
            if key in ("instance", "job", "event", "message", "run", "uid") and value is not None
        }
        given.update(exit_code=arguments.exit_code, timestamp=arguments.timestamp)
        labelled = [("message", given)]
    elif arguments.json == "-":
        with open(0, "rb", closefd=False) as stdin:
            labelled = read_messages(stdin.read(LONGEST_INPUT + 1))
    else:
        labelled = [("-j", decode_json(argument(arguments.json), "-j"))]
    now = time.time()  # before any waiting for locks
    store(arguments.file, [make_message(given, now, where) for where, given in labelled], arguments.mode)
    return 0


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
        shown.extend((row[0], row[-1]) for row in rows)
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
        oldest, newest, low, high = queue.execute(
            "SELECT min(timestamp), max(timestamp), min(_id), max(_id) FROM messages"
        ).fetchone()
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
            print("{:<17} {}".format(name, "-" if value is None else json.dumps(value)))
    return 0


def _pragma(queue, name):
    return queue.execute("PRAGMA " + name).fetchone()[0]


def do_vacuum(arguments):
    with Queue(arguments.file, time.monotonic() + PATIENCE) as queue:
        queue.execute("VACUUM")
    return 0


# ------------------------------------------------------------------------------------------------ run


def do_run(arguments):
    """Run the command between a STARTED and a SUCCESS or ERROR; whatever happens to those, the command comes first.

    This process never touches the queue: children do, so that a file system that hangs holds up only them.
    """
    run = argument(arguments.run) if arguments.run else random_id()
    before = make_note(arguments, run, arguments.start_event)
    first = Noter(arguments, before)
    code, text = run_command(arguments.command, dict(os.environ, JOB_TRACKER_RUN=run))
    event = arguments.error_event if code else arguments.success_event
    after = make_note(arguments, run, event, message=text, exit_code=code)
    until = time.monotonic() + RUN_PATIENCE
    # What the first child has not stored for certain goes again; the uid sees to it that it counts once.
    again = before if first.wait(RUN_PATIENCE / 5) else []
    problem = Noter(arguments, again + after).wait(until - time.monotonic())
    if problem:
        complain(problem)
    return code


def make_note(arguments, run, event, **more):
    """A list of the one message, or of none where the arguments do not make one: the job runs all the same."""
    given = dict(more, instance=argument(arguments.instance), job=argument(arguments.job), event=argument(event))
    try:
        return [make_message(dict(given, run=run), time.time(), "not noted")]
    except InputError as error:
        complain(str(error))
        return []


class Noter:
    """A child process that stores messages and says through a pipe what went wrong, while we do better things."""

    def __init__(self, arguments, messages):
        self.pid = self.problem = None
        if not messages:
            return
        self.pipe, other_end = os.pipe()
        try:
            self.pid = os.fork()
        except OSError as error:
            self.problem = "not noted: " + describe(error)
        if self.pid == 0:
            self._store(arguments, messages, other_end)
        os.close(other_end)

    def _store(self, arguments, messages, pipe):
        """The child's whole life."""
        code = 1
        try:
            detach(pipe)
            store(arguments.file, messages, arguments.mode)
            code = 0
        except BaseException as error:
            os.write(pipe, describe(error).encode("ascii", "backslashreplace")[:4096])
        finally:
            os._exit(code)

    def wait(self, seconds):
        """Wait for the child, and no longer than that; what is to be complained about, or None."""
        if self.pid is None:
            return self.problem
        until = time.monotonic() + seconds
        said = b""
        while select.select([self.pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            part = os.read(self.pipe, 4096)
            if not part:
                status = os.waitpid(self.pid, 0)[1]
                return None if status == 0 else "not noted: " + (said.decode("ascii") or "the child process died")
            said += part
        return "not noted within {:g} seconds, and no longer waited for: the queue does not answer".format(RUN_PATIENCE)


def detach(keep):
    """Leave the job's session, streams and descriptors: a child that hangs must hold none of them open."""
    os.setsid()
    for name in FORWARDED_SIGNALS:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for descriptor in [int(name) for name in os.listdir("/dev/fd")]:
        if descriptor > 2 and descriptor != keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def run_command(command, environment):
    """Run the command; (exit code as a shell would give it, what to say about it)."""
    process = None
    early = []

    def pass_on(number, _):
        if number in (signal.SIGINT, signal.SIGQUIT) and _in_foreground():
            return  # the terminal has sent it to the command as well, and twice is not the same as once
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    for name in FORWARDED_SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup: what we were told to ignore, the command ignores
            signal.signal(number, pass_on)
    try:
        process = subprocess.Popen(command, env=environment, close_fds=False)
    except OSError as error:
        reason = os.strerror(error.errno)
        complain("{}: {}".format(command[0], reason))
        missing = isinstance(error, FileNotFoundError)
        return (127 if missing else 126), "the command could not be started: {}".format(reason)
    for number in early:
        process.send_signal(number)
    code = process.wait()
    if code >= 0:
        return code, "exit code {}".format(code)
    return 128 - code, "killed by {}".format(_signal_name(-code))


def _in_foreground():
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return "signal {}".format(number)


# ------------------------------------------------------------------------------------------------ serve


class EndOfInputError(Exception):
    """The tracker is gone: stdin is closed, stdout is closed, or no request came for too long."""


class Inbox:
    """Lines from stdin, without a buffer that select could not see into, and never more than LONGEST_LINE of them."""

    TOO_LONG = None  # stands for a line that was thrown away

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.lines = []
        self.rest = b""
        self.skipping = False

    def read(self):
        """Take in what is there; only call when select says so."""
        data = os.read(self.descriptor, CHUNK)
        if not data:
            raise EndOfInputError
        first, *others = data.split(b"\n")
        self.rest += first
        for part in others:
            too_long = self.skipping or len(self.rest) > LONGEST_LINE
            self.lines.append(self.TOO_LONG if too_long else self.rest)
            self.rest, self.skipping = part, False
        if self.skipping or len(self.rest) > LONGEST_LINE:
            self.rest, self.skipping = b"", True

    def next_line(self, seconds):
        """The next line, TOO_LONG for one thrown away; EndOfInputError if none comes in that time."""
        until = time.monotonic() + seconds
        while not self.lines:
            if not select.select([self.descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
                raise EndOfInputError
            self.read()
        return self.lines.pop(0)


class Session:
    """One tracker's connection, from greeting to end."""

    def __init__(self, queue, wake, idle):
        self.queue = queue
        self.inbox = Inbox(0)
        self.wake = wake
        self.idle = idle
        self.queue_id = queue.meta()["queue"]
        self.lease = self.token = self.nonce = None  # set by open
        self.emptied = None  # the data version at which a confirmation left nothing in the queue
        self.taken = {}  # _id -> uid of what was given out and is not yet confirmed
        self.answers = {"open": self.open, "take": self.take, "confirm": self.confirm, "ping": self.ping}

    def greeting(self):
        with self.queue.transaction("DEFERRED"):
            facts = self.queue.facts()
        return {
            "serve": "message-queue",
            "protocol": PROTOCOL,
            "version": VERSION,
            "python": PYTHON,
            "queue": facts["queue"],
            "clock": round(time.time(), 6),
            "depth": facts["depth"],
            "highest": facts["highest"],
            "nonce": facts["nonce"],
            "drainer": facts["tracker"] and {"tracker": facts["tracker"], "since": facts["since"]},
        }

    def converse(self):
        """Answer requests until the tracker is gone or may not go on; the exit code."""
        self.send(COMPACT.encode(self.greeting()))
        while True:
            line = self.inbox.next_line(self.idle)
            try:
                self.send(self.answer(line))
            except InputError as error:
                self.send_error("bad-request", error)
            except QueueChangedError as error:
                self.send_error("queue-changed", error)
                return 3
            except SupersededError as error:
                self.send_error("superseded", error)
                return 4
            except (QueueError, sqlite3.Error, OSError) as error:
                self.send_error("queue-busy", describe(error))

    def answer(self, line):
        """The answer to one request, as JSON."""
        if line is Inbox.TOO_LONG:
            raise InputError("a line of more than {} bytes".format(LONGEST_LINE))
        request = decode_json(line.decode("utf-8", "replace"), "request")
        what = request.get("do") if isinstance(request, dict) else None
        if not isinstance(what, str) or what not in self.answers:
            raise InputError("not a request: do must be one of " + ", ".join(sorted(self.answers)))
        if what in ("take", "confirm") and self.token is None:
            return COMPACT.encode({"error": "not-open", "text": "{} before open".format(what)})
        self.queue.until = time.monotonic() + SERVE_PATIENCE
        answer = self.answers[what](request)
        return answer if isinstance(answer, str) else COMPACT.encode(answer)

    def open(self, request):
        tracker = _name(request.get("tracker"), "tracker", "open")
        take_over = request.get("take_over", False)
        if not isinstance(take_over, bool):
            raise InputError("open: take_over must be true or false")
        with self.queue.transaction():
            facts = self.queue.facts()
            self.require_same_queue(facts)
            other = facts["tracker"] is not None and facts["tracker"] != tracker
            if other and not take_over:
                return refusal(facts)
            since = facts["since"] if facts["tracker"] == tracker else round(time.time(), 6)
            lease, token = facts["lease"] + 1, random_id()
            self.queue.remember(lease=lease, token=token, tracker=tracker, since=since)
        self.lease, self.token, self.nonce = lease, token, facts["nonce"]
        self.taken.clear()
        return {
            "done": "open",
            "lease": lease,
            "nonce": facts["nonce"],
            "queue": facts["queue"],
            "depth": facts["depth"],
            "highest": facts["highest"],
            "clock": round(time.time(), 6),
        }

    def take(self, request):
        limit = _whole(request.get("max"), "max", 1)
        after = _whole(request.get("after", 0), "after", 0)
        wait = request.get("wait", 0)
        if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait < float("inf"):
            raise InputError("wait must be a number of seconds")
        asked = time.monotonic()
        until = asked + min(wait, self.idle / 2)
        while True:
            self.queue.until = time.monotonic() + SERVE_PATIENCE
            version = self.queue.data_version()  # before the look: what comes after it must not go unnoticed
            waited = time.monotonic() - asked
            is_last = self.inbox.lines or time.monotonic() >= until
            # What the last confirmation left empty and nobody has written since needs no look before the wait.
            if is_last or version is None or version != self.emptied:
                messages, depth, highest = self.look(limit, after)
                if messages or is_last:
                    break
            else:
                self.queue.require_same_file()  # who adds to another file in its place may wake us all the same
            self.pause(until, version)
        # Put together by hand: the messages are encoded already, one by one, to know how many fit on a line.
        rest = {"highest": highest, "waited": round(waited, 6), "depth": depth, "clock": round(time.time(), 6)}
        return '{{"done":"take","messages":[{}],{}'.format(",".join(messages), COMPACT.encode(rest)[1:])

    def look(self, limit, after):
        """One consistent look: (messages as JSON, depth, highest id)."""
        room = LONGEST_LINE - 1000  # for what goes around the messages
        messages, taken = [], []
        with self.queue.transaction("DEFERRED"):
            facts = self.queue.facts()
            self.require_ours(facts)
            for row in self.queue.execute(SELECT + "WHERE _id > ? ORDER BY _id LIMIT ?", (after, limit)):
                text = COMPACT.encode(as_object(row))
                if len(text) > LONGEST_LINE - 1000:
                    text = COMPACT.encode(shortened(as_object(row)))
                room -= len(text) + 1
                if room < 0:
                    break
                messages.append(text)
                taken.append((row[0], row[-1]))
        self.taken.update(taken)
        return messages, facts["depth"], facts["highest"]

    def pause(self, until, version):
        """Wait, at next to no cost, until something may be there to be taken, a request came, or it is `until`."""
        sources = [self.inbox.descriptor] + ([] if self.wake is None else [self.wake])
        while True:
            left = max(0.0, until - time.monotonic())
            ready = select.select(sources, [], [], min(POLL, left))[0]
            if self.inbox.descriptor in ready:
                self.inbox.read()
            if self.wake in ready:
                with contextlib.suppress(BlockingIOError):  # another serve was faster
                    os.read(self.wake, 65536)
                return
            if self.inbox.lines or time.monotonic() >= until:
                return
            self.queue.until = time.monotonic() + SERVE_PATIENCE
            self.queue.require_same_file()
            now = self.queue.data_version()
            if now is None or now != version:
                return

    def confirm(self, request):
        nonce = _name(request.get("nonce"), "nonce", "confirm")
        if ("ids" in request) == ("through" in request):
            raise InputError("confirm: either ids or through")
        if "ids" in request:
            if not isinstance(request["ids"], list):
                raise InputError("confirm: ids must be a list")
            ids = {_whole(number, "an id", 0) for number in request["ids"]}
        else:
            through = _whole(request["through"], "through", 0)
            ids = {number for number in self.taken if number <= through}
        rows = [(number, self.taken[number]) for number in sorted(ids) if number in self.taken]
        with self.queue.transaction():
            self.require_ours(self.queue.meta())
            removed = self.remove(rows)
            self.queue.remember(nonce=nonce)
            is_empty = self.queue.execute("SELECT NOT EXISTS (SELECT 1 FROM messages)").fetchone()[0]
            emptied = self.queue.data_version() if is_empty else None
        self.nonce, self.emptied = nonce, emptied
        for number, _ in rows:
            del self.taken[number]
        return {"done": "confirm", "removed": removed, "nonce": nonce}

    def remove(self, rows):
        """Delete what was given out. An _id that now bears another uid betrays an older copy put back in place."""
        if not rows:
            return 0
        removed = self.queue.connection.executemany(DELETE, rows).rowcount
        if removed < len(rows):
            for number, _ in rows:
                if self.queue.execute("SELECT 1 FROM messages WHERE _id = ?", (number,)).fetchone():
                    raise QueueChangedError("{} was restored from an older copy".format(self.queue.path))
        return removed

    def ping(self, _):
        with self.queue.transaction("DEFERRED"):
            meta = self.queue.meta()
            self.require_same_queue(meta) if self.token is None else self.require_ours(meta)
            depth = self.queue.depth()
        return {"done": "ping", "clock": round(time.time(), 6), "depth": depth}

    def require_same_queue(self, meta):
        if meta.get("queue") != self.queue_id:
            raise QueueChangedError("{} holds another queue now".format(self.queue.path))

    def require_ours(self, meta):
        """The lease tells who drains; the token, that no older lease is back; the nonce, that no older file is."""
        self.require_same_queue(meta)
        if meta["token"] != self.token and meta["lease"] > self.lease:
            raise SupersededError("drained by {} through a newer connection".format(meta["tracker"]))
        if meta["token"] != self.token or meta["nonce"] != self.nonce:
            raise QueueChangedError("{} was restored from an older copy".format(self.queue.path))

    def send_error(self, error, text):
        self.send(COMPACT.encode({"error": error, "text": str(text)}))

    def send(self, text):
        """Write one line. A tracker that reads nothing for as long as that is dead: SIGALRM ends this process."""
        data = memoryview(text.encode("ascii") + b"\n")
        signal.setitimer(signal.ITIMER_REAL, self.idle)
        try:
            while data:
                data = data[os.write(1, data) :]
        except BrokenPipeError:
            raise EndOfInputError from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def refusal(meta):
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(meta["since"]))
    text = "drained by {} since {}".format(meta["tracker"], since)
    return {"error": "drained-by", "tracker": meta["tracker"], "since": meta["since"], "text": text}


def _whole(value, key, lowest):
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= HIGHEST_ID:
        raise InputError("{} must be a whole number from {}".format(key, lowest))
    return value


def do_serve(arguments):
    with Queue(arguments.file, time.monotonic() + PATIENCE, create_mode=arguments.mode) as queue:
        session = Session(queue, open_wake(arguments.file + ".wake"), arguments.idle)
        try:
            return session.converse()
        except EndOfInputError:
            return 0


# ------------------------------------------------------------------------------------------------ the command line

MANUAL = """\
Jobs report into QUEUE, an SQLite file on this host; the tracker drains it through `serve`.

examples:
  message-queue.py -f /var/lib/job_tracker/queue.sqlite run --instance P --job LOAD_DWH -- /opt/dwh/load.sh --full
  message-queue.py -f /var/lib/job_tracker/queue.sqlite add --instance P --job LOAD_DWH --event STARTED
  message-queue.py -f /var/lib/job_tracker/queue.sqlite count
`message-queue.py -f QUEUE VERB --help` has more for each verb.

exit codes:
  0  done
  1  could not: locked, full, read-only, damaged. One line on stderr says which; nothing was changed.
     No verb waits for locks longer than 5 seconds.
  2  the command line or the message is wrong; one line says where
  `run` returns the exit code of its command; `serve` ends with 3 if the queue was replaced, with 4 if superseded.

who may write:
  A missing directory is made with mode 0700: only the user who ran the first job. Where jobs run as several
  users, make the directory for their group (or let the first add make it, with --mode 2770):
    install -d -m 2770 -g jobs /var/lib/job_tracker
  The file itself is made with mode 0660, so the directory decides. Links and anything but a plain file are refused.
  Network file systems are not safe for SQLite; keep the queue on a local disk.
"""

ADD = """\
A message has instance, job and event, and optionally message (text), run (an id that ties the messages of one run
together), exit_code, timestamp (seconds since 1970, default now) and uid (default random; the same uid is stored once).
Text that would make a message longer than 64 KiB as JSON is cut, with a mark.

examples:
  message-queue.py -f QUEUE add -j '{"instance": "P", "job": "LOAD_DWH", "event": "STARTED", "message": "text"}'
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ERROR --message "no space" --exit-code 3
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ERROR --message=-starts-with-a-dash
  produce-json-lines | message-queue.py -f QUEUE add -j -
  message-queue.py -f OLD list | message-queue.py -f QUEUE add -j -
All that comes on stdin is stored in one transaction; one wrong line, and nothing is stored.
"""

LIST = """\
Prints a JSON array on one line, `[]` when there is nothing, and removes nothing.

examples:
  message-queue.py -f QUEUE list
  message-queue.py -f QUEUE list -i 42
  message-queue.py -f QUEUE list --since "$(date -d '1 hour ago' +%s)"
"""

REMOVE = """\
Prints what it removes, as list does. The tracker will not see these messages. Without options it removes all.
It prints first: if the output cannot be written, nothing is removed.

examples:
  message-queue.py -f QUEUE remove -i 42
  message-queue.py -f QUEUE remove --before "$(date -d '30 days ago' +%s)" > removed.json
"""

COUNT = """\
Prints the number of messages that wait for the tracker.

example:
  test "$(message-queue.py -f QUEUE count)" -lt 10000 || echo "the tracker does not drain this host"
"""

STATS = """\
Prints a line each: the queue's id, its depth, oldest and newest message, ids, who drains it, sizes, versions.

examples:
  message-queue.py -f QUEUE stats
  message-queue.py -f QUEUE stats --json
"""

VACUUM = """\
Gives the file's unused pages back to the disk. Jobs that report meanwhile wait, at most 5 seconds.

example:
  message-queue.py -f QUEUE vacuum
"""

RUN = """\
Notes STARTED, runs the command, notes SUCCESS (exit code 0) or ERROR (anything else), and returns the command's
exit code: 128+N if it was killed by signal N, 127 if it was not found, 126 if it could not be started.
stdin, stdout and stderr are the command's own. SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 are passed on.
The command finds its run id in the environment as JOB_TRACKER_RUN.
If nothing can be noted the command runs all the same; its end is held up for 5 seconds at most.

examples:
  message-queue.py -f QUEUE run --instance P --job BACKUP -- tar -czf /backup/home.tgz /home
  message-queue.py -f QUEUE run --instance P --job LOAD_DWH -- sh -c 'extract && load'
  in the job:  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ROWS --run "$JOB_TRACKER_RUN"
"""

SERVE = """\
Speaks the drain protocol, one JSON object a line, on stdin and stdout; started by the tracker, usually through SSH.
Makes the queue if it is missing, and beside it the FIFO QUEUE.wake, by which add wakes a waiting tracker.
Ends when stdin closes and when no request comes for --idle seconds.

example (by hand):
  echo '{"do": "ping"}' | message-queue.py -f QUEUE serve
"""


def octal_mode(text):
    if not re.match(r"^[0-7]?7[0-7][0-7]$", text):
        raise argparse.ArgumentTypeError("must be octal and give the owner all rights, as 0700 or 2770")
    return int(text, 8)


def seconds_since_1970(text):
    try:
        return _timestamp(float(text), "it", "")
    except (ValueError, InputError):
        raise argparse.ArgumentTypeError("must be a number of seconds since 1970") from None


def whole_number(text):
    if not re.match(r"^-?[0-9]{1,18}$", text):
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def positive_seconds(text):
    if not re.match(r"^[0-9]{1,6}(\.[0-9]+)?$", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError("must be a number of seconds")
    return float(text)


def make_parser():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="message-queue.py", description=MANUAL.split("\n")[0], epilog=MANUAL.split("\n", 2)[2], formatter_class=raw
    )
    parser.add_argument("-f", "--file", required=True, metavar="QUEUE", help="the queue's file")
    parser.add_argument(
        "--mode",
        type=octal_mode,
        default=0o700,
        help="mode of the queue's directory, if it is missing and is made; default 0700, 2770 shares it with its group",
    )
    parser.add_argument("--version", action="version", version="message-queue.py " + VERSION)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", prog="message-queue.py -f QUEUE")
    verbs.required = True  # not an argument of add_subparsers before Python 3.7

    def verb(name, function, summary, text):
        made = verbs.add_parser(name, help=summary, description=text, formatter_class=raw)
        made.set_defaults(function=function)
        return made

    add = verb("add", do_add, "store a message, or many", ADD)
    add.add_argument("-j", "--json", metavar="JSON", help="the message as a JSON object, or - to read stdin")
    for name in ("instance", "job", "event", "message", "run", "uid"):
        add.add_argument("--" + name)
    add.add_argument("--exit-code", type=whole_number, metavar="N")
    add.add_argument("--timestamp", type=seconds_since_1970, metavar="EPOCH")

    shown = verb("list", do_list, "print messages", LIST)
    shown.add_argument("-i", "--id", type=whole_number, metavar="N", help="only the message with this _id")
    shown.add_argument("--since", type=seconds_since_1970, metavar="EPOCH", help="only with this timestamp or later")

    remove = verb("remove", do_remove, "print messages and remove them", REMOVE)
    remove.add_argument("-i", "--id", type=whole_number, metavar="N", help="only the message with this _id")
    remove.add_argument("--before", type=seconds_since_1970, metavar="EPOCH", help="only with an earlier timestamp")

    verb("count", do_count, "print the number of messages", COUNT)
    stats = verb("stats", do_stats, "print what there is to know about the queue", STATS)
    stats.add_argument("--json", action="store_true", help="as one JSON object")
    verb("vacuum", do_vacuum, "make the file as small as it can be", VACUUM)

    run = verb("run", do_run, "run a command and note its start and its end", RUN)
    run.usage = "message-queue.py -f QUEUE run --instance INSTANCE --job JOB [options] -- COMMAND..."
    run.add_argument("--instance", required=True)
    run.add_argument("--job", required=True)
    run.add_argument("--run", metavar="ID", help="the run's id; default random")
    for name, default in (("start", "STARTED"), ("error", "ERROR"), ("success", "SUCCESS")):
        run.add_argument("--{}-event".format(name), default=default, metavar="WORD", help="default " + default)

    serve = verb("serve", do_serve, "let the tracker drain the queue", SERVE)
    serve.add_argument("--idle", type=positive_seconds, default=IDLE, metavar="SECONDS", help="default 60")
    return parser


def parse(argv):
    """The arguments; the command of `run` is cut off before argparse sees it, whose ideas of `--` vary by version."""
    command = None
    if "--" in argv and "run" in argv[: argv.index("--")]:
        at = argv.index("--")
        argv, command = argv[:at], argv[at + 1 :]
    parser = make_parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.verb == "run" and command is None:
        parser.error("run: the command stands after --, as in: run --instance I --job J -- {}".format(" ".join(rest)))
    if rest:
        parser.error("unrecognized arguments: {}".format(" ".join(rest)))
    if arguments.verb == "run":
        if not command:
            parser.error("run: the command is missing; it stands after --")
        arguments.command = command
    if arguments.verb == "add" and arguments.json is not None:
        plain = ("instance", "job", "event", "message", "run", "uid", "exit_code", "timestamp")
        if any(getattr(arguments, name) is not None for name in plain):
            parser.error("add: either -j or the single options")
    return arguments


def complain(text):
    """One line on stderr, whatever is in the text; a closed stderr is no reason to fail."""
    line = "message-queue.py: " + re.sub(r"[\x00-\x1f\x7f]+", " ", str(text))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line.encode("ascii", "backslashreplace").decode("ascii") + "\n")
        sys.stderr.flush()


def describe(error):
    """What to say about an error, for people."""
    if isinstance(error, OSError) and error.strerror:
        return "{}{}".format("{}: ".format(error.filename) if error.filename else "", error.strerror)
    return str(error) or type(error).__name__


def main(argv):
    arguments = parse(argv)
    try:
        return arguments.function(arguments)
    except InputError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except (QueueError, sqlite3.Error, OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):  # `list | head`: nobody wants the rest
            complain(describe(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered would be complained about once more
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
