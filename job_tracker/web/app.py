"""The app: the table of routes, put together with what their handlers need.

Rule: a later part adds a table of its own to `tables`, and nothing else here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from job_tracker.config.web import Web
from job_tracker.errors import JobTrackerError
from job_tracker.moments import MICROSECONDS
from job_tracker.web import answers
from job_tracker.web.api import table as api
from job_tracker.web.core4 import table as core4
from job_tracker.web.core4.following import Core4
from job_tracker.web.core4.sockets import ENDED
from job_tracker.web.doors import login
from job_tracker.web.doors.core4 import PATH as CORE4
from job_tracker.web.doors.doors import Doors
from job_tracker.web.doors.people import NotChanged
from job_tracker.web.doors.store import WebStoreUnusable
from job_tracker.web.pages import table as pages
from job_tracker.web.problems import Problem
from job_tracker.web.reader import Reader
from job_tracker.web.rights import Needs, PermissionAtFault, Who
from job_tracker.web.routing import Route, SocketRoute, served
from job_tracker.web.safety import MOST_BODY, Safe
from job_tracker.web.static import StaticFiles
from job_tracker.web.stream import BEAT_EVERY, Hub

log = logging.getLogger("job_tracker.web")


@dataclass(kw_only=True)
class Part:
    """The web part at work.  identify: finds out who asks; raises Problem for what only looks like a proof.

    doors: where he comes in by a name and password.  critical: microseconds after which a source that is silent is.
    """

    web: Web
    zone: ZoneInfo
    view: Path
    events: Path
    reader: Reader
    doors: Doors
    identify: Callable[[HTTPConnection], Awaitable[Who]] = field(init=False)
    static: StaticFiles = field(default_factory=StaticFiles)
    hub: Hub = field(default_factory=Hub)
    critical: int = 300 * MICROSECONDS
    core4: Core4 = field(init=False)
    templates: Environment = field(init=False)
    _version: tuple[int, int] = (-1, -1)

    def __post_init__(self) -> None:
        self.identify = self.doors.identify
        self.reader.tell = self.hub.tell
        self.core4 = Core4(self.view, self.events, self.critical, lambda: self.reader.board)
        self.core4.sockets.look = self.end_revoked_sockets
        self.hub.also = self.core4.hear
        self.templates = answers.environment(self.static)

    async def keep(self) -> None:
        """Look once a second at what nobody tells: health, and who may still have a stream; until cancelled."""
        self.hub.open(asyncio.get_running_loop(), self.reader.board)
        looks, version = 0, self.doors.store.version()
        while True:
            await asyncio.sleep(1.0)  # the pace of looking
            looks += 1
            if self.hub.listeners or self.core4.sockets.open:
                self.reader.want()
            self.hub.look_at_health(beat=looks % BEAT_EVERY == 0)
            self.core4.tick()
            try:
                if looks % BEAT_EVERY == 0 or version != self.doors.store.version():
                    version = self.doors.store.version()
                    self.end_revoked()
            except WebStoreUnusable as failure:
                log.error("nobody's rights can be looked up, all streams are ended: %s", failure)
                self.hub.close()

    def end_revoked(self) -> None:
        """End the streams of those who are no longer let in, or who may see something else now."""
        still = self._still(listener.who for listener in self.hub.listeners)
        self.hub.end_those([each for each in self.hub.listeners if not still[each.who.name, each.who.ticket]])

    def end_revoked_sockets(self) -> None:
        """Likewise the sockets, as soon as the store of users is another; where nobody can be looked up, all."""
        sockets = self.core4.sockets
        try:
            version = self.doors.store.version()
            if version == self._version:
                return
            still = self._still(each.who for each in sockets.open)
            self._version = version
            revoked = [each for each in sockets.open if not still[each.who.name, each.who.ticket]]
        except WebStoreUnusable as failure:
            log.error("nobody's rights can be looked up, all sockets are closed: %s", failure)
            revoked = list(sockets.open)
        sockets.end(revoked, ENDED, "log in again")

    def _still(self, several: Iterable[Who]) -> dict[tuple[str, str], bool]:
        found: dict[tuple[str, str], bool] = {}
        for who in several:
            if (who.name, who.ticket) not in found:
                found[who.name, who.ticket] = self.doors.is_still(who)
        return found


def routes(part: Part) -> Sequence[Route | SocketRoute]:
    """Everything that is answered."""
    static = Route(path="/static/{hash}/{name:path}", handler=part.static.answer, needs=Needs.ANYBODY)
    return (*api.ROUTES, *core4.ROUTES, *login.ROUTES, *pages.ROUTES, static)


def make_app(part: Part) -> ASGIApp:
    """The app, to be served."""

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, Problem)  # noqa: S101 - registered for these alone
        return answers.refusal(request, part, problem)

    async def unrouted(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException)  # noqa: S101 - likewise
        words = {404: "there is no such page", 405: "this is not done so", 413: "that is more than is taken at once"}
        problem = Problem(fault.status_code, words.get(fault.status_code, fault.detail), fault.headers)
        return answers.refusal(request, part, problem)

    async def not_done(request: Request, fault: Exception) -> Response:
        theirs = 400 if request.url.path.startswith(CORE4) else 422
        status = theirs if isinstance(fault, NotChanged | PermissionAtFault) else 503
        return answers.refusal(request, part, Problem(status, str(fault)))

    async def failed(request: Request, fault: Exception) -> Response:
        log.error("request failed path=%s", request.url.path, exc_info=fault)
        return answers.refusal(request, part, Problem(500, "the program failed here; its log says how"))

    app = Starlette(
        routes=served(routes(part), part),
        exception_handlers={Problem: refused, JobTrackerError: not_done, HTTPException: unrouted, 500: failed},
        max_body_size=MOST_BODY,
    )
    return Safe(app, part.web)  # around what Starlette puts around everything, for its answers too
