"""`message-queue.py run`: the job comes first, whatever becomes of its notes."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest
from queue_tool import Queue, piped
from waiting import wait_until

NAMED = ("run", "--instance", "P", "--job", "LOAD")
SLOW = 90.0  # seconds after which a test gives up waiting for what should take five at most


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_command_that_ends_well_is_noted_as_started_and_success(queue: Queue) -> None:
    """Both notes carry the same random run id, and the moments at which things happened."""
    before = time.time()

    done = queue.run(*NAMED, "--", "true")

    started, success = queue.messages()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (started["event"], success["event"]) == ("STARTED", "SUCCESS")
    assert started["run"] == success["run"]
    assert len(started["run"]) == 32
    assert before <= started["timestamp"] <= success["timestamp"] <= time.time()
    assert success["exit_code"] == 0
    assert "exit_code" not in started


def test_a_command_that_fails_is_noted_as_error_with_its_exit_code(queue: Queue) -> None:
    """The exit code is returned as it was, for whoever started the job looks at it, too."""
    done = queue.run(*NAMED, "--", "sh", "-c", "exit 77")

    error = queue.messages()[-1]
    assert done.returncode == 77
    assert (error["event"], error["exit_code"], error["message"]) == ("ERROR", 77, "exit code 77")


def test_a_killed_command_is_noted_with_the_name_of_the_signal(queue: Queue) -> None:
    """128+N is what a shell would return."""
    done = queue.run(*NAMED, "--", "sh", "-c", "kill -KILL $$")

    error = queue.messages()[-1]
    assert done.returncode == 137
    assert (error["event"], error["exit_code"], error["message"]) == ("ERROR", 137, "killed by SIGKILL")


@pytest.mark.parametrize(("command", "code"), [("/nonexistent/program", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_started_is_an_error(queue: Queue, command: str, code: int) -> None:
    """A job whose program is gone has failed; the shell's exit codes say how."""
    done = queue.run(*NAMED, "--", command)

    error = queue.messages()[-1]
    assert done.returncode == code
    assert command in queue.unlabelled(done.stderr)
    assert (error["event"], error["exit_code"]) == ("ERROR", code)
    assert "could not be started" in error["message"]


def test_the_streams_are_the_commands_own_to_the_last_byte(queue: Queue) -> None:
    """Not even bytes that are no text are touched, and what the command leaves unread stays unread."""
    data = bytes(range(256)) * 100

    done = queue.run(*NAMED, "--", "sh", "-c", "cat; echo oops >&2", input=data)

    assert (done.stdout, done.stderr) == (data, b"oops\n")


def test_the_command_line_reaches_the_command_as_it_was(queue: Queue) -> None:
    """Further `--`, options that look like ours, and bytes that are no text are the command's business."""
    done = queue.run(*NAMED, "--", b"printf", b"%s|", b"--job", b"--", b"-f", b"", b"\xff")

    assert done.stdout == b"--job|--|-f||\xff|"


def test_the_command_knows_its_run_and_the_run_can_be_chosen(queue: Queue) -> None:
    """So that messages of the job itself can be tied to the same run."""
    done = queue.run(*NAMED, "--run", "night-7", "--", "sh", "-c", 'printf %s "$JOB_TRACKER_RUN"')

    assert done.stdout == b"night-7"
    assert {message["run"] for message in queue.messages()} == {"night-7"}


def test_the_keywords_can_be_changed(queue: Queue) -> None:
    """The tracker's keywords are configurable, so ours must be."""
    words = ("--start-event", "BEGIN", "--error-event", "FAIL", "--success-event", "END")

    queue.run(*NAMED, *words, "--", "true")
    queue.run(*NAMED, *words, "--", "false")

    assert queue.events() == ["BEGIN", "END", "BEGIN", "FAIL"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_are_passed_on_to_the_command(queue: Queue, name: str) -> None:
    """systemd and operators signal the process they know; the job must hear of it, and its end is noted."""
    script = f"trap 'echo heard; exit 5' {name[3:]}; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(queue.command(*NAMED, "--", "sh", "-c", script), stdout=subprocess.PIPE)
    assert piped(process.stdout).readline() == b"ready\n"

    process.send_signal(getattr(signal, name))

    assert piped(process.stdout).read() == b"heard\n"
    piped(process.stdout).close()
    assert process.wait(30) == 5
    assert queue.messages()[-1]["exit_code"] == 5


def test_a_signal_ignored_by_whoever_started_us_is_ignored_by_the_command(one_queue: Queue) -> None:
    """nohup must go on working."""
    script = ["sh", "-c", "grep -h ^SigIgn /proc/self/status"]
    plain = one_queue.run(*NAMED, "--", *script)

    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *one_queue.command(*NAMED, "--", *script)]
    done = subprocess.run(ignoring, capture_output=True, check=False)

    hangup = 1 << (signal.SIGHUP - 1)
    assert not int(plain.stdout.split()[1], 16) & hangup
    assert int(done.stdout.split()[1], 16) & hangup


