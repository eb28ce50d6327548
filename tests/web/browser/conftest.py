"""What all tests in a browser share: they are heavy, and whatever the browser complains of fails them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, Looker, beating, launched
from night import Night, Open
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of them is a part of its own, and needs the browser."""
    reason = "there is no chromium; `make test-parts` installs it as root"
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.parts)
            item.add_marker(pytest.mark.skipif(not CHROMIUM.exists(), reason=reason))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a file, each test with a context of its own; while it lives, a loop runs in this thread."""
    with sync_playwright() as playwright:
        made = launched(playwright)
        yield made
        made.close()


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    """Four jobs, one of which has failed, and one that runs."""
    made = Night(tmp_path)
    made.server.add("root", "cop")
    with made.server, beating(tmp_path / "view.sqlite"):
        made.server.start()
        yield made
    made.close()


@pytest.fixture
def look(browser: Browser, night: Night) -> Iterator[Open]:
    """Somebody looks; whatever the browser complains of fails the test."""
    opened: list[tuple[Looker, bool]] = []

    def open_(*, may_complain: bool = False, **how: Any) -> Looker:
        looker = Looker(browser, night.server, **how)
        opened.append((looker, may_complain))
        return looker

    yield open_
    for looker, may_complain in opened:
        looker.end(may_complain=may_complain)
