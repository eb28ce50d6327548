"""People as core4 knows them: users and roles are of one kind, with a name, roles and permissions of their own.

Rule: what a user was given himself is kept as a role of his name, so that pages and command line show and change it.
Rule: only a cop gives anybody `cop`, or what he does not have himself, or touches anybody who has.
Rule: a change is whole or not at all, and only of what it was when it was looked at: its etag.
"""

import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from job_tracker.web.core4.envelope import id_of, moment
from job_tracker.web.doors.people import ALSO, NAME, People
from job_tracker.web.doors.store import READY_ROLES, note, put_role
from job_tracker.web.problems import Problem
from job_tracker.web.rights import PermissionAtFault, Rights, permission

EMAIL = re.compile(r"[^\s@]{1,100}@[^\s@.][^\s@]{0,100}\.[a-z]{2,20}")
MOST_PERMISSIONS, LONGEST = 200, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A user or a role.  roles: by name; own: permissions of its own; all: what it has with those of its roles."""

    name: str
    created: int
    is_user: bool
    is_active: bool = True
    realname: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    all: frozenset[str] = frozenset()
    seen: int | None = None
    password: str | None = None

    @property
    def id(self) -> str:
        """What it is named by in paths."""
        return id_of(self.created, "role", self.name)

    @property
    def etag(self) -> str:
        """Another one whenever anything of it is another."""
        what = (self.name, self.is_active, self.realname, self.email, self.roles, self.own, self.password)
        return hashlib.sha256(repr(what).encode("utf-8", "replace")).hexdigest()[:24]

    def document(self, ids: Mapping[str, str] | None = None) -> dict[str, Any]:
        """As it is answered; ids: of roles, where they stand in place of names."""
        told = {
            "_id": self.id,
            "name": self.name,
            "realname": self.realname,
            "is_active": self.is_active,
            "created": moment(self.created),
            "etag": self.etag,
            "role": [ids[each] if ids else each for each in self.roles],
            "email": self.email,
            "perm": sorted(self.own),
            "last_login": None if self.seen is None else moment(self.seen),
        }
        return {key: value for key, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody is to be; None: as it is.  password: as it is kept."""

    realname: str | None = None
    email: str | None = None
    is_active: bool | None = None
    roles: tuple[str, ...] | None = None
    own: tuple[str, ...] | None = None
    password: str | None = None


