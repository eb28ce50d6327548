"""The command line: real views, real files, and what an operator reads of them."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from published import BERLIN, SECOND, T0, Published, cyclic, daily, jobs_of

from job_tracker import clock
from job_tracker.cli.app import app
from job_tracker.cli.screens import ending, plain
from job_tracker.config.places import DEFAULT_VIEW
from job_tracker.config.settings import Settings
from job_tracker.core.intake import Why, in_words
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.exit_codes import FAILED, INTERRUPTED
from job_tracker.ports import Contact
from job_tracker.telling import times
from job_tracker.telling.harmless import safe

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parents[1] / "golden"
COMMANDS = (
    *("", "run", "start", "stop", "restart", "reload", "status", "links", "check-config"),
    *("jobs", "history", "explain", "unmatched", "notifications", "replay", "sources", "check-sources", "schedule"),
    *("take-over", "suggest", "pause", "resume", "mark", "events", "ship", "shippers"),
    *("web", "web-user"),
)
HOSTILE = "[red]ORA[/red] \x1b[31mtoo\x1b]0;owned\x07 old\r\n\u202egnp.exe \x9b2J"

CONFIG: dict[str, Any] = {
    "global_config": {"time_zone": "Europe/Berlin", "view_file": "view.sqlite"},
    "source_hosts": [{"connection": "local", "name": "app1", "message_queue": "queue.sqlite"}],
    "jobs": [
        {
            "name": "LOAD",
            "env": "P",
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": "01:00:00",
            "timeout_in_hh:mm:ss": "00:10:00",
        },
        {
            "name": "BACKUP",
            "env": "P",
            "cyclic_or_daily": "daily",
            "daily_start_time_in_hh:mm": "22:30",
            "timeout_in_hh:mm:ss": "02:00:00",
        },
    ],
}


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command in this process; stdout is no terminal."""
    monkeypatch.delenv("JOB_TRACKER_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        words = [str(each) for each in arguments]
        code = ending.code_of(lambda: app(words, prog_name="job_tracker", standalone_mode=False))
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of two jobs whose view lies beside it."""
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps(CONFIG))
    return path


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A view of jobs in every state, read five seconds after it was written."""
    path = tmp_path / "view.sqlite"
    published = Published(
        path,
        jobs_of(
            cyclic("LOAD", max_errors=2),
            daily("BACKUP"),
            cyclic("HANG"),
            cyclic("LATE", interval=1000 * SECOND),
            cyclic("RUNS", timeout=9000 * SECOND),
            cyclic("WELL", windows=Windows(zone=BERLIN, rules=(Quiet(begin=0, end=300),))),
        ),
    )
    published.unmatched = [unmatched_row("NEW"), unmatched_row("a b")]
    published.unmatched.append(unmatched_row("LOAD", Why.OTHER_SOURCE, "app2"))
    published.rebuild()
    published.say((10, "LOAD", "STARTED"), (70, "LOAD", "ERROR", HOSTILE), (20, "HANG", "STARTED"))
    published.say((100, "RUNS", "STARTED"), (110, "WELL", "STARTED"), (200, "WELL", "SUCCESS", "500 rows"))
    published.say((1900, "LOAD", "STARTED"), (1960, "LOAD", "ERROR", "twice"))
    published.wait(2000)
    published.close()
    monkeypatch.setattr(clock, "now", lambda: T0 + 2005 * SECOND)
    return path


def unmatched_row(name: str, why: Why = Why.UNKNOWN_JOB, detail: str = "") -> dict[str, Any]:
    """A row as the ledger has it."""
    row = {"source": "app1", "name": name, "env": "P", "why": why.value, "reason": in_words(why, detail), "count": 3}
    return {**row, "first": T0, "last": T0 + SECOND, "sample": "{}"}


# -- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_the_golden_file_says(command: str, ask: Ask) -> None:
    """The help is a document that operators and wrappers rely on; a change of it is to be seen and wanted."""
    path = GOLDEN / f"help{command and '_'}{command.replace('-', '_')}.txt"

    answer = ask(*([command] if command else []), "--help")

    assert answer.code == 0
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(answer.out)
    assert answer.out == path.read_text()


def test_every_exit_code_is_documented(ask: Ask) -> None:
    """Whoever scripts it must not have to guess."""
    said = " ".join(ask("--help").out.split())

    assert re.search(r"Exit codes: 0 .*; 2 .*; 130 .*; 141 .*; 1 ", said)


def test_version_is_said(ask: Ask) -> None:
    """The first question of every support case."""
    assert ask("--version") == Answer(0, "job_tracker 0.1.0\n", "")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["jobs", "--nope"], "`job_tracker jobs --help`"),
        (["nope"], "`job_tracker --help`"),
        (["history"], "`job_tracker history --help`"),
        (["history", "X", "-n", "0"], "`job_tracker history --help`"),
        (["jobs", "--watch", "--json"], "`job_tracker jobs --help`"),
    ],
)
def test_a_command_that_cannot_be_understood_is_one_line(arguments: list[str], hint: str, ask: Ask) -> None:
    """What is wrong, and where the answer stands."""
    answer = ask(*arguments)

    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert hint in answer.err


