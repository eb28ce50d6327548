"""Safety: what holds for every answer and every request, whatever is asked for.

Rule: nothing inline, nothing from elsewhere, nothing framed; the pages are written so that this policy is enough.
Rule: what changes something comes from our own pages, or from a program that no browser speaks for; so does a socket.
"""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from job_tracker.config.web import Web
from job_tracker.web.doors.core4 import PATH as CORE4
from job_tracker.web.problems import Problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a browser says `Origin: null` of our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
FOR_OTHERS = {
    "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-expose-headers": "token",
}
"""To pages of allowed origins, which come without cookies: what they may read, under /core4, is what a token opens."""

MOST_BODY = 1_000_000
"""Bytes of a body."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Safe:
    """Around everything: headers of answers, the host that is asked for, and where what changes something is from."""

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self.app, self.web = app, web
        self.headers = dict(HEADERS)
        if web.is_https:
            self.headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            scope.setdefault("state", {})["refused"] = self._refused(scope)
            await self.app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")  # and so none answers another origin
                headers.update(self._for_others(scope))
            await send(message)

        scope.setdefault("state", {})["refused"] = self._refused(scope)
        await self.app(scope, receive, send_safely)

    def _for_others(self, scope: Scope) -> Mapping[str, str]:
        origin = Headers(scope=scope).get("origin", "")
        if not scope["path"].startswith(CORE4) or origin.lower() not in self.web.allowed_origins:
            return {}
        return {"access-control-allow-origin": origin, **FOR_OTHERS}

    def _refused(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or host_of(headers["host"]) not in self.web.hosts:
            return Problem(400, "this host is not one that is served here; name it in trusted_hosts")
        if scope.get("method") not in _SAFE and not is_own_origin(headers, self.web):
            return Problem(403, "the request comes from the page of another origin")
        return None


def is_own_origin(headers: Headers, web: Web) -> bool:
    """Whether a request comes from a page of ours, or from no page at all."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None:
        return origin.lower() in own_origins(headers["host"], web) or origin.lower() in web.allowed_origins
    return site in (None, "same-origin", "none")


def own_origins(host: str, web: Web) -> Collection[str]:
    """What a browser calls the pages that it got under this host."""
    if web.has_tls:
        return (f"https://{host.lower()}",)
    found = [f"http://{host.lower()}"] if not web.is_https or is_loopback(host_of(host)) else []
    return (*found, *([web.public_url] if web.public_url else []))


def host_of(header: str) -> str:
    """The host of a Host header, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a name is this host's own."""
    return host in ("localhost", "::1") or host.startswith("127.")
