"""The daemon as a whole: a real process between real queues and the files that the monitoring reads."""

import json
import os
import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import SLOW, Line, Tracker, changes_of, cyclic, daily, file_system, fill, said, wait_until

Make = Callable[..., Tracker]
PROMPTLY = 2.5
"""Seconds: one, and what a machine adds that does other things as well."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes trackers, each in a directory of its own, and ends their processes."""
    made: list[Tracker] = []

    def tracker(*jobs: Line, home: Path | None = None, **settings: Any) -> Tracker:
        made.append(Tracker(home or tmp_path / f"tracker{len(made)}", *(jobs or (cyclic("LOAD"),)), **settings))
        return made[-1]

    yield tracker
    for each in made:
        each.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full, and has room for what is caught up with, beside the operators' queue."""
    with file_system(tmp_path / "small", "8m") as place:
        yield place


def identity(path: Path) -> tuple[int, int]:
    """What changes whenever a file is written: renamed into place, it is another file."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


# ------------------------------------------------------------------------------------------------ start and stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_a_second(make: Make, number: int) -> None:
    """Who shuts a host down must not wait for us; what was known is written, and the view says that we stopped."""
    tracker = make()
    tracker.start()

    took = tracker.stop(number)

    assert took < PROMPTLY
    assert tracker.log().endswith(f"INFO stopped by={signal.Signals(number).name}\n")
    assert tracker.shown("jobs")["view"]["stopped"] is not None
    assert tracker.complaints().count("Traceback") == 0


def test_it_stops_within_a_second_however_many_hosts_hang(make: Make) -> None:
    """Each host that hangs costs a quarter of a second to give up; they are given up side by side."""
    names = [f"app{number}" for number in range(16)]
    tracker = make(sources=names)
    tracker.start()
    children = tracker.serve_pids()
    assert len(children) == len(names)
    for child in children:
        os.kill(child, signal.SIGSTOP)

    took = tracker.stop()

    assert took < PROMPTLY
    for child in children:
        assert not Path(f"/proc/{child}").exists()


def test_it_wakes_when_a_message_arrives(make: Make) -> None:
    """Not only every interval: with an interval of ten minutes its source and its messages are seen at once."""
    tracker = make(controller_interval_in_sec=600)
    tracker.start()

    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")

    assert tracker.services()["job_source_app1"].startswith("0 job_source_app1 - reachable since ")


def test_a_message_changes_one_state_file(make: Make) -> None:
    """With ten thousand jobs, a message must not cost ten thousand files."""
    tracker = make(*(cyclic(name) for name in ("LOAD", "OTHER", "THIRD")))
    tracker.start()
    before = {name: identity(tracker.state_file(name)) for name in ("OTHER", "THIRD")}

    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_for("LOAD", "NOT_RUNNING")

    assert {name: identity(tracker.state_file(name)) for name in before} == before
    assert sorted(path.name for path in tracker.run_dir.iterdir()) == [
        "job_tracker.LOAD__P.state",
        "job_tracker.OTHER__P.state",
        "job_tracker.THIRD__P.state",
        "job_tracker.services",
    ]


def test_the_services_file_repeats_the_state_files_beside_the_daemon_and_its_sources(make: Make) -> None:
    """It is the one file that the agent reads."""
    tracker = make(cyclic("LOAD"), cyclic("OTHER"), sources=["app1", "app2"])
    tracker.start()

    tracker.queue.add(said("LOAD", "ERROR", message="ORA-01555\nsnapshot <<<too old>>>"))
    tracker.wait_for_service("job_LOAD__P", "ERROR")  # which is renamed into place after the state file
    services = tracker.services()

    ours = ["job_tracker", "job_source_app1", "job_source_app2", "job_unmatched"]
    assert list(services) == [*ours, "job_LOAD__P", "job_OTHER__P"]
    assert services["job_LOAD__P"] == tracker.line("LOAD").rstrip("\n")
    assert services["job_OTHER__P"] == tracker.line("OTHER").rstrip("\n")
    assert services["job_tracker"].startswith("0 job_tracker - jobs: 2, sources: 2")
    assert services["job_LOAD__P"].startswith("2 ")
    assert "snapshot" in services["job_LOAD__P"]
    assert "<<<" not in services["job_LOAD__P"]


def test_the_state_files_of_a_start_are_all_there_and_no_others(make: Make) -> None:
    """/run is empty after a boot; and what is left of a job that is no longer configured must not stay green."""
    tracker = make(cyclic("LOAD"), cyclic("OTHER"))
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.stop()
    for path in tracker.run_dir.iterdir():
        path.unlink()
    tracker.state_file("GONE").write_text("0 job_GONE__P - NOT_RUNNING\n")

    tracker.start()

    assert "RUNNING" in tracker.line("LOAD")
    assert "NEVER_RAN" in tracker.line("OTHER")
    assert not tracker.state_file("GONE").exists()


def test_what_happened_while_it_was_down_is_judged_as_if_it_had_been_there(make: Make) -> None:
    """An hour of messages, and one start that never came, are found with their own moments."""
    now = time.time()
    tracker = make(cyclic("LOAD", "00:10:00", "00:05:00"), cyclic("SILENT", "00:30:00"))
    tracker.begin_store(now - 3600)
    tracker.queue.add(
        said("LOAD", "STARTED", now - 3500),
        said("LOAD", "SUCCESS", now - 3400),
        said("LOAD", "STARTED", now - 2000),
        said("LOAD", "SUCCESS", now - 1900),
        said("LOAD", "STARTED", now - 60),
    )

    tracker.start()
    tracker.wait_for("LOAD", "RUNNING")
    tracker.wait_for("SILENT", "DELAYED")
    tracker.stop()

    found = [(round(each["at"] - now), each["to"], each["status"]) for each in changes_of(tracker)["LOAD__P"]]
    assert found == [
        (-3500, "RUNNING", 0),
        (-3400, "NOT_RUNNING", 0),
        (-2895, "DELAYED", 2),
        (-2295, "DELAYED", 2),
        (-2000, "RUNNING", 0),
        (-1900, "NOT_RUNNING", 0),
        (-1395, "DELAYED", 2),
        (-795, "DELAYED", 2),
        (-195, "DELAYED", 2),
        (-60, "RUNNING", 0),
    ]
    assert "state changed job=LOAD__P old=NEVER_RAN" not in tracker.log()  # no flood: it ran well, and runs again


# ------------------------------------------------------------------------------------------------ reload


def test_a_faulty_configuration_is_refused_at_reload_and_the_old_one_stays(make: Make) -> None:
    """A slip of the pen must not stop the watch; it is said in the log and in the daemon's own service."""
    tracker = make(cyclic("LOAD"))
    tracker.start()

    tracker.jobs = [cyclic("LOAD", timeout="1:75:00"), cyclic("OTHER", interval="never")]
    tracker.configure()
    tracker.reload()
    tracker.wait_for_service("job_tracker", "not reloaded, the old configuration stays in force: ")
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")

    assert tracker.services()["job_tracker"].startswith("1 ")
    assert not tracker.state_file("OTHER").exists()
    refused = [line for line in tracker.log().splitlines() if "not reloaded, " in line]
    assert len(refused) == 2
    assert "timeout_in_hh:mm:ss" in refused[0]
    assert "cyclic_interval" in refused[1]

    tracker.jobs = [cyclic("LOAD")]
    tracker.configure()
    tracker.reload()
    tracker.wait_for_service("job_tracker", "0 job_tracker - jobs: 1")


