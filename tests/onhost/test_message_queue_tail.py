"""`message-queue.py run --tail`: the last lines are noted, all is passed on, and no pipe breaks under the job."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from queue_tool import Queue, piped
from waiting import wait_until

NAMED = ("run", "--instance", "P", "--job", "LOAD")
TAIL = (*NAMED, "--tail", "3")
BOTH = (*TAIL, "--tail-stdout")


def noted(queue: Queue) -> str:
    """The text of the newest message."""
    return str(queue.messages()[-1]["message"])


def test_the_last_lines_of_the_error_output_end_the_message_of_a_run_that_ended_badly(queue: Queue) -> None:
    """Whoever is woken sees why; output is another stream and stays here unless it is asked for."""
    script = "echo out; for n in 1 2 3 4 5; do echo line $n >&2; done; exit 3"

    done = queue.run(*TAIL, "--", "sh", "-c", script)

    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert done.stderr == b"line 1\nline 2\nline 3\nline 4\nline 5\n"
    assert noted(queue) == "exit code 3\nlast error output:\nline 3\nline 4\nline 5"


def test_the_last_lines_of_the_output_are_noted_on_request(queue: Queue) -> None:
    """Many programs say on stdout what went wrong."""
    queue.run(*BOTH, "--", "sh", "-c", "echo a; echo b; echo c; echo d; echo oops >&2; exit 3")

    assert noted(queue) == "exit code 3\nlast error output:\noops\nlast output:\nb\nc\nd"


def test_nothing_of_a_run_that_ended_well_is_noted(queue: Queue) -> None:
    """What is noted leaves the host: only where somebody has to know."""
    queue.run(*BOTH, "--", "sh", "-c", "echo out; echo err >&2")
    queue.run(*BOTH, "--success-codes", "4", "--", "sh", "-c", "echo out; echo err >&2; exit 4")

    assert [message["message"] for message in queue.messages()] == ["", "exit code 0", "", "exit code 4"]


def test_both_streams_are_passed_on_to_the_last_byte(queue: Queue) -> None:
    """Also bytes that are no text, more than a pipe holds, and a last line without its end."""
    data = bytes(range(256)) * 4000

    done = queue.run(*BOTH, "--", "sh", "-c", "tee /dev/stderr; exit 3", input=data)

    assert (done.stdout, done.stderr) == (data, data)


def test_a_long_tail_is_cut_to_whole_lines_and_a_long_line_to_its_end(queue: Queue) -> None:
    """4 KB of each stream at most."""
    many = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 3"
    queue.run(*NAMED, "--tail", "2000", "--", "sh", "-c", many)
    lines = noted(queue).split("\n")[2:]
    queue.run(*TAIL, "--", "sh", "-c", "printf %9000s END >&2; exit 3")
    long_line = noted(queue).split("\n")[2]

    assert lines == [f"line {number}" for number in range(2000 - len(lines), 2000)]
    assert 4000 < len("\n".join(lines)) <= 4096
    assert (long_line[:3], long_line[-3:], len(long_line)) == ("...", "END", 4096)


def test_a_progress_bar_is_noted_as_a_terminal_would_show_it(queue: Queue) -> None:
    """Its thousand states are one line."""
    queue.run(*TAIL, "--", "sh", "-c", r"printf '1 %%\r2 %%\r3 %%\nfailed\r\n' >&2; exit 3")

    assert noted(queue) == "exit code 3\nlast error output:\n3 %\nfailed"


def test_masks_cover_what_is_noted_and_not_what_is_passed_on(queue: Queue) -> None:
    """The alarm is read by people who must not know the password; the log on the host is as it was."""
    script = "echo password=geheim user=me >&2; echo token 12345 >&2; exit 3"

    done = queue.run(*TAIL, "--mask", "password=[^ ]+", "--mask", "[0-9]{5}", "--", "sh", "-c", script)

    assert done.stderr == b"password=geheim user=me\ntoken 12345\n"
    assert noted(queue) == "exit code 3\nlast error output:\n*** user=me\ntoken ***"


def test_a_mask_sees_what_the_cut_leaves_out(queue: Queue) -> None:
    """A secret whose beginning is cut off would no longer be known as one."""
    script = "printf 'BEGIN KEY\\nsecret1\\nsecret2\\nEND KEY\\nlast\\n' >&2; exit 3"
    queue.run(*TAIL, "--mask", "(?s)BEGIN KEY.*END KEY", "--", "sh", "-c", script)
    key = noted(queue)
    queue.run(*TAIL, "--mask", "password=[^ ]+", "--", "sh", "-c", "printf password=%9000s >&2 | tr ' ' x; exit 3")

    assert key == "exit code 3\nlast error output:\n***\nlast"


@pytest.mark.parametrize(
    ("options", "said", "text"),
    [
        (("--mask", "("), b"--mask", "exit code 3"),
        (("--mask", ""), b"--mask", "exit code 3"),
        (("--mask",), b"--mask", "exit code 3"),
        (("--tail", "many"), b"--tail", "exit code 3"),
        (("--tail", ""), b"--tail", "exit code 3"),
        (("--success-codes", "3,x"), b"--success-codes", "exit code 3\nlast error output:\nerr"),
        (("--warning-codes", "9-3"), b"--warning-codes", "exit code 3\nlast error output:\nerr"),
        (("--success-codes", "256"), b"--success-codes", "exit code 3\nlast error output:\nerr"),
    ],
)
def test_an_option_that_makes_no_sense_costs_itself_and_not_the_job(
    queue: Queue, options: Sequence[str], said: bytes, text: str
) -> None:
    """An unset variable in a crontab must not keep a job from running; a broken mask lets nothing through."""
    done = queue.run(*TAIL, *options, "--", "sh", "-c", "echo err >&2; exit 3")

    assert done.returncode == 3
    assert said in done.stderr
    assert queue.messages()[-1]["event"] == "ERROR"
    assert noted(queue) == text


def test_a_mask_that_never_ends_holds_up_the_end_by_5_seconds_at_most(queue: Queue) -> None:
    """Some expressions take years on a short line; the note is given up, and the exit code comes."""
    done = queue.run(*TAIL, "--mask", "(a+)+$", "--", "sh", "-c", f"echo {'a' * 60}b >&2; exit 3")

    assert done.returncode == 3
    assert b"no longer waited for" in done.stderr


def test_a_terminal_stays_a_terminal_where_no_tail_is_asked_for(queue: Queue, tmp_path: Path) -> None:
    """Colours and progress bars depend on it."""
    leader, follower = os.openpty()
    probe = f"exec 3>>{tmp_path}/kinds; for n in 1 2; do test -t $n && echo $n >&3; done; echo . >&3"
    try:
        for options in (NAMED, TAIL, BOTH):
            command = queue.command(*options, "--", "sh", "-c", probe)
            subprocess.run(command, stdin=follower, stdout=follower, stderr=follower, check=False)
    finally:
        os.close(leader)
        os.close(follower)

    assert (tmp_path / "kinds").read_text().split() == ["1", "2", ".", "1", ".", "."]


def test_a_child_that_the_command_leaves_behind_holds_up_nothing_and_can_go_on_writing(
    queue: Queue, tmp_path: Path
) -> None:
    """A daemon started by a job keeps its streams for weeks: the run has ended, and what comes later still arrives."""
    fifo, log = tmp_path / "fifo", tmp_path / "log"
    os.mkfifo(fifo)
    script = f"echo last >&2; (cat {fifo} >&2) & exit 3"

    with log.open("wb") as stderr:
        process = subprocess.Popen(queue.command(*TAIL, "--", "sh", "-c", script), stderr=stderr)
    code = process.wait(30)

    assert (code, noted(queue)) == (3, "exit code 3\nlast error output:\nlast")
    fifo.write_bytes(b"later\n")
    wait_until(lambda: log.read_bytes() == b"last\nlater\n")


def test_a_wrapper_that_is_killed_breaks_no_pipe(queue: Queue, tmp_path: Path) -> None:
    """SIGKILL for the wrapper, and for its group if the command has left it: the job goes on and can go on writing."""
    fifo, log, done = tmp_path / "fifo", tmp_path / "log", tmp_path / "done"
    os.mkfifo(fifo)
    script = f"echo ready >&2; cat {fifo} >&2; echo survived >&2; touch {done}"

    with log.open("wb") as stderr:
        process = subprocess.Popen(
            queue.command(*BOTH, "--", "setsid", "sh", "-c", script), stderr=stderr, start_new_session=True
        )
    wait_until(lambda: log.read_bytes() == b"ready\n")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    fifo.write_bytes(b"x" * 300_000)

    wait_until(done.exists)
    wait_until(lambda: log.read_bytes() == b"ready\n" + b"x" * 300_000 + b"survived\n")
    assert queue.events() == ["STARTED"]


def test_a_run_that_nobody_ended_is_ended_by_its_id(queue: Queue) -> None:
    """By the words of the manual: the id stands in the message of its start."""
    process = subprocess.Popen(
        queue.command(*NAMED, "--", "sh", "-c", "echo $$; exec sleep 60"), stdout=subprocess.PIPE
    )
    job = int(piped(process.stdout).readline())
    wait_until(lambda: queue.path.exists() and queue.run("count").stdout == b"1\n")
    process.kill()
    process.wait(30)
    piped(process.stdout).close()
    os.kill(job, signal.SIGKILL)
    run = queue.messages()[0]["run"]

    added = queue.run("add", "--instance", "P", "--job", "LOAD", "--event", "SUCCESS", "--run", run)

    assert added.returncode == 0
    assert [(message["event"], message["run"]) for message in queue.messages()] == [("STARTED", run), ("SUCCESS", run)]


def test_when_nobody_reads_any_more_the_command_learns_it(queue: Queue) -> None:
    """`run … 2>&1 | head`: the command ends by SIGPIPE, as it would without us."""
    process = subprocess.Popen(queue.command(*TAIL, "--", "sh", "-c", "exec yes >&2"), stderr=subprocess.PIPE)
    assert piped(process.stderr).read(4) == b"y\ny\n"

    piped(process.stderr).close()

    assert process.wait(30) == 128 + signal.SIGPIPE


def test_a_full_disk_behind_the_stream_does_not_kill_the_command(queue: Queue) -> None:
    """Without us its writes would fail, which most programs do not mind; a broken pipe would end them."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            queue.command(*TAIL, "--", "sh", "-c", "yes | head -c 300000 >&2; echo last >&2; exit 3"),
            stderr=full,
            check=False,
        )

    assert done.returncode == 3
    assert noted(queue) == "exit code 3\nlast error output:\ny\ny\nlast"


