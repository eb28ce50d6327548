"""For all tests: an Event Console to tell, and signals whose dispositions are what a terminal would give.

A background job or `nohup` hands ignored signals down to every child; a test that sends one would wait for ever.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from telling import Receiver

TESTS = Path(__file__).parent

for number, handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


LIVE = frozenset({"daemon", "engine", "onhost", "outputs", "service", "shippers", "sources", "view", "web"})
"""Rooms whose tests use threads, processes or a clock: what they say must not depend on what else the machine does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the room they are of."""
    for item in items:
        if LIVE.intersection(item.path.relative_to(TESTS).parts[:1]):
            item.add_marker(pytest.mark.live)


@pytest.fixture
def receiver(tmp_path: Path) -> "Iterator[Receiver]":
    """An Event Console that reads its FIFO."""
    from telling import Receiver  # only tests that tell somebody pay for what it imports

    made = Receiver(tmp_path / "events")
    made.come()
    yield made
    made.go()
