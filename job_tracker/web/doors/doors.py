"""The doors: how somebody shows who he is, with each request.

Rule: a proof that is wrong is refused, and never taken for no proof.
Rule: a header that a proxy sets counts from that proxy alone; from everybody else it is as if it were not there.
Rule: a cookie is for our own pages and their API, a password in a header for programs.
"""

import base64
import binascii
from collections.abc import Collection
from ipaddress import ip_address, ip_network

from starlette.requests import HTTPConnection

from job_tracker import clock
from job_tracker.config.web import SOCKET, Web
from job_tracker.moments import MICROSECONDS
from job_tracker.web.doors import core4
from job_tracker.web.doors.hashing import Checking
from job_tracker.web.doors.people import People
from job_tracker.web.doors.store import Store
from job_tracker.web.doors.tickets import Tickets
from job_tracker.web.doors.tokens import CORE4, SESSION, TOKEN, Found, Tokens
from job_tracker.web.doors.tries import Tries
from job_tracker.web.problems import LoginNeeded, Problem
from job_tracker.web.rights import NOBODY, Who
from job_tracker.web.safety import host_of, is_loopback

FOR_PASSWORDS = ("/api/", "/metrics", "/health")
"""Where a name and password may stand in a header."""


class Doors:
    """All ways in.  web: the section of the configuration."""

    def __init__(self, store: Store, web: Web) -> None:
        self.store, self.web = store, web
        self.people, self.tries, self.checking = People(store), Tries(store), Checking()
        self.tokens = Tokens(store, web.session_in_hours * 3600 * MICROSECONDS)
        self.tickets = Tickets()

    async def identify(self, request: HTTPConnection) -> Who:
        """Who asks; raises Problem for a proof that is none."""
        if request.url.path.startswith(core4.PATH):
            return await core4.identify(self, request)
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                return self.by_token(proof.strip(), request, (SESSION, TOKEN))
            case "basic" if request.url.path.startswith(FOR_PASSWORDS):
                return await self.by_password(proof.strip(), request)
            case "":
                return self.by_proxy(request) or self._by_cookie(request)
        raise LoginNeeded("this way to log in is not known here; a token is given as `Authorization: Bearer …`")

    async def log_in(self, name: str, password: str, request: HTTPConnection) -> Who:
        """Who has that name and password.  Raises Problem."""
        name, address, now = name.lower()[:100], self.address_of(request), clock.now()
        row = self.store.row("SELECT password FROM users WHERE name = ? AND active", name)
        kept = None if row is None else row[0]
        if self.checking.remembers(kept, name, password):
            return self._somebody(name, "password")
        wait = self.tries.wait(name, address, now)
        if wait > 0:
            seconds = wait // MICROSECONDS + 1
            raise Problem(429, f"too many tries; wait {seconds} s", {"Retry-After": str(seconds)})
        is_known = self.tries.knows(name, address)
        if not await self.checking.is_right(kept, name, password, is_known_place=is_known):
            self.tries.failed(name, address, now)
            raise LoginNeeded("the name or the password is not right")
        self.tries.succeeded(name, address, now)
        return self._somebody(name, "password")

    def cookie_name(self, request: HTTPConnection) -> str:
        """What the session's cookie is called; without TLS by the port, for browsers do not tell ports apart."""
        if self.is_secure(request):
            return "__Host-job_tracker"
        return f"job_tracker_{request.url.port or 80}"

    def is_secure(self, request: HTTPConnection) -> bool:
        """Whether the browser speaks TLS, with us or with the proxy before us."""
        return self.web.has_tls or (self.web.is_https and not is_loopback(host_of(request.headers.get("host", ""))))

    def address_of(self, request: HTTPConnection) -> str:
        """From where somebody asks, to count his tries by; of what a proxy says, the last that it added itself."""
        peer = SOCKET if request.client is None or not request.client.host else request.client.host
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        is_near = peer == SOCKET or is_loopback(peer)  # a proxy of this host, or else somebody who is known by name
        return forwarded[:60] if forwarded and (is_near or self._is_believed(peer)) else peer

    def is_local(self, request: HTTPConnection) -> bool:
        """Whether somebody asks on this very host, and no proxy asks for him."""
        peer = "" if request.client is None else request.client.host
        is_passed_on = any(name == "forwarded" or name.startswith("x-forwarded-") for name in request.headers)
        return is_loopback(peer) and is_loopback(host_of(request.headers.get("host", ""))) and not is_passed_on

    def is_still(self, who: Who) -> bool:
        """Whether somebody who has an open stream may still have it."""
        now = clock.now()
        if who.ticket and not self.tokens.is_good(who.ticket, now):
            return False
        return self.people.rights_of(who.name) == who.rights

    def by_token(self, token: str, request: HTTPConnection, kinds: Collection[str]) -> Who:
        """Who has that token, of one of these kinds.  Raises Problem."""
        found = self.tokens.find(token, clock.now())
        if found is None or found.kind not in kinds:
            raise LoginNeeded("the token is not known, or its time is over")
        if found.reads_only and request.scope.get("method", "GET") not in ("GET", "HEAD"):
            raise Problem(403, "this token only reads")
        return self._somebody(found.user, CORE4 if found.kind == CORE4 else TOKEN, found)

    async def by_password(self, proof: str, request: HTTPConnection) -> Who:
        """Who has the name and password of a header.  Raises Problem."""
        try:
            name, colon, password = base64.b64decode(proof, validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as fault:
            raise LoginNeeded("the name and password cannot be read") from fault
        if not colon:
            raise LoginNeeded("the name and password cannot be read")
        return await self.log_in(name, password, request)

    def _by_cookie(self, request: HTTPConnection) -> Who:
        token = request.cookies.get(self.cookie_name(request), "")
        found = self.tokens.find(token, clock.now()) if token else None
        return NOBODY if found is None or found.kind != SESSION else self._somebody(found.user, SESSION, found)

    def by_proxy(self, request: HTTPConnection) -> Who | None:
        """Whom a proxy that is believed names.  Raises Problem."""
        header = self.web.trusted_user_header
        if header is None:
            return None
        names = request.headers.getlist(header)
        peer = SOCKET if request.client is None or not request.client.host else request.client.host
        if not names or not self._is_believed(peer):
            return None
        if len(names) > 1:
            raise LoginNeeded("the proxy names more than one user")
        return self._somebody(names[0].strip().lower(), "proxy")

    def _is_believed(self, peer: str) -> bool:
        if peer == SOCKET:
            return SOCKET in self.web.trusted_proxies
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in ip_network(each) for each in self.web.trusted_proxies if each != SOCKET)

    def _somebody(self, name: str, by: str, found: Found | None = None) -> Who:
        rights = self.people.rights_of(name)
        if rights is None:
            raise LoginNeeded("there is no such user, or he is disabled")
        roles = tuple(self.people.roles_of(name))
        ticket, until = ("", None) if found is None else (found.ticket, found.expires)
        return Who(name=name, rights=rights, roles=roles, by=by, ticket=ticket, until=until)
