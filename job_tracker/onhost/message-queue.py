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

Written as chapters in message_queue/ and put together by `make onhost`:

  155 messages      what a job reports, checked and completed before it is stored, and read back whatever was stored
  346 file          how it comes to be, under which name it may be used, and what SQLite's complaints about it mean
  488 queue         one open file, one deadline for all its locks, and every change a transaction
  721 verbs         add, list, remove, count, stats, vacuum
  876 signals       each one reaches the command once, whether it was sent to us, to our group, or to both
  980 command       the job's process, started as a shell would, told each signal once, and waited for with its usage
 1101 relay         a stream of the command passed on byte for byte, and its end kept for the note
 1213 outcome       the word with which the end of a run is noted, and what its message says
 1325 run           a command between the note of its start and the note of its end; the command comes first
 1478 inbox         lines from stdin, each with its deadline and none without an end
 1521 serve         the drain protocol, one JSON object a line in each direction
 1821 manual        what --help prints, of the whole and of each verb; no line is longer than a terminal is wide
 1978 command_line  what may be asked for, and how its end is told
"""

import collections
import contextlib
import errno
import os
import signal
import stat
import sys
import time


class Later:
    """A module of the standard library that is imported when something of it is first needed.

    So a job that `run` starts waits for nothing it does not need, and runs where this Python lacks a module.
    """

    def __init__(self, name):
        self._name = name

    def __getattr__(self, word):
        found = getattr(__import__(self._name), word)
        setattr(self, word, found)
        return found


argparse = Later("argparse")
fcntl = Later("fcntl")
hashlib = Later("hashlib")
json = Later("json")
re = Later("re")
select = Later("select")
sqlite3 = Later("sqlite3")
termios = Later("termios")

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
LONGEST_UID = 200  # characters: as many as the tracker remembers; of a longer one its hash is stored
LONGEST_FURTHER = 8 * 1024  # bytes of JSON of all keys that this version does not know
LONGEST_NAME = 1000  # characters: leaves room for the text even when each of them is escaped
LATEST_TIMESTAMP = 253402300800.0  # the year 10000; also catches milliseconds given as seconds
HIGHEST_ID = 2**63 - 1
CHUNK = 64 * 1024  # bytes read from stdin at a time
PAGE = 1000  # messages read at a time where the reader of our output may be slow

COLUMNS = ("_id", "uid", "timestamp", "instance", "job", "event", "message", "run", "exit_code")
# the uid once more as bytes: what somebody wrote past `add` may be no UTF-8, and must be found again to be removed
SELECT = (
    "SELECT _id, uid, timestamp, instance, job, event, message, run, exit_code, CAST(uid AS BLOB), {} FROM messages "
)
WIDE = SELECT.format("keys") + "LEFT JOIN further ON message_id = _id "
NARROW = SELECT.format("NULL")  # of a queue in which nobody has yet stored a key that the first handlers did not know
DELETE = "DELETE FROM messages WHERE _id = ? AND CAST(uid AS BLOB) = ?"
INSERT = "INSERT OR IGNORE INTO messages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_FURTHER = "INSERT INTO further VALUES (?, ?)"
FACTS = (
    "SELECT name, value FROM meta UNION ALL SELECT 'depth', count(*) FROM messages"
    " UNION ALL SELECT 'highest', (SELECT seq FROM sqlite_sequence WHERE name = 'messages')"
)
SCHEMA = (
    (
        "CREATE TABLE messages (_id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE,"
        " timestamp REAL NOT NULL, instance TEXT NOT NULL, job TEXT NOT NULL, event TEXT NOT NULL,"
        " message TEXT NOT NULL, run TEXT, exit_code INTEGER)"
    ),
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value)",
)
# A table of its own: handlers of before name no columns when they insert, so `messages` must not become wider for them.
# The trigger serves them, too: what they remove takes its further keys along.
WIDEN = (
    "CREATE TABLE IF NOT EXISTS further (message_id INTEGER PRIMARY KEY, keys TEXT NOT NULL)",
    (
        "CREATE TRIGGER IF NOT EXISTS further_goes AFTER DELETE ON messages"
        " BEGIN DELETE FROM further WHERE message_id = OLD._id; END"
    ),
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


def complain(text):
    """One line on stderr, whatever is in the text; a closed stderr is no reason to fail."""
    line = "message-queue.py: " + "".join(each if " " <= each != "\x7f" else " " for each in str(text))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line.encode("ascii", "backslashreplace").decode("ascii") + "\n")
        sys.stderr.flush()


def describe(error):
    """What to say about an error, for people."""
    if isinstance(error, OSError) and error.strerror:
        return "{}{}".format("{}: ".format(error.filename) if error.filename else "", error.strerror)
    return str(error) or type(error).__name__


# ------------------------------------------------------------------------------------------------ messages
# Messages: what a job reports, checked and completed before it is stored, and read back whatever was stored.


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


# ------------------------------------------------------------------------------------------------ file
# The file: how it comes to be, under which name it may be used, and what SQLite's complaints about it mean.


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


def require_expanded(path):
    """Refuse a path that a shell was meant to expand and did not: it would make a directory of that name."""
    if not path:
        raise InputError("the path of the queue is empty; is a variable not set?")
    if path[0] not in "~$":
        return
    meant = os.path.expandvars(os.path.expanduser(path))
    meant = meant if os.path.isabs(meant) and "$" not in meant else "the whole path, beginning with /"
    raise InputError(
        "{}: nothing has expanded the {} at its beginning: write {} (or ./{} if that is its name)".format(
            path, path[0], meant, path
        )
    )


def is_begun(path):
    """Whether anything of a queue is there; an empty file is a queue that nobody has begun."""
    require_expanded(path)
    return identity(path) is not None and os.stat(path).st_size > 0


def require_makeable(path):
    """Refuse a path at which this user could make no queue, before anybody relies on it."""
    place = path if os.path.lexists(path) else os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK) or not (os.path.isfile(place) or os.path.isdir(place)):
        raise QueueError(
            "there is no queue at {}, and uid {} cannot make one: {} is not for it to write".format(
                path, os.geteuid(), place
            )
        )


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
        journal = path + "-journal"
        if os.path.exists(journal) and not os.access(journal, os.R_OK | os.W_OK):
            return QueueError(
                "{} waits for what uid {} left half-done in {}, and uid {} may not read that: let that user, or a"
                " member of the queue's group, look at the queue once, with count".format(
                    path, os.lstat(journal).st_uid, journal, os.geteuid()
                )
            )
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


# ------------------------------------------------------------------------------------------------ queue
# The queue: one open file, one deadline for all its locks, and every change a transaction.


NO_QUEUE = {"queue": "none", "depth": 0, "highest": 0, "nonce": None, "tracker": None, "since": None}
"""What a greeting says where there is no queue yet; trackers of before need a name for it."""


class Queue:
    """An open queue file. Every statement waits for locks until `until` (monotonic seconds) and not longer.

    SQLite's own busy handler starts anew with each statement, and sleeps whole seconds where it was built without
    usleep; so it is off, and one deadline spans all that a verb does.
    """

    def __init__(self, path, until, writes=True, create_mode=None):
        """Open the file; `create_mode` is the mode of its directory, if file and directory may be made."""
        require_expanded(path)
        self.path = path
        self.until = until
        self.is_wide = False  # whether the table `further` was seen
        self.identity = identity(path)
        if self.identity is None and create_mode is not None:
            make_file(path, create_mode)
            self.identity = identity(path)
        if self.identity is None:
            raise QueueError("there is no queue at {}".format(path))
        require_sqlite()
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
            if self.rows("PRAGMA journal_mode=DELETE")[0][0] != "delete":
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
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def _create_schema(self):
        for statement in SCHEMA + WIDEN:
            self.execute(statement)
        facts = {"schema": SCHEMA_VERSION, "queue": random_id(), "lease": 0}
        facts.update(dict.fromkeys(("nonce", "token", "tracker", "since")))
        self.connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(facts.items()))

    def execute(self, sql, values=()):
        """Execute one statement, trying again while another process holds the lock and there is time."""
        return self._patiently(lambda: self.connection.execute(sql, values))

    def rows(self, sql, values=()):
        """All rows of one statement, with the same patience."""
        return self._patiently(lambda: self.connection.execute(sql, values).fetchall())

    def _patiently(self, do):
        while True:
            try:
                return do()
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
        return dict(self.rows("SELECT name, value FROM meta"))

    def remember(self, **facts):
        self.connection.executemany("UPDATE meta SET value = ? WHERE name = ?", [(v, n) for n, v in facts.items()])

    def facts(self):
        """What `meta` says, with depth and highest: the highest _id ever given out in this file, or 0."""
        facts = dict(self.rows(FACTS))
        facts["highest"] = facts["highest"] or 0
        return facts

    def depth(self):
        return self.rows("SELECT count(*) FROM messages")[0][0]

    def data_version(self):
        """A number that changes when another process has changed the file; None where SQLite is too old to say."""
        found = self.rows("PRAGMA data_version")
        return found[0][0] if found else None

    def select(self):
        """The beginning of a SELECT of messages: another process may have widened the file since we looked."""
        self.is_wide = self.is_wide or "further" in self._tables()
        return WIDE if self.is_wide else NARROW

    def insert(self, messages):
        """Store the messages, each unless its uid is there; whoever has further keys to store widens the file."""
        values = [[message[column] for column in COLUMNS[1:]] for message in messages]
        if not any(message["further"] for message in messages):
            self.connection.executemany(INSERT, values)
            return
        for statement in WIDEN:
            self.connection.execute(statement)
        for message, row in zip(messages, values):
            stored = self.connection.execute(INSERT, row)
            if stored.rowcount == 1 and message["further"]:
                self.connection.execute(INSERT_FURTHER, (stored.lastrowid, json.dumps(message["further"])))

    def pages(self, condition="1", values=()):
        """Rows in the order of their _id, a page at a time, with no lock held while the caller works."""
        last = 0
        while True:
            sql = self.select() + "WHERE _id > ? AND ({}) ORDER BY _id LIMIT {}".format(condition, PAGE)
            rows = self.rows(sql, [last, *values])
            if not rows:
                return
            yield rows
            last = rows[-1][0]
            self.until = time.monotonic() + PATIENCE  # printing took its time; that was no waiting for a lock


def require_sqlite():
    """Refuse a Python that was built without what a queue is stored by."""
    try:
        _ = sqlite3.sqlite_version
    except ImportError as error:
        raise QueueError("{} has no sqlite3: {}".format(sys.executable or "this Python", error)) from None


def refusal(meta):
    return {"error": "drained-by", "tracker": meta["tracker"], "since": meta["since"], "text": drained_by(meta)}


def drained_by(meta):
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(meta["since"]))
    return "drained by {} since {}".format(meta["tracker"], since)


def store(path, messages, mode=0o700, patience=PATIENCE):
    """Store the messages, all or none, and wake the drainer. A uid that is there already is not stored again."""
    until = time.monotonic() + patience
    while True:
        try:
            with Queue(path, until, create_mode=mode) as queue, queue.transaction():
                queue.insert(messages)
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


# ------------------------------------------------------------------------------------------------ verbs
# The verbs that people and scripts use: add, list, remove, count, stats, vacuum.


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


# ------------------------------------------------------------------------------------------------ signals
# Signals: each one reaches the command once, whether it was sent to us, to our group, or to both.
#
# Nobody can ask the kernel whether a signal was meant for one process or for its group. So a witness sits in the group
# and does nothing: what it got, the command got as well.


SETTLING = 0.1  # seconds: `timeout` sends to its child first and to the group then
ANSWER = 1.0  # seconds after which a witness is not asked any more: somebody has stopped or killed it


class Witness:
    """A process of our group in which signals stay pending, so that it can say which ones came to the group."""

    def __init__(self, numbers):
        """numbers: the signals that are blocked, here and so in the witness."""
        self.numbers = numbers
        asked, self.ask = pipe()
        self.answer, answering = pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                let_go(asked, answering)
                _testify(asked, answering)
            finally:
                os._exit(0)
        os.close(asked)
        os.close(answering)

    def has_heard(self, number):
        """Whether the group got this signal; if so, it is answered for, also where we have it twice."""
        for pause in (0, SETTLING):
            time.sleep(pause)  # nothing tells when a sender is between the two that get it
            _let_senders_finish()
            if self._asked(number):
                _let_senders_finish()
                if number in signal.sigpending():
                    signal.sigwait({number})
                return True
        return False

    def _asked(self, number):
        with contextlib.suppress(OSError):
            os.write(self.ask, bytes([number]))
            waiting = select.poll()
            waiting.register(self.answer, select.POLLIN)
            return bool(waiting.poll(ANSWER * 1000)) and os.read(self.answer, 1) == b"y"
        return False


def _testify(asked, answering):
    """The witness's whole life; it ends when nobody can ask any more."""
    while True:
        number = os.read(asked, 1)
        if not number:
            return
        is_pending = number[0] in signal.sigpending()
        if is_pending:
            signal.sigwait({number[0]})
        os.write(answering, b"y" if is_pending else b"n")


