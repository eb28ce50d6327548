"""The local check as the agent starts it: real shells, real awks, real files, and an owner who means harm."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkmk_grammar import LocalLine, parse_local_line

from job_tracker.outputs.checkmk.files import services_text

SCRIPT = Path(__file__).parents[2] / "job_tracker" / "onhost" / "local-check.sh"
NOBODY = 65534
LINES = [
    "0 job_tracker - OK: 2 jobs, 1 source\n",
    "0 job_LOAD__P duration=12.5|errors=0 NOT_RUNNING since 2026-11-23 02:14:07\n",
    "2 job_BACKUP__P - ERROR since 2026-11-23 02:14:07 (2 of 2 errors): Größe überschritten …\n",
    "0 job_source_app1 - reachable\n",
]
INTERPRETERS = [("dash", "mawk"), ("bash", "gawk"), ("dash", "original-awk"), ("busybox", "busybox")]
# What the check needs, so that a test can leave one of them out.
TOOLS = [
    *("awk", "bash", "busybox", "cat", "dash", "date", "head", "id", "ln", "mkdir", "mkfifo", "mv", "rm", "setpriv"),
    *("sh", "sleep", "stat", "su", "true", "wc"),
]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can read as somebody else")


class Check:
    """The local check of one directory, under one shell and one awk."""

    def __init__(self, shell: str, awk: str, tools: Path) -> None:
        for program in (shell, awk):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        self.shell = ["busybox", "sh"] if shell == "busybox" else [shell]
        self.tools = tools
        self.script = SCRIPT
        self.only_tools = False
        self.state, self.lists = tools.parent / "state", tools.parent / "lists"
        self.as_somebody: list[str] = []
        (tools / "awk").symlink_to(str(shutil.which(awk)))

    def replace_tool(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def leave_out(self, *names: str) -> None:
        """Let the check find only its own tools, and not these."""
        for name in set(TOOLS) - set(names):
            found = shutil.which(name)
            if found and not (self.tools / name).exists():
                (self.tools / name).symlink_to(found)
        self.only_tools = True

    def hurry(self, seconds: str) -> None:
        """Let the check give up sooner."""
        script = self.tools / "local-check.sh"
        script.write_text(self.script.read_text().replace("seconds_to_read=5", f"seconds_to_read={seconds}"))
        self.script = script

    def output(self, run_dir: Path) -> bytes:
        path = str(self.tools) if self.only_tools else f"{self.tools}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **self.environment(run_dir)}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # a pipe could be held open for ever
            words = [*self.as_somebody, *self.shell, str(self.script)]
            subprocess.run(
                words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=60, check=True
            )
            out.seek(0)
            err.seek(0)
            assert err.read() == b""
            return out.read()

    def environment(self, run_dir: Path) -> dict[str, str]:
        """Where it reads and keeps what."""
        return {
            "JOB_TRACKER_RUN_DIR": str(run_dir),
            "JOB_TRACKER_STATE_DIR": str(self.state),
            "JOB_TRACKER_LISTS": str(self.lists),
        }

    def have_list(self, name: str, *entries: object) -> None:
        """Let root have written a list."""
        self.lists.mkdir(exist_ok=True)
        (self.lists / name).write_text("".join(f"{entry}\n" for entry in entries))

    def lines(self, run_dir: Path) -> list[LocalLine]:
        return [parse_local_line(line) for line in self.output(run_dir).decode().splitlines(keepends=True)]


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user can pass through; pytest's own shuts other users out."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=INTERPRETERS, ids="-".join)
def check(request: pytest.FixtureRequest, open_path: Path) -> Check:
    """The check under each pair of shell and awk that a host may have."""
    (open_path / "tools").mkdir()
    shell, awk = request.param
    return Check(shell, awk, open_path / "tools")


@pytest.fixture(params=["own", pytest.param("nobody", marks=needs_root)])
def run_dir(request: pytest.FixtureRequest, open_path: Path) -> Path:
    """A run directory of our own, and one that belongs to another user."""
    directory = open_path / "run"
    directory.mkdir(mode=0o755)
    if request.param == "nobody":
        os.chown(directory, NOBODY, NOBODY)
    return directory


def fresh_text(lines: list[str] = LINES, *, age: float = 0, stale_after: float = 60) -> str:
    return services_text(lines, written=time.time() - age, stale_after=stale_after)


def leave(run_dir: Path, content: str | bytes) -> Path:
    """Put a services file into the directory, as the directory's owner would."""
    path = run_dir / "job_tracker.services"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.chown(path, run_dir.stat().st_uid, -1)
    path.chmod(0o644)
    return path


def as_owner(action: str) -> str:
    """A `head` that does something else first where it reads the file, which it does as the owner."""
    return f'case "$*" in *.services) {action} ;; esac; exec {shutil.which("head")} "$@"'


def only_critical(lines: list[LocalLine]) -> bool:
    return [(line.status, line.name) for line in lines] == [(2, "job_tracker")]