def test_no_command_shows_the_help(ask: Ask) -> None:
    """The name alone is a question, too."""
    answer = ask()

    assert answer.code == 2
    assert "check-config" in answer.err


# -- jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_in_a_pipe_are_aligned_text_without_colour(ask: Ask, view: Path) -> None:
    """awk and grep read it: one line per job, nothing cut off, the age elsewhere."""
    answer = ask("jobs", "--view", view)

    lines = answer.out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["JOB", "STATE", "STATUS"],
        ["LOAD__P", "ERROR", "CRIT"],
        ["BACKUP__P", "NEVER_RAN", "OK"],
        ["HANG__P", "TIMEOUT", "CRIT"],
        ["LATE__P", "DELAYED", "CRIT"],
        ["RUNS__P", "RUNNING", "OK"],
        ["WELL__P", "NOT_RUNNING", "OK"],
    ]
    assert "\x1b" not in answer.out
    assert len({line.index("OK") for line in lines if " OK " in line}) == 1
    assert answer.err.startswith("6 jobs: 3 OK, 3 CRIT; times in Europe/Berlin; as of ")
    assert answer.err.count("\n") == 2


def test_a_job_can_be_found_by_a_part_of_its_name_or_a_glob(ask: Ask, view: Path) -> None:
    """Nobody types the whole name at night."""
    assert shown(ask("jobs", "oa", "--view", view)) == ["LOAD__P"]
    assert shown(ask("jobs", "*L*__P", "--view", view)) == ["LOAD__P", "LATE__P", "WELL__P"]
    assert ask("jobs", "zzz", "--view", view).err.startswith("no job fits zzz; ")


def test_jobs_can_be_chosen_by_state_and_by_trouble(ask: Ask, view: Path) -> None:
    """What is wrong is what is asked for most."""
    assert shown(ask("jobs", "--problems", "--view", view)) == ["LOAD__P", "HANG__P", "LATE__P"]
    assert shown(ask("jobs", "--state", "running", "--state", "ERROR", "--view", view)) == ["LOAD__P", "RUNS__P"]
    refused = ask("jobs", "--state", "BROKEN", "--view", view)
    assert refused.code == 2
    assert "NOT_RUNNING" in refused.err


def shown(answer: Answer) -> list[str]:
    """The names in a table."""
    return [line.split()[0] for line in answer.out.splitlines()[1:]]


def test_a_list_says_what_it_cannot_know(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three jobs that are OK are not, where their source was refused since the evening."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    published.contact = Contact.REFUSED
    published.unmatched = [unmatched_row("LAOD")]
    published.rebuild()
    published.close()
    monkeypatch.setattr(clock, "now", lambda: T0 + SECOND)

    answer = ask("jobs", "--problems", "--view", tmp_path / "view.sqlite")

    assert shown(answer) == ["LOAD__P", "OTHER__P"]
    assert "app1 is refused since" in answer.err
    assert "nothing is known since of its 2 jobs" in answer.err
    assert "1 name belongs to no job" in answer.err


def test_a_run_that_nobody_ends_is_what_the_list_shows_beside_how_later_ones_ended(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper that was killed leaves it open; the row said RUNNING, and that the last run was fine, of another."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD")))
    published.say((10, "LOAD", "STARTED"), run="a")
    published.say((20, "LOAD", "STARTED"), (30, "LOAD", "SUCCESS"), run="b")
    published.close()
    monkeypatch.setattr(clock, "now", lambda: T0 + 40 * SECOND)

    listed = ask("jobs", "--view", tmp_path / "view.sqlite").out
    explained = ask("explain", "LOAD", "--view", tmp_path / "view.sqlite").out

    assert "running, a later one ok" in listed
    assert "Nobody has ended run 1 though later ones ended." in explained
    assert "--event SUCCESS --run a`" in explained


