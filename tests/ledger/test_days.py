"""Statistics of days: what a plain count over the whole history says, however it was heard, killed and resumed."""

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from statistics import median_low
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import pytest
from running import in_memory

from job_tracker.config.reading import parse
from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.events import Event, of_source
from job_tracker.core.folding import fold_deadline, fold_message
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.core.step import step
from job_tracker.core.tallies import DAY as COLUMNS
from job_tracker.core.tallies import marks
from job_tracker.errors import StoreFailed
from job_tracker.ledger import layout
from job_tracker.ledger.ledger import Entry
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import DAY, MICROSECONDS, MINUTE

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 60 * MINUTE
BEGIN = round(datetime(2025, 1, 1, tzinfo=BERLIN).timestamp()) * MICROSECONDS
SPRING, AUTUMN = "2025-03-30", "2025-10-26"


def jobs_of(timeout: str = "00:40:00") -> Jobs:
    """A job of every hour and one of each night, in a zone whose clocks are changed."""
    hourly = {"cyclic_or_daily": "cyclic", "cyclic_interval_in_hh:mm:ss": "01:00:00", "timeout_in_hh:mm:ss": timeout}
    nightly = {"cyclic_or_daily": "daily", "daily_start_time_in_hh:mm": "02:30", "timeout_in_hh:mm:ss": "05:00:00"}
    config = {
        "global_config": {"time_zone": "Europe/Berlin"},
        "source_hosts": [{"name": "app1", "connection": "local", "message_queue": "/q/app1.sqlite"}],
        "jobs": [
            {"name": "LOAD", "env": "P", "max_errors_before_alerting": 2, "source_host": "app1", **hourly},
            {"name": "NIGHT", "env": "P", "source_host": "app1", **nightly},
        ],
    }
    return parse(json.dumps(config), name="year").jobs


class Counting:
    """A tracker without sources over a real ledger, that keeps statistics of days."""

    def __init__(self, path: Path, jobs: Jobs, now: int = BEGIN, *, is_on: bool = True) -> None:
        self.path, self.jobs, self.now = path, jobs, now
        self.open(is_on=is_on)
        self.first = dict(self.board.standings())

    def open(self, *, is_on: bool = True) -> None:
        """Begin with what was written."""
        self.ledger, self.opened = open_ledger(self.path)
        self.settle(is_on=is_on)

    def settle(self, jobs: Jobs | None = None, *, is_on: bool = True) -> None:
        """Take up a configuration, as a start and a reload do."""
        self.jobs = jobs or self.jobs
        self.ledger.events.begin(is_on=is_on, keep=2 * DAY, most=10_000_000, now=self.now)
        standings = self.ledger.settle(self.jobs, self.now)
        self.board: Board = make_board(self.jobs, standings, self.ledger.drained(), self.now)

    def hear(self, messages: Iterable[Message], now: int, *, drained: int | None = None) -> None:
        """A step; the source is drained up to now."""
        self.now, until = now, now + 1 if drained is None else drained
        seen = {"app1": Watermark(drained=until, lags_from=until)}
        trail = self.ledger.events.is_on
        made = step(self.board, self.jobs, messages, seen, now, self.ledger.history, trail=trail)
        counted = marks(made, self.board, self.jobs)
        self.ledger.save(Entry(records=made.records, drained=made.board.drained, now=now, mementos={}, marks=counted))
        self.board = made.board

    def kill(self) -> None:
        """End without a word, and begin again."""
        self.ledger.close()
        self.open()

    def days(self, key: str) -> dict[str, dict[str, int | None]]:
        """What is published of a job, by date."""
        found: dict[str, Any] = {}
        for month, text in self.ledger.days.months(key, self.now):
            for date, values in json.loads(text).items():
                assert date.startswith(month)
                found[date] = dict(zip(COLUMNS, values, strict=True))
        return found


