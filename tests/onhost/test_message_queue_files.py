"""The file itself: who may use it, what is refused, and what an add that returned has promised."""

import contextlib
import hashlib
import json
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from queue_tool import Queue

GOOD = {"instance": "P", "job": "LOAD", "event": "STARTED"}
ADD = ("add", "-j", json.dumps(GOOD))
BOUND = 5.0  # seconds within which a producer gives up
MARGIN = 2.0  # seconds for the start of a process on a slow machine


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def no_room_for_more_than(size: int) -> Callable[[], None]:
    """In a child: no file can be written beyond this offset, as on a full disk but to the byte."""

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare


def as_member(uid: int, group: int) -> dict[str, Any]:
    """What makes a process one of a user's who is in a group."""
    return {"user": uid, "group": uid, "extra_groups": [group], "umask": 0o077}


def has_open(pid: int, path: Path) -> bool:
    """Whether the process has the file open, and so is at its lock."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") == str(path):
                return True
    return False


def fill(disk: Path) -> None:
    """Leave no room for a single byte."""
    with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)


# ------------------------------------------------------------------------------------------------ who may


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_missing_directory_keeps_others_out_whatever_the_umask(queue: Queue, umask: int) -> None:
    """The safe choice is the default one."""
    assert queue.run(*ADD, umask=umask).returncode == 0

    assert (mode(queue.path.parent), mode(queue.path)) == (0o700, 0o660)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_missing_directory_is_shared_with_its_group_on_request(queue: Queue, umask: int) -> None:
    """--mode 2770: files made later belong to the directory's group, and its members may write."""
    assert queue.run("--mode", "2770", *ADD, umask=umask).returncode == 0

    assert (mode(queue.path.parent), mode(queue.path)) == (0o2770, 0o660)


def test_a_directory_that_exists_is_left_as_it_is(queue: Queue) -> None:
    """Its owner has decided."""
    queue.path.parent.mkdir(mode=0o750)
    queue.path.parent.chmod(0o750)

    assert queue.run("--mode", "2770", *ADD).returncode == 0

    assert mode(queue.path.parent) == 0o750


def test_many_producers_may_make_the_queue_at_the_same_moment(one_queue: Queue) -> None:
    """The first jobs after an installation start together, at midnight."""
    started = [subprocess.Popen(one_queue.command("--mode", "2770", *ADD)) for _ in range(12)]

    assert [process.wait(30) for process in started] == [0] * 12

    assert len(one_queue.messages()) == 12
    assert mode(one_queue.path.parent) == 0o2770
    assert [path.name for path in one_queue.path.parent.parent.iterdir()] == ["queue"]


def test_users_of_one_group_write_and_drain_one_queue(shared_queue: Queue) -> None:
    """Whoever comes first makes the file; the others, and the tracker's login, work with it. Strangers do not."""
    directory, group = shared_queue.path.parent, 54321
    directory.mkdir()
    os.chown(directory, 0, group)
    directory.chmod(0o2770)
    members = [as_member(uid, group) for uid in (20001, 20002, 20003)]

    added = [shared_queue.run(*ADD, **member) for member in [*members, *members, {"user": 0}]]
    serve = shared_queue.sessions.enter_context(
        closing(type(shared_queue.serve())(shared_queue.command("serve"), **members[2]))
    )
    stranger = shared_queue.run(*ADD, user=20004, group=20004, extra_groups=[])

    assert [done.returncode for done in added] == [0] * 7, added
    assert serve.ask("open", tracker="t")["depth"] == 7
    assert len(serve.ask("take", max=100)["messages"]) == 7
    assert serve.ask("confirm", through=7, nonce="n")["removed"] == 7
    assert shared_queue.path.stat().st_gid == group
    assert mode(directory / "q.sqlite.wake") == 0o660
    assert stranger.returncode == 1
    assert "Permission denied" in shared_queue.unlabelled(stranger.stderr)