def test_a_configuration_emptied_by_a_slip_is_refused_at_reload(make: Make) -> None:
    """An editor that wrote nothing must not end all watching without a word; who means it says so in the file."""
    tracker = make(cyclic("LOAD"))
    tracker.start()

    tracker.jobs = []
    tracker.configure()
    tracker.reload()
    tracker.wait_for_service("job_tracker", "jobs: there is none, and 1 is watched; if that is meant, write no_jobs_is")

    assert tracker.state_file("LOAD").exists()
    tracker.configure(no_jobs_is_meant=True)
    tracker.reload()
    wait_until(lambda: not tracker.state_file("LOAD").exists())


def test_a_reload_keeps_what_jobs_did_and_takes_new_ones_in(make: Make) -> None:
    """An edited promise keeps its history, a removed job's state file goes, a new job is known since now."""
    tracker = make(cyclic("LOAD"), cyclic("GONE"))
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"), said("LOAD", "ERROR", message="no space"))
    tracker.wait_for("LOAD", "ERROR")
    children = tracker.serve_pids()
    begun = time.time()

    tracker.jobs = [cyclic("NEW"), cyclic("LOAD", interval="02:00:00", max_errors_before_alerting=2)]
    tracker.configure()
    tracker.reload()
    tracker.wait_for("NEW", "NEVER_RAN")
    wait_until(lambda: not tracker.state_file("GONE").exists())
    jobs = {job["job"]: job for job in tracker.shown("jobs")["jobs"]}

    assert set(jobs) == {"NEW__P", "LOAD__P"}
    assert jobs["NEW__P"]["known_since"] >= begun - 1
    assert jobs["LOAD__P"]["known_since"] < begun
    assert jobs["LOAD__P"]["promised_since"] >= begun - 1
    assert (jobs["LOAD__P"]["runs"], jobs["LOAD__P"]["errors"], jobs["LOAD__P"]["state"]) == (1, 1, "ERROR")
    assert tracker.status("LOAD") == 0  # one error of two
    assert "job_GONE__P" not in tracker.services()
    assert tracker.serve_pids() == children  # a source that stays as it is stays connected


