"""A server that runs jobs, as those of WPS-T and of OGC API Processes answer, with their bugs as switches.

It is a real HTTP server, in a thread of the test; its jobs move when the test says so.  Its shapes are those of
flask_ades_wpst: lists that are stale until a job is asked about, objects written as text, 500 where 404 was meant;
and those of servers that follow the standard, each in its own way.
"""

import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from job_shapes import measured, naive, no_colon, rfc

Document = dict[str, Any]
Reply = tuple[int, Any]
"""A status, and what is told with it: an object as JSON, bytes as they are, or a function that writes by itself."""

PROCESS = "sentinel-1.0"


@dataclass(kw_only=True)
class Job:
    """A job as the server really has it.  shown: the status that its database has, told by lists."""

    id: str
    process: str
    status: str
    created: float
    shown: str = ""
    started: float | None = None
    finished: float | None = None
    updated: float | None = None
    message: str = ""
    metrics: Document = field(default_factory=dict)
    more: Document = field(default_factory=dict)


@dataclass
class JobServer:
    """The server.  requests: paths that were asked for; overridden: by path, what is answered instead.

    burst: about so many requests are answered and as many are told that the database is locked, in turn; 0 for never.
    tls: what it proves itself by, where it speaks TLS.
    """

    dialect: str = "wpst"
    identity: str | None = "ades-pbs-dev"
    port: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    processes: list[Any] = field(default_factory=lambda: [PROCESS])
    requests: list[str] = field(default_factory=list)
    credentials: list[str | None] = field(default_factory=list)
    overridden: dict[str, Callable[[BaseHTTPRequestHandler], Reply | None]] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)
    page: int = 1000
    burst: int = 0
    left_of_burst: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    tls: ssl.SSLContext | None = None
    clock_ahead: float = 0.0
    date_header: bool = True
    lock: threading.RLock = field(default_factory=threading.RLock)

    # -- what a test does with it --------------------------------------------------------------------------------

    def submit(self, id: str, status: str = "accepted", process: str = PROCESS, **more: Any) -> Job:
        with self.lock:
            job = Job(id=id, process=process, status="accepted", created=self.now())
            job.shown = job.status
            self.jobs[id] = job
            if status != "accepted":
                self.move(id, status)
                job.shown = status
            for name, value in more.items():
                setattr(job, name, value)
            return job

    def move(self, id: str, status: str, **more: Any) -> Job:
        """What really happens to a job; the list shows it once somebody has asked about it."""
        with self.lock:
            job = self.jobs[id]
            now = self.now()
            job.status, job.updated = status, now
            if status != "accepted" and job.started is None:
                job.started = now
            if status in ("successful", "failed", "dismissed"):
                job.finished = now
            if status in ("successful", "failed") and "no_metrics" not in self.switches:
                job.metrics = measured(job, is_on_kubernetes="kubernetes" in self.switches)
            for name, value in more.items():
                setattr(job, name, value)
            return job

    def dismiss(self, id: str) -> Job:
        """As DELETE does it: over any status, in the database as well, and the metrics are gone."""
        return self.move(id, "dismissed", shown="dismissed", metrics={})

    def forget(self, *ids: str) -> None:
        with self.lock:
            for id in ids:
                del self.jobs[id]

    def now(self) -> float:
        return time.time() + self.clock_ahead

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator["JobServer"]:
        """While it runs; a port that it had before is its again."""
        outer = self
        connections: set[socket.socket] = set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                connections.add(self.connection)

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate(time.time() + outer.clock_ahead, usegmt=True)

        ThreadingHTTPServer.allow_reuse_address = True
        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            for each in connections:  # a server that is away answers nobody, over what was kept open neither
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            server.server_close()

    # -- what it answers -----------------------------------------------------------------------------------------

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self.lock:
            self.requests.append(handler.path)
            self.credentials.append(handler.headers.get("Authorization"))
            is_locked = self.is_locked()
        path = urlsplit(handler.path).path
        override = self.overridden.get(path) or self.overridden.get("*")
        reply = override(handler) if override is not None else None
        if reply is None and override is not None and handler.close_connection:
            return
        if reply is None and is_locked:
            reply = 500, b"sqlite3.OperationalError: database is locked"
        if reply is None:
            with self.lock:
                reply = self.reply(handler.path)
        status, document = reply
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    def is_locked(self) -> bool:
        """Whether this request falls into a burst; they are of any length, or a sweep might keep in step with them."""
        if self.burst and not self.left_of_burst:
            self.left_of_burst = self.chance.choice((1, -1)) * self.chance.randint(1, 2 * self.burst)
        was = self.left_of_burst
        self.left_of_burst -= (was > 0) - (was < 0)
        return was < 0

    def reply(self, target: str) -> Reply:
        parts = urlsplit(target)
        names = [unquote(each) for each in parts.path.strip("/").split("/")]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if self.dialect == "ogc":
            return self.of_standard(names, query)
        match names:
            case [""]:
                return self.rooted({})
            case ["processes"]:
                return self.rooted({"processes": [self.process(each) for each in self.processes]})
            case ["processes", process, "jobs"]:
                if process not in self.processes and "jobs_of_hidden" not in self.switches:
                    return 500, b"IndexError: list index out of range"
                return self.rooted({"jobs": [self.row(job) for job in self.jobs.values() if job.process == process]})
            case ["processes", _, "jobs", id]:
                if id not in self.jobs:
                    return (404, {}) if "right_404" in self.switches else (500, b"KeyError")
                job = self.jobs[id]
                job.shown = job.status
                return self.rooted({"statusInfo": self.status_info(job)})
        return 404, b"Not Found"

    def rooted(self, document: Document) -> Reply:
        return 200, document | ({} if self.identity is None else {"ades_id": self.identity, "api_version": "1.0"})

    def process(self, id: Any) -> Any:
        if not isinstance(id, str):
            return id
        return {
            "id": id,
            "title": id,
            "owsContextURL": f"https://example.org/apps/{id}.cwl",
            "immediateDeployment": "true",
        }

    def row(self, job: Job) -> Document:
        """As the database has it: what are objects elsewhere is text here, and times have no zone or no colon."""
        secret = {"credentials": "/home/ops/.netrc"}
        return {
            "jobID": job.id,
            "jobOwner": "ann",
            "procID": job.process,
            "inputs": json.dumps(secret),
            "backend_info": json.dumps({"status": "accepted", **secret}),
            "metrics": json.dumps(job.metrics) if job.shown == job.status else "{}",
            "status": job.shown,
            "timeCreated": no_colon(job.created),
            "timeUpdated": None if job.updated is None else naive(job.updated),
            **job.more,
        }

    def status_info(self, job: Job) -> Document:
        return {
            "jobID": job.id,
            "job_type": job.process.rpartition("-")[0],
            "username": "ann",
            "time_queued": no_colon(job.created),
            "status": job.status,
            "metrics": job.metrics,
            **job.more,
        }

    def of_standard(self, names: list[str], query: dict[str, str]) -> Reply:
        match names:
            case ["jobs"]:
                return self.listed(query)
            case ["jobs", id]:
                if id not in self.jobs:
                    return (410 if "gone_410" in self.switches else 404), {"title": "NoSuchJob"}
                return 200, self.info(self.jobs[id])
            case ["processes"]:
                return 200, {"processes": [{"id": each} for each in self.processes]}
        return 404, {"title": "not found"}

    def listed(self, query: dict[str, str]) -> Reply:
        """Pages, each server's way."""
        limit, offset = min(int(query.get("limit", "10")), self.page), int(query.get("offset", "0"))
        if "limit_refused" in self.switches and int(query.get("limit", "0")) > 100:
            return 400, {"title": "limit is too large"}
        if "limit_ignored" in self.switches:
            offset, limit = 0, len(self.jobs)
        every = list(self.jobs.values())
        shown = every[offset : offset + limit]
        rows: list[Any] = [job.id if "ids_only" in self.switches else self.info(job) for job in shown]
        if "duplicates" in self.switches:
            rows += rows[:2]
        following = f"{self.url}/jobs?limit={limit}&offset={offset + limit}"
        if "relative_next" in self.switches:
            following = f"jobs?limit={limit}&offset={offset + limit}"
        has_next = offset + limit < len(every) or "endless_next" in self.switches
        if "same_next" in self.switches:
            following, has_next = f"{self.url}/jobs?limit={query.get('limit', '10')}", True
        if "next_elsewhere" in self.switches:
            following, has_next = "http://127.0.0.2:1/jobs", True
        links = [{"rel": "self", "href": "x"}, *([{"rel": "next", "href": following}] if has_next else []), "no object"]
        return 200, {"jobs": rows, "links": [] if "no_links" in self.switches else links}

    def info(self, job: Job) -> Document:
        times = {"created": job.created, "started": job.started, "finished": job.finished, "updated": job.updated}
        id = {"id": job.id} if "version_2" in self.switches else {"jobID": job.id, "type": "process"}
        return {
            **id,
            "processID": job.process,
            "status": job.status,
            "message": job.message,
            "progress": 0,
            "parameters": {"credentials": "/home/ops/.netrc"},
            **{name: rfc(moment) for name, moment in times.items() if moment is not None},
            **job.more,
        }
