"""Handlers of different age on one queue, and across the protocol: hosts are never all upgraded at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queue_tool import Queue

GOOD = {"instance": "P", "job": "LOAD", "event": "STARTED"}
USED = {**GOOD, "event": "SUCCESS", "usage": {"user_sec": 1.5}}


@pytest.fixture
def old(queue: Queue) -> Iterator[Queue]:
    """The same queue in the hands of the oldest handler there may be."""
    other = type(queue)(queue.python, queue.path, Path(__file__).parent / "old" / "message-queue.py")
    with other.sessions:
        yield other


def add(queue: Queue, message: dict[str, Any]) -> None:
    done = queue.run("add", "-j", json.dumps(message))
    assert (done.returncode, done.stderr) == (0, b"")


def keys_left(queue: Queue) -> list[tuple[Any, ...]]:
    with queue.lock() as connection:
        return connection.execute("SELECT * FROM further").fetchall()


def test_a_queue_of_before_is_widened_by_whoever_stores_a_further_key(queue: Queue, old: Queue) -> None:
    """And by nobody else: a queue that holds none stays as it was."""
    add(old, GOOD)
    before = old.path.read_bytes()
    assert queue.messages() == old.messages()
    assert old.path.read_bytes() == before

    add(queue, USED)

    assert [message.get("usage") for message in queue.messages()] == [None, {"user_sec": 1.5}]
    assert queue.serve(opened_by="t").ask("take", max=9)["messages"] == queue.messages()


def test_a_handler_of_before_works_on_a_queue_of_today(queue: Queue, old: Queue) -> None:
    """It adds, lists, hands out, confirms and removes; the keys it does not know stay behind it."""
    add(queue, USED)

    add(old, GOOD)
    assert [message["event"] for message in old.messages()] == ["SUCCESS", "STARTED"]
    assert queue.messages()[0]["usage"] == {"user_sec": 1.5}
    serve = old.serve(opened_by="t")
    assert [message["_id"] for message in serve.ask("take", max=1)["messages"]] == [1]
    assert serve.ask("confirm", through=1, nonce="n")["removed"] == 1

    assert keys_left(queue) == []
    add(queue, USED)
    assert len(json.loads(old.run("remove").stdout)) == 2
    assert keys_left(queue) == []


def test_a_serve_of_today_hands_on_what_was_widened_while_it_ran(queue: Queue, old: Queue) -> None:
    """Its session may be weeks old when the first job reports its usage."""
    add(old, GOOD)
    serve = queue.serve(opened_by="t")
    assert "usage" not in serve.ask("take", max=9)["messages"][0]

    add(queue, USED)

    assert serve.ask("take", max=9, after=1)["messages"][0]["usage"] == {"user_sec": 1.5}


def test_what_is_confirmed_takes_its_further_keys_along(queue: Queue) -> None:
    """The file of a busy host must not grow by what nobody can read any more."""
    for _ in range(3):
        add(queue, USED)
    serve = queue.serve(opened_by="t")
    serve.ask("take", max=2)

    assert serve.ask("confirm", through=2, nonce="n")["removed"] == 2

    assert [number for number, _ in keys_left(queue)] == [3]


def test_the_same_message_again_changes_nothing(queue: Queue) -> None:
    """Neither the message nor its keys: the uid decides."""
    add(queue, {**USED, "uid": "u"})
    add(queue, {**USED, "uid": "u", "usage": {"user_sec": 9}})

    assert [message["usage"] for message in queue.messages()] == [{"user_sec": 1.5}]


@pytest.mark.parametrize(
    "written", ["nonsense", "[1]", '{"job": "other", "event": 7}', "[" * 100_000, b"\xff"], ids=range(5)
)
def test_further_keys_that_somebody_wrote_past_add_hold_up_nothing(queue: Queue, written: str | bytes) -> None:
    """And never stand in for what has a column."""
    add(queue, USED)
    with queue.lock() as connection:
        connection.execute("UPDATE further SET keys = ?", (written,))
        connection.execute("COMMIT")

    (message,) = queue.serve(opened_by="t").ask("take", max=9)["messages"]

    assert {key: message[key] for key in GOOD} == {**GOOD, "event": "SUCCESS"}
    assert "usage" not in message


def test_a_tracker_of_before_drains_through_a_handler_of_today(queue: Queue) -> None:
    """Its requests, word for word; what it does not know in the answers it leaves alone."""
    add(queue, USED)
    serve = queue.serve()
    assert serve.greeting["protocol"] == 1

    opened = serve.ask("open", tracker="t", take_over=False)
    assert serve.ask("confirm", ids=[], nonce="n1") == {"done": "confirm", "removed": 0, "nonce": "n1"}
    answer = serve.ask("take", max=1000, wait=5, after=0)
    confirmed = serve.ask("confirm", through=1, nonce="n2")

    assert (opened["done"], len(answer["messages"]), confirmed["removed"]) == ("open", 1, 1)


def test_a_tracker_of_today_drains_through_a_handler_of_before(queue: Queue, old: Queue) -> None:
    """What is new it is refused with an error, and the session goes on."""
    add(old, GOOD)
    serve = old.serve()

    assert serve.ask("forget")["error"] == "bad-request"
    assert serve.ask("open", tracker="t", take_over=False)["done"] == "open"
    assert serve.ask("confirm", through=0, nonce="n1") == {"done": "confirm", "removed": 0, "nonce": "n1"}
    assert len(serve.ask("take", max=1000, wait=5, after=0)["messages"]) == 1
    assert serve.ask("confirm", through=1, nonce="n2")["removed"] == 1
