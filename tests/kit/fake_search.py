"""A search server that misbehaves when it is told to: `_bulk` as Elasticsearch has it, external versions, and faults.

Rule: what it holds is kept as the real one keeps it: a lower or equal version is a conflict, an id is created once.
"""

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class FakeSearch:
    """What it has, and what it is to do next.

    faults: for the next requests, one each: a status for all of it; "cut", taken and not answered; None, nothing.
    judge: says of an item with which status it is refused, None if it is taken.  largest: bytes it takes.
    """

    def __init__(self) -> None:
        self.documents: dict[str, tuple[int, Document]] = {}
        self.faults: deque[int | str | None] = deque()
        self.judge: Callable[[str, Document], int | None] = lambda _id, _document: None
        self.largest = 1 << 30
        self.requests: list[int] = []
        self.taken = 0
        self.authorization: str | None = None
        self.lock = threading.Lock()

    def bulk(self, body: bytes) -> Document:
        """Take what can be taken."""
        lines = body.splitlines()
        assert body.endswith(b"\n")
        items = []
        with self.lock:
            self.requests.append(len(lines) // 2)
            for action, document in zip(lines[::2], lines[1::2], strict=True):
                ((what, about),) = json.loads(action).items()
                status, error = self._one(what, about, json.loads(document))
                items.append({what: {"_id": about["_id"], "status": status, **({"error": error} if error else {})}})
        return {"took": 1, "errors": any("error" in next(iter(each.values())) for each in items), "items": items}

    def _one(self, what: str, about: Document, document: Document) -> tuple[int, Document | None]:
        refused = self.judge(about["_id"], document)
        if refused is not None:
            return refused, {"type": "refused_for_a_test", "reason": f"as {refused}"}
        before = self.documents.get(about["_id"])
        version = about.get("version", 1)
        if before is not None and (what == "create" or before[0] >= version):
            return 409, {"type": "version_conflict_engine_exception", "reason": "there"}
        self.documents[about["_id"]] = (version, document)
        self.taken += 1
        return 201, None


@contextmanager
def search_server(certificate: Path | None = None) -> Iterator[tuple[FakeSearch, str]]:
    """It, and its address.  certificate: with its key, where it speaks TLS."""
    fake = FakeSearch()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            fault = fake.faults.popleft() if fake.faults else None
            if self.path != "/_bulk":
                fault = 404
            if fake.authorization is not None and self.headers["authorization"] != fake.authorization:
                fault = 401
            if len(body) > fake.largest:
                fake.requests.append(body.count(b"\n") // 2)
                fault = 413
            if isinstance(fault, int):
                self._answer(fault, {"error": {"type": "fault", "reason": f"as {fault}"}, "status": fault})
                return
            answer = fake.bulk(body)
            if fault == "cut":
                self.close_connection = True
                self.connection.close()
                return
            self._answer(200, answer)

        def _answer(self, status: int, answer: Document) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                """The connection was cut on purpose."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield fake, f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
