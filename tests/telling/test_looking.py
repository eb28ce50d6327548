"""Looking at a night: what the view keeps no more is asked of the events, and what it keeps is not read twice."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from published import HOUR, SECOND, T0, Published, cyclic, jobs_of

from job_tracker.telling.night.looking import look
from job_tracker.telling.night.recalled import is_cut, pauses_said, runs_told
from job_tracker.telling.night.window import Window

ZONE = ZoneInfo("Europe/Berlin")


def test_the_night_shows_the_runs_of_a_real_view(tmp_path: Path) -> None:
    """From messages to bars, with nothing in between but what the daemon itself writes."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    published.say((10, "LOAD", "STARTED"), (400, "LOAD", "SUCCESS"))
    published.say((3610, "LOAD", "STARTED"), (3700, "LOAD", "ERROR", "ORA-01555"))
    published.close()
    window = Window(begin=T0 - HOUR, end=T0 + 6 * HOUR, now=published.now)

    found = look(tmp_path / "view.sqlite", tmp_path / "events.sqlite", ["OTHER__P", "LOAD__P", "GONE__P"], window, ZONE)

    other, load = found["lanes"]
    assert (other["job"], other["bars"]) == ("OTHER__P", [])
    assert [(bar["run"], bar["outcome"]) for bar in load["bars"]] == [(1, "well"), (2, "badly")]
    assert load["bars"][1]["text"] == "ORA-01555"


def test_of_old_runs_only_the_last_is_read(tmp_path: Path) -> None:
    """A hundred runs of last week are not part of this night, but that they are there tells that none is missing."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD")))
    for hour in range(5):
        published.say((hour * 3600, "LOAD", "STARTED"), (hour * 3600 + 60, "LOAD", "SUCCESS"))
    published.close()
    window = Window(begin=T0 + 3 * HOUR - 60 * SECOND, end=T0 + 6 * HOUR, now=published.now)

    [lane] = look(tmp_path / "view.sqlite", tmp_path / "none.sqlite", ["LOAD__P"], window, ZONE)["lanes"]

    assert [bar["run"] for bar in lane["bars"]] == [4, 5]
    assert lane["known_since"] == (T0 + 2 * HOUR) / SECOND


def event(kind: str, number: int, **more: Any) -> dict[str, Any]:
    """An event of a run, as the file has it."""
    return {"kind": kind, "run": {"number": number, "id": None}, **more}


def test_of_each_run_the_last_word_that_was_told_counts() -> None:
    """A run that was lost and has ended after all ended after all."""
    told = [
        event("run.started", 1, begin=100.0),
        event("run.lost", 1, begin=100.0, end=None, outcome="lost"),
        event("run.started", 2, begin=200.0),
        event("run.timeout", 2, begin=200.0),
        event("run.succeeded", 1, begin=100.0, end=160.0, outcome="well"),
        event("run.started", 3, begin=300.0),
    ]

    first, second = runs_told(told, before=3)

    assert (first["outcome"], first["begun"], first["ended"]) == ("well", 100 * SECOND, 160 * SECOND)
    assert (second["order"], second["outcome"], second["ended"]) == (2, "lost", None)


def test_history_is_cut_where_the_oldest_run_kept_is_not_the_first() -> None:
    """Where the view's history ends within the window, the events are asked."""
    kept = [{"order": 7, "begun": 500, "ended": 600}]

    assert is_cut({"runs": 9}, kept, since=400)
    assert not is_cut({"runs": 9}, kept, since=550)
    assert not is_cut({"runs": 1}, [{**kept[0], "order": 1}], since=400)
    assert is_cut({"runs": 9}, [], since=400)


def test_pauses_are_read_from_what_operators_said() -> None:
    """A pause that was moved is one, and a resume ends it."""

    def word(moment: int, event: str, ends: int | None = None) -> dict[str, Any]:
        return {"moment": moment, "event": event, "ends": ends, "text": f"at {moment}"}

    said = [
        word(0, "PAUSE", 100),
        word(50, "PAUSE", 200),
        word(150, "RESUME"),
        word(300, "RESUME"),
        word(400, "PAUSE", 500),
    ]

    assert pauses_said(said) == [(0, 150, "at 50"), (400, 500, "at 400")]
