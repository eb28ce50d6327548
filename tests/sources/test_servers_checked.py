"""The check of a server of jobs: a page is read, nothing is taken, and what is wrong is said."""

import pytest
from job_server import PROCESS, JobServer
from server_asking import TERMS, host_of, server_of

from job_tracker.ports import Contact
from job_tracker.sources.checking import check
from job_tracker.sources.taking_over import forget


@pytest.mark.parametrize("dialect", ["wpst", "ogc"])
def test_a_check_says_what_it_found_and_moves_nothing(dialect: str) -> None:
    """A WPS-T server moves a job when it is asked about: a check that asks would change what the tracker hears."""
    with JobServer(dialect=dialect).running() as server:
        server.submit("a1", "running")
        server.submit("a2", "hibernating")

        found = check(host_of(server_of(server.url)), TERMS)

        assert found.works
        assert f"answers in the dialect {dialect}" in found.steps[-1]
        assert "2 jobs, 2 not ended, and words that nobody here knows: 'hibernating'" in found.about
        assert not any("/jobs/" in each for each in server.requests)


def test_a_check_says_what_is_wrong() -> None:
    """Nobody there, something else there, and a door that is shut are three things to repair."""
    with JobServer(processes=[]).running() as server:
        nobody = check(host_of(server_of("http://127.0.0.1:1")), TERMS)
        server.overridden["*"] = lambda _: (200, {"welcome": "to nginx"})
        other = check(host_of(server_of(server.url)), TERMS)
        server.overridden["*"] = lambda _: (401, {})
        shut = check(host_of(server_of(server.url)), TERMS)

    assert [each.contact for each in (nobody, other, shut)] == [
        Contact.UNREACHABLE,
        Contact.UNREACHABLE,
        Contact.REFUSED,
    ]
    assert "neither lists anything" in other.text
    assert "is the credential the right one?" in shut.text


def test_there_is_no_queue_to_take_over() -> None:
    """Whoever names it is told so, and nothing is asked."""
    with JobServer(processes=[PROCESS]).running() as server:
        done = forget(host_of(server_of(server.url)), TERMS)

    assert (done.done, done.text) == (False, "it is a server with jobs of its own, and has no queue")
    assert server.requests == []
