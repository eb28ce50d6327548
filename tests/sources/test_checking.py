"""Checking sources on this host: what a look may do, which is nothing, and what it says."""

from dataclasses import replace
from pathlib import Path

from sourcing import TERMS, Place

from job_tracker.cli.screens.checking import lines
from job_tracker.sources.checking import check


def test_a_check_of_a_path_without_a_queue_makes_none_and_says_so(tmp_path: Path) -> None:
    """It made one behind every typing mistake, and said that it works."""
    place = Place(tmp_path)
    wrong = tmp_path / "qeueu" / "q.sqlite"

    found = check(replace(place.host, message_queue=str(wrong)), TERMS)

    assert (found.works, found.exists) == (True, False)
    assert list(tmp_path.iterdir()) == []
    assert (
        f"  WARN: no queue there yet: {wrong} is made when a job reports, or the tracker drains it; is that the path?"
        in (lines(found))
    )


def test_a_check_of_a_queue_says_what_waits_and_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    """Not even the pipe by which a waiting tracker is woken is made for the sake of a look."""
    place = Place(tmp_path)
    place.tool("add", "--instance", "P", "--job", "LOAD", "--event", "STARTED")

    found = check(place.host, TERMS)

    assert (found.depth, found.exists) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["q.sqlite"]
    assert not any("WARN" in line for line in lines(found))
