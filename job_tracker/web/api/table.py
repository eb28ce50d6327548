"""The API: a table of what is answered to programs; `openapi.json` says the same, and a test holds one to the other."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from starlette.responses import Response

from job_tracker import __version__
from job_tracker.web.answers import document
from job_tracker.web.api import acting, jobs, people, tracker
from job_tracker.web.api.metrics import metrics
from job_tracker.web.context import Context
from job_tracker.web.pages import night
from job_tracker.web.rights import Needs
from job_tracker.web.routing import Route
from job_tracker.web.stream import stream

V1 = "/api/v1"
JOB = f"{V1}/jobs/{{key}}"


@cache
def described() -> dict[str, Any]:
    """What is said of the API."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "openapi.json").read_bytes())
    found["info"]["version"] = __version__
    return found


def openapi(_: Context) -> Response:
    """The description itself."""
    return document(described())


ROUTES: Sequence[Route] = (
    Route(path=f"{V1}/openapi.json", handler=openapi, needs=Needs.LOGGED_IN),
    Route(path=f"{V1}/jobs", handler=jobs.listed, needs=Needs.FILTERED),
    Route(path=JOB, handler=jobs.one, needs=Needs.SEES_JOB),
    Route(path=f"{JOB}/runs", handler=jobs.runs, needs=Needs.SEES_JOB),
    Route(path=f"{JOB}/changes", handler=jobs.changes, needs=Needs.SEES_JOB),
    Route(path=f"{JOB}/days", handler=jobs.days, needs=Needs.SEES_JOB),
    Route(path=f"{JOB}/explain", handler=jobs.explain, needs=Needs.SEES_JOB),
    Route(path=f"{JOB}/pause", handler=acting.pause, needs=Needs.MAY_ACT, methods=("POST",)),
    Route(path=f"{JOB}/resume", handler=acting.resume, needs=Needs.MAY_ACT, methods=("POST",)),
    Route(path=f"{JOB}/mark", handler=acting.mark, needs=Needs.MAY_ACT, methods=("POST",)),
    Route(path=f"{V1}/timeline", handler=night.data, needs=Needs.FILTERED),
    Route(path=f"{V1}/events", handler=tracker.events, needs=Needs.FILTERED),
    Route(path=f"{V1}/events/stream", handler=stream, needs=Needs.FILTERED),
    Route(path=f"{V1}/summary", handler=tracker.summary, needs=Needs.FILTERED),
    Route(path=f"{V1}/sources", handler=tracker.sources, needs=Needs.SEES_ALL),
    Route(path=f"{V1}/unmatched", handler=tracker.unmatched, needs=Needs.SEES_ALL),
    Route(path=f"{V1}/notifications", handler=tracker.notifications, needs=Needs.SEES_ALL),
    Route(path=f"{V1}/tokens", handler=people.tokens, needs=Needs.LOGGED_IN),
    Route(path=f"{V1}/tokens", handler=people.make_token, needs=Needs.LOGGED_IN, methods=("POST",)),
    Route(path=f"{V1}/tokens/{{number:int}}", handler=people.revoke_token, needs=Needs.LOGGED_IN, methods=("DELETE",)),
    Route(path=f"{V1}/password", handler=people.change_own_password, needs=Needs.LOGGED_IN, methods=("POST",)),
    Route(path=f"{V1}/users", handler=people.users, needs=Needs.COP),
    Route(path=f"{V1}/users", handler=people.add_user, needs=Needs.COP, methods=("POST",)),
    Route(path=f"{V1}/users/{{name}}", handler=people.change_user, needs=Needs.COP, methods=("PATCH",)),
    Route(path=f"{V1}/roles", handler=people.roles, needs=Needs.COP),
    Route(path=f"{V1}/roles/{{name}}", handler=people.set_role, needs=Needs.COP, methods=("PUT",)),
    Route(path=f"{V1}/roles/{{name}}", handler=people.remove_role, needs=Needs.COP, methods=("DELETE",)),
    Route(path=f"{V1}/audit", handler=people.audit, needs=Needs.COP),
    Route(path="/metrics", handler=metrics, needs=Needs.SEES_ALL),
    Route(path="/health", handler=tracker.health, needs=Needs.LOGGED_IN),
)