def _let_senders_finish():
    """The kernel signals a group's members one by one, but lets nobody change a group meanwhile: so wait for it."""
    with contextlib.suppress(OSError):  # who leads a session may not; the wait came before the refusal
        os.setpgid(0, os.getpgrp())


def pipe():
    """A pipe with neither end at 0, 1 or 2: whoever started us may have closed these, and they are the command's."""
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    try:
        return pipe()
    finally:
        for end in ends:
            os.close(end)


def let_go(*keep):
    """Hold no stream and descriptor of the job open but these: whoever waits for its end must not wait for us."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in {0, 1, 2}.difference(keep):
        os.dup2(null, descriptor)
    for descriptor in [int(name) for name in os.listdir("/dev/fd")]:
        if descriptor > 2 and descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def forwarded():
    """The signals that are passed on: not those we were told to ignore, for the command ignores them, too (nohup)."""
    numbers = [getattr(signal, name) for name in FORWARDED_SIGNALS]
    return {number for number in numbers if signal.getsignal(number) != signal.SIG_IGN}


def name_of(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return "signal {}".format(number)


# ------------------------------------------------------------------------------------------------ command
# Command: the job's process, started as a shell would, told each signal once, and waited for with its usage.


RESTORED = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")  # Python ignores them; the command must not


class NoProcessError(Exception):
    """This host has no room for another process; the command can still take the place of this one."""


class Command:
    """One command. From its making to its end, signals that are passed on wait until somebody takes them."""

    def __init__(self, words, environment):
        self.words, self.environment = words, environment
        self.pid = self.code = self.witness = None
        self.children = signal.getsignal(signal.SIGCHLD)
        if self.children in (signal.SIG_IGN, signal.SIG_DFL):  # ignored, nobody's end could be waited for
            signal.signal(signal.SIGCHLD, lambda *_: None)
        self.numbers = forwarded()
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, self.numbers | {signal.SIGCHLD})

    def start(self, streams):
        """Start it; `streams` maps descriptors to those it gets in their place. OSError says why it could not be."""
        with contextlib.suppress(OSError):  # without a witness each signal is passed on: too often beats never
            self.witness = Witness(self.numbers)
        said, saying = pipe()
        try:
            self.pid = os.fork()
        except OSError as error:  # not the command's fault
            raise NoProcessError("no further process can be made: {}".format(error.strerror)) from None
        if self.pid == 0:
            code = 0
            try:
                for descriptor, other in streams.items():
                    os.dup2(other, descriptor)
                self.become()
            except OSError as error:
                code = error.errno
            finally:
                os.write(saying, str(code).encode("ascii"))
                os._exit(127)
        os.close(saying)
        code = os.read(said, 32)  # nothing, once it runs
        os.close(said)
        if code:
            os.waitpid(self.pid, 0)
            self.pid = None
            raise OSError(int(code), os.strerror(int(code)))

    def become(self):
        """Turn this process into the command, with signals as they were before us."""
        for name in RESTORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        if self.children == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)
        execute(self.words, self.environment)

    def wait(self):
        """Pass on signals until it ends: (exit code as a shell would give it, what to say about it, its rusage)."""
        while True:
            number = signal.sigwait(self.numbers | {signal.SIGCHLD})
            if number != signal.SIGCHLD:
                self._pass_on(number)
                continue
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
                self.code = os.WEXITSTATUS(status) if number is None else 128 + number
                text = "exit code {}".format(self.code) if number is None else "killed by " + name_of(number)
                return self.code, text, usage

    def _pass_on(self, number):
        with contextlib.suppress(OSError):
            is_in_group = os.getpgid(self.pid) == os.getpgrp()
            if not (is_in_group and self.witness and self.witness.has_heard(number)):
                os.kill(self.pid, number)


def execute(words, environment):
    """Become the command, found as execvp finds it: a file that the kernel does not know is a script for /bin/sh."""
    failure = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in candidates(words[0], environment):
        try:
            os.execve(path, words, environment)  # noqa: S606 - a shell is what a command must not need
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                script = "./" + path if path.startswith("-") else path
                os.execve("/bin/sh", ["/bin/sh", script, *words[1:]], environment)  # noqa: S606 - as execvp
            if error.errno == errno.EACCES:
                failure = error
            elif error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
    raise failure


def candidates(name, environment):
    """The paths that may be meant by a command's name."""
    if not name:
        return []
    if "/" in name:
        return [name]
    return [os.path.join(place or ".", name) for place in environment.get("PATH", os.defpath).split(os.pathsep)]


