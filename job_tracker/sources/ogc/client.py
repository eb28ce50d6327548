"""Client: one connection to a server, and what it answers.

Rule: a request has a total deadline and a limit of bytes, however slowly its answer drips.
Rule: certificates are always verified; a redirect is followed on the server itself alone; nothing is asked twice but
over a connection that the server had closed meanwhile.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from ssl import SSLEOFError
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from job_tracker.errors import BadAnswer, SourceRefused, SourceUnreachable
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Server
from job_tracker.sources.ogc.deadline import Deadline
from job_tracker.sources.ogc.proving import credential, refused_by, tls_of

MOST_BYTES = 64 * 1024 * 1024
REDIRECTS = 3
AGENT = "job_tracker"
REDIRECTING = frozenset({301, 302, 303, 307, 308})
CUT = (ConnectionError, SSLEOFError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered.

    document: its JSON, None where there is none.  url: that it came from.  offset: microseconds its clock is ahead of
    ours, to a second, None if it does not say.  latency: microseconds.  links: of the header, by their relation.
    """

    status: int
    document: Any
    url: str
    size: int
    latency: int
    offset: int | None
    links: Mapping[str, str]


class Silent(BadAnswer):
    """No answer came in time; where several do not, the server is taken to be away."""


class Client:
    """One connection to a server, made when it is needed.  For one thread; `interrupt` may come from any."""

    def __init__(self, server: Server, *, deadline: float, clock: Callable[[], int], limit: int = MOST_BYTES) -> None:
        """deadline: seconds for a request with its answer, connecting included."""
        self._server, self._deadline, self._clock, self._limit = server, deadline, clock, limit
        self._origin = _origin(urlsplit(server.url))
        self._connection: HTTPConnection | None = None
        self._headers: dict[str, str] = {}
        self._is_late = self._is_interrupted = False
        self._watch = Deadline(deadline, self._late)

    def get(self, target: str) -> Answer:
        """Ask; target: a path below the server's address, or an address that it gave.

        Raises SourceUnreachable, BadAnswer where the answer cannot be read, SourceRefused.
        """
        url = self.resolve(self._server.url + "/", target)
        for _ in range(REDIRECTS + 1):
            answer, location = self._asked(url)
            if location is None:
                return answer
            url = self.resolve(url, location)
        raise BadAnswer(f"{url} redirects in a circle")

    def resolve(self, base: str, target: str) -> str:
        """The address that is meant; one of another server is refused, whoever named it."""
        try:
            url = urljoin(base, target)
            origin = _origin(urlsplit(url))
        except ValueError as fault:
            raise BadAnswer(f"{base} names an address that is none: {fault}") from fault
        if origin != self._origin:
            raise SourceRefused(f"{base} sends us to {'://'.join(map(str, origin[:2]))}, which is another server")
        return url

    def interrupt(self) -> None:
        """End whatever it waits for; until it is closed by its owner it asks nothing any more."""
        self._is_interrupted = True
        self._shut()

    def close(self) -> None:
        """Let go of the connection."""
        self._drop()
        self._watch.close()
        self._is_interrupted = False

    def _shut(self) -> None:
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TLS, too: no goodbye, for somebody else is reading

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _asked(self, url: str) -> tuple[Answer, str | None]:
        """One request, and where it sends us instead."""
        self._is_late = False
        self._watch.begin()
        begun = time.monotonic()
        try:
            return self._exchange(url, begun)
        except (NewConnectionError, ConnectTimeoutError) as failure:
            raise SourceUnreachable(f"{self._server.url}: {_reason(failure)}") from failure
        except (HTTPError, HTTPException, OSError, ValueError) as failure:
            self._raise(url, failure, time.monotonic() - begun)
        finally:
            self._watch.end()
        raise AssertionError

    def _raise(self, url: str, failure: Exception, took: float) -> None:
        self._drop()
        if refusal := refused_by(failure):
            raise SourceRefused(f"{self._server.url}: {refusal}") from failure
        if self._is_late or isinstance(failure, TimeoutError) or took >= self._deadline:
            raise Silent(f"{url}: no whole answer within {self._deadline:g} s") from failure
        raise BadAnswer(f"{url}: {_reason(failure)}") from failure

    def _late(self) -> None:
        self._is_late = True
        self._shut()

    def _exchange(self, url: str, begun: float) -> tuple[Answer, str | None]:
        parts = urlsplit(url)
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        response, sent = self._sent(target)
        try:
            body = self._body(response, begun)
            if response.status in (401, 403):
                reason = f"{response.status} {response.reason}"
                raise SourceRefused(f"{url}: {reason}; is the credential the right one?")
        except BaseException:
            response.close()
            self._drop()
            raise
        answer = Answer(
            status=response.status,
            document=_json(body) if response.status == 200 else None,
            url=url,
            size=len(body),
            latency=round((time.monotonic() - begun) * MICROSECONDS),
            offset=_offset(response.headers.get("Date"), sent, self._clock()),
            links=_links(response.headers.get("Link", "")),
        )
        return answer, response.headers.get("Location") if response.status in REDIRECTING else None

    def _body(self, response: urllib3.HTTPResponse, begun: float) -> bytes:
        chunks, size = [], 0
        while chunk := response.read1(1 << 16, decode_content=False):
            size += len(chunk)
            if size > self._limit:
                raise ValueError(f"the answer is longer than {self._limit} bytes")
            chunks.append(chunk)
            if time.monotonic() - begun > self._deadline:
                self._is_late = True
            if self._is_late:
                raise TimeoutError
        if self._is_late:
            raise TimeoutError
        return b"".join(chunks)

    def _sent(self, target: str) -> tuple[urllib3.HTTPResponse, int]:
        """The head of the answer; a connection that was kept may have been closed there while nobody used it."""
        kept = self._connection
        is_fresh = kept is None or kept.sock is None
        connection = self._connect() if kept is None or is_fresh else kept
        try:
            connection.timeout = self._deadline
            sent = self._clock()
            with suppress(*CUT):  # why it was cut is perhaps there to be read
                connection.request("GET", target, headers=self._headers, preload_content=False, decode_content=False)
            return connection.getresponse(), sent
        except (*CUT, HTTPException):
            if is_fresh or self._is_late or self._is_interrupted:
                raise
            self._drop()
            return self._sent(target)

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self._server.url)
        host = parts.hostname or ""
        self._headers = {"User-Agent": AGENT, "Accept": "application/json", **credential(self._server)}
        if parts.scheme == "https":
            context = tls_of(self._server)
            connection: HTTPConnection = HTTPSConnection(host, parts.port or 443, ssl_context=context)
        else:
            connection = HTTPConnection(host, parts.port or 80)
        connection.timeout = self._deadline
        self._connection = connection
        connection.connect()
        if self._is_interrupted:
            raise ConnectionAbortedError("interrupted")
        return connection


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname or "", port


