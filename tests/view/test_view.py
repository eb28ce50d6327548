"""The view: published by real steps of the core, read from the real file, and never in the daemon's way."""

import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published import BERLIN, SECOND, T0, Published, cyclic, daily, is_finished, jobs_of
from sqlitedict import SqliteDict

from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.errors import StoreFailed
from job_tracker.ports import Contact
from job_tracker.view import documents, reading
from job_tracker.view.reading import JobView, ViewUnreadable, read_job, read_jobs, read_keys, read_unmatched
from job_tracker.view.rows import Past
from job_tracker.view.view import RETRY_AFTER, TABLES, View

NOBODY, GROUP = 65534, 54321


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the view lies."""
    return tmp_path / "view.sqlite"


@pytest.fixture
def publish(path: Path) -> Iterator[Callable[..., Published]]:
    """Makes trackers that are closed at the end."""
    made: list[Published] = []

    def make(*jobs: Any, **options: Any) -> Published:
        made.append(Published(path, jobs_of(*jobs, **options)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def settled(published: Published) -> None:
    """Wait until the thread has written what it was given."""
    worker = published.view._worker
    assert worker is not None
    worker.commit()
    assert list(worker.select("SELECT 1")) == [(1,)]  # answered behind all that was asked before


def everything(path: Path) -> dict[str, list[tuple[str, Any]]]:
    """All tables as they are."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        found = {}
        for table in TABLES:
            rows = connection.execute(f"SELECT key, value FROM {table} ORDER BY key")
            found[table] = [(key, json.loads(value)) for key, value in rows]
    connection.close()
    return found


def load_of(path: Path) -> JobView:
    """What is shown of LOAD."""
    found = read_job(path, "LOAD__P")
    assert found is not None
    return found


def comparable(path: Path) -> dict[str, Any]:
    """All that two views of the same facts must have in common: changes by their order, messages in any slot."""
    tables = everything(path)
    changes: dict[str, list[Any]] = {}
    for key, change in tables["changes"]:
        changes.setdefault(key.split()[0], []).append(change)
    messages = sorted((key.split()[0], json.dumps(value)) for key, value in tables["messages"])
    same = {name: tables[name] for name in ("jobs", "promises", "runs", "unmatched")}
    return {**same, "changes": changes, "messages": messages}


def test_a_job_is_shown_as_the_core_judges_it(publish: Callable[..., Published], path: Path) -> None:
    """The view is the command line's only witness."""
    published = publish(cyclic("LOAD", max_errors=2))

    published.say((10, "LOAD", "STARTED"), (70, "LOAD", "ERROR", "ORA-01555"))
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    assert (found.job["state"], found.job["status"], found.job["errors"], found.job["max_errors"]) == ("ERROR", 0, 1, 2)
    assert found.job["last_run"]["ended"] - found.job["last_run"]["begun"] == 60 * SECOND
    assert found.job["deadline_of"] == "missed start"
    assert found.job["deadline"] == T0 + (10 + 3600 + 5) * SECOND
    assert [message["event"] for message in found.messages] == ["STARTED", "ERROR"]
    assert [run["outcome"] for run in found.runs] == ["badly"]


def test_values_are_json_and_no_pickle_is_ever_written(publish: Callable[..., Published], path: Path) -> None:
    """Unpickling a file that somebody else may have written would run his code."""
    publish(cyclic("LOAD")).say((10, "LOAD", "STARTED"))

    with sqlite3.connect(path) as connection:
        values = [value for (value,) in connection.execute("SELECT value FROM jobs")]
    connection.close()

    assert all(isinstance(value, str) and json.loads(value) for value in values)


def test_sqlitedict_itself_reads_the_view(publish: Callable[..., Published], path: Path) -> None:
    """Others may read it with the library that its tables belong to."""
    settled(publish(cyclic("LOAD")))

    with SqliteDict(path, tablename="jobs", decode=json.loads, encode=json.dumps) as table:
        assert table["LOAD__P"]["state"] == "NEVER_RAN"