def why_not_started(command, error):
    """(exit code, reason) for a command that could not be started, with the name of what is missing."""
    if error.errno != errno.ENOENT:
        return 126, "{}: {}".format(command.words[0], os.strerror(error.errno))
    for path in candidates(command.words[0], command.environment):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            first = file.readline(256)
            if first.startswith(b"#!"):
                wanted = ascii(first[2:].strip(b" \t\n").decode("utf-8", "replace"))
                return 127, "{}: its interpreter is not there: {}".format(path, wanted)
    return 127, "{}: {}".format(command.words[0], os.strerror(error.errno))


# ------------------------------------------------------------------------------------------------ relay
# Relay: a stream of the command passed on byte for byte, and its end kept for the note.
#
# It is a process in a session of its own: whoever kills `run` with SIGKILL, or its group, breaks no pipe under the job.
# It ends when nobody holds the stream any more, and until then serves those whom the command has left behind.


WINDOW = 64 * 1024  # bytes that are kept: far more than are noted, so that masks see what stands before


class Relay:
    """The relay of one descriptor, 1 or 2. `inlet` is what the command writes into; close it once the command runs."""

    def __init__(self, descriptor):
        outlet, self.inlet = pipe()
        asked, self.ask = pipe()
        self.answer, answering = pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                for name in FORWARDED_SIGNALS:
                    signal.signal(getattr(signal, name), signal.SIG_IGN)
                let_go(descriptor, outlet, asked, answering)
                _Stream(outlet, descriptor, asked, answering).pass_on()
            finally:
                os._exit(0)
        for mine in (outlet, asked, answering):
            os.close(mine)

    def last(self, until):
        """What the stream's end was when the command ended, once all of that is passed on; None if not in time."""
        received = []
        with contextlib.suppress(OSError):
            os.write(self.ask, b"?")
            waiting = select.poll()
            waiting.register(self.answer, select.POLLIN)
            while waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                part = os.read(self.answer, CHUNK)
                if not part:
                    return b"".join(received)
                received.append(part)
        return None