def test_what_is_nearly_a_job_is_said_to_be(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters in the wrong order are found by whoever is shown both names."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("ODI_LOAD"), cyclic("BACKUP")))
    published.unmatched = [unmatched_row("ODI_LAOD"), unmatched_row("backup "), unmatched_row("LADE_KÜNDIGUNGEN")]
    published.rebuild()
    published.close()
    monkeypatch.setattr(clock, "now", lambda: T0 + SECOND)

    said = ask("unmatched", "--view", tmp_path / "view.sqlite").out

    assert "ODI_LAOD of P: did you mean ODI_LOAD__P?" in said
    assert "'backup ' of P: did you mean BACKUP__P?" in said
    assert '"name": "LADE_KUNDIGUNGEN"' in said
    assert '"job": "LADE_KÜNDIGUNGEN"' in said


def test_lines_to_adopt_are_written_as_the_configuration_is(ask: Ask, view: Path, tmp_path: Path) -> None:
    """Nobody should have to translate JSON into YAML at night."""
    config = tmp_path / "job_tracker.yml"
    config.write_text(json.dumps(CONFIG))
    said = ask("unmatched", "--view", view, "-c", config).out
    lines = said[said.index("  - name") :]
    hosts = json.dumps(CONFIG["source_hosts"])
    config.write_text(f"source_hosts: {hosts}\njobs:\n{lines}")

    assert ask("check-config", config).code == 0


def test_jobs_as_json_are_one_document_in_seconds(ask: Ask, view: Path) -> None:
    """Programs compare its moments with those of messages."""
    answer = ask("jobs", "LOAD", "--view", view, "--json")

    document = json.loads(answer.out)
    (job,) = document["jobs"]
    assert (job["job"], job["state"], job["status"]) == ("LOAD__P", "ERROR", 2)
    assert job["last_run"]["ended"] == T0 / SECOND + 1960
    assert job["promise"]["interval"] == 3600.0
    assert document["view"]["age"] == 5.0
    assert not document["view"]["stale"]


def test_json_is_alone_on_stdout_even_on_a_terminal(view: Path) -> None:
    """What looks at the screen may still be copied into a program."""
    assert json.loads(on_terminal("jobs", "--view", str(view), "--json", stderr=subprocess.DEVNULL))


def test_a_terminal_is_shown_colours(view: Path) -> None:
    """Red is found faster than CRIT."""
    said = on_terminal("jobs", "--view", str(view), now=T0 + 2005 * SECOND)

    assert "\x1b[1;31mTIMEOUT" in said
    assert "6 jobs: 3 OK, 3 CRIT; times in Europe/Berlin; as of" in said


def test_what_may_not_be_so_any_more_is_grey_and_says_so_first(view: Path) -> None:
    """Green that counts on after the daemon has died is believed."""
    said = on_terminal("jobs", "--view", str(view), now=T0 + 5000 * SECOND)

    assert "STALE" in said.splitlines()[0]
    assert "\x1b[2mNOT_RUNNING" in said
    assert "\x1b[32m" not in said


def test_on_a_terminal_problems_come_first(view: Path) -> None:
    """Who looks at night looks at the top."""
    said = on_terminal("jobs", "--view", str(view), now=T0 + 2005 * SECOND)
    named = re.findall(r"^(?:\x1b\[[0-9;]*m)*([A-Z]+__P)", said, flags=re.MULTILINE)

    assert set(named[:3]) == {"LOAD__P", "HANG__P", "LATE__P"}
    assert len(named) == 6


@pytest.mark.parametrize(
    ("sort", "first"), [("name", "BACKUP__P"), ("since", "LOAD__P"), ("deadline", "LATE__P"), ("configured", "LOAD__P")]
)
def test_jobs_are_sorted_as_asked(sort: str, first: str, ask: Ask, view: Path) -> None:
    """The same list answers what is late next and what changed last."""
    assert shown(ask("jobs", "--sort", sort, "--view", view))[0] == first


def test_an_order_that_is_none_is_refused(ask: Ask, view: Path) -> None:
    """With those that there are."""
    answer = ask("jobs", "--sort", "colour", "--view", view)

    assert answer.code == 2
    assert "deadline" in answer.err


def test_a_narrow_terminal_folds_names_and_keeps_every_one(view: Path) -> None:
    """A name that is cut off is another job's name."""
    said = on_terminal("jobs", "--view", str(view), columns=60)

    assert "…" not in said


def test_watching_keeps_the_table_live_and_leaves_the_terminal_as_it_was(view: Path) -> None:
    """Ctrl-C ends it, with the cursor visible again."""
    said = on_terminal("jobs", "--watch", "--view", str(view), interrupt_at="Ctrl-C ends")

    assert said.count("LOAD__P") >= 1
    assert "\x1b[?25h" in said[-40:]
    assert "Traceback" not in said


def test_watching_in_a_pipe_prints_a_line_per_change(tmp_path: Path) -> None:
    """A log of what happened, for whoever has no terminal."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("A"), cyclic("B")))
    with started("jobs", "--watch", "--view", str(tmp_path / "view.sqlite")) as process:
        assert process.stdout is not None
        head = [process.stdout.readline().split()[0] for _ in range(3)]
        published.say((10, "B", "STARTED"))
        change = process.stdout.readline().split()[:2]
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
    published.close()

    assert head == ["JOB", "A__P", "B__P"]
    assert change == ["B__P", "RUNNING"]
    assert code == INTERRUPTED


# -- history, explain, unmatched -------------------------------------------------------------------------------------


def test_history_puts_runs_and_alarms_in_the_order_of_time(ask: Ask, view: Path) -> None:
    """The alarm stands between the runs it was raised by."""
    answer = ask("history", "LOAD__P", "--view", view)

    lines = answer.out.splitlines()[1:]
    assert [re.findall(r" (run|alarm|change) ", line)[0] for line in lines] == [
        "run",
        "change",
        "change",
        "run",
        "change",
        "alarm",
    ]
    assert "00:01:00  run" in lines[0]
    assert "RUNNING to ERROR, CRIT" in lines[-1]
    assert answer.err.startswith("2 of 2 runs; times in Europe/Berlin; ")


def test_history_can_be_limited_to_the_last_runs(ask: Ask, view: Path) -> None:
    """Alarms from before the first run shown would stand alone."""
    document = json.loads(ask("history", "LOAD__P", "-n", "1", "--view", view, "--json").out)

    assert [(line["what"], line.get("at", line.get("begun"))) for line in document["history"]] == [
        ("run", T0 / SECOND + 1900),
        ("change", T0 / SECOND + 1900),
        ("alarm", T0 / SECOND + 1960),
    ]


def test_texts_of_jobs_can_neither_colour_nor_steer_a_terminal(ask: Ask, view: Path) -> None:
    """A job's error text is written by whoever runs the job."""
    for arguments in (["history", "LOAD__P"], ["explain", "LOAD__P"]):
        for said in (ask(*arguments, "--view", view).out, on_terminal(*arguments, "--view", str(view), columns=250)):
            assert r"[red]ORA[/red] \x1b[31mtoo\x1b]0;owned\x07 old\r\n\u202egnp.exe \x9b2J" in said
            for steering in ("\x1b[31mtoo", "\x1b]0;", "\x07", "\u202e", "\x9b"):
                assert steering not in said


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("LOAD__P", ["the newest run, number 2, ended badly at", "CRIT: 2 errors, and the alarm is raised at 2."]),
        (
            "BACKUP__P",
            ["no message of it has been heard yet", "starts daily at 22:30 (Europe/Berlin)", "OK: no errors"],
        ),
        ("HANG__P", ["a run is open for longer than 00:10:00", "it has counted 3 and counts one more at"]),
        ("LATE__P", ["no start came before the deadline", "CRIT: 1 missed start, and the alarm is raised at 1."]),
        ("RUNS__P", ["a run is open and in time", "No start is awaited while the newest run is open."]),
        ("WELL__P", ["no run is open, and the newest, number 1, ended well", "Daily from 00:00 to 05:00 silence"]),
    ],
)
def test_each_state_is_explained(job: str, expected: list[str], ask: Ask, view: Path) -> None:
    """The rule, the numbers, and what would change it."""
    answer = ask("explain", job, "--view", view)

    assert answer.code == 0
    for sentence in [*expected, "NEXT\n", "(the watermark)", "A grace of 5 s is added"]:
        assert sentence in answer.out