def test_the_view_is_readable_by_the_group_and_by_nobody_else(publish: Callable[..., Published], path: Path) -> None:
    """Texts of jobs may hold what is not meant for everybody; the umask must not decide it."""
    before = os.umask(0o077)
    try:
        publish(cyclic("LOAD"))
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_message_writes_its_own_rows_and_no_other(publish: Callable[..., Published], path: Path) -> None:
    """A message must not rewrite a job's history: what is written is counted, row by row."""
    published = publish(cyclic("LOAD"), cyclic("OTHER"))
    for number in range(20):
        published.say((100 * number, "LOAD", "STARTED"), (100 * number + 50, "LOAD", "SUCCESS"))
    settled(published)
    before = rowids(path)

    published.say((3000, "LOAD", "STARTED"))
    settled(published)

    assert {name: len(rowids(path)[name] - before[name]) for name in before} == {
        "jobs": 1,
        "promises": 0,
        "runs": 1,
        "changes": 0,
        "messages": 1,
        "days": 0,
        "spans": 0,
        "unmatched": 0,
        "outbox": 0,
        "meta": 1,
    }


def rowids(path: Path) -> dict[str, set[tuple[int, str]]]:
    """Rows by their ids: one that is written again has another id."""
    with sqlite3.connect(path) as connection:
        found = {table: set(connection.execute(f"SELECT rowid, key FROM {table}")) for table in TABLES}
    connection.close()
    return found


def test_history_is_kept_as_long_as_configured(publish: Callable[..., Published], path: Path) -> None:
    """Each new run pushes the oldest out; the same for changes."""
    published = publish(cyclic("LOAD"), history=3)

    for number in range(10):
        published.say(
            (100 * number, "LOAD", "STARTED"), (100 * number + 50, "LOAD", "ERROR" if number < 9 else "SUCCESS")
        )
    published.say((2000, "LOAD", "STARTED"), (2010, "LOAD", "SUCCESS"))
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    assert [run["order"] for run in found.runs] == [9, 10, 11]
    assert len(found.changes) == 3
    assert found.changes[-1]["state_to"] == "NOT_RUNNING"


def test_runs_that_still_matter_outlive_the_history(publish: Callable[..., Published], path: Path) -> None:
    """A run that hangs, or whose error is not forgotten, is what the operator looks for; afterwards it goes."""
    published = publish(cyclic("LOAD", timeout=10_000 * SECOND), history=2)
    published.say((1, "LOAD", "STARTED"), run="hangs")
    for number in range(5):
        published.say((100 + 10 * number, "LOAD", "STARTED"), (105 + 10 * number, "LOAD", "SUCCESS"), run=f"r{number}")
    settled(published)
    assert [run["order"] for run in load_of(path).runs] == [1, 5, 6]

    published.say((300, "LOAD", "SUCCESS"), run="hangs")
    settled(published)

    assert [run["order"] for run in load_of(path).runs] == [5, 6]


def test_routine_is_told_by_the_runs_and_not_again_by_changes(publish: Callable[..., Published], path: Path) -> None:
    """Two changes a run would push every alarm out of the history."""
    published = publish(cyclic("LOAD"))
    published.say((1, "LOAD", "STARTED"), (5, "LOAD", "SUCCESS"), (100, "LOAD", "STARTED"), (105, "LOAD", "SUCCESS"))
    published.say((200, "LOAD", "STARTED"), (205, "LOAD", "ERROR"), (300, "LOAD", "STARTED"), (305, "LOAD", "SUCCESS"))
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    assert [change["state_to"] for change in found.changes] == ["RUNNING", "ERROR", "RUNNING", "NOT_RUNNING"]


def test_a_late_message_rewrites_what_it_changed(publish: Callable[..., Published], path: Path) -> None:
    """The job is folded again; runs and alarms that never were must not stay in the history."""
    published = publish(cyclic("LOAD"))
    published.say((10, "LOAD", "STARTED"))
    published.wait(700)
    published.say((800, "LOAD", "STARTED"), (900, "LOAD", "SUCCESS"))
    settled(published)
    assert "TIMEOUT" in [change["state_to"] for change in load_of(path).changes]

    published.say((60, "LOAD", "SUCCESS"))
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    assert [change["state_to"] for change in found.changes] == ["RUNNING"]
    assert [(run["outcome"], run["timeouts"]) for run in found.runs] == [("well", 0), ("well", 0)]