class _Stream:
    """The relay's own side."""

    def __init__(self, outlet, target, asked, answering):
        self.outlet, self.target, self.asked, self.answering = outlet, target, asked, answering
        self.kept = collections.deque()
        self.size = 0
        self.left = None  # bytes that were in the pipe when the command ended and are not yet passed on

    def pass_on(self):
        waiting = select.poll()
        waiting.register(self.outlet, select.POLLIN)
        waiting.register(self.asked, select.POLLIN)
        is_open = True
        while is_open:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if self.asked in ready:
                waiting.unregister(self.asked)
                self.left = self._waiting() if os.read(self.asked, 1) else None
            elif self.outlet in ready:
                data = os.read(self.outlet, CHUNK if self.left is None else min(CHUNK, self.left))
                is_open = bool(data) and write_all(self.target, data)
                self._keep(data)
            if self.left == 0:
                self._say()
        os.close(self.outlet)  # nobody reads any more: the command learns it as it would without us
        if self.answering is not None and (self.left is not None or os.read(self.asked, 1)):
            self._say()

    def _waiting(self):
        """How many bytes the pipe holds. What comes later is of others, and nobody waits for them."""
        return int.from_bytes(fcntl.ioctl(self.outlet, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _keep(self, data):
        self.kept.append(data)
        self.size += len(data)
        self.left = None if self.left is None else self.left - len(data)
        while self.size - len(self.kept[0]) >= WINDOW:
            self.size -= len(self.kept.popleft())

    def _say(self):
        with contextlib.suppress(OSError):  # `run` may be gone
            write_all(self.answering, b"".join(self.kept))
        os.close(self.answering)
        self.answering = self.left = None


def write_all(target, data):
    """Write all of it; False if nobody reads any more.

    Any other failure, as of a full disk, costs these bytes as it would without us, and not the command.
    """
    data = memoryview(data)
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:  # somebody else who has this stream does not like to wait
            waiting = select.poll()
            waiting.register(target, select.POLLOUT)
            waiting.poll()
        except BrokenPipeError:
            return False
        except OSError:
            return True
    return True


# ------------------------------------------------------------------------------------------------ outcome
# Outcome: the word with which the end of a run is noted, and what its message says.
#
# What is noted leaves this host: masks are laid on it here, and nowhere on what is passed on.


WELL, WARNED, BADLY = "well", "warned", "badly"
MOST_NOTED = 4096  # bytes of each stream


class Wishes:
    """The options of `run` about the end, read. What makes no sense costs itself, and never the job."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.success = _wish(exit_codes, "--success-codes", arguments.success_codes, frozenset())
        self.warning = _wish(exit_codes, "--warning-codes", arguments.warning_codes, frozenset())
        for code in sorted(self.success & self.warning):
            complain("exit code {} is in --success-codes and --warning-codes: taken as a warning".format(code))
        self.masks = _wish(_patterns, "--mask", arguments.mask or None, ())
        self.lines = _wish(_count, "--tail", arguments.tail, 0)
        if arguments.mask and not self.masks and self.lines:
            complain("--mask cannot be used, so nothing of the output is noted")
            self.lines = 0

    def relayed(self):
        """The descriptors whose last lines are wanted."""
        if not self.lines:
            return ()
        return (2, 1) if self.arguments.tail_stdout else (2,)

    def outcome(self, code, has_started):
        """How a run ended: WELL, WARNED or BADLY. What could not be started has not ended well, whatever is listed."""
        if has_started and code in self.warning:
            return WARNED
        return WELL if has_started and (code == 0 or code in self.success) else BADLY

    def event(self, outcome):
        """The word for it."""
        if outcome == BADLY:
            return self.arguments.error_event
        return (outcome == WARNED and self.arguments.warning_event) or self.arguments.success_event

    def text(self, outcome, text, tails):
        """What the message says: `tails` maps descriptors to their last bytes."""
        if outcome == BADLY:
            for descriptor, data in tails.items():
                name = "output" if descriptor == 1 else "error output"
                if data is None:
                    text += "\nlast {}: not read in time".format(name)
                elif data:
                    text += "\nlast {}:\n{}".format(name, last_lines(self.masked(decoded(data)), self.lines, len(data)))
        return self.masked(text)

    def masked(self, text):
        for pattern in self.masks:
            text = pattern.sub("***", text)
        return text


def _wish(read, option, text, otherwise):
    if text is None:
        return otherwise
    try:
        return read(text)
    except InputError as error:
        complain("{}: {}; the command runs without this option".format(option, error))
        return otherwise


def exit_codes(text):
    """The exit codes in a list of numbers and ranges, as 0,24,30-35."""
    codes = set()
    for part in text.split(","):
        found = re.match(r"^\s*([0-9]{1,3})(?:-([0-9]{1,3}))?\s*$", part)
        first, last = (int(found.group(1)), int(found.group(2) or found.group(1))) if found else (1, 0)
        if not first <= last <= 255:
            raise InputError("{} is not a list of exit codes and ranges, as 0,24,30-35".format(ascii(text)))
        codes.update(range(first, last + 1))
    return frozenset(codes)


def _patterns(texts):
    if not all(texts):
        raise InputError("an empty expression; is a variable not set?")
    try:
        return tuple(re.compile(argument(text)) for text in texts)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError("not a regular expression: {}".format(error)) from None


def _count(text):
    if not re.match(r"^[0-9]{1,6}$", text):
        raise InputError("{} is not a number of lines".format(ascii(text)))
    return int(text)


def last_lines(text, count, size):
    """The last lines, of each what a terminal would still show of it, in at most MOST_NOTED bytes.

    size: of what was kept, in bytes; a first line that may have lost its beginning is left out where there are others.
    """
    lines = text.rstrip("\r\n").split("\n")
    if size >= WINDOW and len(lines) > 1:
        del lines[0]
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in lines[-count:]]
    while len(lines) > 1 and len("\n".join(lines).encode("utf-8")) > MOST_NOTED:
        del lines[0]
    kept = "\n".join(lines).encode("utf-8")
    return decoded(kept) if len(kept) <= MOST_NOTED else "..." + decoded(kept[3 - MOST_NOTED :])


# ------------------------------------------------------------------------------------------------ run
# Run: a command between the note of its start and the note of its end; the command comes first.
#
# This process never touches the queue: children do, so that a file system that hangs holds up only them.


USAGE = {
    "user_sec": "ru_utime",
    "system_sec": "ru_stime",
    "max_rss_kib": "ru_maxrss",
    "read_blocks": "ru_inblock",
    "written_blocks": "ru_oublock",
    "waits": "ru_nvcsw",
    "preemptions": "ru_nivcsw",
}
"""What is noted of a command's resources, of itself and of what it waited for, and what getrusage calls it."""


def do_run(arguments):
    """Run the command between its notes. Whatever fails here, for want of a module or of a process: it runs."""
    run = argument(arguments.run) if arguments.run else random_id()
    command = Command(arguments.command, dict(os.environ, JOB_TRACKER_RUN=run))
    try:
        return _run_noted(arguments, command, run)
    except Exception as error:  # noqa: BLE001 - the job comes first, whatever keeps us from noting
        complain("not noted: " + describe(error))
        return _run_regardless(command)


def _run_regardless(command):
    """The command's exit code; if it does not run yet, it takes this process's place."""
    if command.code is not None:
        return command.code
    if command.pid is not None:
        return command.wait()[0]
    try:
        command.become()
    except OSError as error:
        code, reason = why_not_started(command, error)
        complain(reason)
        return code


def run_without_us(words):
    """Where this Python cannot even read the command line: become the command; exit code 127 or 126 if that fails."""
    try:
        execute(words, dict(os.environ))
    except OSError as error:
        complain("{}: {}".format(words[0], describe(error)))
        return 127 if isinstance(error, FileNotFoundError) else 126


def _run_noted(arguments, command, run):
    began, began_monotonic = time.time(), time.monotonic()
    before = _note(arguments, run, arguments.start_event, began)
    first = Noter(arguments, lambda: [before], command.before)
    wishes = Wishes(arguments)
    relays = {descriptor: Relay(descriptor) for descriptor in wishes.relayed()}
    code, text, usage = _run(command, {descriptor: relay.inlet for descriptor, relay in relays.items()})
    # A clock that was set back meanwhile must not let the run end before it began.
    ended = max(time.time(), began + time.monotonic() - began_monotonic)
    until = time.monotonic() + RUN_PATIENCE
    outcome = wishes.outcome(code, usage is not None)
    tails = {descriptor: relay.last(until - 1) for descriptor, relay in relays.items()}
    after = _note(arguments, run, wishes.event(outcome), ended, exit_code=code, usage=usage)

    def notes():
        after["message"] = wishes.text(outcome, text, tails)
        return [*again, after]

    # What the first child has not stored for certain goes again; the uid sees to it that it counts once.
    again = [before] if first.wait(RUN_PATIENCE / 5) else []
    problem = Noter(arguments, notes, command.before).wait(until - time.monotonic())
    if problem:
        complain(problem)
    return code


def _run(command, streams):
    """(exit code, what to say about it, usage) of the command; no usage if it could not be started."""
    try:
        command.start(streams)
    except OSError as error:
        code, reason = why_not_started(command, error)
        complain(reason)
        return code, "the command could not be started: {}".format(reason), None
    finally:
        for inlet in streams.values():
            os.close(inlet)
    code, text, usage = command.wait()
    return code, text, {name: getattr(usage, word) for name, word in USAGE.items()}


def _note(arguments, run, event, moment, **more):
    """What is to be noted, unchecked: whoever stores it checks it, in a child."""
    given = dict(more, uid=random_id(), timestamp=moment, run=run, event=argument(event))
    return dict(given, instance=argument(arguments.instance), job=argument(arguments.job))


class Noter:
    """A child process that stores messages and says through a pipe what went wrong, while we do better things."""

    def __init__(self, arguments, make, mask):
        """make: gives the messages, unchecked, and is called in the child.  mask: the signals blocked there."""
        self.pid = self.problem = None
        self.pipe, other_end = pipe()
        try:
            self.pid = os.fork()
        except OSError as error:
            self.problem = "not noted: " + describe(error)
        if self.pid == 0:
            self._store(arguments, make, mask, other_end)
        os.close(other_end)

    def _store(self, arguments, make, mask, pipe):
        """The child's whole life."""
        code, remarks = 1, []
        try:
            os.setsid()
            for name in FORWARDED_SIGNALS:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.alarm(60)  # a mask may be an expression that never ends
            let_go(pipe)
            messages = [make_message(given, time.time(), "the note", remarks) for given in make()]
            store(arguments.file, messages, arguments.mode)
            code = 0
        except InputError as error:
            remarks = [str(error)]
        except BaseException as error:  # noqa: BLE001 - nobody is above a forked child: what it met goes up the pipe
            remarks = [describe(error)]
        finally:
            os.write(pipe, "; ".join(remarks).encode("ascii", "backslashreplace")[:4096])
            os._exit(code)

    def wait(self, seconds):
        """Wait for the child, and no longer than that; what is to be complained about, or None."""
        if self.pid is None:
            return self.problem
        until = time.monotonic() + seconds
        said = b""
        waiting = select.poll()
        waiting.register(self.pipe, select.POLLIN)
        while waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            part = os.read(self.pipe, 4096)
            if not part:
                is_stored = os.waitpid(self.pid, 0)[1] == 0
                text = said.decode("ascii")
                return (text or None) if is_stored else "not noted: " + (text or "the child process died")
            said += part
        return "not noted within {:g} seconds, and no longer waited for: the queue does not answer".format(RUN_PATIENCE)


# ------------------------------------------------------------------------------------------------ inbox
# Inbox: lines from stdin, each with its deadline and none without an end.


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


# ------------------------------------------------------------------------------------------------ serve
# Serve: the drain protocol, one JSON object a line in each direction.
#
# It begins with a greeting:
#   {"serve": "message-queue", "protocol": 1, "version", "python", "queue": ID, "clock", "depth", "highest", "nonce",
#    "drainer": null or {"tracker": ID, "since": EPOCH}, "path": of the queue, "interpreter": path of this Python,
#    "exists": whether there is a queue; where there is none "queue" is "none", and nothing is made before "open"}
# Requests, each answered with "done" and the request's name, or with "error" and "text":
#   {"do": "open", "tracker": ID, "take_over": false}  become the one who drains: lease, nonce, queue, depth,
#       highest, clock; the error "drained-by" with tracker and since if another one does and is not to be taken over
#   {"do": "take", "max": N, "wait": SECONDS, "after": _id}  messages, highest, waited, depth, clock
#   {"do": "confirm", "through": _id, "nonce": TEXT}  what this session took up to that _id is deleted: removed, nonce
#   {"do": "ping"}  clock, depth
#   {"do": "forget"}  the queue forgets who drains it, so that the next tracker's open succeeds without take_over:
#       tracker and since say who was forgotten and since when it had drained, null where nobody had; text says it to
#       people. It needs no open, deletes nothing, and leaves a session that runs as it is, until somebody opens the
#       queue: a tracker that lives goes on, and is superseded only by the next open of another one.
# Errors: "bad-request" (an unknown request among them), "not-open", "drained-by", "queue-busy" (ask again): the session
# goes on; "queue-changed" ends it with exit code 3, "superseded" with 4. Keys that one side does not know are ignored.


class Session:
    """One tracker's connection, from greeting to end."""

    def __init__(self, path, mode, idle):
        self.path, self.mode, self.idle = path, mode, idle
        self.inbox = Inbox(0)
        self.queue = self.queue_id = self.wake = None  # set once there is a queue, or the tracker wants one
        self.lease = self.token = self.nonce = None  # set by open
        self.emptied = None  # the data version at which a confirmation left nothing in the queue
        self.taken = {}  # _id -> uid of what was given out and is not yet confirmed
        self.answers = {
            "open": self.open,
            "take": self.take,
            "confirm": self.confirm,
            "ping": self.ping,
            "forget": self.forget,
        }

    def look_for_queue(self):
        """Use the queue if there is one; who only looks makes none, so that a wrong path does not look right."""
        if is_begun(self.path):
            self.use_queue()
        else:
            require_makeable(self.path)
            require_sqlite()

    def use_queue(self):
        """Open the queue's file, and make what is missing of it."""
        self.queue = Queue(self.path, time.monotonic() + PATIENCE, create_mode=self.mode)
        self.queue_id = self.queue.meta()["queue"]

    def close(self):
        if self.queue is not None:
            self.queue.connection.close()

    def greeting(self):
        facts = NO_QUEUE
        if self.queue is not None:
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
            "path": argument(os.path.abspath(self.path)),
            "interpreter": argument(sys.executable or ""),
            "exists": self.queue is not None,
        }

    def converse(self):
        """Answer requests until the tracker is gone or may not go on; the exit code."""
        self.send(compact(self.greeting()))
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
            except (QueueError, OSError) as error:
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
            return compact({"error": "not-open", "text": "{} before open".format(what)})
        if self.queue is not None:
            self.queue.until = time.monotonic() + SERVE_PATIENCE
        answer = self.answers[what](request)
        return answer if isinstance(answer, str) else compact(answer)

    def open(self, request):
        tracker = checked_name(request.get("tracker"), "tracker", "open")
        take_over = request.get("take_over", False)
        if not isinstance(take_over, bool):
            raise InputError("open: take_over must be true or false")
        if self.queue is None:
            self.use_queue()
        if self.wake is None:
            self.wake = open_wake(self.path + ".wake")
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
        return '{{"done":"take","messages":[{}],{}'.format(",".join(messages), compact(rest)[1:])

    def look(self, limit, after):
        """One consistent look: (messages as JSON, depth, highest id)."""
        room = LONGEST_LINE - 1000  # for what goes around the messages
        messages, taken = [], []
        with self.queue.transaction("DEFERRED"):
            facts = self.queue.facts()
            self.require_ours(facts)
            for row in self.queue.execute(self.queue.select() + "WHERE _id > ? ORDER BY _id LIMIT ?", (after, limit)):
                text = compact(as_object(row))
                if len(text) + 1 > LONGEST_LINE - 1000:
                    text = compact(shortened(as_object(row)))
                room -= len(text) + 1
                if room < 0:
                    break
                messages.append(text)
                taken.append((row[0], row[UID]))
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
        nonce = checked_name(request.get("nonce"), "nonce", "confirm")
        # Trackers of before said `"ids": []` where they had nothing to delete, and nothing else with ids.
        if "ids" in request and (request["ids"] != [] or "through" in request):
            raise InputError("confirm: through says what is confirmed; ids may only be empty, and alone")
        through = 0 if "ids" in request else _whole(request.get("through"), "through", 0)
        rows = sorted(row for row in self.taken.items() if row[0] <= through)
        with self.queue.transaction():
            self.require_ours(self.queue.meta())
            removed = self.remove(rows)
            self.queue.remember(nonce=nonce)
            is_empty = self.queue.rows("SELECT NOT EXISTS (SELECT 1 FROM messages)")[0][0]
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
                if self.queue.rows("SELECT 1 FROM messages WHERE _id = ?", (number,)):
                    raise QueueChangedError("{} was restored from an older copy".format(self.queue.path))
        return removed

    def ping(self, _):
        if self.queue is None:
            return {"done": "ping", "clock": round(time.time(), 6), "depth": 0}
        with self.queue.transaction("DEFERRED"):
            meta = self.queue.meta()
            self.require_same_queue(meta) if self.token is None else self.require_ours(meta)
            depth = self.queue.depth()
        return {"done": "ping", "clock": round(time.time(), 6), "depth": depth}

    def forget(self, _):
        """Let whoever opens the queue next have it; the answer says from whom it was taken."""
        if self.queue is None:
            text = "there is no queue at {} yet".format(argument(self.path))
            return {"done": "forget", "tracker": None, "since": None, "text": text}
        with self.queue.transaction():
            meta = self.queue.meta()
            self.require_same_queue(meta)
            tracker, since = meta["tracker"], meta["since"]
            self.queue.remember(tracker=None, since=None)
        text = "nobody drained it" if tracker is None else drained_by(meta) + ", and forgotten now"
        return {"done": "forget", "tracker": tracker, "since": since, "text": text}

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
        self.send(compact({"error": error, "text": str(text)}))

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


def _whole(value, key, lowest):
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= HIGHEST_ID:
        raise InputError("{} must be a whole number from {}".format(key, lowest))
    return value


def do_serve(arguments):
    session = Session(arguments.file, arguments.mode, arguments.idle)
    try:
        session.look_for_queue()
        return session.converse()
    except EndOfInputError:
        return 0
    finally:
        session.close()


# ------------------------------------------------------------------------------------------------ manual
# The manual: what --help prints, of the whole and of each verb; no line is longer than a terminal is wide.


MANUAL = """\
Jobs report into QUEUE, an SQLite file on this host; the tracker drains it
through `serve`.

examples:
  message-queue.py -f /var/lib/job_tracker/queue.sqlite \\
      run --instance P --job LOAD_DWH -- /opt/dwh/load.sh --full
  message-queue.py -f /var/lib/job_tracker/queue.sqlite \\
      add --instance P --job LOAD_DWH --event STARTED
  message-queue.py -f /var/lib/job_tracker/queue.sqlite count
`message-queue.py VERB --help` has more for each verb. -f may stand before or
after the verb. A path that begins with ~ or $ is refused: nothing expanded it.

exit codes:
  0  done
  1  could not: locked, full, read-only, damaged. One line on stderr says
     which; nothing was changed. No verb waits for locks longer than 5 seconds.
  2  the command line or the message is wrong; one line says where
  `run` returns the exit code of its command; `serve` ends with 3 if the queue
  was replaced, with 4 if superseded.

who may write:
  A missing directory is made with mode 0700: only the user who ran the first
  job. Where jobs run as several users, make the directory for their group (or
  let the first add make it, with --mode 2770):
    install -d -m 2770 -g jobs /var/lib/job_tracker
  The file itself is made with mode 0660, so the directory decides. Links and
  anything but a plain file are refused. Network file systems are not safe for
  SQLite; keep the queue on a local disk.
"""

ADD = """\
A message has instance, job and event, and optionally message (text), run (an
id that ties the messages of one run together), exit_code, timestamp (seconds
since 1970, default now) and uid (default random; the same uid is stored once).
Text that would make a message longer than 64 KiB as JSON is cut, with a mark.

Without instance, job and event nothing is stored. Anything else that is odd,
an empty --exit-code say, costs only itself: the message is stored, the odd
value is in its text, and a line on stderr says so.

A run that nobody ended (its wrapper was killed, its host lost its power) stays
open until its end is added by hand, with its id:
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH \\
      --event SUCCESS --run ID

examples:
  message-queue.py -f QUEUE add -j '{"instance": "P", "job": "LOAD_DWH",
      "event": "STARTED", "message": "text"}'
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ERROR \\
      --message "no space" --exit-code 3
  produce-json-lines | message-queue.py -f QUEUE add -j -
  message-queue.py -f OLD list | message-queue.py -f QUEUE add -j -
All that comes on stdin is stored in one transaction; one line that is no
message, and nothing is stored.
"""

LIST = """\
Prints a JSON array on one line, `[]` when there is nothing, and removes
nothing.

examples:
  message-queue.py -f QUEUE list
  message-queue.py -f QUEUE list -i 42
  message-queue.py -f QUEUE list --since "$(date -d '1 hour ago' +%s)"
"""

REMOVE = """\
Prints what it removes, as list does. The tracker will not see these messages.
Without options it removes all. It prints first: if the output cannot be
written, nothing is removed.

examples:
  message-queue.py -f QUEUE remove -i 42
  message-queue.py -f QUEUE remove --before "$(date -d '30 days ago' +%s)" \\
      > removed.json
"""

COUNT = """\
Prints the number of messages that wait for the tracker.

example:
  test "$(message-queue.py -f QUEUE count)" -lt 10000 ||
      echo "the tracker does not drain this host"
"""

STATS = """\
Prints a line each: the queue's id, its depth, oldest and newest message, ids,
who drains it, sizes, versions. Beside moments stands this host's local time.

examples:
  message-queue.py -f QUEUE stats
  message-queue.py -f QUEUE stats --json
"""

VACUUM = """\
Gives the file's unused pages back to the disk. Jobs that report meanwhile
wait, at most 5 seconds.

example:
  message-queue.py -f QUEUE vacuum
"""

RUN = """\
Notes STARTED, runs the command, notes SUCCESS (exit code 0) or ERROR (anything
else) with the exit code and the resources it used, and returns the command's
exit code: 128+N if it was killed by signal N, 127 if it was not found, 126 if
it could not be started.

The command comes first. It runs even if nothing can be noted; its end is held
up for 5 seconds at most. A script without #! is run by /bin/sh, as crontab
does. stdin, stdout and stderr are the command's own, but for --tail. SIGHUP,
SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 are passed on, each once. The
command finds its run id in the environment as JOB_TRACKER_RUN.

--success-codes and --warning-codes take lists and ranges, as 0,24,30-35; 0 is
a success unless it is listed as a warning. A warning is noted with the word of
--warning-event, without it as a success; its message names the code.

--tail N ends the message of a run that ended badly with the last N lines of
its error output, at most 4 KB, and with --tail-stdout those of its output,
too. What is noted leaves this host: it is read by whoever sees the alarm.
--mask REGEX (more than once if need be) puts *** in the place of what it
matches in what is noted; what the command prints is passed on as it is.
With --tail that stream is a pipe, no terminal, passed on by a process of its
own: in order, but two streams keep no order between them, as with two pipes.

If `run` itself is killed with -9 the command goes on, and nobody notes its
end: see `add --help` for how such a run is ended.

examples:
  message-queue.py -f QUEUE run --instance P --job BACKUP \\
      -- tar -czf /backup/home.tgz /home
  message-queue.py -f QUEUE run --instance P --job LOAD_DWH \\
      -- sh -c 'extract && load'
  message-queue.py -f QUEUE run --instance P --job SYNC --success-codes 0,24 \\
      --tail 5 --mask 'password=[^ ]+' -- rsync -a /data backup:
  in the job:
  message-queue.py -f QUEUE add --instance P --job LOAD_DWH --event ROWS \\
      --run "$JOB_TRACKER_RUN"
"""

SERVE = """\
Speaks the drain protocol, one JSON object a line, on stdin and stdout; started
by the tracker, usually through SSH. Makes the queue if it is missing, and
beside it the FIFO QUEUE.wake, by which add wakes a waiting tracker. Ends when
stdin closes and when no request comes for --idle seconds.

example (by hand):
  echo '{"do": "ping"}' | message-queue.py -f QUEUE serve
"""


# ------------------------------------------------------------------------------------------------ command_line
# The command line: what may be asked for, and how its end is told.


def octal_mode(text):
    if not re.match(r"^[0-7]?7[0-7][0-7]$", text):
        raise argparse.ArgumentTypeError("must be octal and give the owner all rights, as 0700 or 2770")
    return int(text, 8)


def seconds_since_1970(text):
    try:
        return checked_timestamp(float(text), "it", "")
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
        prog="message-queue.py",
        description=MANUAL.split("\n\n")[0],
        epilog=MANUAL.split("\n\n", 1)[1],
        formatter_class=raw,
    )
    _add_common(parser)
    parser.add_argument("--version", action="version", version="message-queue.py " + VERSION)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", prog="message-queue.py -f QUEUE")
    verbs.required = True  # not an argument of add_subparsers before Python 3.7

    def verb(name, function, summary, text):
        made = verbs.add_parser(name, help=summary, description=text, formatter_class=raw)
        made.set_defaults(function=function)
        _add_common(made)
        return made

    _add_add(verb("add", do_add, "store a message, or many", ADD))

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

    _add_run(verb("run", do_run, "run a command and note its start and its end", RUN))

    serve = verb("serve", do_serve, "let the tracker drain the queue", SERVE)
    serve.add_argument("--idle", type=positive_seconds, default=IDLE, metavar="SECONDS", help="default 60")
    return parser


