"""The session of core4's users, run word for word against a tracker and its pages, with the libraries it is for."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import SLOW, Tracker, cyclic, said, wait_until
from web_server import WebServer

from job_tracker import clock
from job_tracker.events.reading import EventsReader
from job_tracker.web.doors.hashing import hashed

SESSION = Path(__file__).with_name("core4_session.md")
RUNS = 8
NOBODYS = "0" * 24
SUMMARY = {"wall": False, "zombie": False, "killed": False, "removed": False}


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Tracker]:
    made = Tracker(tmp_path / "tracker", cyclic("LOAD"))
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path, tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    tracker.start()
    with WebServer(tmp_path) as made:
        made.view = tracker.view
        made.configure()
        with made.people() as people:
            people.add("admin", hashed("hans"), ["cop"], author="test", now=clock.now())
        yield made.start()


def blocks(server: WebServer) -> list[str]:
    """The Python of the document, with another host and port."""
    found = re.findall(r"```python\n(.*?)```", SESSION.read_text(), re.DOTALL)
    return [each.replace("devops:5001", f"127.0.0.1:{server.port}") for each in found]


class Listening:
    """Whoever runs the last block, which never ends by itself.  heard: what it printed."""

    def __init__(self, block: str, words: dict[str, Any]) -> None:
        self.heard: list[Any] = []
        self.words = {**words, "print": self._print}
        self._block = block
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _print(self, text: str) -> None:
        if text:  # a socket that is closed says nothing once
            self.heard.append(json.loads(text))

    def named(self, name: str) -> list[Any]:
        return [each for each in self.heard if each.get("name") == name]

    def __enter__(self) -> "Listening":
        wait_until(lambda: self.heard or not self.thread.is_alive(), "an answer to an interest")
        return self

    def __exit__(self, *_: object) -> None:
        if self.thread.is_alive():
            self.words["ws"].sock.shutdown(socket.SHUT_RDWR)  # closing it alone would not wake who waits for it
        self.thread.join()
        self.words["ws"].shutdown()

    def _run(self) -> None:
        from websocket import WebSocketException

        with contextlib.suppress(WebSocketException, OSError):  # that is how it ends
            exec(self._block, self.words)  # noqa: S102 - that is the test


def run_once(tracker: Tracker, place: Path, meanwhile: Any) -> None:
    """A job on its host, by the tool; it ends when what is waited for meanwhile has come."""
    gate = place / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    job = threading.Thread(
        target=tracker.queue.tool,
        args=("run", "--instance", "P", "--job", "LOAD", "--", "sh", "-c", script),
    )
    job.start()
    try:
        meanwhile()
    finally:
        gate.touch()
        job.join()


def test_the_session_runs_as_it_stands(server: WebServer, tracker: Tracker, tmp_path: Path) -> None:
    """Statuses, shapes and order are core4's; who has no right to the job sees that something runs, a cop what."""
    first, second, third, last = blocks(server)
    for _ in range(RUNS):
        tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "SUCCESS"))
    tracker.wait_until_drained()
    wait_until(lambda: runs_told(tracker) == 2 * RUNS, "the events of all runs")

    words: dict[str, Any] = {}
    exec(first, words)  # noqa: S102 - that is the test
    exec(second, words)  # noqa: S102 - likewise
    page = words["rv"]
    exec(third.rsplit("\n", 2)[0], words)  # noqa: S102 - its first half, to look at what comes before the second
    page_1 = words["rv"]
    exec(third, words)  # noqa: S102 - likewise
    page_2 = words["rv"]
    with Listening(last, words) as user, Listening(last, {**words, "user_token": words["token"]}) as admin:
        run_once(
            tracker, tmp_path, lambda: wait_until(lambda: user.named("summary") and admin.named("summary"), "running")
        )
        wait_until(lambda: [each.named("summary")[-1]["data"] for each in (user, admin)] == [[], []], "an empty queue")

    assert page.status_code == page_1.status_code == page_2.status_code == 200
    whole = page.json()
    assert whole.keys() == {
        "_id", "code", "count", "data", "message", "page", "page_count", "per_page", "timestamp", "total_count",
    }  # fmt: skip
    assert (whole["count"], whole["page_count"], whole["total_count"]) == (10, 2, 2.0 * RUNS)
    assert isinstance(whole["total_count"], float)
    assert [{k: v for k, v in row.items() if k != "created"} for row in whole["data"][:2]] == [
        {"total": 0},
        {"running": 1, "total": 1},
    ]
    assert (page_1.json()["count"], page_1.json()["page"]) == (6, 1)
    assert (page_2.json()["data"], page_2.json()["count"], page_2.json()["page"]) == ([], 0, 2)

    interest = {"type": "interest", "data": ["queue"], "message": "processed interest in ['queue']"}
    assert user.heard[0] == admin.heard[0] == interest
    for who in (user, admin):
        names = [each["name"] for each in who.heard[1:]]
        assert [each for each in names if each != "summary"] == ["start_job", "complete_job"]
        assert [each["data"]["queue"] for each in who.heard[1:] if each["name"] != "summary"] == [{"running": 1}, {}]
        assert who.heard[-1]["data"] == []
        assert who.heard[-1].keys() == {"name", "author", "channel", "created", "data"}
        started = who.named("start_job")[0]
        assert started.keys() == {"_id", "name", "author", "channel", "created", "data"}
        assert re.fullmatch(r"[0-9a-f]{24}", started["_id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", started["created"])
        assert {each["channel"] for each in who.heard[1:]} == {"queue"}
    assert user.named("summary")[0]["data"] == [{"name": "UnauthorizedJob", "state": "running", "n": 1, **SUMMARY}]
    assert admin.named("summary")[0]["data"] == [{"name": "LOAD__P", "state": "running", "n": 1, **SUMMARY}]
    assert user.named("start_job")[0]["data"] == {"_id": NOBODYS, "queue": {"running": 1}}
    runs = {each["data"]["_id"] for each in admin.heard[1:] if each["name"] != "summary"}
    assert len(runs) == 1
    assert NOBODYS not in runs
    assert "LOAD" not in json.dumps(user.heard)
    assert "very" not in server.log
    assert not any(token in server.log for token in (words["token"], words["user_token"], "hans"))


def runs_told(tracker: Tracker) -> int:
    with contextlib.closing(EventsReader(tracker.view.with_name("events.sqlite"))) as reader:
        return sum(event["kind"].startswith("run.") for event in reader.after(0))


def test_a_right_that_is_given_shows_the_name(server: WebServer, tracker: Tracker, tmp_path: Path) -> None:
    """What he was connected with is closed with the change, and after another login the job has its name."""
    first, second, _, last = blocks(server)
    words: dict[str, Any] = {}
    exec(first, words)  # noqa: S102 - that is the test
    exec(second, words)  # noqa: S102 - likewise
    with Listening(last, words) as before:
        changed = grant(server, words)
        before.thread.join(SLOW)
        is_closed = not before.thread.is_alive()
    assert changed.status_code == 200, changed.text
    assert is_closed
    exec(second, words)  # noqa: S102 - likewise
    with Listening(last, words) as after:
        run_once(tracker, tmp_path, lambda: wait_until(lambda: after.named("summary"), "running"))

    assert after.named("summary")[0]["data"][0]["name"] == "LOAD__P"


def grant(server: WebServer, words: dict[str, Any]) -> Any:
    """The right to see every job, by whoever ran the first block."""
    roles = f"{server.address}/core4/api/v1/roles"
    head = {"Authorization": f"Bearer {words['token']}"}
    one = words["get"](f"{roles}?filter=test", headers=head).json()["data"][0]
    wish = {"etag": words["etag"], "perm": ["job://.*/r", *one["perm"]]}
    return words["put"](f"{roles}/{one['_id']}", headers=head, json=wish)
