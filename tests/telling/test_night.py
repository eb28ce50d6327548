"""The night: a picture that lies about when something ran, or about what nobody saw, is worse than none."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from published import BERLIN, HOUR, SECOND, cyclic, daily, jobs_of

from job_tracker.core.board import newcomer
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.moments import MICROSECONDS
from job_tracker.telling.night.lanes import Past
from job_tracker.telling.night.night import night
from job_tracker.telling.night.window import Window
from job_tracker.view.documents import Document, whole_document

MINUTE = 60 * SECOND


def at(text: str) -> int:
    """A moment in microseconds, by Berlin's clocks."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * MICROSECONDS


NOW = at("2026-11-23 06:00:00")
WINDOW = Window(begin=NOW - 18 * HOUR, end=NOW + 6 * HOUR, now=NOW, pixels=1200)


def run(order: int, begun: int | None, ended: int | None, outcome: str = "well", **more: Any) -> Document:
    """A run as the view has it."""
    plain = {"id": None, "errors": 0, "timeouts": 0, "timeout_at": None, "exit_code": None, "usage": None, "text": ""}
    return {"order": order, "begun": begun, "ended": ended, "outcome": outcome, **plain, **more}


def past(
    job: Job, runs: Sequence[Document] = (), known: int = WINDOW.begin, jobs: Jobs | None = None, **more: Any
) -> Past:
    """A job that is known since the window begins, with these runs."""
    document = whole_document(jobs or jobs_of(job), job, newcomer(job, known))
    promise = document.pop("promise")
    return Past(job=document, promise=promise, runs=runs, **more)


def meta(*sources: str, written: int = NOW, stopped: int | None = None) -> Document:
    """Who writes the view."""
    named: Document = {name: {} for name in sources or ("app1",)}
    return {"sources": named, "written": written, "stopped": stopped, "interval": 10 * SECOND, "days_since": None}


SEEN = [{"source": "app1", "begin": WINDOW.begin - HOUR, "contact": "reachable"}]


def shown(*pasts: Past, window: Window = WINDOW, spans: Sequence[Document] = SEEN, **more: Any) -> Document:
    """The document, as it travels."""
    found = night(pasts, window, meta=more.pop("meta", meta()), spans=spans, zone=BERLIN)
    again: Document = json.loads(json.dumps(found, allow_nan=False))
    return again


def test_each_run_that_touches_the_window_is_a_bar() -> None:
    """One that began before it, and one that still runs, are part of the night as well."""
    job = cyclic("LOAD")
    runs = [
        run(1, WINDOW.begin - 3 * HOUR, WINDOW.begin - 2 * HOUR),
        run(2, WINDOW.begin - HOUR, WINDOW.begin + HOUR, "badly", exit_code=3, text="ORA-01555"),
        run(3, NOW - HOUR, None, "open", timeout_at=NOW + HOUR),
    ]

    [lane] = shown(past(job, runs))["lanes"]

    before, still = lane["bars"]
    assert (before["run"], before["outcome"], before["exit_code"], before["text"]) == (2, "badly", 3, "ORA-01555")
    assert (still["run"], still["end"], still["timeout_at"]) == (3, None, (NOW + HOUR) / SECOND)


def test_a_thousand_runs_are_gathered_and_none_is_lost() -> None:
    """A job every minute must neither hide its one failure nor cost a bar for each run."""
    job = cyclic("EVERY_MINUTE", interval=MINUTE)
    begins = [NOW - 1000 * MINUTE + at_ * MINUTE for at_ in range(1000)]
    runs = [run(n + 1, each, each + 20 * SECOND, "badly" if n == 700 else "well") for n, each in enumerate(begins)]

    [lane] = shown(past(job, runs))["lanes"]

    assert sum(bar.get("count", 1) for bar in lane["bars"]) == 1000
    assert len(lane["bars"]) < 100
    [bad] = [bar for bar in lane["bars"] if bar["outcome"] == "badly"]
    assert bad["begin"] <= begins[700] / SECOND <= bad["end"]
    assert bad["outcomes"]["badly"] == 1


def test_zoomed_in_the_same_runs_are_told_apart() -> None:
    """What is gathered depends on the pixels there are, and on nothing else."""
    job = cyclic("EVERY_MINUTE", interval=MINUTE)
    begins = [NOW - 10 * MINUTE + at_ * MINUTE for at_ in range(10)]
    near = Window(begin=NOW - 10 * MINUTE, end=NOW, now=NOW, pixels=1200)

    [lane] = shown(past(job, [run(n + 1, each, each + 20 * SECOND) for n, each in enumerate(begins)]), window=near)[
        "lanes"
    ]

    assert [bar["run"] for bar in lane["bars"]] == list(range(1, 11))
    assert not any("count" in bar for bar in lane["bars"])


def test_two_hours_in_which_a_source_was_away_are_grey_for_its_jobs_alone() -> None:
    """A gap that means "I could not look" must not be read as "nothing ran"."""
    jobs = jobs_of(cyclic("HERE", sources=("app1",)), cyclic("THERE", sources=("app2",)), sources=("app1", "app2"))
    here, there = (past(job, jobs=jobs) for job in jobs.by_key.values())
    away = at("2026-11-23 01:00:00")
    spans = [
        *SEEN,
        {"source": "app2", "begin": WINDOW.begin - HOUR, "contact": "reachable"},
        {"source": "app2", "begin": away, "contact": "unreachable"},
        {"source": "app2", "begin": away + 2 * HOUR, "contact": "reachable"},
    ]

    first, second = shown(here, there, spans=spans, meta=meta("app1", "app2"))["lanes"]

    assert "unseen" not in first
    assert second["unseen"] == [[away / SECOND, (away + 2 * HOUR) / SECOND]]


