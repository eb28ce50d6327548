"""Roles, for clients of core4: who there is, and who may make, change and remove them."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from job_tracker.web.context import Context
from job_tracker.web.core4.arguments import Arguments
from job_tracker.web.core4.envelope import reply
from job_tracker.web.core4.paging import page_of
from job_tracker.web.core4.people import EMAIL, LONGEST, Everybody, Known, Wish
from job_tracker.web.problems import Problem

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1_000
"""Their own examples have eleven characters, so what the pages ask for cannot be asked for here."""

SORTED_BY = ("_id", "name", "realname", "email", "is_active", "created", "last_login")
FILTERED_BY = ("_id", "name", "realname", "email", "is_active")


def listed(context: Context) -> Response:
    """Everybody, a page at a time; `sort` and `order`, and `filter`: a text, or values of fields."""
    asked, everybody = Arguments.of(context), _everybody(context).all()
    ids = {each.name: each.id for each in everybody}
    found = [each.document(ids) for each in everybody if _is_meant(each, asked)]
    by, order = asked.text("sort") or "_id", asked.number("order", 1)
    if by not in SORTED_BY or order not in (1, -1):
        raise Problem(400, f"sort is one of {', '.join(SORTED_BY)}, and order 1 or -1")
    found.sort(key=lambda each: str(each.get(by, "")), reverse=order < 0)
    part, paging = page_of(found, asked)
    return reply(part, **paging)


def names(context: Context) -> Response:
    """The names of all."""
    return reply([each.name for each in _everybody(context).all()])


def one(context: Context) -> Response:
    """One of them, with what it has altogether."""
    known = _everybody(context).one(str(context.path["id"]))
    whole = {**known.document(), "role": sorted(known.roles)}
    return reply({**whole, "role_total": sorted(known.roles), "perm_total": sorted(known.all)})


async def add(context: Context) -> Response:
    """A user, who has an email and a password, or a role."""
    asked = Arguments.of(context)
    wish = await _wish(context, asked)
    if wish.email and wish.password is None:
        raise Problem(400, "who has an email is a user, and needs a password")
    return reply(_everybody(context).add(asked.needed("name"), wish).document())


async def change(context: Context) -> Response:
    """Make one another, whose etag is given."""
    asked = Arguments.of(context)
    etag, id = asked.needed("etag"), str(context.path["id"])
    name = _everybody(context).one(id).name
    if (asked.text("name") or name).lower() != name.lower():
        raise Problem(400, "a name stays what it is; make another one")
    changed = _everybody(context).change(id, etag, await _wish(context, asked))
    return reply("no changes" if changed is None else changed.document())


def remove(context: Context) -> Response:
    """Let one be no more, whose etag is given."""
    etag = str(context.path.get("etag", "")) or Arguments.of(context).needed("etag")
    _everybody(context).remove(str(context.path["id"]), etag)
    return reply(True)


def _everybody(context: Context) -> Everybody:
    return Everybody(context.part.doors.people, context.who.rights, context.who.name, context.now)


async def _wish(context: Context, asked: Arguments) -> Wish:
    email, realname = asked.text("email"), asked.text("realname")
    if email is not None and not EMAIL.fullmatch(email := email.lower()):
        raise Problem(400, "email is none")
    if realname is not None and (len(realname) > LONGEST or not realname.isprintable()):
        raise Problem(400, f"realname has at most {LONGEST} characters, on one line")
    password = asked.text("password") or asked.text("passwd")
    if password is not None and not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Problem(400, f"a password has at least {SHORTEST_PASSWORD} characters")
    return Wish(
        realname=realname,
        email=email,
        is_active=asked.flag("is_active", True) if "is_active" in asked else None,
        roles=_distinct(asked.texts("role")),
        own=_distinct(asked.texts("perm")),
        password=None if password is None else await context.part.doors.checking.hashed(password),
    )


def _distinct(given: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(dict.fromkeys(given))


def _is_meant(each: Known, asked: Arguments) -> bool:
    written: Any = asked.given.get("filter") or ""
    if isinstance(written, str) and not written.lstrip().startswith("{"):
        return written.lower() in json.dumps([each.name, each.realname or "", sorted(each.own)]).lower()
    wanted, told = asked.mapping("filter"), each.document()
    for field, value in wanted.items():
        if field not in FILTERED_BY or not isinstance(value, str | bool):
            raise Problem(400, f"filter names values of {', '.join(FILTERED_BY)}, or is a text")
    return all(told.get(field) == value for field, value in wanted.items())
