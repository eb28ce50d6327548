"""Replays: many messages at once, and a history that is kept in little memory."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cases import Case, cases, random_case
from effort import checkpoints_every, examples
from hypothesis import given
from watching import Watch, jobs_of

from job_tracker.cli.screens import progress
from job_tracker.replay import replay as room
from job_tracker.replay.kept_history import KeptHistory, TakenUids
from job_tracker.replay.recording import read
from job_tracker.replay.replay import Replay

DAY = 86_400 * 1_000_000


def judged(case: Case) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """The changes and the end, as a replay finds them."""
    config, lines, start, until = case
    jobs = jobs_of(json.dumps(config))
    recording = read(map(json.dumps, lines), jobs)
    replay = Replay(jobs, recording, begin=_micros(start), until=_micros(until))
    changes = [(each.at, each.job.key, each.before, each.after) for each in replay.changes()]
    return changes, replay.final()


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


@pytest.mark.parametrize("at_once", [1, 3, 2_000])
def test_how_many_messages_are_judged_at_once_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon makes a step for each; only the speed may differ, with outages and late messages in between."""
    monkeypatch.setattr(room, "AT_ONCE", at_once)
    rng = random.Random(7)

    for _ in range(60):
        case = random_case(rng)
        watch = Watch(case)
        changes, final = judged(case)

        assert [(at, key, after) for at, key, _, after in changes] == [
            (round(line["at"] * 1_000_000), line["job"], _shown(line)) for line in watch.lines
        ]
        assert final == watch.final()


def test_messages_behind_one_that_was_ahead_are_told_one_by_one() -> None:
    """Each is a change of its own to whoever heard them one by one; together they would be told as the last of them."""
    job = {"name": "A", "env": "P", "cyclic_or_daily": "cyclic", "timeout_in_hh:mm:ss": "01:00:00"}
    config = {"jobs": [{**job, "cyclic_interval_in_hh:mm:ss": "01:00:00"}], "global_config": {"time_zone": "UTC"}}
    said = [(0, "STARTED", 0), (12, "OTHER", 10), (11, "ERROR", 11), (11.5, "STARTED", 11.5)]
    lines = [
        {"job": "A", "instance": "P", "event": event, "timestamp": 1.7e9 + at, "received": 1.7e9 + received}
        for at, event, received in said
    ]
    case = (config, lines, 1.7e9, 1.7e9 + 60)

    assert [(at, after) for at, _, _, after in judged(case)[0]] == [
        (round(line["at"] * 1_000_000), _shown(line)) for line in Watch(case).lines
    ]


def _shown(line: dict[str, Any]) -> Any:
    from job_tracker.core.states import Shown, State

    return Shown(state=State(line["to"]), status=line["status"], errors=line["errors"], missed=line["missed"])


@examples(60)
@given(cases())
def test_what_is_kept_packed_is_what_an_archive_that_keeps_all_would_say(case: Case) -> None:
    """A late message finds the same past, whether it lies in memory whole or in packets between checkpoints."""
    with checkpoints_every(2):
        packed = Watch(case, archive=lambda board: KeptHistory(board, 100))
        whole = Watch(case)

    assert packed.lines == whole.lines
    assert packed.ends == whole.ends


def test_a_uid_is_remembered_for_as_long_as_the_ledger_does() -> None:
    """What came twice within five weeks counts once; memory does not grow for ever."""
    taken = TakenUids()
    uid, other = "0123456789abcdef" * 2, "given by hand"

    assert taken.add(uid, 0)
    assert not taken.add(uid, 35 * DAY)
    assert taken.add(other, 36 * DAY)
    assert taken.add(uid, 36 * DAY)


class Terminal:
    """A stderr on a terminal."""

    def __init__(self) -> None:
        self.said = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.said += text

    def flush(self) -> None:
        pass


def test_what_takes_long_says_how_far_it_is_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay of a year without a word looks like one that hangs."""
    clock = iter([0.0, 1.0, 2.5, 2.6, 3.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with progress.shown("lines read") as tell:
        for count in range(1, 4 * progress.EVERY + 1):
            tell(count)

    assert terminal.said.split("\r")[1:] == [
        f"{2 * progress.EVERY:,} lines read",
        f"{4 * progress.EVERY:,} lines read",
        " " * len(f"{4 * progress.EVERY:,} lines read"),
        "",
    ]


def test_replay_tells_the_events_that_the_daemon_would_have_told(tmp_path: Path) -> None:
    """A configuration can be tried on yesterday's messages, and what programs would have got of it is seen."""
    config = tmp_path / "job_tracker.cfg"
    job = {"name": "LOAD", "env": "P", "cyclic_or_daily": "cyclic", "timeout_in_hh:mm:ss": "00:05:00"}
    job["cyclic_interval_in_hh:mm:ss"] = "00:10:00"
    host = {"name": "app1", "connection": "local", "message_queue": "q"}
    config.write_text(
        json.dumps({"global_config": {"time_zone": "UTC"}, "source_hosts": [host], "jobs": [job]}), encoding="utf-8"
    )
    begin = 1_763_942_400
    said = [(0, "STARTED"), (60, "SUCCESS"), (600, "STARTED"), (1200, "STARTED"), (1210, "SUCCESS")]
    lines = [{"timestamp": begin + at, "job": "LOAD", "instance": "P", "event": event} for at, event in said]
    messages = tmp_path / "messages.jsonl"
    messages.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "job_tracker", "replay", "-c", str(config), "--messages", str(messages)),
            *("--until", str(begin + 1300), "--events", "--json"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )

    *events, _final = map(json.loads, done.stdout.splitlines())
    assert [each["kind"] for each in events if each["kind"] != "job.changed"] == [
        *("run.started", "run.succeeded", "run.started", "run.timeout", "run.lost", "run.started", "run.succeeded")
    ]
    assert [each["seq"] for each in events] == list(range(begin * 1000, begin * 1000 + len(events)))
    changes = [each["to"]["state"] for each in events if each["kind"] == "job.changed"]
    assert changes == ["RUNNING", "NOT_RUNNING", "RUNNING", "TIMEOUT", "RUNNING", "NOT_RUNNING"]
