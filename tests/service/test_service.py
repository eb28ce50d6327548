"""The service: real daemons in the background, started, stopped, killed and looked at as an init script does it."""

import grp
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from job_tracker.config.reading import load
from job_tracker.process import supervisor
from job_tracker.process.pid_file import Life, PidFile
from job_tracker.service import classic_links, control, rights

PROGRAM = (sys.executable, "-m", "job_tracker")
JOB = {
    "name": "LOAD",
    "env": "P",
    "cyclic_or_daily": "cyclic",
    "cyclic_interval_in_hh:mm:ss": "01:00:00",
    "timeout_in_hh:mm:ss": "00:10:00",
}


class Answer(NamedTuple):
    """What an action left behind."""

    code: int
    out: str
    err: str


class Installed:
    """A configured tracker in a directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / "job_tracker.cfg"
        self.pid_file = home / "pid"
        self.log = home / "log"
        (home / "run").mkdir()
        self.configure()

    def configure(self, jobs: list[dict[str, Any]] | None = None, **settings: object) -> None:
        """Write its configuration."""
        settings = {
            "run_dir": "run",
            "log_file": "log",
            "store_file": "store.sqlite",
            "view_file": "view.sqlite",
            "controller_interval_in_sec": 1,
            **settings,
        }
        document = {
            "global_config": settings,
            "source_hosts": [{"connection": "local", "name": "here", "message_queue": "queue/queue.sqlite"}],
            "jobs": [JOB] if jobs is None else jobs,
        }
        self.config.write_text(json.dumps(document))

    def do(self, action: str, *more: str, stdin: int | None = None) -> Answer:
        """One action, as from an init script."""
        words = [*PROGRAM, action, "-c", str(self.config), "--pid-file", str(self.pid_file), *more]
        done = subprocess.run(words, stdin=stdin, capture_output=True, text=True, timeout=60, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    @property
    def pid(self) -> int:
        """The daemon's number."""
        return int(self.pid_file.read_text().split()[0])


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Installed]:
    """A tracker that is ended after the test, whatever it left."""
    installed = Installed(tmp_path)
    yield installed
    pid_file = PidFile(installed.pid_file)
    if not pid_file.path.is_symlink() and pid_file.look().life is Life.RUNNING:
        pid_file.signal(signal.SIGCONT)
        pid_file.signal(signal.SIGKILL)
        assert pid_file.wait(10)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can let it run as somebody else")


@pytest.fixture
def private_tracker() -> Iterator[Installed]:
    """A tracker in a place that everybody can reach, with a configuration that only root can read.

    Its run directory is the classic place, where no links are made.
    """
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        installed = Installed(Path(name))
        installed.configure(run_dir="/var/run")
        installed.config.chmod(0o600)
        yield installed


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- start -----------------------------------------------------------------------------------------------------------


def test_a_start_returns_when_the_tracker_is_ready(tracker: Installed) -> None:
    """Whoever starts it may rely on what comes after readiness: the state files are there."""
    answer = tracker.do("start")

    assert answer == Answer(0, f"job_tracker started (pid {tracker.pid})\n", "")
    assert (tracker.home / "run" / "job_tracker.LOAD__P.state").exists()
    assert tracker.do("status") == Answer(0, f"job_tracker is running (pid {tracker.pid})\n", "")


def test_the_daemon_has_left_the_terminal(tracker: Installed) -> None:
    """A session of its own, the root as its directory, no streams: a closed terminal does not end it."""
    tracker.do("start")

    process = Path(f"/proc/{tracker.pid}")
    assert os.getsid(tracker.pid) != os.getsid(0)
    assert (process / "cwd").readlink() == Path("/")
    assert {(process / "fd" / str(number)).readlink() for number in (0, 1, 2)} == {Path("/dev/null")}


def test_a_second_start_says_that_it_runs_and_is_content(tracker: Installed) -> None:
    """LSB: starting what runs is no error; and there is still only one."""
    tracker.do("start")
    before = tracker.pid

    assert tracker.do("start") == Answer(0, f"job_tracker runs already (pid {before})\n", "")
    assert tracker.pid == before