def doubted(lines: list[LocalLine]) -> bool:
    """The daemon's service is CRIT and comes first, and everything else listed is UNKNOWN."""
    return (lines[0].status, lines[0].name) == (2, "job_tracker") and {line.status for line in lines[1:]} <= {3}


def test_a_fresh_file_is_printed_as_it_is(check: Check, run_dir: Path) -> None:
    """What the daemon wrote reaches Checkmk byte for byte."""
    leave(run_dir, fresh_text())

    assert check.output(run_dir).decode() == "".join(LINES)


def test_many_services_are_printed_in_order(check: Check, run_dir: Path) -> None:
    """Lines are kept in blocks; none may be lost between two of them."""
    lines = [f"0 job_{number}__P - text {number}\n" for number in range(1003)]
    leave(run_dir, fresh_text(lines))

    assert check.output(run_dir).decode() == "".join(lines)


def test_stale_data_never_stays_green(check: Check, run_dir: Path) -> None:
    """The daemon's death must be visible; the last known text helps whoever looks."""
    written = int(time.time()) - 3600
    leave(run_dir, services_text(LINES, written=written, stale_after=60))

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert [line.name for line in lines] == ["job_tracker", "job_LOAD__P", "job_BACKUP__P", "job_source_app1"]
    since = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(written))
    last = "NOT_RUNNING since 2026-11-23 02:14:07"
    assert lines[1].text == f"job_tracker has not reported since {since}; last: {last}"


def test_data_are_fresh_up_to_the_age_that_the_file_names(check: Check, run_dir: Path) -> None:
    """A tracker with a long interval is not dead between two cycles."""
    leave(run_dir, fresh_text(age=3600, stale_after=4000))

    assert check.output(run_dir).decode() == "".join(LINES)


def test_a_clock_that_is_a_little_off_is_forgiven(check: Check, run_dir: Path) -> None:
    """A correction of the clock by seconds is no reason to doubt every job."""
    leave(run_dir, fresh_text(age=-30))

    assert check.output(run_dir).decode() == "".join(LINES)


def test_data_from_the_future_are_doubted(check: Check, run_dir: Path) -> None:
    """They would stay green for as long as they lie ahead, however dead the daemon."""
    leave(run_dir, fresh_text(age=-3600))

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert len(lines) == 4
    assert "ahead" in lines[0].text


def test_a_missing_file_is_critical(check: Check, run_dir: Path) -> None:
    """After a boot the directory is empty until the daemon has started."""
    lines = check.lines(run_dir)

    assert only_critical(lines)
    assert "missing" in lines[0].text


def test_a_missing_directory_is_critical(check: Check, open_path: Path) -> None:
    """The agent goes on, and the operator reads which directory was meant."""
    lines = check.lines(open_path / "nowhere")

    assert only_critical(lines)
    assert "nowhere" in lines[0].text


@needs_root
def test_an_unreadable_file_is_critical(check: Check, open_path: Path) -> None:
    """It is read as the directory's owner, who may not read what root alone may."""
    directory = open_path / "run"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    path = leave(directory, fresh_text())
    os.chown(path, 0, 0)
    path.chmod(0o600)

    assert only_critical(check.lines(directory))


@pytest.mark.parametrize("cut", [0, 10, 45, -150, -60, -8, -2])
def test_a_file_cut_short_is_doubted(check: Check, run_dir: Path, cut: int) -> None:
    """Half a line can look like a whole one: only the last line tells."""
    content = fresh_text().encode()
    leave(run_dir, content[:cut] if cut else b"")

    assert doubted(check.lines(run_dir))


@pytest.mark.parametrize(
    "planted",
    [
        "<<<<otherhost>>>>",
        "<<<check_mk>>>",
        "4 job_x - invalid status",
        "P job_x - computed status",
        "0 job_x -  two spaces",
        "0 job_x - ",
        "0 job_x -",
        "0  job_x - text",
        "0 'job_x' - text",
        '0 "job x" - text',
        "0 job_x =1 text",
        "0 job_x a=nan text",
        "0 job_x a=1| text",
        "0 job_x a:b=1 text",
        "0 job_x - \\n",
        "0 job_x - text\twith a tab",
        "0 job_x - text\rwith a return",
        "0 job_x - <<<check_mk>>>",
        "0 job_x - \x1b[31mred",
        "",
        "# end",
        "cached(1,0) 0 job_x - text",
        "root:$6$salt$hash:19000:0:99999:7:::",
        "0 job_x - " + "y" * 40_000,
    ],
)
def test_a_planted_line_is_not_printed_and_everything_is_doubted(check: Check, run_dir: Path, planted: str) -> None:
    """Who owns the directory must not speak for another host, hide the agent's other sections or crash a check."""
    leave(run_dir, fresh_text().replace("# end\n", f"{planted}\n# end\n"))

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert "job_x" not in {line.name for line in lines}


