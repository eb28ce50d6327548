"""Serving: the web part as a process: from a configuration to open doors, and a clean end.

Rule: whatever keeps it from starting is said in a line that tells what to do.
Rule: no query and no token gets into any log: our own line of a request has its path alone, and what uvicorn would say
goes through a filter.
"""

import asyncio
import logging
import logging.handlers
import os
import re
import socket
import ssl
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from job_tracker import __version__, clock
from job_tracker.config.for_pages import ForPages, load_for_pages
from job_tracker.config.web import Listen, Web
from job_tracker.errors import JobTrackerError
from job_tracker.exit_codes import AT_FAULT, DONE, FAILED
from job_tracker.process.limits import raise_file_limit
from job_tracker.process.log import LINE, OneLine
from job_tracker.process.pid_file import PidFile
from job_tracker.process.signals import Asked
from job_tracker.process.supervisor import Supervisor
from job_tracker.web.app import Part, make_app
from job_tracker.web.connections import Bounded
from job_tracker.web.core4.sockets import GONE
from job_tracker.web.doors.doors import Doors
from job_tracker.web.doors.store import Store, WebStoreUnusable
from job_tracker.web.reader import Reader
from job_tracker.web.reporting import Reporting, directory, own_line
from job_tracker.web.taking_up import take_up

log = logging.getLogger("job_tracker.web")

THREADS = 4
"""That handlers run in: each reads a file, or renders a page."""

LOOK_EVERY = 0.5
REPORT_EVERY = 30
"""Seconds between two looks at what a signal asked for."""

STUCK_AFTER = 60_000
"""Milliseconds after which whoever fetches nothing of what was sent to him is hung up on, wherever it stuck."""

GRACE = 5
MOST_CONNECTIONS = 2_000


class CannotListen(JobTrackerError):
    """Nobody can be listened to there; the message says who may be in the way, and what to do."""