def test_an_explanation_names_expected_moment_and_deadline(ask: Ask, view: Path) -> None:
    """Both are computed by the core; the sentence only repeats them."""
    answer = ask("explain", "WELL__P", "--view", view)

    due = times.clock(T0 + 3710 * SECOND, "Europe/Berlin")
    deadline = times.clock(T0 + 3715 * SECOND, "Europe/Berlin")
    assert f"A start is expected at {due}; with 5 s of grace, it is missed at the deadline {deadline}." in answer.out


def test_a_job_that_cannot_be_judged_is_explained(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """'Cannot tell' is the answer that needs its reason most."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("HANG")))
    published.say((10, "LOAD", "STARTED"), (20, "LOAD", "SUCCESS"), (30, "HANG", "STARTED"))
    published.wait(1000)
    published.contact = Contact.UNREACHABLE
    published.wait(5000)
    published.close()
    monkeypatch.setattr(clock, "now", lambda: T0 + 5001 * SECOND)

    silent = ask("explain", "LOAD__P", "--view", tmp_path / "view.sqlite").out
    alarmed = ask("explain", "HANG__P", "--view", tmp_path / "view.sqlite").out

    assert "LOAD__P is UNKNOWN (UNKNOWN) since" in silent
    assert "has passed, but app1 has not been heard since" in silent
    assert "nothing is counted, and apart from that it is NOT_RUNNING" in silent
    assert "app1 is unreachable since" in silent
    assert "HANG__P is TIMEOUT (CRIT) since" in alarmed
    assert "An alarm that is known already stays as it is meanwhile." in alarmed


def test_an_explanation_as_json_has_sentences_and_facts(ask: Ask, view: Path) -> None:
    """A ticket system can take either."""
    document = json.loads(ask("explain", "LOAD__P", "--view", view, "--json").out)

    assert list(document) == ["view", "job", "sentences", "messages"]
    assert document["sentences"]["why"][0].startswith("ERROR: the newest run, number 2")
    assert document["messages"][-1]["moment"] == T0 / SECOND + 1960


@pytest.mark.parametrize("command", ["history", "explain"])
def test_an_unknown_job_is_answered_with_the_nearest_names(command: str, ask: Ask, view: Path) -> None:
    """Most unknown jobs are typing errors."""
    answer = ask(command, "LAOD__P", "--view", view)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("job_tracker: LAOD__P: there is no such job; did you mean LOAD__P")


def test_the_name_alone_is_enough_where_only_one_env_has_it(ask: Ask, view: Path) -> None:
    """Two underscores and an env are easily forgotten."""
    assert ask("explain", "HANG", "--view", view).out.startswith("NOW\n  HANG__P is TIMEOUT")


def test_unmatched_messages_come_with_what_would_adopt_them(ask: Ask, view: Path, config: Path) -> None:
    """The snippet is a real one: the configuration takes it."""
    answer = ask("unmatched", "--view", view)
    adopting = json.loads(ask("unmatched", "--view", view, "--json").out)["adopting"]

    assert [line.split()[0] for line in answer.out.splitlines()[1:4]] == ["NEW", "'a", "LOAD"]
    assert [entry["name"] for entry in adopting] == ["NEW", "a_b"]
    assert adopting[1]["reported_as"] == [{"job": "a b", "instance": "P"}]
    assert json.loads(f"[{answer.out[answer.out.index('{') :]}]") == adopting
    config.write_text(json.dumps({**CONFIG, "jobs": [*CONFIG["jobs"], *adopting]}))
    assert ask("check-config", config).code == 0


# -- the view and its age --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "stale"), [(0, False), (60, False), (61, True), (100_000, True)])
def test_a_view_older_than_three_intervals_and_a_minute_is_stale(
    seconds: int, stale: bool, ask: Ask, view: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old answer must not be taken for a fresh one."""
    monkeypatch.setattr(clock, "now", lambda: T0 + (2000 + seconds) * SECOND)

    answer = ask("jobs", "--view", view)

    assert answer.code == 0
    assert ("STALE" in answer.err) is stale
    assert f"(pid {os.getpid()})" in answer.err


def test_a_stopped_or_dead_daemon_is_said_at_once(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should wait a minute to find out."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD")))
    monkeypatch.setattr(clock, "now", lambda: T0 + SECOND)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    said = []
    for meta in ({**published.meta(), "pid": dead.pid}, published.meta(stopped=T0)):
        monkeypatch.setattr(published, "meta", lambda meta=meta: meta)
        published.rebuild()
        said.append(ask("jobs", "--view", tmp_path / "view.sqlite").err)
    published.close()

    assert f"STALE: the daemon (pid {dead.pid}) does not run any more" in said[0]
    assert "STALE: the daemon was stopped then" in said[1]


