"""People, as pages: one's own tokens and password; and for a cop users, roles and the audit.

Rule: what is refused is said beside the form, with what was written in it, and nothing is half done.
Rule: a token is shown once, on the page that made it, and that page is kept by nobody.
"""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from job_tracker.errors import JobTrackerError
from job_tracker.moments import DAY
from job_tracker.web.answers import page
from job_tracker.web.api.people import LONGEST_DAYS
from job_tracker.web.context import Context
from job_tracker.web.doors.people import SHORTEST_PASSWORD
from job_tracker.web.doors.tokens import TOKEN
from job_tracker.web.problems import Problem

A_PAGE = 100
LONGEST_PASSWORD = 1000


def account(context: Context, *, status: int = 200, fault: str = "", done: str = "", token: str = "") -> Response:
    """Who one is, and one's tokens."""
    return page(
        context,
        "account.html",
        here="/account",
        status=status,
        fault=fault,
        done=done,
        token=token,
        tokens=context.part.doors.tokens.of(context.who.name, context.now),
        shortest=SHORTEST_PASSWORD,
        longest_days=LONGEST_DAYS,
    )


def change_account(context: Context) -> Response:
    """Make a token, or revoke one, as the form says."""
    form, doors = context.form(), context.part.doors
    if context.who.by == TOKEN:
        raise Problem(403, "a token makes no tokens; log in with the password")
    match form.get("do"):
        case "make":
            days = form.get("days", "")
            if not (days.isascii() and days.isdigit() and len(days) < 6 and 1 <= int(days) <= LONGEST_DAYS):
                return account(context, status=422, fault=f"days is a whole number from 1 to {LONGEST_DAYS}")
            made = doors.tokens.make(
                context.who.name,
                TOKEN,
                context.now + int(days) * DAY,
                now=context.now,
                label=form.get("label", "")[:100],
                reads_only="reads_only" in form,
                address=doors.address_of(context.request),
            )
            return account(context, token=made)
        case "revoke":
            number = form.get("number", "")
            if not (number.isascii() and number.isdigit() and len(number) < 10) or not doors.tokens.revoke_number(
                context.who.name, int(number), author=context.who.name, now=context.now
            ):
                return account(context, status=404, fault="there is no such token any more")
            return account(context, done="The token is no more.")
    raise Problem(422, "the form does not say what to do")


async def change_password(context: Context) -> Response:
    """Give oneself another password; whoever else is logged in with the old one is so no longer."""
    form, doors = context.form(), context.part.doors
    try:
        await doors.log_in(context.who.name, form.get("old", ""), context.request)
        kept = await doors.checking.hashed(_fit(form.get("new", "")))
    except Problem as problem:
        return account(context, status=problem.status, fault=problem.detail)
    doors.people.set_password(context.who.name, kept, author=context.who.name, now=context.now)
    return page(context, "changed.html", here="/account")


def users(context: Context, *, status: int = 200, fault: str = "", done: str = "") -> Response:
    """Everybody, and what the roles give."""
    people = context.part.doors.people
    return page(
        context,
        "users.html",
        here="/users",
        status=status,
        fault=fault,
        done=done,
        users=people.users(),
        roles=people.roles(),
        shortest=SHORTEST_PASSWORD,
        me=context.who.name,
    )


async def change_users(context: Context) -> Response:
    """Do one thing with one user or role, as the form says."""
    form = context.form()
    action = _ACTIONS.get(form.get("do", ""))
    if action is None:
        raise Problem(422, "the form does not say what to do")
    try:
        done = await action(context, form)
    except Problem as problem:
        return users(context, status=problem.status, fault=problem.detail)
    except JobTrackerError as refusal:
        return users(context, status=422, fault=str(refusal))
    return users(context, done=done)


def audit(context: Context) -> Response:
    """Who did what, the newest first."""
    before = context.number("before", 1 << 62, 1 << 62)
    found = context.part.doors.people.audit(before, A_PAGE + 1)
    further = found[A_PAGE - 1]["number"] if len(found) > A_PAGE else None
    return page(context, "audit.html", here="/audit", rows=found[:A_PAGE], further=further)


async def _add(context: Context, form: dict[str, str]) -> str:
    doors, name = context.part.doors, form.get("name", "").strip()
    password = form.get("password", "")
    kept = await doors.checking.hashed(_fit(password)) if password else None
    doors.people.add(name, kept, [form.get("role", "")], author=context.who.name, now=context.now)
    return f"{name.lower()} is added{'' if kept else ', without a password: only a proxy lets him in'}."


async def _set_active(context: Context, form: dict[str, str]) -> str:
    name, active = form.get("name", ""), form.get("active") == "1"
    context.part.doors.people.set_active(name, active=active, author=context.who.name, now=context.now)
    return f"{name} is let in {'again' if active else 'no more'}."


async def _set_roles(context: Context, form: dict[str, str]) -> str:
    name, roles = form.get("name", ""), form.get("roles", "").replace(",", " ").split()
    context.part.doors.people.set_roles(name, roles, author=context.who.name, now=context.now)
    return f"{name} has the roles {', '.join(roles)}." if roles else f"{name} has no role any more."


async def _set_password(context: Context, form: dict[str, str]) -> str:
    doors, name = context.part.doors, form.get("name", "")
    kept = await doors.checking.hashed(_fit(form.get("password", "")))
    doors.people.set_password(name, kept, author=context.who.name, now=context.now)
    return f"{name} has another password, and is logged in nowhere."


async def _set_role(context: Context, form: dict[str, str]) -> str:
    role, permissions = form.get("role", "").strip(), form.get("permissions", "").split()
    context.part.doors.people.set_role(role, permissions, author=context.who.name, now=context.now)
    return f"The role {role} gives {', '.join(permissions) or 'nothing'}."


async def _remove_role(context: Context, form: dict[str, str]) -> str:
    role = form.get("role", "")
    context.part.doors.people.remove_role(role, author=context.who.name, now=context.now)
    return f"The role {role} is no more."


_ACTIONS: dict[str, Callable[[Context, dict[str, str]], Awaitable[str]]] = {
    "add": _add,
    "active": _set_active,
    "roles": _set_roles,
    "password": _set_password,
    "role": _set_role,
    "remove-role": _remove_role,
}
"""By what a form says that is to be done."""


def _fit(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Problem(422, f"a password has at least {SHORTEST_PASSWORD} characters")
    return password
