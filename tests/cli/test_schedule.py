"""The schedule command: what is expected of each job, and why a day is left out, moved or touched."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from job_tracker import clock
from job_tracker.cli.screens import output, schedule
from job_tracker.moments import MICROSECONDS

GOLDEN = Path(__file__).parent.parent / "golden"
NOW = 1_774_566_000 * MICROSECONDS
"""Friday, 27 March 2026, midnight in Berlin: the clocks are changed on Sunday."""
CONFIG: dict[str, Any] = {
    "global_config": {"time_zone": "Europe/Berlin"},
    "source_hosts": [{"connection": "local", "name": "app1", "message_queue": "q"}],
    "calendars": {"easter": {"dates": ["2026-04-03", "2026-04-06"]}},
    "jobs": [
        {"name": "NIGHT", "cyclic_or_daily": "daily", "daily_start_time_in_hh:mm": "02:30", "end_by_in_hh:mm": "07:00"},
        {
            "name": "WORK",
            "cyclic_or_daily": "daily",
            "daily_start_time_in_hh:mm": ["06:00", "18:00"],
            "weekdays": "mon-fri",
            "not_on": "easter",
            "quiet_windows": [{"from": "17:00", "until": "19:00", "weekdays": "tue"}],
        },
        {
            "name": "MONTH",
            "cyclic_or_daily": "daily",
            "daily_start_time_in_hh:mm": "20:00",
            "days_of_month": "3",
            "weekdays": "mon-fri",
            "not_on": "easter",
            "closed_day": "next",
        },
        {"name": "POLL", "cyclic_or_daily": "cron", "cron_expression": "*/5 * * * *", "not_on": "easter"},
        {"name": "CRON", "cyclic_or_daily": "cron", "cron_expression": "0,30 2 * * *"},
        {"name": "ASKED", "cyclic_or_daily": "on_demand"},
    ],
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    jobs = [{"env": "P", "timeout_in_hh:mm:ss": "01:00:00", "source_host": "app1"} | job for job in CONFIG["jobs"]]
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps(CONFIG | {"jobs": jobs}))
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return path


def shown(config: Path, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> str:
    """What the command puts out."""
    said: list[str] = []
    monkeypatch.setattr(output, "put", said.append)
    schedule.show(config, schedule.Asked(**asked), json=False)
    return "\n".join(said) + "\n"


@pytest.mark.parametrize(
    ("file", "asked"),
    [("schedule.txt", {"days": 12}), ("schedule_dst.txt", {"clock_changes": True})],
)
def test_the_schedule_is_as_the_golden_file_says(
    file: str, asked: dict[str, Any], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed days, moved days, a change of the clocks, a quiet window: each says why."""
    found = shown(config, monkeypatch, **asked)

    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / file).write_text(found)
    assert found == (GOLDEN / file).read_text()


def test_a_pattern_that_names_no_job_is_said(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty answer would look like a job without starts."""
    with pytest.raises(schedule.NoSuchJob, match="NIHGT: no job of the configuration"):
        shown(config, monkeypatch, pattern="NIHGT")


def test_one_job_may_be_asked_for_by_its_name_or_a_pattern(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks for one job does not want to page through ten thousand."""
    by_name, by_pattern = (shown(config, monkeypatch, pattern=each, days=1) for each in ("MONTH", "MON*"))

    assert by_name == by_pattern
    assert by_name.startswith("MONTH__P: ")
