"""The live stream: what is told to whom, that nothing lacks after a break, and that nobody slow holds up anybody."""

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import COP, client_of, part_of, seeing
from event_log import EventLog
from published import Published, cyclic, jobs_of
from running import SLOW, wait_until
from web_server import Stream, WebServer

from job_tracker import clock
from job_tracker.view.documents import publication
from job_tracker.web import stream
from job_tracker.web.board import Snapshot
from job_tracker.web.reader import News
from job_tracker.web.rights import Rights, Who
from job_tracker.web.stream import Hub, Listener, worded

MANY = 3_000


def event(seq: int, job: str | None = "LOAD__P", kind: str = "run.started") -> dict[str, Any]:
    about = {"job": job} if job else {"source": "app1"}
    return {"seq": seq, "tracker": "t", "kind": kind, "at": 1.0, "created": 1.0, **about}


def news(*events: dict[str, Any], changed: tuple[str, ...] = (), is_whole: bool = False) -> News:
    seq = max((each["seq"] for each in events), default=0)
    return News(board=Snapshot(seq=seq, version=7), changed=changed, is_whole=is_whole, events=events)


def told(message: bytes) -> list[tuple[str, Any]]:
    """The messages of some bytes, each as its name and its data."""
    parts = [dict(line.split(": ", 1) for line in each.split("\n")) for each in message.decode().split("\n\n") if each]
    return [(part["event"], json.loads(part["data"])) for part in parts if "event" in part]


# ---- What is told to whom


def test_an_event_is_told_to_whoever_sees_its_job() -> None:
    """And what is of no job to whoever sees all; numbers that nobody will see to everybody."""
    some = news(event(1), event(2, "OTHER__P"), event(3, None, "source.changed"), event(4, None, "gap"))

    def heard(who: Who) -> list[int]:
        return [data["seq"] for name, data in told(worded(some, who.rights)) if name == "event"]

    assert heard(COP) == [1, 2, 3, 4]
    assert heard(seeing("job://.*/r")) == [1, 2, 3, 4]
    assert heard(seeing("job://LOAD__P/r")) == [1, 4]
    assert heard(seeing()) == [4]


def test_the_keys_of_rows_are_told_to_whoever_sees_them() -> None:
    """Names are what a stranger must not learn; who sees nothing of it is not even woken."""
    some = news(changed=("LOAD__P", "OTHER__P"))

    assert told(worded(some, seeing("job://LOAD__P/r").rights)) == [("jobs", {"version": 7, "changed": ["LOAD__P"]})]
    assert worded(some, seeing().rights) == b""
    assert told(worded(news(is_whole=True), seeing().rights)) == [("jobs", {"version": 7, "changed": None})]


def test_more_rows_than_a_page_has_are_not_named() -> None:
    """A reload of ten thousand jobs is one line, not ten thousand."""
    some = news(changed=tuple(f"J{number}__P" for number in range(201)))

    assert told(worded(some, COP.rights)) == [("jobs", {"version": 7, "changed": None})]