def test_a_reload_replaces_sources(make: Make) -> None:
    """A source that is no longer configured is let go of at once, a new one is drained at once."""
    tracker = make(sources=["app1", "app2"])
    tracker.start()
    queue = tracker.queues.pop("app2")
    tracker.queues["app3"] = type(queue)(tracker.home / "queues" / "app3.sqlite")

    tracker.configure()
    tracker.reload()
    tracker.wait_for_service("job_source_app3", "reachable since")
    queue.add(said("LOAD", "ERROR"))
    tracker.queues["app3"].add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")

    assert "job_source_app2" not in tracker.services()
    assert queue.depth() == 1
    assert len(tracker.serve_pids()) == 2


def test_reloads_while_messages_come_lose_none(make: Make) -> None:
    """The sources' threads hand over while the board is exchanged."""
    tracker = make(cyclic("LOAD"), sources=["app1", "app2"], job_history_entry_count=100_000)
    tracker.start()

    for turn in range(6):
        for queue in tracker.queues.values():
            queue.add(*(said("LOAD", "SUCCESS") for _ in range(200)))
        tracker.jobs = [cyclic("LOAD", interval=f"0{turn + 1}:00:00")]
        tracker.configure()
        tracker.reload()
    tracker.wait_until_drained()
    tracker.stop()

    assert tracker.ledger("SELECT runs FROM jobs WHERE key = 'LOAD__P'") == [(2400,)]
    assert tracker.ledger("SELECT count(*) FROM runs") == [(2400,)]


# ------------------------------------------------------------------------------------------------ its own death


def age(tracker: Tracker, seconds: int) -> None:
    """Let time pass for the services file: its first line says that it was written that much earlier."""
    text = tracker.services_file.read_text(encoding="utf-8")
    [written] = re.findall(r"\A# job_tracker services 1 (\d+) ", text)
    tracker.services_file.write_text(text.replace(written, str(int(written) - seconds), 1), encoding="utf-8")


def test_the_local_check_is_green_while_it_runs(make: Make) -> None:
    """What the agent prints is what the daemon says, and nothing else."""
    tracker = make()
    tracker.start()

    shown = tracker.check()

    assert list(shown) == ["job_tracker", "job_source_app1", "job_unmatched", "job_LOAD__P"]
    assert shown["job_tracker"].startswith("0 job_tracker - jobs: 1, sources: 1")
    assert shown["job_source_app1"].startswith("0 ")


def test_its_death_is_critical_once_its_last_words_are_stale(make: Make) -> None:
    """Killed, it leaves green lines behind; nobody must believe them, and a new start is believed at once."""
    tracker = make()
    tracker.start()

    tracker.kill()
    at_once = tracker.check()
    age(tracker, 59)
    still = tracker.check()
    age(tracker, 62)
    later = tracker.check()
    tracker.start()
    again = tracker.check()

    assert at_once["job_tracker"].startswith("0 ")
    assert still["job_tracker"].startswith("0 ")
    assert later["job_tracker"].startswith("2 job_tracker - job_tracker has not reported since ")
    assert later["job_LOAD__P"].startswith("3 job_LOAD__P - job_tracker has not reported since ")
    assert "last: NEVER_RAN since" in later["job_LOAD__P"]
    assert later["job_source_app1"].startswith("3 ")
    assert again["job_tracker"].startswith("0 ")


def test_a_daemon_that_hangs_is_as_good_as_dead_and_is_believed_when_it_goes_on(make: Make) -> None:
    """It is the age of its words that counts, not whether there is a process."""
    tracker = make()
    tracker.start()

    tracker.send(signal.SIGSTOP)
    assert tracker.process is not None
    status = Path(f"/proc/{tracker.process.pid}/status")
    wait_until(lambda: "(stopped)" in status.read_text())
    age(tracker, 120)
    hung = tracker.check()
    tracker.send(signal.SIGCONT)
    wait_until(lambda: tracker.check()["job_tracker"].startswith("0 "), "a green check")

    assert hung["job_tracker"].startswith("2 ")
    assert hung["job_LOAD__P"].startswith("3 ")


def test_after_a_stop_the_check_says_so_in_time(make: Make) -> None:
    """A daemon that was stopped and forgotten is as silent as a dead one."""
    tracker = make()
    tracker.start()
    tracker.stop()

    age(tracker, 120)

    assert tracker.check()["job_tracker"].startswith("2 ")


# ------------------------------------------------------------------------------------------------ starts refused


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: os.truncate(path, 0), "is empty, what was known is lost"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "is damaged"),
        (lambda path: path.write_text("no database at all " * 100), "is damaged"),
    ],
)
def test_it_does_not_start_with_a_damaged_store(make: Make, spoil: Callable[[Path], None], reason: str) -> None:
    """An empty board would be green and know nothing: better no daemon, whose death the monitoring sees."""
    tracker = make()
    tracker.start()
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_until_drained()
    tracker.stop()
    spoil(tracker.store)
    content = tracker.store.read_bytes()

    code = tracker.launch().wait(SLOW)

    assert code == 1
    said_last = tracker.complaints().splitlines()[-1]
    assert f"not started, the store is refused: {tracker.store} {reason}" in said_last
    assert said_last in tracker.log()
    assert tracker.store.read_bytes() == content


