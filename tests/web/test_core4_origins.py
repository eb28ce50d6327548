"""core4's paths and pages elsewhere: what everybody is told of them, and whose pages may read what they answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import client_of, part_of
from published import Published, cyclic, jobs_of
from starlette.testclient import TestClient

from job_tracker.config.web import Web
from job_tracker.web.core4.table import ROUTES, V1

PORTAL = "https://portal.example.com"
LETS = "access-control-allow-"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Somebody who is not logged in."""
    path = tmp_path / "view.sqlite"
    Published(path, jobs_of(cyclic("LOAD"))).close()
    part = part_of(path, None, web=Web.model_validate({"allowed_origins": PORTAL}))
    yield client_of(part)
    part.doors.store.close()


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/core4/api/login", "GET, HEAD, OPTIONS, POST"),
        (f"{V1}/login", "GET, HEAD, OPTIONS, POST"),
        (f"{V1}/logout", "GET, HEAD, OPTIONS, POST"),
        (f"{V1}/jobs/history", "GET, HEAD, OPTIONS, POST"),
        (f"{V1}/event", "GET, HEAD, OPTIONS"),
        (f"{V1}/event/ticket", "OPTIONS, POST"),
        (f"{V1}/roles", "GET, HEAD, OPTIONS, POST"),
        (f"{V1}/roles/distinct", "GET, HEAD, OPTIONS"),
        (f"{V1}/roles/0123", "DELETE, GET, HEAD, OPTIONS, PUT"),
        (f"{V1}/roles/0123/4567", "DELETE, OPTIONS"),
    ],
)
def test_options_says_without_a_login_what_is_done_at_a_path(client: TestClient, path: str, allow: str) -> None:
    """As core4 has it; and nothing else is done: no token is made, no role is looked for."""
    answer = client.options(path)

    assert (answer.status_code, answer.headers["allow"]) == (200, allow)
    assert answer.json().keys() == {"_id", "timestamp", "message", "code", "data"}
    assert "token" not in answer.headers
    assert client.options(path, headers={"authorization": "Bearer x"}).status_code == 401


def test_options_has_a_row_for_each_path_and_none_for_others(client: TestClient) -> None:
    """A path that is added later has it by itself; our own pages and API do without."""
    paths = {each.path for each in ROUTES}

    assert {each.path for each in ROUTES if "OPTIONS" in each.methods} == paths
    assert client.options("/core4/api/v1/nothing").status_code == 404
    assert client.options("/api/v1/jobs").status_code == 405


@pytest.mark.parametrize("origin", ["https://evil.example.com", "https://portal.example.com.evil.com", "null", "*", ""])
def test_pages_of_other_origins_read_nothing(client: TestClient, origin: str) -> None:
    """In core4 any page could, with whatever its visitor was logged in by."""
    asking = {"origin": origin, "access-control-request-method": "POST"}
    answers = [client.options(f"{V1}/login", headers=asking), client.get(f"{V1}/login", headers={"origin": origin})]

    assert [each.status_code for each in answers] == [200, 401]
    assert not [name for each in answers for name in each.headers if name.startswith("access-control")]


def test_a_page_of_an_allowed_origin_asks_with_a_token_and_reads_why_not(client: TestClient) -> None:
    """Under /core4 alone, where no cookie counts, and none is asked for."""
    asking = {
        "origin": PORTAL,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answers = [client.options(f"{V1}/event/ticket", headers=asking)]
    answers += [client.post(f"{V1}/event/ticket", headers={"origin": PORTAL, "authorization": "Bearer x"})]
    others = [client.get(path, headers={"origin": PORTAL}) for path in ("/", "/api/v1/jobs", "/health", "/core4x")]

    assert [each.status_code for each in answers] == [200, 401]
    for each in answers:
        assert each.headers[f"{LETS}origin"] == PORTAL
        assert "authorization" in each.headers[f"{LETS}headers"]
        assert "POST" in each.headers[f"{LETS}methods"]
        assert each.headers["cache-control"] == "no-store"
    assert not [name for each in (*answers, *others) for name in each.headers if name == f"{LETS}credentials"]
    assert not [name for each in others for name in each.headers if name.startswith("access-control")]
