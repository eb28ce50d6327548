"""The app: the table of routes, put together with what their handlers need.

Rule: a later part adds a table of its own to `tables`, and nothing else here.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from job_tracker.config.web import Web
from job_tracker.web import answers
from job_tracker.web.api import table as api
from job_tracker.web.pages import table as pages
from job_tracker.web.problems import Problem
from job_tracker.web.reader import Reader
from job_tracker.web.rights import Needs, Who
from job_tracker.web.routing import Route, served
from job_tracker.web.safety import MOST_BODY, Safe
from job_tracker.web.static import StaticFiles

log = logging.getLogger("job_tracker.web")


@dataclass(kw_only=True)
class Part:
    """The web part at work.  identify: finds out who asks; raises Problem for what only looks like a proof."""

    web: Web
    zone: ZoneInfo
    view: Path
    events: Path
    reader: Reader
    identify: Callable[[Request], Awaitable[Who]]
    static: StaticFiles = field(default_factory=StaticFiles)
    templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.templates = answers.environment(self.static)


def routes(part: Part) -> Sequence[Route]:
    """Everything that is answered."""
    static = Route(path="/static/{hash}/{name:path}", handler=part.static.answer, needs=Needs.ANYBODY)
    return (*api.ROUTES, *pages.ROUTES, static)


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

    async def failed(request: Request, fault: Exception) -> Response:
        log.error("request failed path=%s", request.url.path, exc_info=fault)
        return answers.refusal(request, part, Problem(500, "the program failed here; its log says how"))

    app = Starlette(
        routes=served(routes(part), part),
        exception_handlers={Problem: refused, HTTPException: unrouted, 500: failed},
        max_body_size=MOST_BODY,
    )
    return Safe(app, part.web)  # around what Starlette puts around everything, for its answers too