def test_a_tracker_that_ended_leaves_the_rest_of_the_night_grey() -> None:
    """While nobody looks, nothing is known to be well."""
    stopped = NOW - HOUR

    found = shown(past(cyclic("LOAD", sources=("app1",))), meta=meta(stopped=stopped))

    assert found["lanes"][0]["unseen"] == [[stopped / SECOND, NOW / SECOND]]
    assert found["looked_until"] == stopped / SECOND


def test_a_view_that_grew_old_is_grey_since_it_was_written() -> None:
    """A tracker that was killed says nothing of its end."""
    found = shown(past(cyclic("LOAD", sources=("app1",))), meta=meta(written=NOW - HOUR))

    assert found["lanes"][0]["unseen"] == [[(NOW - HOUR) / SECOND, NOW / SECOND]]


def test_a_start_that_the_clocks_leave_out_is_drawn_where_it_counts() -> None:
    """On the night of the change the picture shows what the tracker awaits: 02:30 is 03:00, an hour after 01:59:59."""
    now = at("2026-03-29 06:00:00")
    window = Window(begin=at("2026-03-28 20:00:00"), end=at("2026-03-29 08:00:00"), now=now)
    job = daily("NIGHTLY")
    assert isinstance(job.starts, Daily)
    job = replace(job, starts=replace(job.starts, times=(150,)), max_delay=10 * MINUTE)
    change = at("2026-03-29 03:00:00")

    found = shown(past(job, known=window.begin), window=window)

    assert found["offsets"] == [[(window.begin - 48 * HOUR) / SECOND, 3600.0], [change / SECOND, 7200.0]]
    [start] = found["lanes"][0]["expected"]
    assert start["start"] == change / SECOND
    assert start["latest"] == (change + 10 * MINUTE) / SECOND


def test_what_became_of_an_expected_start_is_read_and_not_judged() -> None:
    """Made, missed, or still awaited: as the tracker found it."""
    evening = at("2026-11-22 22:30:00")
    job = daily("NIGHTLY", max_delay=10 * MINUTE)
    deadline = evening + 10 * MINUTE + job.grace
    missed = {"at": deadline, "missed": 1}

    [made] = shown(past(job, [run(1, evening + MINUTE, evening + HOUR)]))["lanes"]
    [late] = shown(past(job, changes=[missed]))["lanes"]

    assert [each["what"] for each in made["expected"]] == ["made"]
    assert [each["what"] for each in late["expected"]] == ["missed"]
    assert late["missed"] == [deadline / SECOND]


def test_what_is_to_come_takes_as_long_as_it_usually_does() -> None:
    """Whoever looks at the night at two wants to know when it will be over."""
    job = cyclic("LOAD", interval=2 * HOUR)
    runs = [run(n, NOW - (7 - 2 * n) * HOUR, NOW - (7 - 2 * n) * HOUR + n * 10 * MINUTE) for n in (1, 2, 3)]
    runs.append(run(4, NOW - 5 * MINUTE, None, "open"))

    [lane] = shown(past(job, runs))["lanes"]

    assert lane["usual"] == 20 * 60
    assert lane["forecast"][0] == [NOW / SECOND, (NOW + 15 * MINUTE) / SECOND]
    assert len(lane["forecast"]) > 1


def test_quiet_windows_and_pauses_are_shaded_as_far_as_they_reach_into_it() -> None:
    """Silence that was excused looks like silence otherwise."""
    job = cyclic("LOAD", windows=Windows(zone=BERLIN, rules=(Quiet(begin=11 * 60, end=13 * 60),)))
    pause = (WINDOW.begin + HOUR, WINDOW.begin + 3 * HOUR, "anna: moving the database")

    [lane] = shown(past(job, pauses=[pause]))["lanes"]

    today = at("2026-11-23 11:00:00")
    assert lane["quiet"] == [
        [WINDOW.begin / SECOND, at("2026-11-22 13:00:00") / SECOND],
        [today / SECOND, (NOW + 6 * HOUR) / SECOND],
    ]
    assert lane["paused"] == [{"begin": pause[0] / SECOND, "end": pause[1] / SECOND, "text": pause[2]}]


def test_it_says_from_when_on_it_knows_the_runs_of_a_job() -> None:
    """Runs that nobody keeps any more must not look like runs that were not."""
    job, oldest = cyclic("LOAD"), WINDOW.begin + 4 * HOUR

    [cut] = shown(past(job, [run(901, oldest, oldest + HOUR)], known=WINDOW.begin - 99 * HOUR))["lanes"]
    [whole] = shown(past(job, [run(1, oldest, oldest + HOUR)], known=WINDOW.begin - 99 * HOUR))["lanes"]

    assert cut["known_since"] == oldest / SECOND
    assert whole["known_since"] == (WINDOW.begin - 99 * HOUR) / SECOND


def test_five_hundred_jobs_are_five_hundred_lanes_in_their_order() -> None:
    """The night of a whole data warehouse is one picture."""
    jobs = jobs_of(*(daily(f"JOB_{n:03d}") for n in range(500)))
    pasts = [past(job, [run(1, NOW - HOUR, NOW - HOUR + MINUTE)], jobs=jobs) for job in jobs.by_key.values()]

    found = shown(*pasts)

    assert [lane["job"] for lane in found["lanes"]] == list(jobs.by_key)
    assert len(json.dumps(found)) < 400_000