def run(config_path: Path, supervisor: Supervisor, *, is_told_to_syslog: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.  Raises ConfigError.

    is_told_to_syslog: whether nobody keeps what is said on stderr once it has started.
    """
    asked = Asked()
    asked.watch_reload()
    config = load_for_pages(config_path)
    _begin_log(config.settings.log_level, to_syslog=is_told_to_syslog)
    raise_file_limit()
    lock = PidFile(config.web.store_file.with_suffix(".pid"))
    try:
        part = open_part(config)
        is_ours = lock.take()
    except (WebStoreUnusable, OSError) as refusal:
        log.error("not started: %s", refusal)
        return AT_FAULT
    try:
        if not is_ours:
            log.error("not started, it runs already: %s is locked", lock.path)
            return FAILED
        lock.write(config_path)
        if not part.doors.people.has_cop():
            how = "`job_tracker web-user add NAME --role cop` makes one"
            log.error("not started: nobody may let anybody in, for no user has the role cop; %s", how)
            return AT_FAULT
        try:
            server = Server(part, asked, supervisor, partial(take_up, config_path, config))
        except CannotListen as refusal:
            log.error("not started: %s", refusal)
            return FAILED
        part.reader.start()
        asked.watch_stop()
        log.info("started version=%s config=%s address=%s", __version__, config_path, server.address)
        server.run()
        log.info("stopped by=%s", asked.by)
        return DONE
    finally:
        lock.empty()
        part.reader.stop()
        part.doors.store.close()


def open_part(config: ForPages) -> Part:
    """What the pages need, opened.  Raises WebStoreUnusable."""
    web, settings = config.web, config.settings
    return Part(
        web=web,
        zone=web.time_zone or settings.time_zone,
        view=settings.view_file,
        events=settings.events,
        reader=Reader(settings.view_file, settings.events),
        critical=settings.unreachable_critical_after_microseconds,
        doors=Doors(Store(web.store_file, clock.now()), web),
    )


class Server:
    """uvicorn, with what it listens on opened before it starts.  address: where that is.  Raises CannotListen.

    take_up: looks at the configuration anew, and is told what new connections' TLS goes by.
    """

    def __init__(
        self, part: Part, asked: Asked, supervisor: Supervisor, take_up: Callable[[ssl.SSLContext | None], None]
    ) -> None:
        self.part, self.asked, self.supervisor, self.take_up = part, asked, supervisor, take_up
        self.reporting = Reporting(directory(), part.zone.key)
        self.socket = listening(part.web.listen)
        self.address = address_of(part.web, self.socket)
        self.server = uvicorn.Server(_settings(Noted(make_app(part)), part.web))

    def run(self) -> None:
        """Serve until asked to stop."""
        asyncio.run(self._serve())
        if self.part.web.listen.socket is not None:
            self.part.web.listen.socket.unlink(missing_ok=True)

    async def _serve(self) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self.part.keep())]
        try:
            await self.server._serve([self.socket])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Do what a signal asked for, and tell the supervisor that the loop goes round."""
        is_ready, looks = False, 0
        while True:
            if self.server.started and not is_ready:
                is_ready = True
                self.supervisor.ready()
            if self.asked.stopping and not self.server.should_exit:
                self.supervisor.stopping()
                self.part.hub.close()
                sockets = self.part.core4.sockets
                sockets.end(list(sockets.open), GONE, "the pages are stopped; connect again")
                self.server.should_exit = True
            if self.asked.reloading:
                self.asked.reloading = False
                await asyncio.to_thread(self.take_up, self.server.config.ssl)
            if looks % REPORT_EVERY == 0:
                board = self.part.reader.board
                streams = len(self.part.hub.listeners) + len(self.part.core4.sockets.open)
                line = own_line(board, address=self.address, streams=streams)
                await asyncio.to_thread(self.reporting.write, line, clock.now())
            looks += 1
            self.supervisor.alive()
            await asyncio.sleep(LOOK_EVERY)  # the pace of looking at a flag


class Noted:
    """Around the app: one line in the log for each request, with its path and without what stands behind it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and say so."""

        async def noted(message: Message) -> None:
            status = message.get("status") or (101 if message["type"] == "websocket.accept" else None)
            if status is not None:
                client = scope.get("client") or ("unix", 0)
                path, method = str(scope["path"])[:200], scope.get("method", "SOCKET")
                log.info("%s %s %s from=%s", method, path, status, client[0] or "unix")
            await send(message)

        await self.app(scope, receive, noted)


def listening(where: Listen) -> socket.socket:
    """Listen there.  Raises CannotListen."""
    try:
        return _on_socket(where.socket) if where.socket is not None else _on_port(where.host, where.port)
    except OSError as failure:
        place = where.socket or f"{where.host}:{where.port}"
        hint = "another program listens there; stop it, or name another port in web: listen"
        hints = {98: hint, 13: "ports below 1024 are root's; choose another, or let a proxy listen there"}
        reason = f"{failure.strerror}; {hints[failure.errno]}" if failure.errno in hints else str(failure)
        raise CannotListen(f"cannot listen on {place}: {reason}") from failure


def address_of(web: Web, listens: socket.socket) -> str:
    """Where that is, as somebody on this host writes it."""
    if listens.family == socket.AF_UNIX:
        return f"unix:{listens.getsockname()}"
    host, port = listens.getsockname()[:2]
    return f"{'https' if web.has_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _on_port(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_AFTER)  # connections have it from here
        made.bind(("127.0.0.1" if host == "localhost" else host, port))
        made.listen(1024)
    except OSError:
        made.close()
        raise
    return made


def _on_socket(path: Path) -> socket.socket:
    """A socket for the group of its directory; one that a killed server left is taken away, one in use is not."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"cannot listen on {path}: it is there, and no socket; name another path")
        with socket.socket(socket.AF_UNIX) as trial:
            try:
                trial.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise OSError(98, "Address already in use")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        made.bind(str(path))
        made.listen(1024)
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def _settings(app: Any, web: Web) -> uvicorn.Config:
    try:
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=Bounded,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws_max_size=65536,
            ws_per_message_deflate=False,  # each message would be compressed for each client, in memory of its own
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=16384,
            timeout_graceful_shutdown=GRACE,
            ssl_certfile=web.tls_certificate,
            ssl_keyfile=web.tls_key,
        )
        config.load()
    except (OSError, ssl.SSLError) as failure:
        raise CannotListen(f"the TLS certificate or key cannot be used: {failure}") from failure
    return config


class NoQueries(logging.Filter):
    """Cuts what stands behind a question mark out of each line: there is where tokens would be."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it through, without that."""
        text = record.getMessage()
        if "?" in text:
            record.msg, record.args = _QUERY.sub("?…", text), ()
        return True


_QUERY = re.compile(r"\?[^\s\"']*")


def _begin_log(level: str, *, to_syslog: bool) -> None:
    """To stderr, which the service manager keeps, or syslog; a log file of its own would be one more to rotate."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if to_syslog:
        with suppress(OSError):  # this host has none, or not yet
            handlers.append(logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON))
            handlers[-1].ident = "job_tracker-web: "  # type: ignore[attr-defined]  # as its manual says
    for handler in handlers:
        handler.setFormatter(OneLine(LINE))
        handler.addFilter(NoQueries())
    for name, each in (("job_tracker", level.upper()), ("uvicorn", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = list(handlers), False
        logger.setLevel(each)
    logging.raiseExceptions = False
