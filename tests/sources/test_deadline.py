"""The deadline of a request: watched by one thread for as many as come, and by nobody once it is closed."""

import threading

from running import SLOW

from job_tracker.sources.ogc.deadline import Deadline


def watching() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "watches a deadline"]


def test_a_deadline_that_passes_is_called_once_and_the_next_one_again() -> None:
    """A server that drips must not hold a source for ever, the second time neither."""
    passed = threading.Semaphore(0)
    deadline = Deadline(0.01, lambda: passed.release())

    for _ in range(2):
        deadline.begin()
        assert passed.acquire(timeout=SLOW)
    deadline.end()
    deadline.close()

    assert not passed.acquire(blocking=False)


def test_one_thread_watches_hundreds_and_ends_when_it_is_closed() -> None:
    """A thread for each request cost more than the request."""
    before = set(watching())
    deadline = Deadline(SLOW, lambda: None)

    seen = set()
    for _ in range(300):
        deadline.begin()
        seen |= set(watching()) - before
        deadline.end()
    deadline.close()

    assert len(seen) == 1
    assert set(watching()) <= before
