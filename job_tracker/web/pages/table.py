"""The pages: a table of what is answered to people."""

from collections.abc import Sequence

from job_tracker.web.pages import board, job, night, others, people
from job_tracker.web.rights import Needs
from job_tracker.web.routing import Route

ROUTES: Sequence[Route] = (
    Route(path="/", handler=board.show, needs=Needs.FILTERED),
    Route(path="/fragments/jobs", handler=board.rows, needs=Needs.FILTERED),
    Route(path="/night", handler=night.show, needs=Needs.FILTERED),
    Route(path="/jobs/{key}", handler=job.show, needs=Needs.SEES_JOB),
    Route(path="/jobs/{key}/durations", handler=job.durations, needs=Needs.SEES_JOB),
    Route(path="/jobs/{key}/runs/{number:int}", handler=job.run, needs=Needs.SEES_JOB),
    Route(path="/sources", handler=others.sources, needs=Needs.SEES_ALL),
    Route(path="/unmatched", handler=others.unmatched, needs=Needs.SEES_ALL),
    Route(path="/notifications", handler=others.notifications, needs=Needs.SEES_ALL),
    Route(path="/events", handler=others.events, needs=Needs.FILTERED),
    Route(path="/account", handler=people.account, needs=Needs.LOGGED_IN),
    Route(path="/account", handler=people.change_account, needs=Needs.LOGGED_IN, methods=("POST",)),
    Route(path="/account/password", handler=people.change_password, needs=Needs.LOGGED_IN, methods=("POST",)),
    Route(path="/users", handler=people.users, needs=Needs.COP),
    Route(path="/users", handler=people.change_users, needs=Needs.COP, methods=("POST",)),
    Route(path="/audit", handler=people.audit, needs=Needs.COP),
)