def test_of_starts_at_the_same_moment_one_wins(tracker: Installed) -> None:
    """cron, an operator and a boot script do not wait for each other."""
    words = [*PROGRAM, "start", "-c", str(tracker.config), "--pid-file", str(tracker.pid_file)]
    starts = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]

    said = [each.communicate(timeout=60)[0] for each in starts]

    assert [each.returncode for each in starts] == [0] * 4
    assert sorted(each.split(" (")[0].rstrip() for each in said) == ["job_tracker runs already"] * 3 + [
        "job_tracker started"
    ]


def test_a_faulty_configuration_is_said_on_the_terminal_and_starts_nothing(tracker: Installed) -> None:
    """All faults, exit code 2, no process, no pid file."""
    tracker.configure([{**JOB, "timeout_in_hh:mm:ss": "1:75:00"}])

    answer = tracker.do("start")

    assert answer.code == 2
    assert "'1:75:00' is not hh:mm:ss" in answer.err
    assert not tracker.pid_file.exists()


def test_a_start_that_fails_after_detaching_says_why(tracker: Installed) -> None:
    """What is found out only in the background must reach the terminal all the same."""
    (tracker.home / "store.sqlite").write_bytes(b"this is no store" * 100)

    answer = tracker.do("start")

    assert answer.code == 1
    assert "not started, the store is refused" in answer.err
    assert answer.err.endswith("job_tracker: not started\n")
    assert tracker.do("status").code == 3


def test_a_log_that_cannot_be_written_stops_nothing_and_is_said(tracker: Installed) -> None:
    """The monitoring is worth more than its log."""
    tracker.configure(log_file="nowhere/log")
    (tracker.home / "nowhere").write_text("a file where a directory should be")

    answer = tracker.do("start")

    assert answer.code == 0
    assert "log file not written" in answer.err


def test_root_gives_its_rights_up_before_the_daemon_works(tmp_path: Path) -> None:
    """A user nobody has made is refused before anything is touched."""
    tracker = Installed(tmp_path)

    answer = tracker.do("start", "--user", "nobody-of-that-name")

    assert answer.code == 2
    assert "there is no user nobody-of-that-name" in answer.err
    assert not tracker.pid_file.exists()


def test_a_socket_for_stdin_does_not_keep_it_from_leaving(tracker: Installed) -> None:
    """A remote shell or an inetd may hand one over: the start returns, and the daemon is nobody's child."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = tracker.do("start", stdin=theirs.fileno())

    assert answer.code == 0
    assert os.getsid(tracker.pid) != os.getsid(0)


LATE = """
import os, sys, time
from pathlib import Path
from job_tracker.service import control
from job_tracker.process.pid_file import PidFile
def never(account):
    os.closerange(0, 2)
    time.sleep(60)
    os._exit(1)
