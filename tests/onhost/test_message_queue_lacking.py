"""`message-queue.py run` where something is missing: the job runs, and with its own exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from queue_tool import Done, Queue

NAMED = ("run", "--instance", "P", "--job", "LOAD")
JOB = ("--", "sh", "-c", "echo ran; exit 3")

# The tool as it is, in a Python that lacks modules.
LACKING = """
import runpy, sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_lacking(queue: Queue, modules: str, *arguments: str) -> Done:
    command = [queue.python, "-I", "-c", LACKING, modules, *queue.command(*arguments)[2:]]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("modules", ["_sqlite3", "sqlite3", "json", "argparse", "re", "select", "fcntl", "hashlib"])
def test_the_command_runs_whatever_module_this_python_lacks(queue: Queue, modules: str) -> None:
    """A Python built without sqlite3 is common on old hosts; that costs the notes, and not the job."""
    done = run_lacking(queue, modules, *NAMED, "--tail", "3", *JOB)

    assert (done.returncode, done.stdout) == (3, b"ran\n")
    assert b"Traceback" not in done.stderr


def test_a_verb_says_that_sqlite3_is_missing(queue: Queue) -> None:
    """And where: the interpreter's path is what is to be changed."""
    done = run_lacking(queue, "_sqlite3", "count")
    queue.add("A")
    done = run_lacking(queue, "_sqlite3", "count")

    assert done.returncode == 1
    assert "has no sqlite3" in queue.unlabelled(done.stderr)


def test_the_tool_with_a_python_of_its_own_in_its_first_line_needs_nothing_of_its_surroundings(
    queue: Queue, tmp_path: Path
) -> None:
    """Oracle's jobs set PYTHONHOME for a Python of Oracle's, and cron's PATH may hold no python3."""
    tool = tmp_path / "message-queue.py"
    text = queue.tool.read_text("ascii").split("\n", 1)[1]
    tool.write_text(f"#!{queue.python} -I\n{text}", "ascii")
    tool.chmod(0o755)
    surroundings = {"PATH": "/nonexistent", "PYTHONHOME": "/nonexistent", "PYTHONPATH": "/nonexistent"}

    done = subprocess.run(
        [str(tool), "-f", str(queue.path), *NAMED, "--", "/bin/sh", "-c", "echo $PYTHONHOME; exit 3"],
        capture_output=True,
        check=False,
        env=surroundings,
    )

    assert (done.returncode, done.stdout, done.stderr) == (3, b"/nonexistent\n", b"")
    assert queue.events() == ["STARTED", "ERROR"]


@pytest.mark.parametrize("named", ["./script", "script", "directory/script"])
def test_a_script_without_an_interpreter_is_run_by_sh(queue: Queue, tmp_path: Path, named: str) -> None:
    """What ran from crontab runs behind `run`, too: a shell runs such a file, and so do env, nice and timeout."""
    (tmp_path / "directory").mkdir()
    script = tmp_path / ("directory/script" if "directory" in named else "script")
    script.write_text('echo "$0: $1"; exit 3\n')
    script.chmod(0o755)
    environment = dict(os.environ, PATH=f"/nonexistent:{tmp_path}:{os.environ['PATH']}")

    done = queue.run(*NAMED, "--", named, "argument", cwd=tmp_path, env=environment)

    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout == f"{tmp_path / 'script' if named == 'script' else named}: argument\n".encode()


def test_a_missing_interpreter_is_named(queue: Queue, tmp_path: Path) -> None:
    """A script from Windows asks for an interpreter whose name ends with a carriage return, which nobody sees."""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\r\necho ran\r\n")
    script.chmod(0o755)

    done = queue.run(*NAMED, "--", str(script))

    assert done.returncode == 127
    assert queue.unlabelled(done.stderr) == f"{script}: its interpreter is not there: '/bin/sh\\r'"
    assert queue.messages()[-1]["message"].endswith("its interpreter is not there: '/bin/sh\\r'")


def test_the_command_runs_where_no_further_process_can_be_made(shared_queue: Queue) -> None:
    """On a host that is full of processes the job takes the place of its wrapper."""
    shared_queue.add("BEFORE")
    shared_queue.path.parent.chmod(0o755)
    limits = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))"
    limited = limits + "; os.execv(sys.argv[1], sys.argv[1:])"
    command = [
        shared_queue.python,
        "-I",
        "-c",
        limited,
        *shared_queue.command(*NAMED, "--", "/bin/sh", "-c", "echo ran; exit 3"),
    ]

    done = subprocess.run(command, capture_output=True, check=False, user=23456, group=23456)

    assert (done.returncode, done.stdout) == (3, b"ran\n")
    assert b"no further process can be made" in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_the_command_gets_the_streams_that_its_starter_closed_as_they_were(
    queue: Queue, closed: str, tmp_path: Path
) -> None:
    """A daemon may start jobs without stdin, stdout or stderr; none of our pipes may take their places."""
    job = f"(ls -l /proc/$$/fd | grep -c pipe >{tmp_path}/pipes) ; echo out; echo err >&2; exit 3"
    script = f'exec "$@" {closed}'

    done = subprocess.run(
        ["sh", "-c", script, "sh", *queue.command(*NAMED, "--", "sh", "-c", job)], capture_output=True, check=False
    )

    assert done.returncode == 3
    assert queue.events() == ["STARTED", "ERROR"]
    expected = {"<&-": 2, ">&-": 1, "2>&-": 1, "<&- >&- 2>&-": 0}[closed]
    assert int((tmp_path / "pipes").read_text()) == expected


def test_a_starter_that_ignores_its_children_gets_the_commands_exit_code(queue: Queue) -> None:
    """Who ignores SIGCHLD hands that down, and nobody could wait for the command."""
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )

    done = subprocess.run(
        [sys.executable, "-c", ignoring, *queue.command(*NAMED, *JOB)], capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (3, b"ran\n", b"")
    assert queue.messages()[-1]["exit_code"] == 3


def test_a_clock_that_is_set_back_inside_a_run_does_not_let_it_end_before_it_began(
    queue: Queue, tmp_path: Path
) -> None:
    """The end is stamped with the start and the time that has passed, where the clock says less."""
    stepping = """
import os, runpy, sys, time
stepped, clock = sys.argv.pop(1), time.time
time.time = lambda: clock() - 3600 * os.path.exists(stepped)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    stepped = tmp_path / "stepped"
    command = [
        queue.python,
        "-I",
        "-c",
        stepping,
        str(stepped),
        *queue.command(*NAMED, "--", "touch", str(stepped))[2:],
    ]

    assert subprocess.run(command, check=False).returncode == 0

    started, success = queue.messages()
    assert started["timestamp"] < success["timestamp"] < started["timestamp"] + 60