def test_what_one_user_left_half_done_another_user_rolls_back(shared_queue: Queue) -> None:
    """The journal of a killed producer belongs to its user; the next producer is somebody else."""
    directory, group = shared_queue.path.parent, 54321
    directory.mkdir()
    os.chown(directory, 0, group)
    directory.chmod(0o2770)
    first, second = (as_member(uid, group) for uid in (20001, 20002))
    assert shared_queue.run(*ADD, **first).returncode == 0
    half = (
        "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('PRAGMA cache_size = 1'); connection.execute('BEGIN IMMEDIATE');"
        "[connection.execute('INSERT INTO messages VALUES (NULL, ?, 1, 1, 1, 1, ?, 1, 1)', (n, 'x' * 9999))"
        " for n in range(50)]; os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([shared_queue.python, "-c", half, shared_queue.path], check=False, **first)
    assert killed.returncode == -signal.SIGKILL
    assert (directory / "q.sqlite-journal").stat().st_uid == 20001
    assert shared_queue.path.stat().st_size > 100_000  # half of it is in the file itself

    assert shared_queue.run(*ADD, **second).returncode == 0

    assert shared_queue.events() == ["STARTED", "STARTED"]


def test_whose_half_of_a_message_it_is_and_who_can_end_it_is_said(shared_queue: Queue) -> None:
    """A queue's owner who is not in its group, as the tracker is with its operators', may not read their journals."""
    group = 20009
    directory = shared_queue.path.parent
    directory.mkdir()
    os.chown(directory, 20001, group)
    directory.chmod(0o2770)
    owner = {"user": 20001, "group": 20001, "extra_groups": []}
    operator: dict[str, Any] = {"user": 20002, "group": 20002, "extra_groups": [group]}
    assert shared_queue.run(*ADD, **owner).returncode == 0
    half = (
        "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('PRAGMA cache_size = 1'); connection.execute('BEGIN IMMEDIATE');"
        "[connection.execute('INSERT INTO messages VALUES (NULL, ?, 1, 1, 1, 1, ?, 1, 1)', (n, 'x' * 9999))"
        " for n in range(50)]; os.kill(os.getpid(), 9)"
    )
    subprocess.run([shared_queue.python, "-c", half, shared_queue.path], check=False, umask=0o077, **operator)

    refused = shared_queue.run("serve", **owner)
    assert shared_queue.run("count", **operator).stdout == b"1\n"

    assert refused.returncode == 1
    assert "waits for what uid 20002 left half-done in" in shared_queue.unlabelled(refused.stderr)
    assert shared_queue.run("count", **owner).stdout == b"1\n"


def test_a_reader_without_the_right_to_write_can_list(shared_queue: Queue) -> None:
    """In rollback mode reading needs no writing."""
    assert shared_queue.run(*ADD).returncode == 0
    shared_queue.path.parent.chmod(0o755)
    shared_queue.path.chmod(0o664)
    stranger = {"user": 20004, "group": 20004, "extra_groups": []}

    listed = shared_queue.run("list", **stranger)
    added = shared_queue.run(*ADD, **stranger)

    assert len(json.loads(listed.stdout)) == 1
    assert added.returncode == 1
    assert "read-only" in shared_queue.unlabelled(added.stderr)


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal"])
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory"])
@pytest.mark.parametrize("verb", [ADD, ("list",), ("serve",)], ids=["add", "list", "serve"])
def test_anything_but_a_plain_file_is_refused(
    one_queue: Queue, tmp_path: Path, suffix: str, kind: str, verb: tuple[str, ...]
) -> None:
    """In a directory that several users write, a link may lead anywhere and a FIFO may block for ever."""
    one_queue.add("BEFORE")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(one_queue.path.read_bytes())
    planted = one_queue.path.with_name("q.sqlite" + suffix)
    planted.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(planted)
    elif kind == "directory":
        planted.mkdir()
    else:
        planted.symlink_to(elsewhere if kind == "link" else tmp_path / "nowhere")
    before = hashlib.sha256(elsewhere.read_bytes()).digest()

    done = one_queue.run(*verb)

    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{planted.name} is not a regular file" in one_queue.unlabelled(done.stderr)
    assert hashlib.sha256(elsewhere.read_bytes()).digest() == before
    assert not (tmp_path / "nowhere").exists()


def test_a_file_with_a_second_name_is_refused(one_queue: Queue, tmp_path: Path) -> None:
    """Two names mean two journals, and what is rolled back through one is not seen through the other."""
    one_queue.add("BEFORE")
    os.link(one_queue.path, tmp_path / "second")

    done = one_queue.run(*ADD)

    assert done.returncode == 1
    assert "hard link" in one_queue.unlabelled(done.stderr)


def test_a_file_that_is_no_database_is_refused_and_left_alone(queue: Queue) -> None:
    """Whatever it is, it is not ours to overwrite."""
    queue.path.parent.mkdir()
    queue.path.write_bytes(b"important\n" * 1000)

    done = queue.run(*ADD)

    assert done.returncode == 1
    assert "no message queue" in queue.unlabelled(done.stderr)
    assert queue.path.read_bytes() == b"important\n" * 1000


def test_a_damaged_queue_is_refused_with_what_to_do(queue: Queue) -> None:
    """The middle is overwritten; the header still looks right."""
    queue.add(*(f"E{number}" for number in range(500)))
    with queue.path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (queue.path.stat().st_size - 100))

    done = queue.run(*ADD)

    assert done.returncode == 1
    assert "move it away" in queue.unlabelled(done.stderr)