def test_lines_after_the_end_are_doubted(check: Check, run_dir: Path) -> None:
    """What comes after the end was not written by the daemon."""
    leave(run_dir, fresh_text() + "0 job_x - appended\n")

    assert doubted(check.lines(run_dir))


def test_a_planted_nul_is_never_printed(check: Check, run_dir: Path) -> None:
    """A NUL would become a separator; an awk that cannot see one prints the line up to it and no further."""
    leave(run_dir, fresh_text().replace("reachable", "reach\0<<<able"))

    lines = check.lines(run_dir)

    assert doubted(lines) or lines[-1].text == "reach"


def test_a_planted_service_of_the_daemons_name_does_not_outlive_it(check: Check, run_dir: Path) -> None:
    """Checkmk takes the last line of a name: a second job_tracker would turn the CRIT green."""
    leave(run_dir, fresh_text(age=3600).replace("# end", "0 job_tracker - fine\n# end"))

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert [line.name for line in lines].count("job_tracker") == 1


@pytest.mark.parametrize(
    "header",
    ["", "# job_tracker services 2 1 60", "# job_tracker services 1 x 60", f"# job_tracker services 1 {'9' * 5000} 60"],
)
def test_an_unknown_first_line_is_doubted(check: Check, run_dir: Path, header: str) -> None:
    """Without a moment that can be read nothing can be called fresh."""
    leave(run_dir, "\n".join([header, *fresh_text().split("\n")[1:]]))

    assert doubted(check.lines(run_dir))


def test_a_huge_line_and_a_huge_file_are_critical(check: Check, run_dir: Path) -> None:
    """A gigabyte, sparse and so for free to whoever plants it, must cost the agent neither memory nor minutes."""
    path = leave(run_dir, fresh_text())
    os.truncate(path, 1 << 30)

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert len(lines) <= len(LINES)


def test_a_link_is_refused(check: Check, run_dir: Path, open_path: Path) -> None:
    """Even one to a file of the right shape: the daemon writes no link there."""
    elsewhere = open_path / "elsewhere"
    elsewhere.write_text(fresh_text())
    (run_dir / "job_tracker.services").symlink_to(elsewhere)

    lines = check.lines(run_dir)

    assert only_critical(lines)
    assert "link" in lines[0].text


@pytest.mark.parametrize("target", ["/etc/shadow", "/dev/zero", "/nowhere"])
def test_a_link_to_a_secret_a_device_or_nothing_is_critical(check: Check, run_dir: Path, target: str) -> None:
    """Root reads everything; the monitoring must not be the way to it."""
    (run_dir / "job_tracker.services").symlink_to(target)

    assert only_critical(check.lines(run_dir))


def test_a_fifo_is_critical_at_once(check: Check, run_dir: Path) -> None:
    """The agent has no time limit: opening this would block it for ever."""
    os.mkfifo(run_dir / "job_tracker.services")

    assert only_critical(check.lines(run_dir))


def test_a_directory_in_the_files_place_is_critical(check: Check, run_dir: Path) -> None:
    """Nothing to read there, and no reason to fall silent."""
    (run_dir / "job_tracker.services").mkdir()

    assert only_critical(check.lines(run_dir))


