"""Tokens: what somebody is known by once he was let in.

Rule: opaque, random, kept as a hash; each has an end, and is gone at once when it is revoked.

A `session` is a browser's and lasts as long as it is used; a `token` is a program's and lasts until its day; `once` is
a link that logs in one time, on this host; `core4` is what a client of core4 is given, and opens nothing else.
"""

from dataclasses import dataclass
from typing import Any

from job_tracker.moments import MICROSECONDS
from job_tracker.web.doors.hashing import new_token, token_hash
from job_tracker.web.doors.store import Store, note

SESSION, TOKEN, ONCE, CORE4 = "session", "token", "once", "core4"
ONCE_LASTS = 15 * 60 * MICROSECONDS
CORE4_LASTS = 8 * 3600 * MICROSECONDS
MOST, MOST_CORE4 = 50, 1_000
"""Of each kind that one user may have; the oldest goes.  Scripts of core4's log in each time, and never out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A token that is good.  ticket: its hash; reads_only: it changes nothing."""

    ticket: str
    user: str
    kind: str
    reads_only: bool
    created: int
    expires: int


class Tokens:
    """The tokens of a store.  lasts: how long a session does unused, in microseconds."""

    def __init__(self, store: Store, lasts: int) -> None:
        self.store, self.lasts = store, lasts

    def make(self, user: str, kind: str, expires: int, *, now: int, label: str = "", author: str = "",
             reads_only: bool = False, address: str = "") -> str:  # fmt: skip
        """A new one, which nobody will be shown again."""
        token = new_token()
        with self.store.change() as connection:
            connection.execute("DELETE FROM tokens WHERE expires <= ?", (now,))
            connection.execute(
                "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE user = ? AND kind = ? "
                "ORDER BY created DESC LIMIT -1 OFFSET ?)", (user, kind, (MOST_CORE4 if kind == CORE4 else MOST) - 1)
            )  # fmt: skip
            connection.execute(
                "INSERT INTO tokens (hash, user, kind, label, number, reads_only, created, expires) "
                "VALUES (?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM tokens WHERE user = ?), ?, ?, ?)",
                (token_hash(token), user, kind, label[:100], user, reads_only, now, expires),
            )
            what = {TOKEN: "token made", ONCE: "login link made"}.get(kind, "logged in")
            note(connection, now, author or user, what, user, address=address, text=label)
        return token

    def find(self, token: str, now: int) -> Found | None:
        """The token that this is; None if it is none, or its time is over."""
        return self.by_ticket(token_hash(token), now)

    def by_ticket(self, ticket: str, now: int) -> Found | None:
        """Likewise, by its hash."""
        row = self.store.row(
            "SELECT user, kind, reads_only, created, expires, coalesce(used, 0) FROM tokens WHERE hash = ?", ticket
        )
        if row is None or row[4] <= now:
            return None
        user, kind, reads_only, created, expires, used = row
        if now - used > self.lasts // 20:  # a session lasts on; written now and then, not with each request
            expires = now + self.lasts if kind == SESSION else expires
            with self.store.change() as connection:
                connection.execute("UPDATE tokens SET used = ?, expires = ? WHERE hash = ?", (now, expires, ticket))
        return Found(ticket=ticket, user=user, kind=kind, reads_only=bool(reads_only), created=created, expires=expires)

    def is_good(self, ticket: str, now: int) -> bool:
        """Whether a token still is one; looking is no use of it."""
        return self.store.row("SELECT 1 FROM tokens WHERE hash = ? AND expires > ?", ticket, now) is not None

    def use_up(self, token: str, now: int) -> str | None:
        """Whom a link lets in; it does so once."""
        with self.store.change() as connection:
            row = connection.execute(
                "DELETE FROM tokens WHERE hash = ? AND kind = ? AND expires > ? RETURNING user",
                (token_hash(token), ONCE, now),
            ).fetchone()
        return None if row is None else str(row[0])

    def revoke(self, ticket: str, *, author: str, now: int) -> None:
        """Let one be no more."""
        with self.store.change() as connection:
            row = connection.execute("DELETE FROM tokens WHERE hash = ? RETURNING user, kind", (ticket,)).fetchone()
            if row is not None:
                note(connection, now, author, "token revoked" if row[1] == TOKEN else "logged out", row[0])

    def revoke_number(self, user: str, number: int, *, author: str, now: int) -> bool:
        """Let one of a user be no more, by its number; False if there is none."""
        row = self.store.row("SELECT hash FROM tokens WHERE user = ? AND number = ?", user, number)
        if row is not None:
            self.revoke(row[0], author=author, now=now)
        return row is not None

    def of(self, user: str | None, now: int) -> list[dict[str, Any]]:
        """What a user has, or everybody; never the tokens themselves."""
        rows = self.store.rows(
            "SELECT user, number, kind, label, reads_only, created, used, expires FROM tokens "
            "WHERE (user = ? OR ? IS NULL) AND expires > ? AND kind <> 'once' ORDER BY user, number", user, user, now
        )  # fmt: skip
        names = ("user", "number", "kind", "label", "reads_only", "created", "used", "expires")
        return [
            {**(found := dict(zip(names, row, strict=True))), "reads_only": bool(found["reads_only"])} for row in rows
        ]
