"""The view is built a few jobs at a time, while messages come in: what is told in between is in it, and once."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from job_tracker.config.reading import load
from job_tracker.core.board import Watermark, make_board
from job_tracker.core.intake import take_in, uid_of
from job_tracker.core.record import Step
from job_tracker.core.step import step
from job_tracker.ledger.ledger import Entry
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.making import Ground
from job_tracker.outputs.view import keeper as room
from job_tracker.outputs.view.keeper import ViewOutput
from job_tracker.ports import Found, Picture
from job_tracker.view.documents import Publication

T0 = 1_795_399_200
JOBS = 40


class Tracked:
    """A board, its ledger and what is published of it, a step at a time."""

    def __init__(self, home: Path) -> None:
        config = home / "job_tracker.cfg"
        config.write_text(json.dumps(configuration(home)), encoding="utf-8")
        self.config = load(config)
        self.now, self.number = T0, 0
        self.ledger, _ = open_ledger(self.config.settings.store_file)
        ground = Ground(config=self.config, ledger=self.ledger, wake=lambda: None, started=T0 * MICROSECONDS)
        self.output = ViewOutput(ground)
        jobs = self.config.jobs
        self.board = make_board(jobs, self.ledger.settle(jobs, T0 * MICROSECONDS), {}, T0 * MICROSECONDS)

    def hears(self, *said: tuple[int, str]) -> Step:
        """Messages (a job's number, an event), a second apart; kept, not yet published."""
        return self.takes([self.element(*each) for each in said])

    def takes(self, elements: list[dict[str, Any]]) -> Step:
        now, jobs = self.now * MICROSECONDS, self.config.jobs
        messages = take_in(jobs, "here", elements, now, lambda _: False).messages
        made = step(self.board, jobs, messages, self.watermarks(), now, self.ledger.history)
        taken = tuple(map(uid_of, elements))
        self.ledger.save(Entry(records=made.records, drained=made.board.drained, now=now, mementos={}, taken=taken))
        self.board = made.board
        return made

    def element(self, job: int, event: str) -> dict[str, Any]:
        self.now, self.number = self.now + 1, self.number + 1
        names = {"job": f"JOB{job}", "instance": "P", "event": event, "message": f"message {self.number}"}
        return {"_id": self.number, "uid": f"uid-{self.number}", "timestamp": self.now, **names}

    def watermarks(self) -> dict[str, Watermark]:
        now = self.now * MICROSECONDS
        return {"here": Watermark(drained=now, lags_from=now)}

    def publishes(self, made: Step) -> int | None:
        """As the loop does after each step."""
        return self.publishes_at(self.now * MICROSECONDS, made)

    def publishes_at(self, now: int, made: Step, *, kept_aside: bool = False) -> int | None:
        """The same at a moment of its own; kept_aside: something that belongs to no job came with the step."""
        return self.output.tell([Found(step=made, begun=now, kept_aside=kept_aside)], self.picture(now))

    def picture(self, now: int) -> Picture:
        return Picture(now=now, board=self.board, watermarks=self.watermarks())

    def begins_to_build(self) -> None:
        self.output.begin(self.config, self.picture(self.now * MICROSECONDS))

    def tables(self) -> dict[str, dict[str, list[Any]]]:
        """The view as it lies there, each job's rows in their order but for their numbers."""
        self.output.view.close()
        connection = sqlite3.connect(self.config.settings.view_file)
        found: dict[str, dict[str, list[Any]]] = {}
        for table in ("jobs", "promises", "runs", "changes", "messages"):
            rows = connection.execute(f"SELECT key, value FROM {table} ORDER BY key").fetchall()
            kept: dict[str, list[Any]] = found.setdefault(table, {})
            for key, value in rows:
                kept.setdefault(key.split(" ")[0], []).append(json.loads(value))
        for messages in found["messages"].values():
            messages.sort(key=lambda message: message["number"])
        connection.close()
        return found


def configuration(home: Path) -> dict[str, Any]:
    promise = {
        "cyclic_or_daily": "cyclic",
        "cyclic_interval_in_hh:mm:ss": "01:00:00",
        "timeout_in_hh:mm:ss": "00:30:00",
    }
    return {
        "global_config": {
            "time_zone": "UTC",
            "run_dir": str(home),
            "store_file": str(home / "store.sqlite"),
            "view_file": str(home / "view.sqlite"),
            "log_file": str(home / "log"),
        },
        "source_hosts": [{"name": "here", "connection": "local", "message_queue": str(home / "queue.sqlite")}],
        "jobs": [{"name": f"JOB{number}", "env": "P", **promise} for number in range(JOBS)],
    }


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[Tracked]:
    """Forty jobs of one source, whose ledger is closed at the end."""
    made = Tracked(tmp_path)
    yield made
    made.output.view.close()
    made.ledger.close()


def test_what_is_published_while_the_view_is_built_is_in_it_once(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history takes many cycles, and messages do not wait for it."""
    monkeypatch.setattr(room, "JOBS_AT_ONCE", 3)
    monkeypatch.setattr(room, "BUILDING", 0.0)
    for _ in range(4):
        tracked.hears(*[(job, "STARTED") for job in range(JOBS)])
        tracked.hears(*[(job, "ERROR" if job % 3 else "SUCCESS") for job in range(JOBS)])

    tracked.begins_to_build()
    cycles, now = 0, tracked.now * MICROSECONDS
    while tracked.output.view.is_building:
        cycles += 1
        made = tracked.hears((0, "STARTED"), (cycles % JOBS, "STARTED"), (JOBS - 1, "ERROR"), (7, "SUCCESS"))
        tracked.publishes_at(now + cycles, made)
    tracked.publishes(tracked.hears((5, "STARTED")))
    built_in_pieces = tracked.tables()
    monkeypatch.undo()
    tracked.begins_to_build()
    while tracked.output.view.is_building:
        tracked.publishes(tracked.hears())
    assert cycles > 10
    assert without_found(built_in_pieces) == without_found(tracked.tables())


def test_steps_that_follow_each_other_closely_are_published_together_and_show_the_same(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten publications a second at most; late messages that fold a job again come in between."""
    tracked.begins_to_build()
    while tracked.output.view.is_building:
        tracked.publishes(tracked.hears())
    handed: list[int] = []
    publish = tracked.output.view.publish

    def counted(new: Publication) -> None:
        handed.append(len(new.jobs))
        publish(new)

    monkeypatch.setattr(tracked.output.view, "publish", counted)

    for number in range(40):
        elements = [tracked.element(job, event) for job, event in ((number % 13, "STARTED"), (number % 11, "ERROR"))]
        if number % 8 == 7:
            elements[0]["timestamp"] -= 5
        made, now = tracked.takes(elements), T0 * MICROSECONDS + number * 10_000
        wake = tracked.publishes_at(now, made)
        assert wake is None or now < wake <= now + room.TRAILING
    tracked.publishes(tracked.hears())

    assert 4 <= len(handed) <= 12
    together = tracked.tables()
    tracked.begins_to_build()
    while tracked.output.view.is_building:
        tracked.publishes(tracked.hears())
    assert without_found(together) == without_found(tracked.tables())


def test_what_was_found_last_is_published_at_the_end(tracked: Tracked) -> None:
    """A publication that was not yet due, and what was kept aside, too."""
    tracked.begins_to_build()
    while tracked.output.view.is_building:
        tracked.publishes(tracked.hears())
    now = (tracked.now + 5) * MICROSECONDS
    tracked.publishes_at(now, tracked.hears((1, "STARTED")))
    stray = take_in(tracked.config.jobs, "here", [tracked.element(JOBS, "STARTED")], now, lambda _: False).unmatched
    tracked.ledger.save(Entry(records={}, drained={}, now=now, mementos={}, unmatched=stray))
    made = tracked.hears((2, "STARTED"))
    wake = tracked.publishes_at(now + 20_000, made, kept_aside=True)
    assert wake == now + room.TRAILING

    tracked.output.close(tracked.picture(now + 30_000))

    with closing(sqlite3.connect(tracked.config.settings.view_file)) as view:
        assert view.execute("SELECT count(*) FROM unmatched").fetchone() == (1,)
        [document] = view.execute("SELECT value FROM jobs WHERE key = 'JOB2__P'").fetchone()
    assert json.loads(document)["state"] == "RUNNING"


def without_found(tables: dict[str, dict[str, list[Any]]]) -> dict[str, dict[str, list[Any]]]:
    """Tables but for when a change was found, which is when it was published or when it was saved."""
    for changes in tables["changes"].values():
        for change in changes:
            del change["found"]
    return tables
