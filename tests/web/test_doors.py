"""The doors: who comes in, by what, how often he may try, and when he is out again."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from asking import client_of, part_of
from published import Published, cyclic, jobs_of
from starlette.testclient import TestClient

from job_tracker import clock
from job_tracker.config.web import Web
from job_tracker.moments import DAY, MICROSECONDS, MINUTE
from job_tracker.web.app import Part
from job_tracker.web.doors import tries
from job_tracker.web.doors.hashing import Checking, hashed, token_hash
from job_tracker.web.doors.people import NotChanged, People
from job_tracker.web.doors.store import Store, WebStoreUnusable
from job_tracker.web.doors.tokens import ONCE, SESSION, TOKEN
from job_tracker.web.problems import Problem
from job_tracker.web.rights import PermissionAtFault

PASSWORD = "correct horse battery"  # noqa: S105 - of a test's user
KEPT = hashed(PASSWORD)
SESSION_COOKIE = "job_tracker_5001"


@pytest.fixture
def part(tmp_path: Path) -> Part:
    Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"))).close()
    return with_users(part_of(tmp_path / "view.sqlite", None))


def with_users(part: Part) -> Part:
    now = clock.now()
    part.doors.people.add("Root", KEPT, ["cop"], author="test", now=now)
    part.doors.people.add("anna", KEPT, ["viewer"], author="test", now=now)
    return part


def log_in(client: TestClient, name: str = "anna", password: str = PASSWORD, **headers: str) -> Any:
    return client.post("/login", data={"name": name, "password": password, "next": "/x"}, headers=headers)


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def token_of(part: Part, kind: str = TOKEN, lasts: int = DAY, user: str = "anna", **how: Any) -> str:
    now = clock.now()
    return part.doors.tokens.make(user, kind, now + lasts, now=now, **how)


def status(part: Part, headers: dict[str, str]) -> int:
    """401: not let in; anything else: let in."""
    return int(client_of(part).get("/health", headers=headers).status_code)


# ---- Coming in


def test_a_name_and_a_password_give_a_session(part: Part) -> None:
    """The cookie is out of reach of scripts and of other sites, and nothing of it is in the store."""
    client = client_of(part)

    answer = log_in(client, "ANNA")

    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, "/x")
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert "; HttpOnly" in cookie
    assert "; SameSite=strict" in cookie
    assert "Domain" not in cookie
    assert client.cookies[SESSION_COOKIE] not in str(part.doors.store.rows("SELECT * FROM tokens"))
    assert client.get("/health").status_code == 503  # let in; the tracker is long gone


def test_with_tls_the_cookie_is_tied_to_this_host_and_to_tls(tmp_path: Path) -> None:
    """A browser accepts __Host- only with Secure and without a domain, and sends it nowhere else."""
    Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"))).close()
    web = Web.model_validate({"public_url": "https://jobs.example.com"})
    part = with_users(part_of(tmp_path / "view.sqlite", None, web=web))

    answer = log_in(client_of(part), host="jobs.example.com", origin="https://jobs.example.com")

    assert answer.headers["set-cookie"].startswith("__Host-job_tracker=")
    assert "; Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_each_login_has_a_session_of_its_own(part: Part) -> None:
    """A session that somebody prepared beforehand must not become the victim's."""
    client = client_of(part)
    log_in(client)
    before = client.cookies[SESSION_COOKIE]

    log_in(client)

    assert client.cookies[SESSION_COOKIE] != before
    assert client_of(part).get("/health", headers={"cookie": f"{SESSION_COOKIE}={before}"}).status_code == 401


@pytest.mark.parametrize(
    "wanted", ["//evil.example.com", "/\\evil.example.com", "https://evil.example.com", "x", "/\n/x"]
)
def test_a_login_leads_nowhere_else(part: Part, wanted: str) -> None:
    """A link to our login must not end on somebody else's page."""
    answer = client_of(part).post("/login", data={"name": "anna", "password": PASSWORD, "next": wanted})

    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("an", PASSWORD)])
def test_what_is_wrong_is_not_said_in_part(part: Part, name: str, password: str) -> None:
    """Whoever guesses must not learn which names there are; and a name is compared whole."""
    answer = log_in(client_of(part), name, password)

    assert answer.status_code == 401
    assert "the name or the password is not right" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_program_comes_in_by_a_token_or_by_a_password(part: Part) -> None:
    """Scripts have no browser."""
    assert status(part, bearer(token_of(part))) == 503
    assert status(part, basic("anna")) == 503
    assert status(part, basic("anna", "wrong")) == 401