def test_it_does_not_start_with_a_faulty_configuration(make: Make) -> None:
    """All faults at once, exit code 2, and nothing is made."""
    tracker = make(cyclic("LOAD", timeout="soon"), cyclic("LOAD"))

    code = tracker.launch().wait(SLOW)

    assert code == 2
    assert len(tracker.complaints().splitlines()) == 2
    assert not tracker.store.exists()
    assert list(tracker.run_dir.iterdir()) == []


def test_a_second_tracker_on_the_same_store_does_not_start(make: Make) -> None:
    """Somebody starts it by hand beside the service: the first goes on, the second says why not."""
    tracker = make()
    tracker.start()

    second = tracker.command("run", "-c", str(tracker.config))

    assert second.returncode == 1
    assert "another tracker is using it; stop that one first" in second.stderr
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")


# ------------------------------------------------------------------------------------------------ no room, no right


def test_a_full_disk_under_the_ledger_confirms_nothing_and_is_caught_up_with(make: Make, small_disk: Path) -> None:
    """The loop goes on and says so; messages stay in the queue; with room again nothing is missing."""
    tracker = make(cyclic("LOAD"), cyclic("OTHER"), job_history_entry_count=100_000)
    tracker.store = small_disk / "job_tracker.sqlite"
    tracker.configure()
    tracker.start()
    tracker.queue.add(said("OTHER", "STARTED"))
    tracker.wait_until_drained()
    filler = fill(small_disk)

    for number in range(40):
        tracker.queue.add(*(said("LOAD", "SUCCESS", message=f"{number} " + "x" * 400) for _ in range(5)))
    tracker.wait_for_service("job_tracker", "2 job_tracker - ")
    failing = tracker.services()["job_tracker"]
    written = tracker.services_file.stat().st_mtime_ns
    wait_until(lambda: tracker.services_file.stat().st_mtime_ns > written + 2_000_000_000, "the loop to go on")
    waiting = tracker.queue.depth()
    filler.unlink()
    tracker.wait_until_drained()
    tracker.wait_for_service("job_tracker", "0 job_tracker - ")
    tracker.stop()

    assert "could not be written: database or disk is full; nothing is lost, messages wait in their queues" in failing
    assert waiting > 0
    assert tracker.log().count("ERROR store failed, nothing is confirmed") == 1
    assert tracker.log().count("store works again") == 1
    assert tracker.ledger("SELECT runs FROM jobs WHERE key = 'LOAD__P'") == [(200,)]
    assert tracker.ledger("SELECT count(*), count(DISTINCT uid) FROM messages") == [(201, 201)]


def test_a_stop_while_the_disk_is_full_loses_nothing(make: Make, small_disk: Path) -> None:
    """What was never confirmed is still in the queue when the next one starts."""
    tracker = make(job_history_entry_count=100_000)
    tracker.store = small_disk / "job_tracker.sqlite"
    tracker.configure()
    tracker.start()
    filler = fill(small_disk)
    tracker.queue.add(*(said("LOAD", "SUCCESS", message="x" * 500) for _ in range(1000)))
    tracker.wait_for_service("job_tracker", "2 job_tracker - ")

    took = tracker.stop()
    depth = tracker.queue.depth()
    filler.unlink()
    tracker.start()
    tracker.wait_until_drained()
    tracker.stop()

    assert took < PROMPTLY
    assert depth == 1000
    assert tracker.ledger("SELECT runs FROM jobs") == [(1000,)]
    assert "restored" not in tracker.log()


def test_a_full_disk_under_the_state_files_is_said_and_caught_up_with(make: Make, small_disk: Path) -> None:
    """The ledger knows all the same; when there is room, the files say what they should."""
    tracker = make(cyclic("LOAD"), cyclic("OTHER"))
    tracker.run_dir = small_disk / "run"
    tracker.run_dir.mkdir()
    tracker.configure()
    tracker.start()
    filler = fill(small_disk)

    tracker.queue.add(said("LOAD", "ERROR"))
    tracker.wait_for_log("output failed, it is tried again what=state files")
    tracker.wait_until_drained()
    meanwhile = tracker.line("LOAD")
    filler.unlink()
    tracker.wait_for("LOAD", "ERROR")
    tracker.wait_for_service("job_LOAD__P", "ERROR")

    assert "NEVER_RAN" in meanwhile  # the old one, and whole
    tracker.wait_for_log("output works again what=services file")


def test_a_run_directory_that_vanishes_and_comes_back_is_filled_again(make: Make) -> None:
    """A careless `rm -r`, or /run mounted anew: the daemon says so, and puts everything back."""
    tracker = make(cyclic("LOAD"), cyclic("OTHER"))
    tracker.start()

    shutil.rmtree(tracker.run_dir)
    tracker.wait_for_log("output failed, it is tried again")
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_until_drained()
    tracker.run_dir.mkdir()
    tracker.wait_for("LOAD", "RUNNING")
    tracker.wait_for("OTHER", "NEVER_RAN")
    tracker.wait_for_log("output works again what=services file")

    assert tracker.check()["job_tracker"].startswith("0 ")


