"""People, for programs: one's own tokens; and for a cop everybody's, users, roles and the audit.

Rule: a token is answered once, when it is made, and a password never.
"""

from typing import Any

from starlette.responses import Response

from job_tracker.moments import DAY
from job_tracker.web import written
from job_tracker.web.answers import document
from job_tracker.web.api.answering import A_PAGE, MOST
from job_tracker.web.context import Context
from job_tracker.web.doors.people import SHORTEST_PASSWORD
from job_tracker.web.doors.tokens import TOKEN
from job_tracker.web.problems import Problem

LONGEST_DAYS = 3660


def tokens(context: Context) -> Response:
    """One's own; with `user`, for a cop, somebody else's, with `user=*` everybody's."""
    wanted = context.query.get("user", context.who.name)
    if wanted != context.who.name and not context.who.is_cop:
        raise Problem(403, "these are somebody else's")
    found = context.part.doors.tokens.of(None if wanted == "*" else wanted, context.now)
    return document({"tokens": [_dated(each, "created", "used", "expires") for each in found]})


def make_token(context: Context) -> Response:
    """A new one of one's own: `label`, `days`, `reads_only`."""
    given, doors = context.json(), context.part.doors
    days, label, reads_only = given.get("days", 90), given.get("label", ""), given.get("reads_only", False)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
        raise Problem(422, f"days is a whole number from 1 to {LONGEST_DAYS}")
    if not isinstance(label, str) or len(label) > 100 or not isinstance(reads_only, bool):
        raise Problem(422, "label is a text of at most 100 characters, reads_only true or false")
    if context.who.by == TOKEN:
        raise Problem(403, "a token makes no tokens; log in with the password")
    expires, address = context.now + days * DAY, doors.address_of(context.request)
    made = doors.tokens.make(
        context.who.name, TOKEN, expires, now=context.now, label=label, reads_only=reads_only, address=address
    )
    return document({"token": made, "expires": written.moment(expires)}, status=201)


def revoke_token(context: Context) -> Response:
    """Let one be no more, by its number; a cop says whose."""
    user = context.query.get("user", context.who.name)
    if user != context.who.name and not context.who.is_cop:
        raise Problem(403, "this is somebody else's")
    number = int(context.path["number"])
    if not context.part.doors.tokens.revoke_number(user, number, author=context.who.name, now=context.now):
        raise Problem(404, "there is no such token")
    return Response(status_code=204)


def users(context: Context) -> Response:
    """Everybody, with his roles."""
    return document({"users": [_dated(each, "created", "seen") for each in context.part.doors.people.users()]})


async def add_user(context: Context) -> Response:
    """Add one: `name`, `password` (none: only a proxy lets him in), `roles`."""
    given, doors = context.json(), context.part.doors
    name, roles = str(given.get("name", "")), _texts(given.get("roles", []), "roles")
    password = given.get("password")
    kept = None if password is None else await doors.checking.hashed(_fit(password))
    doors.people.add(name, kept, roles, author=context.who.name, now=context.now)
    return document({"name": name.lower(), "roles": roles}, status=201)


async def change_user(context: Context) -> Response:
    """Change one thing of one: `active`, `roles` or `password`."""
    given, people = context.json(), context.part.doors.people
    name, author, now = str(context.path["name"]), context.who.name, context.now
    match list(given):
        case ["password"]:
            kept = await context.part.doors.checking.hashed(_fit(given["password"]))
            people.set_password(name, kept, author=author, now=now)
        case ["roles"]:
            people.set_roles(name, _texts(given["roles"], "roles"), author=author, now=now)
        case ["active"]:
            people.set_active(name, active=given["active"] is True, author=author, now=now)
        case _:
            raise Problem(422, "say one of active, roles and password; one at a time is all or nothing")
    return Response(status_code=204)


async def change_own_password(context: Context) -> Response:
    """Give oneself another password: `old`, `new`."""
    given, doors = context.form(), context.part.doors
    await doors.log_in(context.who.name, given.get("old", ""), context.request)
    kept = await doors.checking.hashed(_fit(given.get("new")))
    doors.people.set_password(context.who.name, kept, author=context.who.name, now=context.now)
    return Response(status_code=204)


def roles(context: Context) -> Response:
    """Every role, with its permissions."""
    return document({"roles": context.part.doors.people.roles()})


def set_role(context: Context) -> Response:
    """Make a role, or give one other `permissions`."""
    permissions = _texts(context.json().get("permissions"), "permissions")
    people, name = context.part.doors.people, str(context.path["name"])
    people.set_role(name, permissions, author=context.who.name, now=context.now)
    return Response(status_code=204)


def remove_role(context: Context) -> Response:
    """Let a role be no more."""
    context.part.doors.people.remove_role(str(context.path["name"]), author=context.who.name, now=context.now)
    return Response(status_code=204)


def audit(context: Context) -> Response:
    """Who did what, the newest first; `before`: a number."""
    limit = max(1, context.number("limit", A_PAGE, MOST))
    before = context.number("before", 1 << 62, 1 << 62)
    found = context.part.doors.people.audit(before, limit)
    next_ = str(found[-1]["number"]) if len(found) == limit else None
    return document({"audit": [_dated(each, "at") for each in found], "next": next_})


def _dated(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: written.optional(value) if key in names else value for key, value in row.items()}


def _texts(given: Any, name: str) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise Problem(422, f"{name} is a list of texts")
    return given


def _fit(password: Any) -> str:
    if not isinstance(password, str) or not SHORTEST_PASSWORD <= len(password) <= 1000:
        raise Problem(422, f"a password has at least {SHORTEST_PASSWORD} characters")
    return password
