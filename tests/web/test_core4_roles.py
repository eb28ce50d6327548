"""core4's logins and roles: shapes that its clients know, and none of the ways in that it had."""

from pathlib import Path
from typing import Any

import pytest
from asking import ADDRESS, client_of, part_of
from published import Published, cyclic, jobs_of
from starlette.testclient import TestClient

from job_tracker import clock
from job_tracker.config.web import Web
from job_tracker.web.app import Part
from job_tracker.web.doors.hashing import hashed
from job_tracker.web.doors.tokens import SESSION, TOKEN

ROLES = "/core4/api/v1/roles"
USER: dict[str, Any] = {
    "name": "test",
    "realname": "Test User",
    "email": "Test@plan-net.com",
    "password": "very secret",
    "role": ["standard_user"],
    "perm": ["api://core4.api.v1.request.queue.history.*"],
}


@pytest.fixture
def part(tmp_path: Path) -> Part:
    path = tmp_path / "view.sqlite"
    Published(path, jobs_of(cyclic("LOAD"))).close()
    made = part_of(path, None)
    made.doors.people.add("admin", hashed("hans"), ["cop"], author="test", now=clock.now())
    return made


def near(part: Part, **headers: str) -> TestClient:
    """Somebody on this host."""
    client = client_of(part)
    client.headers.update(headers)
    client._transport.client = ("127.0.0.1", 40000)  # type: ignore[attr-defined]  # from where it says it comes
    return client


