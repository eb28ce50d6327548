"""Logging in and out, for people: a form, a cookie, and for a demo a link that works once."""

from collections.abc import Sequence

from starlette.responses import Response

from job_tracker.web.answers import page, redirect
from job_tracker.web.context import Context
from job_tracker.web.doors.tokens import SESSION
from job_tracker.web.problems import Problem
from job_tracker.web.rights import Needs
from job_tracker.web.routing import Route


def show(context: Context) -> Response:
    """The form."""
    wanted = _own(context.query.get("next", ""))
    return redirect(wanted) if context.who.is_somebody else page(context, "login.html", next=wanted, fault="", name="")


async def log_in(context: Context) -> Response:
    """Let somebody in by his name and password, with a new session."""
    form, doors = context.form(), context.part.doors
    name, wanted = form.get("name", "")[:100], _own(form.get("next", ""))
    try:
        who = await doors.log_in(name, form.get("password", ""), context.request)
    except Problem as problem:
        answer = page(context, "login.html", status=problem.status, next=wanted, fault=problem.detail, name=name)
        answer.headers.update({key: value for key, value in problem.headers.items() if key == "Retry-After"})
        return answer
    return _with_session(context, who.name, wanted)


def log_out(context: Context) -> Response:
    """End the session, here and wherever its stream is open."""
    if context.who.by == SESSION:
        context.part.doors.tokens.revoke(context.who.ticket, author=context.who.name, now=context.now)
    answer = redirect("/login")
    answer.delete_cookie(context.part.doors.cookie_name(context.request), path="/")
    return answer


def log_in_once(context: Context) -> Response:
    """Let somebody in by a link that was made on this host, is used on this host, and works once."""
    doors = context.part.doors
    is_meant = context.request.method == "GET" and doors.is_local(context.request)
    user = doors.tokens.use_up(context.query.get("key", ""), context.now) if is_meant else None
    if user is None:
        raise Problem(403, "the link was used already, or its time is over, or it is for another host")
    return _with_session(context, user, "/")


def _with_session(context: Context, user: str, wanted: str) -> Response:
    """A new session, whatever there was before, so that nobody can have prepared it."""
    doors = context.part.doors
    if context.who.by == SESSION:
        doors.tokens.revoke(context.who.ticket, author=context.who.name, now=context.now)
    address = doors.address_of(context.request)
    token = doors.tokens.make(user, SESSION, context.now + doors.tokens.lasts, now=context.now, address=address)
    answer = redirect(wanted)
    answer.set_cookie(
        doors.cookie_name(context.request),
        token,
        path="/",
        secure=doors.is_secure(context.request),
        httponly=True,
        samesite="strict",
    )
    return answer


def _own(path: str) -> str:
    """Where to go on, if that is one of our own pages; a browser takes `//host` and `/\\host` for others."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\", "/login", "/logout")) and path.isprintable()
    return path if is_own and path.isascii() else "/"


ROUTES: Sequence[Route] = (
    Route(path="/login", handler=show, needs=Needs.ANYBODY),
    Route(path="/login", handler=log_in, needs=Needs.ANYBODY, methods=("POST",)),
    Route(path="/login/once", handler=log_in_once, needs=Needs.ANYBODY),
    Route(path="/logout", handler=log_out, needs=Needs.ANYBODY, methods=("POST",)),
)
