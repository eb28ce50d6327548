"""Taking over: a tracker that lost its store, and the command that lets queues forget the one it was."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sourcing import TERMS, TOOL, Box, Place, leaving_nothing

from job_tracker.cli import app
from job_tracker.ports import Contact
from job_tracker.sources.taking_over import forget, forget_all


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A queue on this host."""
    with leaving_nothing():
        made = Place(tmp_path)
        yield made
        for source in made.sources:
            source.stop()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command, without a terminal; its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["job_tracker", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        return ended.value.code if isinstance(ended.value.code, int) else 0

    return run


def configuration(place: Place, *names: str) -> str:
    path = place.directory / "job_tracker.cfg"
    common = {"connection": "local", "message_queue": str(place.path), "python": sys.executable}
    common["message_queue_handler"] = str(TOOL)
    sections = [{"name": name, **common} for name in names]
    path.write_text(json.dumps({"global_config": {"time_zone": "UTC"}, "source_hosts": sections, "jobs": []}))
    return str(path)


def test_a_refused_tracker_drains_once_the_queue_forgot_the_other(place: Place) -> None:
    """Its own next try succeeds: nobody has to start it again, and what was not confirmed is heard by it."""
    lost, new = Box(), Box()
    place.add("A")
    former = place.source(lost, tracker="lost-its-store")
    lost.delivery()
    former.stop()
    source = place.source(new, tracker="new")
    refused = new.report(Contact.REFUSED)

    found = forget(place.host, TERMS)
    source.reconnect()
    delivery = new.delivery()
    source.confirm(delivery, "n1")
    new.empty(after=new.items.index(delivery))

    assert "drained by tracker lost-its… since" in refused.text
    assert found.done
    assert found.text.startswith("drained by lost-its-store since ")
    assert [element["job"] for element in delivery.elements] == ["A"]
    assert place.count() == 0


def test_a_tracker_that_still_lives_is_driven_out_by_the_next_only(place: Place) -> None:
    """To forget ends no session: a command given by mistake costs nothing as long as nobody else comes."""
    living, other = Box(), Box()
    place.source(living, tracker="living")
    living.empty()

    forget(place.host, TERMS)
    after = len(living.items)
    living.empty(after=after)
    place.source(other, tracker="other")
    other.empty()

    living.report(Contact.UNREACHABLE, "superseded", after=after)


def test_a_queue_that_nobody_drains_says_so(place: Place) -> None:
    """The command may be given twice, and no message is touched."""
    place.add("A")

    assert [forget(place.host, TERMS).text for _ in range(2)] == ["nobody drained it"] * 2
    assert place.count() == 1


def test_an_older_handler_is_told_from_a_broken_one(place: Place) -> None:
    """It is repaired by copying a file there, which is not what an operator thinks of first."""
    text = """
say(GREETING)
hear()
say({"error": "bad-request", "text": "not a request: do must be one of confirm, open, ping, take"})
hear()
"""
    found = forget(place.script(text), TERMS)

    assert not found.done
    assert found.text.startswith(
        "the handler there is older than this command: install this tracker's message-queue.py"
    )


def test_one_that_cannot_be_reached_does_not_hold_up_the_others(place: Place) -> None:
    """The order is the one that was asked for."""
    place.add("A")
    gone = replace(place.host, name="gone", python="/nowhere/python")

    found = forget_all([gone, place.host], TERMS)

    assert [(each.source, each.done) for each in found] == [("gone", False), ("here", True)]


def test_the_command_says_what_it_means_and_does_nothing_unasked(
    place: Place, ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the former tracker took is not heard any more: nobody may learn that afterwards."""
    box = Box()
    place.source(box, tracker="first")
    box.empty()

    code = ask("take-over", "app1", "-c", configuration(place, "app1"))
    said = capsys.readouterr().err

    assert code == 2
    assert "app1: the queue there will forget which tracker drains it" in said
    assert "- No message is deleted. A tracker that is refused now tries again within a minute." in said.splitlines()
    assert said.splitlines()[-2:] == ["nobody can be asked here; say --yes if that is meant", "nothing was done"]
    assert "first" in place.tool("stats")


def test_the_command_lets_all_queues_forget(
    place: Place, ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """After a lost store it is all of them."""
    place.add("A")

    code = ask("take-over", "--all", "--yes", "-c", configuration(place, "app1", "app2"))

    assert code == 0
    assert capsys.readouterr().out.splitlines() == ["app1: nobody drained it", "app2: nobody drained it"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "name the sources, or say --all"),
        (("app1", "--all"), "--all needs no names"),
        (("app3",), "no source is called app3; configured are: app1, app2"),
    ],
)
def test_who_names_nothing_or_a_stranger_is_told(
    place: Place,
    ask: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    """A list of hosts is never guessed."""
    code = ask("take-over", *arguments, "--yes", "-c", configuration(place, "app1", "app2"))

    assert code == 2
    assert expected in " ".join(capsys.readouterr().err.split())
