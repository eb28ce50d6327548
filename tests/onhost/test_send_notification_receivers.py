"""send-notification.py against real ones: FIFO, unix socket, rsyslog by TCP and UDP, sshd and a forced command."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from event_grammar import events_in
from notification_tool import AT, HOSTILE, TOOL, Done, Run, run_tool
from queue_tool import Answer, missing

GOLDEN = b"<130>@1763950447 h1 job_A__P: ERROR since 02:14:07: \xc3\xbc \xf0\x9f\x94\xa5\n"
TEXT = "ERROR since 02:14:07: \u00fc\n\U0001f525".encode()
WORDS = ("event", "-m", "-", "--host", "h1", "--application", "job_A__P", "--at", AT)
STALLED = 1.0
"""Seconds that the tests give a receiver that does not answer."""


@pytest.fixture
def run(python: str, tmp_path: Path) -> Run:
    """The tool under the oldest and the newest Python, with little patience."""
    return lambda *arguments, **options: run_tool(python, *impatient(tmp_path), *arguments, **options)


@pytest.fixture
def run_once(tmp_path: Path) -> Run:
    """The tool under the Python of the tests."""
    return lambda *arguments, **options: run_tool(sys.executable, *impatient(tmp_path), *arguments, **options)


def impatient(directory: Path) -> tuple[str, str]:
    """The options of a configuration that waits for no more than STALLED."""
    config = directory / "send-notification.cfg"
    config.write_text(f"timeout = {STALLED}\n")
    return "--config", str(config)


def send(run: Run, *targets: str, text: bytes = TEXT) -> Done:
    """One event to the targets, in order."""
    return run(*WORDS, *(word for target in targets for word in ("--to", target)), input=text)


def eventually(look: Callable[[], object]) -> object:
    """What look finds, waiting for it."""
    until = time.monotonic() + 15
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.02)
    return found


# -- FIFO -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A FIFO that nobody reads yet."""
    path = tmp_path / "events"
    os.mkfifo(path, 0o600)
    return path


@contextlib.contextmanager
def reader(fifo: Path) -> Iterator[int]:
    """A reader as the Event Console is one, which reads when it is asked to."""
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """All that waits in the pipe."""
    data = b""
    with contextlib.suppress(BlockingIOError):
        while part := os.read(descriptor, 65536):
            data += part
    return data


def test_a_fifo_gets_the_golden_line(run: Run, fifo: Path) -> None:
    """Byte for byte."""
    with reader(fifo) as descriptor:
        done = send(run, f"pipe:{fifo}")

        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert read_all(descriptor) == GOLDEN


def test_a_reader_that_goes_and_comes_decides_what_is_taken(run: Run, fifo: Path) -> None:
    """While it is away nothing is taken, and nothing of that arrives later."""
    before = send(run, f"pipe:{fifo}")
    with reader(fifo) as descriptor:
        during = send(run, f"pipe:{fifo}")
        arrived = read_all(descriptor)
    after = send(run, f"pipe:{fifo}")

    assert [before.returncode, during.returncode, after.returncode] == [1, 0, 1]
    assert b"nobody reads it" in before.stderr
    assert arrived == GOLDEN


def test_a_reader_that_stalls_fills_the_pipe_and_nothing_of_a_refused_event_is_in_it(run: Run, fifo: Path) -> None:
    """A full pipe takes a line whole or not at all; whoever waits for it gives up in time."""
    with reader(fifo) as descriptor:
        filler = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, b"f" * 4096)
        os.close(filler)
        begun = time.monotonic()
        stalled = send(run, f"pipe:{fifo}")
        took = time.monotonic() - begun
        held = read_all(descriptor)
        taken = send(run, f"pipe:{fifo}")

        assert (stalled.returncode, taken.returncode) == (1, 0)
        assert STALLED <= took < STALLED + 5
        assert set(held) == {ord("f")}
        assert read_all(descriptor) == GOLDEN


