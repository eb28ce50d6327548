"""A way to moto's SQS on which things go wrong when they are told to.

Rule: what the queue accepted is asked of the queue itself, past the proxy.
"""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Document = dict[str, Any]


class Faults:
    """What is to happen to the next SendMessageBatch requests, one each.

    A dict of positions and (code, whether it is the sender's fault): these entries fail; a text: all of it is refused
    with that code; "cut": it is passed on, and the answer lost; a number: that status; None: nothing.
    """

    def __init__(self) -> None:
        self.waiting: deque[dict[int, tuple[str, bool]] | str | int | None] = deque()
        self.batches: list[int] = []
        self.authorizations: list[str] = []


@contextmanager
def faulty_way(port: int) -> Iterator[tuple[Faults, str]]:
    """A proxy before the server at a port, and its address."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if not self.headers.get("x-amz-target", "").endswith("SendMessageBatch"):
                self._answer(*self._passed_on(body))
                return
            asked = json.loads(body)
            faults.batches.append(len(asked["Entries"]))
            faults.authorizations.append(self.headers["authorization"])
            fault = faults.waiting.popleft() if faults.waiting else None
            if fault == "cut":
                self._passed_on(body)
                self.close_connection = True
                self.connection.close()
            elif isinstance(fault, str):
                self._answer(400, json.dumps({"__type": f"com.amazonaws.sqs#{fault}", "message": fault}).encode())
            elif isinstance(fault, int):
                self._answer(fault, b"{}")
            elif isinstance(fault, dict):
                self._partly(asked, fault)
            else:
                self._answer(*self._passed_on(body))

        def _partly(self, asked: Document, fault: dict[int, tuple[str, bool]]) -> None:
            entries = asked["Entries"]
            failed = [
                {"Id": entries[at]["Id"], "Code": code, "SenderFault": is_sender, "Message": "for a test"}
                for at, (code, is_sender) in fault.items()
            ]
            asked["Entries"] = [each for at, each in enumerate(entries) if at not in fault]
            answer: Document = {"Successful": []}
            if asked["Entries"]:
                _, content = self._passed_on(json.dumps(asked).encode())
                answer = json.loads(content)
            self._answer(200, json.dumps({**answer, "Failed": failed}).encode())

        def _passed_on(self, body: bytes) -> tuple[int, bytes]:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, content

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
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
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield faults, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
