"""core4's paths: a table of what is called, and by which name of core4's somebody is let call it.

Rule: a permission `api://…` names handlers as core4 calls them, whose names therefore stand here, and nowhere else.
"""

from collections.abc import Sequence

from job_tracker.web.core4 import login, roles
from job_tracker.web.rights import Needs
from job_tracker.web.routing import Route

V1 = "/core4/api/v1"
STANDARD = "core4.api.v1.request.standard"
LOGOUT = f"{STANDARD}.logout.LogoutHandler"
EVENT = f"{STANDARD}.event.EventHandler"
ROLE = "core4.api.v1.request.role.main.RoleHandler"
JOB_HISTORY = "core4.api.v1.request.queue.history.JobHistoryHandler"

LOGGED_IN = Needs.LOGGED_IN

ROUTES: Sequence[Route] = (
    *(
        Route(path=f"{root}/login", handler=login.log_in, needs=LOGGED_IN, methods=("GET", "POST"))
        for root in ("/core4/api", V1)
    ),
    *(
        Route(path=f"{root}/logout", handler=login.log_out, needs=LOGGED_IN, calls=LOGOUT, methods=("GET", "POST"))
        for root in ("/core4/api", V1)
    ),
    Route(path=f"{V1}/roles", handler=roles.listed, needs=LOGGED_IN, calls=ROLE),
    Route(path=f"{V1}/roles", handler=roles.add, needs=LOGGED_IN, calls=ROLE, methods=("POST",)),
    Route(path=f"{V1}/roles/distinct", handler=roles.names, needs=LOGGED_IN, calls=ROLE),
    Route(path=f"{V1}/roles/{{id}}", handler=roles.one, needs=LOGGED_IN, calls=ROLE),
    Route(path=f"{V1}/roles/{{id}}", handler=roles.change, needs=LOGGED_IN, calls=ROLE, methods=("PUT",)),
    Route(path=f"{V1}/roles/{{id}}", handler=roles.remove, needs=LOGGED_IN, calls=ROLE, methods=("DELETE",)),
    Route(path=f"{V1}/roles/{{id}}/{{etag}}", handler=roles.remove, needs=LOGGED_IN, calls=ROLE, methods=("DELETE",)),
)