def test_a_view_that_cannot_be_written_holds_up_nothing(make: Make) -> None:
    """It is derived; the monitoring does not hang on it."""
    tracker = make()
    tracker.view.mkdir()  # nothing can be renamed over a directory
    tracker.start()

    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")

    assert "WARNING view failed, it is built anew later" in tracker.log()
    assert tracker.services()["job_tracker"].startswith("0 ")
    assert tracker.stop() < PROMPTLY


def test_a_view_that_vanishes_holds_up_nothing(make: Make) -> None:
    """Somebody tidies up while it runs."""
    tracker = make()
    tracker.start()

    shutil.rmtree(tracker.view.parent)
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_for("LOAD", "NOT_RUNNING")

    assert tracker.stop() < PROMPTLY


def test_a_log_that_cannot_be_written_stops_nothing(make: Make) -> None:
    """It goes to stderr, where the journal has it, and that is said there."""
    tracker = make()
    tracker.log_file.parent.parent.mkdir(exist_ok=True)
    tracker.log_file.parent.write_text("a file where the directory should be")
    tracker.start()

    tracker.queue.add(said("LOAD", "ERROR", message="no space"))
    tracker.wait_for("LOAD", "ERROR")
    tracker.stop()

    assert f"log file not written path={tracker.log_file}" in tracker.complaints()
    assert "state changed job=LOAD__P old=NEVER_RAN new=ERROR" in tracker.complaints()


def test_a_log_that_vanishes_with_its_directory_stops_nothing(make: Make) -> None:
    """A logrotate that went wrong must not end the watch; when the directory is back, so is the log."""
    tracker = make()
    tracker.start()

    shutil.rmtree(tracker.log_file.parent)
    tracker.queue.add(said("LOAD", "ERROR"))
    wait_until(lambda: "new=ERROR" in tracker.complaints())
    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.log_file.parent.mkdir()
    tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_for("LOAD", "NOT_RUNNING")
    tracker.wait_for_log("new=NOT_RUNNING")

    assert tracker.stop() < PROMPTLY


# ------------------------------------------------------------------------------------------------ strange queues


def count_runs(tracker: Tracker) -> int:
    """How many messages the ledger has counted: each was an end whose start was not seen."""
    return int(tracker.ledger("SELECT runs FROM jobs WHERE key = 'LOAD__P'")[0][0])


def copy_queue(tracker: Tracker, to: Path) -> None:
    """A copy as a backup makes it: whole."""
    to.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(tracker.queue.path)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def test_a_queue_restored_from_an_older_copy_repeats_nothing(make: Make) -> None:
    """Its messages are taken, the known ones are ignored; and it is said, in the log and in the source's service."""
    tracker = make()
    tracker.start()
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(5)))
    tracker.wait_until_drained()
    tracker.stop()
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(3)))
    backup = tracker.home / "backup" / "queue.sqlite"
    copy_queue(tracker, backup)
    tracker.start()
    tracker.wait_until_drained()
    tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_until_drained()

    os.replace(backup, tracker.queue.path)
    tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_for_service("job_source_app1", "the queue was restored from a backup")
    tracker.wait_until_drained()
    service = tracker.services()["job_source_app1"]
    tracker.stop()

    assert service.startswith("1 ")
    assert "source noticed source=app1 text=the queue was restored from a backup" in tracker.log()
    assert count_runs(tracker) == 10


def test_a_queue_restored_in_place_is_noticed(make: Make) -> None:
    """`cp` writes into the file that is open: the same inode, and yet another content."""
    tracker = make()
    tracker.start()
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(5)))
    tracker.wait_until_drained()
    backup = tracker.home / "backup" / "queue.sqlite"
    copy_queue(tracker, backup)
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(4)))
    tracker.wait_until_drained()

    with tracker.queue.path.open("r+b") as file:
        file.write(backup.read_bytes())
    tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_for_log("the queue was restored from a backup")
    tracker.wait_until_drained()
    tracker.stop()

    assert count_runs(tracker) == 10


def test_a_queue_replaced_by_a_new_one_is_taken_and_said(make: Make) -> None:
    """Somebody removed the file; the jobs made a new one, whose ids begin again at one."""
    tracker = make()
    tracker.start()
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(3)))
    tracker.wait_until_drained()

    for leftover in tracker.queue.path.parent.glob("app1.sqlite*"):
        leftover.unlink()
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(4)))
    tracker.wait_for_service("job_source_app1", "the queue was replaced by another one")
    tracker.wait_until_drained()
    tracker.stop()

    assert "the queue was replaced by another one" in tracker.log()
    assert count_runs(tracker) == 7