def test_a_missing_view_is_one_line_and_exit_code_two(ask: Ask, tmp_path: Path) -> None:
    """Every error: what happened, where, what next."""
    answer = ask("jobs", "--view", tmp_path / "nothing")

    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "start it, or name the file" in answer.err


def test_the_view_is_found_by_the_configuration(
    ask: Ask, view: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON or YAML, named by option or environment, relative to where it lies."""
    assert ask("jobs", "-c", config).code == 0
    yaml = tmp_path / "job_tracker.yml"
    yaml.write_text("global_config:\n  - view_file: view.sqlite  # beside it\n")
    assert ask("jobs", "-c", yaml).code == 0
    monkeypatch.setenv("JOB_TRACKER_CONFIG", str(yaml))
    assert ask("jobs").code == 0


def test_a_fault_elsewhere_in_the_configuration_keeps_nobody_from_looking(ask: Ask, view: Path, config: Path) -> None:
    """While the operator edits it, the running daemon is still to be asked."""
    config.write_text(json.dumps({**CONFIG, "jobs": [{"name": "half"}]}))

    assert ask("jobs", "-c", config).code == 0
    assert ask("check-config", config).code == 2


def test_a_configuration_without_a_view_means_the_default_one(ask: Ask, tmp_path: Path) -> None:
    """Two modules know the default: this keeps them the same."""
    config = tmp_path / "job_tracker.cfg"
    config.write_text("{}")

    assert Settings().view_file == DEFAULT_VIEW
    assert str(DEFAULT_VIEW) in ask("jobs", "-c", config).err


def test_a_configuration_that_is_not_there_is_said(ask: Ask, tmp_path: Path) -> None:
    """Named is named: no default in its place."""
    answer = ask("jobs", "-c", tmp_path / "nothing")

    assert answer.code == 2
    assert (
        answer.err
        == f"{tmp_path}/nothing: cannot be read: No such file or directory; or name the view itself with --view FILE\n"
    )


# -- check-config ----------------------------------------------------------------------------------------------------


def test_a_configuration_in_order_is_summed_up(ask: Ask, config: Path) -> None:
    """Kinds, sources, what is expected first."""
    answer = ask("check-config", config)

    assert (answer.code, answer.err) == (0, "")
    assert "2: 1 cyclic, 1 daily" in answer.out
    assert "app1 (this host)" in answer.out
    assert "LOAD__P: starts every 01:00:00 after its last start, without delay" in answer.out
    counts = json.loads(ask("check-config", "-c", config, "--json").out)["jobs"]
    assert counts == {"all": 2, "cyclic": 1, "daily": 1, "cron": 0, "on_demand": 0}


def test_all_faults_go_to_stderr_a_line_each(ask: Ask, config: Path) -> None:
    """And none of them is a traceback."""
    faulty = [{**CONFIG["jobs"][0], "timeout_in_hh:mm:ss": "1:75:00", "nmae": "x"}]
    config.write_text(json.dumps({**CONFIG, "jobs": faulty}))

    answer = ask("check-config", config)

    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 2
    assert all(line.startswith('jobs[0] "LOAD__P": ') for line in answer.err.splitlines())


# -- replay ----------------------------------------------------------------------------------------------------------

RECORDING = [
    {"_id": 1, "timestamp": 1_700_000_000.0, "instance": "P", "job": "LOAD", "event": "STARTED", "message": ""},
    {"_id": 2, "timestamp": 1_700_000_700.0, "instance": "P", "job": "LOAD", "event": "SUCCESS", "message": ""},
    {"_id": 3, "timestamp": 1_700_000_710.0, "instance": "P", "job": "OTHER", "event": "SUCCESS", "message": ""},
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A run that takes too long, and a message of nobody."""
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in RECORDING))
    return path


