"""core4's event socket and those who mean it ill: who may hear what, and what one bad client costs the others."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from core4_client import PATH, Client, end_what_lets_in
from published import Published, cyclic, jobs_of
from running import wait_until
from web_server import PASSWORD, WebServer
from websocket import WebSocketBadStatusException, WebSocketException

from job_tracker import clock
from job_tracker.events.file import EventsFile
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.web.doors.tokens import CORE4, Tokens

STANDARD = "api://core4.api.v1.request.standard.*"
SOCKETS = 1_000
NO_LIST = {"type": "error", "message": "data is a list of channels, 50 at most"}


class Log:
    """An events file that a test writes, as a tracker would."""

    def __init__(self, place: Path) -> None:
        self.file = EventsFile(place / "events.sqlite", "a" * 8)
        self.file.keep, self.file.most = DAY, 1 << 30
        self.file.open()
        self.seq = 1_795_000_000_000

    def started(self, *jobs: str, text: str = "") -> None:
        """A run of each began."""
        now = clock.now()
        rows = []
        for job in jobs:
            self.seq += 1
            doc = json.dumps({"begin": now / MICROSECONDS, "id": None, "text": text})
            rows.append((self.seq, now, now, "run.started", job, self.seq % 1000, 0, None, doc))
        self.file.take(rows, now)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("core4")


@pytest.fixture(scope="module")
def log(place: Path) -> Iterator[Log]:
    made = Log(place)
    made.started("LOAD__P")
    yield made
    made.file.close()


@pytest.fixture(scope="module")
def server(place: Path, log: Log) -> Iterator[WebServer]:
    """One for all tests here: whatever one of them does to it must not matter to the next."""
    published = Published(place / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    with WebServer(place) as made:
        made.add("root", "cop")
        made.add("test", "standard_user")
        made.add("anna", "standard_user", permissions=("job://LOAD__P/r",))
        made.add("none", permissions=("job://.*/r",))
        yield made.start()
    published.close()


def token(server: WebServer, name: str, lasts: int = DAY) -> str:
    with server.people() as people:
        now = clock.now()
        return Tokens(people.store, DAY).make(name, CORE4, now + lasts, now=now)


def refused(server: WebServer, *arguments: Any, **how: Any) -> int:
    with pytest.raises(WebSocketBadStatusException) as found:
        Client(server, *arguments, **how)
    return int(found.value.status_code)


# ---- Who is let in


def test_who_is_let_in(server: WebServer) -> None:
    """A proof, the right, and a page of ours: each is needed, and each lack has its own code."""
    good = token(server, "test")

    assert refused(server) == 401
    assert refused(server, "garbage") == 401
    assert refused(server, token(server, "none")) == 403
    assert refused(server, good, origin="https://evil.example.com") == 403
    assert refused(server, good, origin=f"http://127.0.0.1:{server.port + 1}") == 403
    assert refused(server, good, origin="null") == 403
    assert refused(server, good, path="/core4/api/v1/nothing") == 403
    for origin in (None, server.address):
        with Client(server, good, origin=origin) as client:
            assert client.want("queue")["data"] == ["queue"]


def test_a_page_gives_its_token_as_a_protocol(server: WebServer) -> None:
    """A browser can give a socket no header, a URL is in logs, and it insists on an answer to its offer."""
    good = token(server, "test")

    offer: Any = {"sec-websocket-protocol": f"core4, bearer.{good}"}
    with Client(server, **offer) as client:
        assert client.want("queue")["data"] == ["queue"]
        assert client.ws.headers["sec-websocket-protocol"] == "core4"
    assert refused(server, **{"sec-websocket-protocol": "core4, bearer.x"}) == 401
    assert good not in server.log


def test_a_cookie_opens_no_socket(server: WebServer) -> None:
    """A browser sends it along for whatever page asks."""
    session = server.token("test", "session")

    assert refused(server, cookie=f"job_tracker_{server.port}={session}") == 401


def test_what_a_proxy_saw_in_a_url_counts_for_nothing_and_is_in_no_log(server: WebServer) -> None:
    """Near and by itself it counts, as the users' session has it; neither way is it written down."""
    good = token(server, "test")
    path = f"{PATH}?token={good}"

    assert refused(server, path=path, **{"x-forwarded-for": "10.0.0.9"}) == 401
    by_name = f"{PATH}?username=test&password={PASSWORD.replace(' ', '%20')}"
    assert refused(server, path=by_name, forwarded="for=x") == 401
    with Client(server, path=path) as client:
        client.want("queue")

    assert good not in server.log
    assert "horse" not in server.log
    assert f"SOCKET {PATH} 101 from=127.0.0.1" in server.log
    assert f"SOCKET {PATH} 401 from=127.0.0.1" in server.log


