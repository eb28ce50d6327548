"""The gate: who gets through to what, and what every answer carries."""

from pathlib import Path
from typing import Any

import pytest
from asking import COP, client_of, part_of, seeing
from published import Published, cyclic, jobs_of
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Served
from starlette.routing import WebSocketRoute

from job_tracker.config.web import Web
from job_tracker.web import app as apps
from job_tracker.web.context import Context
from job_tracker.web.pages import table
from job_tracker.web.rights import NOBODY, Needs
from job_tracker.web.routing import Route, served
from job_tracker.web.safety import POLICY


def said(context: Context) -> Response:
    """What a handler can see."""
    return PlainTextResponse(f"{context.who.name} {[row.key for row in context.rows]}")


def broken(_: Context) -> Response:
    """A handler with a fault."""
    raise RuntimeError("a secret of the program")


ROUTES = (
    Route(path="/seen/{key}", handler=said, needs=Needs.SEES_JOB),
    Route(path="/act/{key}", handler=said, needs=Needs.MAY_ACT, methods=("POST",)),
    Route(path="/every", handler=said, needs=Needs.SEES_ALL),
    Route(path="/filtered", handler=said, needs=Needs.FILTERED),
    Route(path="/cop", handler=said, needs=Needs.COP),
    Route(path="/api/v1/cop", handler=said, needs=Needs.COP),
    Route(path="/broken", handler=broken, needs=Needs.ANYBODY),
    Route(path="/any", handler=said, needs=Needs.ANYBODY, methods=("GET", "POST")),
)


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROUTES", ROUTES)


@pytest.fixture
def view(tmp_path: Path) -> Path:
    path = tmp_path / "view.sqlite"
    Published(path, jobs_of(cyclic("LOAD"), cyclic("LOAD2"), cyclic("OTHER"))).close()
    return path


@pytest.mark.parametrize(
    ("who", "answers"),
    [
        (NOBODY, {"/seen/LOAD__P": 303, "/every": 303, "/filtered": 303, "/cop": 303, "/api/v1/cop": 401}),
        (seeing(), {"/seen/LOAD__P": 404, "/every": 403, "/filtered": 200, "/cop": 403, "/api/v1/cop": 403}),
        (seeing("job://LOAD__P/r"), {"/seen/LOAD__P": 200, "/seen/LOAD2__P": 404, "/seen/NONE__P": 404}),
        (seeing("job://.*/r"), {"/seen/OTHER__P": 200, "/seen/NONE__P": 404, "/every": 200, "/cop": 403}),
        (COP, {"/seen/OTHER__P": 200, "/seen/NONE__P": 404, "/every": 200, "/cop": 200}),
    ],
)
def test_a_route_is_open_to_whoever_has_what_it_needs(view: Path, who: Any, answers: dict[str, int]) -> None:
    """A job that somebody may not see answers as one that there is not, or he could ask for names."""
    client = client_of(part_of(view, who))

    assert {path: client.get(path).status_code for path in answers} == answers


@pytest.mark.parametrize(
    ("permissions", "status"), [((), 404), (("job://LOAD__P/r",), 403), (("job://LOAD__P/x",), 200), (("cop",), 200)]
)
def test_acting_needs_more_than_seeing(view: Path, permissions: tuple[str, ...], status: int) -> None:
    """Who looks on must not silence what wakes others."""
    assert client_of(part_of(view, seeing(*permissions))).post("/act/LOAD__P").status_code == status


def test_a_filtered_answer_holds_what_is_seen(view: Path) -> None:
    """An expression fits a whole key: LOAD__P is not LOAD2__P."""
    assert client_of(part_of(view, seeing("job://LOAD__./r"))).get("/filtered").text == "anna ['LOAD__P']"


def test_a_page_leads_to_the_login_and_back(view: Path) -> None:
    """Who follows a link from an alarm wants to get there, not to the board."""
    answer = client_of(part_of(view)).get("/seen/LOAD__P?tab=runs")

    assert answer.headers["location"] == "/login?next=%2Fseen%2FLOAD__P%3Ftab%3Druns"


@pytest.mark.parametrize("path", ["/any", "/cop", "/nowhere", "/api/v1/nowhere", "/broken", "/seen/%2e%2e"])
def test_every_answer_carries_the_policy(view: Path, path: str) -> None:
    """The answer that was forgotten is the one that is framed."""
    headers = client_of(part_of(view, COP)).get(path).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_a_program_is_refused_in_its_own_form(view: Path) -> None:
    """A script that expects JSON must not be given a page."""
    answer = client_of(part_of(view)).get("/api/v1/cop")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "log in first"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_fault_of_the_program_shows_nothing_of_it(view: Path) -> None:
    """What a traceback tells is for the log alone."""
    answer = client_of(part_of(view, COP)).get("/broken")

    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize("host", ["evil.example.com", "localhost.evil.example.com", "", "localhost:5001@evil", "["])
def test_another_host_is_not_served(view: Path, host: str) -> None:
    """A name that somebody else points at this address would let his pages read ours."""
    assert client_of(part_of(view, COP)).get("/any", headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:5001"}, 200),
        ({"origin": "https://portal.example.com"}, 200),
        ({"origin": "http://localhost:5002"}, 403),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_what_changes_something_comes_from_our_own_pages(view: Path, headers: dict[str, str], status: int) -> None:
    """A page elsewhere must not press our buttons with a visitor's cookie."""
    web = Web.model_validate({"allowed_origins": "https://portal.example.com"})

    assert client_of(part_of(view, COP, web=web)).post("/any", headers=headers).status_code == status


def test_a_body_has_an_end(view: Path) -> None:
    """Nobody fills the memory with a form."""
    assert client_of(part_of(view, COP)).post("/any", content=b"x" * 1_000_001).status_code == 413


def test_static_files_are_named_by_what_they_hold(view: Path, tmp_path: Path) -> None:
    """A browser that keeps them for ever gets others as soon as they are others."""
    from job_tracker.web.static import StaticFiles

    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "a.js").write_text("1" * 1000)
    before = StaticFiles(folder).url("a.js")
    (folder / "a.js").write_text("2" * 1000)
    part = part_of(view)
    part.static = StaticFiles(folder)

    client = client_of(part)
    found = client.get(part.static.url("a.js"))

    assert before != part.static.url("a.js")
    assert (found.status_code, found.text) == (200, "2" * 1000)
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get(before).status_code == 404
    assert client.get(f"{part.static.prefix}/..%2f..%2fapp.py").status_code == 404


def test_each_row_of_the_table_says_what_it_needs(view: Path) -> None:
    """A path in the table is a path of the server, and none is served beside it."""
    part = part_of(view)

    assert all(isinstance(each, Served | WebSocketRoute) for each in served(apps.routes(part), part))
