"""Each kind of event as programs read it: a golden file, and the schema that the documents publish."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from story import T, at, cyclic, on_demand
from test_finding import Tale

from job_tracker.core import events
from job_tracker.core.events import Event
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.signals import Signal
from job_tracker.daemon.of_sources import Known, known_of, told_of
from job_tracker.events.layout import document
from job_tracker.ledger.events import row_of
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import Contact, Report, Server
from job_tracker.sources.ogc.following import Follower
from job_tracker.sources.ogc.reading import Sighting

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "events"
SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text(encoding="utf-8"))
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
}


def faults(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """What of a value is not as the schema says; a key that it does not name is one, too: here all are to be known."""
    if "const" in schema and value != schema["const"]:
        yield f"{place}: not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        fits = any(isinstance(value, TYPES[name]) and (name == "boolean") == isinstance(value, bool) for name in named)
        if not fits:
            yield f"{place}: {value!r} is no {named}"
    if isinstance(value, dict) and "properties" in schema:
        yield from (f"{place}: lacks {name}" for name in schema.get("required", ()) if name not in value)
        for name, each in value.items():
            if name not in schema["properties"]:
                yield f"{place}: has {name}"
            else:
                yield from faults(each, schema["properties"][name], f"{place}.{name}")


def tales() -> Iterator[Event]:
    """Stories in which each kind is told that the core finds."""
    codes = {3: Signal.WARNING, 7: Signal.SKIPPED}
    tale = Tale(on_demand(exit_codes=codes, max_errors=9))
    tale.hears("STARTED", 10, run="a", message="begins")
    tale.hears("SUCCESS", 20, run="a", exit_code=0, usage={"user_sec": 1.5})
    tale.hears("STARTED", 30, run="b").hears("SUCCESS", 40, run="b", exit_code=3)
    tale.hears("STARTED", 50, run="c").hears("SUCCESS", 60, run="c", exit_code=7)
    tale.hears("STARTED", 70, run="d").hears("ERROR", 80, run="d", exit_code=1, message="ORA-01555")
    tale.hears("STARTED", 100).passes(300).hears("STARTED", 310)
    tale.hears("SUCCESS", 320, message={"author": "ann", "why": "I looked"}, source=OPERATOR)
    tale.hears("PAUSE", 330, source=OPERATOR, message={"author": "ann", "why": "patches", "until": T + 400})
    tale.passes(500)
    yield from (each for _, each in tale.log.numbered)
    silent = Tale(cyclic())
    silent.hears("STARTED", 10).hears("SUCCESS", 20).source_vanishes(30).passes(700).source_returns(1300)
    yield from (each for _, each in silent.log.numbered)


def of_the_shell() -> Iterator[Event]:
    """Kinds that the core does not find."""
    now = at(1000)
    for kind in (events.ADDED, events.PROMISED, events.REMOVED):
        yield events.of_job(kind, now, "LOAD__P")
    report = Report(
        source="app1",
        contact=Contact.UNREACHABLE,
        since=now,
        text="no route to host",
        clock_offset=9 * MICROSECONDS,
        notice="the queue was restored or replaced",
    )
    before = Known(contact=Contact.REACHABLE)
    yield from told_of(before, known_of(before, report, 5 * MICROSECONDS), report, now)
    yield from of_servers(now)
    yield Event(kind=events.GAP, at=now, body={"from": 17, "to": 41, "why": "the store was put back"})


def of_servers(now: int) -> Iterator[Event]:
    """What a job of another server has come to."""
    follower = Follower("ades1", Server(url="http://ades1", env="ADES"), ("STARTED", "ERROR", "SUCCESS"), None)
    facts = {"server": "ades-pbs-dev", "api_version": "1.0", "username": "ann", "job_type": "sentinel", "node": "pbs7"}
    ended = Sighting(
        id="sentinel-1.0-3f78",
        process="sentinel-1.0",
        status="successful",
        seen=now,
        queued=now - 60 * MICROSECONDS,
        begun=now - 50 * MICROSECONDS,
        ended=now - MICROSECONDS,
        exit_code=0,
        metrics={"workflow": {"exit_code": 0, "node": {"hostname": "pbs7"}}},
        facts=facts,
    )
    followed = follower.follow(None, ended)
    assert followed is not None
    yield from (replace(each, job="sentinel-1.0__ADES") for each in followed.events)


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """The first event of each kind, as a program reads it."""
    found: dict[str, Event] = {}
    for event in [*tales(), *of_the_shell()]:
        found.setdefault(event.kind, event)
    return {
        kind: document(row_of(event, 42, event.at + MICROSECONDS, {}), "0123456789abcdef")
        for kind, event in found.items()
    }


@pytest.mark.parametrize("kind", events.KINDS)
def test_each_kind_is_as_its_golden_file_says(kind: str, told: dict[str, dict[str, Any]]) -> None:
    """Programs rely on it; a change of it is to be seen and wanted."""
    path = GOLDEN / f"{kind}.json"
    text = json.dumps(told[kind], indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")

    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", events.KINDS)
def test_each_kind_fits_the_schema(kind: str, told: dict[str, dict[str, Any]]) -> None:
    """Whoever generates a reader from the schema can read what is told, and every key that is."""
    assert list(faults(told[kind], SCHEMA["$defs"][kind], kind)) == []


def test_the_schema_knows_each_kind() -> None:
    """And no other."""
    assert tuple(SCHEMA["$defs"]) == tuple(dict.fromkeys(SCHEMA["$defs"]))
    assert set(SCHEMA["$defs"]) == set(events.KINDS)