def test_a_replay_as_json_is_a_line_per_change_and_a_final_one(ask: Ask, config: Path, recording: Path) -> None:
    """Other programs read exactly this shape."""
    answer = ask("replay", "-c", config, "--messages", recording, "--until", "1700001000", "--json")

    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert [list(line) for line in lines[:-1]] == [
        ["at", "job", "from", "to", "status", "errors", "missed", "text"]
    ] * 3
    assert [(line["at"], line["from"], line["to"], line["status"]) for line in lines[:-1]] == [
        (1_700_000_000.0, "NEVER_RAN", "RUNNING", 0),
        (1_700_000_605.0, "RUNNING", "TIMEOUT", 2),
        (1_700_000_700.0, "TIMEOUT", "NOT_RUNNING", 0),
    ]
    assert lines[-1] == {
        "final": {
            "LOAD__P": {"state": "NOT_RUNNING", "status": 0, "errors": 0, "missed": 0},
            "BACKUP__P": {"state": "NEVER_RAN", "status": 0, "errors": 0, "missed": 0},
        }
    }
    assert answer.err == "1 message of OTHER__P belongs to no configured job\n"


def test_a_replay_for_people_is_a_timeline_in_the_jobs_zone(ask: Ask, config: Path, recording: Path) -> None:
    """1700000605 is 23:23:25 in Berlin."""
    answer = ask("replay", "-c", config, "--messages", recording, "--until", "2023-11-14T23:30:00")

    assert "2023-11-14 23:23:25 CET  LOAD__P    CRIT     RUNNING to TIMEOUT" in answer.out
    assert answer.out.rstrip().splitlines()[-1].split() == ["BACKUP__P", "NEVER_RAN", "OK", "0", "0"]


