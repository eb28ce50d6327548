"""The pictures of README and docs, taken of the demonstration with the browser that is installed here.

Rule: nothing in them is made up: it is what `make run` shows after some minutes.
"""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
LIVED = 200
"""Seconds after which there is something to see."""
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    """Run it, look at it, keep that."""
    command = [sys.executable, "-u", str(ROOT / "examples" / "demo.py"), "--seconds", "1000"]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None  # noqa: S101 - it was asked for
    try:
        link = next(found for line in demo.stdout if (found := re.search(r"http://\S+/login/once\S+", line)))[0]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1180, "height": 560}, color_scheme="light")
            _visit(page, link)
            page.wait_for_timeout(LIVED * 1000)  # the demonstration's own time: its jobs really run
            _take(page)
            browser.close()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate()


def _visit(page: Page, link: str) -> None:
    """Once somebody listens; a link that nobody answered is not used up."""
    until = time.monotonic() + 60
    while True:
        try:
            page.goto(link)
        except Error as refused:
            if "ERR_CONNECTION_REFUSED" not in str(refused) or time.monotonic() > until:
                raise
            time.sleep(0.2)  # until somebody listens
        else:
            return


def _take(page: Page) -> None:
    base = re.match(r"http://[^/]+", page.url)
    assert base is not None  # noqa: S101 - it was visited
    page.goto(f"{base[0]}/")
    page.wait_for_selector(":root[data-live=yes]")
    page.wait_for_timeout(1000)  # rows that have just changed are marked for a moment
    page.screenshot(path=str(PICTURES / "board.png"))
    now = time.time()
    page.set_viewport_size({"width": 1180, "height": 400})
    page.goto(f"{base[0]}/night?from={now - LIVED + 10:.0f}&to={now + 45:.0f}")
    page.wait_for_selector("#picture[data-drawn]")
    page.wait_for_timeout(1000)
    page.screenshot(path=str(PICTURES / "night.png"))


if __name__ == "__main__":
    main()