@needs_root
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_a_device_in_the_files_place_is_critical(check: Check, run_dir: Path) -> None:
    """An endless one would fill the agent's output."""
    try:
        os.mknod(run_dir / "job_tracker.services", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container makes no devices")

    assert only_critical(check.lines(run_dir))


@pytest.mark.parametrize("without", ["nothing", "timeout"])
def test_a_fifo_swapped_in_after_the_look_ends_with_the_time_limit(check: Check, run_dir: Path, without: str) -> None:
    """Between looking at the file and opening it the owner may act: only a time limit helps then."""
    check.hurry("0.2")
    check.replace_tool("head", as_owner("rm job_tracker.services; mkfifo job_tracker.services"))
    if without == "timeout":
        check.leave_out("timeout")
    leave(run_dir, fresh_text())

    lines = check.lines(run_dir)

    assert only_critical(lines)
    assert stat.S_ISFIFO((run_dir / "job_tracker.services").stat().st_mode)


@needs_root
@pytest.mark.parametrize("without", ["nothing", "setpriv"])
def test_a_secret_swapped_in_after_the_look_stays_secret(check: Check, open_path: Path, without: str) -> None:
    """It is read as the directory's owner, so a link shows no more than the owner could read anyway."""
    directory = open_path / "run"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    secret = open_path / "secret"
    secret.write_text(fresh_text(["0 job_secret - of the right shape\n"]))
    secret.chmod(0o600)
    check.replace_tool("head", as_owner(f"ln -sf {secret} job_tracker.services"))
    if without == "setpriv":
        check.leave_out("setpriv")
    leave(directory, fresh_text())

    lines = check.lines(directory)

    assert only_critical(lines)
    assert (directory / "job_tracker.services").is_symlink()


@needs_root
def test_without_setpriv_it_reads_as_the_owner_through_su(check: Check, run_dir: Path) -> None:
    """A host without util-linux' setpriv shows its services, too."""
    check.leave_out("setpriv")
    leave(run_dir, fresh_text())

    assert check.output(run_dir).decode() == "".join(LINES)


@needs_root
def test_without_any_way_to_become_the_owner_it_is_critical(check: Check, open_path: Path) -> None:
    """Root never reads another user's directory as root, however inconvenient."""
    directory = open_path / "run"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    check.leave_out("setpriv", "su")
    leave(directory, fresh_text())

    assert only_critical(check.lines(directory))


# -- an owner who acts against the check itself ----------------------------------------------------------------------


@pytest.fixture
def owner() -> Iterator[pwd.struct_passwd]:
    """A user without any process, not the one of a test at the same time; what was started as this user is ended."""
    busy = {each.stat().st_uid for each in Path("/proc").iterdir() if each.name.isdigit() and each.exists()}
    idle = [each for each in pwd.getpwall() if each.pw_uid not in {0, NOBODY, *busy} and each.pw_uid < 1000]
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if worker >= len(idle):
        pytest.skip("all users are at work here")
    yield idle[worker]
    subprocess.run([*become(idle[worker]), "sh", "-c", "kill -s KILL -- -1"], check=False)


@pytest.fixture
def private_dir(open_path: Path, owner: pwd.struct_passwd) -> Path:
    """The owner's run directory, closed to others, as systemd makes it."""
    directory = open_path / "private"
    directory.mkdir(mode=0o750)
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    return directory


def become(user: pwd.struct_passwd) -> list[str]:
    return ["setpriv", f"--reuid={user.pw_uid}", "--regid=65534", "--clear-groups"]


@needs_root
@pytest.mark.parametrize("without", ["nothing", "timeout", "setpriv"])
def test_an_owner_who_stops_all_processes_of_its_own_does_not_hang_the_check(
    check: Check, private_dir: Path, owner: pwd.struct_passwd, without: str
) -> None:
    """The agent waits for ever: the limit must be kept by somebody whom the owner cannot stop."""
    check.hurry("0.5")
    check.replace_tool("head", as_owner("sleep 0.3"))
    if without != "nothing":
        check.leave_out(without)
    leave(private_dir, fresh_text())
    loop = [*become(owner), "sh", "-c", "echo begun; while :; do kill -s STOP -- -1; done"]

    with subprocess.Popen(loop, stdout=subprocess.PIPE, text=True) as stopping:
        assert stopping.stdout is not None
        assert stopping.stdout.readline() == "begun\n"
        try:
            lines = check.lines(private_dir)
        finally:
            stopping.kill()

    assert only_critical(lines)


@needs_root
@pytest.mark.parametrize("without", ["nothing", "timeout", "setpriv"])
def test_an_owner_who_keeps_the_pipe_open_does_not_hang_the_check(
    check: Check, private_dir: Path, without: str
) -> None:
    """What the reader has open, the owner can take over: the judgement must not wait until that is closed."""
    check.hurry("0.5")
    check.replace_tool("head", as_owner("sleep 600 &"))
    if without != "nothing":
        check.leave_out(without)
    leave(private_dir, fresh_text())

    lines = check.lines(private_dir)

    assert doubted(lines)


@needs_root
def test_what_an_owner_pours_into_the_pipe_is_cut(check: Check, private_dir: Path) -> None:
    """The size is limited behind the pipe, where the owner cannot lift the limit."""
    check.replace_tool("head", as_owner("cat job_tracker.services; exec cat /dev/zero"))
    leave(private_dir, fresh_text())

    assert doubted(check.lines(private_dir))


@needs_root
@pytest.mark.parametrize("whose", ["somebody's", "nobody's"])
def test_the_judge_is_neither_the_owner_nor_root(
    check: Check, open_path: Path, private_dir: Path, owner: pwd.struct_passwd, whose: str
) -> None:
    """The owner could trace it and write into its output; root has more to lose by a fault of awk."""
    uid = owner.pw_uid if whose == "somebody's" else NOBODY
    os.chown(private_dir, uid, -1)
    (check.tools / "awk").unlink()
    check.replace_tool("awk", 'cat >/dev/null; echo "0 job_uid - $(id -u)"')
    leave(private_dir, fresh_text())

    (line,) = check.lines(private_dir)

    assert int(line.text) not in {0, uid}


@needs_root
def test_the_reader_has_nothing_of_the_agents_open(check: Check, private_dir: Path) -> None:
    """Whatever it has open is the owner's: stdin may be the connection to the monitoring."""
    check.replace_tool("head", as_owner('ls -l "/proc/$$/fd" >open'))
    leave(private_dir, fresh_text())
    ours = private_dir.parent / "ours"
    ours.write_text("0 job_x - planted\n")
    environment = {**os.environ, "PATH": f"{check.tools}:{os.environ['PATH']}", **check.environment(private_dir)}

    with ours.open() as stdin:
        agent = ["sh", "-c", f'exec "$@" 3<"{ours}" 7<"{ours}"', "agent", *check.shell, str(check.script)]
        subprocess.run(agent, env=environment, stdin=stdin, stdout=subprocess.DEVNULL, timeout=30, check=True)

    shown = (private_dir / "open").read_text()
    assert "0 -> /dev/null" in shown
    assert "1 -> pipe" in shown
    assert str(ours) not in shown


@needs_root
def test_stale_data_in_a_directory_closed_to_others_are_dated(check: Check, private_dir: Path) -> None:
    """Who judges may not enter the directory, and needs not."""
    written = int(time.time()) - 3600
    leave(private_dir, services_text(LINES, written=written, stale_after=60)).chmod(0o640)

    lines = check.lines(private_dir)

    assert doubted(lines)
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(written)) in lines[1].text


