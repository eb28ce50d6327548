"""The API: what programs are told, in the shapes that its description promises, and to whom."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asking import COP, client_of, letting_in, part_of, seeing
from published import HOUR, SECOND, T0, Published, cyclic, daily, jobs_of
from running import TOOL
from starlette.testclient import TestClient

from job_tracker import clock
from job_tracker.events.file import EventsFile
from job_tracker.moments import DAY
from job_tracker.web import app as apps
from job_tracker.web.api.table import described
from job_tracker.web.app import Part
from job_tracker.web.rights import Needs, Who

HTML = "<script>alert(1)</script>\u202e & more"


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Three jobs of a tracker that has just reported: one failed, one runs, one is none of everybody's business."""
    now = clock.now()
    jobs = jobs_of(
        cyclic("LOAD", group="dwh"), daily("NIGHTLY"), cyclic("SECRET", group="hr"), sources=("app1", "app2")
    )
    made = Published(tmp_path / "view.sqlite", jobs, now=now - 2 * HOUR)
    made.control = str(tmp_path / "control" / "queue.sqlite")
    at = (now - T0) // SECOND
    made.unmatched = []
    made.say((at - 3600, "LOAD", "STARTED"), (at - 3500, "LOAD", "ERROR", HTML), (at - 60, "SECRET", "STARTED"))
    made.step(now, [])
    made.rebuild(made.view)
    made.close()
    write_events(tmp_path / "events.sqlite", ["LOAD__P", "SECRET__P", None, "LOAD__P"])
    return part_of(tmp_path / "view.sqlite", COP)


def write_events(path: Path, jobs: list[str | None]) -> None:
    file = EventsFile(path, "tracker-1")
    file.keep, file.most = 365 * DAY, 1 << 30
    file.open()
    now = clock.now()
    file.take(
        [
            (1000 + number, now, now, "run.started" if job else "source.changed", job, 1 if job else None, 0, None,
             json.dumps({"begin": now / SECOND, "source": "app1", "text": HTML}))
            for number, job in enumerate(jobs)
        ],
        now,
    )  # fmt: skip
    file.close()


def ask(part: Part, who: Who = COP) -> TestClient:
    part.identify = letting_in(who)
    return client_of(part)


# ---- Shapes


def fits(value: Any, schema: dict[str, Any], place: str = "") -> list[str]:
    """Where a value is not what a schema of the description says; as much of JSON Schema as the description uses."""
    if "oneOf" in schema:
        tried = [fits(value, each, place) for each in schema["oneOf"]]
        return [] if [] in tried else [f"{place}: fits none: {tried}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place}: {value!r}"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    python = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}
    is_bool = isinstance(value, bool)
    if kinds and not any(
        value is None if kind == "null" else isinstance(value, python[kind]) and (is_bool == (kind == "boolean"))  # type: ignore[arg-type]  # of a table of types
        for kind in kinds
    ):
        return [f"{place}: {value!r} is not {kinds}"]
    if schema.get("format") == "date-time" and value is not None and not (len(value) == 27 and value.endswith("Z")):
        return [f"{place}: {value!r} is no moment"]
    wrong: list[str] = []
    if isinstance(value, dict):
        wrong += [f"{place}.{name} is missing" for name in schema.get("required", []) if name not in value]
        known = schema.get("properties", {})
        further = schema.get("additionalProperties", True)
        for name, each in value.items():
            if name in known:
                wrong += fits(each, known[name], f"{place}.{name}")
            elif further is False:
                wrong.append(f"{place}.{name} is not described")
            elif isinstance(further, dict):
                wrong += fits(each, further, f"{place}.{name}")
    if isinstance(value, list) and "items" in schema:
        wrong += [
            fault for number, each in enumerate(value) for fault in fits(each, schema["items"], f"{place}[{number}]")
        ]
    return wrong


def plain(path: str) -> str:
    return path.replace(":int}", "}")


def test_the_description_lists_exactly_what_is_served(part: Part) -> None:
    """A client that is made from the description meets no surprise, and nothing is served beside it."""
    served = {
        (plain(route.path), method.lower())
        for route in apps.routes(part)
        for method in route.methods
        if route.path.startswith(("/api/", "/metrics", "/health"))
    }

    assert {(path, method) for path, methods in described()["paths"].items() for method in methods} == served


