"""How clients of core4 show who they are: a header, or a token or a name and password among their arguments.

Rule: a cookie opens nothing here, and none is set, so that no link and no page elsewhere acts for anybody.
Rule: what stands in a URL is written down by whatever it passes: it counts only on this very host, or under https.
Rule: a ticket may stand there, for it opens a socket and nothing else, and no second one.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection, Request

from job_tracker import clock
from job_tracker.web.core4.arguments import said_in_body
from job_tracker.web.doors.hashing import token_hash
from job_tracker.web.doors.tokens import CORE4, CORE4_LASTS, TOKEN
from job_tracker.web.problems import LoginNeeded
from job_tracker.web.rights import NOBODY, Who

if TYPE_CHECKING:
    from job_tracker.web.doors.doors import Doors

PATH = "/core4/"
PROTOCOL, BEARER = "core4", "bearer."
"""What a browser offers a socket: the protocol that it is answered with, and its token behind the other word."""

KINDS = (TOKEN, CORE4)
NOT_IN_A_URL = (
    "a token, a name and a password do not count in a URL here; send them in the header Authorization, "
    "or over https with the pages' public_url saying so"
)


async def identify(doors: "Doors", request: HTTPConnection) -> Who:
    """Who asks; raises Problem for a proof that is none."""
    scheme, _, proof = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return doors.by_token(proof.strip(), request, KINDS)
        case "basic":
            return await doors.by_password(proof.strip(), request)
        case "" if (offered := _offered(request)) is not None:
            return doors.by_token(offered, request, KINDS)
        case "" if request.scope["type"] == "websocket" and "ticket" in request.query_params:
            return _by_ticket(doors, request.query_params["ticket"])
        case "":
            return await _by_arguments(doors, request) or doors.by_proxy(request) or NOBODY
    raise LoginNeeded("this way to log in is not known here; Basic and Bearer are")


def with_an_end(doors: "Doors", request: HTTPConnection, who: Who) -> Who:
    """Who came with a password gets a token of his own, for with another password, or none, it is no more."""
    if who.by != "password":
        return who
    now = clock.now()
    ends = now + CORE4_LASTS
    token = doors.tokens.make(who.name, CORE4, ends, now=now, address=doors.address_of(request))
    return replace(who, ticket=token_hash(token), until=ends)


def _by_ticket(doors: "Doors", ticket: str) -> Who:
    who = doors.tickets.use_up(ticket, time.monotonic())
    if who is None or not doors.is_still(who):
        raise LoginNeeded("the ticket is not known, or was used, or its time is over; ask for another one")
    return who


def _offered(request: HTTPConnection) -> str | None:
    """The token that the page of a browser offers as a protocol, for it can give a socket no header of its own."""
    offered = (each for each in request.scope.get("subprotocols", ()) if each.startswith(BEARER))
    return next((each.removeprefix(BEARER) for each in offered), None)


async def _by_arguments(doors: "Doors", request: HTTPConnection) -> Who | None:
    in_url = request.query_params
    if "token" in in_url or {"username", "password"} <= in_url.keys():
        is_https = doors.web.is_https
        if not (doors.web.core4_credentials_in_url and (is_https or doors.is_local(request))):
            raise LoginNeeded(NOT_IN_A_URL)
        return await _by(doors, request, in_url)
    if isinstance(request, Request) and request.method not in ("GET", "HEAD"):
        said = said_in_body(await request.body(), request.headers.get("content-type", ""))
        return await _by(doors, request, said)
    return None


async def _by(doors: "Doors", request: HTTPConnection, said: Any) -> Who | None:
    token, name, password = said.get("token"), said.get("username"), said.get("password")
    if isinstance(token, str):
        return doors.by_token(token, request, KINDS)
    if isinstance(name, str) and isinstance(password, str):
        return await doors.log_in(name, password, request)
    return None