def test_only_the_last_messages_are_kept_in_their_order(publish: Callable[..., Published], path: Path) -> None:
    """They explain a verdict; a job that talks without end must not fill the view."""
    published = publish(cyclic("LOAD"))
    for number in range(25):
        published.say((number * 10, "LOAD", "note", str(number)))
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    assert [message["text"] for message in found.messages] == [str(number) for number in range(15, 25)]


EVENTS = st.tuples(
    st.integers(0, 20_000), st.sampled_from(["A", "B"]), st.sampled_from(["STARTED", "SUCCESS", "ERROR", "note"])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(st.tuples(st.lists(EVENTS, min_size=1, max_size=4), st.sampled_from([None, "x", "y"])), max_size=12),
    history=st.integers(1, 4),
)
def test_what_was_published_step_by_step_is_what_is_built_at_once(
    said: list[tuple[list[tuple[int, str, str]], str | None]], history: int, tmp_path: Path
) -> None:
    """A view of many publications, late messages among them, and one built after a restart show the same."""
    steps = Published(tmp_path / "steps.sqlite", jobs_of(cyclic("A"), daily("B"), history=history))
    for messages, run in said:
        steps.say(*messages, run=run)
    steps.wait(30_000)
    steps.close()
    steps.rebuild(anew := View(tmp_path / "anew.sqlite"))
    anew.close()

    published, built = comparable(tmp_path / "steps.sqlite"), comparable(tmp_path / "anew.sqlite")

    assert published["jobs"] == built["jobs"]
    assert published["promises"] == built["promises"]
    # A rewound history may be shorter than the ledger's for a while, never longer, and never different.
    for table in ("runs", "changes"):
        assert_no_more(published[table], built[table])


def assert_no_more(published: Any, built: Any) -> None:
    """What is published is the end of what is built."""
    if isinstance(published, dict):
        for job, rows in published.items():
            without = [{name: value for name, value in row.items() if name != "found"} for row in rows]
            kept = [{name: value for name, value in row.items() if name != "found"} for row in built.get(job, [])]
            assert without == kept[len(kept) - len(without) :]
    else:
        assert set(map(str, published)) <= set(map(str, built))


def test_the_meta_document_tells_who_writes_and_how_the_sources_stand(
    publish: Callable[..., Published], path: Path
) -> None:
    """Whoever looks on must be able to tell an old view from a fresh one, and a silent source from a silent job."""
    published = publish(cyclic("LOAD"))
    published.wait(100)
    settled(published)

    meta, _ = read_jobs(path)

    assert (meta["pid"], meta["written"], meta["history"]) == (os.getpid(), T0 + 100 * SECOND, 100)
    assert meta["sources"]["app1"]["contact"] == "reachable"
    assert meta["sources"]["app1"]["drained"] == T0 + 100 * SECOND + 1


def test_a_job_whose_source_is_silent_says_so(publish: Callable[..., Published], path: Path) -> None:
    """UNKNOWN has to name the deadline, the source, and since when."""
    published = publish(cyclic("LOAD"))
    published.say((10, "LOAD", "STARTED"), (20, "LOAD", "SUCCESS"))
    published.contact = Contact.UNREACHABLE
    published.wait(4000)
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    assert (found.job["state"], found.job["status"], found.job["known_state"]) == ("UNKNOWN", 3, "NOT_RUNNING")
    assert found.job["unseen"]["source"] == "app1"
    assert found.job["since"] == found.job["unseen"]["since"]