def test_a_reader_that_does_not_read_holds_up_the_end_by_5_seconds_at_most(queue: Queue) -> None:
    """`run … 2>&1 | less`: what was passed on arrives when it is read; the end is noted without the last lines."""
    process = subprocess.Popen(
        queue.command(*TAIL, "--", "sh", "-c", "yes | head -c 100000 >&2; exit 3"), stderr=subprocess.PIPE
    )
    code = process.wait(30)

    assert code == 3
    assert noted(queue) == "exit code 3\nlast error output: not read in time"
    assert piped(process.stderr).read() == b"y\n" * 50_000
    piped(process.stderr).close()


def test_lists_and_ranges_of_exit_codes_are_a_success_or_a_warning(queue: Queue) -> None:
    """rsync's 24 is no error for most, a backup's 1 is often a warning; the exit code itself is returned untouched."""
    codes = ("--success-codes", "0, 24,30-35", "--warning-codes", "1,40-41")
    events = {}
    for code in (0, 1, 2, 24, 29, 30, 35, 36, 40):
        done = queue.run(*NAMED, *codes, "--warning-event", "WARNING", "--", "sh", "-c", f"exit {code}")
        assert (done.returncode, done.stderr) == (code, b"")
        message = queue.messages()[-1]
        events[code] = message["event"]
        assert (message["exit_code"], message["message"]) == (code, f"exit code {code}")

    words = {0: "SUCCESS", 1: "WARNING", 2: "ERROR", 24: "SUCCESS", 29: "ERROR"}
    assert events == {**words, 30: "SUCCESS", 35: "SUCCESS", 36: "ERROR", 40: "WARNING"}


