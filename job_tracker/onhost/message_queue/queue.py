"""The queue: one open file, one deadline for all its locks, and every change a transaction."""

import contextlib
import os
import stat
import sys
import time

from .file import escape_path, exact_modes, explain, identity, make_file, require_expanded, sync_directory
from .ground import (
    COLUMNS,
    FACTS,
    INSERT,
    INSERT_FURTHER,
    NARROW,
    PAGE,
    PATIENCE,
    SCHEMA,
    SCHEMA_VERSION,
    WIDE,
    WIDEN,
    DamagedError,
    QueueChangedError,
    QueueError,
    json,
    sqlite3,
)
from .messages import decoded, random_id

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