def _add_common(parser):
    """The options that may stand before or after the verb; without defaults, so that neither place undoes the other."""
    none = argparse.SUPPRESS
    parser.add_argument("-f", "--file", default=none, metavar="QUEUE", help="the queue's file")
    parser.add_argument(
        "--mode",
        type=octal_mode,
        default=none,
        help="mode of the queue's directory, if it is missing and is made; default 0700, 2770 shares it with its group",
    )


def _add_add(add):
    add.add_argument("-j", "--json", metavar="JSON", help="the message as a JSON object, or - to read stdin")
    for name in PLAIN:
        metavar = {"exit_code": "N", "timestamp": "EPOCH"}.get(name)
        # Without a value, as an unset variable leaves it, an option is empty and not an error: see `add --help`.
        add.add_argument("--" + name.replace("_", "-"), nargs="?", const="", metavar=metavar)


def _add_run(run):
    run.usage = "message-queue.py -f QUEUE run --instance I --job J [options] -- COMMAND"
    value = {
        "nargs": "?",
        "const": "",
    }  # an option that an unset variable has left without one must cost no job its run
    run.add_argument("--instance", required=True, **value)
    run.add_argument("--job", required=True, **value)
    run.add_argument("--run", metavar="ID", help="the run's id; default random", **value)
    for name, default in (("start", "STARTED"), ("error", "ERROR"), ("success", "SUCCESS")):
        option, text = "--{}-event".format(name), "default " + default
        run.add_argument(option, default=default, metavar="WORD", help=text, **value)
    run.add_argument("--warning-event", metavar="WORD", help="default: that of a success", **value)
    run.add_argument("--success-codes", metavar="CODES", help="exit codes that are a success, as 0,24,30-35", **value)
    run.add_argument("--warning-codes", metavar="CODES", help="exit codes that are a warning", **value)
    tail = "note the last N lines of the error output of a run that ended badly"
    run.add_argument("--tail", metavar="N", help=tail, **value)
    run.add_argument("--tail-stdout", action="store_true", help="and those of its output")
    mask = "note *** instead of what this matches"
    run.add_argument("--mask", metavar="REGEX", action="append", help=mask, **value)


