"""The lines that send-notification.py makes, and its verbs that need no receiver."""

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from event_grammar import events_in
from notification_tool import AT, HOSTILE, TOOL, Done, Run, run_tool
from queue_tool import Answer, Queue

GOLDEN = Path(__file__).parents[1] / "golden" / "event_lines.txt"


@pytest.fixture
def run(python: str) -> Run:
    """The tool under the oldest and the newest Python."""
    return lambda *arguments, **options: run_tool(python, *arguments, **options)


@pytest.fixture
def run_once() -> Run:
    """The tool under the Python of the tests, where the Python makes no difference."""
    return lambda *arguments, **options: run_tool(sys.executable, *arguments, **options)


def line_of(run: Run, *arguments: str | bytes, **options: object) -> bytes:
    """What would be sent."""
    done = run("event", "--dry-run", "--host", "h1", "--application", "job_A__P", "--at", AT, *arguments, **options)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_lines_are_as_the_golden_file_says(run: Run) -> None:
    """Byte for byte: rules of the Event Console are written against them."""
    lines = [
        line_of(run, "-m", "ERROR since 2026-11-23 02:14:07 (2 of 2 errors): ORA-01555", "--status", str(status))
        for status in range(4)
    ]
    lines += [line_of(run, "-m", "-", input=text.encode()) for text in HOSTILE.values() if len(text) < 1000]
    lines += [
        line_of(run, "--host", "fe80:0::1", "-m", "an address"),
        line_of(run, "--host=-h ö;|", "--application", "a b: c[7] 'd'", "-m", "names"),
        line_of(run, "--priority", "6", "-m", "information"),
        line_of(run, "--test"),
        line_of(run, "--test", "-m", "mine", "--status", "0"),
    ]

    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_bytes(b"".join(lines))
    assert b"".join(lines) == GOLDEN.read_bytes()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("way", ["stdin", "argument"])
def test_hostile_texts_are_one_event_each_and_read_as_meant(run: Run, name: str, way: str) -> None:
    """Texts come from jobs, and jobs print anything."""
    text = HOSTILE[name]
    if way == "argument":
        line = line_of(run, f"--message={text.replace(chr(0), '')}")
    else:
        line = line_of(run, "-m", "-", input=text.encode())

    (event,) = events_in(line)
    assert (event.facility, event.priority, event.moment) == (16, 2, int(AT))
    assert (event.host, event.application) == ("h1", "job_A__P")
    if len(text) < 1000:
        kept = [part for part in text.split() if part.isprintable()]
        assert all(part in event.text for part in kept)
    else:
        assert event.text.endswith("\u2026")
        assert 3490 < len(event.text.encode()) <= 3500


