"""Elasticsearch and OpenSearch: documents by `_bulk`, effectively once.

Rule: the target itself knows what it has: a document of a job carries its event's number as an external version, so
that an older one never replaces a newer; one of an event is created by its uid, so that a second is none.  What is
there already (409) is done.
Rule: what may pass is sent again (429, 5xx, no answer); what never will is a dead letter (400); what somebody has to
mend holds the shipper, and nothing is thrown away for it (401, 403, 404, and whatever refuses a whole request).

Both speak the same `_bulk`; the clients of one refuse the other, so that none is used here.
"""

import hashlib
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import Timeout, make_headers

from job_tracker.config.shippers import ShipperEntry
from job_tracker.process.secret_files import SecretRefused, read_secret
from job_tracker.shippers.target import Item, Sent, TargetRefused, shortened

AT_MOST = 4_000_000
"""Bytes of one request, unless one document is larger; some hosted services take ten million at most."""

LONGEST_ID = 512
"""Bytes of a document's id."""

LONGEST_ANSWER = 16_000_000
CONNECT, ANSWER = 10.0, 60.0
"""Seconds for a connection, and for the whole of an answer."""

TOO_LARGE = 413
HELD = frozenset({401, 403, 404})
AGAIN = frozenset({408, 429})


class ElasticsearchTarget:
    """An index, or an alias of one."""

    at_once = 500

    def __init__(self, entry: ShipperEntry) -> None:
        """Raises TargetRefused."""
        self._entry = entry
        self._headers = {"content-type": "application/x-ndjson", **_authorization(entry)}
        try:
            trusted = ssl.create_default_context(cafile=entry.ca_file)  # names are compared, and nothing is let pass
        except OSError as failure:
            raise TargetRefused(f"ca_file: {entry.ca_file}: {failure.strerror or failure}") from failure
        timeout = Timeout(connect=CONNECT, read=ANSWER)
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=timeout, ssl_context=trusted)

    def send(self, items: Sequence[Item]) -> Sent:
        """Send them, in requests as large as the target takes."""
        done: set[int] = set()
        dead: dict[int, str] = {}
        waiting = _parted([(item, self._lines(item)) for item in items])
        while waiting:
            part = waiting.pop(0)
            status, answer = self._post(b"".join(lines for _, lines in part))
            if status == TOO_LARGE and len(part) > 1:
                waiting[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
            elif status == TOO_LARGE:
                dead[part[0][0].seq] = f"{len(part[0][1])} bytes are more than the target takes (413)"
            elif status != 200:
                held = status in HELD or (300 <= status < 500 and status not in AGAIN)
                return Sent(
                    done=frozenset(done), dead=dead, problem=f"{self._entry.url} answers {answer}", is_held=held
                )
            else:
                found = _judged([item for item, _ in part], answer)
                done |= found.done
                dead.update(found.dead)
                if found.problem:
                    return Sent(done=frozenset(done), dead=dead, problem=found.problem, is_held=found.is_held)
        return Sent(done=frozenset(done), dead=dead)

    def send_again(self, items: Sequence[Item]) -> Sent:
        """Dead letters carry their old numbers, so that they replace nothing newer."""
        return self.send(items)

    def close(self) -> None:
        """Let go of the connection."""
        self._pool.clear()

    def _lines(self, item: Item) -> bytes:
        """What one document is in the body."""
        about: dict[str, Any] = {"_index": self._entry.index}
        if self._entry.document == "job":
            about |= {"_id": _id(item.key), "version": item.seq, "version_type": "external"}
            action = {"index": about}
        else:
            action = {"create": {**about, "_id": _id(item.uid)}}
        return f"{json.dumps(action)}\n{json.dumps(item.document)}\n".encode()

    def _post(self, body: bytes) -> tuple[int, Any]:
        """Status and answer; status 0 where there was none.  The answer is an object, or words for people."""
        begun = time.monotonic()
        try:
            response = self._pool.request(
                "POST",
                f"{self._entry.url}/_bulk",
                body=body,
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
            try:
                content = _content(response, begun)
            finally:
                response.close()
        except SSLError as failure:
            return 495, f"no certificate that is believed: {shortened(failure)}"
        except (HTTPError, OSError, TimeoutError) as failure:
            return 0, f"nothing: {shortened(failure)}"
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if response.status == 200:
            return (200, answer) if isinstance(answer, dict) else (0, "what is no JSON object")
        return response.status, f"{response.status} {shortened(_reason(answer) or content.decode(errors='replace'))}"


def _judged(items: Sequence[Item], answer: Mapping[str, Any]) -> Sent:
    """What became of each, by its place in the answer."""
    done, dead, problem, is_held = set(), {}, "", False
    results = answer.get("items")
    if not isinstance(results, list) or len(results) != len(items):
        return Sent(problem="the answer to _bulk does not name each document")
    for item, result in zip(items, results, strict=True):
        told: Any = next(iter(result.values()), {}) if isinstance(result, dict) else {}
        status = told.get("status") if isinstance(told, dict) else None
        reason = f"{status} {shortened(_reason(told))}"
        match status:
            case 200 | 201 | 409:
                done.add(item.seq)
            case 401 | 403 | 404:
                problem, is_held = f"event {item.seq} is refused: {reason}", True
            case int() if 400 <= status < 500 and status not in AGAIN:
                dead[item.seq] = reason
            case _:
                problem = problem or f"event {item.seq} is not taken now: {reason}"
    return Sent(done=frozenset(done), dead=dead, problem=problem, is_held=is_held)


def _reason(answer: Any) -> str:
    """What an answer says of a fault, in the words of the target."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return str(error or "")
    cause = error.get("caused_by")
    told = [error.get("type"), error.get("reason"), cause.get("reason") if isinstance(cause, dict) else None]
    return ": ".join(str(each) for each in told if each)


def _content(response: urllib3.BaseHTTPResponse, begun: float) -> bytes:
    parts, size = [], 0
    for part in response.stream(65_536):
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER or time.monotonic() - begun > ANSWER:
            raise TimeoutError("the answer does not end")
    return b"".join(parts)


def _parted(prepared: Sequence[tuple[Item, bytes]]) -> list[Sequence[tuple[Item, bytes]]]:
    parts: list[list[tuple[Item, bytes]]] = []
    size = AT_MOST
    for item, lines in prepared:
        if size + len(lines) > AT_MOST:
            parts.append([])
            size = 0
        parts[-1].append((item, lines))
        size += len(lines)
    return list(parts)


def _id(key: str) -> str:
    written = key.encode("utf-8", "replace")
    return written.decode() if len(written) <= LONGEST_ID else hashlib.sha256(written).hexdigest()


def _authorization(entry: ShipperEntry) -> Mapping[str, str]:
    try:
        if entry.api_key_file is not None:
            return {"authorization": f"ApiKey {read_secret(entry.api_key_file)}"}
        if entry.password_file is not None:
            return make_headers(basic_auth=f"{entry.user}:{read_secret(entry.password_file)}")
    except SecretRefused as refusal:
        raise TargetRefused(str(refusal)) from refusal
    return {}