def test_a_queue_moved_away_while_connected_is_found_again(make: Make) -> None:
    """What lay in it, and what comes meanwhile into the one made in its place, is counted once."""
    tracker = make()
    tracker.start()
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(3)))
    tracker.wait_until_drained()
    away = tracker.queue.path.with_name("away.sqlite")

    os.rename(tracker.queue.path, away)
    tracker.queue.add(*(said("LOAD", "SUCCESS") for _ in range(2)))
    tracker.wait_for_log("the queue was replaced by another one")
    tracker.wait_until_drained()
    os.rename(away, tracker.queue.path)
    tracker.queue.add(said("LOAD", "SUCCESS"))
    wait_until(lambda: tracker.log().count("the queue was replaced by another one") == 2)
    tracker.wait_until_drained()
    tracker.stop()

    assert count_runs(tracker) == 6


def test_a_second_tracker_on_one_queue_is_refused_with_the_reason(make: Make) -> None:
    """Two would each see half of the messages; the operator is told who drains it and since when."""
    first, second = make(), make()
    second.queues = dict(first.queues)
    second.configure()
    first.start()
    [(identity,)] = first.queue.query("SELECT value FROM meta WHERE name = 'tracker'")

    second.start(reachable=())
    second.wait_for_service("job_source_app1", "drained by tracker")
    refused = second.services()["job_source_app1"]
    first.queue.add(said("LOAD", "STARTED"))
    first.wait_for("LOAD", "RUNNING")

    assert refused.startswith("2 job_source_app1 - refused since")
    assert re.search(
        rf"drained by tracker {identity[:8]}… since [-0-9]+ [:0-9]+ UTC; stop .* job_tracker take-over app1",
        refused,
    )
    assert "NEVER_RAN" in second.line("LOAD")
    assert first.services()["job_source_app1"].startswith("0 ")
    assert "contact=refused text=drained by tracker" in second.log()


# ------------------------------------------------------------------------------------------------ hostile input

NESTED = '{"message": ' + "[" * 100_000 + "]" * 100_000 + "}"
HOSTILE: dict[str, dict[str, Any]] = {
    "number of 5,000 digits": {"timestamp": "9" * 5000},
    "infinite timestamp": {"timestamp": 9e999},
    "negative timestamp": {"timestamp": -1.0},
    "timestamp of the year 10000": {"timestamp": 253402300800.0},
    "timestamp in milliseconds": {"timestamp": 1.7e12},
    "text as a timestamp": {"timestamp": "yesterday"},
    "not even a number": {"timestamp": "nan"},
    "deep nesting": {"message": NESTED[:60_000], "job": "NEST"},
    "newlines and sections": {"job": "A\n<<<<otherhost>>>>\n0 planted - OK", "message": "<<<local>>>\n2 x - y\r\n\\n"},
    "a path": {"job": "../../etc/cron.d/x"},
    "a long path": {"instance": "../" * 300},
    "empty name": {"job": ""},
    "empty event": {"event": ""},
    "NUL": {"job": "A\0B", "message": "a\0b"},
    "escapes": {"job": "\x1b[31mred\x1b]0;owned\x07"},
    "numbers for texts": {"job": 5, "instance": 7, "event": 9},
    "huge exit code": {"exit_code": 2**63 - 1, "job": "CODE"},
    "text as an exit code": {"exit_code": "three", "job": "CODE"},
    "long name": {"job": "x" * 5000},
    "surrogate pair and beyond": {"job": "\U0001f4a5\u202e\ufeff"},
}


def insert(tracker: Tracker, **columns: Any) -> None:
    """Put a message straight into the queue's table, where `add` would have refused it."""
    given = {
        "uid": os.urandom(8).hex(),
        "timestamp": time.time(),
        "instance": "P",
        "job": "LOAD",
        "event": "STARTED",
        "message": "",
        "run": None,
        "exit_code": None,
        **columns,
    }
    names = ", ".join(given)
    marks = ", ".join("?" * len(given))
    tracker.queue.query(f"INSERT INTO messages ({names}) VALUES ({marks})", given.values())


def test_hostile_messages_are_kept_aside_with_their_reason_and_the_ones_after_them_count(make: Make) -> None:
    """One bad message costs itself and nothing else: it is confirmed, shown, and the daemon goes on."""
    tracker = make(job_history_entry_count=1000)
    tracker.start()

    for columns in HOSTILE.values():
        insert(tracker, **columns)
        tracker.queue.add(said("LOAD", "SUCCESS"))
    tracker.wait_until_drained()
    tracker.wait_for("LOAD", "NOT_RUNNING")
    wait_until(lambda: sum(row["count"] for row in tracker.shown("unmatched")["unmatched"]) == len(HOSTILE))
    answer = tracker.shown("unmatched")
    text = tracker.command("unmatched", "--view", str(tracker.view))
    lines = tracker.check()
    tracker.stop()

    assert count_runs(tracker) == len(HOSTILE)
    assert all(row["reason"] for row in answer["unmatched"])
    reasons = {row["reason"] for row in answer["unmatched"]}
    assert "timestamp: inf is not a moment between 1970 and 9892" in reasons
    assert "timestamp: -1.0 is not a moment between 1970 and 9892" in reasons
    assert "job: missing or empty" in reasons
    assert text.returncode == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text.stdout)
    assert list(lines) == ["job_tracker", "job_source_app1", "job_unmatched", "job_LOAD__P"]
    assert sorted(path.name for path in tracker.run_dir.iterdir()) == [
        "job_tracker.LOAD__P.state",
        "job_tracker.services",
    ]
    assert "Traceback" not in tracker.complaints()


