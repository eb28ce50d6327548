"""The suggest command: a real view of what jobs did, a real configuration, and lines that it takes."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from published import SECOND, T0, Published, cyclic, daily, jobs_of

from job_tracker import clock
from job_tracker.cli.app import app
from job_tracker.cli.screens import ending
from job_tracker.config.reading import load

GOLDEN = Path(__file__).parents[1] / "golden"
DAY = 86_400
CONFIG = {
    "global_config": {"time_zone": "Europe/Berlin", "view_file": "view.sqlite"},
    "source_hosts": [{"connection": "local", "name": "app1", "message_queue": "queue.sqlite"}],
    "jobs": [
        {
            "name": "LOAD",
            "env": "P",
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": "24:00:00",
            "start_max_delay_in_hh:mm:ss": "00:10:00",
            "timeout_in_hh:mm:ss": "00:10:00",
        },
        {
            "name": "BACKUP",
            "env": "P",
            "cyclic_or_daily": "daily",
            "daily_start_time_in_hh:mm": "22:30",
            "start_max_delay_in_hh:mm:ss": "00:10:00",
            "timeout_in_hh:mm:ss": "02:00:00",
        },
        {
            "name": "NEW",
            "env": "P",
            "cyclic_or_daily": "on_demand",
            "timeout_in_hh:mm:ss": "02:00:00",
        },
    ],
}
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A month in which the backup started by UTC, the load on weekdays, and somebody misspelled a name."""
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps(CONFIG))
    jobs = jobs_of(cyclic("LOAD", interval=DAY * SECOND), daily("BACKUP"), replace(cyclic("NEW"), order=2))
    published = Published(tmp_path / "view.sqlite", jobs)
    row = {"source": "app1", "name": "BACKPU", "env": "P", "why": "unknown_job", "reason": "", "count": 3}
    published.unmatched = [{**row, "first": T0, "last": T0, "sample": "{}"}]
    published.rebuild()
    first = seconds_until_2230_of_utc()
    for day in range(40):
        at = first + day * DAY
        said = [(at, "BACKUP", "STARTED"), (at + 3600, "BACKUP", "SUCCESS")]
        if (T0 // SECOND + at) // DAY % 7 not in (2, 3):  # the epoch was a Thursday
            said += [(at + 60, "LOAD", "STARTED"), (at + 300, "LOAD", "SUCCESS")]
        published.say(*said)
    published.close()
    monkeypatch.setattr(clock, "now", lambda: published.now + 5 * SECOND)
    return path


def seconds_until_2230_of_utc() -> int:
    """From T0 on."""
    return (22 * 3600 + 1800 - T0 // SECOND) % DAY


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command in this process; stdout is no terminal."""
    monkeypatch.delenv("JOB_TRACKER_CONFIG", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        words = [str(each) for each in arguments]
        code = ending.code_of(lambda: app(words, prog_name="job_tracker", standalone_mode=False))
        return (code, *capsys.readouterr())

    return run


def test_hints_are_as_the_golden_file_says(config: Path, ask: Ask) -> None:
    """What is odd, in a sentence, and the lines to copy."""
    code, out, err = ask("suggest", "-c", config)

    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / "suggest.txt").write_text(out)
    assert code == 0, err
    assert out == (GOLDEN / "suggest.txt").read_text()
    assert err.startswith(
        "3 hints for 3 jobs, of which 1 has fewer than 20 runs, too few to say anything of; times in "
    )


def test_what_is_suggested_is_in_order(config: Path, ask: Ask) -> None:
    """Every line of every hint, in the place of what the jobs say now: the configuration takes it."""
    answer = json.loads(ask("suggest", "-c", config, "--json")[1])

    said = json.loads(config.read_text())
    for hint in answer["hints"]:
        job = next(job for job in said["jobs"] if f"{job['name']}__{job['env']}" == hint["job"])
        for key in hint["without"]:
            del job[key]
        job |= hint["lines"]
    config.write_text(json.dumps(said))

    assert ask("check-config", config)[0] == 0
    assert load(config).jobs.by_key["LOAD__P"].kind.value == "daily"
    assert (answer["runs_needed"], answer["too_short"]) == (20, ["NEW__P"])
    assert json.loads(ask("suggest", "-c", config, "--json")[1])["hints"] == []


def test_a_check_speaks_of_an_end_that_no_usual_run_can_keep(config: Path, ask: Ask) -> None:
    """Who writes a clock time by heart is told how long the runs took; without a view the check is as it was."""
    said = json.loads(config.read_text())
    said["jobs"][1] |= {"time_zone": "UTC", "end_by_in_hh:mm": "23:00"}
    config.write_text(json.dumps(said))

    recommended = ask("check-config", config)[1]
    config.with_name("view.sqlite").unlink()

    assert (
        '"BACKUP__P": end_by: it has to end 00:30:00 after its expected start, and 40 runs took 01:00:00' in recommended
    )
    assert "end_by" not in ask("check-config", config)[1].split("Recommended")[-1]


def test_a_pattern_and_the_language_of_the_configuration_are_kept_to(config: Path, ask: Ask) -> None:
    """Who asks for one job in a YAML file gets lines of YAML, of that job."""
    as_yaml = config.rename(config.with_suffix(".yml"))

    out = ask("suggest", "back*", "-c", as_yaml)[1]

    assert 'time_zone: "UTC"\n' in out
    assert "LOAD__P" not in out
    assert ask("suggest", "NEW", "-c", as_yaml)[1] == ""