READ = [path for path, methods in described()["paths"].items() if "get" in methods and "stream" not in path]


@pytest.mark.parametrize("path", READ)
def test_each_answer_has_the_shape_that_is_described(part: Part, path: str) -> None:
    """Held against the server, or the description would be a wish."""
    answer = ask(part).get(path.replace("{key}", "LOAD__P"))
    ((kind, content),) = described()["paths"][path]["get"]["responses"]["200"]["content"].items()

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(kind)
    if kind == "application/json":
        assert fits(answer.json(), content["schema"]) == []


# ---- Contents


def test_jobs_come_a_part_at_a_time_and_none_twice(part: Part) -> None:
    """Ten thousand jobs are fetched in parts, and a cursor misses none."""
    client, found, cursor = ask(part), [], ""
    while True:
        answer = client.get("/api/v1/jobs", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
        found += [job["key"] for job in answer["jobs"]]
        cursor = answer["next"]
        if cursor is None:
            break

    assert found == ["LOAD__P", "NIGHTLY__P", "SECRET__P"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("q=load", ["LOAD__P"]),
        ("q=*E*__P", ["SECRET__P"]),
        ("state=ERROR", ["LOAD__P"]),
        ("state=error&state=running", ["LOAD__P", "SECRET__P"]),
        ("group=hr", ["SECRET__P"]),
        ("problems=1&group=dwh", ["LOAD__P"]),
        ("source=app2&env=P", ["NIGHTLY__P"]),
        ("status=9", []),
    ],
)
def test_jobs_are_filtered_on_the_server(part: Part, query: str, keys: list[str]) -> None:
    """What is not wanted is not sent."""
    assert [job["key"] for job in ask(part).get(f"/api/v1/jobs?{query}").json()["jobs"]] == keys


def test_what_did_not_change_is_not_sent_again(part: Part) -> None:
    """And whose rights change gets another answer, whatever he has kept."""
    client = ask(part)
    tag = client.get("/api/v1/jobs").headers["etag"]

    assert client.get("/api/v1/jobs", headers={"if-none-match": tag}).status_code == 304
    assert ask(part, seeing("job://LOAD__P/r")).get("/api/v1/jobs", headers={"if-none-match": tag}).status_code == 200


def test_events_are_read_from_a_number_on(part: Part) -> None:
    """Whoever keeps `next` misses and repeats nothing, whatever he may see."""
    client, seen, after = ask(part), [], 0
    for _ in range(10):
        answer = client.get(f"/api/v1/events?after={after}&limit=2").json()
        seen += [event["seq"] for event in answer["events"]]
        after = answer["next"]
        if not answer["more"]:
            break

    assert seen == [999, 1000, 1001, 1002, 1003]
    assert after == 1003
    few = ask(part, seeing("job://LOAD__P/r")).get("/api/v1/events").json()
    assert [event["seq"] for event in few["events"]] == [999, 1000, 1003]
    assert few["next"] == 1003


def test_a_tracker_that_is_silent_is_said_in_each_answer(tmp_path: Path) -> None:
    """Never stale green: a script that looks at jobs alone sees it, too, and a monitor gets 503."""
    Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"))).close()
    client = client_of(part_of(tmp_path / "view.sqlite", COP))

    assert client.get("/api/v1/jobs").json()["stale"] is True
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["why"] == "the tracker has not reported since"
    assert answer.json()["age"] > 1000
    assert "job_tracker_up 0" in client.get("/metrics").text


def test_without_a_view_every_answer_says_why(tmp_path: Path) -> None:
    """Nothing is made up, and nothing is a fault of the program."""
    client = client_of(part_of(tmp_path / "view.sqlite", COP))

    assert client.get("/api/v1/jobs").json()["jobs"] == []
    assert client.get("/health").status_code == 503
    answer = client.get("/api/v1/unmatched")
    assert answer.status_code == 503
    assert "there is no view" in answer.json()["detail"]


def test_metrics_are_what_openmetrics_is(part: Part) -> None:
    """Each family with its type, each line a number, and the end."""
    lines = ask(part).get("/metrics").text.split("\n")

    assert lines[-2:] == ["# EOF", ""]
    assert 'job_tracker_job_status{job="LOAD__P"} 2' in lines
    families = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(families) == len(set(families))
    for line in lines[:-2]:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            float(value)
            assert name.partition("{")[0] in families


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=-1", "cursor=1e5", "cursor=" + "9" * 5000, "limit=\u0661", "cursor=%00"],
)
def test_a_number_that_is_none_is_refused(part: Part, query: str) -> None:
    """400 with a sentence, never 500."""
    assert ask(part).get(f"/api/v1/jobs?{query}").status_code == 400


