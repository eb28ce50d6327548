"""The API: a table of what is answered to programs."""

from collections.abc import Sequence

from starlette.responses import Response

from job_tracker.moments import MICROSECONDS
from job_tracker.web.answers import document
from job_tracker.web.context import Context
from job_tracker.web.rights import Needs
from job_tracker.web.routing import Route
from job_tracker.web.stream import stream


def health(context: Context) -> Response:
    """Whether what is shown is so now, and how old it is."""
    since, written = context.stale_since, context.board.meta.get("written")
    age = None if written is None else max(0, context.now - written) / MICROSECONDS
    found = {"stale": since is not None, "age": age, "why": context.board.why_stale(context.now)}
    return document(found, status=200 if since is None else 503)


ROUTES: Sequence[Route] = (
    Route(path="/health", handler=health, needs=Needs.LOGGED_IN),
    Route(path="/api/v1/events/stream", handler=stream, needs=Needs.FILTERED),
)