def parse(argv):
    """The arguments; the command of `run` is cut off before argparse sees it, whose ideas of `--` vary by version."""
    command = command_of(argv)
    if command is not None:
        argv = argv[: argv.index("--")]
    elif verb_of(argv) == "add":
        argv = joined(argv)
    parser = make_parser()
    arguments, rest = parser.parse_known_args(argv)
    if not hasattr(arguments, "file"):
        parser.error("the following arguments are required: -f/--file")
    arguments.mode = getattr(arguments, "mode", 0o700)
    if rest and arguments.verb == "run" and command is None:
        parser.error("run: the command stands after --, as in: run --instance I --job J -- {}".format(" ".join(rest)))
    if arguments.verb == "run":
        if not command:
            parser.error("run: the command is missing; it stands after --")
        arguments.command = command
    if arguments.verb == "add":
        if arguments.json is not None and any(getattr(arguments, name) is not None for name in PLAIN):
            parser.error("add: either -j or the single options")
        if arguments.json is None:
            arguments.rest, rest = rest, []  # a message is not lost for the sake of what is too much
    if rest:
        parser.error("unrecognized arguments: {}".format(" ".join(rest)))
    return arguments


def verb_of(argv):
    """The first argument that is neither an option nor the value of one; None if there is none."""
    rest = iter(argv)
    for each in rest:
        if each in ("-f", "--file", "--mode"):
            next(rest, None)
        elif not each.startswith("-"):
            return each
    return None


def command_of(argv):
    """What stands behind the -- of a `run`; None where there is none."""
    return argv[argv.index("--") + 1 :] if verb_of(argv) == "run" and "--" in argv else None


def joined(argv):
    """The arguments of `add`, each value that begins with a dash tied to its option: argparse would refuse it."""
    options = ["--" + name.replace("_", "-") for name in PLAIN]
    known = {*options, "-f", "--file", "--mode", "-j", "--json", "-h", "--help", "--version"}
    made = []
    for each in argv:
        if made and made[-1] in options and each.startswith("-") and each.split("=")[0] not in known:
            made[-1] += "=" + each
        else:
            made.append(each)
    return made


def main(argv):
    try:
        arguments = parse(argv)
    except ImportError:  # this Python lacks a module
        command = command_of(argv)
        if not command:
            raise
        complain("not noted: the command line cannot be read, {}".format(describe(sys.exc_info()[1])))
        return run_without_us(command)
    try:
        return arguments.function(arguments)
    except InputError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except (QueueError, OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):  # `list | head`: nobody wants the rest
            complain(describe(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered would be complained about once more
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