def test_the_command_runs_though_its_notes_make_no_sense(queue: Queue) -> None:
    """An unset variable in a crontab costs the monitoring, not the job."""
    done = queue.run("run", "--instance", "", "--job", "LOAD", "--", "sh", "-c", "echo ran; exit 3")

    assert (done.returncode, done.stdout) == (3, b"ran\n")
    assert b"not noted: the note: instance must be a text that is not empty" in done.stderr


def test_the_command_runs_though_the_queue_cannot_be_written(queue: Queue) -> None:
    """Not a directory, no room, no rights: one line on stderr, and the job's own exit code."""
    queue.path = Path("/dev/null/q.sqlite")

    done = queue.run(*NAMED, "--", "sh", "-c", "echo ran; exit 3")

    assert (done.returncode, done.stdout) == (3, b"ran\n")
    assert "not noted: " in queue.unlabelled(done.stderr)


def test_a_locked_queue_holds_up_the_jobs_end_by_5_seconds_at_most_and_not_its_start(queue: Queue) -> None:
    """The command runs at once; its exit code is returned; that nothing was noted is said."""
    queue.add("BEFORE")

    with queue.lock():  # for ever
        process = subprocess.Popen(
            queue.command(*NAMED, "--", "sh", "-c", "echo begun; cat; exit 7"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        begun = piped(process.stdout).readline()
        wait_until(lambda: noters(process.pid, queue))  # the command runs, and its start is still to be noted
        _, stderr = process.communicate(b"", timeout=SLOW)

    assert begun == b"begun\n"
    assert process.returncode == 7
    assert "not noted within 5 seconds" in queue.unlabelled(stderr)


def test_what_could_not_be_noted_at_the_start_is_noted_at_the_end(queue: Queue) -> None:
    """A lock that passes while the job runs costs no message, and the start keeps its moment."""
    queue.add("BEFORE")
    with queue.lock():
        process = subprocess.Popen(
            queue.command(*NAMED, "--", "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        # The child that notes the start gives up: only the command is left, and a zombie.
        wait_until(lambda: any("Z" in Path(f"/proc/{c}/stat").read_text().split()[2] for c in children(process.pid)))
        given_up = time.time()

    _, stderr = process.communicate(b"", timeout=30)

    assert (process.returncode, stderr) == (0, b"")
    assert queue.events() == ["BEFORE", "STARTED", "SUCCESS"]
    started, ended = (message["timestamp"] for message in queue.messages()[1:])
    assert started < given_up < ended


def noters(pid: int, queue: Queue) -> set[int]:
    """Those children of a `run` that note: they have let go of the job's streams, and opened the queue's file."""
    return {child for child in children(pid) if str(queue.path) in held(child)}


def held(pid: int) -> set[str]:
    """What a process holds open; nothing once it is gone."""
    files = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            files.add(os.readlink(link))
    return files


def rest_of(pipe: IO[bytes] | None) -> bytes:
    """What is in the pipe, up to its end; whoever still held the other end would make this fail."""
    stream = piped(pipe)
    os.set_blocking(stream.fileno(), False)
    data = stream.read() or b""
    assert stream.read() == b""
    return data


def test_a_file_system_that_hangs_holds_up_nothing(queue: Queue) -> None:
    """The noting children are frozen in the middle of their work, as in a system call that never returns.

    Nor do they hold the job's streams: whoever waits for the end of its output is not kept waiting by them.
    """
    queue.add("BEFORE")
    frozen: set[int] = set()

    def freeze() -> int:
        for child in noters(process.pid, queue) - frozen:
            os.kill(child, signal.SIGSTOP)
            frozen.add(child)
        return len(frozen)

    pipe = subprocess.PIPE
    with queue.lock():
        process = subprocess.Popen(
            queue.command(*NAMED, "--", "sh", "-c", "cat; exit 9"), stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            wait_until(lambda: freeze() == 1)
            piped(process.stdin).close()
            wait_until(lambda: freeze() == 2)
            code = process.wait(SLOW)  # they are frozen for ever
            stdout, stderr = rest_of(process.stdout), rest_of(process.stderr)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait(30)
            for stream in (process.stdin, process.stdout, process.stderr):
                piped(stream).close()

    assert (code, stdout) == (9, b"")
    assert "no longer waited for" in queue.unlabelled(stderr)