def login(part: Part, name: str = "admin", password: str = "hans") -> str:  # noqa: S107 - of a test's user
    answer = near(part).get("/core4/api/login", params={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["token"])


def as_admin(part: Part) -> TestClient:
    return near(part, authorization=f"Bearer {login(part)}")


@pytest.mark.parametrize("path", ["/core4/api/login", "/core4/api/v1/login"])
def test_a_login_answers_as_core4_does(part: Part, path: str) -> None:
    """By URL, by a form, by JSON and by Basic: the same token's place; and no cookie that a link could set."""
    client, said = near(part), {"username": "admin", "password": "hans"}
    answers = [
        client.get(path, params=said),
        client.post(path, json=said),
        client.post(path, data=said),
        client.get(path, auth=("admin", "hans")),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.json().keys() == {"_id", "timestamp", "message", "code", "data"}
        assert answer.headers["token"] == answer.json()["data"]["token"]
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_token_logs_in_and_gets_no_other_end(part: Part) -> None:
    """Whoever has got hold of a token must not live on it for ever."""
    token = login(part)

    again = near(part).get("/core4/api/login", params={"token": token})

    assert again.json()["data"]["token"] == token


@pytest.mark.parametrize(
    ("params", "headers"),
    [
        ({}, {}),
        ({"username": "admin", "password": "wrong"}, {}),
        ({"username": "nobody", "password": "hans"}, {}),
        ({"username": "adm", "password": "hans"}, {}),
        ({"token": "garbage"}, {}),
        ({"token": "a.b.c"}, {}),
        ({"token": ""}, {}),
        ({}, {"authorization": "Bearer x"}),
        ({}, {"authorization": "Basic x"}),
        ({}, {"authorization": "Digest x"}),
    ],
)
def test_what_is_no_proof_is_401(part: Part, params: dict[str, str], headers: dict[str, str]) -> None:
    """Neither a page, nor a redirect, nor a fault of the program; and a part of a name is nobody's."""
    answer = near(part, **headers).get("/core4/api/v1/roles", params=params)

    assert answer.status_code == 401
    assert (answer.json()["code"], answer.json()["message"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("web", "headers", "status"),
    [
        ({}, {}, 200),
        ({"core4_credentials_in_url": "false"}, {}, 401),
        ({}, {"x-forwarded-for": "10.0.0.1"}, 401),
        ({}, {"forwarded": "for=10.0.0.1"}, 401),
        ({"trusted_hosts": "devops"}, {"host": "devops:5001"}, 401),
        ({"public_url": "https://devops"}, {"x-forwarded-for": "10.0.0.1"}, 200),
        ({"public_url": "https://devops", "core4_credentials_in_url": "false"}, {"host": "devops"}, 401),
    ],
)
def test_what_stands_in_a_url_counts_where_nobody_reads_it(
    part: Part, web: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """On this very host, or under https: elsewhere it is in a log by now, and the header is told instead."""
    part.doors.web = part.web = Web.model_validate(web)
    client = near(part, **headers)

    answer = client.get("/core4/api/login", params={"username": "admin", "password": "hans"})
    in_header = client.get("/core4/api/login", auth=("admin", "hans"))

    assert (answer.status_code, in_header.status_code) == (status, 200)
    assert status == 200 or "Authorization" in answer.json()["error"]


def test_a_token_of_core4_opens_nothing_else(part: Part) -> None:
    """It stood in a URL: it reads no page and no API of ours; and a session's cookie opens nothing here."""
    token, now = login(part), clock.now()
    session = part.doors.tokens.make("admin", SESSION, now + 10**9, now=now)
    scripts = part.doors.tokens.make("admin", TOKEN, now + 10**9, now=now, reads_only=True)

    assert near(part, authorization=f"Bearer {token}").get("/api/v1/jobs").status_code == 401
    assert near(part, cookie=f"job_tracker_5001={session}").get(ROLES).status_code == 401
    assert near(part).get(ROLES, params={"token": session}).status_code == 401
    assert near(part).get(ROLES, params={"token": scripts}).status_code == 200
    assert near(part, authorization=f"Bearer {scripts}").post(ROLES, json=USER).status_code == 403


def test_who_logs_out_is_out(part: Part) -> None:
    """In core4 the token lived on."""
    client = as_admin(part)

    answer = client.get("/core4/api/v1/logout")

    assert answer.json()["data"] == "OK"
    assert client.get(ROLES).status_code == 401


def test_a_user_is_made_as_the_users_document_makes_him(part: Part) -> None:
    """200, an etag, no password; twice is 400, as a duplicate name was."""
    client = as_admin(part)
    answer = client.post(ROLES, json=USER)
    again = client.post(ROLES, json={**USER, "email": "other@plan-net.com"})
    email = client.post(ROLES, json={**USER, "name": "other"})

    made = answer.json()["data"]
    assert answer.status_code == 200, answer.text
    assert made.keys() == {"_id", "name", "realname", "is_active", "created", "etag", "role", "email", "perm"}
    assert (made["email"], made["role"], made["perm"]) == ("test@plan-net.com", ["standard_user"], USER["perm"])
    assert (again.status_code, email.status_code) == (400, 400)
    assert "name or email exists" in again.json()["error"]
    token = login(part, "test", "very secret")
    assert near(part, authorization=f"Bearer {token}").get(ROLES).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"perm": ["bla"]}, 400),
        ({"perm": ["job://(a+)+/r"]}, 400),
        ({"perm": ["api://x/q"]}, 400),
        ({"perm": "x"}, 400),
        ({"perm": ["app://any", "mongodb://db", "job://core4.*/x", "api://core4.api/cr"]}, 200),
        ({"role": ["nobody"]}, 404),
        ({"role": [1]}, 400),
        ({"name": "a b"}, 400),
        ({"name": ""}, 400),
        ({"name": "admin"}, 400),
        ({"name": "viewer"}, 400),
        ({"name": 7}, 400),
        ({"email": "x"}, 400),
        ({"password": "short"}, 400),
        ({"password": None}, 400),
        ({"password": None, "passwd": "very secret"}, 200),
        ({"password": None, "email": None, "role": []}, 200),
        ({"password": None, "email": None}, 400),
        ({"is_active": "perhaps"}, 400),
        ({"is_active": "no"}, 200),
    ],
)
def test_a_wish_that_is_none_is_refused_by_core4s_codes(part: Part, changes: dict[str, Any], status: int) -> None:
    """409, 412 and 422 occur nowhere in core4, and its clients do not know them."""
    assert as_admin(part).post(ROLES, json={**USER, **changes}).status_code == status


def test_a_role_is_changed_by_its_etag_and_what_it_opened_closes(part: Part) -> None:
    """A second change of the same state is 400; whose rights change logs in anew."""
    client = as_admin(part)
    made = client.post(ROLES, json=USER).json()["data"]
    path, token = f"{ROLES}/{made['_id']}", login(part, "test", "very secret")

    nothing = client.put(path, json={"etag": made["etag"], "realname": "Test User"})
    changed = client.put(path, json={"etag": made["etag"], "perm": ["job://.*/r"]})
    stale = client.put(path, json={"etag": made["etag"], "perm": []})
    lacking = client.put(path, json={"perm": []})
    detail = client.get(path).json()["data"]

    assert nothing.json()["data"] == "no changes"
    assert changed.json()["data"]["perm"] == ["job://.*/r"]
    assert (stale.status_code, lacking.status_code) == (400, 400)
    assert detail["perm_total"] == ["api://core4.api.v1.request.standard.*", "job://.*/r"]
    assert near(part, authorization=f"Bearer {token}").get("/core4/api/v1/logout").status_code == 401
    assert part.doors.people.rights_of("test").sees("LOAD__P")  # type: ignore[union-attr]  # he is there


