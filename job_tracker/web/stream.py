"""The live stream: what becomes true, sent to every browser that looks, by server-sent events.

Rule: what a class of rights may see is put into words once, however many of it listen.
Rule: nobody waits for a slow listener: what he does not fetch in time is replaced by the word to load everything anew.
Rule: a listener who comes back says the last number that he got, and gets what came since, without a gap.
Rule: who is no longer let in hears nothing more.

Messages: `hello` (it begins, with the version of what is known: a page that shows another one asks for its rows),
`event` (has an id; an event as `job_tracker events --json` tells it), `jobs` (the keys whose rows show something else
now, or null: any may; and the version), `health` (whether the tracker reports, and since when not), `resync` (load
everything anew), `bye` (log in again).
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from job_tracker import clock
from job_tracker.core.events import GAP
from job_tracker.events.reading import AT_ONCE, EventsReader, EventsUnreadable
from job_tracker.web import written
from job_tracker.web.board import Snapshot
from job_tracker.web.context import Context
from job_tracker.web.problems import Problem
from job_tracker.web.reader import Event, News
from job_tracker.web.rights import Rights, Who

log = logging.getLogger("job_tracker.web")

BEAT_EVERY = 15
"""Looks, one a second, between two words that the stream is alive."""

MOST_MESSAGES, MOST_BYTES = 256, 1_000_000
MOST_NAMED = 200
MOST_STREAMS = 1_500
AGAIN_AFTER = 3000
"""Milliseconds after which a browser comes back."""

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Listener:
    """One open stream.  who: whose; it has ended once `is_over`."""

    def __init__(self, who: Who) -> None:
        self.who = who
        self.is_over = False
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._has_some = asyncio.Event()

    def put(self, message: bytes, seq: int) -> None:
        """Let it have a message; if too many wait, the word that everything is to be loaded anew instead."""
        if len(self._waiting) >= MOST_MESSAGES or self._size + len(message) > MOST_BYTES:
            self._waiting.clear()
            self._size = 0
            message = said("resync", {"seq": seq}, seq)
        self._waiting.append(message)
        self._size += len(message)
        self._has_some.set()

    def end(self, message: bytes = b"") -> None:
        """Say no more than that."""
        self.is_over = True
        if message:
            self._waiting.append(message)
        self._has_some.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """What there is, as it comes."""
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            waiting = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            if waiting:
                yield waiting
            if self.is_over:
                return


class Hub:
    """All open streams.  seq: the newest event that they were told of.  All but `tell` on the loop's own thread.

    also: who else hears of news, there too.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.board = Snapshot()
        self.listeners: set[Listener] = set()
        self.also: Callable[[News], None] = lambda _: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stale: int | None = None

    def open(self, loop: asyncio.AbstractEventLoop, board: Snapshot) -> None:
        """Begin, from a board."""
        self.board, self.seq = board, max(self.seq, board.seq)
        self._stale = board.stale_since(clock.now())
        self._loop = loop

    def tell(self, news: News) -> None:
        """Hear of news, from any thread."""
        if self._loop is None:
            self.seq = max(self.seq, news.board.seq)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.spread, news)

    def spread(self, news: News) -> None:
        """Send news to everybody, to each what he may see."""
        self.board = news.board
        self.seq = max(self.seq, news.board.seq)
        by_class: dict[Rights, bytes] = {}
        for listener in list(self.listeners):
            rights = listener.who.rights
            message = by_class.get(rights)
            if message is None:
                message = by_class[rights] = worded(news, rights)
            if message:
                listener.put(message, self.seq)
        self.look_at_health()
        self.also(news)

    def look_at_health(self, *, beat: bool = False) -> None:
        """Say whether the tracker reports, when that has changed, and now and then that the stream is alive."""
        stale = self.board.stale_since(clock.now())
        if beat or (stale is None) is not (self._stale is None):
            message = (b": alive\n\n" if beat else b"") + said("health", health(self.board))
            for listener in list(self.listeners):
                listener.put(message, self.seq)
        self._stale = stale

    def end_those(self, revoked: Iterable[Listener]) -> None:
        """Let some hear nothing more."""
        for listener in revoked:
            listener.end(said("bye", {"why": "log in again"}))
            self.listeners.discard(listener)

    def close(self) -> None:
        """End all streams; browsers come back by themselves."""
        for listener in list(self.listeners):
            listener.end()
        self.listeners.clear()


