"""Tickets for core4's event socket: what stands in a URL opens it once, soon, and as whoever asked for it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asking import client_of, part_of, seeing
from core4_client import PATH, Client, end_what_lets_in
from published import Published, cyclic, jobs_of
from starlette.testclient import WebSocketDenialResponse
from web_server import KEPT, PASSWORD, WebServer
from websocket import WebSocketBadStatusException, WebSocketException

from job_tracker import clock
from job_tracker.moments import DAY
from job_tracker.web.doors import tickets
from job_tracker.web.doors.tickets import LASTS, MOST, Tickets
from job_tracker.web.doors.tokens import CORE4

LOGIN = "/core4/api/v1/login"
TICKET = f"{PATH}/ticket"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """One for all tests here, each of which has a user of its own."""
    place = tmp_path_factory.mktemp("tickets")
    published = Published(place / "view.sqlite", jobs_of(cyclic("LOAD")))
    with WebServer(place) as made:
        made.add("root", "cop")
        yield made.start()
    published.close()


def ticket(server: WebServer, token: str = "", **how: Any) -> str:
    with server.client(token) as client:
        answer = client.post(TICKET, **how)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["data"]["ticket"])


def opened(server: WebServer, ticket: str, **how: Any) -> Client:
    return Client(server, path=f"{PATH}?ticket={ticket}", **how)


def refused(server: WebServer, ticket: str, **how: Any) -> int:
    with pytest.raises(WebSocketBadStatusException) as found:
        opened(server, ticket, **how)
    return int(found.value.status_code)


@pytest.mark.parametrize("how", ["bearer", "basic", "login", "body"])
def test_a_ticket_opens_one_socket_and_is_in_no_log(server: WebServer, how: str) -> None:
    """Whoever reads the URL later, in whatever log, has got nothing."""
    server.add(how, "viewer")
    said = {"username": how, "password": PASSWORD}
    match how:
        case "bearer":
            given = ticket(server, server.token(how, CORE4))
        case "basic":
            given = ticket(server, auth=(how, PASSWORD))
        case "login":
            with server.client() as client:
                given = ticket(server, client.post(LOGIN, data=said).json()["data"]["token"])
        case _:
            given = ticket(server, json=said)

    with opened(server, given, origin=server.address, **{"x-forwarded-for": "10.0.0.9"}) as client:
        assert client.want("queue")["data"] == ["queue"]
        again = refused(server, given)

    assert again == 401
    assert refused(server, given) == 401
    assert f"SOCKET {PATH} 101" in server.log
    assert given not in server.log


@pytest.mark.parametrize("how", ["logout", "password", "disabled", "roles", "token", "removed"])
def test_a_ticket_and_its_socket_end_with_what_opened_them(server: WebServer, how: str) -> None:
    """Revoking what somebody has must not leave him half a minute, let alone a socket."""
    name = f"u_{how}"
    server.add(name, "viewer")
    token = server.token(name, CORE4)
    unused = ticket(server, token)
    with opened(server, ticket(server, token)) as client:
        client.want("queue")
        end_what_lets_in(server, name, how, token)
        late = refused(server, unused)
        with suppress(OSError, WebSocketException):  # it may be closed already; else it is with this
            client.say({"type": "interest", "data": []})
        client.to_the_end()

    assert (late, client.code, client.why) == (401, 4401, "log in again")
    assert unused not in server.log


def test_a_ticket_that_a_password_got_ends_with_the_password(server: WebServer) -> None:
    """There is no token that could be revoked but the one that is made with it."""
    server.add("changed", "viewer")
    unused = ticket(server, auth=("changed", PASSWORD))
    with server.people() as people:
        people.set_password("changed", KEPT, author="test", now=clock.now())

    assert refused(server, unused) == 401


def test_a_page_elsewhere_neither_uses_a_ticket_nor_uses_it_up(server: WebServer) -> None:
    """Else whoever saw one could at least keep its owner out."""
    given = ticket(server, server.token("root", CORE4))

    assert refused(server, given, origin="https://evil.example.com") == 403
    with opened(server, given) as client:
        assert client.want("queue")["data"] == ["queue"]


def test_who_may_not_hear_events_gets_no_ticket(server: WebServer) -> None:
    """A browser tells its page nothing of why a socket was refused; this tells it."""
    server.add("deaf", permissions=("job://.*/r",))
    with server.client(server.token("deaf", CORE4)) as client:
        answer = client.post(TICKET)

    assert answer.status_code == 403
    assert "EventHandler" in answer.json()["error"]


# ---- Without a process


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Any]:
    """Somebody on this host, and the part that he asks."""
    path = tmp_path / "view.sqlite"
    Published(path, jobs_of(cyclic("LOAD"))).close()
    part = part_of(path, None)
    part.doors.people.add("anna", KEPT, ["viewer"], author="test", now=clock.now())
    client = client_of(part)
    client._transport.client = ("127.0.0.1", 40000)  # type: ignore[attr-defined]  # from where it says it comes
    token = part.doors.tokens.make("anna", CORE4, clock.now() + DAY, now=clock.now())
    yield client, token
    part.doors.store.close()


def test_no_ticket_is_given_for_what_stands_in_a_url(asked: Any) -> None:
    """It would be a way around what the ticket is for; nor for nothing, nor for another ticket."""
    client, token = asked
    head = {"authorization": f"Bearer {token}"}
    given = client.post(TICKET, headers=head).json()["data"]["ticket"]
    answers = [
        client.post(TICKET, params={"token": token}),
        client.post(TICKET, params={"username": "anna", "password": PASSWORD}),
        client.post(TICKET, params={"token": token}, headers=head),
        client.post(TICKET, params={"ticket": given}),
        client.post(TICKET, json={"ticket": given}),
        client.post(TICKET, headers={"authorization": f"Bearer {given}"}),
        client.post(TICKET),
    ]

    assert [each.status_code for each in answers] == [401] * 7
    assert "URL" in answers[0].json()["error"]
    assert client.get(TICKET, headers=head).status_code == 405


@pytest.mark.parametrize("wrong", ["forged", "empty", "garbage", "expired", "token"])
def test_what_is_no_ticket_is_refused_like_a_wrong_token(
    asked: Any, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 and one sentence; a token is no ticket, or any could stand in a URL."""
    client, token = asked
    if wrong == "expired":
        monkeypatch.setattr(tickets, "LASTS", 0.0)
    given = client.post(TICKET, headers={"authorization": f"Bearer {token}"}).json()["data"]["ticket"]
    of = {"forged": given[:-1] + ("A" if given[-1] != "A" else "B"), "empty": "", "garbage": "%ff%00",
          "expired": given, "token": token}  # fmt: skip

    url = f"ws://localhost:5001{PATH}?ticket={of[wrong]}"
    with pytest.raises(WebSocketDenialResponse) as found, client.websocket_connect(url):
        pass

    assert found.value.status_code == 401
    assert "ask for another one" in found.value.json()["error"]


def test_a_ticket_lasts_half_a_minute_and_once() -> None:
    """By a clock that nobody sets back."""
    kept = Tickets()
    who = seeing()
    one, other, late = (kept.make(who, 100.0) for _ in range(3))

    assert kept.use_up(one, 100.0) is who
    assert kept.use_up(one, 100.0) is None
    assert kept.use_up(other, 100.0 + LASTS - 0.1) is who
    assert kept.use_up(late, 100.0 + LASTS) is None
    assert LASTS == 30.0


def test_who_asks_for_many_tickets_loses_his_own_oldest() -> None:
    """Nobody fills the memory, and nobody takes from others; what is over is forgotten without being used."""
    kept = Tickets()
    others = kept.make(seeing(name="berta"), 100.0)
    first, *rest = (kept.make(seeing(), 100.0) for _ in range(MOST + 1))

    assert len(kept._kept) == MOST + 1
    assert kept.use_up(first, 101.0) is None
    assert all(kept.use_up(each, 101.0) for each in (*rest, others))
    kept.make(seeing(), 100.0)
    kept.make(seeing(), 200.0)
    assert len(kept._kept) == 1