# -- why there is nothing ---------------------------------------------------------------------------------------------


def test_an_empty_file_is_called_empty(check: Check, run_dir: Path) -> None:
    """A full disk leaves one behind; "not read in time" would send whoever looks the wrong way."""
    leave(run_dir, "")

    (line,) = check.lines(run_dir)

    assert line.text.endswith("job_tracker.services is empty")


@needs_root
def test_a_file_that_its_owner_may_not_read_is_said_to_be_that(check: Check, open_path: Path) -> None:
    """It took no time; a mode, or a restore as root, is at fault."""
    directory = open_path / "run"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    path = leave(directory, fresh_text())
    os.chown(path, 0, 0)
    path.chmod(0o600)

    (line,) = check.lines(directory)

    assert line.text.endswith(f"job_tracker.services cannot be read by user {NOBODY}")


def test_a_file_that_is_not_read_in_time_is_said_to_be_that(check: Check, run_dir: Path) -> None:
    """Only then is time the reason."""
    check.hurry("0.2")
    check.replace_tool("head", as_owner("rm -f job_tracker.services; mkfifo job_tracker.services"))
    leave(run_dir, fresh_text())
    check.replace_tool("setpriv", f'exec {shutil.which("setpriv")} "$@"')

    text = check.lines(run_dir)[0].text

    # as root for somebody else the reason is looked for once more, and by then it is a FIFO with nothing in it
    assert "could not be read within 0.2 s" in text or text.endswith("is empty")


@needs_root
@pytest.mark.parametrize("way", ["setpriv", "su"])
def test_a_way_that_is_there_and_forbidden_is_not_called_missing(check: Check, open_path: Path, way: str) -> None:
    """As in a container where root may not become anybody; installing a package would not help."""
    directory = open_path / "run"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    check.leave_out("setpriv", "su")
    for name in ("setpriv", "su")[("setpriv", "su").index(way) :]:
        check.replace_tool(name, "exit 1")
    leave(directory, fresh_text())

    (line,) = check.lines(directory)

    assert f"{way} is here but may not make this process user {NOBODY}" in line.text
    assert "needed" not in line.text


# -- no service vanishes ----------------------------------------------------------------------------------------------


def replaced(run_dir: Path, how: str) -> None:
    """Let the services file go in one of many ways."""
    path = run_dir / "job_tracker.services"
    path.unlink()
    match how:
        case "a link":
            path.symlink_to("/etc/passwd")
        case "a FIFO":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "empty":
            leave(run_dir, "")
        case "no directory":
            run_dir.rmdir()


@pytest.mark.parametrize("how", ["missing", "no directory", "a link", "a FIFO", "a directory", "empty"])
def test_without_a_file_the_services_of_before_are_unknown(check: Check, run_dir: Path, how: str) -> None:
    """A vanished line is a vanished service, and a discovery at night takes it away for good."""
    leave(run_dir, fresh_text())
    check.output(run_dir)
    replaced(run_dir, how)

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert [line.name for line in lines] == ["job_tracker", "job_LOAD__P", "job_BACKUP__P", "job_source_app1"]
    assert "has left no report, the last one known is of 20" in lines[1].text
    assert lines[1].text.endswith("; last: NOT_RUNNING since 2026-11-23 02:14:07")


def test_a_service_is_remembered_from_its_first_minute(check: Check, run_dir: Path) -> None:
    """A job that was added just before the host was rebooted must not vanish, either."""
    leave(run_dir, fresh_text(LINES[:2]))
    check.output(run_dir)
    leave(run_dir, fresh_text())
    check.output(run_dir)
    replaced(run_dir, "missing")

    assert [line.name for line in check.lines(run_dir)][1:] == ["job_LOAD__P", "job_BACKUP__P", "job_source_app1"]