def test_a_deadline_that_the_quiet_window_moved_names_the_window(publish: Callable[..., Published], path: Path) -> None:
    """Otherwise nobody can tell why a start is awaited so much later than it was due."""
    begin = (T0 // SECOND + 3600) % 86400 // 60 + 60  # T0 lies in winter: Berlin is an hour ahead
    quiet = Quiet(begin=begin % 1440 - 10, end=begin % 1440 + 120)
    published = publish(cyclic("LOAD", windows=Windows(zone=BERLIN, rules=(quiet,))))
    published.say((10, "LOAD", "STARTED"), (20, "LOAD", "SUCCESS"))
    settled(published)

    found = read_job(path, "LOAD__P")
    assert found is not None
    first, last = found.job["moved_by_quiet_window"]
    assert first <= T0 + 3615 * SECOND < last < found.job["deadline"]


def test_unmatched_rows_replace_those_before(publish: Callable[..., Published], path: Path) -> None:
    """What was adopted meanwhile must not be offered again."""
    published = publish(cyclic("LOAD"))
    rows = [{"source": "app1", "name": name, "env": "P", "reason": "r", "count": 1} for name in ("A", "B", "C")]
    publication = documents.publication(published.jobs, {}, meta=published.meta(), now=T0, unmatched=rows)
    published.view.publish(publication)
    published.view.publish(documents.publication(published.jobs, {}, meta=published.meta(), now=T0, unmatched=rows[1:]))
    published.view.publish(documents.publication(published.jobs, {}, meta=published.meta(), now=T0))
    settled(published)

    assert [row["name"] for row in read_unmatched(path)[1]] == ["B", "C"]


def test_history_of_jobs_no_longer_configured_is_left_out(tmp_path: Path) -> None:
    """The ledger keeps them, for they may come back; the view shows what is configured."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("A"), cyclic("B")))
    published.say((1, "A", "STARTED"), (2, "B", "STARTED"), (3, "B", "ERROR"))
    published.jobs = jobs_of(cyclic("A"))
    published.rebuild()
    published.close()

    assert read_keys(tmp_path / "view.sqlite") == ("A__P",)
    assert {key.split()[0] for table in everything(tmp_path / "view.sqlite").values() for key, _ in table} == {
        "A__P",
        "meta",
    }


# -- failing ---------------------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_reader_who_never_lets_go_costs_a_new_file_and_no_pause(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody of the group can hold the lock for ever; the daemon must neither wait nor go on with half a view."""
    published = Published(path, jobs_of(cyclic("LOAD")))
    clock = Clock()
    published.view._clock = clock
    with sqlite3.connect(path, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()

        published.say((10, "LOAD", "STARTED"))  # and comes back, though he never lets go
        worker = published.view._worker
        assert worker is not None
        worker.join(10)
        with caplog.at_level(logging.INFO, "job_tracker"):
            for second in range(20, 30):
                published.wait(second)
        assert not published.view.rebuild_due
        clock.seconds += RETRY_AFTER
        assert published.view.rebuild_due
        with caplog.at_level(logging.INFO, "job_tracker"):
            assert published.rebuild()
    reader.close()

    assert read_jobs(path)[1][0]["state"] == "RUNNING"
    assert [record.message.split(" path=")[0] for record in caplog.records] == [
        "view failed, it is built anew later",
        "view works again",
    ]
    published.close()


def test_a_directory_that_is_not_there_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The tracker watches jobs with or without a view."""
    directory = tmp_path / "missing"
    with caplog.at_level(logging.INFO, "job_tracker"):
        published = Published(directory / "view.sqlite", jobs_of(cyclic("LOAD")))
        published.say((10, "LOAD", "STARTED"))
        published.rebuild()

    assert len(caplog.records) == 1
    directory.mkdir()
    assert published.rebuild()
    assert read_jobs(directory / "view.sqlite")[1][0]["state"] == "RUNNING"
    published.close()


def test_an_unreadable_old_view_is_replaced(path: Path) -> None:
    """Whatever lies there is derived; nothing of it is needed."""
    path.write_bytes(b"no database at all" * 1000)
    Path(f"{path}.new").mkdir()
    Path(f"{path}.new").rmdir()
    Path(f"{path}.new").symlink_to("/dev/full")

    Published(path, jobs_of(cyclic("LOAD"))).close()

    assert read_keys(path) == ("LOAD__P",)
    assert [each.name for each in path.parent.iterdir()] == ["view.sqlite"]


def test_readers_see_the_old_view_until_the_new_one_is_whole(path: Path) -> None:
    """A rebuild that fails in its middle leaves what was there."""
    published = Published(path, jobs_of(cyclic("LOAD")))
    published.say((10, "LOAD", "STARTED"))
    published.close()

    def half() -> Iterator[Past]:
        yield published.past("LOAD__P")
        raise StoreFailed("the ledger's disk is gone")

    view = View(path)
    view.begin(published.jobs.by_key, published.jobs.history)
    view.fill(half())
    view.finish([], published.meta())
    assert not is_finished(view)

    assert read_jobs(path)[1][0]["state"] == "RUNNING"
    view.begin(published.jobs.by_key, published.jobs.history)  # what its thread may have left is in nobody's way
    view.fill(map(published.past, published.jobs.by_key))
    view.finish([], published.meta())
    assert is_finished(view)
    view.close()
    assert [each.name for each in path.parent.iterdir()] == ["view.sqlite"]


def test_a_new_view_whose_disk_hangs_holds_nobody_up(path: Path) -> None:
    """The loop asks again with each cycle; until then readers have the old one, and then the new one."""
    published = Published(path, jobs_of(cyclic("LOAD")))
    published.close()
    view = View(path)
    view.begin(published.jobs.by_key, published.jobs.history)
    view.fill(map(published.past, published.jobs.by_key))
    before, disk = path.stat().st_ino, threading.Event()
    worker = view._worker
    assert worker is not None
    while worker.connection is None:
        time.sleep(0.001)  # its thread opens the file; nothing tells when it has
    worker.connection.create_function("hang", 0, lambda: disk.wait(60))
    view._tables["meta"].conn.execute("SELECT hang()")

    view.finish([], published.meta())
    view.settle()
    hangs, meanwhile = view.is_ending, path.stat().st_ino
    disk.set()
    is_kept = is_finished(view)
    view.close()

    assert (hangs, meanwhile) == (True, before)
    assert is_kept
    assert read_keys(path) == ("LOAD__P",)
    assert path.stat().st_ino != before


FULL_DISK = """
    import logging, resource, sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from published import Published, cyclic, jobs_of
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    published = Published(Path({path!r}), jobs_of(*(cyclic(f"JOB{{number}}") for number in range(200))))
    limit = Path({path!r}).stat().st_size + 20_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    slowest = 0.0
    for number in range(40):
        said = [(10 + number * 10, f"JOB{{job}}", "STARTED", "x" * 400) for job in range(200)]
        begun = time.perf_counter()
        published.say(*said)
        slowest = max(slowest, time.perf_counter() - begun)
        time.sleep(0.01)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(published.view.rebuild_due, slowest < 2, published.rebuild())
    published.close()
"""


def test_a_full_disk_neither_hangs_nor_floods_the_log(path: Path) -> None:
    """sqlitedict's own thread would die in silence, and the next call would wait for it for ever."""
    script = textwrap.dedent(FULL_DISK).format(tests=str(Path(__file__).parents[1] / "kit"), path=str(path))

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert done.stdout.splitlines() == ["False True True"], done.stderr
    lines = [line.split(" path=")[0] for line in done.stderr.splitlines()]
    assert lines == ["view failed, it is built anew later", "view works again"]
    assert len(read_keys(path)) == 200


# -- reading ---------------------------------------------------------------------------------------------------------


def test_reading_goes_on_while_the_daemon_writes(publish: Callable[..., Published], path: Path) -> None:
    """Every answer is one moment's: no job without its promise, no run without its job."""
    published = publish(*(cyclic(f"JOB{number}") for number in range(50)))

    for number in range(30):
        published.say(*((number * 10, f"JOB{job}", "STARTED") for job in range(50)))
        _, found = read_jobs(path)
        assert len({job["runs"] for job in found}) == 1


def test_reading_leaves_nothing_behind_and_changes_nothing(publish: Callable[..., Published], path: Path) -> None:
    """Who only looks on must not be able to disturb the daemon."""
    published = publish(cyclic("LOAD"))
    published.close()
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir()))

    read_jobs(path)
    read_job(path, "LOAD__P")
    read_unmatched(path)

    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) == before


