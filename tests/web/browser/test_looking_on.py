"""The pages in a real browser: what somebody does at night, and what must never be on his screen."""

import time

import pytest
from browsing import until
from night import HOUR, Night, Open
from playwright.sync_api import Page

from job_tracker import clock
from job_tracker.view.documents import Publication

PAGES = (
    *("/", "/night", "/jobs/STAGE__P", "/jobs/STAGE__P/runs/1", "/sources", "/unmatched", "/notifications"),
    *("/events", "/account", "/users", "/audit"),
)


def states(page: Page) -> dict[str, str]:
    """What the board shows of each job."""
    rows = page.locator("tr[data-key]").all()
    return {str(row.get_attribute("data-key")): row.locator(".state").inner_text().split()[-1] for row in rows}


def wait_for_state(page: Page, key: str, state: str) -> None:
    """Until the board shows it, without anything being done."""
    row = f"document.querySelector('tr[data-key={key}] .state')"
    until(page, f"{row}.textContent.endsWith('{state}')")


def test_somebody_logs_in_and_finds_a_job_by_typing(look: Open) -> None:
    """The address follows what is typed, so that it can be sent to somebody else."""
    looker = look()
    page = looker.log_in()
    looker.until_live()
    assert states(page) == {
        "STAGE__P": "ERROR",
        "LOAD_DWH__P": "DELAYED",
        "LOAD_CRM__P": "RUNNING",
        "BACKUP__P": "NEVER_RAN",
    }

    page.keyboard.press("/")
    page.keyboard.type("load")

    until(page, "document.querySelectorAll('tr[data-key]').length === 2")
    assert page.url.endswith("/?q=load")
    looker.keep("browser-board")
    page.reload()
    assert set(states(page)) == {"LOAD_DWH__P", "LOAD_CRM__P"}


def test_a_job_fails_while_somebody_looks_and_its_row_changes_where_it_stands(look: Open, night: Night) -> None:
    """Nothing is loaded anew, and nothing moves under the pointer; how long it took is noted, not judged."""
    looker = look()
    page = looker.log_in()
    looker.until_live()
    order = list(states(page))
    page.evaluate("self.isStillHere = true")
    loaded: list[str] = []
    page.on("framenavigated", lambda frame: loaded.append(frame.url))

    begun = time.monotonic()
    night.say((night.now(), "LOAD_CRM", "ERROR", "<img src=x onerror=alert(1)> No space left"))

    wait_for_state(page, "LOAD_CRM__P", "ERROR")
    took = time.monotonic() - begun
    looker.note("browser-row", f"a job's failure was in its row {took:.2f} s after the message was published")
    assert page.evaluate("self.isStillHere") is True
    assert loaded == []
    assert list(states(page)) == order
    assert "No space left" in page.locator("tr[data-key=LOAD_CRM__P]").inner_text()
    page.get_by_role("button", name="order anew").click()
    until(page, "[...document.querySelectorAll('tr[data-key]')].findIndex(r => r.dataset.key === 'LOAD_CRM__P') < 3")