def test_what_is_remembered_is_written_when_it_is_an_hour_old(check: Check, run_dir: Path) -> None:
    """And not each minute: that would wear out disks for nothing."""
    leave(run_dir, fresh_text(age=3700, stale_after=9000))
    check.output(run_dir)
    first = (check.state / "job_tracker.last").read_text()
    leave(run_dir, fresh_text(age=3600, stale_after=9000))
    check.output(run_dir)
    second = (check.state / "job_tracker.last").read_text()
    leave(run_dir, fresh_text(stale_after=9000))
    check.output(run_dir)

    assert first == second
    assert (check.state / "job_tracker.last").read_text() != first


def test_only_what_is_whole_and_fresh_is_remembered(check: Check, run_dir: Path) -> None:
    """A copy of nonsense would be printed for weeks."""
    leave(run_dir, fresh_text())
    check.output(run_dir)
    kept = (check.state / "job_tracker.last").read_text()
    for text in (fresh_text(LINES[:1])[:-6], fresh_text(LINES[:1], age=600), fresh_text() + "0 job_x - planted\n"):
        leave(run_dir, text)
        check.output(run_dir)

    assert (check.state / "job_tracker.last").read_text() == kept


def test_what_is_remembered_belongs_to_whom_it_runs_as(check: Check, run_dir: Path) -> None:
    """The directory's other user must neither write nor lead it elsewhere."""
    leave(run_dir, fresh_text())
    check.output(run_dir)

    assert stat.S_IMODE(check.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((check.state / "job_tracker.last").stat().st_mode) == 0o600
    assert sorted(os.listdir(check.state)) == ["job_tracker.last"]


@needs_root
@pytest.mark.parametrize("planted", ["a link", "somebody else's"])
def test_a_place_that_is_not_ours_is_not_written_to(check: Check, run_dir: Path, open_path: Path, planted: str) -> None:
    """Root would write where somebody else wants it to."""
    elsewhere = open_path / "elsewhere"
    elsewhere.mkdir()
    if planted == "a link":
        check.state.symlink_to(elsewhere)
    else:
        check.state.mkdir()
        os.chown(check.state, NOBODY, NOBODY)
    leave(run_dir, fresh_text())

    assert check.output(run_dir).decode() == "".join(LINES)
    assert os.listdir(elsewhere) == []
    assert os.listdir(check.state) == []


def test_a_copy_is_judged_like_any_file(check: Check, run_dir: Path) -> None:
    """It holds what the directory's owner wrote, who may have got a line past the first look."""
    leave(run_dir, fresh_text())
    check.output(run_dir)
    copy = check.state / "job_tracker.last"
    copy.write_text(copy.read_text().replace("# end\n", "<<<<otherhost>>>>\n0 job_tracker - fine\n# end\n"))
    replaced(run_dir, "missing")

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert [line.name for line in lines].count("job_tracker") == 1


# -- one zone, and it is named ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "shown"),
    [(" Europe/Berlin", "2026-11-23 03:14:07 CET"), (" America/Argentina/Salta", "2026-11-22 23:14:07 -03")],
)
def test_moments_are_in_the_zone_of_the_file(check: Check, run_dir: Path, zone: str, shown: str) -> None:
    """The texts beside them are; two clocks in one line are an hour of somebody's night."""
    text = services_text(LINES, written=1795400047, stale_after=60)
    leave(run_dir, text.replace(" 1795400047 60\n", f" 1795400047 60{zone}\n"))

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert f"has not reported since {shown};" in lines[1].text


@pytest.mark.parametrize("zone", [" ", " /etc/shadow", " ../../x", " $(id)", " A;id", " :x", " A B", f" {'A' * 200}"])
def test_a_zone_that_is_none_is_an_unknown_first_line(check: Check, run_dir: Path, zone: str) -> None:
    """It becomes part of a command, and of a path."""
    text = services_text(LINES, written=1795400047, stale_after=60)
    leave(run_dir, text.replace(" 1795400047 60\n", f" 1795400047 60{zone}\n"))

    lines = check.lines(run_dir)

    assert doubted(lines)
    assert "unknown first line" in lines[0].text


# -- an agent that is not root ----------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("is_member", [True, False])
def test_an_unprivileged_agent_needs_the_group_and_is_told_so(
    check: Check, open_path: Path, owner: pwd.struct_passwd, is_member: bool
) -> None:
    """It saw one CRIT and no jobs, and nothing said what to do."""
    group = 64999
    directory = open_path / "run"
    directory.mkdir(mode=0o750)
    directory.chmod(0o750)
    os.chown(directory, NOBODY, group)
    leave(directory, fresh_text())
    groups = f"--groups={group}" if is_member else "--clear-groups"
    check.as_somebody = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", groups]

    lines = check.lines(directory)

    if is_member:
        assert [line.name for line in lines] == ["job_tracker", "job_LOAD__P", "job_BACKUP__P", "job_source_app1"]
        assert lines[1].status == 0
    else:
        assert only_critical(lines)
        assert f"may not be entered by user {owner.pw_name}, as whom the agent runs" in lines[0].text
        assert "make it a member of the group" in lines[0].text