def test_hostile_texts_of_a_configured_job_do_not_reach_the_monitoring_as_they_are(make: Make) -> None:
    """The line of a state file is one line, and begins no section, whatever a job says of its error."""
    tracker = make()
    tracker.start()

    insert(tracker, event="ERROR", message="<<<<otherhost>>>>\n0 planted - OK\n\\n\x1b[2J" + "ß" * 3000, run="a\nb")
    tracker.wait_for("LOAD", "ERROR")

    line = tracker.line("LOAD")
    assert line.count("\n") == 1
    assert "<<<" not in line
    assert "\\n" not in line
    assert "\x1b" not in line
    assert len(line) < 600
    assert set(tracker.check()) == {"job_tracker", "job_source_app1", "job_unmatched", "job_LOAD__P"}


def test_a_message_from_the_future_is_taken_as_now_and_its_source_drifts(make: Make) -> None:
    """A clock that is wrong must not keep a job green until the year 2100."""
    tracker = make()
    tracker.start()

    tracker.queue.add(said("LOAD", "STARTED", time.time() + 86400))
    tracker.wait_for("LOAD", "RUNNING")
    tracker.wait_for_service("job_source_app1", "more than the grace")
    tracker.stop()

    [(moment, claimed, received)] = tracker.ledger("SELECT moment, claimed, received FROM messages")
    assert moment == received < claimed


def test_the_snippet_of_unmatched_adopts_the_job(make: Make) -> None:
    """What the operator is given can be pasted; from the reload on, the job counts."""
    tracker = make()
    tracker.start()
    tracker.queue.add(said("FORGOTTEN", "STARTED"), said("FORGOTTEN", "SUCCESS"))
    wait_until(lambda: [row["count"] for row in tracker.shown("unmatched")["unmatched"]] == [2])
    printed = tracker.command("unmatched", "--view", str(tracker.view)).stdout

    snippet = json.loads(printed[printed.index("{\n") : printed.rindex("}") + 1])
    tracker.jobs.append(snippet)
    tracker.configure()
    tracker.reload()
    tracker.queue.add(said("FORGOTTEN", "STARTED"))
    tracker.wait_for("FORGOTTEN", "RUNNING")

    assert snippet["source_host"] == "app1"
    assert [each["what"] for each in tracker.shown("history", "FORGOTTEN__P")["history"]].count("run") == 1


# ------------------------------------------------------------------------------------------------ what a run used


def test_what_a_run_used_is_measured_and_shown(make: Make) -> None:
    """As Checkmk's own mk-job does, by the names under which Checkmk knows it, through the real local check."""
    tracker = make(cyclic("LOAD"), monitoring_perfdata=True)
    tracker.start()

    tracker.queue.tool("run", "--instance", "P", "--job", "LOAD", "--", "/bin/sh", "-c", "echo done")
    tracker.wait_for("LOAD", "NOT_RUNNING")
    tracker.wait_for_service("job_LOAD__P", "NOT_RUNNING")
    metrics = dict(each.split("=") for each in tracker.check()["job_LOAD__P"].split(" ")[2].split("|"))
    wait_until(lambda: tracker.shown("jobs")["jobs"][0]["runs"] == 1, "the run in the view")
    explained, history = (
        tracker.command(verb, "LOAD", "--view", str(tracker.view)).stdout for verb in ("explain", "history")
    )

    assert float(metrics["max_res_bytes"]) > 100_000
    assert metrics.keys() >= {"job_duration", "user_time", "system_time", "reads", "writes"}
    assert metrics.keys() >= {"vol_context_switches", "invol_context_switches"}
    assert "  Its last run used 0." in explained
    assert " s of CPU, " in history


# ------------------------------------------------------------------------------------------------ replay agrees


