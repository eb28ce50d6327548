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

import contextlib
import sys


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