control.START_SECONDS, control.give_up_root, control.prepare = 1.0, never, lambda *_, **__: 0
control.find_account = lambda user: user
config, pid_file = map(Path, sys.argv[1:])
made = control.Service(config=config, pid_file=PidFile(pid_file), user="x", say=print, complain=print)
sys.exit(made.start())
"""


def test_a_start_has_a_limit_whatever_hangs(tracker: Installed) -> None:
    """A directory of users that does not answer must not hold up the boot."""
    words = [sys.executable, "-c", LATE, str(tracker.config), str(tracker.pid_file)]
    start = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)

    try:
        said, _ = start.communicate(timeout=20)
    finally:
        os.killpg(start.pid, signal.SIGKILL)

    assert start.returncode == 1
    assert "not ready within 1 s" in said


@needs_root
def test_a_configuration_that_the_daemon_may_not_read_is_said_on_the_terminal(private_tracker: Installed) -> None:
    """Root reads everything; what the daemon may not read is refused as any other faulty configuration is."""
    answer = private_tracker.do("start", "--user", "nobody")

    assert answer.code == 2
    assert answer.err == (
        f"{private_tracker.config}: cannot be read: Permission denied\n"
        "job_tracker: that is the configuration as nobody finds it, as whom the daemon runs\n"
        "job_tracker: not started\n"
    )
    assert private_tracker.do("status").code == 3


# -- stop, restart ---------------------------------------------------------------------------------------------------


def test_a_stop_returns_when_it_has_ended(tracker: Installed) -> None:
    """And leaves a pid file that says so: empty."""
    tracker.do("start")

    assert tracker.do("stop") == Answer(0, "job_tracker stopped\n", "")

    assert tracker.pid_file.read_text() == ""
    assert tracker.do("status") == Answer(3, "job_tracker is not running\n", "")
    assert tracker.do("stop") == Answer(0, "job_tracker is not running\n", "")


def test_a_restart_is_another_process(tracker: Installed) -> None:
    """And with nothing running it is a start."""
    assert tracker.do("restart").code == 0
    before = tracker.pid

    answer = tracker.do("restart")

    assert answer == Answer(0, f"job_tracker stopped\njob_tracker started (pid {tracker.pid})\n", "")
    assert tracker.pid != before


def test_a_restart_with_a_faulty_configuration_leaves_it_running(tracker: Installed) -> None:
    """A typing error must not end the monitoring."""
    tracker.do("start")
    before = tracker.pid
    tracker.config.write_text("{")

    assert tracker.do("restart").code == 2

    assert tracker.do("status") == Answer(0, f"job_tracker is running (pid {before})\n", "")


def test_a_stop_that_had_to_kill_leaves_nothing_to_be_taken_for_a_crash(
    tracker: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LSB: after a stop that succeeded, status is 3."""
    tracker.do("start")
    os.kill(tracker.pid, signal.SIGSTOP)
    monkeypatch.setattr(control, "STOP_SECONDS", 0.5)
    heard: list[str] = []

    stopping = control.Service(
        config=tracker.config, pid_file=PidFile(tracker.pid_file), say=heard.append, complain=heard.append
    )
    code = stopping.stop()

    assert code == 0
    assert heard == ["job_tracker: it did not end within 0 s; it was killed"]
    assert tracker.do("status").code == 3


def test_a_stop_of_what_is_dead_already_leaves_nothing_either(tracker: Installed) -> None:
    """And what never was leaves no file."""
    tracker.do("stop")
    assert not tracker.pid_file.exists()

    tracker.do("start")
    os.kill(tracker.pid, signal.SIGKILL)
    assert PidFile(tracker.pid_file).wait(10)

    assert tracker.do("stop").code == 0
    assert tracker.do("status").code == 3


@needs_root
@pytest.mark.parametrize("action", ["restart", "reload"])
def test_a_running_one_is_left_alone_if_it_may_not_read_the_configuration(
    private_tracker: Installed, action: str
) -> None:
    """It would be ended for nothing, or refuse what it was said to read."""
    private_tracker.configure(run_dir="run")
    private_tracker.do("start")
    before = private_tracker.pid
    private_tracker.configure(run_dir="/var/run")
    try:
        answer = private_tracker.do(action, "--user", "nobody")

        assert answer.code == 2
        assert f"{private_tracker.config}: cannot be read: Permission denied" in answer.err
        assert "as nobody finds it" in answer.err
        assert private_tracker.do("status").out == f"job_tracker is running (pid {before})\n"
        assert "configuration" not in private_tracker.log.read_text()
    finally:
        private_tracker.do("stop")


# -- what was left behind --------------------------------------------------------------------------------------------


def test_a_killed_one_is_dead_and_can_be_started(tracker: Installed) -> None:
    """LSB: 1 is dead with its pid file left; and the file keeps nobody from starting."""
    tracker.do("start")
    pid = tracker.pid
    os.kill(pid, signal.SIGKILL)
    assert PidFile(tracker.pid_file).wait(10)

    assert tracker.do("status") == Answer(
        1, f"job_tracker is dead: {tracker.pid_file} was left behind (pid {pid})\n", ""
    )
    assert tracker.do("start").code == 0
    assert tracker.pid != pid


