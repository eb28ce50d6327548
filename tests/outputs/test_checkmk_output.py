"""What the monitoring is told of sources, of what belongs to no job, and of the daemon."""

from pathlib import Path

from telling import T0, Tracker, job, write_config

from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.view.keeper import ViewOutput
from job_tracker.ports import Contact, Report

STATUS = {"monitoring_backend_based_on_event_or_status": "status"}
AHEAD = 3600


def says(tracker: Tracker, offset: float = 0.0) -> None:
    """The source answers; offset: seconds its clock is ahead."""
    clock_offset = round(offset * MICROSECONDS)
    report = Report(source="app1", contact=Contact.REACHABLE, since=T0 * MICROSECONDS, clock_offset=clock_offset)
    tracker.loop.mailbox.put(report)
    tracker.passes(2)


def test_a_message_dated_ahead_is_seen_for_an_hour_whatever_the_source_says_next(tmp_path: Path) -> None:
    """Checkmk looks once a minute, and the next answer comes within five seconds."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], **STATUS))
    tracker.hears((AHEAD, "LOAD", "STARTED"))
    says(tracker)
    marked = tracker.service("job_source_app1")
    for _ in range(3):
        tracker.passes(1190)
    still = tracker.service("job_source_app1")
    tracker.passes(60)
    over = tracker.service("job_source_app1")
    tracker.close()

    reason = (
        "a message that came at 2025-11-24 02:06:40 was dated ahead by more than the grace, and is taken as of then"
    )
    assert marked.startswith("1 ")
    assert reason in marked
    assert "clock +0.0 s;" in marked
    assert reason in still
    assert over.startswith("0 ")


def test_a_clock_that_differs_and_a_message_dated_ahead_each_end_by_themselves(tmp_path: Path) -> None:
    """A clock that is right again does not take back what a producer wrote, nor the other way round."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], **STATUS))
    says(tracker, offset=60)
    differs = tracker.service("job_source_app1")
    tracker.hears((AHEAD, "LOAD", "STARTED"))
    says(tracker, offset=0)
    right = tracker.service("job_source_app1")
    tracker.passes(AHEAD + 10)
    says(tracker, offset=60)
    again = tracker.service("job_source_app1")
    tracker.close()

    assert "clock +60.0 s, more than the grace" in differs
    assert "dated ahead" not in differs
    assert "more than the grace;" not in right.replace("ahead by more than the grace", "")
    assert "dated ahead" in right
    assert "clock +60.0 s, more than the grace" in again
    assert "dated ahead" not in again


def test_names_that_no_job_has_are_a_service_that_warns_while_they_are_new(tmp_path: Path) -> None:
    """A job that reports under a wrong name is missed under the right one; this says where its messages went."""
    config = write_config(tmp_path, [job("LOAD")], **STATUS)
    tracker = Tracker(config)
    tracker.hears()
    nothing = tracker.service("job_unmatched")
    tracker.moment += 10 * MICROSECONDS
    tracker.hears((5, "LAOD", "STARTED"), (6, "LAOD", "SUCCESS"), (7, "Lade Tarif/Größe", "STARTED"))
    tracker.passes(2)
    new = tracker.service("job_unmatched")
    tracker.passes(24 * 3600)
    old = tracker.service("job_unmatched")
    write_config(tmp_path, [job("LOAD"), job("LAOD")], **STATUS)
    tracker.loop.asked.reloading = True
    tracker.passes(2)
    adopted = tracker.service("job_unmatched")
    tracker.close()

    assert nothing == "0 job_unmatched - every message belongs to a configured job"
    assert new.startswith(
        "1 job_unmatched - 2 names that no configured job has, the newest since 2025-11-24 02:06:50: "
    )
    assert "'LAOD' of 'P'" in new
    assert "'Lade Tarif/Größe' of 'P'" in new
    assert old.startswith("0 job_unmatched - 2 names")
    assert adopted.startswith("0 job_unmatched - 1 name that no configured job has")


def test_a_name_by_which_a_configured_job_reports_is_no_stranger_any_more(tmp_path: Path) -> None:
    """It was adopted by `reported_as`; what it said before that stays said, and is nothing to do any more."""
    config = write_config(tmp_path, [job("LOAD")], **STATUS)
    tracker = Tracker(config)
    tracker.hears((5, "Lade Tarif/Größe", "STARTED"))
    tracker.passes(2)
    assert "'Lade Tarif/Größe' of 'P'" in tracker.service("job_unmatched")

    write_config(tmp_path, [job("LOAD", reported_as=["Lade Tarif/Größe"])], **STATUS)
    tracker.loop.asked.reloading = True
    tracker.passes(2)
    adopted = tracker.service("job_unmatched")
    view = next(each for each in tracker.loop.outputs if isinstance(each, ViewOutput))
    listed = view._unmatched()
    tracker.close()

    assert adopted == "0 job_unmatched - every message belongs to a configured job"
    assert listed == []


def test_metrics_have_the_names_that_checkmk_knows(tmp_path: Path) -> None:
    """job_duration and job_age have a unit and a Perf-O-Meter; the age counts from the last success."""
    tracker = Tracker(write_config(tmp_path, [job("LOAD")], monitoring_perfdata=True, **STATUS))
    tracker.moment += 100 * MICROSECONDS
    tracker.hears((10, "LOAD", "STARTED"), (40.5, "LOAD", "SUCCESS"), (50, "LOAD", "STARTED"), (60, "LOAD", "ERROR"))
    says(tracker, offset=1.5)
    tracker.restart()
    tracker.passes(2)
    job_line, daemon = tracker.service("job_LOAD__P"), tracker.service()
    says(tracker, offset=1.5)
    source = tracker.service("job_source_app1")
    tracker.close()

    assert job_line.split(" ")[2] == "errors=1|missed=0|job_duration=10|job_age=63"
    assert source.split(" ")[2] == "offset=1.5"
    assert daemon.split(" ")[2] == "jobs=1|sources=1|cycle=0"


def test_services_of_jobs_are_shown_where_the_jobs_run(tmp_path: Path) -> None:
    """By piggyback, once it is known where that is; the tracker's own services stay with the tracker."""
    keys = {"monitoring_piggyback": True, **STATUS}
    tracker = Tracker(write_config(tmp_path, [job("LOAD"), job("ANY", source_host="app1")], **keys))
    tracker.hears()
    lines = (tmp_path / "run" / "job_tracker.services").read_text().splitlines()
    state = tracker.line("LOAD")
    tracker.close()

    assert [line.split(" - ")[0] for line in lines[1:-1]] == [
        "0 job_tracker",
        "0 job_source_app1",
        "0 job_unmatched",
        "@app1 0 job_LOAD__P",
        "@app1 0 job_ANY__P",
    ]
    assert state.startswith("0 job_LOAD__P - ")
    assert lines[0].endswith(" UTC")
