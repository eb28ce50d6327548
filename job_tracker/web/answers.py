"""Answers: a page from a template, a document of JSON, or why there is neither.

Rule: texts of jobs are strangers' bytes: everything is escaped, and what a template forgot is an error, not a blank.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from job_tracker import __version__
from job_tracker.web.context import Context
from job_tracker.web.core4 import envelope
from job_tracker.web.doors import core4
from job_tracker.web.pages.wording import GLOBALS
from job_tracker.web.problems import LoginNeeded, Problem
from job_tracker.web.static import StaticFiles

if TYPE_CHECKING:
    from job_tracker.web.app import Part

TEMPLATES = Path(__file__).parent / "templates"
API = "/api/"
FOR_PROGRAMS = (API, "/metrics", "/health")


def environment(static: StaticFiles) -> Environment:
    """What templates are rendered with; `static('x.css')` is the path of a file."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(static=static.url, version=__version__, **GLOBALS)
    return made


def page(context: Context, template: str, /, *, status: int = 200, **values: Any) -> Response:
    """A page; the template has the context as `context`, whoever asks as `who`, and the values by their names."""
    return _rendered(context.part, context, template, status, values)


def fragment(context: Context, template: str, /, **values: Any) -> str:
    """A part of a page, for what puts several together."""
    found = context.part.templates.get_template(template)
    return found.render(context=context, who=context.who, title=context.web.page_title, **values)


def document(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A document of JSON."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(body, status_code=status, media_type="application/json", headers=dict(headers or {}))


def redirect(path: str) -> Response:
    """Go on elsewhere; what was sent is not sent again."""
    return RedirectResponse(path, status_code=303)


def refusal(request: HTTPConnection, part: "Part", problem: Problem) -> Response:
    """Why there is no answer, in the form that whoever asked can read."""
    path = request.url.path
    if path.startswith(core4.PATH):
        return envelope.refusal(problem)
    if path.startswith(FOR_PROGRAMS):
        answer = document(problem.document(), status=problem.status, headers=problem.headers)
        answer.headers["content-type"] = "application/problem+json"
        return answer
    if isinstance(problem, LoginNeeded) and path != "/login":
        wanted = path + (f"?{request.url.query}" if request.url.query else "")
        is_page = request.scope["method"] in ("GET", "HEAD") and wanted != "/"
        return redirect("/login" + (f"?{urlencode({'next': wanted})}" if is_page else ""))
    answer = _rendered(part, None, "problem.html", problem.status, {"problem": problem})
    answer.headers.update(problem.headers)
    return answer


def _rendered(part: "Part", context: Context | None, template: str, status: int, values: dict[str, Any]) -> Response:
    who = context.who if context else None
    found = part.templates.get_template(template)
    text = found.render(context=context, who=who, title=part.web.page_title, **values)
    return Response(text, status_code=status, media_type="text/html")