def test_bytes_that_are_no_text_become_replacement_characters(run: Run) -> None:
    """Invalid UTF-8 would cost the event its host and its application."""
    from_stdin = line_of(run, "-m", "-", input=b"a\xff\xed\xa0\x80b")
    from_argument = line_of(run, b"--message=a\xffb")

    assert events_in(from_stdin)[0].text.startswith("a\ufffd")
    assert events_in(from_argument)[0].text == "a\ufffdb"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-m", "x"),
        ("-m", "x", "--status", "4"),
        ("-m", "x", "--at", "123"),
        ("-m", "x", "--at", "nan"),
        ("-m", "x", "--to", "file:/tmp/x"),
        ("-m", "x", "--to", "pipe:relative"),
        ("-m", "x", "--to", "tcp://h:0"),
        ("-m", "x", "--to", "tcp://h:66666"),
        ("-m", "x", "--to", "tcp://h/../x"),
        ("-m", "x", "--to", "ssh://nobody"),
        ("-m", "x", "--to", "ssh://-oProxyCommand=x@h"),
        ("-m", "x", "--to", "ssh://u@-oProxyCommand=x"),
        ("-m", "x", "--to", "ssh://u@h$(x)"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_reason(run_once: Run, arguments: tuple[str, ...]) -> None:
    """No target that is none is tried, and nothing of one becomes an option of ssh."""
    done = run_once("event", *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith((b"send-notification.py: ", b"usage: "))


def test_the_configuration_names_targets_and_defaults(run: Run, tmp_path: Path) -> None:
    """Several `to` are several targets, in order; what is on the command line wins."""
    config = tmp_path / "send-notification.cfg"
    config.write_text("# ours\nto = pipe:/nowhere/1\nto=pipe:/nowhere/2\nhost=em1\nfacility = 17\nservice_level = 20\n")
    environment = {"PATH": os.environ["PATH"], "SEND_NOTIFICATION_CONFIG": str(config)}
    command = [sys.executable, "-I", str(TOOL), "event", "-m", "x"]

    shown = subprocess.run([*command, "--dry-run", "--at", AT], env=environment, capture_output=True, check=True).stdout
    failed = subprocess.run(command, env=environment, capture_output=True, check=False)
    elsewhere = subprocess.run(
        command, env={**environment, "SEND_NOTIFICATION_TO": "pipe:/nowhere/3"}, capture_output=True, check=False
    )

    assert shown == b"<138>@1763950447;20 em1 send-notification: x\n"
    assert failed.returncode == elsewhere.returncode == 1
    assert [line.split(b": ")[1] for line in failed.stderr.splitlines()] == [b"pipe:/nowhere/1", b"pipe:/nowhere/2"]
    assert b"/nowhere/3" in elsewhere.stderr


def test_a_service_level_is_in_the_line_only_if_it_is_configured(run: Run, tmp_path: Path) -> None:
    """One in the line wins over the rule's, also a 0, and the rules of a site would not set any."""
    config = tmp_path / "levels.cfg"
    shown = [line_of(run, "-m", "x")]
    for level in ("0", "20", ""):
        config.write_text(f"service_level = {level}\n")
        words = ("--config", str(config), "event", "--dry-run", "--host", "h1", "-m", "x", "--at", AT)
        shown.append(run(*words).stdout)

    assert [events_in(line)[0].service_level for line in shown] == [None, 0, 20, None]


def test_applications_that_begin_alike_stay_apart_when_they_are_cut(run_once: Run) -> None:
    """By host and application an event cancels another; two that are cut to one name would cancel each other."""
    long = "x" * 300
    names = [long + "A", long + "B", long[:240]]

    shown = [events_in(line_of(run_once, "--application", name, "-m", "x"))[0].application for name in names]

    assert len(set(shown)) == 3
    assert [len(name) for name in shown] == [240, 240, 240]


@pytest.mark.parametrize("line", ["tto = x", "nonsense", "timeout = 0", "facility = 24", "timeout = x", "to = tpc://h"])
def test_a_faulty_configuration_is_refused(run_once: Run, tmp_path: Path, line: str) -> None:
    """A misspelled target would be no target, and nobody would know until the night it is needed."""
    config = tmp_path / "x.cfg"
    config.write_text(line + "\n")

    done = run_once("--config", str(config), "event", "-m", "x", "--dry-run")

    assert (done.returncode, done.stdout) == (2, b"")


# -- many events -----------------------------------------------------------------------------------------------------


def many(run: Run, lines: Sequence[object], *arguments: str) -> tuple[Done, list[Answer]]:
    """The lines as they are, or as JSON if they are no bytes; how it ended, and the answers."""
    given = [line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines]
    done = run("event", "--many", *arguments, input=b"".join(given))
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_many_events_are_made_as_one_is(run: Run) -> None:
    """What a line lacks, the command line has."""
    lines = [
        {"message": "one", "application": "A", "status": 0, "at": 1763950448},
        {"message": " ", "host": "h2", "priority": 6},
        {"message": "x" * 4000, "at": 1763950449.9},
    ]
    words = ("--dry-run", "--host", "h1", "--application", "B", "--at", AT)

    done = run("event", "--many", *words, input="".join(json.dumps(line) + "\n" for line in lines).encode())

    first, second, third = events_in(done.stdout)
    assert first == (16, 5, int(AT) + 1, None, "h1", "A", "one")
    assert second == (16, 6, int(AT), None, "h2", "B", "(no text)")
    assert (third.moment, third.priority, len(third.text.encode())) == (int(AT) + 2, 2, 3500)


HOSTILE_LINES = [
    b"\n",
    b"nonsense\n",
    b"[]\n",
    b"1" * 5000 + b"\n",
    b"[" * 100_000 + b"\n",
    b'{"message": 1}\n',
    b'{"message": "x", "massage": "y"}\n',
    b'{"message": "x", "status": true}\n',
    b'{"message": "x", "status": 4}\n',
    b'{"message": "x", "status": 1e0}\n',
    b'{"message": "x", "at": NaN}\n',
    b'{"message": "x", "at": ' + b"9" * 5000 + b"}\n",
    b'{"message": "x", "host": null}\n',
    b'{"message": "' + b"x" * (1 << 21) + b'"}\n',
    b'{"message": "half a li',
]


def test_a_line_that_is_no_event_is_answered_and_the_others_are_sent(run: Run, tmp_path: Path) -> None:
    """The caller marks what was taken line by line; one of them must not cost those after it."""
    fifo = tmp_path / "events"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    good = {"message": "\ud800 \U0001f525", "application": "A"}
    lines = [part for bad in HOSTILE_LINES for part in (good, bad)]

    done, answers = many(run, lines, "--to", f"pipe:{fifo}")

    arrived = os.read(reader, 1 << 16)
    os.close(reader)
    assert [answer["line"] for answer in answers] == list(range(1, len(lines) + 1))
    assert [answer["code"] for answer in answers] == [0, 2] * len(HOSTILE_LINES)
    assert [bool(answer["complaints"]) for answer in answers] == [False, True] * len(HOSTILE_LINES)
    assert [event.text for event in events_in(arrived)] == ["\ufffd \U0001f525"] * len(HOSTILE_LINES)
    assert (done.returncode, done.stderr) == (2, b"")


def test_each_answer_comes_before_the_next_line_is_written(run_once: Run, tmp_path: Path) -> None:
    """Whoever is killed in between knows what was taken; an answer that waits in a buffer would not tell."""
    fifo = tmp_path / "events"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-I", str(TOOL), "--config", os.devnull, "event", "--many", "--to", f"pipe:{fifo}"]

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(json.dumps({"message": str(number)}).encode() + b"\n")
            answer = json.loads(process.stdout.readline())
            assert answer == {"code": 0, "complaints": [], "line": number + 1}
            assert events_in(os.read(reader, 4096))[0].text == str(number)
        process.stdin.close()
        assert process.wait(20) == 0
    os.close(reader)


def test_once_no_target_is_left_the_rest_is_answered_at_once(run: Run, tmp_path: Path) -> None:
    """Nothing overtakes what was not taken, and a thousand time limits are not waited for."""
    done, answers = many(run, [{"message": "x"}] * 1000, "--to", f"pipe:{tmp_path}/none", "--to", "tcp://127.0.0.1:1")

    assert done.returncode == 1
    assert {answer["code"] for answer in answers} == {1}
    assert [len(answer["complaints"]) for answer in answers] == [2] + [1] * 999
    assert "not tried" in answers[-1]["complaints"][0]


def test_a_target_that_has_failed_is_left_out_for_the_rest(run: Run, tmp_path: Path) -> None:
    """Each event would wait for its time limit again."""
    fifo = tmp_path / "events"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    done, answers = many(run, [{"message": "x"}] * 3, "--to", f"pipe:{tmp_path}/none", "--to", f"pipe:{fifo}")

    os.close(reader)
    assert done.returncode == 0
    assert [(answer["code"], len(answer["complaints"])) for answer in answers] == [(0, 1), (0, 0), (0, 0)]


@pytest.mark.parametrize("words", [("-m", "x"), ("--test",)])
def test_many_and_one_are_not_asked_for_at_once(run_once: Run, words: tuple[str, ...]) -> None:
    """Nobody would know which of them was sent."""
    done = run_once("event", "--many", *words)

    assert (done.returncode, done.stdout) == (2, b"")


# -- file -------------------------------------------------------------------------------------------------------------


def test_file_appends_whole_lines_with_many_writers(run_once: Run, tmp_path: Path) -> None:
    """Half a line of one in a line of another is worth nothing."""
    path = tmp_path / "log"
    writers = [
        threading.Thread(target=run_once, args=("file", "-f", str(path), "-m", f"{n} " + "x" * 9000)) for n in range(12)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    lines = path.read_text().splitlines()
    assert sorted(int(line.split()[1]) for line in lines) == list(range(12))
    assert {len(line.split()[2]) for line in lines} == {9000}
    assert path.stat().st_mode & 0o777 == 0o640


def test_file_begins_a_new_line_behind_half_a_one(run: Run, tmp_path: Path) -> None:
    """What another program, or a full disk, left unfinished must not swallow ours."""
    path = tmp_path / "log"
    path.write_text("half a li")

    done = run("file", "-f", str(path), "--at", AT, "-m", "one\ntwo")

    assert done.returncode == 0
    assert path.read_text() == "half a li\n2025-11-24T02:14:07Z one two\n"


def test_file_refuses_what_is_no_file(run_once: Run, tmp_path: Path) -> None:
    """Neither a link to something nor a FIFO that would hang."""
    secret, fifo = tmp_path / "secret", tmp_path / "fifo"
    secret.write_text("")
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(fifo)

    through_link = run_once("file", "-f", str(tmp_path / "link"), "-m", "x")
    into_fifo = run_once("file", "-f", str(fifo), "-m", "x")
    into_directory = run_once("file", "-f", str(tmp_path), "-m", "x")

    assert [through_link.returncode, into_fifo.returncode, into_directory.returncode] == [1, 1, 1]
    assert secret.read_text() == ""


def test_a_full_disk_leaves_no_half_line(run_once: Run) -> None:
    """It says so, and exits 1."""
    done = run_once("file", "-f", "/dev/full", "-m", "x")

    assert done.returncode == 1
    assert b"not a regular file" in done.stderr or b"No space" in done.stderr


# -- odi --------------------------------------------------------------------------------------------------------------


def test_odi_stores_the_message_that_add_would_store(queue: Queue, tmp_path: Path) -> None:
    """One format exists: message-queue.py's own code writes it."""
    words = ["--job", "LOAD", "--instance", "P", "--event", "ERROR", "--message=-ORA-1 'x'\n$(y)", "--run", "7"]

    for tool in (TOOL, TOOL.with_name("message-queue.py")):
        shutil.copy(tool, tmp_path)
    python = [queue.python, "-I", str(tmp_path / TOOL.name)]

    done = subprocess.run(
        [*python, "odi", "-f", str(queue.path), *words, "--exit-code", "3"], capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (message,) = queue.messages()
    expected = {"instance": "P", "job": "LOAD", "event": "ERROR", "message": "-ORA-1 'x'\n$(y)", "run": "7"}
    assert {**expected, "exit_code": 3}.items() <= message.items()
    assert not list(tmp_path.glob("__pycache__"))


def test_odi_says_what_is_wrong_as_add_does(run: Run, one_queue: Queue, tmp_path: Path) -> None:
    """A mistyped event is refused here, where whoever mistyped it sees it."""
    misspelled = run("odi", "--job", "J", "--instance", "P", "--event", "SUCESS", "-f", str(one_queue.path))
    (tmp_path / "file").write_text("x")
    impossible = run("odi", "--job", "J", "--instance", "P", "--event", "ERROR", "-f", str(tmp_path / "file" / "q"))

    assert misspelled.returncode == 2
    assert impossible.returncode == 1
    assert impossible.stderr.startswith(b"message-queue.py: ")


def test_odi_takes_its_queue_from_the_environment(run_once: Run, one_queue: Queue) -> None:
    """An ODI package is copied between environments; the host knows where its queue is."""
    environment = {"JOB_TRACKER_QUEUE": str(one_queue.path)}

    done = run_once("odi", "--job", "J", "--instance", "P", "--event", "STARTED", env=environment)

    assert done.returncode == 0
    assert one_queue.events() == ["STARTED"]


# -- oem --------------------------------------------------------------------------------------------------------------

OEM = {
    "TARGET_NAME": "orcl.example.com",
    "TARGET_TYPE": "oracle_database",
    "HOST_NAME": "db1.example.com",
    "MESSAGE": "Tablespace [USERS] is 98 percent full",
    "METRIC_GROUP": "problemTbsp",
    "METRIC_COLUMN": "pctUsed",
    "KEY_VALUE": "USERS 1",
}


@pytest.mark.parametrize(
    ("severity", "priority"),
    [
        ("FATAL", 2),
        ("CRITICAL", 2),
        ("WARNING", 4),
        ("MINOR_WARNING", 4),
        ("Minor Warning", 4),
        ("INFORMATIONAL", 6),
        ("CLEAR", 5),
        ("*CRITICAL*", 2),
        ('"CLEAR"', 5),
        ("'*WARNING*'", 4),
        ("SOMETHING", 3),
    ],
)
def test_oem_maps_severities(run_once: Run, severity: str, priority: int) -> None:
    """INFORMATIONAL is no all-clear: it must not cancel what is open."""
    done = run_once("oem", "--dry-run", env={**OEM, "SEVERITY_CODE": severity})

    (event,) = events_in(done.stdout)
    assert event.priority == priority
    assert (event.host, event.application) == (
        "db1.example.com",
        "orcl.example.com/problemTbsp/pctUsed/USERS_1",
    )
    assert event.text.endswith(": Tablespace [USERS] is 98 percent full (oracle_database orcl.example.com)")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("*text*", "text"),
        ("**text**", "text"),
        ('"*text*"', "text"),
        ("'text'", "text"),
        ('"*Tablespace "USERS" is full*"', 'Tablespace "USERS" is full'),
        ('"a" or "b"', '"a" or "b"'),
        ("5 * 3", "5 * 3"),
        ("***", "no message"),
        ("", "no message"),
    ],
)
def test_oem_takes_off_what_is_put_around_values(run: Run, given: str, meant: str) -> None:
    """Enterprise Manager decorates; what is inside stays."""
    done = run("oem", "--dry-run", env={"SEVERITY_CODE": "CLEAR", "TARGET_NAME": "t", "MESSAGE": given})

    assert events_in(done.stdout)[0].text == f"CLEAR: {meant} (t)"


def test_two_jobs_of_one_target_are_two_applications(run_once: Run) -> None:
    """The end of one well must not cancel the alarm of the other; an all-clear still cancels what it clears."""
    target = {name: OEM[name] for name in ("TARGET_NAME", "TARGET_TYPE", "HOST_NAME", "MESSAGE")}
    backup = {**target, "EVENT_TYPE": "job_status_change", "SOURCE_OBJ_NAME": "BACKUP_FULL"}
    statistics = {**backup, "SOURCE_OBJ_NAME": "GATHER_STATS"}
    namesake = {**backup, "SOURCE_OBJ_OWNER": "SCOTT"}

    def application(job: dict[str, str], severity: str) -> str:
        done = run_once("oem", "--dry-run", env={**job, "SEVERITY_CODE": severity})
        return events_in(done.stdout)[0].application

    assert application(backup, "CRITICAL") == "orcl.example.com/job_status_change/BACKUP_FULL"
    assert application(backup, "CLEAR") == application(backup, "CRITICAL")
    assert len({application(job, "CLEAR") for job in (backup, statistics, namesake)}) == 3


@pytest.mark.parametrize("missing", ["target", "configuration", "target's name"])
def test_oem_ends_with_100_while_the_target_is_away(run_once: Run, tmp_path: Path, missing: str) -> None:
    """Enterprise Manager calls an OS command again for no other exit code: with 1 the alarm was lost."""
    words = {
        "target": ["oem", "--to", f"pipe:{tmp_path}/none"],
        "configuration": ["--config", f"{tmp_path}/none.cfg", "oem"],
        "target's name": ["oem"],
    }[missing]

    done = run_once(*words, env={**OEM, "PATH": os.environ["PATH"], "SEVERITY_CODE": "CRITICAL"})

    assert done.returncode == 100
    assert done.stderr.startswith(b"send-notification.py: ")


def test_oem_needs_a_severity(run_once: Run) -> None:
    """Called by hand it says what it is for."""
    done = run_once("oem", "--dry-run", env={})

    assert done.returncode == 2
    assert b"SEVERITY_CODE" in done.stderr


# -- the file itself --------------------------------------------------------------------------------------------------


def test_it_imports_nothing_but_the_standard_library() -> None:
    """It is copied to hosts that have nothing else."""
    tree = ast.parse(TOOL.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_no_shell_is_involved() -> None:
    """The only other program it starts is ssh, by an argument list."""
    source = TOOL.read_text()

    assert "shell=True" not in source
    assert "os.system" not in source
    assert source.count("Popen(") == 1


def test_help_of_every_verb_is_printed(run: Run) -> None:
    """A manual with a percent sign in the wrong place breaks only when it is read."""
    for verb in ([], ["event"], ["receive"], ["file"], ["odi"], ["oem"]):
        done = run(*verb, "--help")
        assert (done.returncode, done.stderr) == (0, b"")
    assert json.dumps(done.stdout.decode("utf-8", "replace"))
