"""Problems: why a request was not answered as asked, for programs as problem+json, for people as a calm page."""

from collections.abc import Mapping
from http import HTTPStatus

from job_tracker.errors import JobTrackerError


class Problem(JobTrackerError):
    """A request is answered with a status and a sentence instead of what was asked for; nothing was changed.

    headers: what goes with it, as Retry-After.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    @property
    def title(self) -> str:
        """What the status is called."""
        return HTTPStatus(self.status).phrase

    def document(self) -> dict[str, object]:
        """As RFC 9457 has it."""
        return {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}


class LoginNeeded(Problem):
    """Whoever asks has to say who he is; a page leads to the login, a program is told."""

    def __init__(self, detail: str = "log in first") -> None:
        super().__init__(401, detail, {"WWW-Authenticate": "Bearer"})
