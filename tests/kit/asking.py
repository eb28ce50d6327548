"""Asking the pages: the real app over a real view, with somebody who is let in as whoever a test wants.

Rule: what a browser, a log or a connection matters to is asked of a real server instead (`serving`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.testclient import TestClient

from job_tracker.config.web import Web
from job_tracker.web.app import Part, make_app
from job_tracker.web.reader import Reader
from job_tracker.web.rights import NOBODY, Who, granted

COP = Who(name="root", rights=granted({"cop"}), roles=("cop",), by="session")
ADDRESS = "http://localhost:5001"


def seeing(*permissions: str, name: str = "anna") -> Who:
    """Somebody with these permissions."""
    return Who(name=name, rights=granted(permissions), by="session")


def letting_in(who: Who) -> Callable[[Request], Awaitable[Who]]:
    """A door that takes everybody for the same one."""

    async def identify(_: Request) -> Who:
        return who

    return identify


def part_of(view: Path, who: Who = NOBODY, *, events: Path | None = None, web: Web | None = None) -> Part:
    """The web part over a view, which it has looked at once."""
    events = events or view.with_name("events.sqlite")
    reader = Reader(view, events)
    reader.look()
    zone = ZoneInfo("Europe/Berlin")
    return Part(web=web or Web(), zone=zone, view=view, events=events, reader=reader, identify=letting_in(who))


def client_of(part: Part, who: Who | None = None) -> TestClient:
    """Whoever asks it, as himself or as somebody else; redirects are shown, not followed."""
    if who is not None:
        part = replace(part, identify=letting_in(who))
    return TestClient(make_app(part), base_url=ADDRESS, follow_redirects=False, raise_server_exceptions=False)