def test_a_recording_comes_from_stdin_and_its_bad_lines_are_said(config: Path, recording: Path) -> None:
    """One bad line costs itself; bytes that are no text cost their line at most."""
    lines = b"not json\n\xff\xfe\n" + recording.read_bytes()

    done = subprocess.run(
        [sys.executable, "-m", "job_tracker", "replay", "-c", str(config), "--messages", "-", "--json"],
        input=lines,
        capture_output=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0
    assert b'"to": "TIMEOUT"' in done.stdout
    assert [line.split(b":")[1] for line in done.stderr.splitlines()[:2]] == [b" line 1", b" line 2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "yesterday"], "neither epoch seconds nor a date and time like"),
        (["--until", "nan"], "not a moment between 1970 and 9892"),
        (["--from", "1e30"], "not a moment between 1970 and 9892"),
    ],
)
def test_a_moment_that_is_none_is_refused(
    arguments: list[str], said: str, ask: Ask, config: Path, recording: Path
) -> None:
    """One line, with an example."""
    answer = ask("replay", "-c", config, "--messages", recording, *arguments)

    assert answer.code == 2
    assert said in answer.err


@pytest.mark.parametrize("name", ["nothing", "."])
def test_a_recording_that_cannot_be_read_is_refused(name: str, ask: Ask, config: Path, tmp_path: Path) -> None:
    """Neither a missing file nor a directory is a traceback."""
    answer = ask("replay", "-c", config, "--messages", tmp_path / name)

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "name a file, or - for stdin" in answer.err