def test_a_number_that_now_belongs_to_somebody_else_means_nothing(tracker: Installed) -> None:
    """After a power cut the old number is anybody's: it is neither taken for ours nor sent a signal."""
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            tracker.pid_file.write_text(f"{stranger.pid}\n")

            assert tracker.do("status").code == 1
            assert tracker.do("stop").code == 0
            assert tracker.do("start").code == 0
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("content", ["", "\n", "x" * 5000, "-1", "99999999999999999999"])
def test_whatever_the_pid_file_holds_it_can_be_started(content: str, tracker: Installed) -> None:
    """Half a write, another program's format: the lock decides."""
    tracker.pid_file.write_text(content)

    assert tracker.do("start").code == 0


def test_a_pid_file_that_is_a_link_is_not_followed(tracker: Installed) -> None:
    """Root would empty the file it leads to."""
    treasure = tracker.home / "treasure"
    treasure.write_text("precious")
    tracker.pid_file.symlink_to(treasure)

    assert tracker.do("start").code == 1
    assert treasure.read_text() == "precious"


def test_others_cannot_hold_its_lock(tracker: Installed) -> None:
    """Whoever may open the file may lock it, and would look like the daemon."""
    tracker.do("start")

    assert tracker.pid_file.stat().st_mode & 0o007 == 0


# -- reload ----------------------------------------------------------------------------------------------------------


def test_a_reload_takes_new_jobs_in(tracker: Installed) -> None:
    """Without a restart: the process stays."""
    tracker.do("start")
    before = tracker.pid
    tracker.configure([JOB, {**JOB, "name": "BACKUP"}])

    answer = tracker.do("reload")

    assert answer.code == 0
    until((tracker.home / "run" / "job_tracker.BACKUP__P.state").exists)
    assert tracker.pid == before


def test_a_faulty_reload_is_refused_and_said_here_in_the_log_and_in_the_daemons_service(tracker: Installed) -> None:
    """Who asked may have gone home by the time that somebody wonders why the new job is not watched."""
    tracker.do("start")
    tracker.configure([{**JOB, "timeout_in_hh:mm:ss": "1:75:00"}])

    answer = tracker.do("reload")

    assert answer.code == 2
    assert "1:75:00" in answer.err
    stays = "not reloaded, the old configuration stays in force"
    assert answer.err.endswith(f"job_tracker: {stays}; {tracker.config} is at fault\n")
    services = tracker.home / "run" / "job_tracker.services"
    until(lambda: f"1 job_tracker - {stays}: {tracker.config}: jobs[0]" in services.read_text())
    assert stays in tracker.log.read_text()
    assert tracker.do("status").code == 0


def test_a_reload_without_a_name_reads_what_the_daemon_runs_with(tracker: Installed) -> None:
    """Root asks from another shell; and one that names another file is told to restart."""
    tracker.do("start")
    tracker.configure([JOB, {**JOB, "name": "BACKUP"}])
    other = tracker.home / "other.cfg"
    other.write_text(tracker.config.read_text())
    heard: list[str] = []
    pid_file = PidFile(tracker.pid_file)

    refused = control.Service(config=other, pid_file=pid_file, say=heard.append, complain=heard.append).reload()
    asked = control.Service(config=other, pid_file=pid_file, is_chosen=False, say=heard.append, complain=heard.append)
    done = asked.reload()
    until((tracker.home / "run" / "job_tracker.BACKUP__P.state").exists)

    assert (refused, done) == (2, 0)
    assert heard == [
        f"job_tracker: not reloaded: it runs with {tracker.config}; restart it with {other}",
        f"job_tracker reads {tracker.config} again",
    ]


def test_a_reload_of_what_does_not_run_is_seven(tracker: Installed) -> None:
    """LSB: the program is not running."""
    assert tracker.do("reload") == Answer(7, "", "job_tracker: not reloaded: it is not running\n")


RELOADED_EARLY = """
import os, signal, sys
from pathlib import Path
from job_tracker.daemon import loop, starting
from job_tracker.process.supervisor import Supervisor
room, name = {"daemon": starting, "loop": loop.Loop}[sys.argv[2]], sys.argv[3]
original = getattr(room, name)
def interrupted(*words):
    os.kill(os.getpid(), signal.SIGHUP)
    return original(*words)
setattr(room, name, interrupted)
sys.exit(starting.run(Path(sys.argv[1]), Supervisor()))
"""


