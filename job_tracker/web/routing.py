"""Routing: a table of what is answered, and the one gate that everybody who asks passes.

Rule: a route says what it needs, and whoever lacks it gets no further; a handler only looks at single jobs.
Rule: a job that somebody may not see is not there for him: 404, the same as for one that there is not.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Served
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from job_tracker.errors import JobTrackerError
from job_tracker.web import answers
from job_tracker.web.board import Snapshot
from job_tracker.web.context import Context
from job_tracker.web.problems import LoginNeeded, Problem
from job_tracker.web.rights import Needs, Who

if TYPE_CHECKING:
    from job_tracker.web.app import Part

Handler: TypeAlias = Callable[[Context], Response] | Callable[[Context], Awaitable[Response]]

SAFE = frozenset({"GET", "HEAD"})
LETTERS = {"GET": "r", "HEAD": "r", "POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
"""Of a permission `api://REGEX/crud`: what a method needs."""
Converse: TypeAlias = Callable[["Part", WebSocket, Who], Awaitable[None]]
JOB = "key"
"""How a route names the job in its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A row of the table.  methods: GET brings HEAD with it.  A handler that is no coroutine runs in a thread.

    calls: the name by which a permission `api://…` opens it, beside what it needs; empty where none is asked for.
    """

    path: str
    handler: Handler
    needs: Needs
    methods: tuple[str, ...] = ("GET",)
    calls: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRoute:
    """A row of the table behind which somebody is talked with, for as long as he likes; it needs what a GET would."""

    path: str
    converse: Converse
    needs: Needs
    calls: str = ""
    methods: tuple[str, ...] = ()


def served(routes: Sequence[Route | SocketRoute], part: "Part") -> list[Served | WebSocketRoute]:
    """The table as the server takes it."""
    return [
        WebSocketRoute(each.path, _gated_socket(each, part))
        if isinstance(each, SocketRoute)
        else Served(each.path, _gated(each, part), methods=list(each.methods))
        for each in routes
    ]


def _gated(route: Route, part: "Part") -> Callable[[Request], Awaitable[Response]]:
    is_coroutine = inspect.iscoroutinefunction(route.handler)

    async def answer(request: Request) -> Response:
        if request.state.refused is not None:
            raise request.state.refused
        body = b"" if request.method in SAFE else await request.body()
        who = await part.identify(request)
        context = Context.of(request, part, who, body)
        _let_in(route.needs, who, context.board, str(context.path.get(JOB, "")))
        _let_call(route.calls, who, request.method)
        if who.is_somebody:
            part.reader.want()
        answer = route.handler(context) if is_coroutine else run_in_threadpool(route.handler, context)
        return await cast(Awaitable[Response], answer)

    return answer


def _gated_socket(route: SocketRoute, part: "Part") -> Callable[[WebSocket], Awaitable[None]]:
    async def answer(socket: WebSocket) -> None:
        try:
            if socket.state.refused is not None:
                raise socket.state.refused
            who = await part.identify(socket)
            _let_in(route.needs, who, part.reader.board, "")
            _let_call(route.calls, who, "GET")
            part.reader.want()
            await route.converse(part, socket, who)
        except JobTrackerError as failure:
            problem = failure if isinstance(failure, Problem) else Problem(503, str(failure))
            await socket.send_denial_response(answers.refusal(socket, part, problem))

    return answer


def _let_call(calls: str, who: Who, method: str) -> None:
    """Raises Problem."""
    if calls and not who.rights.may_call(calls, LETTERS[method]):
        raise Problem(403, f"this is for whoever has the permission api://{calls}")


def _let_in(needs: Needs, who: Who, board: Snapshot, job: str) -> None:
    """Raises Problem."""
    is_there = job in board.rows
    if who.has(needs, job) and (is_there or needs not in (Needs.SEES_JOB, Needs.MAY_ACT)):
        return
    if not who.is_somebody:
        raise LoginNeeded
    if needs is Needs.SEES_JOB or (needs is Needs.MAY_ACT and not (is_there and who.sees(job))):
        raise Problem(404, "there is no such job, or you may not see it")
    raise Problem(403, _WORDS[needs])


_WORDS = {
    Needs.SEES_ALL: "this is for whoever may see every job",
    Needs.MAY_ACT: "you may see this job, but not act on it",
    Needs.COP: "this is for whoever has the permission cop",
}