def test_what_is_no_socket_says_what_the_proxy_lacks(server: WebServer) -> None:
    """Whoever sets one up sees 426 and a sentence, not a page that there is not."""
    with server.client(token(server, "test")) as client:
        answer = client.get(PATH)

    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert "a proxy has to pass Upgrade" in answer.json()["error"]


# ---- Who hears what


def test_each_hears_what_he_may(server: WebServer, log: Log) -> None:
    """Of a job that is hidden nothing but that something happened; and in `tracker` not even that."""
    with ExitStack() as stack:
        clients = {name: stack.enter_context(Client(server, token(server, name))) for name in ("root", "anna", "test")}
        for client in clients.values():
            client.want("queue", "tracker")
        log.started("LOAD__P", "OTHER__P", "LOAD__P")
        heard = {
            name: [json.loads(client.hear() or "") for _ in range(count)]
            for (name, client), count in zip(clients.items(), (6, 5, 3), strict=True)
        }

    def jobs(name: str, channel: str) -> list[Any]:
        return [each["data"].get("job") for each in heard[name] if each["channel"] == channel]

    assert jobs("root", "queue") == jobs("root", "tracker") == ["LOAD__P", "OTHER__P", "LOAD__P"]
    assert (jobs("anna", "queue"), jobs("anna", "tracker")) == (["LOAD__P", None, "LOAD__P"], ["LOAD__P", "LOAD__P"])
    assert (jobs("test", "queue"), jobs("test", "tracker")) == ([None] * 3, [])
    assert "OTHER" not in json.dumps(heard["anna"]) + json.dumps(heard["test"])
    assert [each["data"].keys() for each in heard["test"]] == [{"_id", "queue"}] * 3
    ids = [each["_id"] for each in heard["root"] if each["channel"] == "queue"]
    assert ids == sorted(set(ids))


def test_that_nobody_watches_is_said_to_whoever_comes(server: WebServer, log: Log) -> None:
    """core4 has no word for a tracker that is silent; `tracker` has, also for one who comes while it is."""
    with Client(server, token(server, "root")) as other:
        other.want("tracker")

        def is_said() -> bool:
            log.started("LOAD__P")
            other.hear()
            return bool(other.health)

        wait_until(is_said)

    assert other.health[0]["data"]["stale"]


@pytest.mark.parametrize("how", ["logout", "password", "disabled", "roles", "token", "removed", "expired"])
def test_a_socket_ends_with_what_opened_it(server: WebServer, log: Log, how: str) -> None:
    """4401 at once, and what happens then is heard by nobody who is no longer let in."""
    name = f"u_{how}"
    server.add(name, "viewer")
    opened = token(server, name, 2 * MICROSECONDS if how == "expired" else DAY)
    with Client(server, opened) as client:
        client.want("tracker")
        if how != "expired":
            end_what_lets_in(server, name, how, opened)
        if how != "expired":
            log.started("OTHER__P", text="after the end")
        heard = client.to_the_end()

    assert (client.code, client.why) == (4401, "log in again")
    assert [each for each in heard if "after the end" in each] == []


def test_a_socket_that_a_password_opened_ends_with_the_password(server: WebServer) -> None:
    """There is no token that could be revoked but the one that it was given."""
    server.add("basic", "viewer")
    with Client(server, authorization="Basic YmFzaWM6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5") as client:
        client.want("queue")
        with server.people() as people:
            people.set_password("basic", "x", author="test", now=clock.now())
        client.to_the_end()

    assert client.code == 4401


# ---- What is said


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("no json", "error parsing json data"),
        ("", "error parsing json data"),
        ('{"type": "interest"', "error parsing json data"),
        ("[" * 60_000, "error parsing json data"),
        ("[]", {"type": "error", "message": "a message is an object with a type"}),
        ("7", {"type": "error", "message": "a message is an object with a type"}),
        ("null", {"type": "error", "message": "a message is an object with a type"}),
        ('"interest"', {"type": "error", "message": "a message is an object with a type"}),
        ({}, {"type": "error", "message": "unknown type"}),
        ({"type": "nothing"}, {"type": "error", "message": "unknown type"}),
        ({"type": ["interest"]}, {"type": "error", "message": "unknown type"}),
        ({"type": "interest"}, NO_LIST),
        ({"type": "interest", "data": None}, NO_LIST),
        ({"type": "interest", "data": "queue"}, NO_LIST),
        (
            {"type": "interest", "data": ["a"] * 51},
            NO_LIST,
        ),
        (
            {"type": "interest", "data": [" Queue ", 7, None, "job", "queue"]},
            {"type": "interest", "data": ["job", "queue"], "message": "processed interest in ['job', 'queue']"},
        ),
        ({"type": "message", "channel": "x"}, {"type": "error", "message_id": None, "message": "malformed message"}),
        (
            {"type": "message", "channel": "queue", "text": "x"},
            {"type": "error", "message_id": None, "message": "nobody writes there, or you may not"},
        ),
        (
            {"type": "message", "channel": "message", "text": "x"},
            {"type": "error", "message_id": None, "message": "nobody writes there, or you may not"},
        ),
    ],
)
def test_whatever_is_said_is_answered(server: WebServer, said: Any, answer: Any) -> None:
    """core4 hung up at half of these; here the next message is heard as ever."""
    with Client(server, token(server, "root")) as client:
        assert client.ask(said) == answer
        assert client.want("queue")["data"] == ["queue"]