# -- other parts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def part(check: Check, run_dir: Path) -> Path:
    """The directory of another part, in root's list, of the same kind as the tracker's."""
    directory = run_dir.parent / "job_tracker_ship"
    directory.mkdir()
    os.chown(directory, run_dir.stat().st_uid, -1)
    check.have_list("local_check_dirs", "# parts", directory, "")
    return directory


PART_LINES = ["0 job_tracker_ship - 2 shippers\n", "0 job_shipper_disk - up to date\n"]


def test_the_services_of_other_parts_are_printed_before_the_trackers(check: Check, run_dir: Path, part: Path) -> None:
    """Each part reports for itself; the tracker's death says nothing of theirs, nor theirs of its."""
    leave(part, fresh_text(PART_LINES))
    leave(run_dir, fresh_text(age=3600))

    lines = check.lines(run_dir)

    assert [(line.status, line.name) for line in lines[:3]] == [
        (0, "job_tracker_ship"),
        (0, "job_shipper_disk"),
        (2, "job_tracker"),
    ]
    assert len(lines) == 6


@pytest.mark.parametrize("how", ["stale", "missing"])
def test_a_part_that_is_dead_is_critical_under_its_own_name(check: Check, run_dir: Path, part: Path, how: str) -> None:
    """And everything it has listed is UNKNOWN, while jobs are as they were."""
    leave(part, fresh_text(PART_LINES))
    leave(run_dir, fresh_text())
    check.output(run_dir)
    if how == "stale":
        leave(part, fresh_text(PART_LINES, age=3600))
    else:
        replaced(part, "missing")

    lines = check.lines(run_dir)

    shown = {line.name: (line.status, line.text) for line in lines}
    assert shown["job_tracker_ship"][0] == 2
    assert shown["job_shipper_disk"][0] == 3
    assert shown["job_shipper_disk"][1].startswith("job_tracker_ship has ")
    assert [shown[name][0] for name in ("job_tracker", "job_LOAD__P", "job_BACKUP__P")] == [0, 0, 2]


def test_a_part_speaks_for_no_job(check: Check, run_dir: Path, part: Path) -> None:
    """Checkmk takes the last line of a name, and that is the tracker's, also when it is UNKNOWN."""
    leave(part, fresh_text(["0 job_tracker - fine\n", "0 job_BACKUP__P - fine\n"]))
    leave(run_dir, fresh_text(age=3600))

    last = {line.name: line.status for line in check.lines(run_dir)}

    assert last["job_tracker"] == 2
    assert last["job_BACKUP__P"] == 3


@pytest.mark.parametrize("entry", ["job_tracker_ship", "/run/other", "/run/job_tracker_x/../y", "/x/job_tracker_$(id)"])
def test_an_entry_that_is_no_part_is_said(check: Check, run_dir: Path, entry: str) -> None:
    """A mistyped line would be a part that nobody watches."""
    leave(run_dir, fresh_text())
    check.have_list("local_check_dirs", entry)

    lines = check.lines(run_dir)

    assert (lines[-1].status, lines[-1].name) == (2, "job_tracker")
    assert "local_check_dirs names" in lines[-1].text
    assert [line.name for line in lines][:4] == ["job_tracker", "job_LOAD__P", "job_BACKUP__P", "job_source_app1"]


# -- services of other hosts ------------------------------------------------------------------------------------------

ELSEWHERE = [
    "@app1 0 job_LOAD__P - on app1\n",
    "@app1 2 job_BACKUP__P - on app1, too\n",
    "@app2.example.com 0 job_OTHER__P - on app2\n",
]


def test_services_of_listed_hosts_go_to_them_and_the_rest_stays(check: Check, run_dir: Path) -> None:
    """The headers are closed, and the section is begun again for whatever the agent prints next."""
    leave(run_dir, fresh_text(LINES[:1]).replace("# end", "".join(ELSEWHERE) + LINES[3] + "# end"))
    check.have_list("piggyback_hosts", "app1", "app2.example.com")

    output = check.output(run_dir).decode().splitlines()

    assert output == [
        "0 job_tracker - OK: 2 jobs, 1 source",
        "0 job_source_app1 - reachable",
        "<<<<app1>>>>",
        "<<<local:sep(0)>>>",
        "0 job_LOAD__P - on app1",
        "2 job_BACKUP__P - on app1, too",
        "<<<<>>>>",
        "<<<<app2.example.com>>>>",
        "<<<local:sep(0)>>>",
        "0 job_OTHER__P - on app2",
        "<<<<>>>>",
        "<<<local:sep(0)>>>",
    ]


