"""core4's paths: a table of what is called, and by which name of core4's somebody is let call it.

Rule: a permission `api://…` names handlers as core4 calls them, whose names therefore stand here, and nowhere else.
Rule: what may be done at a path is told to everybody; a browser asks before it lets a page of another origin ask.
"""

from collections.abc import Iterator, Sequence

from starlette.responses import Response

from job_tracker.web.context import Context
from job_tracker.web.core4 import history, login, roles
from job_tracker.web.core4.conversation import converse
from job_tracker.web.core4.envelope import reply
from job_tracker.web.problems import Problem
from job_tracker.web.rights import Needs
from job_tracker.web.routing import Handler, Route, SocketRoute

V1 = "/core4/api/v1"
STANDARD = "core4.api.v1.request.standard"
LOGOUT = f"{STANDARD}.logout.LogoutHandler"
EVENT = f"{STANDARD}.event.EventHandler"
ROLE = "core4.api.v1.request.role.main.RoleHandler"
JOB_HISTORY = "core4.api.v1.request.queue.history.JobHistoryHandler"

LOGGED_IN = Needs.LOGGED_IN


def upgrade(_: Context) -> Response:
    """What is no socket here: the proxy in between has taken off what would have made it one."""
    raise Problem(426, "this is a web socket; a proxy has to pass Upgrade and Connection on", {"Upgrade": "websocket"})


def options(routes: Sequence[Route | SocketRoute]) -> Iterator[Route]:
    """To each path, what says how it is asked."""
    methods: dict[str, set[str]] = {}
    for each in routes:
        also = ("HEAD",) if "GET" in each.methods else ()
        methods.setdefault(each.path, {"OPTIONS"}).update(each.methods, also)
    for path, found in methods.items():
        yield Route(path=path, handler=_told(", ".join(sorted(found))), needs=Needs.ANYBODY, methods=("OPTIONS",))


def _told(allow: str) -> Handler:
    def answer(_: Context) -> Response:
        return reply("OK", headers={"allow": allow})

    return answer


CALLED: Sequence[Route | SocketRoute] = (
    *(
        Route(path=f"{root}/login", handler=login.log_in, needs=LOGGED_IN, methods=("GET", "POST"))
        for root in ("/core4/api", V1)
    ),
    *(
        Route(path=f"{root}/logout", handler=login.log_out, needs=LOGGED_IN, calls=LOGOUT, methods=("GET", "POST"))
        for root in ("/core4/api", V1)
    ),
    Route(
        path=f"{V1}/jobs/history", handler=history.of_jobs, needs=LOGGED_IN, calls=JOB_HISTORY, methods=("GET", "POST")
    ),
    SocketRoute(path=f"{V1}/event", converse=converse, needs=LOGGED_IN, calls=EVENT),
    Route(path=f"{V1}/event", handler=upgrade, needs=LOGGED_IN, calls=EVENT),
    Route(path=f"{V1}/event/ticket", handler=login.give_ticket, needs=LOGGED_IN, calls=EVENT, methods=("POST",)),
    Route(path=f"{V1}/roles", handler=roles.listed, needs=LOGGED_IN, calls=ROLE),
    Route(path=f"{V1}/roles", handler=roles.add, needs=LOGGED_IN, calls=ROLE, methods=("POST",)),
    Route(path=f"{V1}/roles/distinct", handler=roles.names, needs=LOGGED_IN, calls=ROLE),
    Route(path=f"{V1}/roles/{{id}}", handler=roles.one, needs=LOGGED_IN, calls=ROLE),
    Route(path=f"{V1}/roles/{{id}}", handler=roles.change, needs=LOGGED_IN, calls=ROLE, methods=("PUT",)),
    Route(path=f"{V1}/roles/{{id}}", handler=roles.remove, needs=LOGGED_IN, calls=ROLE, methods=("DELETE",)),
    Route(path=f"{V1}/roles/{{id}}/{{etag}}", handler=roles.remove, needs=LOGGED_IN, calls=ROLE, methods=("DELETE",)),
)
ROUTES = (*CALLED, *options(CALLED))