@pytest.mark.parametrize(
    ("said", "times", "code"),
    [
        ('{"type": "interest", "data": ["message"]}', 150, 1008),
        ("x", 25, 1008),
        ('{"type": "interest", "data": ["' + "x" * 65_536 + '"]}', 1, 1009),
    ],
)
def test_who_says_too_much_is_hung_up_on_alone(server: WebServer, log: Log, said: str, times: int, code: int) -> None:
    """A flood of interests, of what is none, one message that is too large: and another one hears as ever."""
    with Client(server, token(server, "root")) as bad, Client(server, token(server, "root")) as good:
        good.want("queue")
        flood = threading.Thread(target=flood_of, args=(bad, said, times))
        flood.start()
        bad.to_the_end()
        flood.join()
        log.started("LOAD__P")
        assert good.until("start_job")

    assert bad.code in (code, None)  # what it still sends may be answered by the kernel, before it reads why
    assert good.code is None
    assert code == 1009 or "socket closed user=root code=1008" in server.log


def flood_of(client: Client, said: str, times: int) -> None:
    with suppress(OSError, WebSocketException):  # it is hung up on already
        for _ in range(times):
            client.say(said)


def test_bytes_are_no_message(server: WebServer) -> None:
    """What core4's clients never send is answered like what is not JSON."""
    with Client(server, token(server, "root")) as client:
        client.ws.send_binary(b"\x00\xff")
        assert client.hear() == "error parsing json data"


def test_who_fetches_nothing_is_cut_off_and_slows_nobody(server: WebServer, log: Log) -> None:
    """Ten megabytes for somebody who does not look, while somebody else hears all of it."""
    with Client(server, token(server, "root"), narrow=True) as slow, Client(server, token(server, "root")) as good:
        slow.want("tracker")
        good.want("tracker")
        count = 0
        while "code=1013" not in server.log:
            log.started(*["LOAD__P"] * 50, text="x" * 10_000)
            for _ in range(50):
                assert "run.started" in (good.hear() or "")
            count += 50
            assert count < 5_000, "he was never cut off"
        ended = slow.to_the_end()

    assert len(ended) < count
    assert slow.code in (1013, None)  # it may be too late for him to be told why


def test_messages_reach_whoever_wants_them_where_that_was_allowed(server: WebServer) -> None:
    """Off for everybody, a cop too, until a role says so; bounded in length and number."""
    server.add("talker", permissions=("app://message", STANDARD))
    with Client(server, token(server, "talker")) as talker, Client(server, token(server, "test")) as other:
        other.want("message")
        said = {"type": "message", "channel": "message", "text": "<b>hello</b>"}
        first = talker.ask(said)
        own = json.loads(talker.hear() or "")
        heard = json.loads(other.hear() or "")
        second = talker.ask(said)
        talker.until("message")
        too_long = talker.ask({**said, "text": "x" * 2_001})

    assert (first["type"], first["message"]) == ("interest", "OK, added interest in channel")
    assert (second["type"], second["message"]) == ("send", "OK")
    assert own == heard
    assert (heard["_id"], heard["author"], heard["data"]) == (first["message_id"], "talker", "<b>hello</b>")
    assert too_long["type"] == "error"


# ---- How many


@pytest.mark.parts
def test_a_thousand_sockets_are_held_and_hear(server: WebServer, log: Log) -> None:
    """Each hears what happens, the pages are served beside them, and they end together with their user."""
    server.add("many", "viewer")
    opened = token(server, "many")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server, opened)) for _ in range(SOCKETS)]
        for client in clients:
            client.want("queue")
        one_more = refused(server, opened)
        log.started("LOAD__P")
        heard = sum(client.until("start_job") != [] for client in clients)
        with server.client(server.token("root")) as asked:
            page = asked.get("/api/v1/summary").status_code
        with server.people() as people:
            people.set_active("many", active=False, author="test", now=clock.now())
        codes = {(client.to_the_end(), client.code)[1] for client in clients}

    assert (heard, page, one_more, codes) == (SOCKETS, 200, 503, {4401})


def test_the_server_goes_down_with_sockets_open(server: WebServer) -> None:
    """The last test here: whoever listens is told to come back, and nothing is held up."""
    with Client(server, token(server, "root")) as client:
        client.want("queue")
        assert server.stop() == 0
        client.to_the_end()

    assert client.code == 1012
    wait_until(lambda: "stopped by=SIGTERM" in server.log)
    assert "Traceback" not in server.log