@pytest.mark.parametrize(
    ("change", "reason"),
    [("UPDATE meta SET value = 2 WHERE name = 'schema'", "layout 2"), ("DROP TABLE meta", "no message queue")],
)
def test_a_queue_of_another_layout_is_refused(queue: Queue, change: str, reason: str) -> None:
    """An old copy of this tool on a host must not spoil what a newer one has made, nor somebody else's database."""
    queue.add("BEFORE")
    with closing(sqlite3.connect(queue.path)) as connection, connection:
        connection.execute(change)

    for verb in (ADD, ("list",), ("serve",)):
        done = queue.run(*verb)
        assert done.returncode == 1
        assert reason in queue.unlabelled(done.stderr)


def test_an_empty_file_becomes_a_queue(queue: Queue) -> None:
    """That is what a disk that was full at the first add leaves behind."""
    queue.path.parent.mkdir()
    queue.path.touch()

    assert queue.run(*ADD).returncode == 0

    assert queue.events() == ["STARTED"]


def test_a_file_in_wal_mode_is_brought_back_to_the_rollback_journal(queue: Queue) -> None:
    """Somebody opened it with another tool; in WAL mode one user's -shm file shuts out the next."""
    queue.add("BEFORE")
    with closing(sqlite3.connect(queue.path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")

    assert queue.run(*ADD).returncode == 0

    assert queue.path.read_bytes()[18:20] == b"\x01\x01"
    assert sorted(path.name for path in queue.path.parent.iterdir()) == ["q.sqlite"]


# ------------------------------------------------------------------------------------------------ full or locked


@pytest.mark.parametrize("verb", [ADD, ("list",), ("vacuum",), ("serve",)], ids=lambda v: v[0])
def test_a_locked_queue_is_one_clear_line_within_5_seconds(one_queue: Queue, verb: tuple[str, ...]) -> None:
    """No job hangs because somebody holds the file, and none is failed by a short lock."""
    one_queue.add("BEFORE")

    with one_queue.lock():
        begun = time.monotonic()
        done = one_queue.run(*verb)
        took = time.monotonic() - begun

    assert (done.returncode, done.stdout.strip(b"[")) == (1, b"")
    assert "locked by another process" in one_queue.unlabelled(done.stderr)
    assert 3 < took < BOUND + MARGIN
    assert one_queue.events() == ["BEFORE"]


def test_the_bound_holds_for_all_locks_together(queue: Queue) -> None:
    """A reader lets the write begin and stops it at the commit: a second wait, which must not begin anew."""
    queue.add("BEFORE")
    with closing(sqlite3.connect(queue.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages").fetchall()

        begun = time.monotonic()
        done = queue.run(*ADD)
        took = time.monotonic() - begun

    assert done.returncode == 1
    assert took < BOUND + MARGIN
    assert queue.events() == ["BEFORE"]


def test_an_add_that_waited_for_a_lock_carries_the_moment_it_was_called(one_queue: Queue) -> None:
    """The message tells when the job started, not when its host had time to note it."""
    one_queue.add("BEFORE")
    with one_queue.lock() as connection:
        process = subprocess.Popen(one_queue.command(*ADD))
        while not has_open(process.pid, one_queue.path):
            assert process.poll() is None
        opened = time.time()
        while time.time() < opened + 0.5:
            assert process.poll() is None
        connection.execute("COMMIT")

    assert process.wait(30) == 0
    assert one_queue.messages()[-1]["timestamp"] <= opened


def test_a_full_disk_is_one_clear_line_and_nothing_half_written(shared_queue: Queue, small_disk: Path) -> None:
    """And when there is room again, all is as before."""
    shared_queue.path = small_disk / "queue" / "q.sqlite"
    shared_queue.add("BEFORE")
    fill(small_disk)

    begun = time.monotonic()
    done = shared_queue.run(*ADD)
    took = time.monotonic() - begun
    listed = shared_queue.events()
    (small_disk / "filler").unlink()
    again = shared_queue.run(*ADD)

    assert done.returncode == 1
    assert "no room left" in shared_queue.unlabelled(done.stderr)
    assert took < BOUND
    assert listed == ["BEFORE"]
    assert again.returncode == 0
    assert shared_queue.events() == ["BEFORE", "STARTED"]


def test_a_disk_full_from_the_start_leaves_nothing_that_hinders_later(shared_queue: Queue, small_disk: Path) -> None:
    """The very first add fails; the first one with room makes the queue."""
    shared_queue.path = small_disk / "q.sqlite"
    fill(small_disk)

    first = shared_queue.run(*ADD)
    (small_disk / "filler").unlink()
    second = shared_queue.run(*ADD)

    assert (first.returncode, second.returncode) == (1, 0)
    assert "no room left" in shared_queue.unlabelled(first.stderr)
    assert shared_queue.events() == ["STARTED"]


def test_a_read_only_file_system_is_one_clear_line(shared_queue: Queue, small_disk: Path) -> None:
    """A file system goes read-only when its disk fails."""
    shared_queue.path = small_disk / "queue" / "q.sqlite"
    shared_queue.add("BEFORE")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    done = shared_queue.run(*ADD)
    made = type(shared_queue)(shared_queue.python, small_disk / "other" / "q.sqlite").run(*ADD)

    assert (done.returncode, made.returncode) == (1, 1)
    assert "read-only" in shared_queue.unlabelled(done.stderr)
    assert "Read-only file system" in shared_queue.unlabelled(made.stderr)
    assert shared_queue.events() == ["BEFORE"]


def test_a_directory_that_may_not_be_written_is_one_clear_line(shared_queue: Queue) -> None:
    """The file may be written, but not its journal."""
    assert shared_queue.run(*ADD).returncode == 0
    shared_queue.path.parent.chmod(0o755)
    shared_queue.path.chmod(0o666)

    done = shared_queue.run(*ADD, user=20004, group=20004, extra_groups=[])

    assert done.returncode == 1
    assert "its directory or its file system is read-only" in shared_queue.unlabelled(done.stderr)
    assert len(shared_queue.messages()) == 1


# ------------------------------------------------------------------------------------------------ what is promised


def test_what_returned_is_synced_to_the_disk(one_queue: Queue, strace: str) -> None:
    """What a power cut leaves cannot be tried here; what makes SQLite keep its promise can be read.

    The order of system calls is the promise itself: the journal synced before the file is written, the file synced
    before the journal is removed, and the directory synced after that, before add returns.
    """
    one_queue.add("BEFORE")
    trace = one_queue.path.parent.parent / "trace"
    calls = "trace=write,pwrite64,fsync,fdatasync,unlink"

    subprocess.run([strace, "-y", "-o", str(trace), "-e", calls, *one_queue.command(*ADD)], check=True)

    steps: list[str] = []
    for line in trace.read_text().splitlines():
        call = {"pwrite64": "write", "fdatasync": "sync", "fsync": "sync"}.get(line.split("(")[0], line.split("(")[0])
        for what in ("q.sqlite-journal", "q.sqlite>", "queue>"):
            if what in line and steps[-1:] != [f"{call} {what}"]:
                steps.append(f"{call} {what}")
    assert steps[-4:] == ["write q.sqlite>", "sync q.sqlite>", "unlink q.sqlite-journal", "sync queue>"]
    assert "sync queue>" in steps[:-4]
    assert steps[:-4][-1] in ("sync q.sqlite-journal", "sync queue>")


def test_an_add_that_runs_out_of_room_at_any_write_leaves_nothing(queue: Queue) -> None:
    """Every page of journal and file is in turn the one for which there is no room."""
    queue.add("BEFORE")
    many = "\n".join(json.dumps({**GOOD, "message": "x" * 3000}) for _ in range(10)).encode()
    clean = queue.path.read_bytes()
    stopped = 0

    for size in range(0, len(clean) + 48 * 1024, 4096):
        queue.path.write_bytes(clean)
        done = queue.run("add", "-j", "-", input=many, preexec_fn=no_room_for_more_than(size))
        stopped += done.returncode != 0
        assert len(queue.messages()) == (11 if done.returncode == 0 else 1), size

    assert stopped > 8
    assert done.returncode == 0


def test_an_add_killed_at_any_system_call_leaves_all_or_nothing(one_queue: Queue, strace: str) -> None:
    """SIGKILL at each write, sync and unlink in turn; whoever comes next rolls back or finds it whole."""
    one_queue.add("BEFORE")
    clean = one_queue.path.read_bytes()
    outcomes = []

    for call in ("write", "pwrite64", "fdatasync", "fsync", "unlink"):
        for number in range(1, 40):
            one_queue.path.write_bytes(clean)
            inject = f"inject={call}:signal=KILL:when={number}"
            command = [strace, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *one_queue.command(*ADD)]
            code = subprocess.run(command, capture_output=True, check=False).returncode
            depth = len(one_queue.messages())
            outcomes.append((code, depth))
            assert depth == 2 if code == 0 else (code == -signal.SIGKILL and depth in (1, 2))
            with closing(sqlite3.connect(one_queue.path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if code == 0:
                break

    assert {(0, 2), (-signal.SIGKILL, 1)} <= set(outcomes)
    assert len(outcomes) > 10


def test_a_queue_moved_away_under_a_waiting_add_gets_its_message_where_the_queue_is_now(
    queue: Queue, tmp_path: Path
) -> None:
    """The add has opened the old file and waits for its lock; the message must not end in a file nobody drains."""
    queue.add("BEFORE")
    with queue.lock():
        process = subprocess.Popen(queue.command(*ADD))
        until = time.monotonic() + 30
        while not has_open(process.pid, queue.path):
            assert time.monotonic() < until
        queue.path.rename(tmp_path / "moved.sqlite")

    assert process.wait(30) == 0
    assert queue.events() == ["STARTED"]
