"""The live stream in a real browser: it goes on where it was, one for all tabs, and none for what nobody sees."""

from urllib.parse import parse_qs, urlsplit

from browsing import Looker, until
from night import Night, Open
from playwright.sync_api import Page, Request
from running import wait_until
from web_server import WebServer

LISTEN = """async () => {
  self.heard = [];
  const { follow } = await import(new URL("./live.js", document.querySelector("script[src*='/app.js']").src));
  follow((news) => { if (news.kind === "event") self.heard.push(news.event.seq); });
}"""
"""The page's own way to hear of events; each is noted."""

HIDE = """isHidden => {
  Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser says when another tab is in front; one that is driven from outside takes all its pages for seen."""

HIDDEN = "Object.defineProperty(document, 'hidden', { get: () => true, configurable: true })"


def streams(server: WebServer) -> int:
    """How many streams are open, as the pages themselves count them."""
    with server.client(server.token("root")) as client:
        return int(client.get("/health").json()["streams"])


def asked(looker: Looker) -> list[Request]:
    """Every request for a stream from now on."""
    found: list[Request] = []
    looker.context.on("request", lambda each: found.append(each) if "/events/stream" in each.url else None)
    return found


def another(looker: Looker) -> Page:
    """One more tab of the same browser."""
    page = looker.context.new_page()
    page.goto("/")
    page.wait_for_selector(":root[data-live=yes]")
    return page


def until_heard(page: Page, *numbers: int) -> None:
    """Until a page has heard of these, and of nothing else: none lacks, none comes twice."""
    until(page, "most => self.heard.length >= most", len(numbers))
    assert page.evaluate("self.heard") == list(numbers)


def test_pages_that_went_away_and_came_back_have_missed_nothing(look: Open, night: Night) -> None:
    """The browser asks for what lies behind the last number, hears each once, and nothing is loaded anew."""
    looker = look(may_complain=True)  # the browser itself says that it was refused
    page = looker.log_in()
    looker.until_live()
    page.evaluate(LISTEN)
    page.evaluate("self.isStillHere = true")
    requests = asked(looker)
    last = night.events.write("LOAD_CRM__P", "STAGE__P")
    until_heard(page, last - 1, last)
    night.server.web["listen"] = f"127.0.0.1:{night.server.port}"
    night.server.configure()

    night.server.stop()
    page.wait_for_selector(":root[data-live=no]")
    assert "Not live since" in page.locator("#stale").inner_text()
    night.events.write("LOAD_CRM__P", None, "STAGE__P")
    night.say((night.now(), "LOAD_CRM", "SUCCESS"))
    night.server.start()

    looker.until_live()
    until(page, "document.querySelector('tr[data-key=LOAD_CRM__P] .state').textContent.includes('NOT_RUNNING')")
    until_heard(page, *range(last - 1, last + 4))
    night.events.write("STAGE__P")
    until_heard(page, *range(last - 1, last + 5))
    assert page.evaluate("self.isStillHere") is True
    assert requests[-1].all_headers()["last-event-id"] == str(last)


def test_many_tabs_of_one_browser_have_one_stream(look: Open, night: Night) -> None:
    """A browser opens six connections to a host; and when the tab that listens is closed, another one does."""
    looker = look()
    first = looker.log_in()
    looker.until_live()
    tabs = [first, another(looker), another(looker)]
    for tab in tabs:
        tab.evaluate(LISTEN)
    assert streams(night.server) == 1

    seq = night.events.write("STAGE__P")
    night.say((night.now(), "LOAD_CRM", "ERROR", "No space left"))

    for tab in tabs:
        until_heard(tab, seq)
        until(tab, "document.querySelector('tr[data-key=LOAD_CRM__P] .state').textContent.includes('ERROR')")
    first.close()
    night.events.write("STAGE__P")
    for tab in tabs[1:]:
        until_heard(tab, seq, seq + 1)
    wait_until(lambda: streams(night.server) == 1, "one stream again")


def test_what_nobody_sees_has_no_stream_and_has_missed_nothing_when_it_is_seen(look: Open, night: Night) -> None:
    """A hundred forgotten tabs cost nothing; the one that is taken up again goes on behind the last number."""
    looker = look()
    page = looker.log_in()
    looker.until_live()
    page.evaluate(LISTEN)
    seq = night.events.write("STAGE__P")
    until_heard(page, seq)

    page.evaluate(HIDE, True)
    wait_until(lambda: streams(night.server) == 0, "the stream to be closed")
    night.events.write("LOAD_CRM__P", "STAGE__P")
    night.say((night.now(), "LOAD_CRM", "ERROR", "No space left"))
    requests = asked(looker)
    page.evaluate(HIDE, False)

    until_heard(page, seq, seq + 1, seq + 2)
    until(page, "document.querySelector('tr[data-key=LOAD_CRM__P] .state').textContent.includes('ERROR')")
    assert [parse_qs(urlsplit(each.url).query)["after"] for each in requests] == [[str(seq)]]
    assert streams(night.server) == 1


def test_a_page_that_was_opened_unseen_shows_what_came_before_it_listened(look: Open, night: Night) -> None:
    """Between the making of a page and the first word of its stream nothing is lost."""
    looker = look()
    looker.log_in()
    looker.until_live()
    looker.context.add_init_script(HIDDEN)
    page = looker.context.new_page()
    page.goto("/")
    page.wait_for_selector("tr[data-key=LOAD_CRM__P]")

    looker.page.close()
    wait_until(lambda: streams(night.server) == 0, "the stream to be closed")
    night.say((night.now(), "LOAD_CRM", "ERROR", "No space left"))
    wait_until(lambda: is_known(night.server, "LOAD_CRM__P", "ERROR"), "the pages to know of it")
    page.evaluate(HIDE, False)

    until(page, "document.querySelector('tr[data-key=LOAD_CRM__P] .state').textContent.includes('ERROR')")


def is_known(server: WebServer, key: str, state: str) -> bool:
    """Whether the pages have read it."""
    with server.client(server.token("root")) as client:
        found = client.get("/api/v1/jobs").json()["jobs"]
    return any((each["key"], each["state"]) == (key, state) for each in found)
