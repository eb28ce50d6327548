"""Logging in and out, for clients of core4, and tickets for their sockets.

Rule: whoever has shown who he is gets a token; one who has one gets the same, which therefore ends when it would have.
Rule: who logs out is logged out: the token is no more, and neither are the sockets that it opened.
Rule: who asks for a ticket shows who he is elsewhere than in the URL, or a ticket would be no better than that.
"""

import time

from starlette.responses import Response

from job_tracker.web.context import Context
from job_tracker.web.core4.arguments import Arguments
from job_tracker.web.core4.envelope import reply
from job_tracker.web.doors.core4 import with_an_end
from job_tracker.web.doors.tokens import CORE4, CORE4_LASTS
from job_tracker.web.problems import LoginNeeded

PROOFS = frozenset({"token", "username", "password"})


def log_in(context: Context) -> Response:
    """A token; the gate has found out whose."""
    token = _given(context)
    if token is None:
        doors = context.part.doors
        ends, address = context.now + CORE4_LASTS, doors.address_of(context.request)
        token = doors.tokens.make(context.who.name, CORE4, ends, now=context.now, address=address)
    return reply({"token": token}, headers={"token": token})


def log_out(context: Context) -> Response:
    """The token that this is asked with is no more."""
    if context.who.by == CORE4:
        context.part.doors.tokens.revoke(context.who.ticket, author=context.who.name, now=context.now)
    return reply("OK")


def give_ticket(context: Context) -> Response:
    """What opens one socket, as whoever asks."""
    if not PROOFS.isdisjoint(context.query):
        raise LoginNeeded("no ticket is given for what stands in a URL; send it in the header Authorization")
    doors = context.part.doors
    who = with_an_end(doors, context.request, context.who)
    return reply({"ticket": doors.tickets.make(who, time.monotonic())})


def _given(context: Context) -> str | None:
    """The token that he came with, if he did."""
    if not context.who.ticket:
        return None
    scheme, _, proof = context.request.headers.get("authorization", "").partition(" ")
    return proof.strip() if scheme.lower() == "bearer" else Arguments.of(context).needed("token")