def test_what_a_class_of_rights_is_told_is_put_into_words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty browsers of one role cost what one does."""
    classes: list[Rights] = []

    def counted(_: object, rights: Rights) -> bytes:
        classes.append(rights)
        return b"x"

    monkeypatch.setattr(stream, "worded", counted)
    hub = Hub()
    whose = [COP] * 25 + [seeing("job://LOAD__P/r", name=f"u{number}") for number in range(25)]

    async def go() -> None:
        hub.listeners = {Listener(who) for who in whose}
        hub.spread(news(event(1)))

    asyncio.run(go())

    assert len(classes) == 2


def test_a_listener_who_does_not_fetch_is_told_to_load_anew() -> None:
    """His queue has an end, in messages and in bytes, and what it holds then is one line with the newest number."""

    async def go(size: int) -> bytes:
        listener = Listener(COP)
        for number in range(300):
            listener.put(b"x" * size, number)
        listener.end()
        return b"".join([part async for part in listener.messages()])

    for size in (1, 500_000):
        assert told(asyncio.run(go(size)).lstrip(b"x").partition(b"x")[0])[0][0] == "resync"


# ---- Over a real connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(tmp_path) as made:
        made.add("root", "cop")
        made.add("anna", permissions=("job://LOAD__P/r",))
        yield made


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    made = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    yield made
    made.close()


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events.sqlite")
    yield made
    made.close()


def numbers(stream: Stream) -> list[int]:
    return [data["seq"] for data in stream.named("event")]


def test_who_comes_back_misses_and_repeats_nothing(server: WebServer, published: Published, events: EventLog) -> None:
    """Also over an end of the pages themselves: the number is all that has to be kept."""
    events.write("LOAD__P")
    server.start()
    first = Stream(server.client(server.token("root")))
    wait_until(lambda: first.named("hello"))
    events.write("LOAD__P", "OTHER__P")
    wait_until(lambda: len(numbers(first)) == 2)
    last = [number for _, _, number in first.messages if number][-1]
    server.stop()
    events.write("LOAD__P", None)

    server.start()
    again = Stream(server.client(server.token("root")), **{"last-event-id": str(last)})
    wait_until(lambda: len(numbers(again)) == 2)
    events.write("OTHER__P")
    wait_until(lambda: len(numbers(again)) == 3)
    narrow = Stream(server.client(server.token("anna")), f"/api/v1/events/stream?after={last}")
    wait_until(lambda: numbers(narrow))
    wait_until(lambda: narrow.named("jobs"))

    assert (first.named("hello")[0]["seq"], numbers(first)) == (1001, [1002, 1003])
    assert numbers(again) == [1004, 1005, 1006]
    assert numbers(narrow) == [1004]
    assert narrow.named("jobs")[0]["changed"] == ["LOAD__P"]


@pytest.mark.parametrize(("after", "status"), [("x", 400), ("-1", 400), ("9" * 40, 400), ("1e3", 400)])
def test_a_number_that_is_none_opens_no_stream(server: WebServer, after: str, status: int) -> None:
    """A sentence, and no stream that begins anywhere."""
    server.start()

    with server.client(server.token("root")) as client:
        assert client.get("/api/v1/events/stream", headers={"last-event-id": after}).status_code == status


def test_who_asks_for_the_head_alone_holds_no_stream(tmp_path: Path, published: Published) -> None:
    """A link checker is answered and gone."""
    part = part_of(tmp_path / "view.sqlite", COP)

    answer = client_of(part).head("/api/v1/events/stream")

    assert (answer.status_code, len(part.hub.listeners)) == (200, 0)


def test_who_was_away_for_too_long_loads_anew(server: WebServer, published: Published, events: EventLog) -> None:
    """Thousands of events are not told one by one to a page that shows two hundred rows; nor a number to come."""
    events.write("LOAD__P")
    events.write(*["OTHER__P"] * MANY)
    server.start()
    client = server.client(server.token("root"))

    late, ahead = (Stream(client, f"/api/v1/events/stream?after={after}") for after in (1001, 99_999))
    wait_until(lambda: late.named("resync"))
    wait_until(lambda: ahead.named("resync"))

    assert late.named("resync") == ahead.named("resync") == [{"seq": 1001 + MANY}]
    assert numbers(late) == []


def test_a_reader_who_does_not_read_slows_nobody(server: WebServer, published: Published, events: EventLog) -> None:
    """Fifty who have gone to sleep with an open connection, and one who looks."""
    events.write("LOAD__P")
    server.start()
    token = server.token("root")
    ask = f"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    asleep = [socket.create_connection(("127.0.0.1", server.port), SLOW) for _ in range(50)]
    try:
        for each in asleep:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.sendall(ask)
        awake = Stream(server.client(token))
        wait_until(lambda: awake.named("hello"))
        for _ in range(30):
            events.write(*["LOAD__P"] * 100)
            wait_until(lambda: numbers(awake)[-1:] == [events.seq])
        with server.client(token) as client:
            assert client.get("/api/v1/summary").status_code == 200
    finally:
        for each in asleep:
            each.close()

    assert numbers(awake) == list(range(1002, 1002 + 3000))


def test_the_tracker_that_falls_silent_is_told_to_who_looks(server: WebServer, published: Published) -> None:
    """Never stale green: the page turns grey by what it is told, and says since when."""
    published.step(clock.now(), [])
    server.start()
    open_stream = Stream(server.client(server.token("anna")))
    wait_until(lambda: [each["stale"] for each in open_stream.named("health")] == [False])

    stopped = published.now + 1
    published.view.publish(replace_meta(published, stopped))

    wait_until(lambda: len(open_stream.named("health")) > 1)
    assert open_stream.named("health")[-1]["stale"] is True
    assert open_stream.named("health")[-1]["why"] == "the tracker was stopped"


def replace_meta(published: Published, stopped: int) -> Any:
    """What a tracker publishes last."""
    made = publication(published.jobs, {}, meta=published.meta(stopped=stopped), now=stopped)
    return replace(made, meta=published.meta(stopped=stopped))