def test_the_night_is_zoomed_and_panned_by_keys_and_by_mouse(look: Open) -> None:
    """Whoever looks for what ran beside a failure comes near it as he likes."""
    looker = look()
    page = looker.log_in()
    page.goto("/night")
    canvas = page.locator("#picture")
    page.wait_for_selector("#picture[data-drawn]")

    def span() -> tuple[int, int]:
        begin, end = page.evaluate("[+picture.dataset.from, +picture.dataset.to]")
        return begin, end

    def until_wide(seconds: int) -> tuple[int, int]:  # the whole night goes along with the clock, its width does not
        until(page, "wide => Math.abs(picture.dataset.to - picture.dataset.from - wide) <= 2", seconds)
        return span()

    whole = 24 * HOUR
    until_wide(whole)
    canvas.focus()
    page.keyboard.press("+")
    near = until_wide(whole // 2)
    page.keyboard.press("ArrowLeft")
    until(page, "before => +picture.dataset.from < before", near[0])
    assert "from=" in page.url

    box = canvas.bounding_box()
    assert box is not None
    y = box["y"] + 80
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=4)
    page.mouse.up()
    until(page, "wide => picture.dataset.to - picture.dataset.from < wide / 2", whole // 2)

    page.keyboard.press("0")
    until_wide(whole)
    until(page, "wide => Math.abs(picture.dataset.loaded - wide) <= 2", whole)  # with the runs that belong there
    page.keyboard.press("j")
    page.keyboard.press("]")
    until(page, "document.getElementById('said').textContent.includes('run ')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#beside:not([hidden]) h2")
    looker.keep("browser-night")
    assert float(page.evaluate("picture.dataset.drawn")) > 0


def test_what_lies_beneath_the_pointer_is_said(look: Open) -> None:
    """A picture of a thousand bars is of use only if each of them has a name, a time and a reason."""
    looker = look()
    page = looker.log_in()
    page.goto("/night?q=stage&back=2&ahead=0")
    page.wait_for_selector("#picture[data-loaded]")
    box = page.locator("#picture").bounding_box()
    assert box is not None
    lane = box["y"] + 36 + 10  # beneath the hours

    page.mouse.move(box["x"] + 60, lane)
    page.wait_for_selector("#hint:not([hidden])")
    assert page.locator("#hint").inner_text().startswith("STAGE__P\nERROR")
    left = page.evaluate("picture.clientWidth") - 200
    for step in range(200):  # along the lane, until the failed run is met
        page.mouse.move(box["x"] + 200 + left * step / 200, lane)
        if "ORA-01555" in str(page.locator("#hint").text_content()):
            break
    assert "run 1: failed" in page.locator("#hint").inner_text()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#beside:not([hidden])")
    assert "ORA-01555" in page.locator("#beside").inner_text()


def test_when_the_tracker_stops_everything_is_grey_and_says_since_when(look: Open, night: Night) -> None:
    """Never stale green."""
    looker = look()
    page = looker.log_in()
    looker.until_live()

    night.published.now = clock.now()
    meta = night.published.meta(stopped=night.published.now)
    night.published.view.publish(Publication(meta=meta))

    page.wait_for_selector(":root[data-live=no]")
    assert "the tracker was stopped" in page.locator("#stale").inner_text()
    assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "grayscale(1)"
    looker.keep("browser-stale")


def test_without_javascript_everything_can_be_read(look: Open) -> None:
    """A locked-down browser, or a terminal's, is enough."""
    looker = look(java_script_enabled=False)
    page = looker.log_in()
    assert states(page)["STAGE__P"] == "ERROR"

    page.locator("#q").fill("stage")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?q=stage*")
    assert set(states(page)) == {"STAGE__P"}
    page.goto("/night")
    page.get_by_role("link", name="The same as a table").click()
    page.wait_for_selector("table")
    assert "failed" in page.locator("table").inner_text()


@pytest.mark.parametrize("path", PAGES)
def test_a_telephone_shows_every_page(look: Open, path: str) -> None:
    """360 pixels: nothing sticks out to the right."""
    looker = look(viewport={"width": 360, "height": 740})
    page = looker.log_in()
    page.goto(path)
    page.wait_for_selector("main")

    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360


def test_it_is_dark_where_that_is_wished_for_and_can_be_switched(look: Open) -> None:
    """Whoever sits in the dark is not blinded."""
    looker = look(color_scheme="dark")
    page = looker.log_in()
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)

    page.get_by_role("button", name="Light").click()
    light = page.evaluate(colour)
    page.reload()

    assert dark == "rgb(21, 23, 26)"
    assert light == page.evaluate(colour) == "rgb(251, 251, 249)"


def test_keys_lead_everywhere(look: Open) -> None:
    """Hands stay on the keyboard."""
    looker = look()
    page = looker.log_in()
    looker.until_live()  # keys are heard by scripts, which come after the page

    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/LOAD_DWH__P")
    page.wait_for_selector("#durations canvas")
    looker.keep("browser-job")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/night")
    page.wait_for_selector("#picture[data-drawn]")
    page.keyboard.press("g")
    page.keyboard.press("b")
    page.wait_for_selector("#jobs")
