"""The ledger: real files, and what a tracker finds in them that was not there when they were written."""

import json
import os
import random
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from published import HOUR, SECOND, T0, cyclic, daily, jobs_of
from running import file_system, fill

from job_tracker.core import record as records
from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.intake import Unmatched, Why, in_words
from job_tracker.core.jobs import Jobs
from job_tracker.core.memory import Memory
from job_tracker.core.messages import Message
from job_tracker.core.notices import Notice, Notices
from job_tracker.core.record import Record, Step
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.core.states import State
from job_tracker.core.step import step
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.ledger import checkpoints, layout
from job_tracker.ledger.codec import change_to_row
from job_tracker.ledger.history import CHANGE_COLUMNS
from job_tracker.ledger.ledger import Entry, Ledger
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import DAY
from job_tracker.ports import Memento

SOURCES = ("app1", "app2")


class Tracked:
    """A tracker without sources: steps of the core, and an archive that remembers them."""

    def __init__(self, jobs: Jobs, now: int = T0) -> None:
        self.jobs, self.now, self.number = jobs, now, 0
        self.drained = dict.fromkeys(jobs.sources, now)

    def message(self, at: float, name: str, event: str, **more: Any) -> Message:
        """A message, dated so many seconds after T0."""
        self.number += 1
        moment = T0 + round(at * SECOND)
        given = {"source": "app1", "number": self.number, "uid": f"uid-{self.number}", **more}
        return Message(moment=moment, claimed=moment, received=moment, name=name, env="P", event=event, **given)

    def watermarks(self) -> dict[str, Watermark]:
        """How far each source is drained."""
        return {name: Watermark(drained=moment, lags_from=moment) for name, moment in self.drained.items()}

    def say(self, at: float, name: str, event: str, **more: Any) -> Step:
        """One message arrives, and no time passes."""
        return self.advance([self.message(at, name, event, **more)])

    def advance(self, messages: Iterable[Message], now: int | None = None, blind: str = "") -> Step:
        """A step; all sources but a blind one are drained up to now."""
        messages = list(messages)
        self.now = max(self.now, now or 0, *(message.moment for message in messages), T0)
        self.drained |= {name: self.now + 1 for name in self.jobs.sources if name != blind}
        return self.make_step(messages)

    def make_step(self, messages: list[Message]) -> Step:
        """What an archive's tracker does with a step."""
        raise NotImplementedError


class Remembered(Tracked):
    """One whose memory lasts as long as the process, and keeps everything."""

    def __init__(self, jobs: Jobs, now: int = T0) -> None:
        super().__init__(jobs, now)
        self.board: Board = make_board(jobs, {}, {}, now)
        self.memory = Memory(self.board)
        self.changes: dict[str, list[tuple[Any, ...]]] = {}

    def make_step(self, messages: list[Message]) -> Step:
        made = step(self.board, self.jobs, messages, self.watermarks(), self.now, self.memory)
        self.memory.keep(made.records)
        self.board = made.board
        for key, record in made.records.items():
            self.keep_changes(key, record)
        return made

    def keep_changes(self, key: str, record: Record) -> None:
        """What was folded again is told again; what was not seen at the time stays told."""
        kept = self.changes.setdefault(key, [])
        if record.rewound is not None:
            kept[:] = [row for row in kept if row[0] <= record.rewound.serial or 3 in (row[3], row[5])]
        kept += map(change_to_row, record.changes)


class Kept(Tracked):
    """One whose memory is the ledger."""

    def __init__(self, path: Path, jobs: Jobs, now: int = T0) -> None:
        super().__init__(jobs, now)
        self.path = path
        self.ledger, self.opened = open_ledger(path)
        self.board: Board = self.settle()

    def settle(self) -> Board:
        return make_board(self.jobs, self.ledger.settle(self.jobs, self.now), self.ledger.drained(), self.now)

    def make_step(self, messages: list[Message]) -> Step:
        made = step(self.board, self.jobs, messages, self.watermarks(), self.now, self.ledger.history)
        self.ledger.save(self.entry(made, taken=tuple(message.uid for message in messages)))
        self.board = made.board
        return made

    def entry(self, made: Step, **more: Any) -> Entry:
        """What the loop would save of a step."""
        given: dict[str, Any] = {"mementos": {}, **more}
        return Entry(records=made.records, drained=made.board.drained, now=self.now, **given)

    def save(self, **more: Any) -> None:
        """Save something else than a step."""
        self.ledger.save(Entry(**{"records": {}, "drained": {}, "now": self.now, "mementos": {}, **more}))

    def restart(self, jobs: Jobs | None = None, now: int | None = None) -> None:
        """End, and begin again with what was written."""
        self.ledger.close()
        self.jobs, self.now = jobs or self.jobs, now or self.now
        self.ledger, self.opened = open_ledger(self.path)
        self.board = self.settle()

    def runs(self) -> dict[str, dict[int, Run]]:
        """All kept runs."""
        return {key: {run.order: run for run in self.ledger.history.runs(key)} for key in self.jobs.by_key}

    def changes(self) -> dict[str, list[tuple[Any, ...]]]:
        """All kept changes, comings and goings too, without the moment when they were found."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        statement = f"SELECT key, {CHANGE_COLUMNS} FROM changes JOIN jobs ON job = jobs.id ORDER BY changes.id"
        for key, *change in self.ledger._connection.execute(statement):
            found.setdefault(key, []).append(tuple(change))
        return found

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.ledger._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "job_tracker.sqlite"


@pytest.fixture
def kept(path: Path) -> Iterator[Callable[..., Kept]]:
    """Makes trackers with a ledger, and closes them."""
    made: list[Kept] = []

    def make(jobs: Jobs, **more: Any) -> Kept:
        made.append(Kept(path, jobs, **more))
        return made[-1]

    yield make
    for each in made:
        each.ledger.close()


@pytest.fixture
def frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint every few messages, so that short stories meet many."""
    monkeypatch.setattr(records, "CHECKPOINT_EVERY", 5)


