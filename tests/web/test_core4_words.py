"""core4's words: what the tracker shows and tells, as its clients know it; and what the queue then comes to."""

from pathlib import Path
from typing import Any

import pytest
from asking import client_of, part_of, seeing
from published import T0, Published, cyclic, jobs_of

from job_tracker.core import events
from job_tracker.core.states import State
from job_tracker.events.file import EventsFile
from job_tracker.events.layout import Row as EventRow
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.web.board import Row, Snapshot
from job_tracker.web.core4.queue import Queue
from job_tracker.web.core4.sockets import summary_of
from job_tracker.web.core4.words import NAMES, OF_KINDS, Place, Seen, names_of, place_of
from job_tracker.web.reader import News
from job_tracker.web.rights import granted

CRITICAL = 300 * MICROSECONDS
HISTORY = "api://core4.api.v1.request.queue.history.*"


def row(key: str, state: str = "NOT_RUNNING", status: int = 0, **changes: Any) -> Row:
    """A job's line."""
    name, env = key.split("__")
    plain: dict[str, Any] = dict.fromkeys(Row._fields)
    plain |= {"key": key, "name": name, "env": env, "state": state, "status": status, "open_runs": 0, "number": 0}
    return Row(**{**plain, "is_killed": False, "sources": (), "order": 0, "outcome": "", **changes})


def event(seq: int, kind: str, job: str = "A__P", **body: Any) -> dict[str, Any]:
    """One of the log."""
    return {"seq": seq, "tracker": "t", "kind": kind, "at": 1000.0 + seq, "created": 1000.0, "job": job,
            "run": {"number": 1, "id": None}, **body}  # fmt: skip


def changed(seq: int, before: tuple[str, int], after: tuple[str, int], kind: str = events.CHANGED) -> dict[str, Any]:
    """What a job shows instead."""
    told = [{"state": state, "status": status, "errors": 0, "missed": 0} for state, status in (before, after)]
    return {**event(seq, kind), "from": told[0], "to": told[1]}


STARTED = event(1, events.STARTED, begin=1001.0)
ENDED = event(3, events.SUCCEEDED, begin=1001.0, end=1003.0, outcome="well")
RUNS = changed(2, ("NOT_RUNNING", 0), ("RUNNING", 0))
RAN = changed(4, ("RUNNING", 0), ("NOT_RUNNING", 0))


def queue_of(*rows: Row, past: tuple[dict[str, Any], ...] = ()) -> Queue:
    made = Queue(CRITICAL)
    made.begin(Snapshot(rows={each.key: each for each in rows}), past, 0)
    return made


def counts(queue: Queue) -> list[tuple[str, dict[str, int]]]:
    return [(each.name, dict(each.counts)) for each in queue.history]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("status", range(4))
def test_every_state_has_its_place(state: State, status: int) -> None:
    """And no place is one that core4 does not know."""
    found = place_of(Seen(state.value, status), 0, CRITICAL)

    assert found is None or found.state in ("pending", "deferred", "failed", "running", "error", "inactive", "killed")


@pytest.mark.parametrize(
    ("seen", "place"),
    [
        (Seen("NOT_RUNNING", 0), None),
        (Seen("NEVER_RAN", 0), None),
        (Seen("WARNING", 1), None),
        (Seen("NOT_RUNNING", 0, is_due=True), Place("pending")),
        (Seen("RUNNING", 0, 3), Place("running", 3)),
        (Seen("TIMEOUT", 2, 1), Place("running", wall=True)),
        (Seen("UNKNOWN", 3, 1), Place("running", zombie=True)),
        (Seen("UNKNOWN", 3, unheard=T0 - CRITICAL), Place("deferred")),
        (Seen("UNKNOWN", 3, unheard=T0 - CRITICAL - 1), Place("inactive")),
        (Seen("ERROR", 1), Place("failed")),
        (Seen("ERROR", 2), Place("error")),
        (Seen("DELAYED", 2), Place("error")),
        (Seen("ERROR", 2, is_killed=True), Place("killed", killed=True)),
    ],
)
def test_what_is_shown_is_a_state_of_core4s(seen: Seen, place: Place | None) -> None:
    """A quiet night is an empty queue, and what cannot be seen is never quiet."""
    assert place_of(seen, T0, CRITICAL) == place


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (event(1, events.FAILED, exit_code=1), ("failed_job",)),
        (event(1, events.FAILED, exit_code=None), ("failed_job",)),
        (event(1, events.FAILED, exit_code=-1), ("failed_job",)),
        (event(1, events.FAILED, exit_code=126), ("failed_start",)),
        (event(1, events.FAILED, exit_code=127), ("failed_start",)),
        (event(1, events.FAILED, exit_code=137), ("kill_job",)),
        (event(1, events.FAILED, exit_code=255), ("failed_job",)),
        (event(1, events.MARKED, outcome="badly"), ("failed_job",)),
        (event(1, events.MARKED, outcome="well"), ("complete_job",)),
        (event(1, events.UNSEEN, unheard_since=900.0), ("defer_job",)),
        (event(1, events.UNSEEN, unheard_since=600.0), ("inactivate_job",)),
        (event(1, events.REMOVED), ("request_remove_job", "remove_job")),
        (event(1, events.CHANGED), ()),
        (event(1, events.PAUSED), ()),
        (event(1, "engine.queued"), ()),
    ],
)
def test_an_event_has_core4s_name_or_none(told: dict[str, Any], names: tuple[str, ...]) -> None:
    """255 is ssh's word for what it could not do, and no signal."""
    assert names_of(told, CRITICAL) == names