def test_an_empty_recording_says_what_is_missing(ask: Ask, config: Path, tmp_path: Path) -> None:
    """Without a message there is no moment to begin at."""
    (tmp_path / "empty").write_text("")

    assert "name --from" in ask("replay", "-c", config, "--messages", tmp_path / "empty").err


# -- the process -----------------------------------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_failure_to_speak_of(view: Path) -> None:
    """`| head` must not end in a traceback."""
    with started("history", "LOAD__P", "--view", str(view), stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait(20)

    assert code in (0, 141)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_an_ascii_terminal_is_shown_escapes_instead_of_a_failure(tmp_path: Path) -> None:
    """LC_ALL=C on an old host, and an ü in a text."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD")))
    published.say((10, "LOAD", "STARTED"), (20, "LOAD", "ERROR", "Fehler: Größe"))
    published.close()

    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with started("history", "LOAD__P", "--view", str(tmp_path / "view.sqlite"), env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(20) == 0

    assert r"Gr\xf6\xdfe" in said


def test_a_fault_of_the_program_is_a_line_too(ask: Ask, view: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to a traceback for whoever wants one."""
    monkeypatch.setattr(times, "age", None)
    monkeypatch.setattr("job_tracker.cli.screens.commands.age", None)

    answer = ask("jobs", "--view", view)

    assert answer.code == FAILED
    assert answer.err.count("\n") == 1
    assert "JOB_TRACKER_DEBUG=1" in answer.err


def test_looking_at_jobs_loads_neither_ssh_nor_colours_nor_models_of_the_configuration(view: Path) -> None:
    """The command is typed in a hurry."""
    script = (
        "import sys; from job_tracker.cli.app import app; "
        f"app(['jobs', '--view', {str(view)!r}], standalone_mode=False); "
        "heavy = ('paramiko', 'rich', 'job_tracker.config.reading', 'sqlitedict'); "
        "print([name for name in heavy if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("text", ["", "plain", "Größe", "\0", "\x1b[2J", "\ud800", "\u2028", "a\tb", "\u200f"])
def test_what_is_shown_is_printable_whatever_comes(text: str) -> None:
    """One line in, one line out."""
    assert safe(text).isprintable()
    safe(text).encode()


def started(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """A command in a process of its own, its stdout a pipe."""
    words = [sys.executable, "-m", "job_tracker", *arguments]
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, text=True, **{"stderr": subprocess.DEVNULL, **options}
    )


MAIN = "from job_tracker.cli.app import main; main()"
AT_MOMENT = f"import sys; from job_tracker import clock; now = int(sys.argv.pop(1)); clock.now = lambda: now; {MAIN}"


def on_terminal(
    *arguments: str, columns: int = 140, interrupt_at: str = "", stderr: int | None = None, now: int = 0
) -> str:
    """What a terminal is sent; Ctrl-C once a text has appeared.  now: what the clock shows, microseconds."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "40"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-c", AT_MOMENT if now else MAIN, *([str(now)] if now else []), *arguments],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs if stderr is None else stderr,
        env=environment,
    )
    os.close(theirs)
    said, until = b"", time.monotonic() + 30
    while time.monotonic() < until:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        said += part
        if interrupt_at and interrupt_at.encode() in said:
            interrupt_at = ""
            process.send_signal(signal.SIGINT)
    os.close(ours)
    process.wait(10)
    return said.decode()


@pytest.mark.parametrize("width", [40, 80, 100, 130])
def test_a_narrow_terminal_does_without_columns_but_never_without_the_jobs_name(width: int) -> None:
    """A table of states without names is worse than none."""
    headings = ("JOB", "STATE", "TOOK")
    rows = [[plain.cell("LOAD_DWH__P" * 3), plain.cell("NOT_RUNNING"), plain.cell("00:00:03" * 5)]]
    table = plain.Table(headings=headings, rows=rows, expendable=("TOOK",))

    shown = plain.fitted(table, width)

    assert shown.headings == (headings if width > 90 else headings[:2])
