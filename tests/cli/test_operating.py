"""Pauses, resumes and marks as an operator types them: real views, real queues, and what is said in them."""

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from published import SECOND, T0, Published, cyclic, jobs_of
from running import Queue, missing

from job_tracker import clock
from job_tracker.cli.app import app
from job_tracker.cli.screens import ending
from job_tracker.core.jobs import Job
from job_tracker.core.operator_word import decode_word
from job_tracker.core.signals import Signal
from job_tracker.operator_note import opened

NOW = T0 + 100 * SECOND
DAY = 86400
NOBODY = 65534


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


class Desk:
    """A view of some jobs, the queue that its daemon hears, and commands."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], *further: Job) -> None:
        self.view, self.capsys = home / "view.sqlite", capsys
        self.queue = Queue(home / "control" / "queue.sqlite")
        self.queue.add({"instance": "P", "job": "nobody", "event": "made"})  # as a daemon's serve makes it
        self.queue.tool("remove")
        jobs = (cyclic("LOAD_A", group="dwh"), cyclic("LOAD_B", group="dwh"), cyclic("LOAD_B", env="T"), cyclic("SYNC"))
        self.published = Published(self.view, jobs_of(*jobs, *further))
        self.published.control = str(self.queue.path)
        self.published.rebuild()
        self.published.close()

    def __call__(self, *words: str) -> Answer:
        self.capsys.readouterr()
        arguments = [*words, "--view", str(self.view)]
        code = ending.code_of(lambda: app(arguments, prog_name="job_tracker", standalone_mode=False))
        return Answer(code, *self.capsys.readouterr())

    @property
    def said(self) -> list[dict[str, Any]]:
        """What lies in the queue."""
        found: list[dict[str, Any]] = json.loads(self.queue.tool("list"))
        return found

    @property
    def jobs(self) -> list[str]:
        """Of which jobs it is."""
        return [f"{each['job']}__{each['instance']}" for each in self.said]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A hundred seconds after the daemon began."""
    monkeypatch.delenv("JOB_TRACKER_CONFIG", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return Desk(tmp_path, capsys)


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def test_a_pause_is_a_message_that_the_core_reads_as_it_was_meant(desk: Desk) -> None:
    """Its end is stored as a moment, its author as a note; what is printed is what was said."""
    answer = desk("pause", "SYNC", "--for", "36h", "--why", "new disks")

    message = decode_word(opened(desk.said[0]), received=NOW, grace=0)
    assert (message.signal, message.key, message.moment) == (Signal.PAUSE, "SYNC__P", NOW)
    assert message.until == NOW + 36 * 3600 * SECOND
    assert message.text == f"by {me()}: new disks"
    assert answer.code == 0
    assert answer.out.startswith("SYNC__P: paused until ")
    assert answer.out.endswith(f" (Europe/Berlin) by {me()}: new disks\n")
    assert "hears it now" in answer.err


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        (("--for", "01:30:00"), 5400),
        (("--for", "2d"), 2 * DAY),
        (("--for", "90m"), 5400),
        (("--until", str(NOW // SECOND + 60)), 60),
        ((), DAY),
    ],
)
def test_how_long_a_pause_lasts(desk: Desk, length: tuple[str, ...], seconds: int) -> None:
    """As the configuration writes lengths, as people say them, until a moment, or a day."""
    desk("pause", "SYNC", "--why", "x", *length)

    assert json.loads(desk.said[0]["message"])["until"] == NOW / SECOND + seconds


def test_a_date_is_its_midnight_in_the_configurations_zone(desk: Desk) -> None:
    """“until Tuesday” is before Tuesday begins, where the jobs run."""
    assert (
        "paused until 2026-12-01 00:00:00 (Europe/Berlin)"
        in desk("pause", "SYNC", "--until", "2026-12-01", "--why", "x").out
    )


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (("LOAD_*__P",), ["LOAD_A__P", "LOAD_B__P"]),
        (("SYNC", "LOAD_A"), ["LOAD_A__P", "SYNC__P"]),
        (("--group", "dwh"), ["LOAD_A__P", "LOAD_B__P"]),
        (("*_B__*", "--group", "dwh"), ["LOAD_B__P"]),
        (("*", "--source", "app1"), ["LOAD_A__P", "LOAD_B__P", "LOAD_B__T", "SYNC__P"]),
    ],
)
def test_one_message_for_each_job_that_was_named(desk: Desk, words: tuple[str, ...], jobs: list[str]) -> None:
    """Whole names, globs, a group, a source, and what is all of that."""
    answer = desk("pause", *words, "--why", "x")

    assert sorted(desk.jobs) == jobs
    assert sorted(line.split(":")[0] for line in answer.out.splitlines()) == jobs


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("pause", "LOAD", "--why", "x"), "LOAD: there is no such job; did you mean LOAD_A__P or LOAD_B__P"),
        (("pause", "LOAD_B", "--why", "x"), "LOAD_B: there is more than one; name LOAD_B__P or LOAD_B__T or LOAD_B__*"),
        (("pause", "SNYC", "--why", "x"), "SNYC: there is no such job; did you mean SYNC__P?"),
        (("pause", "X*", "--why", "x"), "X*: there is no such job"),
        (("pause", "--why", "x"), "name the jobs, or a --group or --source of them"),
        (("pause", "--group", "dhw", "--why", "x"), "--group dhw: there is no such group; there are: dwh"),
        (("pause", "--source", "app9", "--why", "x"), "--source app9: there is no such source; there are: app1"),
        (("pause", "SYNC", "--group", "dwh", "--why", "x"), "no job is all of that"),
        (("pause", "SYNC", "--why", " "), "--why is empty"),
        (("pause", "SYNC"), "Missing option '--why'"),
        (("pause", "SYNC", "--why", "x", "--for", "soon"), "--for soon: neither hh:mm:ss nor"),
        (("pause", "SYNC", "--why", "x", "--for", "0m"), "the pause would be over at"),
        (("pause", "SYNC", "--why", "x", "--until", "2020-01-01"), "`job_tracker resume` ends one that lasts"),
        (("pause", "SYNC", "--why", "x", "--for", "367d"), "a pause lasts 366 days at most"),
        (("pause", "SYNC", "--why", "x", "--for", "1d", "--until", "2030-01-01"), "--for and --until say the same"),
        (("mark", "SYNC", "--why", "x"), "say --success or --error"),
        (("mark", "SYNC", "--why", "x", "--success", "--error"), "say --success or --error"),
    ],
)
def test_what_is_not_clear_says_nothing(desk: Desk, words: tuple[str, ...], reason: str) -> None:
    """One line, what to do, exit code 2, and nothing in the queue."""
    answer = desk(*words)

    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert reason in answer.err
    assert desk.said == []