@pytest.mark.parametrize(
    ("room", "name"),
    [
        ("daemon", "begin_log"),
        ("daemon", "open_ledger"),
        ("daemon", "calm_garbage_collection"),
        ("loop", "watch_signals"),
    ],
)
def test_a_reload_is_not_lost_however_early_it_comes(tracker: Installed, room: str, name: str) -> None:
    """The configuration may have changed just after it was read."""
    words = [sys.executable, "-c", RELOADED_EARLY, str(tracker.config), room, name]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as daemon:
        try:
            until(lambda: tracker.log.exists() and "configuration reloaded" in tracker.log.read_text())
        finally:
            daemon.terminate()
    assert daemon.returncode == 0


# -- links -----------------------------------------------------------------------------------------------------------


def test_links_follow_the_configured_jobs(tmp_path: Path) -> None:
    """Made, kept, and removed with their jobs; what is not ours stays."""
    classic, run_dir = tmp_path / "run", tmp_path / "run" / "job_tracker"
    run_dir.mkdir(parents=True)
    (classic / "job_tracker.FOREIGN__P.state").symlink_to("/elsewhere/job_tracker.FOREIGN__P.state")

    made = classic_links.make(["A__P", "B__P"], run_dir, classic)
    again = classic_links.make(["A__P", "B__P"], run_dir, classic)
    removed = classic_links.make(["A__P"], run_dir, classic)

    assert (made, again, removed) == (2, 0, 1)
    assert (classic / "job_tracker.A__P.state").readlink() == run_dir / "job_tracker.A__P.state"
    assert sorted(each.name for each in classic.iterdir()) == [
        "job_tracker",
        "job_tracker.A__P.state",
        "job_tracker.FOREIGN__P.state",
    ]


def test_a_state_file_of_a_tracker_that_ran_as_root_becomes_a_link(tmp_path: Path) -> None:
    """Whoever moves from the second choice to the first must not read old files for ever."""
    run_dir = tmp_path / "job_tracker"
    run_dir.mkdir()
    (tmp_path / "job_tracker.A__P.state").write_text("0 job_A__P - old\n")

    classic_links.make(["A__P"], run_dir, tmp_path)

    assert (tmp_path / "job_tracker.A__P.state").readlink() == run_dir / "job_tracker.A__P.state"


def test_a_run_directory_at_the_classic_place_needs_no_links(tmp_path: Path) -> None:
    """They would lead to themselves."""
    assert classic_links.make(["A__P"], tmp_path, tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Installed, Path]:
    """A tracker with links at a classic place of its own, whose configuration then names another run directory."""
    classic = tmp_path / "classic"
    classic.mkdir()
    monkeypatch.setattr(classic_links, "CLASSIC", classic)
    monkeypatch.setattr(classic_links.make, "__defaults__", (classic,))
    monkeypatch.setattr(classic_links.elsewhere, "__defaults__", (classic,))
    monkeypatch.setattr(control, "find_account", lambda _: pwd.getpwuid(os.getuid()))
    monkeypatch.setattr(control, "give_up_root", lambda _: None)
    tracker = Installed(tmp_path)
    classic_links.make(["LOAD__P"], tmp_path / "run", classic)
    (tmp_path / "other").mkdir()
    tracker.configure(run_dir="other")
    return tracker, classic / "job_tracker.LOAD__P.state"


def test_a_reload_with_another_run_directory_says_to_restart(moved: tuple[Installed, Path]) -> None:
    """The links would lead into an empty directory, while the daemon goes on to write to the one it began with."""
    tracker, link = moved
    before = link.readlink()
    heard: list[str] = []
    running, asked = PidFile(tracker.pid_file), PidFile(tracker.pid_file)
    assert running.take()

    reloading = control.Service(config=tracker.config, pid_file=asked, say=heard.append, complain=heard.append)
    code = reloading.reload()

    assert code == 1
    assert heard == [
        (
            f"job_tracker: not reloaded: run_dir is {tracker.home}/other, but it runs with {tracker.home}/run; "
            "restart it, that cannot be reloaded"
        )
    ]
    assert link.readlink() == before


