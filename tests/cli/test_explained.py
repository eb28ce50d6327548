"""What `explain` says of each state, rule and word: golden files, written to be read aloud at three in the morning.

Real steps of the core, on a configuration as operators write it, and a view that is read as the command reads it.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from published import SECOND, T0, Published

from job_tracker import clock
from job_tracker.cli.app import app
from job_tracker.cli.screens import ending
from job_tracker.config.reading import parse
from job_tracker.core.intake import understood
from job_tracker.core.jobs import Jobs
from job_tracker.core.operator_word import OPERATOR
from job_tracker.ports import Contact

GOLDEN = Path(__file__).parents[1] / "golden" / "explain"
DAILY = {"cyclic_or_daily": "daily", "daily_start_time_in_hh:mm": "13:00", "start_max_delay_in_hh:mm:ss": "00:10:00"}
"""T0 is 12:06:40 in Berlin, on Wednesday, 18 November 2026."""
CYCLIC = {"cyclic_or_daily": "cyclic", "cyclic_interval_in_hh:mm:ss": "01:00:00"}
ON_DEMAND = {"cyclic_or_daily": "on_demand"}
NOON = 3200
"""Seconds from T0 to 13:00."""
Told = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Night:
    """What was promised, what was said (seconds after T0), when it is asked about.  unseen: since when nobody heard."""

    job: Told
    said: tuple[Told, ...] = ()
    asked: int
    unseen: int | None = None
    settings: Told = field(default_factory=dict)


def at(moment: int, event: str, **more: Any) -> Told:
    """A message of the job."""
    return {"timestamp": T0 // SECOND + moment, "event": event, "message": ""} | more


def by_operator(moment: int, event: str, **note: Any) -> Told:
    """A word of the operator's."""
    return at(moment, event, message={"author": "anna", "why": "disk is swapped", **note}, source=OPERATOR)