def test_a_warning_without_a_word_of_its_own_is_a_success_that_names_its_code(queue: Queue) -> None:
    """A tracker that knows no warnings must not keep the run open for ever."""
    queue.run(*NAMED, "--warning-codes", "1", "--", "sh", "-c", "exit 1")

    message = queue.messages()[-1]
    assert (message["event"], message["message"]) == ("SUCCESS", "exit code 1")


def test_what_could_not_be_started_is_an_error_whatever_codes_are_listed(queue: Queue) -> None:
    """A command that is not there has done nothing, also for who takes every exit code for a success."""
    queue.run(*NAMED, "--success-codes", "0-255", "--", "/nonexistent/program")

    assert queue.messages()[-1]["event"] == "ERROR"


def test_the_end_says_what_the_command_and_its_children_used(queue: Queue) -> None:
    """Beside the duration, and before anybody asks for it."""
    script = (
        "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; sh -c 'i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done'"
    )

    queue.run(*NAMED, "--", "sh", "-c", script)

    started, success = queue.messages()
    usage = success["usage"]
    assert list(usage) == [
        "user_sec",
        "system_sec",
        "max_rss_kib",
        "read_blocks",
        "written_blocks",
        "waits",
        "preemptions",
    ]
    assert 0.005 < usage["user_sec"] < 30
    assert 1000 < usage["max_rss_kib"] < 1_000_000
    assert "usage" not in started
    assert json.dumps(usage)


def test_nothing_stays_behind(one_queue: Queue) -> None:
    """Neither relay nor witness outlives the run, unless somebody holds the stream."""
    marker = "a-run-of-the-tests"
    one_queue.run(*BOTH, "--run", marker, "--", "sh", "-c", "exit 3")

    def left() -> list[int]:
        found = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [int(each.parent.name)] if marker.encode() in each.read_bytes() else []
            except OSError:
                continue
        return found

    wait_until(lambda: not left())