def test_links_are_not_moved_while_systemd_reloads_it_and_are_when_it_starts(
    moved: tuple[Installed, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd names the process that is to be reloaded; before a start there is none."""
    tracker, link = moved
    config, account = load(tracker.config), pwd.getpwuid(os.getuid())
    monkeypatch.setenv("MAINPID", "4711")
    with pytest.raises(rights.RestartNeeded, match="restart it"):
        rights.prepare(config, account)
    assert link.readlink().parent == tracker.home / "run"

    monkeypatch.delenv("MAINPID")
    rights.prepare(config, account)

    assert link.readlink().parent == tracker.home / "other"


def test_the_same_directory_by_another_name_is_no_other(tmp_path: Path) -> None:
    """/var/run is a link to /run; and a job without a link has none to be moved."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (tmp_path / "also").symlink_to(run_dir)
    classic_links.make(["A__P"], tmp_path / "also", tmp_path)

    assert classic_links.elsewhere(["NEW__P", "A__P"], run_dir, tmp_path) is None
    assert classic_links.elsewhere(["A__P"], tmp_path / "other", tmp_path) == tmp_path / "also"


def test_tmpfiles_makes_the_same_at_boot() -> None:
    """Golden: systemd-tmpfiles reads it."""
    text = classic_links.tmpfiles(["A__P"], Path("/run/job_tracker"), "job_tracker", "job_tracker")

    assert text.splitlines()[1:] == [
        "d /run/job_tracker 0750 job_tracker job_tracker -",
        "L+ /run/job_tracker.A__P.state - - - - /run/job_tracker/job_tracker.A__P.state",
    ]


@needs_root
@pytest.mark.parametrize("there_is_one", [True, False])
def test_the_run_directory_is_for_its_readers_group_where_there_is_one(
    tracker: Installed, monkeypatch: pytest.MonkeyPatch, there_is_one: bool
) -> None:
    """A Checkmk agent that is not root reads what is told, and nothing else of the daemon's."""
    account = pwd.getpwnam("nobody")
    group = grp.getgrgid(0) if there_is_one else grp.getgrgid(account.pw_gid)
    monkeypatch.setattr(rights, "READERS", group.gr_name if there_is_one else "no such group")
    tracker.configure(run_dir=str(tracker.home / "new"))

    rights.prepare(load(tracker.config), account)

    made = (tracker.home / "new").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (account.pw_uid, group.gr_gid, 0o750)
    assert rights.group_of(account) == group.gr_name


# -- systemd ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def test_systemd_hears_readiness_reload_and_the_end(tracker: Installed, heard: socket.socket) -> None:
    """Ready without waiting for a source, alive while it runs, and what it does in between."""
    tracker.configure(controller_interval_in_sec=3600)
    environment = {**os.environ, "NOTIFY_SOCKET": str(tracker.home / "notify"), "WATCHDOG_USEC": "1600000"}
    words = [*PROGRAM, "run", "-c", str(tracker.config)]
    with subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL) as daemon:
        try:
            assert heard.recv(1000) == b"READY=1"
            assert [heard.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            daemon.send_signal(signal.SIGHUP)
            said = [heard.recv(1000) for _ in range(20)]
            begun = next(number for number, each in enumerate(said) if each.startswith(b"RELOADING=1\nMONOTONIC_USEC="))
            assert said[begun + 1] == b"READY=1"
        finally:
            daemon.terminate()
        while heard.recv(1000) != b"STOPPING=1":
            pass
        assert daemon.wait(20) == 0


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a socket that is gone, or a watchdog that is somebody else's, costs nothing."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert type(supervisor.from_environment()) is supervisor.Supervisor

    gone = supervisor.Systemd({"NOTIFY_SOCKET": "@no such", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"})
    gone.ready()
    gone.alive()
    assert gone.longest_silence == supervisor.Supervisor.longest_silence