@pytest.mark.parametrize("query", ["from=x", "from=nan", "from=1e400", "from=2026-11-23T02:00:00Z&to=1", "to=1e17"])
def test_a_window_that_is_none_is_refused(part: Part, query: str) -> None:
    """Likewise."""
    assert ask(part).get(f"/api/v1/timeline?{query}").status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"x", b"[" * 100_000, b'{"days": "x"}', b'{"days": true}', b'{"label": 1}', b'{"days": 1e400}']
)
def test_a_body_that_cannot_be_understood_is_refused(part: Part, body: bytes) -> None:
    """Nesting, wrong kinds, nothing at all: a sentence, and no token is made but by the empty wish."""
    answer = ask(part).post("/api/v1/tokens", content=body)

    assert answer.status_code == (201 if body == b"" else answer.status_code)
    assert answer.status_code in (201, 400, 422)


# ---- Rights


def whole(part: Part, who: Who) -> dict[str, str]:
    """Everything that somebody is answered on any path of the table, with the names of a job he may not see."""
    client = ask(part, who)
    found = {}
    for route in apps.routes(part):
        path = plain(route.path).replace("{key}", "SECRET__P").replace("{number}", "1").replace("{name}", "root")
        if "stream" in path or "static" in path:
            continue
        for method in route.methods:
            if route.path in ("/login", "/logout", "/api/v1/tokens") and method != "GET":
                continue
            answer = client.request(method, path)
            found[f"{method} {path}"] = f"{answer.status_code} {answer.headers} {answer.text}"
    return found


@pytest.mark.parametrize(
    ("who", "other"),
    [(seeing(), "LOAD__P"), (seeing("job://LOAD__P/r"), "SECRET"), (seeing("job://LOAD__P/x"), "SECRET")],
)
def test_nobody_sees_anything_of_a_job_that_is_not_his(part: Part, who: Who, other: str) -> None:
    """All routes of the table, whoever adds one: neither its name nor its source nor its group stands anywhere."""
    asked = {path: text.replace("SECRET__P/", "") for path, text in whole(part, who).items()}

    leaks = {path: text[:300] for path, text in asked.items() if other in text.replace(path.split()[1], "")}
    assert leaks == {}
    assert [path for path, text in asked.items() if text.startswith("500")] == []


def test_a_stranger_gets_nowhere_but_to_the_login(part: Part) -> None:
    """The same walk, by somebody who is not logged in."""
    found = whole(part, Who())

    let_in = {path: text[:3] for path, text in found.items() if text[:3] not in ("401", "303")}
    needs_nothing = {plain(each.path) for each in apps.routes(part) if each.needs is Needs.ANYBODY}
    assert {path.split()[1] for path in let_in} <= needs_nothing


@pytest.mark.parametrize(
    "key", ["..%2f..%2fetc", "%2e%2e", "LOAD__P%00", "x" * 3000, "LOAD__P;rm", "*", "LOAD%5f%5fP%20"]
)
def test_a_path_leads_to_jobs_alone(part: Part, key: str) -> None:
    """What is no key of the board is no job, whatever it looks like."""
    client = ask(part)

    assert [client.get(f"/api/v1/jobs/{key}{end}").status_code for end in ("", "/runs", "/explain")] == [404] * 3


# ---- Acting


def test_an_operators_word_is_said_with_his_name(part: Part, tmp_path: Path) -> None:
    """It gets into the queue that the daemon hears, once, and into the audit."""
    (tmp_path / "control").mkdir(mode=0o2770)
    make_queue(tmp_path / "control" / "queue.sqlite")
    client = ask(part, seeing("job://LOAD__P/x", name="olga"))

    answer = client.post("/api/v1/jobs/LOAD__P/pause", json={"seconds": 60, "why": "disk is swapped"})

    assert answer.status_code == 202, answer.text
    (message,) = heard(tmp_path / "control" / "queue.sqlite")
    assert (message["job"], message["instance"], message["event"]) == ("LOAD", "P", "PAUSE")
    note = json.loads(message["message"])
    assert (note["author"], note["why"]) == ("olga", "disk is swapped")
    assert [row["what"] for row in part.doors.people.audit(None, 1)] == ["PAUSE"]