def test_a_reader_that_stalls_for_a_moment_is_waited_for(run_once: Run, fifo: Path) -> None:
    """The Event Console is busy now and then."""
    with reader(fifo) as descriptor:
        filler = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, b"f" * 4095 + b"\n")
        os.close(filler)
        timer = threading.Timer(STALLED / 2, os.read, (descriptor, 1 << 16))
        timer.start()
        done = send(run_once, f"pipe:{fifo}")
        timer.join()

        assert done.returncode == 0
        assert read_all(descriptor).endswith(GOLDEN)


def test_lines_of_many_writers_never_mix(run_once: Run, fifo: Path) -> None:
    """Each is one write of at most 4,096 bytes."""
    with reader(fifo) as descriptor:
        arrived: list[bytes] = []
        codes: list[int] = []
        texts = [f"{number} ".encode() + b"x" * 3400 for number in range(24)]

        def write(some: list[bytes]) -> None:
            codes.extend(send(run_once, f"pipe:{fifo}", text=text).returncode for text in some)

        writers = [threading.Thread(target=write, args=(texts[n::6],)) for n in range(6)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            arrived.append(read_all(descriptor))
            time.sleep(0.01)
        arrived.append(read_all(descriptor))

    events = events_in(b"".join(arrived))
    assert codes == [0] * 24
    assert sorted(event.text.encode() for event in events) == sorted(texts)


def test_nothing_is_made_or_followed_where_the_fifo_should_be(run: Run, fifo: Path, tmp_path: Path) -> None:
    """`cat > pipe` makes a regular file where the pipe is missing, and the disk fills up with events."""
    link, file, missing = tmp_path / "link", tmp_path / "file", tmp_path / "missing"
    link.symlink_to(fifo)
    file.write_text("")
    with reader(fifo) as descriptor:
        done = [send(run, f"pipe:{path}") for path in (link, file, missing, tmp_path)]

        assert [each.returncode for each in done] == [1, 1, 1, 1]
        assert read_all(descriptor) == b""
    assert file.read_text() == ""
    assert not missing.exists()


def test_the_next_target_is_tried_when_one_fails(run: Run, fifo: Path, tmp_path: Path) -> None:
    """In the order given, once."""
    with reader(fifo) as descriptor:
        done = send(run, f"socket:{tmp_path}/none", "tcp://127.0.0.1:1", f"pipe:{fifo}", f"pipe:{fifo}")

        assert done.returncode == 0
        assert read_all(descriptor) == GOLDEN
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_travel_as_one_event_each(run_once: Run, fifo: Path, name: str) -> None:
    """Through the pipe, as the Event Console reads it."""
    with reader(fifo) as descriptor:
        done = send(run_once, f"pipe:{fifo}", text=HOSTILE[name].encode())
        (event,) = events_in(read_all(descriptor))

    assert done.returncode == 0
    assert (event.host, event.application, event.priority) == ("h1", "job_A__P", 2)


# -- sockets ----------------------------------------------------------------------------------------------------------


class Listener:
    """A receiver that reads each connection to its end, as the Event Console does; `stall` keeps it from reading."""

    def __init__(self, family: int, address: str | tuple[str, int]) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind(address)
        self.socket.listen(8)
        self.arrived: list[bytes] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection:
                    self.may_read.wait(30)
                    data = b""
                    while part := connection.recv(4096):
                        data += part
                    self.arrived.append(data)

    def close(self) -> None:
        self.may_read.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


@pytest.fixture(params=["unix", "tcp", "tcp6"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Listener, str]]:
    """A real receiver, and the target that names it."""
    if request.param == "unix":
        made = Listener(socket.AF_UNIX, str(tmp_path / "eventsocket"))
        target = f"socket:{tmp_path}/eventsocket"
    elif request.param == "tcp":
        made = Listener(socket.AF_INET, ("127.0.0.1", 0))
        target = f"tcp://localhost:{made.socket.getsockname()[1]}"
    else:
        try:
            made = Listener(socket.AF_INET6, ("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        target = f"tcp://[::1]:{made.socket.getsockname()[1]}"
    yield made, target
    made.close()


def test_a_stream_receiver_gets_the_golden_line(run: Run, listener: tuple[Listener, str]) -> None:
    """And has read it when the sender says so: no waiting in this test."""
    receiver, target = listener

    done = send(run, target)

    assert (done.returncode, done.stderr) == (0, b"")
    assert receiver.arrived == [GOLDEN]


def test_what_a_stalled_receiver_has_not_read_is_not_taken(run_once: Run, listener: tuple[Listener, str]) -> None:
    """The kernel accepts connections and bytes for a process that hangs; that is no delivery."""
    receiver, target = listener
    receiver.may_read.clear()

    done = send(run_once, target)

    assert done.returncode == 1
    assert b"not taken in time" in done.stderr


def test_a_receiver_that_is_away_takes_nothing(run: Run, tmp_path: Path) -> None:
    """Neither a socket without a listener nor a port without one."""
    gone = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    gone.bind(str(tmp_path / "gone"))
    gone.close()

    codes = [send(run, target).returncode for target in (f"socket:{tmp_path}/gone", "tcp://127.0.0.1:1")]

    assert codes == [1, 1]


def test_udp_is_one_datagram_and_a_host_that_refuses_is_believed(run: Run) -> None:
    """One datagram is one event; on loopback the kernel says that nobody listens."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(10)
    target = f"udp://127.0.0.1:{receiver.getsockname()[1]}"

    heard = send(run, target, text=b"x" * 100_000)
    datagram = receiver.recv(65536)
    receiver.close()
    unheard = send(run, target)

    assert (heard.returncode, unheard.returncode) == (0, 1)
    (event,) = events_in(datagram)
    assert len(datagram) <= 4096
    assert event.application == "job_A__P"


# -- rsyslog ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A real rsyslogd on loopback, TCP and UDP on one port, that writes down what came, as it came."""
    program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if program is None:
        missing("no rsyslogd here")
    port, written = free_port(), tmp_path / "written"
    config = tmp_path / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{tmp_path}" parser.escapeControlCharactersOnReceive="off")\n'
        'module(load="imtcp")\nmodule(load="imudp")\n'
        'template(name="raw" type="string" string="%rawmsg%\\n")\n'
        f'ruleset(name="all") {{ action(type="omfile" file="{written}" template="raw") }}\n'
        f'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all")\n'
        f'input(type="imudp" address="127.0.0.1" port="{port}" ruleset="all")\n'
    )
    process = subprocess.Popen(
        [program, "-n", "-f", str(config), "-i", str(tmp_path / "pid")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: answers(port)), "rsyslogd does not listen"
        yield port, written
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_rsyslog_writes_down_the_golden_line(run: Run, rsyslog: tuple[int, Path], protocol: str) -> None:
    """A syslog relay before the Event Console hands on what it got."""
    port, written = rsyslog

    done = send(run, f"{protocol}://127.0.0.1:{port}")

    assert (done.returncode, done.stderr) == (0, b"")
    lines = eventually(lambda: written.exists() and GOLDEN in written.read_bytes() and written.read_bytes())
    # rsyslog strips the newline of a datagram; the raw message is otherwise what was sent.
    assert isinstance(lines, bytes)
    assert lines.replace(b"\n\n", b"\n") == GOLDEN


# -- ssh and receive --------------------------------------------------------------------------------------------------


class Sshd:
    """A real sshd on loopback; its one key may do nothing but run `receive`."""

    def __init__(self, directory: Path, python: str, fifo: Path) -> None:
        self.directory, self.port = directory, free_port()
        for name in ("host_key", "key", "stranger"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
            subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
        key = (directory / "key.pub").read_text()
        forced = f"{python} -I {TOOL} receive --to pipe:{fifo}"
        (directory / "authorized_keys").write_text(f'restrict,command="{forced}" {key}')
        host_key = " ".join((directory / "host_key.pub").read_text().split()[:2])
        (directory / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}\n")
        (directory / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {directory}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
        assert sshd
        self.log = (directory / "log").open("wb")
        command = [sshd, "-D", "-e", "-f", str(directory / "sshd_config")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        assert eventually(lambda: answers(self.port)), (directory / "log").read_text()

    @property
    def target(self) -> str:
        return f"ssh://{os.environ.get('USER') or 'root'}@127.0.0.1:{self.port}"

    def configured(self, **more: str) -> tuple[str, str]:
        """The options of a configuration for our end."""
        config = self.directory / "ssh.cfg"
        keys = {"ssh_key": f"{self.directory}/key", "ssh_known_hosts": f"{self.directory}/known_hosts", **more}
        config.write_text("".join(f"{key} = {value}\n" for key, value in keys.items()))
        return "--config", str(config)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture
def sshd(tmp_path: Path, python: str, fifo: Path) -> Iterator[Sshd]:
    """An sshd whose forced command runs under the same Python as the sender."""
    if not (shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")):
        missing("no sshd here")
    (tmp_path / "sshd").mkdir()
    made = Sshd(tmp_path / "sshd", python, fifo)
    yield made
    made.close()


def through(sshd: Sshd, python: str, text: bytes, **more: str) -> Done:
    """One event through ssh."""
    return run_tool(python, *sshd.configured(**more), *WORDS, "--to", sshd.target, input=text)


def test_ssh_brings_the_golden_line_into_the_fifo_and_nothing_where_nobody_reads(
    sshd: Sshd, python: str, fifo: Path
) -> None:
    """The exit code of the far end is ours."""
    unread = through(sshd, python, TEXT)
    with reader(fifo) as descriptor:
        done = through(sshd, python, TEXT)
        longest = through(sshd, python, b"$(touch owned) " * 9000)
        arrived = read_all(descriptor)

    assert (unread.returncode, done.returncode, longest.returncode) == (1, 0, 0)
    assert b"nobody reads it" in unread.stderr
    first, second = arrived.splitlines(keepends=True)
    assert first == GOLDEN
    assert 3500 < len(second) <= 4096


def test_ssh_trusts_no_unknown_host_and_no_unknown_key_gets_in(
    sshd: Sshd, all_pythons: Sequence[tuple[object, str]], tmp_path: Path, fifo: Path
) -> None:
    """It asks nothing: BatchMode."""
    python = all_pythons[-1][1]
    (tmp_path / "empty").write_text("")
    with reader(fifo) as descriptor:
        unknown_host = through(sshd, python, TEXT, ssh_known_hosts=str(tmp_path / "empty"))
        unknown_key = through(sshd, python, TEXT, ssh_key=f"{sshd.directory}/stranger")

        assert (unknown_host.returncode, unknown_key.returncode) == (1, 1)
        assert b"Host key verification failed" in unknown_host.stderr
        assert b"Permission denied" in unknown_key.stderr
        assert read_all(descriptor) == b""


def many_through(sshd: Sshd, python: str, count: int, **more: str) -> Done:
    """So many events through one ssh."""
    lines = "".join(json.dumps({"message": f"text {n} \u00fc"}) + "\n" for n in range(count))
    words = ("event", "--many", "--host", "h1", "--application", "job_A__P", "--at", AT, "--to", sshd.target)
    return run_tool(python, *sshd.configured(**more), *words, input=lines.encode())


def is_zombie(pid: str) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def answers_in(done: Done) -> list[Answer]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_thousand_events_need_one_login(sshd: Sshd, python: str, fifo: Path) -> None:
    """A login each would take minutes after an outage, while newer alarms wait behind them."""
    arrived: list[bytes] = []
    with reader(fifo) as descriptor:
        done_reading = threading.Event()

        def read() -> None:
            while not done_reading.wait(0.002):
                arrived.append(read_all(descriptor))
            arrived.append(read_all(descriptor))

        reading = threading.Thread(target=read)
        reading.start()
        done = many_through(sshd, python, 1000)
        done_reading.set()
        reading.join()

    assert (done.returncode, done.stderr) == (0, b"")
    assert answers_in(done) == [{"code": 0, "complaints": [], "line": n + 1} for n in range(1000)]
    assert [event.text for event in events_in(b"".join(arrived))] == [f"text {n} \u00fc" for n in range(1000)]
    assert (sshd.directory / "log").read_text().count("Accepted publickey") == 1


def test_what_the_far_end_could_not_write_is_not_taken_and_says_why(sshd: Sshd, python: str) -> None:
    """The exit code of an ssh that goes on cannot say it; its answer does."""
    done = many_through(sshd, python, 3)

    codes = [answer["code"] for answer in answers_in(done)]
    assert (done.returncode, codes) == (1, [1, 1, 1])
    assert "nobody reads it" in answers_in(done)[0]["complaints"][0]


def test_a_far_end_that_answers_nothing_known_takes_nothing(sshd: Sshd, python: str, fifo: Path) -> None:
    """One of an older version waits for the end of one event; the operator reads what to do."""
    authorized = sshd.directory / "authorized_keys"
    for command, reason in (("echo hello; sleep 60", "is older"), ("echo no >&2; exit 3", "ended with 3: no")):
        key = (sshd.directory / "key.pub").read_text()
        authorized.write_text(f'restrict,command="{command}" {key}')
        with reader(fifo) as descriptor:
            done = many_through(sshd, python, 2)

            assert [answer["code"] for answer in answers_in(done)] == [1, 1]
            assert reason in answers_in(done)[0]["complaints"][0]
            assert read_all(descriptor) == b""


def test_an_ssh_that_has_ended_between_two_events_is_started_again(sshd: Sshd, python: str, fifo: Path) -> None:
    """The far end does not wait for ever, and the caller may be slow."""
    words = ["event", "--many", "--to", sshd.target]
    command = [python, "-I", str(TOOL), *sshd.configured(), *words]
    with (
        reader(fifo) as descriptor,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        codes = []
        for number in range(3):
            process.stdin.write(json.dumps({"message": str(number)}).encode() + b"\n")
            codes.append(json.loads(process.stdout.readline())["code"])
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)
                assert eventually(partial(is_zombie, child))
        process.stdin.close()
        assert process.wait(20) == 0
        arrived = read_all(descriptor)

    assert codes == [0, 0, 0]
    assert [event.text for event in events_in(arrived)] == ["0", "1", "2"]


SSH_THAT = {
    "has left something behind": ("sleep 99 >&2 & exit 0", 0, b""),
    "hangs, and what it started too": ("sleep 99 >&2 & sleep 99", 1, b"ssh has not finished in time"),
    "fails and leaves something behind": (
        "echo no route >&2; sleep 99 >&2 & exit 255",
        1,
        b"ended with 255: no route",
    ),
}


@pytest.mark.parametrize("name", SSH_THAT)
def test_nothing_that_ssh_starts_is_waited_for(run: Run, tmp_path: Path, name: str) -> None:
    """A ProxyCommand that hangs, or a master that stays, must neither hold us up nor make a taken event untaken."""
    script, code, words = SSH_THAT[name]
    mark = f"{tmp_path}/mark"
    (tmp_path / "ssh").write_text(f"#!/bin/sh\nexec 9>{mark}\n{script}\n")
    (tmp_path / "ssh").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = run(*WORDS, "--to", "ssh://me@127.0.0.1", input=TEXT, env=environment)
    for holder in holders(Path(mark)):
        os.kill(holder, signal.SIGKILL)

    assert done.returncode == code, done.stderr
    assert words in done.stderr


def holders(path: Path) -> list[int]:
    """The processes that have a file open."""
    found = []
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if each.resolve() == path and int(each.parts[2]) != os.getpid():
                found.append(int(each.parts[2]))
    return found


def test_the_key_of_the_receiver_can_do_nothing_else(sshd: Sshd, fifo: Path, tmp_path: Path) -> None:
    """Whoever steals it can send events, and that is all."""
    (tmp_path / "proof").unlink(missing_ok=True)
    options = ["-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={sshd.directory}/known_hosts"]
    host, _, port = sshd.target.removeprefix("ssh://").rpartition(":")
    command = ["ssh", *options, "-i", f"{sshd.directory}/key", "-p", port, host, f"touch {tmp_path}/proof"]

    done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=30)

    assert done.returncode == 1
    assert b"not one event line" in done.stderr
    assert not (tmp_path / "proof").exists()


def receive_many(run: Run, fifo: Path, data: bytes) -> Done:
    """The far end as our side asks for it when there are many events."""
    environment = {"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": "receive --many"}
    return run("receive", "--to", f"pipe:{fifo}", input=data, env=environment)


def test_receive_of_many_answers_each_line(run: Run, fifo: Path) -> None:
    """What is no event is refused with its reason, and what follows is taken; an answer is one line."""
    bad = [b"no event\n", b"\n", GOLDEN[:-1] + b"x" * 4096 + b"\n", b"2 " + GOLDEN]
    with reader(fifo) as descriptor:
        done = receive_many(run, fifo, b"".join([GOLDEN, bad[0], GOLDEN, bad[1], bad[3], GOLDEN]))
        arrived = read_all(descriptor)
        too_long = receive_many(run, fifo, GOLDEN + bad[2] + GOLDEN)
        half = receive_many(run, fifo, GOLDEN + GOLDEN[:-1])

        assert read_all(descriptor) == GOLDEN + GOLDEN
    greeting, *said = done.stdout.splitlines()
    assert (greeting, done.returncode, arrived) == (b"send-notification 1", 0, GOLDEN * 3)
    assert [line == b"taken" for line in said] == [True, False, True, False, False, True]
    assert (too_long.returncode, too_long.stdout.count(b"taken")) == (1, 1)
    assert (half.returncode, half.stdout.count(b"taken")) == (1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no event\n",
        b"2 <130>@1763950447;0 h a: t\n",
        GOLDEN[:-1],
        GOLDEN + GOLDEN,
        GOLDEN + b"x",
        b"<1300>@1763950447;0 h a: t\n",
        b"<130>@176395044;0 h a: t\n",
        GOLDEN[:-1] + b"x" * 4096 + b"\n",
        GOLDEN[:-1] + b"x" * 1_000_000 + b"\n",
    ],
    ids=range(11),
)
def test_receive_takes_one_event_line_and_nothing_else(run_once: Run, fifo: Path, data: bytes) -> None:
    """Whatever comes through the key, the Event Console gets lines that are events, or nothing."""
    with reader(fifo) as descriptor:
        done = run_once("receive", "--to", f"pipe:{fifo}", input=data)

        assert (done.returncode, read_all(descriptor)) == (1, b"")


def test_receive_takes_a_line_of_just_4096_bytes(run: Run, fifo: Path) -> None:
    """That is what a pipe takes whole."""
    line = GOLDEN[:-1] + b"x" * (4096 - len(GOLDEN)) + b"\n"
    with reader(fifo) as descriptor:
        done = run("receive", "--to", f"pipe:{fifo}", input=line)

        assert (done.returncode, read_all(descriptor)) == (0, line)


def test_receive_has_one_target_and_that_is_a_fifo(run_once: Run, fifo: Path) -> None:
    """It is the end of the way."""
    for words in ((), ("--to", "tcp://h"), ("--to", f"pipe:{fifo}", "--to", f"pipe:{fifo}")):
        assert run_once("receive", *words, input=GOLDEN).returncode == 2