async def stream(context: Context) -> Response:
    """An open stream, from now on or from behind a number."""
    hub: Hub = context.part.hub
    if len(hub.listeners) >= MOST_STREAMS:
        raise Problem(503, "too many streams are open; try again later", {"Retry-After": "30"})
    after = _asked_from(context)
    if context.request.method == "HEAD":
        return Response(media_type="text/event-stream", headers=HEADERS)
    listener = Listener(context.who)
    hub.listeners.add(listener)
    since, board = hub.seq, hub.board

    async def told() -> AsyncIterator[bytes]:
        try:
            begun = said("hello", {"seq": since, "version": board.version}, since if after is None else None)
            yield f"retry: {AGAIN_AFTER}\n\n".encode() + said("health", health(board)) + begun
            if after is not None:
                yield await run_in_threadpool(_missed, context, after, since)
            async for message in listener.messages():
                yield message
        finally:
            hub.listeners.discard(listener)

    return StreamingResponse(told(), media_type="text/event-stream", headers=HEADERS)


def said(name: str, data: Any, seq: int | None = None) -> bytes:
    """One message."""
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def worded(news: News, rights: Rights) -> bytes:
    """What those with these rights are told of news."""
    parts = [said("event", written.event(event), event["seq"]) for event in news.events if may_hear(event, rights)]
    changed = [key for key in news.changed if rights.sees(key)]
    if news.is_whole or len(changed) > MOST_NAMED:
        parts.append(said("jobs", {"version": news.board.version, "changed": None}))
    elif changed:
        parts.append(said("jobs", {"version": news.board.version, "changed": changed}))
    return b"".join(parts)


def may_hear(event: Event, rights: Rights) -> bool:
    """Whether an event is for those with these rights; what is of no job is for whoever sees all."""
    if event["kind"] == GAP or rights.sees_all:
        return True
    return "job" in event and rights.sees(event["job"])


def health(board: Snapshot) -> dict[str, Any]:
    """Whether what is shown is so now."""
    now = clock.now()
    since = board.stale_since(now)
    return {
        "stale": since is not None,
        "since": written.optional(since or None),
        "written": written.optional(board.meta.get("written")),
        "why": board.why_stale(now),
    }


def _asked_from(context: Context) -> int | None:
    asked = context.request.headers.get("last-event-id") or context.query.get("after", "")
    if not asked:
        return None
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 18):
        raise Problem(400, "the number of an event is a whole number")
    return int(asked)


def _missed(context: Context, after: int, until: int) -> bytes:
    """What came between two numbers, for whoever comes back; too much to tell is loaded anew."""
    if after == until:
        return b""
    if after < until:
        try:
            reader = EventsReader(context.events)
            try:
                found = reader.after(after)
            finally:
                reader.close()
        except EventsUnreadable:
            found = []
        if found and len(found) < AT_ONCE:
            rights = context.who.rights
            told = [each for each in found if each["seq"] <= until and may_hear(each, rights)]
            events = b"".join(said("event", written.event(event), event["seq"]) for event in told)
            return events + _rows_of(told, context)
    return said("resync", {"seq": until}, until)


def _rows_of(events: Iterable[Event], context: Context) -> bytes:
    """Which rows those events have changed, for a page that was not told so when they did."""
    keys = list(dict.fromkeys(event["job"] for event in events if "job" in event))
    changed = keys if len(keys) <= MOST_NAMED else None
    return said("jobs", {"version": context.board.version, "changed": changed}) if keys else b""
