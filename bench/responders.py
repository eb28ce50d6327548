"""Responders: a thousand queues in one thread, which speak the serve protocol to whatever a relay connects to them.

Rule: only the far side of the protocol is simulated; the way there is real: sshd, key, forced command, a process each.
"""

import asyncio
import json
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RELAY = """\
use strict; use Socket;
my ($path, $queue) = @ARGV;
socket(my $way, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
connect($way, sockaddr_un($path)) or die "connect: $!";
my ($wanted) = ($ENV{SSH_ORIGINAL_COMMAND} // "") =~ m{-f (\\S+)};
syswrite($way, ($wanted // "?") . "\\n");
while (1) {
    my $bits = ""; vec($bits, 0, 1) = 1; vec($bits, fileno($way), 1) = 1;
    select(my $ready = $bits, undef, undef, undef);
    for my $pair ([\\*STDIN, $way], [$way, \\*STDOUT]) {
        my ($from, $to) = @$pair;
        next unless vec($ready, fileno($from), 1);
        exit 0 unless sysread($from, my $data, 65536);
        syswrite($to, $data);
    }
}
"""
"""A forced command that costs little: two megabytes, and no Python of its own for each of a thousand connections."""

Json = dict[str, Any]


@dataclass
class Queue:
    """One queue: its messages, and how often it was opened."""

    messages: list[Json] = field(default_factory=list)
    highest: int = 0
    nonce: str | None = None
    opened: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Responders:
    """All queues by their path, served on a UNIX socket by a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.queues: dict[str, Queue] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._run, name="responders", daemon=True).start()
        assert self._ready.wait(10)

    def add(self, queue: str, job: str, event: str) -> None:
        """Put a message into a queue, now."""
        self._loop.call_soon_threadsafe(self._add, queue, job, event, time.time())

    def depth(self) -> int:
        """How many messages lie in all queues."""
        return sum(len(queue.messages) for queue in list(self.queues.values()))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_unix_server(self._serve, path=self.path, backlog=2000)
        self._loop.run_until_complete(serving)
        self._ready.set()
        self._loop.run_forever()

    def _add(self, name: str, job: str, event: str, moment: float) -> None:
        queue = self.queues[name]
        queue.highest += 1
        queue.messages.append(
            {
                "_id": queue.highest,
                "uid": os.urandom(16).hex(),
                "timestamp": moment,
                "instance": "P",
                "job": job,
                "event": event,
                "message": "",
            }
        )
        queue.news.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            name = (await reader.readline()).decode().strip()
            queue = self.queues.setdefault(name, Queue())
            greeting = {"serve": "message-queue", "protocol": 1, "version": "bench", "python": "3", "drainer": None}
            self._say(writer, {**greeting, **self._facts(name, queue)})
            while line := await reader.readline():
                request = json.loads(line)
                answer = await self._answer(name, queue, request)
                self._say(writer, {"done": request["do"], **answer, "clock": time.time()})
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, name: str, queue: Queue, request: Json) -> Json:
        match request["do"]:
            case "open":
                queue.opened += 1
                return self._facts(name, queue)
            case "take":
                return await self._take(queue, request)
            case "confirm":
                before = len(queue.messages)
                through = request.get("through", 0)
                queue.messages = [each for each in queue.messages if each["_id"] > through]
                queue.nonce = request["nonce"]
                return {"removed": before - len(queue.messages), "nonce": queue.nonce}
        return {"depth": len(queue.messages)}

    async def _take(self, queue: Queue, request: Json) -> Json:
        began = time.monotonic()
        queue.news.clear()
        found = [each for each in queue.messages if each["_id"] > request["after"]]
        if not found and request["wait"] > 0:
            try:
                async with asyncio.timeout(request["wait"]):
                    await queue.news.wait()
            except TimeoutError:
                pass
            found = [each for each in queue.messages if each["_id"] > request["after"]]
        waited = time.monotonic() - began
        return {"messages": found, "highest": queue.highest, "waited": waited, "depth": len(queue.messages)}

    def _facts(self, name: str, queue: Queue) -> Json:
        facts = {"queue": name, "nonce": queue.nonce, "depth": len(queue.messages), "highest": queue.highest}
        return {**facts, "lease": queue.opened, "clock": time.time(), "path": name, "interpreter": ""}

    @staticmethod
    def _say(writer: asyncio.StreamWriter, words: Json) -> None:
        writer.write(json.dumps(words).encode() + b"\n")