KILLED = """
    import sqlite3, os, signal, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute("UPDATE jobs SET value = '{}'")
    connection.execute("UPDATE runs SET value = '{}'")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_view_left_half_written_by_a_killed_daemon_is_read_as_it_was(
    publish: Callable[..., Published], path: Path
) -> None:
    """A reader may not undo the daemon's transaction, so it does so in a copy of its own."""
    published = publish(*(cyclic(f"JOB{number}") for number in range(300)))
    published.say(*((10, f"JOB{job}", "STARTED", "x" * 300) for job in range(300)))
    published.close()
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert Path(f"{path}-journal").stat().st_size
    before = path.read_bytes()

    _, found = read_jobs(path)

    assert {job["state"] for job in found} == {"RUNNING"}
    assert path.read_bytes() == before
    assert Path(f"{path}-journal").exists()

    published.rebuild()
    assert {job["state"] for job in read_jobs(path)[1]} == {"RUNNING"}


def test_a_missing_view_says_what_to_do(tmp_path: Path) -> None:
    """The daemon has never run, or another file is meant."""
    with pytest.raises(ViewUnreadable, match="start it, or name the file with -c CONFIG or --view FILE"):
        read_jobs(tmp_path / "view.sqlite")


@pytest.mark.parametrize("content", [b"", b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_view_is_refused_with_a_way_on(path: Path, content: bytes) -> None:
    """Garbage, an empty file, a database of something else."""
    path.write_bytes(content)

    with pytest.raises(ViewUnreadable, match="the daemon writes a new one at its start"):
        read_jobs(path)


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_refused_without_waiting(path: Path, kind: str) -> None:
    """A FIFO would wait for a writer that never comes."""
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()

    with pytest.raises(ViewUnreadable):
        read_jobs(path)


def test_a_view_of_another_layout_is_not_guessed_at(
    publish: Callable[..., Published], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command may be newer than the daemon that still runs."""
    publish(cyclic("LOAD")).close()
    monkeypatch.setattr(reading, "LAYOUT", 99)

    with pytest.raises(ViewUnreadable, match=r"written by job_tracker 0\.1\.0, which lays it out differently"):
        read_jobs(path)


def test_who_may_not_read_the_view_is_told_whom_to_ask(publish: Callable[..., Published], path: Path) -> None:
    """At 3 a.m. 'permission denied' is of no help, nor a group that opens nothing, nor root's, which opens too much."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    publish(cyclic("LOAD")).close()
    told = []
    for group, mode in ((0, 0o640), (GROUP, 0o600), (GROUP, 0o640)):
        os.chown(path, 0, group)
        path.chmod(mode)
        told.append(as_nobody(lambda: read_jobs(path), path.parent))

    alone = "it belongs to root alone: run this as root, as with `sudo -u root`"
    assert [each.partition("may not read it")[2][2:] for each in told] == [
        alone,
        alone,
        f"it belongs to root and the group {GROUP}: ask root to take you into the group {GROUP}",
    ]


def test_a_directory_that_bars_the_way_is_named(publish: Callable[..., Published], path: Path, tmp_path: Path) -> None:
    """The file's own group says nothing when the directory is closed."""
    publish(cyclic("LOAD")).close()
    path.chmod(0o644)

    said = as_nobody(lambda: read_jobs(path), path.parent, mode=0o700)

    assert f"{tmp_path} belongs to root" in said


def as_nobody(act: Callable[[], Any], directory: Path, mode: int = 0o755) -> str:
    """What a child without rights is told; skipped where there is no root to become nobody."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    for each in directory.parents:
        if each != Path("/tmp") and each.owner() == "root" and each.is_relative_to("/tmp"):
            each.chmod(0o755)
    directory.chmod(mode)
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            act()
            said = "nothing was refused"
        except BaseException as error:  # noqa: BLE001 - whatever the child met is what the test asks about
            said = str(error)
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_the_zone_travels_with_the_job(publish: Callable[..., Published], path: Path) -> None:
    """Moments are shown on the job's clock, which the reader's host may not share."""
    publish(cyclic("LOAD"))

    assert read_jobs(path)[1][0]["zone"] == BERLIN.key