def test_replay_agrees_with_the_daemon(make: Make, tmp_path: Path) -> None:
    """The same messages end in the same states, through the same changes, at the same moments.

    Two days of four jobs: the daemon was down for all of them and catches up; the replay hears each as it was said.
    """
    now = (time.time() - 15) // 60 * 60
    begin = now - 48 * 3600 - 900
    jobs = [
        cyclic("LOAD", "01:00:00", "00:20:00", max_errors_before_alerting=2, status_below_threshold=1),
        cyclic("CHAIN", "00:30:00", "00:10:00", cyclic_interval_counts_from="end"),
        daily("NIGHT", time.strftime("%H:%M", time.gmtime(now - 6 * 3600)), "02:00:00"),
        cyclic("SIDE", "04:00:00", "00:30:00"),
    ]
    quiet = {
        "no_timeout_for_cyclic_jobs_from_in_hh:mm": time.strftime("%H:%M", time.gmtime(now - 10 * 3600)),
        "no_timeout_for_cyclic_jobs_until_in_hh:mm": time.strftime("%H:%M", time.gmtime(now - 8 * 3600)),
    }
    tracker = make(*jobs, job_history_entry_count=1000, **quiet)
    tracker.begin_store(begin)
    messages = sorted(two_days(begin, now - 600), key=lambda message: float(message["timestamp"]))
    stored = tracker.queue.add(*messages)
    recording = tmp_path / "messages.json"
    recording.write_text(tracker.queue.tool("list"), encoding="utf-8")

    tracker.start()
    tracker.wait_until_drained()
    wait_until(lambda: tracker.shown("jobs")["view"]["sources"]["app1"]["drained"] > now, "the source to be drained")
    final = {job["job"]: job for job in tracker.shown("jobs")["jobs"]}
    tracker.stop()
    replayed = tracker.command(
        "replay", "-c", str(tracker.config), "--messages", str(recording),
        "--from", f"{begin}", "--until", f"{now}", "--json",
    )  # fmt: skip
    *lines, last = map(json.loads, replayed.stdout.splitlines())

    assert replayed.returncode == 0, replayed.stderr
    kept = changes_of(tracker)
    for job in final:
        told = [line for line in lines if line["job"] == job]
        assert [each for each in kept[job] if each["at"] <= now] == told
    assert len(stored) > 150
    assert {line["to"] for line in lines} == {"RUNNING", "NOT_RUNNING", "ERROR", "TIMEOUT", "DELAYED"}
    ends = {key: {name: job[name] for name in ("state", "status", "errors", "missed")} for key, job in final.items()}
    assert ends == last["final"]


def two_days(begin: float, end: float) -> Iterator[Line]:
    """What four jobs say: mostly well, some late, some failing, some hanging, some never heard of for hours."""
    for turn in range(47):
        start = begin + 600 + turn * 3600
        if turn % 11 == 5:
            continue
        yield said("LOAD", "STARTED", start)
        if turn % 7 != 3:
            yield said("LOAD", "ERROR" if turn % 5 < 2 else "SUCCESS", start + 1500 * (turn % 3), exit_code=turn % 5)
    moment = begin + 300
    for turn in range(60):
        yield said("CHAIN", "STARTED", moment)
        if turn % 9:
            yield said("CHAIN", "SUCCESS", moment + 240)
        moment += 240 + (1700 if turn % 6 else 5000)
        if moment > end - 600:
            break
    for night in range(2):
        yield said("NIGHT", "STARTED", end - 6 * 3600 - night * 86400 + 700 * night)
        yield said("NIGHT", "SUCCESS", end - 5 * 3600 - night * 86400)
    for turn in range(11):
        start = begin + 100 + turn * 14000
        yield said("SIDE", "STARTED", start, run=f"r{turn}")
        yield said("SIDE", "STARTED", start + 60, run=f"s{turn}")
        yield said("SIDE", "SUCCESS", start + 900, run=f"r{turn}")
        yield said("SIDE", "ERROR" if turn % 4 == 1 else "SUCCESS", start + 1000, run=f"s{turn}")


def test_replay_agrees_with_a_daemon_that_heard_each_message_as_it_was_said(make: Make, tmp_path: Path) -> None:
    """Live, with a deadline of two seconds between them, which it finds out about by itself."""
    tracker = make(cyclic("LOAD", timeout="00:00:02"), cyclic("OTHER"), controller_message_grace_period_in_sec=0.3)
    tracker.start()
    [known] = {job["known_since"] for job in tracker.shown("jobs")["jobs"]}
    stored = []
    for job, event, state in [
        ("LOAD", "STARTED", "RUNNING"),
        ("OTHER", "STARTED", "RUNNING"),
        ("OTHER", "ERROR", "ERROR"),
        ("LOAD", "ROWS", "TIMEOUT"),
        ("OTHER", "SUCCESS", "NOT_RUNNING"),
    ]:
        stored += tracker.queue.add(said(job, event))
        tracker.wait_for(job, state)
    until = time.time()
    tracker.stop()
    recording = tmp_path / "messages.json"
    recording.write_text("".join(json.dumps(message) + "\n" for message in stored), encoding="utf-8")

    replayed = tracker.command(
        "replay", "-c", str(tracker.config), "--messages", str(recording),
        "--from", f"{known:.6f}", "--until", f"{until:.6f}", "--json",
    )  # fmt: skip
    lines = [json.loads(line) for line in replayed.stdout.splitlines()[:-1]]

    kept = changes_of(tracker)
    for job, changes in kept.items():
        told = [line for line in lines if line["job"] == job]
        assert changes == told[: len(changes)]
        # The replay need not wait until the source is drained past the last deadlines.
        assert {line["to"] for line in told[len(changes) :]} <= {"TIMEOUT"}
    assert [change["to"] for change in kept["LOAD__P"]][:2] == ["RUNNING", "TIMEOUT"]