class PlainCount:
    """Somebody who hears all messages of a job in order, forgets nothing, and counts at the end."""

    def __init__(self, jobs: Jobs, job: Job, first: Standing, messages: Iterable[Message], until: int) -> None:
        self.jobs, self.job, self.standing = jobs, job, first.fork()
        self.runs: dict[int, Run] = {}
        self.days: dict[str, Counter[str]] = {}
        for message in sorted((each for each in messages if each.key == job.key), key=lambda each: each.position):
            self.judge(message.moment)
            self.note(message.moment, lambda each=message: fold_message(self.standing, jobs, job, each, self.shelf))
        self.judge(until)

    def judge(self, limit: int) -> None:
        while (due := self.standing.deadline) is not None and due.moment < limit:
            self.note(due.moment, lambda each=due: fold_deadline(self.standing, self.job, each))

    def note(self, moment: int, fold: Any) -> None:
        missed, alarm = self.standing.missed, self.is_alarm
        fold()
        self.runs.update(self.standing.changed)
        day = self.days.setdefault(self.date(moment), Counter())
        day["missed"] += max(0, self.standing.missed - missed)
        day["alarms"] += self.is_alarm and not alarm

    @property
    def is_alarm(self) -> bool:
        counted = self.standing.errors + self.standing.missed
        nightly = self.job.key.startswith("NIGHT") and bool(self.standing.missed)
        late = any(run.timeouts and run.outcome is Outcome.OPEN for run in self.standing.runs)
        return counted >= self.job.max_errors or nightly or (self.job.key.startswith("NIGHT") and late)

    def shelf(self, id: str) -> Run | None:
        return max((run for run in self.runs.values() if run.id == id), key=lambda run: run.order, default=None)

    def date(self, moment: int) -> str:
        return datetime.fromtimestamp(moment / MICROSECONDS, BERLIN).date().isoformat()

    def total(self) -> dict[str, dict[str, int | None]]:
        """As the statistics have it."""
        lengths: dict[str, list[int]] = {}
        for run in self.runs.values():
            if run.outcome is Outcome.OPEN:
                continue
            moment = run.ended if run.begun is None else run.begun
            assert moment is not None
            date = self.date(moment)
            self.days.setdefault(date, Counter())[run.outcome.value] += 1
            if run.outcome.value in ("well", "warned", "badly") and run.begun is not None and run.ended is not None:
                lengths.setdefault(date, []).append(run.ended - run.begun)
        return {
            date: {**{name: counts[name] for name in COLUMNS[:8]}, **_measured(lengths.get(date, []))}
            for date, counts in self.days.items()
            if any(counts.values())
        }


def _measured(lengths: list[int]) -> dict[str, int | None]:
    if not lengths:
        return dict.fromkeys(COLUMNS[8:])
    at = next(i for i in range(len(lengths)) if (i + 1) * 100 >= 95 * len(lengths))
    return {
        "shortest": min(lengths),
        "median": median_low(lengths),
        "p95": sorted(lengths)[at],
        "longest": max(lengths),
    }


def message(job: str, event: str, moment: int, number: int, run: str | None = None) -> Message:
    given: dict[str, Any] = {"name": job, "env": "P", "event": event, "run": run, "uid": f"u{number}"}
    return Message(moment=moment, claimed=moment, received=moment, source="app1", number=number, **given)


def thrown(seed: int) -> random.Random:
    return random.Random(seed)


def a_year(dice: random.Random, days: int) -> list[Message]:
    """Hourly and nightly runs that end in every way there is, or do not come, or do not say so."""
    found: list[Message] = []

    def run(job: str, begin: int, longest: int) -> None:
        if dice.random() < 0.03:
            return
        id = f"r{len(found)}" if dice.random() < 0.8 else None
        end = begin + dice.randrange(MINUTE, longest)
        words = ["STARTED", dice.choices(["SUCCESS", "ERROR", "WARNING", "SKIPPED", ""], [80, 7, 5, 3, 5])[0]]
        for word, moment in zip(words, (begin, end), strict=True):
            if word:
                found.append(message(job, word, moment, len(found) + 1, id))

    for hour in range(days * 24):
        run("LOAD", BEGIN + hour * HOUR + dice.randrange(20 * MINUTE), 35 * MINUTE)
    for night in range(days):
        local = datetime.fromtimestamp((BEGIN + night * DAY + 12 * HOUR) / MICROSECONDS, BERLIN)
        begin = round(local.replace(hour=2, minute=31).timestamp()) * MICROSECONDS
        run("NIGHT", begin, 6 * HOUR)
    return found