@pytest.mark.parametrize(
    "proof",
    ["Bearer", "Bearer ", "Bearer x", "Bearer " + "A" * 43, "Bearer \u00e9", "Basic", "Basic !", "Basic YW5uYQ==",
     "Digest x", "Negotiate x", "Bearer " + "x" * 8000, "Basic " + base64.b64encode(b"\xff:\xff").decode()],
)  # fmt: skip
def test_a_proof_that_is_none_is_refused(part: Part, proof: str) -> None:
    """Garbage is 401, never 500, and never taken for somebody without a proof, whose cookie would count."""
    client = client_of(part)
    log_in(client)

    assert client.get("/health", headers={b"authorization": proof.encode()}).status_code == 401


def test_a_token_ends(part: Part) -> None:
    """One that was forgotten in a script must not be good for ever."""
    assert status(part, bearer(token_of(part, lasts=-1))) == 401


def test_a_session_is_no_token_and_a_login_link_is_neither(part: Part) -> None:
    """Each opens the door it was made for."""
    client = client_of(part)
    client.cookies[SESSION_COOKIE] = token_of(part, TOKEN)

    assert client.get("/health").status_code == 401
    assert status(part, bearer(token_of(part, ONCE))) == 401


def test_a_token_that_only_reads_changes_nothing(part: Part) -> None:
    """A wall screen needs to see."""
    headers = bearer(token_of(part, reads_only=True))

    assert client_of(part).get("/health", headers=headers).status_code == 503
    assert client_of(part).post("/logout", headers=headers).status_code == 403


def test_a_login_link_works_once_and_on_this_host_alone(part: Part) -> None:
    """A link in a scrollback, or one that was passed on by a proxy, lets nobody in."""
    client = client_of(part)
    client._transport.client = ("127.0.0.1", 1)  # type: ignore[attr-defined]  # from where it asks
    path = f"/login/once?key={token_of(part, ONCE)}"

    answers = [
        client.get(path, headers={"x-forwarded-for": "192.0.2.1"}).status_code,
        client.head(path).status_code,
        client.get(path).status_code,
        client.get(path).status_code,
    ]

    assert answers == [403, 403, 303, 403]


# ---- How often


def test_wrong_passwords_are_slowed_down_and_a_restart_forgives_nothing(part: Part) -> None:
    """Guessing costs time, whoever guesses: the name and the address have to wait."""
    client = client_of(part)
    for _ in range(tries.FREE):
        assert log_in(client, "anna", "wrong").status_code == 401

    right = log_in(client)
    elsewhere = log_in(client, "root")
    part.doors.store.close()
    part.doors = type(part.doors)(Store(part.doors.store.path, clock.now()), part.web)
    part.identify = part.doors.identify

    assert right.status_code == 429
    assert 0 < int(right.headers["retry-after"]) <= 11
    assert elsewhere.status_code == 429  # the address
    assert log_in(client_of(part)).status_code == 429


