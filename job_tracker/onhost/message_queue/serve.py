"""Serve: the drain protocol, one JSON object a line in each direction.

It begins with a greeting:
  {"serve": "message-queue", "protocol": 1, "version", "python", "queue": ID, "clock", "depth", "highest", "nonce",
   "drainer": null or {"tracker": ID, "since": EPOCH}, "path": of the queue, "interpreter": path of this Python,
   "exists": whether there is a queue; where there is none "queue" is "none", and nothing is made before "open"}
Requests, each answered with "done" and the request's name, or with "error" and "text":
  {"do": "open", "tracker": ID, "take_over": false}  become the one who drains: lease, nonce, queue, depth,
      highest, clock; the error "drained-by" with tracker and since if another one does and is not to be taken over
  {"do": "take", "max": N, "wait": SECONDS, "after": _id}  messages, highest, waited, depth, clock
  {"do": "confirm", "through": _id, "nonce": TEXT}  what this session took up to that _id is deleted: removed, nonce
  {"do": "ping"}  clock, depth
  {"do": "forget"}  the queue forgets who drains it, so that the next tracker's open succeeds without take_over:
      tracker and since say who was forgotten and since when it had drained, null where nobody had; text says it to
      people. It needs no open, deletes nothing, and leaves a session that runs as it is, until somebody opens the
      queue: a tracker that lives goes on, and is superseded only by the next open of another one.
Errors: "bad-request" (an unknown request among them), "not-open", "drained-by", "queue-busy" (ask again): the session
goes on; "queue-changed" ends it with exit code 3, "superseded" with 4. Keys that one side does not know are ignored.
"""

import contextlib
import os
import signal
import sys
import time

from .file import is_begun, require_makeable
from .ground import (
    DELETE,
    HIGHEST_ID,
    LONGEST_LINE,
    PATIENCE,
    POLL,
    PROTOCOL,
    PYTHON,
    SERVE_PATIENCE,
    VERSION,
    InputError,
    QueueChangedError,
    QueueError,
    SupersededError,
    describe,
    select,
)
from .inbox import EndOfInputError, Inbox
from .messages import UID, argument, as_object, checked_name, compact, decode_json, random_id, shortened
from .queue import NO_QUEUE, Queue, drained_by, open_wake, refusal, require_sqlite


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
