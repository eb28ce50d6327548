"""A client of core4's event socket, of the library that its users write theirs with."""

import json
import socket
import struct
from typing import Any

from running import SLOW
from web_server import WebServer
from websocket import ABNF, WebSocket, WebSocketException

from job_tracker import clock
from job_tracker.web.doors.tokens import CORE4

PATH = "/core4/api/v1/event"
NARROW = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
"""Of somebody who has no room for what he does not fetch."""


class Client:
    """A socket.  token: goes into a header, as all further ones; code: what it was closed with.

    health: what it heard of that, which is kept out of everything else.
    """

    def __init__(self, server: WebServer, token: str = "", path: str = PATH, *, narrow: bool = False,
                 origin: str | None = None, **headers: str) -> None:  # fmt: skip
        if token:
            headers["authorization"] = f"Bearer {token}"
        self.code: int | None = None
        self.why = ""
        self.health: list[Any] = []
        make: Any = WebSocket  # some of it has no types
        self.ws = make(sockopt=NARROW if narrow else None)
        self.ws.settimeout(SLOW)
        origins = {"suppress_origin": True} if origin is None else {"origin": origin}
        told = [f"{name}: {value}" for name, value in headers.items()]
        self.ws.connect(f"ws://127.0.0.1:{server.port}{path}", header=told, http_no_proxy=["127.0.0.1"], **origins)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.ws.shutdown()

    def say(self, said: Any) -> None:
        """An object as JSON, a text as it is."""
        self.ws.send(said if isinstance(said, str) else json.dumps(said))

    def hear(self) -> str | None:
        """The next message; None: it was closed, or hung up on."""
        try:
            opcode, data = self.ws.recv_data()
        except (OSError, WebSocketException):
            return None
        if opcode == ABNF.OPCODE_CLOSE:
            self.code, self.why = struct.unpack("!H", data[:2])[0], data[2:].decode()
            return None
        text = str(data.decode())
        if text.startswith('{"name":"health"'):  # it comes once a second is over, between whatever else there is
            self.health.append(json.loads(text))
            return self.hear()
        return text

    def ask(self, said: Any) -> Any:
        """Say something, and what is answered."""
        self.say(said)
        answer = self.hear()
        assert answer is not None, f"closed with {self.code}: {self.why}"
        return json.loads(answer) if answer.startswith("{") else answer

    def want(self, *channels: str) -> Any:
        return self.ask({"type": "interest", "data": list(channels)})

    def until(self, name: str) -> list[Any]:
        """All that is heard, until something of that name is."""
        heard: list[Any] = []
        while not heard or heard[-1].get("name") != name:
            text = self.hear()
            assert text is not None, f"closed with {self.code}: {self.why}"
            heard.append(json.loads(text))
        return heard

    def to_the_end(self) -> list[str]:
        """All that is heard until it is closed."""
        heard = []
        while (text := self.hear()) is not None:
            heard.append(text)
        return heard


def end_what_lets_in(server: WebServer, name: str, how: str, token: str) -> None:
    """Take from a user what lets him in, in one of six ways; token: his own."""
    by: dict[str, Any] = {"author": "test", "now": clock.now()}
    with server.people() as people, server.client(token) as own, server.client(server.token("root", CORE4)) as root:
        match how:
            case "logout":
                assert own.post("/core4/api/v1/logout").status_code == 200
            case "password":
                people.set_password(name, "x", **by)
            case "disabled":
                people.set_active(name, active=False, **by)
            case "roles":
                people.set_roles(name, ["standard_user"], **by)
            case "token":
                people.store.rows("DELETE FROM tokens WHERE user = ?", name)
            case "removed":
                found = root.get("/core4/api/v1/roles", params={"filter": name}).json()["data"][0]
                one = f"/core4/api/v1/roles/{found['_id']}"
                etag = root.get(one).json()["data"]["etag"]
                assert root.delete(one, params={"etag": etag}).status_code == 200