WARNED = (at(NOON, "STARTED", run="r1"), at(NOON + 60, "WARNING", run="r1", message="3 rows rejected"))
PAUSE = by_operator(NOON - 60, "PAUSE", until=T0 // SECOND + NOON + 7200)
NIGHTS = {
    "never_ran": Night(job=DAILY, asked=100),
    "never_ran_on_demand": Night(job=ON_DEMAND, asked=100),
    "a_word_that_is_none": Night(job=DAILY, said=(at(50, "STARTET"),), asked=100),
    "an_end_that_is_none": Night(job=CYCLIC, said=(at(50, "STARTED"), at(80, "WARNING")), asked=100),
    "running_and_to_end_by": Night(
        job=DAILY | {"end_by_in_hh:mm": "13:30"}, said=(at(NOON, "STARTED"),), asked=NOON + 60
    ),
    "over_its_end_by": Night(job=DAILY | {"end_by_in_hh:mm": "13:30"}, said=(at(NOON, "STARTED"),), asked=NOON + 2000),
    "a_warning": Night(job=DAILY, said=WARNED, asked=NOON + 100, settings={"jobs_warning_keyword": "WARNING"}),
    "a_warning_by_exit_code": Night(
        job=DAILY | {"exit_codes": {"warning": [24]}},
        said=(at(NOON, "STARTED"), at(NOON + 60, "ERROR", exit_code=24)),
        asked=NOON + 100,
    ),
    "a_success_by_exit_code": Night(
        job=DAILY | {"exit_codes": {"success": [24]}},
        said=(at(NOON, "STARTED"), at(NOON + 60, "ERROR", exit_code=24, message="files vanished")),
        asked=NOON + 100,
    ),
    "skipped_after_a_success": Night(
        job=CYCLIC | {"exit_codes": {"skipped": [75]}},
        said=(
            at(0, "STARTED", run="r1"),
            at(60, "SUCCESS", run="r1"),
            at(3600, "STARTED", run="r2"),
            at(3601, "ERROR", run="r2", exit_code=75),
        ),
        asked=3700,
    ),
    "all_skipped": Night(
        job=CYCLIC | {"exit_codes": {"skipped": [75]}},
        said=(at(0, "STARTED", run="r1"), at(1, "ERROR", run="r1", exit_code=75)),
        asked=100,
    ),
    "ended_too_soon": Night(
        job=DAILY | {"min_duration_in_hh:mm:ss": "00:05:00"},
        said=(at(NOON, "STARTED"), at(NOON + 3, "SUCCESS")),
        asked=NOON + 100,
    ),
    "canceled": Night(
        job=ON_DEMAND,
        said=(at(0, "STARTED", run="r1"), at(60, "ERROR", run="r1", exit_code=-1, message="canceled by anna")),
        asked=100,
    ),
    "gone": Night(
        job=ON_DEMAND,
        said=(at(0, "STARTED", run="r1"), at(60, "ERROR", run="r1", exit_code=-3)),
        asked=100,
    ),
    "below_the_threshold": Night(
        job=CYCLIC | {"max_errors_before_alerting": 3, "status_below_threshold": 1},
        said=(at(0, "STARTED"), at(60, "ERROR", message="ORA-01555"), at(3600, "STARTED")),
        asked=3700,
    ),
    "a_cron_job_missed": Night(
        job={"cyclic_or_daily": "cron", "cron_expression": "0 13 * * mon-fri", "max_errors_before_alerting": 2},
        asked=NOON + 100,
    ),
    "in_a_quiet_window": Night(
        job=DAILY | {"quiet_windows": [{"from": "12:30", "until": "14:00", "weekdays": "wed"}]},
        asked=NOON + 900,
    ),
    "on_a_closed_day": Night(job=DAILY | {"weekdays": "mon,tue", "closed_day": "skip"}, asked=NOON + 900),
    "paused_before_its_start": Night(job=DAILY, said=(PAUSE,), asked=NOON + 900),
    "paused_in_an_alarm": Night(
        job=CYCLIC, said=(at(0, "STARTED"), at(60, "ERROR", message="ORA-01555"), PAUSE), asked=NOON + 900
    ),
    "paused_and_not_seen": Night(job=DAILY, said=(PAUSE,), asked=NOON + 900, unseen=1000),
    "after_a_pause": Night(job=DAILY, said=(PAUSE,), asked=NOON + 7300),
    "resumed": Night(job=DAILY, said=(PAUSE, by_operator(NOON - 30, "RESUME")), asked=NOON + 900),
    "marked_as_a_success": Night(
        job=CYCLIC, said=(at(0, "STARTED"), at(60, "ERROR"), by_operator(90, "SUCCESS")), asked=100
    ),
    "marked_as_an_error": Night(job=CYCLIC, said=(at(0, "STARTED"), by_operator(90, "ERROR")), asked=100),
    "an_end_before_its_start": Night(
        job=CYCLIC,
        said=(at(10, "SUCCESS", run="r1", _id=2), at(11, "STARTED", run="r1", _id=1)),
        asked=100,
    ),
    "not_seen_after_a_warning": Night(
        job=DAILY, said=WARNED, asked=100_000, unseen=NOON + 200, settings={"jobs_warning_keyword": "WARNING"}
    ),
}


def jobs_of(night: Night) -> Jobs:
    """The configuration of a night."""
    job = {"name": "LOAD", "env": "P", "timeout_in_hh:mm:ss": "02:00:00", "source_host": "app1", **night.job}
    said = {
        "global_config": {"time_zone": "Europe/Berlin", **night.settings},
        "source_hosts": [{"connection": "local", "name": "app1", "message_queue": "q"}],
        "jobs": [job],
    }
    return parse(json.dumps(said), name="job_tracker.cfg").jobs


class Tracker(Published):
    """One whose configuration says which words mean something."""

    def meta(self, **said: Any) -> Told:
        """The meta document, with those words."""
        return super().meta(**said) | {"words": list(self.jobs.keywords.words)}


def lived(night: Night, path: Path) -> Published:
    """A tracker that has lived through a night up to the moment at which it is asked."""
    published = Tracker(path, jobs_of(night))
    for number, each in enumerate(
        sorted(night.said, key=lambda said: said["_id"] if "_id" in said else said["timestamp"]), 1
    ):
        element = {"_id": number, "job": "LOAD", "instance": "P", **each}
        moment = each["timestamp"] * SECOND
        source = element.pop("source", "app1")
        if night.unseen is not None and moment > T0 + night.unseen * SECOND:
            published.wait(night.unseen)
            published.contact = Contact.UNREACHABLE
        word = understood(published.jobs, element, source=source, received=moment + SECOND)
        published.step(max(published.now, moment + SECOND), [word])
    if night.unseen is not None:
        if published.contact is Contact.REACHABLE:
            published.wait(max(night.unseen, (published.now - T0) // SECOND))
        published.contact = Contact.UNREACHABLE
    published.wait(night.asked)
    published.close()
    return published


@pytest.mark.parametrize("name", NIGHTS)
def test_an_explanation_is_as_the_golden_file_says(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is woken reads this and nothing else; a change of it is to be seen, and read aloud."""
    night = NIGHTS[name]
    published = lived(night, tmp_path / "view.sqlite")
    monkeypatch.setattr(clock, "now", lambda: published.now)
    words = ["explain", "LOAD__P", "--view", str(tmp_path / "view.sqlite")]

    code = ending.code_of(lambda: app(words, prog_name="job_tracker", standalone_mode=False))
    said, complaint = capsys.readouterr()

    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(said)
    assert code == 0, complaint
    assert said == path.read_text()


def test_every_golden_explanation_is_of_a_night() -> None:
    """One that nobody makes any more would be read as if it were so."""
    assert {path.stem for path in GOLDEN.iterdir()} == set(NIGHTS)
