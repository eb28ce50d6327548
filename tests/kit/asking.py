"""Asking the pages: the real app over a real view, with somebody who is let in as whoever a test wants.

Rule: what a browser, a log or a connection matters to is asked of a real server instead (`serving`).
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from job_tracker import clock
from job_tracker.config.web import Web
from job_tracker.web.app import Part, make_app
from job_tracker.web.doors.doors import Doors
from job_tracker.web.doors.store import Store
from job_tracker.web.reader import Reader
from job_tracker.web.rights import NOBODY, Who, granted

COP = Who(name="root", rights=granted({"cop"}), roles=("cop",), by="session")
ADDRESS = "http://localhost:5001"


def seeing(*permissions: str, name: str = "anna") -> Who:
    """Somebody with these permissions."""
    return Who(name=name, rights=granted(permissions), by="session")


def letting_in(who: Who) -> Callable[[HTTPConnection], Awaitable[Who]]:
    """A door that takes everybody for the same one."""

    async def identify(_: HTTPConnection) -> Who:
        return who

    return identify


def part_of(view: Path, who: Who | None = NOBODY, *, events: Path | None = None, web: Web | None = None) -> Part:
    """The web part over a view, which it has looked at once.  who: who asks; None: whoever shows that he is."""
    events = events or view.with_name("events.sqlite")
    reader = Reader(view, events)
    reader.look()
    zone = ZoneInfo("Europe/Berlin")
    web = web or Web()
    doors = Doors(Store(view.with_name("web.sqlite"), clock.now()), web)
    part = Part(web=web, zone=zone, view=view, events=events, reader=reader, doors=doors)
    if who is not None:
        part.identify = letting_in(who)
    return part


def client_of(part: Part) -> TestClient:
    """Whoever asks it; redirects are shown, not followed."""
    return TestClient(make_app(part), base_url=ADDRESS, follow_redirects=False, raise_server_exceptions=False)