def comparable(board: Board) -> dict[str, Standing]:
    """All standings; when the last checkpoint was is not part of what a job carries."""
    found = {key: standing.fork() for key, standing in board.standings()}
    for standing in found.values():
        standing.checkpointed = 0
    return found


def three_jobs(history: int = 1000) -> Jobs:
    """Every kind of job."""
    return jobs_of(
        cyclic("LOAD", max_errors=2),
        daily("NIGHT", sources=("app2",)),
        cyclic("CHAIN", interval=HOUR // 2, counts_from_end=True),
        history=history,
        sources=SOURCES,
    )


def story(seed: int, tracked: Tracked, *, late: float, blind: bool = True) -> list[tuple[list[Message], int, str]]:
    """Steps of a day or two: (messages, now, blind source), some of the messages late by hours, some with run ids."""
    unseen = ["", "", "", "app1", "app2"] if blind else [""]
    chance = random.Random(seed)
    steps, clock = [], 0
    for _ in range(45):
        clock += chance.choice([0, 30, 300, 1800, 5400])
        messages = []
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            name = chance.choice(["LOAD", "NIGHT", "CHAIN"])
            behind = chance.choice([600, 4000, 30000]) if chance.random() < late else 0
            messages.append(
                tracked.message(
                    max(0, clock - behind + chance.choice([0, 0, 7])),
                    name,
                    chance.choice(["STARTED", "STARTED", "SUCCESS", "SUCCESS", "ERROR", "ROWS"]),
                    source="app2" if name == "NIGHT" else chance.choice(SOURCES),
                    run=chance.choice([None, None, "a", "b", "c"]),
                    text=chance.choice(["", "ORA-01555", "größer\nals <<<gedacht>>> \U0001f4a5"]),
                    exit_code=chance.choice([None, 0, 3]),
                )
            )
        steps.append((messages, T0 + clock * SECOND, chance.choice(unseen)))
    return steps


# ------------------------------------------------------------------------------------------------ saved and loaded


@pytest.mark.usefixtures("frequent")
@pytest.mark.parametrize("seed", range(6))
def test_saved_and_loaded_is_the_same(kept: Callable[..., Kept], seed: int) -> None:
    """A restart after any step begins with exactly the board that the step made, whatever it holds."""
    tracker = kept(three_jobs())

    for messages, now, blind in story(seed, tracker, late=0.3):
        before = tracker.advance(messages, now, blind).board
        tracker.restart()

        assert dict(tracker.board.standings()) == dict(before.standings())
        assert {**dict.fromkeys(SOURCES, T0), **tracker.board.drained} == {
            **dict.fromkeys(SOURCES, T0),
            **before.drained,
        }


@pytest.mark.usefixtures("frequent")
@pytest.mark.parametrize("blind", [False, True], ids=["seen", "sometimes unseen"])
@pytest.mark.parametrize("seed", range(20, 26))
def test_late_messages_across_restarts_are_folded_as_by_a_memory_that_keeps_everything(
    kept: Callable[..., Kept], seed: int, *, blind: bool
) -> None:
    """Checkpoints, rewinding and restarts are ways to remember less, never other things.

    What was UNKNOWN stays told beside what replaces it; how far back that reaches hangs on the checkpoint.
    """
    tracker, witness = kept(three_jobs()), Remembered(three_jobs())
    chance = random.Random(seed)

    for messages, now, unseen in story(seed, tracker, late=0.4, blind=blind):
        tracker.advance(messages, now, unseen)
        witness.advance(messages, now, unseen)
        if chance.random() < 0.3:
            tracker.restart()

        assert comparable(tracker.board) == comparable(witness.board)

    assert {key: runs for key, runs in tracker.runs().items() if runs} == witness.memory.runs
    if not blind:
        assert tracker.changes() == {key: changes for key, changes in witness.changes.items() if changes}


@pytest.mark.usefixtures("frequent")
@pytest.mark.parametrize("seed", range(40, 46))
def test_a_trimmed_history_ends_in_the_same_board(
    kept: Callable[..., Kept], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What job_history_entry_count lets go of is past: no state, no status and no deadline hangs on it."""
    monkeypatch.setattr(checkpoints, "CHANGES_PER_RUN", 1)
    tracker, witness = kept(three_jobs(history=2)), Remembered(three_jobs(history=2))

    for messages, now, _ in story(seed, tracker, late=0.0):
        plain = [replace(message, run=None) for message in messages]
        tracker.advance(plain, now)
        witness.advance(plain, now)
        tracker.restart()

    assert comparable(tracker.board) == comparable(witness.board)
    for key, runs in tracker.runs().items():
        assert runs.items() <= witness.memory.runs.get(key, {}).items()
        assert list(runs)[-2:] == list(witness.memory.runs.get(key, {}))[-2:]


def test_a_store_is_made_once_and_then_opened(kept: Callable[..., Kept]) -> None:
    """An operator reads in the log whether anything was known; the id by which queues know us stays the same."""
    tracker = kept(three_jobs())
    made, identity = tracker.opened, tracker.ledger.tracker

    tracker.restart()

    assert "store made" in made
    assert "every job is known since now" in made
    assert tracker.opened == f"store opened path={tracker.path}"
    assert tracker.ledger.tracker == identity
    tracker.save(drained={SOURCES[0]: 1_763_950_000 * 1_000_000})
    tracker.restart()
    assert tracker.opened == f"store opened path={tracker.path} last_drained=2025-11-24 02:06:40 UTC"
    assert stat.S_IMODE(tracker.path.stat().st_mode) == 0o600


def test_the_moment_a_job_became_known_is_kept_over_restarts(kept: Callable[..., Kept]) -> None:
    """Otherwise a tracker restarted every night would never find out that a job never runs."""
    tracker = kept(three_jobs())

    tracker.restart(now=T0 + 30 * HOUR)

    assert {standing.known_since for _, standing in tracker.board.standings()} == {T0}


def test_mementos_and_watermarks_are_kept_by_source(kept: Callable[..., Kept]) -> None:
    """A source that was not heard of in a step keeps what is known of it."""
    tracker = kept(three_jobs())
    first = {"app1": Memento(queue="q1", nonce="n1"), "app2": Memento(queue="q2", nonce="m1", nonce_before="m0")}

    tracker.save(mementos=first, drained={"app1": T0, "app2": T0 + 1})
    tracker.save(mementos={"app1": Memento(queue="q1", nonce="n2", nonce_before="n1")}, drained={"app1": T0 + 5})
    tracker.restart()

    assert tracker.ledger.mementos() == {
        "app1": Memento(queue="q1", nonce="n2", nonce_before="n1"),
        "app2": first["app2"],
    }
    assert tracker.ledger.drained() == {"app1": T0 + 5, "app2": T0 + 1}


def test_notifications_are_kept_with_the_step_that_caused_them(kept: Callable[..., Kept]) -> None:
    """Delivered later, perhaps by another process: they must not get lost between the two."""
    tracker = kept(three_jobs())
    row = ("LOAD__P", T0, "ERROR", 2, "ERROR since …")
    notice = Notice(subject=row[0], at=row[1], state=row[2], status=row[3], text=row[4])

    tracker.save(notices=Notices(notices=(notice,), told={"LOAD__P": ("ERROR", 2)}, unseen={}))
    tracker.restart()

    found = tracker.ledger._connection.execute("SELECT job, at, state, status, text FROM outbox").fetchall()
    assert found == [row]


# ------------------------------------------------------------------------------------------------ what was taken


def test_a_uid_that_was_taken_is_known_after_a_restart(kept: Callable[..., Kept]) -> None:
    """More than SQLite takes parameters in one statement, too: a queue restored from a copy brings thousands."""
    tracker = kept(three_jobs())
    uids = [f"uid-{number}" for number in range(2500)]

    tracker.save(taken=tuple(uids[:2000]))
    tracker.restart()

    assert tracker.ledger.known(uids) == set(uids[:2000])
    assert tracker.ledger.known([]) == set()


def test_uids_are_forgotten_after_five_weeks(kept: Callable[..., Kept]) -> None:
    """The table must not grow for ever; no backup that old is put back in place unnoticed."""
    tracker = kept(three_jobs())
    tracker.save(taken=("old",), now=T0)
    tracker.save(taken=("younger",), now=T0 + DAY)

    tracker.save(taken=("new",), now=T0 + 36 * DAY)

    assert tracker.ledger.known(["old", "younger", "new"]) == {"younger", "new"}


# ------------------------------------------------------------------------------------------------ unmatched


def stranger(name: str, at: int = 0, *, source: str = "app1", element: Any = None, reason: str = "no") -> Unmatched:
    """A message of no configured job."""
    message = Message(moment=T0, claimed=T0, received=T0, source=source, number=1, name=name, env="P", event="STARTED")
    return Unmatched(
        source=source,
        received=T0 + at,
        why=Why.UNREADABLE,
        detail=reason,
        element=element or {"job": name},
        message=message,
    )


def test_unmatched_messages_are_counted_by_source_name_and_reason(kept: Callable[..., Kept]) -> None:
    """A forgotten job that reports every minute is one line for the operator, with the last it said."""
    tracker = kept(three_jobs())

    tracker.save(unmatched=(stranger("X", 1, element={"m": 1}), stranger("X", 2, element={"m": 2})))
    tracker.save(unmatched=(stranger("X", 3, source="app2"), stranger("X", 4, reason="other"), stranger("Y", 5)))
    tracker.restart()
    rows = tracker.ledger.strays.every()

    assert [(row["name"], row["source"], row["reason"], row["count"]) for row in rows] == [
        ("Y", "app1", "no", 1),
        ("X", "app1", "other", 1),
        ("X", "app2", "no", 1),
        ("X", "app1", "no", 2),
    ]
    assert (rows[3]["first"], rows[3]["last"], rows[3]["sample"]) == (T0 + 1, T0 + 2, '{"m": 2}')


def test_what_is_forgotten_begins_anew_when_it_is_heard_again(kept: Callable[..., Kept]) -> None:
    """From all sources, for all reasons; what comes in the same step comes after it."""
    tracker = kept(three_jobs())
    tracker.save(unmatched=(stranger("X", 1), stranger("X", 2, source="app2"), stranger("Y", 3)))

    tracker.save(forgotten=(("X", "P"),), unmatched=(stranger("X", 5),))

    assert [(row["name"], row["count"], row["first"]) for row in tracker.ledger.strays.every()] == [
        ("X", 1, T0 + 5),
        ("Y", 1, T0 + 3),
    ]


@pytest.mark.parametrize("why", Why)
@pytest.mark.parametrize("detail", ["", "app1, app2", "  two  blanks "])
def test_a_reason_is_kept_as_a_value_and_told_in_words(kept: Callable[..., Kept], why: Why, detail: str) -> None:
    """Whoever improves the sentence must not change what it means to the rest of the program."""
    tracker = kept(three_jobs())

    tracker.save(unmatched=(Unmatched(source="app1", received=T0, why=why, detail=detail, element={}),))
    [row] = tracker.ledger.strays.every()

    assert (row["why"], row["reason"]) == (why.value, in_words(why, detail))


def test_what_could_not_be_read_has_no_name_and_is_kept_with_a_sample(kept: Callable[..., Kept]) -> None:
    """Whatever it was, the ledger can be written, and the sample is no longer than an operator reads."""
    tracker = kept(three_jobs())
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]

    for element in (nested, 10**5000, "x" * 10_000, {"job": "\ud800"}):
        tracker.save(unmatched=(Unmatched(source="app1", received=T0, why=Why.UNREADABLE, element=element),))
        [row] = tracker.ledger.strays.every()

        assert (row["name"], row["env"]) == ("", "")
        assert 0 < len(row["sample"]) <= 2000


@pytest.mark.parametrize("pace", [1, 0], ids=["one by one", "at once"])
def test_unmatched_names_are_bounded(kept: Callable[..., Kept], pace: int) -> None:
    """A job that puts a date into its name must not fill the store; those heard last stay."""
    tracker = kept(three_jobs())

    for first in range(0, 5000, 1000):
        heard = [stranger(f"J{number}", first + pace * number) for number in range(first, first + 1000)]
        tracker.save(unmatched=tuple(heard))
    rows = tracker.ledger.strays.every()

    assert len(rows) == 2000
    assert {row["name"] for row in rows} == {f"J{number}" for number in range(3000, 5000)}


# ------------------------------------------------------------------------------------------------ history


def test_a_message_adds_rows_and_never_rewrites_a_history(kept: Callable[..., Kept]) -> None:
    """What a message costs is the same for a job with ten runs behind it and for one with four hundred."""
    tracker = kept(jobs_of(cyclic("LOAD"), history=1000))
    costs, written = [], set()
    tracker.ledger._connection.set_trace_callback(lambda sql: written.add(sql.split(" (")[0].split(" SET")[0]))

    for number in range(400):
        tracker.say(number * 60, "LOAD", "STARTED")
        tracker.say(number * 60 + 30, "LOAD", "SUCCESS")
        before = tracker.ledger._connection.total_changes
        tracker.say(number * 60 + 40, "LOAD", "ROWS")
        costs.append(tracker.ledger._connection.total_changes - before)
    tracker.ledger._connection.set_trace_callback(None)

    assert set(costs) == {4, 5}  # the message, the job's standing, a watermark, the uid; now and then a checkpoint
    assert costs.count(5) == 6
    deleted = {sql.split(" WHERE")[0] for sql in written if sql.startswith("DELETE")}
    assert deleted <= {"DELETE FROM taken", "DELETE FROM remote_jobs"}  # of a day that is over
    assert {sql for sql in written if sql.startswith("UPDATE")} == {"UPDATE jobs"}
    assert [run.order for run in tracker.runs()["LOAD__P"].values()] == list(range(1, 401))


def test_the_rows_of_a_job_are_bounded_by_its_history(kept: Callable[..., Kept]) -> None:
    """A job that runs every minute for years has as many rows as one that has run for a day."""
    tracker = kept(jobs_of(cyclic("LOAD"), history=10))

    sizes = []
    for number in range(500):
        tracker.say(number * 60, "LOAD", "STARTED")
        tracker.say(number * 60 + 30, "LOAD", "SUCCESS")
        sizes.append([tracker.count(table) for table in ("runs", "messages", "checkpoints", "changes")])

    assert [max(column) for column in zip(*sizes[200:], strict=True)] == [
        max(column) for column in zip(*sizes[350:], strict=True)
    ]
    assert tracker.count("runs") < 100


@pytest.mark.usefixtures("frequent")
def test_a_late_message_costs_what_has_come_since_the_checkpoint_before_it(kept: Callable[..., Kept]) -> None:
    """Not the job's whole life: a minute's delay must be cheap."""
    tracker = kept(jobs_of(cyclic("LOAD")))
    for number in range(100):
        tracker.say(number * 60, "LOAD", "STARTED")

    past = tracker.ledger.history.past("LOAD__P", (T0 + 98 * 60 * SECOND, "app1", 0), None)
    before_run = tracker.ledger.history.past("LOAD__P", (T0 + 98 * 60 * SECOND, "app1", 0), 50)

    assert len(past.messages) <= 7
    assert past.floor is not None
    assert past.floor < (T0 + 98 * 60 * SECOND, "app1", 0)
    assert 50 <= len(before_run.messages) <= 57
    assert before_run.checkpoint.count < 50


@pytest.mark.usefixtures("frequent")
def test_a_message_from_before_the_kept_history_is_folded_at_its_beginning(
    kept: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not lost, and what is known by now is not judged by what was let go of."""
    monkeypatch.setattr(checkpoints, "CHANGES_PER_RUN", 1)
    tracker = kept(jobs_of(cyclic("LOAD"), history=3))
    for number in range(200):
        tracker.say(number * 60, "LOAD", "STARTED")
        tracker.say(number * 60 + 30, "LOAD", "SUCCESS")
    before = tracker.board.standing(tracker.jobs.by_key["LOAD__P"])

    made = tracker.say(10, "LOAD", "ERROR", text="from long ago")
    tracker.restart()
    after = tracker.board.standing(tracker.jobs.by_key["LOAD__P"])

    [message] = made.records["LOAD__P"].messages[-1:]
    assert message.moment > message.claimed
    assert (after.state, after.errors, after.last_start) == (before.state, 0, before.last_start)
    assert after.count == before.count + 1


def test_the_run_of_an_id_is_the_newest_up_to_an_order(kept: Callable[..., Kept]) -> None:
    """Ids are used again; a message that names one means the latest that there was."""
    tracker = kept(jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    for number in range(4):
        tracker.say(number * 60, "LOAD", "STARTED", run="again" if number % 2 else None)

    def order(job: str, id: str, up_to: int) -> int | None:
        run = tracker.ledger.history.run(job, id, up_to)
        return None if run is None else run.order

    assert [order("LOAD__P", "again", up_to) for up_to in (9, 3, 2, 1)] == [4, 2, 2, None]
    assert order("LOAD__P", "never", 9) is None
    assert order("OTHER__P", "again", 9) is None


def test_what_could_not_be_seen_at_the_time_stays_in_the_history(kept: Callable[..., Kept]) -> None:
    """The operator was told UNKNOWN; a late message explains it and does not make it unsaid."""
    tracker = kept(jobs_of(cyclic("LOAD")))
    tracker.say(0, "LOAD", "STARTED")
    tracker.say(60, "LOAD", "SUCCESS")
    tracker.advance([], T0 + 2 * HOUR, blind="app1")
    assert tracker.board.standing(tracker.jobs.by_key["LOAD__P"]).unseen is not None

    tracker.say(3600, "LOAD", "STARTED")
    tracker.say(3660, "LOAD", "SUCCESS")

    states = [(before, after) for _, _, before, _, after, *_ in tracker.changes()["LOAD__P"]]
    assert ("NOT_RUNNING", "UNKNOWN") in states
    assert states[-1] == ("RUNNING", "NOT_RUNNING")


def test_the_last_messages_of_each_job_are_the_last_by_their_moment(kept: Callable[..., Kept]) -> None:
    """What explains a verdict is what was folded last, not what arrived last."""
    tracker = kept(jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    for at in (10, 30, 20, 50, 40):
        tracker.say(at, "LOAD", "ROWS")

    found = [message.moment for message in tracker.ledger.history.messages("LOAD__P", 3)]

    assert found == [T0 + at * SECOND for at in (30, 40, 50)]
    assert tracker.ledger.history.messages("OTHER__P", 3) == []


# ------------------------------------------------------------------------------------------------ promises


def test_a_changed_promise_counts_from_now_and_keeps_the_history(kept: Callable[..., Kept]) -> None:
    """An edit of the configuration is no reason to forget what the job did."""
    jobs = jobs_of(cyclic("LOAD"), cyclic("OTHER"))
    tracker = kept(jobs)
    tracker.say(0, "LOAD", "STARTED")
    tracker.say(10, "LOAD", "ERROR")

    edited = jobs_of(cyclic("LOAD", interval=2 * HOUR), cyclic("OTHER"))
    tracker.restart(edited, now=T0 + 20 * SECOND)
    tracker.restart(now=T0 + 30 * SECOND)  # the same promise once more changes nothing
    load, other = (tracker.board.standing(job) for job in edited.by_key.values())

    assert (load.known_since, load.promised_since) == (T0, T0 + 20 * SECOND)
    assert (load.state, load.errors, load.count) == (State.ERROR, 1, 1)
    assert load.expected == T0 + 2 * HOUR
    assert (other.known_since, other.promised_since) == (T0, T0)
    assert len(tracker.changes()["LOAD__P"]) == 2


def test_a_changed_promise_that_ends_what_could_not_be_told_is_in_the_history(kept: Callable[..., Kept]) -> None:
    """Else the history ends in UNKNOWN while the job is shown as it was."""
    tracker = kept(jobs_of(cyclic("LOAD")))
    tracker.say(0, "LOAD", "STARTED")
    tracker.say(10, "LOAD", "SUCCESS")
    tracker.advance([], T0 + 3 * HOUR, "app1")

    tracker.restart(jobs_of(cyclic("LOAD", interval=2 * HOUR)), now=T0 + 4 * HOUR)
    rows = tracker.ledger.history.changes("LOAD__P")[-2:]

    assert [(row["state_to"], row["status_to"]) for row in rows] == [("UNKNOWN", 3), ("NOT_RUNNING", 0)]
    assert rows[-1]["at"] == rows[-1]["found"] == T0 + 4 * HOUR


@pytest.mark.parametrize("number", range(2))
def test_what_is_no_part_of_the_promise_may_change_without_a_new_beginning(
    kept: Callable[..., Kept], number: int
) -> None:
    """Another threshold, another place in the file, another source: the same deadlines hold."""
    tracker = kept(jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    other = [
        jobs_of(cyclic("OTHER"), cyclic("LOAD", max_errors=3, status_below=1)),
        jobs_of(cyclic("LOAD", sources=("app1",)), cyclic("OTHER"), sources=SOURCES),
    ]

    tracker.restart(other[number], now=T0 + HOUR // 2)

    assert {standing.promised_since for _, standing in tracker.board.standings()} == {T0}


@pytest.mark.usefixtures("frequent")
def test_a_message_from_before_a_changed_promise_is_folded_after_what_was_judged_by_it(
    kept: Callable[..., Kept],
) -> None:
    """What was judged by the old promise stays judged; the message itself is not lost."""
    tracker = kept(jobs_of(cyclic("LOAD")))
    tracker.say(0, "LOAD", "STARTED")
    tracker.say(50, "LOAD", "ROWS")
    tracker.restart(jobs_of(cyclic("LOAD", timeout=300 * SECOND)), now=T0 + 60 * SECOND)

    tracker.say(30, "LOAD", "SUCCESS")
    tracker.restart()
    [standing] = [each for _, each in tracker.board.standings()]

    assert standing.state is State.NOT_RUNNING
    assert standing.last is not None
    assert standing.last[0] > T0 + 50 * SECOND


def test_a_removed_job_that_comes_back_has_its_history_and_a_promise_since_now(kept: Callable[..., Kept]) -> None:
    """Meanwhile nobody promised anything: the starts it did not make are not missed."""
    both, one = jobs_of(cyclic("LOAD"), cyclic("OTHER")), jobs_of(cyclic("OTHER"))
    tracker = kept(both)
    tracker.say(0, "LOAD", "STARTED")
    tracker.say(10, "LOAD", "SUCCESS")

    tracker.restart(one, now=T0 + 20 * SECOND)
    gone = dict(tracker.board.standings())
    later = T0 + 10 * HOUR + HOUR // 2
    tracker.restart(both, now=later)
    tracker.advance([], later + 60 * SECOND)
    load = tracker.board.standing(both.by_key["LOAD__P"])

    assert list(gone) == ["OTHER__P"]
    assert (load.count, load.missed, load.promised_since) == (1, 0, later)
    assert load.expected is not None
    assert load.expected >= later
    assert tracker.runs()["LOAD__P"][1].outcome is Outcome.WELL


# ------------------------------------------------------------------------------------------------ older and newer


def as_before(text: str) -> str:
    """A standing as it was written before the fourth layout."""
    body = json.loads(text)
    for old, new in (("skipped", "overtaken"), ("covered", "former_source_drained"), ("blind", "unseen")):
        body[old] = body.pop(new)
    if body["blind"] is None:
        del body["blind"]
    body["state"] = body["state"].replace("NEVER_RAN", "UNKNOWN")
    for younger in ("last_begun", "opened_by", "pause", "paused_until", "awaits_from"):
        del body[younger]
    body |= {"day": 0, "made": []}
    if "runs" in body:
        body["runs"] = [run[:10] for run in body["runs"]]
    return json.dumps(body)


def as_far_as_known(standing: Standing) -> Standing:
    """Without what the layouts before the fourth did not know."""
    known = standing.fork()
    known.opened_by, known.last_begun, known.awaits_from = None, known.last_start, 0
    return known


def make_first_layout(path: Path, source: Path) -> None:
    """A ledger as the first layout had it, with everything that another one holds."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(layout.TABLES)
        connection.execute(f"PRAGMA application_id = {layout.APPLICATION}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("ATTACH ? AS other", (str(source),))
        tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            names = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} SELECT {names} FROM other.{table}")
        for table, columns in (("jobs", ("id",)), ("checkpoints", ("job", "serial"))):
            where = " AND ".join(f"{name} = ?" for name in columns)
            for text, *place in connection.execute(f"SELECT standing, {', '.join(columns)} FROM {table}").fetchall():
                connection.execute(f"UPDATE {table} SET standing = ? WHERE {where}", (as_before(text), *place))
        connection.execute("DETACH other")


def content(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for (table,) in tables}


def test_a_store_of_the_first_layout_is_migrated_and_a_copy_is_kept(
    kept: Callable[..., Kept], path: Path, tmp_path: Path
) -> None:
    """Who has to go back to the older program finds the store that it knows, and nothing is forgotten on the way."""
    tracker = kept(three_jobs())
    for messages, now, blind in story(3, tracker, late=0.2):
        tracker.advance(messages, now, blind)
    before = dict(tracker.board.standings())
    tracker.ledger.close()
    older = tmp_path / "older"
    path.rename(older)
    make_first_layout(path, older)
    copy = path.with_name(f"{path.name}.layout1")
    rows = content(path)

    tracker.restart()
    after = dict(tracker.board.standings())
    tracker.ledger.close()

    assert tracker.opened == f"store migrated path={path} layout=1->{layout.LAYOUT} copy={copy}"
    assert {key: as_far_as_known(each) for key, each in after.items()} == {
        key: as_far_as_known(each) for key, each in before.items()
    }
    assert content(copy) == rows
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    tracker.restart()
    assert "opened" in tracker.opened


def make_ledger(path: Path) -> Path:
    """A ledger with something in it, that nobody has open."""
    tracker = Kept(path, three_jobs())
    for number in range(200):
        tracker.say(number * 60, "LOAD", "STARTED", text="x" * 400)
    tracker.ledger.close()
    return path


def newer(path: Path) -> str:
    with closing(sqlite3.connect(make_ledger(path))) as connection:
        connection.execute(f"PRAGMA user_version = {layout.LAYOUT + 1}")
    return "written by a newer job_tracker.*Install the newer version again"


def foreign(path: Path) -> str:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT)")
    return "not a store of job_tracker; name another store_file"


def empty(path: Path) -> str:
    path.parent.mkdir()
    path.touch()
    return "is empty, what was known is lost; restore a copy, or remove it"


def text(path: Path) -> str:
    path.parent.mkdir()
    path.write_text("# a configuration, copied to the wrong place\n" * 100)
    return "is damaged .*restore a copy, or move it away"


def cut_at_a_page(path: Path) -> str:
    os.truncate(make_ledger(path), 8192)
    return "is damaged .*restore a copy, or move it away"


def cut_in_a_page(path: Path) -> str:
    os.truncate(make_ledger(path), make_ledger_size(path) // 2 + 100)
    return "is damaged .*restore a copy, or move it away"


def cut_to_a_few_bytes(path: Path) -> str:
    os.truncate(make_ledger(path), 50)
    return "is damaged .*restore a copy, or move it away"


def header_overwritten(path: Path) -> str:
    overwrite(make_ledger(path), 0, b"\0" * 100)
    return "is damaged .*restore a copy, or move it away"


def page_overwritten(path: Path) -> str:
    overwrite(make_ledger(path), 5 * 4096, os.urandom(4096))
    return "is damaged .*restore a copy, or move it away"


def standing_garbled(path: Path) -> str:
    """Sound to SQLite, and yet not what was written."""
    with closing(sqlite3.connect(make_ledger(path))) as connection, connection:
        connection.execute("""UPDATE jobs SET standing = '{"known' WHERE key = 'LOAD__P'""")
    return "is damaged .*restore a copy, or move it away"


def table_missing(path: Path) -> str:
    with closing(sqlite3.connect(make_ledger(path))) as connection, connection:
        connection.execute("DROP TABLE runs")
    return "is damaged .*restore a copy, or move it away"


def watermark_garbled(path: Path) -> str:
    with closing(sqlite3.connect(make_ledger(path))) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO sources (name, drained) VALUES ('app1', 'yesterday')")
    return "could not be read: a row holds something else than was written: .*'yesterday'.*restore a copy"


def identity_missing(path: Path) -> str:
    with closing(sqlite3.connect(make_ledger(path))) as connection, connection:
        connection.execute("DELETE FROM facts")
    return "is damaged .*restore a copy, or move it away"


def directory(path: Path) -> str:
    path.mkdir(parents=True)
    return "is not a regular file"


def fifo(path: Path) -> str:
    path.parent.mkdir()
    os.mkfifo(path)
    return "is not a regular file"


def link_to_nowhere(path: Path) -> str:
    path.parent.mkdir()
    path.symlink_to("nowhere")
    return "cannot be opened: No such file or directory; mend that"


def make_ledger_size(path: Path) -> int:
    return path.stat().st_size


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


REFUSED = [
    newer,
    foreign,
    empty,
    text,
    cut_at_a_page,
    cut_in_a_page,
    cut_to_a_few_bytes,
    header_overwritten,
    page_overwritten,
    standing_garbled,
    table_missing,
    watermark_garbled,
    identity_missing,
    directory,
    fifo,
    link_to_nowhere,
]


@pytest.mark.parametrize("spoil", REFUSED)
def test_what_cannot_be_read_is_refused_with_what_to_do_and_left_as_it_is(
    path: Path, spoil: Callable[[Path], str]
) -> None:
    """An empty board in its place would be green and know nothing; and what is there may be mended by somebody."""
    reason = spoil(path)
    before = snapshot(path.parent)

    with pytest.raises(StoreRefused, match=reason) as refused:
        begin(path)

    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert snapshot(path.parent) == before


def begin(path: Path) -> None:
    """What the daemon does before it runs."""
    opened, _ = open_ledger(path)
    with closing(opened):
        opened.settle(three_jobs(), T0)


def snapshot(directory: Path) -> dict[str, bytes | int]:
    """Every name in a directory, and what it holds."""
    return {
        each.name: each.read_bytes() if each.is_file() else each.lstat().st_mode for each in sorted(directory.iterdir())
    }


def test_a_store_in_use_by_another_tracker_is_refused(kept: Callable[..., Kept]) -> None:
    """Two of them on one store would undo each other's work; the first goes on undisturbed."""
    tracker = kept(three_jobs())

    with pytest.raises(StoreRefused, match="another tracker is using it; stop that one first"):
        open_ledger(tracker.path)

    tracker.say(0, "LOAD", "STARTED")
    tracker.restart()
    assert tracker.board.standing(tracker.jobs.by_key["LOAD__P"]).state is State.RUNNING


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach, for tests that act as another one; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="job-tracker-test-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def test_a_store_that_may_not_be_read_is_refused(open_directory: Path) -> None:
    """Somebody ran the tracker as root once: that is said, and is no reason to begin anew."""
    path = make_ledger(open_directory / "job_tracker.sqlite")
    path.chmod(0)
    before = os.geteuid()

    if before == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(StoreRefused, match=r"cannot be opened: .*; mend that, then start again"):
            begin(path)
    finally:
        os.seteuid(before)


# ------------------------------------------------------------------------------------------------ no room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full."""
    with file_system(tmp_path / "small", "256k") as place:
        yield place


def test_a_step_that_finds_no_room_is_saved_later_as_if_nothing_had_happened(small_disk: Path) -> None:
    """Whole or not at all: the failed transaction leaves nothing, and the same entry may be saved again."""
    tracker = Kept(small_disk / "job_tracker.sqlite", jobs_of(cyclic("LOAD")))
    tracker.say(0, "LOAD", "STARTED")
    messages = [tracker.message(10 + at, "LOAD", "ROWS", text="x" * 400) for at in range(50)]
    made = step(tracker.board, tracker.jobs, messages, tracker.watermarks(), T0 + 99 * SECOND, tracker.ledger.history)
    entry = tracker.entry(made, taken=tuple(message.uid for message in messages), mementos={"app1": Memento(nonce="n")})

    filler = fill(small_disk)
    for _ in range(3):
        with pytest.raises(StoreFailed, match="could not be written: database or disk is full"):
            tracker.ledger.save(entry)
    counts = tracker.count("messages"), tracker.ledger.mementos(), tracker.ledger.known(["uid-2"])
    filler.unlink()
    tracker.ledger.save(entry)
    tracker.board = made.board
    tracker.restart()

    assert counts == (1, {"app1": Memento()}, set())
    assert tracker.count("messages") == 51
    assert dict(tracker.board.standings()) == dict(made.board.standings())
    tracker.ledger.close()


def test_a_store_for_which_there_is_no_room_is_not_half_made(small_disk: Path) -> None:
    """The next start, with room, must find no file rather than an empty one."""
    path = small_disk / "store" / "job_tracker.sqlite"
    path.parent.mkdir()
    filler = fill(small_disk)

    with pytest.raises(StoreRefused, match=r"cannot be opened: .*; mend that, then start again"):
        open_ledger(path)
    filler.unlink()
    opened, words = open_ledger(path)
    opened.close()

    assert "store made" in words


def test_a_leftover_of_a_start_that_was_killed_is_no_store(path: Path) -> None:
    """A new store has its name only when it is whole; half of one is thrown away."""
    path.parent.mkdir()
    path.with_name(f"{path.name}.new").write_bytes(b"SQLite format 3\0 and no more")

    opened, words = open_ledger(path)
    opened.close()

    assert "store made" in words
    assert isinstance(opened, Ledger)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
