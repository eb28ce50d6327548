"""Managing: users, roles and tokens from the command line, by whoever may write the store.

Rule: a password is never an argument, which every user of the host could read; it is asked for, or read from a file.
"""

import getpass
import json
import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.config.for_pages import ForPages, load_for_pages
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.web.doors.hashing import hashed
from job_tracker.web.doors.people import SHORTEST_PASSWORD, NotChanged, People
from job_tracker.web.doors.store import Store
from job_tracker.web.doors.tokens import ONCE, ONCE_LASTS, TOKEN, Tokens

MOST_PASSWORD = 1_000


def add(config: Path, name: str, roles: Sequence[str], password_file: str | None, *, has_password: bool) -> None:
    """Add a user."""
    if not roles:
        raise NotChanged("name at least one --role: cop (everything), operator, viewer, standard_user, or your own")
    kept = hashed(_password(password_file)) if has_password else None
    with _store(config) as (store, _):
        People(store).add(name, kept, roles, author=_author(), now=clock.now())
    _say(f"{name.lower()}: added, {', '.join(roles)}")


def show(config: Path, *, json: bool) -> None:
    """Everybody, and what the roles give."""
    with _store(config) as (store, _):
        people = People(store)
        users, roles = people.users(), people.roles()
    if json:
        _say(_as_json({"users": [_told(user) for user in users], "roles": roles}))
        return
    if not users:
        _say("there is no user yet; `job_tracker web-user add NAME --role cop` makes one")
    for user in users:
        state = "" if user["active"] else ", disabled"
        state += "" if user["has_password"] else ", without a password"
        _say(f"{user['name']}: {', '.join(user['roles']) or 'no role'}{state}, last login {_when(user['seen'])}")
    _say("")
    for role, permissions in roles.items():
        _say(f"{role}: {', '.join(permissions) or 'sees no job'}")


def set_active(config: Path, name: str, *, active: bool) -> None:
    """Let somebody in no more, or again."""
    with _store(config) as (store, _):
        People(store).set_active(name, active=active, author=_author(), now=clock.now())
    _say(f"{name.lower()}: {'let in again' if active else 'let in no more'}")


def set_password(config: Path, name: str, password_file: str | None) -> None:
    """Another password."""
    kept = hashed(_password(password_file))
    with _store(config) as (store, _):
        People(store).set_password(name, kept, author=_author(), now=clock.now())
    _say(f"{name.lower()}: has another password, and is logged in nowhere")


def make_token(config: Path, name: str, label: str, *, days: int, reads_only: bool, once: bool) -> None:
    """A token, or a link that logs in once."""
    now = clock.now()
    with _store(config) as (store, found):
        if People(store).rights_of(name) is None:
            raise NotChanged(f"there is no user {name[:60]!r}, or he is disabled")
        if once and not found.web.listen.is_loopback:
            raise NotChanged("a login link is for pages on loopback; web: listen says something else")
        kind, expires = (ONCE, now + ONCE_LASTS) if once else (TOKEN, now + days * DAY)
        tokens = Tokens(store, found.web.session_in_hours * 3600 * MICROSECONDS)
        token = tokens.make(
            name.lower(), kind, expires, now=now, label=label, author=_author(), reads_only=reads_only
        )  # fmt: skip
    scheme = "https" if found.web.has_tls else "http"
    _say(f"{scheme}://127.0.0.1:{found.web.listen.port}/login/once?key={token}" if once else token)


def set_role(
    config: Path, name: str, roles: Sequence[str] | None, permissions: Sequence[str] | None, *, remove: bool
) -> None:
    """Other roles of a user, or other permissions of a role."""
    if (roles is not None) + (permissions is not None) + remove != 1:
        raise NotChanged("say --role, for a user's roles, or --permission, for what a role gives, or --remove")
    with _store(config) as (store, _):
        people, author, now = People(store), _author(), clock.now()
        if remove:
            people.remove_role(name, author=author, now=now)
        elif permissions is not None:
            people.set_role(name, permissions, author=author, now=now)
        else:
            people.set_roles(name, roles or (), author=author, now=now)
    _say(f"{name}: removed" if remove else f"{name}: {', '.join(permissions or roles or ())}")


@contextmanager
def _store(config: Path) -> Iterator[tuple[Store, ForPages]]:
    found = load_for_pages(config)
    store = Store(found.web.store_file, clock.now())
    try:
        yield store, found
    finally:
        store.close()


def _password(file: str | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise NotChanged("nobody is here to be asked for a password; name a --password-file, or - for stdin")
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise NotChanged("the two are not the same")
    else:
        password = _first_line(file)
    if not password or len(password) > MOST_PASSWORD:
        raise NotChanged("the password is empty" if not password else f"is longer than {MOST_PASSWORD} characters")
    if len(password) < SHORTEST_PASSWORD:
        print(  # noqa: T201 - the command line's own
            f"the password is short; {SHORTEST_PASSWORD} characters or more are what the pages themselves ask for",
            file=sys.stderr,
        )
    return password


def _first_line(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.readline(MOST_PASSWORD + 2).rstrip("\r\n")
        with Path(file).open(encoding="utf-8") as text:
            return text.readline(MOST_PASSWORD + 2).rstrip("\r\n")
    except (OSError, ValueError) as failure:
        raise NotChanged(f"{file}: the password cannot be read: {failure}") from failure


def _author() -> str:
    """Who says it on the command line."""
    name = os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    try:
        return f"{name or pwd.getpwuid(os.getuid()).pw_name} (command line)"
    except KeyError:
        return f"uid {os.getuid()} (command line)"


def _told(user: dict[str, Any]) -> dict[str, Any]:
    return {**user, **{key: user[key] and user[key] / MICROSECONDS for key in ("created", "seen")}}


def _when(moment: int | None) -> str:
    return "never" if moment is None else f"{datetime.fromtimestamp(moment // MICROSECONDS, UTC):%Y-%m-%d %H:%M} UTC"


def _as_json(document: Any) -> str:
    return json.dumps(document, indent=2)


def _say(line: str) -> None:
    print(line)  # noqa: T201 - the command line's own