def test_a_name_without_its_env_is_a_whole_name(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name may hold two underscores: NIGHT is none of the jobs that only begin like it, and must not pause them."""
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other", capsys, cyclic("NIGHT__DWH"))

    begin, whole = other("pause", "NIGHT", "--why", "x"), other("pause", "NIGHT__DWH", "--why", "x")

    assert begin.code == 2
    assert "NIGHT: there is no such job; did you mean NIGHT__DWH__P?" in begin.err
    assert (whole.code, other.jobs) == (0, ["NIGHT__DWH__P"])


def test_resumes_and_marks_carry_no_end(desk: Desk) -> None:
    """“a mark's and a resume's without `until`”; a resume needs no reason."""
    answers = [
        desk("resume", "SYNC").out,
        desk("mark", "SYNC", "--success", "--why", "seen to").out,
        desk("mark", "SYNC", "--error", "--why", "it hung").out,
    ]

    words = [(each["event"], json.loads(each["message"])) for each in desk.said]
    assert words == [
        ("RESUME", {"author": me(), "why": ""}),
        ("SUCCESS", {"author": me(), "why": "seen to"}),
        ("ERROR", {"author": me(), "why": "it hung"}),
    ]
    assert answers[0] == f"SYNC__P: resumed by {me()} (it was not paused, which changes nothing)\n"
    assert answers[1] == f"SYNC__P: its last run, or one that was not seen, marked as SUCCESS by {me()}: seen to\n"


def test_explain_and_history_show_who_said_what(desk: Desk, tmp_path: Path) -> None:
    """A run, then the pause, with its end; the word is no odd event, and how it ends sooner is said."""
    published = Published(tmp_path / "paused.sqlite", jobs_of(cyclic("SYNC")))
    published.say((0, "SYNC", "STARTED"), (10, "SYNC", "SUCCESS"))
    note = {"author": "anna", "why": "new disks", "until": T0 // SECOND + DAY}
    element = {"timestamp": T0 // SECOND + 60, "job": "SYNC", "instance": "P", "event": "PAUSE", "message": note}
    published.step(T0 + 61 * SECOND, [decode_word(element, received=T0 + 60 * SECOND, grace=0)])
    published.close()
    desk.view = tmp_path / "paused.sqlite"

    explained, history = desk("explain", "SYNC").out, desk("history", "SYNC").out
    document = json.loads(desk("history", "SYNC", "--json").out)["history"][-1]

    assert "PAUSE from (operator): by anna: new disks" in explained
    assert "means nothing" not in explained
    assert "or with `job_tracker resume SYNC__P`." in explained
    assert "; nothing counts meanwhile." in explained
    assert re.search(r"operator +PAUSE until \S+ \S+ +by anna: new disks", history.splitlines()[-1])
    assert (document["what"], document["ends"], document["text"]) == ("operator", note["until"], "by anna: new disks")


def test_names_are_completed_from_the_view(desk: Desk, tmp_path: Path) -> None:
    """Nobody types a name of forty characters twice, least of all at night."""
    config = tmp_path / "job_tracker.cfg"
    config.write_text(json.dumps({"global_config": {"view_file": str(desk.view)}}))
    environment = {**os.environ, "JOB_TRACKER_CONFIG": str(config), "_TYPER_COMPLETE_ARGS": "job_tracker pause SYNC LO"}
    environment["_JOB_TRACKER_COMPLETE"] = "complete_zsh"

    done = subprocess.run(
        [sys.executable, "-m", "job_tracker"], env=environment, capture_output=True, text=True, check=False
    )

    assert "LOAD_A__P" in done.stdout
    assert "SYNC__P" not in done.stdout


def test_a_queue_that_is_not_there_is_left_to_the_daemon(desk: Desk) -> None:
    """Whoever makes it owns it, and the daemon could not read what an operator owns."""
    desk.queue.path.unlink()

    answer = desk("pause", "SYNC", "--why", "x")

    assert answer.code == 2
    assert f"{desk.queue.path} is not there; the daemon makes it at its start" in answer.err
    assert not desk.queue.path.exists()


@contextmanager
def somebody_else() -> Iterator[None]:
    """Nobody, for a while."""
    if os.geteuid() != 0:
        missing("needs root, to be somebody else")
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def open_ways(path: Path) -> None:
    """Let everybody through to what lies there; pytest keeps its directories to itself."""
    for each in (path, *path.parents):
        if each.owner() == path.owner() and "pytest" in str(each):
            each.chmod(each.stat().st_mode | 0o755)


def test_who_may_not_speak_is_told_which_group_may(desk: Desk) -> None:
    """The rights of the directory decide; a refusal names the group and the command that lets somebody in."""
    desk("resume", "SYNC")  # what it imports may lie where only root can read
    open_ways(desk.view)
    desk.queue.path.parent.chmod(0o2770)
    with somebody_else():
        of_a_group = desk("pause", "SYNC", "--why", "x")
    desk.queue.path.parent.chmod(0o700)
    with somebody_else():
        of_its_owner = desk("pause", "SYNC", "--why", "x")

    assert (of_a_group.code, of_its_owner.code) == (2, 2)
    assert "the members of the group root may: ask root for `usermod -aG root nobody`" in of_a_group.err
    assert "control is root's alone, so say it as root" in of_its_owner.err
    assert [each["event"] for each in desk.said] == ["RESUME"]


def test_root_speaks_as_the_queues_owner(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that root left behind would shut the daemon out of its own queue; the note names who used sudo."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if os.geteuid() != 0 or python is None:
        missing("needs root, and a Python that others may use")
    for path in (desk.queue.path.parent, *desk.queue.path.parent.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    open_ways(desk.view)
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setenv("SUDO_USER", "anna")

    answer = desk("pause", "SYNC", "--why", "x")

    assert answer.code == 0, answer.err
    assert json.loads(desk.said[0]["message"])["author"] == "anna"
    assert {path.stat().st_uid for path in desk.queue.path.parent.iterdir()} == {NOBODY}


def test_root_follows_no_link_that_an_operator_put_in_the_queues_place(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operators may write into the directory: behind a link to a file of root's the tool would have root's rights."""
    if os.geteuid() != 0:
        missing("needs root")
    directory = desk.queue.path.parent
    os.chown(directory, NOBODY, NOBODY)
    (tmp_path / "of_root").write_text("root's")
    desk.queue.path.unlink()
    desk.queue.path.symlink_to(tmp_path / "of_root")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nid -u >&2\nexit 1\n")
    python.chmod(0o755)
    open_ways(python)
    monkeypatch.setattr(sys, "executable", str(python))

    answer = desk("pause", "SYNC", "--why", "x")

    assert answer.code == 2
    assert f"nothing was said: {NOBODY};" in answer.err
