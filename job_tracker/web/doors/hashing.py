"""Hashing: what is kept of passwords and tokens, and how much of the machine may go into checking them.

Rule: one thread checks passwords and few wait for it, so that whoever guesses stops nobody else from being served.
Rule: a name that there is not costs the same as one that there is.
"""

import hashlib
import secrets
import time

import anyio.to_thread
from anyio import CapacityLimiter
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from job_tracker.web.problems import Problem

HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
"""OWASP's minimum: 19 MiB for some 30 ms."""

WAITING = 4
"""Who may wait, one of them only from where somebody logged in before."""

REMEMBERED_FOR = 60.0
LONGEST = 1000


def hashed(password: str) -> str:
    """What is kept of a password."""
    return HASHER.hash(password)


def new_token() -> str:
    """256 random bits, as they fit into a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of a token; it is long and random, so that nothing slow is needed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


class Checking:
    """Checks passwords, one at a time."""

    def __init__(self) -> None:
        self._dummy = hashed(new_token())
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, float] = {}
        self._pending = 0
        self._one = CapacityLimiter(1)

    def remembers(self, kept: str | None, name: str, password: str) -> bool:
        """Whether this was found right within the last minute."""
        return self._known.get(self._pair(kept, name, password), 0.0) > time.monotonic()

    async def is_right(self, kept: str | None, name: str, password: str, *, is_known_place: bool) -> bool:
        """Whether it is the password that was kept; None: of nobody.  Raises Problem where too many wait."""
        if self._pending > WAITING - (not is_known_place):
            raise Problem(429, "many log in at this moment; try again in a few seconds", {"Retry-After": "3"})
        self._pending += 1
        try:
            is_right = await anyio.to_thread.run_sync(self._verified, kept, password, limiter=self._one)
        finally:
            self._pending -= 1
        if is_right:
            now = time.monotonic()
            self._known = {each: until for each, until in self._known.items() if until > now}
            self._known[self._pair(kept, name, password)] = now + REMEMBERED_FOR
        return is_right

    async def hashed(self, password: str) -> str:
        """What is kept of a password, made in the same one thread."""
        return await anyio.to_thread.run_sync(hashed, password, limiter=self._one)

    def _verified(self, kept: str | None, password: str) -> bool:
        try:
            return HASHER.verify(kept or self._dummy, password[:LONGEST]) and kept is not None
        except (Argon2Error, InvalidHashError):
            return False

    def _pair(self, kept: str | None, name: str, password: str) -> bytes:
        text = f"{name}\0{kept}\0{password}".encode("utf-8", "replace")
        return hashlib.blake2b(text, key=self._key).digest()
