"""The sockets: who is connected, what he wants to hear, and what of it he may.

Rule: what somebody may see is asked for at each message: rights that were changed, a token that ended or was revoked
close the socket before anything more is sent through it.
Rule: what a class of rights may see is put into words once, however many of it listen.
Rule: nobody waits for a slow listener: who does not fetch what waits for him is cut off.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from job_tracker import clock
from job_tracker.moments import MICROSECONDS
from job_tracker.web import written
from job_tracker.web.board import Snapshot
from job_tracker.web.core4.envelope import NOBODYS, id_of, id_of_event, moment
from job_tracker.web.core4.queue import Happened, Queue
from job_tracker.web.reader import News
from job_tracker.web.rights import Rights, Who
from job_tracker.web.stream import health, may_hear

log = logging.getLogger("job_tracker.web")

QUEUE, MESSAGE, TRACKER = "queue", "message", "tracker"
MOST_WAITING, MOST_BYTES = 256, 1_000_000
AT_MOST = 20
"""Times that much may wait for somebody who fetches some of it, as when a night is told at once."""

GONE, ENDED, SLOW, BROKEN_RULE = 1012, 4401, 1013, 1008

Summary = list[dict[str, Any]]


class Socket:
    """One of them.  who: whose; until: when it ends by itself; summary: what he was told last of the queue.

    is_stale: and last of the tracker, whether nobody knows what is so now; None: nothing yet.
    """

    def __init__(self, who: Who, until: int) -> None:
        self.who, self.until = who, until
        self.interests: frozenset[str] = frozenset()
        self.summary: str = "[]"
        self.is_stale: bool | None = None
        self.closing: tuple[int, str] | None = None
        self.has_some, self.is_closing = asyncio.Event(), asyncio.Event()
        self._waiting: deque[tuple[str, bool]] = deque()
        self._size = 0
        self._has_fetched = True

    def put(self, *texts: str) -> None:
        """Let him have what is told at once, or be cut off where too much waits of what was told before."""
        share = max(len(self._waiting) / MOST_WAITING, self._size / MOST_BYTES)
        if share >= AT_MOST or (share >= 1 and not self._has_fetched):
            self.close(SLOW, "what waits is not fetched; connect again")
        if self.closing is not None or not texts:
            return
        self._has_fetched = False
        self._waiting.extend((text, False) for text in texts)
        self._size += sum(map(len, texts))
        self.has_some.set()

    def put_summary(self, text: str) -> None:
        """Likewise a summary, which takes the place of one that still waits."""
        if self.closing is None:
            self._waiting = deque(each for each in self._waiting if not each[1])
            self._waiting.append((text, True))
            self.has_some.set()

    def take(self) -> str | None:
        """The next message; None: there is none."""
        if not self._waiting:
            self.has_some.clear()
            return None
        text, is_summary = self._waiting.popleft()
        self._has_fetched = True
        self._size -= 0 if is_summary else len(text)
        return text

    def close(self, code: int, why: str) -> None:
        """Send nothing more, not even what waits, and end."""
        if self.closing is None:
            self.closing = (code, why)
            self._waiting.clear()
            self.has_some.set()
            self.is_closing.set()


class Sockets:
    """All that are open.  look: ends those that are no longer let in; author: by whom the tracker runs."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.author = ""
        self.open: set[Socket] = set()
        self.look: Callable[[], None] = _nothing
        self._summaries: dict[Rights, str] = {}
        self._of_version = -1

    def spread(self, happened: Sequence[Happened], news: News) -> None:
        """Tell everybody what he wants to hear of it, and may."""
        if not self.open or not (happened or news.events):
            return
        self.look_again()
        queue, tracker = self._of_queue(happened), self._of_tracker(news)
        words: dict[tuple[str, Rights], list[str]] = {}
        for socket in list(self.open):
            rights = socket.who.rights.of_jobs
            for channel in socket.interests & {QUEUE, TRACKER}:
                if (channel, rights) not in words:
                    words[channel, rights] = (queue if channel == QUEUE else tracker)(rights)
                socket.put(*words[channel, rights])

    def tick(self, board: Snapshot, now: int) -> None:
        """Say what the queue is like where it is not what it was, and whether the tracker reports."""
        if not self.open:
            return
        self.look_again()
        is_stale = board.stale_since(now) is not None
        told = self.message("health", TRACKER, now, health(board))
        for socket in list(self.open):
            if TRACKER in socket.interests and socket.is_stale is not is_stale:
                socket.is_stale = is_stale
                socket.put(told)
            if QUEUE in socket.interests and (summary := self._summary(socket.who.rights.of_jobs)) != socket.summary:
                socket.summary = summary
                head = self._head("summary", QUEUE, self.author, now)
                socket.put_summary(f'{head},"data":{summary}}}')

    def look_again(self) -> None:
        """End whoever is no longer let in, and whose time is over."""
        self.look()
        now = clock.now()
        self.end((each for each in list(self.open) if each.until <= now), ENDED, "log in again")

    def end(self, those: Iterable[Socket], code: int, why: str) -> None:
        """Let some hear nothing more."""
        for each in those:
            each.close(code, why)
            self.open.discard(each)

    def say(self, author: str, text: str) -> str:
        """Tell whoever wants to hear messages of one; its id."""
        now = clock.now()
        id = id_of(now, "message", author, text, now)
        told = self.message("message", MESSAGE, now, text, id=id, author=author)
        asyncio.get_running_loop().call_soon(self._tell_all, MESSAGE, told)  # behind the answer to whoever said it
        return id

    def message(self, name: str, channel: str, created: int, data: Any, *, id: str = "", author: str = "") -> str:
        """One message, as core4 words it."""
        head = self._head(name, channel, author or self.author, created, id)
        return f'{head},"data":{_json(data)}}}'

    def _tell_all(self, channel: str, text: str) -> None:
        for socket in list(self.open):
            if channel in socket.interests:
                socket.put(text)

    def _of_queue(self, happened: Sequence[Happened]) -> Callable[[Rights], list[str]]:
        """What those with some rights are told of it: of each the whole, or what everybody is told."""

        @cache
        def worded(place: int, sees: bool) -> str:
            told, event = happened[place]
            id = id_of_event(told.created, told.number, told.part)
            data = told_of(told.counts, told.name, event, sees=sees)
            return self.message(told.name, QUEUE, told.created, data, id=id)

        return lambda rights: [worded(place, rights.sees(each.event["job"])) for place, each in enumerate(happened)]

    def _of_tracker(self, news: News) -> Callable[[Rights], list[str]]:
        """Likewise of events as they are, to whoever may hear of them."""

        @cache
        def worded(place: int) -> str:
            event = news.events[place]
            created = round(event["created"] * MICROSECONDS)
            id = id_of_event(created, event["seq"], 0)
            return self.message(event["kind"], TRACKER, created, written.event(event), id=id)

        return lambda rights: [worded(place) for place, each in enumerate(news.events) if may_hear(each, rights)]

    def _summary(self, rights: Rights) -> str:
        if self._of_version != self.queue.version:
            self._of_version = self.queue.version
            self._summaries.clear()
        if rights not in self._summaries:
            self._summaries[rights] = _json(summary_of(self.queue, rights))
        return self._summaries[rights]

    @staticmethod
    def _head(name: str, channel: str, author: str, created: int, id: str = "") -> str:
        whole = {"_id": id, "name": name, "author": author, "channel": channel, "created": moment(created)}
        return _json({key: value for key, value in whole.items() if value})[:-1]