def test_the_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    """Five tries are a slip; the tenth is not."""
    pauses = [tries.pause_after(count) // MICROSECONDS for count in (4, 5, 6, 7, 11, 12, 1000)]

    assert pauses == [0, 10, 20, 40, 640, 900, 900]


def test_who_guesses_does_not_lock_the_owner_out_where_he_has_been(part: Part) -> None:
    """Else anybody could keep the operator out in the night that he is needed."""
    at_home = {"x-forwarded-for": "192.0.2.7"}
    client = client_of(part)
    client._transport.client = ("127.0.0.1", 1)  # type: ignore[attr-defined]  # from where it asks
    assert log_in(client, **at_home).status_code == 303
    part.doors.checking = Checking()

    for _ in range(2 * tries.FREE):
        log_in(client, "anna", "wrong", **{"x-forwarded-for": "198.51.100.9"})

    assert log_in(client, **{"x-forwarded-for": "203.0.113.5"}).status_code == 429
    assert log_in(client, **at_home).status_code == 303


def test_an_address_of_ipv6_is_the_network_that_a_customer_has() -> None:
    """Else every try would come from an address of its own."""
    assert tries.shared("2001:db8:1:2:3::4") == tries.shared("2001:db8:1:2::9") == "2001:db8:1:2::/64"


def test_few_wait_for_the_thread_that_checks_and_one_place_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred guesses at once cost the memory of one, and whoever was here before still gets in."""
    checking = Checking()
    let_go = anyio.Event
    answers: list[str] = []

    async def go() -> None:
        gate = let_go()

        async def slowly(function: Any, *arguments: Any, limiter: Any) -> bool:
            await gate.wait()
            return True

        monkeypatch.setattr(anyio.to_thread, "run_sync", slowly)

        async def ask(known: bool) -> None:
            try:
                await checking.is_right(KEPT, "anna", PASSWORD, is_known_place=known)
                answers.append("right")
            except Problem as problem:
                answers.append(str(problem.status))

        async with anyio.create_task_group() as group:
            for known in (False,) * 5 + (True,) * 2:
                group.start_soon(ask, known)
            await anyio.wait_all_tasks_blocked()
            gate.set()

    anyio.run(go)

    assert sorted(answers) == ["429", "429", "right", "right", "right", "right", "right"]


# ---- The proxy


def proxied(tmp_path: Path, peer: tuple[str, int] | None) -> TestClient:
    Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"))).close()
    web = Web.model_validate(
        {"trusted_user_header": "X-Remote-User", "trusted_proxies": "192.0.2.17", "trusted_hosts": "x"}
    )
    client = client_of(with_users(part_of(tmp_path / "view.sqlite", None, web=web)))
    client._transport.client = peer  # type: ignore[attr-defined]  # from where it asks
    return client


@pytest.mark.parametrize(
    ("peer", "status"),
    [(("192.0.2.17", 1), 503), (("192.0.2.18", 1), 401), (("127.0.0.1", 1), 401), (("::1", 1), 401), (None, 401)],
)
def test_the_header_of_a_proxy_counts_from_that_proxy_alone(tmp_path: Path, peer: Any, status: int) -> None:
    """Whoever else sets it is nobody: not even on this host, where anybody may connect."""
    assert proxied(tmp_path, peer).get("/health", headers={"x-remote-user": "anna"}).status_code == status


def test_the_proxy_names_one_user_that_there_is(tmp_path: Path) -> None:
    """A header that was appended to must not let the client choose."""
    client = proxied(tmp_path, ("192.0.2.17", 1))

    assert client.get("/health", headers={"x-remote-user": "stranger"}).status_code == 401
    assert client.get("/health", headers=[("x-remote-user", "anna"), ("x-remote-user", "root")]).status_code == 401


# ---- Out again


def test_logging_out_ends_the_session_itself(part: Part) -> None:
    """A cookie that was copied before is worth nothing after."""
    client = client_of(part)
    log_in(client)
    copied = client.cookies[SESSION_COOKIE]

    client.post("/logout")

    assert client_of(part).get("/health", headers={"cookie": f"{SESSION_COOKIE}={copied}"}).status_code == 401


@pytest.mark.parametrize("change", ["disabled", "password", "roles", "role"])
def test_who_changes_is_logged_in_no_more(part: Part, change: str) -> None:
    """What was open with the old rights does not stay open."""
    people, now = part.doors.people, clock.now()
    people.set_role("mine", ["job://LOAD__P/r"], author="test", now=now)
    people.set_roles("anna", ["mine"], author="test", now=now)
    client = client_of(part)
    log_in(client)
    assert client.get("/health").status_code == 503

    match change:
        case "disabled":
            people.set_active("anna", active=False, author="test", now=now)
        case "password":
            people.set_password("anna", KEPT, author="test", now=now)
        case "roles":
            people.set_roles("anna", ["viewer"], author="test", now=now)
        case "role":
            people.set_role("mine", [], author="test", now=now)

    assert client.get("/health").status_code == 401


def test_a_disabled_user_has_no_token_any_more(part: Part) -> None:
    """Also not when he is let in again: nobody knows who has them by then."""
    token = token_of(part)
    people, now = part.doors.people, clock.now()

    people.set_active("anna", active=False, author="test", now=now)
    people.set_active("anna", active=True, author="test", now=now)

    assert status(part, bearer(token)) == 401


def test_a_session_lasts_while_it_is_used(part: Part) -> None:
    """The board on the wall stays; the laptop in the train does not."""
    tokens, now = part.doors.tokens, clock.now()
    token = token_of(part, SESSION, lasts=tokens.lasts)

    assert tokens.find(token, now + tokens.lasts - MINUTE) is not None
    assert tokens.find(token, now + 2 * tokens.lasts - 2 * MINUTE) is not None
    assert tokens.find(token, now + 4 * tokens.lasts) is None


# ---- People


def test_there_is_always_a_cop(part: Part) -> None:
    """Or nobody could let anybody in any more."""
    changes: tuple[Callable[[], object], ...] = (
        lambda: part.doors.people.set_active("root", active=False, author="x", now=1),
        lambda: part.doors.people.set_roles("root", ["viewer"], author="x", now=1),
    )
    for change in changes:
        with pytest.raises(NotChanged, match="nobody would be left"):
            change()

    assert part.doors.people.has_cop()


def test_roles_may_be_made_before_anybody_is_there(tmp_path: Path) -> None:
    """Whoever sets it up begins where he likes; the server is what asks for a cop."""
    people = People(Store(tmp_path / "web.sqlite", 1))

    people.set_role("dwh", ["job://LOAD_.*/x"], author="x", now=1)

    assert people.roles()["dwh"] == ["job://LOAD_.*/x"]


@pytest.mark.parametrize("name", ["", "a b", "-x", "ä", "x" * 101, "a/b", "a\n"])
def test_a_name_is_plain(part: Part, name: str) -> None:
    """Names stand in logs and pages, and two that look alike must not be two."""
    with pytest.raises(NotChanged, match="is no name"):
        part.doors.people.add(name, KEPT, [], author="x", now=1)


def test_names_are_told_apart_without_their_case(part: Part) -> None:
    """Anna and anna would be one to everybody but the program."""
    with pytest.raises(NotChanged, match="there is a user anna already"):
        part.doors.people.add("Anna", KEPT, [], author="x", now=1)


@pytest.mark.parametrize(
    "permission",
    ["job://(a+)+/r", "job://(a*)*/r", "job://(a|a)*/r", r"job://(a)\1/r", "job://" + "a" * 201 + "/r", "job://(?=a)/r",
     "job://a**/r", "job://a*b*c*d*/r", "job://[/r", "job://(/r", "job://a/w", "job://a b/r", "Cop", "", "job:///r",
     "job://a{1,99}{1,99}/r", "job://(a{2}){2}/r", "job://[a-z&&b]/r", "mongo://x", "job://a)(b/r"],
)  # fmt: skip
def test_a_permission_that_could_take_long_is_refused(part: Part, permission: str) -> None:
    """An expression is tried on every job for every browser; one that backtracks would stop them all."""
    with pytest.raises(PermissionAtFault):
        part.doors.people.set_role("mine", [permission], author="x", now=1)

    assert "mine" not in part.doors.people.roles()


@pytest.mark.parametrize(
    "permission", ["job://.*/r", "job://LOAD_.*__(P|Q)/x", r"job://A\.B-[A-Z0-9]+/r", "cop", "job://a?b*c+d{2}/r"]
)
def test_a_permission_is_as_plain_as_it_has_to_be(part: Part, permission: str) -> None:
    """What people write for groups of jobs is taken."""
    part.doors.people.set_role("mine", [permission], author="x", now=1)

    assert "mine" in part.doors.people.roles()


def test_what_was_done_is_in_the_audit(part: Part) -> None:
    """Who let whom in, from where, and what was refused; never a password."""
    client = client_of(part)
    log_in(client, "anna", "my wrong secret")
    log_in(client)

    rows = part.doors.people.audit(None, 10)

    assert [(row["what"], row["subject"]) for row in rows][:4] == [
        ("logged in", "anna"), ("login refused", "anna"), ("user added", "anna"), ("user added", "root")
    ]  # fmt: skip
    assert "secret" not in str(rows)


# ---- The store


def test_the_store_is_for_its_owner_alone(part: Part) -> None:
    """One that others can read is not used until somebody has looked."""
    path = part.doors.store.path
    assert path.stat().st_mode & 0o777 == 0o600

    path.chmod(0o640)

    with pytest.raises(WebStoreUnusable, match="can be read by others; `chmod 600"):
        Store(path, clock.now())


def test_another_file_is_not_taken_for_a_store(tmp_path: Path) -> None:
    """A path that is wrong must not lead to a server that knows nobody, or to a file that is overwritten."""
    path = tmp_path / "x.sqlite"
    path.write_text("something else entirely, which somebody needs")
    path.chmod(0o600)

    with pytest.raises(WebStoreUnusable):
        Store(path, clock.now())

    assert path.read_text().startswith("something else")


def test_a_token_is_kept_as_its_hash(part: Part) -> None:
    """Whoever gets at a backup of the store gets in nowhere."""
    token = token_of(part)

    content = part.doors.store.path.read_bytes()

    assert token.encode() not in content
    assert token_hash(token).encode() in content
    assert PASSWORD.encode() not in content