def test_no_name_goes_out_that_core4_does_not_have() -> None:
    """Its clients fail at one."""
    assert {name for names in OF_KINDS.values() for name in names} <= NAMES
    assert len(NAMES) == 16


def test_a_start_and_an_end_that_are_heard_together_are_told_apart() -> None:
    """However late one looks: the counts are what they were at the time."""
    queue = queue_of(row("A__P"))

    told = queue.hear(News(board=queue.board, events=(STARTED, RUNS, ENDED, RAN)), 0)

    assert [(each.told.name, dict(each.told.counts)) for each in told] == [
        ("start_job", {"running": 1}),
        ("complete_job", {}),
    ]


def test_what_the_board_shows_already_is_not_counted_again() -> None:
    """The view may be a moment ahead of the events that led to it."""
    running = row("A__P", "RUNNING", open_runs=1, begun=1001 * MICROSECONDS, outcome="open")
    queue = queue_of(running)

    told = queue.hear(News(board=queue.board, events=(STARTED, RUNS)), 0)

    assert [dict(each.told.counts) for each in told] == [{"running": 1}]


def test_the_past_is_what_was_told_at_the_time() -> None:
    """After a restart of the pages the history says the same."""
    live = queue_of(row("A__P"))
    failed = event(6, events.FAILED, begin=1004.0, end=1005.0, outcome="badly", exit_code=1)
    told = (STARTED, RUNS, ENDED, RAN, event(5, events.STARTED, begin=1004.0), failed,
            changed(7, ("NOT_RUNNING", 0), ("ERROR", 2)))  # fmt: skip
    live.hear(News(board=live.board, events=told), 0)

    again = queue_of(row("A__P", "ERROR", 2), past=told)

    assert counts(again) == counts(live)
    assert counts(live)[-1] == ("failed_job", {"error": 1})
    assert again.counts == {"error": 1}


def test_the_board_is_believed_once_nothing_happens() -> None:
    """An event whose consequence nobody could count does not stay wrong for ever."""
    queue = queue_of(row("A__P"))
    queue.hear(News(board=queue.board, events=(STARTED,)), 0)
    queue.settle(0)
    assert queue.counts == {"running": 1}

    queue.settle(2 * MICROSECONDS)

    assert queue.counts == {}


def test_a_start_that_is_due_is_pending_without_anybody_saying_so() -> None:
    """It becomes so by the clock alone."""
    queue = queue_of(row("A__P", expected=10 * MICROSECONDS))
    queue.settle(9 * MICROSECONDS)
    assert queue.counts == {}

    queue.settle(10 * MICROSECONDS)

    assert queue.counts == {"pending": 1}


def test_a_job_that_is_gone_leaves_the_queue() -> None:
    """Both names, and nobody counts it any more."""
    queue = queue_of(row("A__P", "ERROR", 2))

    told = queue.hear(News(board=Snapshot(), is_whole=True, events=(event(1, events.REMOVED),)), 0)
    queue.settle(0)

    assert [each.told.name for each in told] == ["request_remove_job", "remove_job"]
    assert (queue.counts, queue.places) == ({}, {})


def test_hidden_jobs_are_one_line_without_a_name() -> None:
    """Merged, so that nobody counts them by their lines; for each what he may see, whoever asked before."""
    queue = queue_of(row("A__P", "ERROR", 2), row("B__P", "ERROR", 2), row("C__P", "RUNNING", open_runs=1))

    some, cop = summary_of(queue, granted({"job://A__P/r"})), summary_of(queue, granted({"cop"}))

    assert [(each["name"], each["state"], each["n"]) for each in some] == [
        ("A__P", "error", 1),
        ("UnauthorizedJob", "error", 1),
        ("UnauthorizedJob", "running", 1),
    ]
    assert [each["name"] for each in cop] == ["A__P", "B__P", "C__P"]


