"""The pages: a table of what is answered to people."""

from collections.abc import Sequence

from job_tracker.web.routing import Route

ROUTES: Sequence[Route] = ()