def make_queue(path: Path) -> None:
    """As the daemon makes it: by the tool, with nothing in it."""
    run_tool(path, "count")
    if not path.exists():
        run_tool(path, "add", "-j", '{"instance": "-", "job": "-", "event": "-"}')
        run_tool(path, "remove")


def heard(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run_tool(path, "list"))
    return found


def run_tool(path: Path, *arguments: str) -> str:

    command = [sys.executable, "-I", str(TOOL), "-f", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("word", "body"),
    [
        ("pause", {}), ("pause", {"why": " "}), ("pause", {"why": "x", "seconds": 0}), ("pause", {"why": 1}),
        ("pause", {"why": "x", "seconds": True}), ("pause", {"why": "x", "seconds": 1e12}),
        ("mark", {"why": "x"}), ("mark", {"why": "x", "as": "well"}), ("mark", {"as": "error"}),
        ("mark", {"why": "x" * 501, "as": "error"}),
    ],
)  # fmt: skip
def test_a_word_without_a_reason_or_with_a_wrong_one_is_refused(part: Part, word: str, body: dict[str, Any]) -> None:
    """Whoever finds it at night asks why first."""
    assert ask(part).post(f"/api/v1/jobs/LOAD__P/{word}", json=body).status_code == 422


def test_where_the_tracker_may_not_be_spoken_to_it_is_said(part: Part) -> None:
    """The web part only looks, unless somebody let it do more."""
    answer = ask(part).post("/api/v1/jobs/LOAD__P/resume", json={})

    assert answer.status_code == 503
    assert "queue.sqlite is not there" in answer.json()["detail"]


# ---- People


def test_a_cop_manages_people_over_the_api(part: Part) -> None:
    """A user, his roles, his end; short passwords are refused here."""
    people = part.doors.people
    people.add("root", "x", ["cop"], author="test", now=1)
    client = ask(part)
    eva = {"name": "eva", "password": "long enough it is", "roles": ["mine"]}

    statuses = [
        client.put("/api/v1/roles/mine", json={"permissions": ["job://LOAD__P/r"]}).status_code,
        client.post("/api/v1/users", json={**eva, "password": "short"}).status_code,
        client.post("/api/v1/users", json={**eva, "roles": ["no"]}).status_code,
        client.post("/api/v1/users", json=eva).status_code,
        client.patch("/api/v1/users/eva", json={"roles": ["viewer"], "active": False}).status_code,
        client.patch("/api/v1/users/eva", json={"active": False}).status_code,
        client.patch("/api/v1/users/root", json={"active": False}).status_code,
        client.put("/api/v1/roles/mine", json={"permissions": ["job://(a+)+/r"]}).status_code,
        client.delete("/api/v1/roles/mine").status_code,
    ]

    assert statuses == [204, 422, 422, 201, 422, 204, 422, 422, 204]
    assert people.rights_of("eva") is None


def test_own_tokens_are_made_seen_and_revoked(part: Part) -> None:
    """And nobody else's are, but by a cop."""
    anna = seeing("job://LOAD__P/r")
    client = ask(part, anna)

    made = client.post("/api/v1/tokens", json={"label": "screen", "days": 1, "reads_only": True})
    shown = client.get("/api/v1/tokens").json()["tokens"]

    assert made.status_code == 201
    assert [(each["label"], each["reads_only"]) for each in shown] == [("screen", True)]
    assert made.json()["token"] not in str(shown)
    assert client.get("/api/v1/tokens?user=root").status_code == 403
    assert client.delete(f"/api/v1/tokens/{shown[0]['number']}?user=root").status_code == 403
    assert client.delete(f"/api/v1/tokens/{shown[0]['number']}").status_code == 204
    assert client.delete("/api/v1/tokens/99").status_code == 404
    assert client.get("/api/v1/tokens").json()["tokens"] == []


def test_a_token_makes_no_tokens(part: Part) -> None:
    """One that was stolen does not outlive its own end."""
    who = Who(name="anna", rights=seeing().rights, by="token")

    assert ask(part, who).post("/api/v1/tokens", json={}).status_code == 403