def summary_of(queue: Queue, rights: Rights) -> Summary:
    """How many jobs are how in the queue; those that somebody may not see are one, without a name."""
    found: dict[tuple[str, str, bool, bool, bool], int] = {}
    for key, place in queue.places.items():
        name = key if rights.sees(key) else "UnauthorizedJob"
        row = (place.state, name, place.wall, place.zombie, place.killed)
        found[row] = found.get(row, 0) + place.n
    return [
        {"name": name, "state": state, "n": n, "wall": wall, "zombie": zombie, "killed": killed, "removed": False}
        for (state, name, wall, zombie, killed), n in sorted(found.items())
    ]


def told_of(counts: Any, name: str, event: dict[str, Any], *, sees: bool) -> dict[str, Any]:
    """What is told of something that happened: to whom the job is hidden, the counts alone."""
    if not sees:
        return {"_id": NOBODYS, "queue": counts}
    run = event.get("run", {}).get("number")
    begun = next((each for each in (event.get("begin"), event.get("end")) if each is not None), event["at"])
    about = (event["tracker"], event["job"], event["seq"] if run is None else run)
    data = {"_id": id_of(round(begun * MICROSECONDS), *about), "queue": counts, "job": event["job"]}
    data |= {"run": run, "at": written.moment(round(event["at"] * MICROSECONDS)), "exit_code": event.get("exit_code")}
    data |= {"late": event.get("late"), "corrects": event.get("corrects")}
    data["reason"] = "missed" if name == "failed_start" and event.get("count") else None
    return {key: value for key, value in data.items() if value is not None}


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))


def _nothing() -> None:
    """Where nobody is looked up, as in a test of the words alone."""