# ---- The history


@pytest.fixture
def view(tmp_path: Path) -> Path:
    path = tmp_path / "view.sqlite"
    Published(path, jobs_of(cyclic("A"))).close()
    log = EventsFile(tmp_path / "events.sqlite", "t" * 8)
    log.keep, log.most = 100 * DAY, 1 << 30
    log.open()
    log.take([told(number) for number in range(1, 13)], T0)
    log.close()
    return path


def told(number: int) -> EventRow:
    """Runs of ten seconds, one after the other."""
    at = T0 + number * 10 * MICROSECONDS
    doc = f'{{"begin": {at / 1e6}}}'
    return (number, at, at, "run.started", "A__P", number, 0, None, doc) if number % 2 else (
        number, at, at, "run.succeeded", "A__P", number - 1, 0, None, '{"begin": 1, "end": 2, "outcome": "well"}'
    )  # fmt: skip


def ask(view: Path, **params: Any) -> Any:
    return client_of(part_of(view, seeing(HISTORY))).get("/core4/api/v1/jobs/history", params=params).json()


@pytest.mark.parametrize(
    ("params", "count", "page"),
    [
        ({}, 10, 0),
        ({"page": 1}, 2, 1),
        ({"page": 2}, 0, 2),
        ({"page": 10**9}, 0, 10**9),
        ({"page": -1}, 2, -1),
        ({"page": -3}, 0, -3),
        ({"per_page": 1000}, 12, 0),
        ({"filter": '{"name": "start_job"}'}, 6, 0),
        ({"filter": '{"name": {"$in": ["start_job", "failed_job"]}}'}, 6, 0),
        ({"filter": '{"state": "running"}'}, 6, 0),
        ({"filter": '{"state": "error"}'}, 0, 0),
        ({"filter": '{"created": {"$gte": "2000-01-01T00:00:00", "$lt": "2001-01-01T00:00:00"}}'}, 0, 0),
    ],
)
def test_a_page_of_the_history(view: Path, params: dict[str, Any], count: int, page: int) -> None:
    """Behind the end, and before the beginning, is nothing, and no fault."""
    found = ask(view, **params)

    assert (found["code"], found["count"], len(found["data"]), found["page"]) == (200, count, count, page)
    assert isinstance(found["total_count"], float)


@pytest.mark.parametrize(
    "params",
    [
        {"per_page": 0}, {"per_page": -1}, {"per_page": 1001}, {"per_page": "x"}, {"page": "1.5"}, {"page": "9" * 40},
        {"sort": 2}, {"filter": "x"}, {"filter": "[]"}, {"filter": '{"channel": "message"}'},
        {"filter": '{"$where": "1"}'},
        {"filter": '{"name": {"$regex": "(a+)+"}}'}, {"filter": '{"name": {"$gt": {"$gt": ""}}}'},
        {"filter": '{"created": 7}'}, {"filter": '{"state": ["running"]}'}, {"filter": "[" * 10_000},
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_400(view: Path, params: dict[str, Any]) -> None:
    """In core4 a filter went to the database as it was, and a page of nothing was a fault of the program."""
    assert ask(view, **params)["code"] == 400


def test_the_history_is_for_whoever_has_the_permission(view: Path) -> None:
    """Its sums count all jobs: seeing some is not enough; and POST needs the letter for it."""
    path = "/core4/api/v1/jobs/history"

    def code(*permissions: str, method: str = "GET") -> int:
        return client_of(part_of(view, seeing(*permissions))).request(method, path).status_code

    assert code("job://.*/x") == 403
    assert code("api://core4.api.v1.request.standard.*") == 403
    assert [code(HISTORY, method=each) for each in ("GET", "POST")] == [200, 200]
    assert [code("api://core4.api.v1/r", method=each) for each in ("GET", "POST")] == [200, 403]
    assert code("cop") == 200


def test_a_post_asks_as_a_get_does(view: Path) -> None:
    """In core4 it answered nothing at all."""
    client = client_of(part_of(view, seeing(HISTORY)))

    found = client.post("/core4/api/v1/jobs/history", json={"per_page": 3, "sort": 1, "filter": {"name": "start_job"}})

    rows = found.json()["data"]
    assert [each["total"] for each in rows] == [1, 1, 1]
    assert rows == sorted(rows, key=lambda each: each["created"])
