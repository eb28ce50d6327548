"""Answering: what all answers of the API have in common.

Rule: a list says how old it is, and where the next part of it begins; it never looks fresher than the tracker is.
Rule: what did not change is not sent again to whoever says what he has.
"""

import hashlib
import secrets
from typing import Any

from starlette.responses import Response

from job_tracker.web import written
from job_tracker.web.answers import document
from job_tracker.web.context import Context

A_PAGE, MOST = 200, 1_000
"""Of a list, where nobody says how many; and at most."""

_PROCESS = secrets.token_hex(4)


def answer(context: Context, content: dict[str, Any]) -> Response:
    """A document of what the board says, with its age; or that it is still the same."""
    tag = etag(context)
    if tag in [each.strip() for each in context.request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers={"etag": tag, "cache-control": "private, no-cache"})
    board = context.board
    age = {"stale": context.stale_since is not None, "written": written.optional(board.meta.get("written"))}
    return document({**content, **age, "seq": board.seq}, headers={"etag": tag, "cache-control": "private, no-cache"})


def etag(context: Context) -> str:
    """What is known, to whom; another one whenever either changes."""
    permissions = ",".join(sorted(context.who.rights.permissions))
    known = f"{context.who.name} {permissions} {context.request.url.path}?{context.request.url.query}"
    digest = hashlib.sha256(known.encode()).hexdigest()[:12]
    board, is_stale = context.board, context.stale_since is not None
    return f'"{_PROCESS}-{board.seq}-{board.version}-{board.meta.get("written", 0)}-{digest}-{is_stale:d}"'