def test_a_role_that_is_removed_is_nobodys(part: Part) -> None:
    """And the last who may do everything stays."""
    client = as_admin(part)
    role = client.post(ROLES, json={"name": "dwh", "perm": ["job://LOAD.*/r"]}).json()["data"]
    client.post(ROLES, json={**USER, "role": ["dwh"]})
    by_name = {each["name"]: each for each in client.get(ROLES, params={"per_page": 100}).json()["data"]}

    gone = client.delete(f"{ROLES}/{role['_id']}/{role['etag']}")
    admin = client.delete(f"{ROLES}/{by_name['admin']['_id']}", params={"etag": by_name["admin"]["etag"]})
    ready = client.delete(f"{ROLES}/{by_name['viewer']['_id']}", params={"etag": by_name["viewer"]["etag"]})

    assert by_name["test"]["role"] == [role["_id"]]
    assert (gone.status_code, gone.json()["data"]) == (200, True)
    assert (admin.status_code, ready.status_code) == (400, 400)
    assert "dwh" not in client.get(f"{ROLES}/distinct").json()["data"]
    assert part.doors.people.roles_of("test") == ["test"]
    assert client.get(f"{ROLES}/{role['_id']}").status_code == 404
    assert client.get(f"{ROLES}/x").status_code == 400


def test_only_a_cop_gives_what_he_does_not_have(part: Part) -> None:
    """In core4 whoever might make roles could make himself a cop, or take a cop's password from him."""
    handler = "api://core4.api.v1.request.role.*"
    root = as_admin(part)
    root.post(ROLES, json={**USER, "perm": [handler, "job://LOAD.*/r"]})
    client = near(part, authorization=f"Bearer {login(part, 'test', 'very secret')}")
    admin = next(each for each in client.get(ROLES).json()["data"] if each["name"] == "admin")

    def tried(**wish: Any) -> int:
        return int(client.post(ROLES, json={**USER, "name": "other", "email": "o@x.org", **wish}).status_code)

    assert tried(perm=["cop"]) == 403
    assert tried(role=["cop"]) == 403
    assert tried(perm=["job://.*/r"]) == 403
    assert (
        client.put(f"{ROLES}/{admin['_id']}", json={"etag": admin["etag"], "password": "mine mine"}).status_code == 403
    )
    assert client.delete(f"{ROLES}/{admin['_id']}/{admin['etag']}").status_code == 403
    assert tried(perm=["job://LOAD.*/r"]) == 200


def test_a_listing_is_paged_sorted_and_filtered(part: Part) -> None:
    """As core4's pager has it; behind the end is empty and no fault."""
    client = as_admin(part)

    def asked(**params: Any) -> Any:
        return client.get(ROLES, params=params).json()

    assert [each["name"] for each in asked(sort="name", per_page=2)["data"]] == ["admin", "cop"]
    assert (asked(per_page=2, page=9)["data"], asked(per_page=2, page=9)["page"]) == ([], 9)
    assert asked(per_page=2)["total_count"] == 5.0
    assert [each["name"] for each in asked(sort="name", order=-1, per_page=2, page=-1)["data"]] == ["admin"]
    assert [each["name"] for each in asked(filter="JOB://.*/X")["data"]] == ["operator"]
    assert [each["name"] for each in asked(filter='{"name": "viewer"}')["data"]] == ["viewer"]
    assert [asked(**each)["code"] for each in ({"per_page": 0}, {"page": "x"}, {"sort": "password"})] == [400] * 3
    assert asked(filter='{"name": {"$ne": 1}}')["code"] == 400


def test_another_origin_changes_nothing(part: Part) -> None:
    """A page elsewhere must not work for whoever looks at it."""
    answer = as_admin(part).post(ROLES, json=USER, headers={"origin": "https://evil.example.com"})

    assert (answer.status_code, answer.json()["code"]) == (403, 403)
    assert ADDRESS not in answer.headers.get("access-control-allow-origin", "")