def _json(text: bytes) -> Any:
    """Numbers that JSON does not have are none."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError as fault:
        raise ValueError("the answer is nested too deep") from fault
    except ValueError as fault:
        raise ValueError(f"the answer is no JSON: {str(fault)[:100]}") from fault


def _offset(date: str | None, sent: int, received: int) -> int | None:
    try:
        said = None if date is None else parsedate_to_datetime(date)
    except ValueError:
        return None
    if said is None:
        return None
    return round((said.timestamp() + 0.5) * MICROSECONDS) - (sent + received) // 2


def _links(header: str) -> dict[str, str]:
    """Addresses by relation: `<http://…>; rel="next"`."""
    found: dict[str, str] = {}
    for part in header.split(",") if len(header) < 10_000 else ():
        address, _, rest = part.strip().partition(">")
        for parameter in rest.split(";"):
            name, _, value = parameter.strip().partition("=")
            if name.lower() == "rel" and address.startswith("<"):
                found.setdefault(value.strip('"'), address[1:])
    return found


def _reason(failure: BaseException) -> str:
    """Why, without the object's address that urllib3 begins with."""
    text = str(failure.__cause__ or failure) or type(failure).__name__
    return text.rpartition(": ")[2][:200] if "object at 0x" in text else text[:200]