def live(tracker: Counting, messages: list[Message], dice: random.Random, days: int) -> None:
    """Hear all of it, some late by up to a day and a half; killed now and then, with a disk that now and then fails."""
    arrivals = sorted(
        ((each.moment + (dice.randrange(36 * HOUR) if dice.random() < 0.02 else 0), each) for each in messages),
        key=lambda arrival: arrival[0],
    )
    now, at = BEGIN, 0
    while now < BEGIN + (days + 3) * DAY:
        now += dice.choice([HOUR // 3, 20 * HOUR, 40 * HOUR])
        heard = []
        while at < len(arrivals) and arrivals[at][0] <= now:
            heard.append(arrivals[at][1])
            at += 1
        if dice.random() < 0.05:
            _fail_once(tracker, heard, now)
        tracker.hear(heard, now)
        if dice.random() < 0.05:
            tracker.kill()


def _fail_once(tracker: Counting, heard: list[Message], now: int) -> None:
    """All was written when the disk filled up: the step is made again."""
    outbox = tracker.ledger.events.put

    def full(events: Sequence[Event], now: int) -> NoReturn:
        tracker.ledger._connection.execute("nonsense")
        raise AssertionError("it was written")

    tracker.ledger.events.put = full  # type: ignore[method-assign]  # a disk that is full at this step
    with suppress(StoreFailed):
        tracker.hear(heard, now)
        raise AssertionError("it was written")
    tracker.ledger.events.put = outbox  # type: ignore[method-assign]  # and has room again


@pytest.fixture
def path() -> Iterator[Path]:
    with in_memory() as home:
        yield home / "store.sqlite"


def test_the_days_of_a_year_are_what_a_plain_count_says(path: Path) -> None:
    """Nothing twice and nothing left out: late, folded again, killed, on days of 23 and 25 hours."""
    dice, days = thrown(7), 365
    tracker = Counting(path, jobs_of())
    messages = a_year(dice, days)

    live(tracker, messages, dice, days)

    for key, job in tracker.jobs.by_key.items():
        expected = PlainCount(tracker.jobs, job, tracker.first[key], messages, tracker.now + 1).total()
        found = tracker.days(key)
        assert {SPRING, AUTUMN} <= {*found}
        assert found == expected
    hours = {date: sum(tracker.days("LOAD__P")[date][name] or 0 for name in COLUMNS[:5]) for date in (SPRING, AUTUMN)}
    assert hours[SPRING] <= 24 < hours[AUTUMN] + 3


def test_lengths_go_with_the_history_that_could_change_them(path: Path) -> None:
    """Of a day long past twelve numbers are left, some sixty bytes, not the length of each of its runs."""
    dice, days = thrown(8), 40
    tracker = Counting(path, jobs_of())
    live(tracker, a_year(dice, days), dice, days)

    rows = tracker.ledger._connection.execute(
        "SELECT count(*), sum(lengths IS NULL) FROM days JOIN jobs ON jobs.id = job WHERE key = 'LOAD__P'"
    ).fetchone()
    marked = tracker.ledger._connection.execute(
        "SELECT count(*) FROM marks JOIN jobs ON jobs.id = job WHERE key = 'LOAD__P'"
        " AND serial < (SELECT min(serial) FROM checkpoints WHERE checkpoints.job = jobs.id)"
    ).fetchone()[0]

    assert rows[0] >= days
    assert rows[1] >= rows[0] - 15
    assert marked == 0


def test_days_older_than_400_go_with_a_new_one(path: Path) -> None:
    """A year can be compared with the one before, and the store does not grow for ever."""
    tracker = Counting(path, jobs_of())
    tracker.hear([message("NIGHT", "SUCCESS", BEGIN + HOUR, 1)], BEGIN + HOUR)
    tracker.ledger._connection.execute("UPDATE days SET day = day - 401")

    tracker.hear([message("NIGHT", "SUCCESS", BEGIN + 2 * HOUR, 2)], BEGIN + 2 * HOUR)

    assert tracker.ledger._connection.execute(
        "SELECT count(*) FROM days JOIN jobs ON jobs.id = job WHERE key = 'NIGHT__P'"
    ).fetchone() == (1,)


def test_a_run_whose_day_went_meanwhile_takes_no_length_but_its_own(path: Path) -> None:
    """Its end moves after the day was let go and begun anew by another run: that one's half hour stays."""
    tracker = Counting(path, jobs_of())
    first = [message("LOAD", "STARTED", BEGIN, 1, "a"), message("LOAD", "SUCCESS", BEGIN + 10 * MINUTE, 2, "a")]
    tracker.hear(first, BEGIN + 10 * MINUTE)
    tracker.ledger._connection.execute("DELETE FROM days")
    begun = BEGIN + HOUR
    second = [message("LOAD", "STARTED", begun, 3, "b"), message("LOAD", "SUCCESS", begun + 30 * MINUTE, 4, "b")]
    tracker.hear(second, begun + 30 * MINUTE)

    tracker.hear([message("LOAD", "SUCCESS", BEGIN + 2 * HOUR, 5, "a")], BEGIN + 2 * HOUR)

    found = tracker.days("LOAD__P")["2025-01-01"]
    assert (found["shortest"], found["longest"]) == (30 * MINUTE, 2 * HOUR)


def test_what_could_not_be_seen_is_counted_on_each_of_its_days(path: Path) -> None:
    """From when the job was UNKNOWN until it could be judged again, midnight between, whether killed in it or not."""
    tracker = Counting(path, jobs_of())
    tracker.hear([message("LOAD", "STARTED", BEGIN, 1), message("LOAD", "SUCCESS", BEGIN + 1, 2)], BEGIN + HOUR)
    gone = BEGIN + 20 * HOUR
    tracker.hear([message("LOAD", "STARTED", gone, 3), message("LOAD", "SUCCESS", gone + 1, 4)], gone + 1)
    for hour in range(1, 8):
        tracker.hear([], gone + hour * HOUR, drained=gone + 2)
        tracker.kill()
    unseen = tracker.board.standing(tracker.jobs.by_key["LOAD__P"]).unseen

    tracker.hear([], gone + 8 * HOUR)

    assert unseen is not None
    found = tracker.days("LOAD__P")
    assert found["2025-01-01"]["unseen"] == BEGIN + 24 * HOUR - unseen.since
    assert found["2025-01-02"]["unseen"] == 4 * HOUR


def test_a_changed_promise_leaves_what_was_counted(path: Path) -> None:
    """What was judged by the old promise stays judged, and what is judged by the new one is added once."""
    dice, days = thrown(9), 4
    tracker = Counting(path, jobs_of())
    messages = a_year(dice, days)
    tracker.hear([each for each in messages if each.moment < BEGIN + 2 * DAY], BEGIN + 2 * DAY)
    before = tracker.days("LOAD__P")

    tracker.settle(jobs_of(timeout="00:50:00"))
    late = message("LOAD", "ERROR", BEGIN + DAY, 5000, "long ago")
    tracker.hear([late, *(each for each in messages if each.moment >= BEGIN + 2 * DAY)], BEGIN + 4 * DAY)

    after = tracker.days("LOAD__P")
    assert after["2025-01-01"] == before["2025-01-01"]
    total = sum(day[name] or 0 for day in after.values() for name in COLUMNS[:5])
    open_runs = sum(run.outcome is Outcome.OPEN for run in tracker.ledger.history.runs("LOAD__P"))
    assert total == tracker.board.standing(tracker.jobs.by_key["LOAD__P"]).count - open_runs


def test_with_the_log_off_nothing_is_counted(path: Path) -> None:
    """Who does not want it pays nothing, and is told that nothing is known."""
    tracker = Counting(path, jobs_of(), is_on=False)

    tracker.hear([message("LOAD", "ERROR", BEGIN + 1, 1)], BEGIN + HOUR)

    assert tracker.days("LOAD__P") == {}
    assert tracker.ledger.days.since is None
    tracker.settle(is_on=True)
    assert tracker.ledger.days.since == BEGIN + HOUR


def test_a_store_of_the_fifth_layout_is_migrated(path: Path) -> None:
    """What is kept stays; days begin empty, and say from when on they are whole."""
    tracker = Counting(path, jobs_of())
    tracker.hear([message("LOAD", "STARTED", BEGIN + 1, 1, "a")], BEGIN + HOUR)
    tracker.ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        tables = "".join(f"DROP TABLE {name};" for name in ("days", "marks", "unseen", "spans", "remote_jobs"))
        connection.executescript(f"{tables} ALTER TABLE runs DROP COLUMN counted_on; PRAGMA user_version = 5")
        connection.execute("DELETE FROM facts WHERE name = 'days_since'")
        connection.commit()

    tracker.open()
    tracker.hear([message("LOAD", "SUCCESS", BEGIN + 2 * HOUR, 2, "a")], BEGIN + 2 * HOUR)

    assert tracker.opened == f"store migrated path={path} layout=5->{layout.LAYOUT} copy={path}.layout5"
    assert tracker.ledger.days.since == BEGIN + HOUR
    assert tracker.days("LOAD__P")["2025-01-01"]["well"] == 1


# --- spans of contact -------------------------------------------------------------------------------------------------


def contact(at: int, before: str | None, after: str) -> Event:
    return of_source("source.changed", at, "app1", **{"from": before, "to": after})


def spans(tracker: Counting) -> list[tuple[int, str | None]]:
    return [(span["begin"], span["contact"]) for span in tracker.ledger.spans.every()]


def tell(tracker: Counting, *events: Event) -> None:
    drained = {"app1": tracker.now + 1}
    tracker.ledger.save(Entry(records={}, drained=drained, now=tracker.now, mementos={}, events=events))


def test_a_source_is_in_contact_until_the_next_span(path: Path) -> None:
    """What a picture of a night draws grey is known for as long as the days are; a drift is no other contact."""
    tracker = Counting(path, jobs_of())
    tell(tracker, contact(BEGIN, None, "reachable"))
    tell(tracker, contact(BEGIN + HOUR, "reachable", "reachable"), contact(BEGIN + HOUR, "reachable", "unreachable"))

    assert spans(tracker) == [(BEGIN, "reachable"), (BEGIN + HOUR, "unreachable")]


def test_nobody_looked_while_the_tracker_was_dead_or_stopped(path: Path) -> None:
    """Killed, it was heard up to the last that the store knows; stopped, it says so itself."""
    tracker = Counting(path, jobs_of())
    tell(tracker, contact(BEGIN, None, "reachable"))
    tracker.now = BEGIN + HOUR
    tell(tracker)
    tracker.now = BEGIN + 5 * HOUR
    tracker.kill()
    tell(tracker, contact(tracker.now, None, "reachable"))
    tracker.now = BEGIN + 6 * HOUR
    tracker.ledger.spans.end(tracker.now)
    tracker.kill()

    assert spans(tracker) == [
        (BEGIN, "reachable"),
        (BEGIN + HOUR + 1, None),
        (BEGIN + 5 * HOUR, "reachable"),
        (BEGIN + 6 * HOUR, None),
    ]


def test_spans_older_than_400_days_go_but_for_the_one_that_reaches_into_them(path: Path) -> None:
    """Else nobody would know how it stood on the oldest day that is kept."""
    tracker = Counting(path, jobs_of())
    tell(tracker, contact(BEGIN, None, "reachable"), contact(BEGIN + 1, "reachable", "unreachable"))
    tell(tracker, contact(BEGIN + 2, "unreachable", "reachable"))
    tracker.now = BEGIN + 500 * DAY

    tell(tracker, contact(tracker.now, "reachable", "unreachable"))

    assert spans(tracker) == [(BEGIN + 2, "reachable"), (tracker.now, "unreachable")]