def test_many_services_of_many_hosts_are_all_there(check: Check, run_dir: Path) -> None:
    """Lines are kept in blocks, a block has one host, and the file may have hosts in any order."""
    lines = [f"@h{number % 7} 0 job_{number}__P - text {number}\n" for number in range(1003)]
    lines += [f"0 job_{number}__P - text {number}\n" for number in range(1003)]
    leave(run_dir, fresh_text(LINES[:1]).replace("# end", "".join(lines) + "# end"))
    check.have_list("piggyback_hosts", *(f"h{number}" for number in range(7)))

    host, found = "", []
    for line in check.output(run_dir).decode().splitlines():
        if line.startswith("<<<<"):
            host = line.strip("<>")
        elif not line.startswith("<<<"):
            found.append((host, line))

    wanted = [("", LINES[0].rstrip()), *(("", line.rstrip()) for line in lines[1003:])]
    assert found[:1004] == wanted
    assert sorted(found[1004:]) == sorted(tuple(line.rstrip()[1:].split(" ", 1)) for line in lines[:1003])


def test_a_host_that_is_not_listed_is_critical_and_gets_nothing(check: Check, run_dir: Path) -> None:
    """Who owns the directory must not speak for any host it likes; jobs that are ours are shown all the same."""
    leave(run_dir, fresh_text().replace("# end", "".join(ELSEWHERE) + "# end"))
    check.have_list("piggyback_hosts", "app1")

    output = check.output(run_dir).decode()
    ours = [parse_local_line(line) for line in output.split("<<<<")[0].splitlines(keepends=True)]

    assert (ours[0].status, ours[0].name) == (2, "job_tracker")
    assert "names the host app2.example.com for 1 of its services, which is not in the list" in ours[0].text
    assert [line.name for line in ours] == ["job_tracker", "job_LOAD__P", "job_BACKUP__P", "job_source_app1"]
    assert ours[1].status == 0
    assert "job_OTHER__P" not in output
    assert "on app1, too" in output


@pytest.mark.parametrize("how", ["stale", "missing"])
def test_services_of_other_hosts_are_unknown_there_when_the_daemon_is_dead(
    check: Check, run_dir: Path, how: str
) -> None:
    """Stale green is stale green, on whatever host it is shown."""
    text = fresh_text(LINES[:1]).replace("# end", "".join(ELSEWHERE) + "# end")
    leave(run_dir, text)
    check.have_list("piggyback_hosts", "app1", "app2.example.com")
    check.output(run_dir)
    if how == "stale":
        leave(run_dir, text.replace(text.split()[4], str(int(time.time()) - 3600)))
    else:
        replaced(run_dir, "missing")

    output = check.output(run_dir).decode().splitlines()

    assert output[0].startswith("2 job_tracker - ")
    assert output[1:3] == ["<<<<app1>>>>", "<<<local:sep(0)>>>"]
    assert [line[:2] for line in output if line[1] == " "] == ["2 ", "3 ", "3 ", "3 "]
    assert output[-2:] == ["<<<<>>>>", "<<<local:sep(0)>>>"]


@pytest.mark.parametrize(
    "planted",
    [
        "@ 0 job_x - text",
        "@app1  0 job_x - text",
        "@app1 4 job_x - text",
        "@app1 0 job_x -",
        "@app1>>>> 0 job_x - text",
        "@<<<<app2 0 job_x - text",
        "@app1 @app1 0 job_x - text",
        "@-app1 0 job_x - text",
        "@app1 <<<check_mk>>>",
        "@app1",
        "@" + "a" * 300 + " 0 job_x - text",
        "@app1 0 job_x - " + "y" * 40_000,
    ],
)
def test_a_planted_line_of_another_host_is_not_printed(check: Check, run_dir: Path, planted: str) -> None:
    """Nothing of the owner's becomes a header, and a host is one that root has listed, or none."""
    leave(run_dir, fresh_text().replace("# end\n", f"{planted}\n# end\n"))
    check.have_list("piggyback_hosts", "app1", "a" * 300)

    output = check.output(run_dir).decode()

    assert "job_x" not in output
    assert doubted([parse_local_line(line) for line in output.splitlines(keepends=True)])


def test_without_a_list_there_are_no_other_hosts(check: Check, run_dir: Path) -> None:
    """Off is the default, whatever the daemon's configuration says."""
    leave(run_dir, fresh_text().replace("# end", "".join(ELSEWHERE) + "# end"))

    lines = check.lines(run_dir)

    assert (lines[0].status, lines[0].name) == (2, "job_tracker")
    assert "names the host app1 for 3 of its services" in lines[0].text


def test_without_awk_it_is_critical(check: Check, run_dir: Path) -> None:
    """Silence would look like services that vanished."""
    check.leave_out("awk")
    (check.tools / "awk").unlink()
    leave(run_dir, fresh_text())

    assert only_critical(check.lines(run_dir))


def test_the_run_directory_may_be_reached_through_a_link(check: Check, run_dir: Path, open_path: Path) -> None:
    """/var/run is a link to /run."""
    leave(run_dir, fresh_text())
    (open_path / "link").symlink_to(run_dir)

    assert check.output(open_path / "link").decode() == "".join(LINES)


def test_the_script_is_executable_and_names_the_shell() -> None:
    """The agent runs only executable files, and the role copies this one."""
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
    assert os.access(SCRIPT, os.X_OK)
