"""People: users, the roles that they have, and the permissions that these give.

Rule: there is always somebody who may do everything, or nobody could let anybody in.
Rule: whose rights change, or who is disabled, loses what he was logged in with, in the same transaction.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from job_tracker.errors import JobTrackerError
from job_tracker.web.doors.store import READY_ROLES, Store, note, put_role
from job_tracker.web.rights import COP, Rights, granted

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")
SHORTEST_PASSWORD = 12
MOST_PERMISSIONS = 200

STANDARD = "api://core4.api.v1.request.standard.*"
HISTORY = "api://core4.api.v1.request.queue.history.*"
ALSO = {"standard_user": (STANDARD,), "viewer": (STANDARD, HISTORY), "operator": (STANDARD, HISTORY)}
"""What ready roles let clients of core4 call; not kept in the store, so that one of before has it too."""

Document = dict[str, Any]


class NotChanged(JobTrackerError):
    """A user or a role was not changed as asked; nothing was."""


class People:
    """Everybody that the store knows.  Names are compared in lower case."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, name: str, password: str | None, roles: Sequence[str], *, author: str, now: int) -> None:
        """Add a user; password: as it is kept, None for one whom only a proxy lets in.  Raises NotChanged."""
        if not NAME.fullmatch(name):
            raise NotChanged(f"{name[:60]!r} is no name; letters, digits, _ . @ -, a letter or digit first")
        name = name.lower()
        with self.store.change() as connection:
            if connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone():
                raise NotChanged(f"there is a user {name} already")
            connection.execute("INSERT INTO users (name, password, created) VALUES (?, ?, ?)", (name, password, now))
            self.put_roles(connection, name, roles)
            note(connection, now, author, "user added", name, text=", ".join(roles))

    def set_password(self, name: str, password: str, *, author: str, now: int) -> None:
        """Give a user another password; whoever is logged in with the old one is so no longer."""
        with self._changed(name) as connection:
            connection.execute("UPDATE users SET password = ? WHERE name = ?", (password, name.lower()))
            connection.execute("DELETE FROM tokens WHERE user = ? AND kind <> 'token'", (name.lower(),))
            connection.execute("DELETE FROM tries WHERE who = ?", (f"name:{name.lower()}",))
            note(connection, now, author, "password changed", name.lower())

    def set_active(self, name: str, *, active: bool, author: str, now: int) -> None:
        """Let a user no longer in, or again; his tokens are gone for good."""
        had_cop = self.has_cop()
        with self._changed(name) as connection:
            connection.execute("UPDATE users SET active = ? WHERE name = ?", (active, name.lower()))
            connection.execute("DELETE FROM tokens WHERE user = ?", (name.lower(),))
            self.require_cop(connection, had_cop)
            note(connection, now, author, "user enabled" if active else "user disabled", name.lower())

    def set_roles(self, name: str, roles: Sequence[str], *, author: str, now: int) -> None:
        """Give a user other roles."""
        had_cop = self.has_cop()
        with self._changed(name) as connection:
            self.put_roles(connection, name.lower(), roles)
            connection.execute("DELETE FROM tokens WHERE user = ? AND kind <> 'token'", (name.lower(),))
            self.require_cop(connection, had_cop)
            note(connection, now, author, "roles changed", name.lower(), text=", ".join(roles))

    def set_role(self, role: str, permissions: Iterable[str], *, author: str, now: int) -> None:
        """Make a role, or give one other permissions.  Raises NotChanged and PermissionAtFault."""
        wanted = sorted(set(permissions))
        if not NAME.fullmatch(role) or len(wanted) > MOST_PERMISSIONS:
            raise NotChanged(
                f"{role[:60]!r}: a role has a name like a user, and at most {MOST_PERMISSIONS} permissions"
            )
        if role in READY_ROLES:
            raise NotChanged(f"the role {role} is as it is; make another one")
        granted(wanted)
        had_cop = self.has_cop()
        with self.store.change() as connection:
            put_role(connection, role, wanted, now)
            members = connection.execute("SELECT user FROM members WHERE role = ?", (role,)).fetchall()
            connection.executemany("DELETE FROM tokens WHERE user = ? AND kind <> 'token'", members)
            self.require_cop(connection, had_cop)
            note(connection, now, author, "role changed", role, text=", ".join(wanted))

    def remove_role(self, role: str, *, author: str, now: int) -> None:
        """Let a role be no more; whoever had it has it no longer."""
        if role in READY_ROLES:
            raise NotChanged(f"the role {role} is there for good")
        had_cop = self.has_cop()
        with self.store.change() as connection:
            if not connection.execute("DELETE FROM roles WHERE name = ?", (role,)).rowcount:
                raise NotChanged(f"there is no role {role[:60]!r}")
            connection.execute("DELETE FROM permissions WHERE role = ?", (role,))
            connection.execute("DELETE FROM members WHERE role = ?", (role,))
            self.require_cop(connection, had_cop)
            note(connection, now, author, "role removed", role)

    def users(self) -> list[Document]:
        """Everybody, with what is told of him; never a password."""
        rows = self.store.rows("SELECT name, active, created, seen, password IS NOT NULL FROM users ORDER BY name")
        names = ("name", "active", "created", "seen", "has_password")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            {**user, "active": bool(user["active"]), "has_password": bool(user["has_password"]),
             "roles": self.roles_of(user["name"])} for user in found
        ]  # fmt: skip

    def roles(self) -> dict[str, list[str]]:
        """Every role with its permissions."""
        found: dict[str, list[str]] = {name: [] for (name,) in self.store.rows("SELECT name FROM roles ORDER BY name")}
        for role, permission in self.store.rows("SELECT role, permission FROM permissions ORDER BY role, permission"):
            found[role].append(permission)
        return found

    def roles_of(self, name: str) -> list[str]:
        """The roles of a user."""
        return [role for (role,) in self.store.rows("SELECT role FROM members WHERE user = ? ORDER BY role", name)]

    def has_role(self, name: str) -> bool:
        """Whether there is a role of that name."""
        return bool(self.store.rows("SELECT 1 FROM roles WHERE name = ?", name))

    def rights_of(self, name: str) -> Rights | None:
        """What a user may; None of one that there is not, or who is disabled."""
        rows = self.store.rows(_RIGHTS, name.lower())
        if not rows:
            return None
        also = (permission for role, _ in rows for permission in ALSO.get(role, ()))
        return granted([*(permission for _, permission in rows if permission is not None), *also])

    def has_cop(self) -> bool:
        """Whether there is somebody who may do everything."""
        return bool(self.store.rows(_COPS))

    def audit(self, before: int | None, most: int) -> list[Document]:
        """Who did what, the newest first, behind a number."""
        rows = self.store.rows(
            "SELECT number, at, author, what, subject, address, text FROM audit WHERE number < ? "
            "ORDER BY number DESC LIMIT ?", 1 << 62 if before is None else before, most
        )  # fmt: skip
        names = ("number", "at", "author", "what", "subject", "address", "text")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _changed(self, name: str) -> Any:
        if not self.store.rows("SELECT 1 FROM users WHERE name = ?", name.lower()):
            raise NotChanged(f"there is no user {name[:60]!r}")
        return self.store.change()

    @staticmethod
    def put_roles(connection: sqlite3.Connection, name: str, roles: Sequence[str]) -> None:
        """Give a user these roles and no others, within a change.  Raises NotChanged."""
        known = {role for (role,) in connection.execute("SELECT name FROM roles")}
        for role in roles:
            if role not in known:
                raise NotChanged(f"there is no role {role[:60]!r}; there are {', '.join(sorted(known))}")
        connection.execute("DELETE FROM members WHERE user = ?", (name,))
        rows = [(name, role) for role in dict.fromkeys(roles)]
        connection.executemany("INSERT INTO members (user, role) VALUES (?, ?)", rows)

    @staticmethod
    def require_cop(connection: sqlite3.Connection, had_cop: bool) -> None:
        """Let a change not leave nobody who may do everything.  Raises NotChanged."""
        if had_cop and not connection.execute(_COPS).fetchone():
            raise NotChanged(f"nobody would be left with the permission {COP}; give it to somebody else first")


_RIGHTS = """
SELECT role, permission FROM users LEFT JOIN members ON user = users.name LEFT JOIN permissions USING (role)
WHERE users.name = ? AND active
"""
_COPS = """
SELECT 1 FROM users JOIN members ON user = users.name JOIN permissions USING (role)
WHERE active AND permission = 'cop' LIMIT 1
"""
