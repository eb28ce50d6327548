"""Browsing: the browser that is installed here, driven as somebody would use it, and what it may not do meanwhile.

Rule: whatever it complains of, asks of another host, or is kept from by our own policy is a fault of the page.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright
from web_server import PASSWORD, WebServer

from job_tracker import clock

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
PATIENCE = 60_000
"""Milliseconds; machines on which tests run may be slow and busy."""
ARTEFACTS = Path(__file__).parents[2] / "var" / "pictures"

_WATCH = "self.violations = []; addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective));"


def launched(playwright: Playwright) -> Browser:
    """The browser, without a window."""
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))


class Looker:
    """Somebody with a browser.  faults: what it complained of."""

    def __init__(self, browser: Browser, server: WebServer, **how: Any) -> None:
        how.setdefault("viewport", {"width": 1280, "height": 800})
        self.server = server
        self.faults: list[str] = []
        self.context: BrowserContext = browser.new_context(base_url=server.address, **how)
        self.context.set_default_timeout(PATIENCE)
        self.has_scripts = how.get("java_script_enabled", True)
        if self.has_scripts:
            self.context.add_init_script(_WATCH)
        self.context.on("console", lambda said: self._note(said.text) if said.type == "error" else None)
        self.context.on("weberror", lambda fault: self._note(str(fault.error)))
        self.context.on("request", lambda request: self._check(request.url))
        self.page: Page = self.context.new_page()

    def log_in(self, name: str = "root") -> Page:
        """Through the form."""
        self.page.goto("/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_selector("#tiles")
        return self.page

    def until_live(self) -> None:
        """Until what is shown is live."""
        self.page.wait_for_selector(":root[data-live=yes]")

    def keep(self, name: str) -> None:
        """A picture of it, for whoever wants to see what a test saw."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(ARTEFACTS / f"{name}.png"))

    def note(self, name: str, text: str) -> None:
        """What somebody may want to know beside the pictures, and no test judges."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        (ARTEFACTS / f"{name}.txt").write_text(f"{text}\n")

    def end(self, *, may_complain: bool = False) -> None:
        """Close it; whatever it complained of fails the test."""
        pages = self.context.pages if self.has_scripts else []
        violations = [each for page in pages for each in page.evaluate("self.violations")]
        self.context.close()
        assert violations == []
        assert may_complain or self.faults == []

    def _note(self, text: str) -> None:
        self.faults.append(text)

    def _check(self, url: str) -> None:
        if urlsplit(url).scheme in ("http", "https") and urlsplit(url).netloc != urlsplit(self.server.address).netloc:
            self.faults.append(f"asks another host: {url}")


def until(page: Page, expression: str, arg: Any = None) -> None:
    """Until something holds in a page; asked from outside, for its policy lets nobody evaluate texts within."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"it never came to hold: {expression}"
        page.wait_for_timeout(50)


@contextmanager
def beating(view: Path) -> Iterator[None]:
    """A tracker that goes on saying that it is at work, as the real one does, however long a test takes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(5.0):
            connection = sqlite3.connect(view, timeout=30)
            meta = json.loads(connection.execute("SELECT value FROM meta").fetchone()[0])
            connection.execute("UPDATE meta SET value = ?", (json.dumps({**meta, "written": clock.now()}),))
            connection.commit()
            connection.close()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