class Everybody:
    """All users and roles.  rights: of whoever asks; author: who that is."""

    def __init__(self, people: People, rights: Rights, author: str, now: int) -> None:
        self.people, self.store = people, people.store
        self.rights, self.author, self.now = rights, author, now

    def all(self) -> list[Known]:
        """In the order of their names."""
        rows = self.store.rows
        profiles = {name: rest for name, *rest in rows("SELECT name, realname, email FROM profiles")}
        members, own = defaultdict(list), defaultdict(list)
        for user, role in rows("SELECT user, role FROM members ORDER BY role"):
            members[user].append(role)
        for role, each in rows("SELECT role, permission FROM permissions ORDER BY permission"):
            own[role].append(each)
        found: dict[str, Known] = {}
        for name, created in rows("SELECT name, created FROM roles"):
            given = _of(name, own)
            found[name] = Known(name=name, created=created, is_user=False, own=given, all=frozenset(given))
        users = rows("SELECT name, created, active, seen, password FROM users")
        for name, created, active, seen, password in users:
            realname, email = profiles.get(name, (None, None))
            everything = [each for role in members[name] for each in _of(role, own)]
            found[name] = Known(
                name=name, created=created, is_user=True, is_active=bool(active), realname=realname, email=email,
                roles=tuple(role for role in members[name] if role != name),
                own=tuple(own[name]) if name in members[name] else (),
                all=frozenset(everything), seen=seen, password=password,
            )  # fmt: skip
        return [found[name] for name in sorted(found)]

    def one(self, id: str) -> Known:
        """By its id.  Raises Problem."""
        if not re.fullmatch(r"[0-9a-f]{24}", id):
            raise Problem(400, "that is no id of a role: 24 hexadecimal digits are")
        for each in self.all():
            if each.id == id:
                return each
        raise Problem(404, f"role [{id}] not found")

    def add(self, name: str, wish: Wish) -> Known:
        """A new one.  Raises Problem, NotChanged and PermissionAtFault."""
        name = name.lower()
        if not NAME.fullmatch(name):
            raise Problem(400, f"{name[:60]!r} is no name; letters, digits, _ . @ -, a letter or digit first")
        with self.store.change() as connection:
            everybody = self.all()
            if any(each.name == name or (wish.email and each.email == wish.email) for each in everybody):
                raise Problem(400, "name or email exists")
            made = Known(name=name, created=self.now, is_user=wish.password is not None)
            self._refuse(made, wish, everybody)
            if made.is_user:
                values = (name, wish.password, self.now)
                connection.execute("INSERT INTO users (name, password, created) VALUES (?, ?, ?)", values)
            self._put(connection, made, wish)
            note(connection, self.now, self.author, "user added" if made.is_user else "role changed", name,
                 text=", ".join([*(wish.roles or ()), *(wish.own or ())]))  # fmt: skip
        return self.one(made.id)

    def change(self, id: str, etag: str, wish: Wish) -> Known | None:
        """Make one another; None: nothing of it is.  Raises as `add` does."""
        with self.store.change() as connection:
            known, everybody, had_cop = self._known(id, etag), self.all(), self.people.has_cop()
            self._refuse(known, wish, everybody)
            if wish.email and any(each.email == wish.email and each.name != known.name for each in everybody):
                raise Problem(400, "name or email exists")
            self._put(connection, known, wish)
            changed = self.one(id)
            if changed == known:
                return None
            self._log_out(connection, known)
            if not changed.is_active:
                connection.execute("DELETE FROM tokens WHERE user = ?", (known.name,))
            self.people.require_cop(connection, had_cop)
            note(connection, self.now, self.author, "role changed", known.name)
        return changed

    def remove(self, id: str, etag: str) -> None:
        """Let one be no more, here and among everybody's roles.  Raises as `add` does."""
        with self.store.change() as connection:
            known, had_cop = self._known(id, etag), self.people.has_cop()
            self._refuse(known, Wish(), ())
            self._log_out(connection, known)
            for statement in _REMOVED:
                connection.execute(statement, {"name": known.name})
            self.people.require_cop(connection, had_cop)
            note(connection, self.now, self.author, "role removed", known.name)

    def _known(self, id: str, etag: str) -> Known:
        known = self.one(id)
        if known.etag != etag:
            raise Problem(400, f"update [{id}] with etag [{etag[:60]}] failed")
        return known

    def _refuse(self, known: Known, wish: Wish, everybody: Iterable[Known]) -> None:
        """Whoever asks may not do this, or nobody may."""
        if known.name in READY_ROLES and not known.is_user:
            raise Problem(400, f"the role {known.name} is as it is; make another one")
        if not known.is_user and (wish.roles or wish.email or wish.is_active is False):
            raise Problem(400, "a role has permissions alone; who has an email and a password is a user")
        if wish.own and known.is_user and not known.own and self.people.has_role(known.name):
            raise Problem(400, f"there is a role {known.name} that is not his own; give him another one")
        if len(wish.own or ()) > MOST_PERMISSIONS:
            raise Problem(400, f"at most {MOST_PERMISSIONS} permissions are kept of one")
        by_name = {each.name: each for each in everybody}
        for role in wish.roles or ():
            if role not in by_name or (by_name[role].is_user and role != known.name):
                raise Problem(404, f"role [{role[:60]}] not found")
        given = {*(wish.own or ()), *(each for role in wish.roles or () for each in by_name[role].all)}
        for each in given:
            _look_at(each)
        if not self.rights.is_cop and not {*given, *known.all} <= self.rights.permissions:
            raise Problem(403, "only a cop gives what he does not have himself, or changes whoever has it")

    def _put(self, connection: sqlite3.Connection, known: Known, wish: Wish) -> None:
        if wish.password is not None and known.is_user:
            connection.execute("UPDATE users SET password = ? WHERE name = ?", (wish.password, known.name))
        if wish.is_active is not None and known.is_user:
            connection.execute("UPDATE users SET active = ? WHERE name = ?", (wish.is_active, known.name))
        own = known.own if wish.own is None else tuple(sorted(set(wish.own)))
        if own or not known.is_user:
            put_role(connection, known.name, own, self.now)
        elif known.own:
            connection.execute("DELETE FROM roles WHERE name = ?", (known.name,))
            connection.execute("DELETE FROM permissions WHERE role = ?", (known.name,))
        if known.is_user:
            roles = known.roles if wish.roles is None else wish.roles
            self.people.put_roles(connection, known.name, [*roles, *([known.name] if own else [])])
        profile = (known.name, wish.realname or known.realname, wish.email or known.email)
        connection.execute("INSERT OR REPLACE INTO profiles (name, realname, email) VALUES (?, ?, ?)", profile)

    @staticmethod
    def _log_out(connection: sqlite3.Connection, known: Known) -> None:
        """What somebody was logged in with is no more, and of a role what everybody was who has it."""
        connection.execute(
            "DELETE FROM tokens WHERE kind <> 'token' AND (user = :name OR user IN "
            "(SELECT user FROM members WHERE role = :name))", {"name": known.name}
        )  # fmt: skip


_REMOVED = (
    "DELETE FROM tokens WHERE user = :name",
    "DELETE FROM users WHERE name = :name",
    "DELETE FROM members WHERE user = :name OR role = :name",
    "DELETE FROM permissions WHERE role = :name",
    "DELETE FROM roles WHERE name = :name",
    "DELETE FROM profiles WHERE name = :name",
)


def _of(role: str, own: Mapping[str, list[str]]) -> tuple[str, ...]:
    return (*own.get(role, ()), *ALSO.get(role, ()))


def _look_at(text: str) -> None:
    try:
        permission(text)
    except PermissionAtFault as fault:
        raise Problem(400, f"invalid permission protocol [{text[:60]}]: {fault}") from fault
