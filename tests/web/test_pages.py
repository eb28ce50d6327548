"""Pages: each says what it is for, hides what somebody may not see, and harms nobody with strangers' texts."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from asking import COP, client_of, part_of, seeing
from published import Published, cyclic, jobs_of
from starlette.testclient import TestClient

from job_tracker import clock
from job_tracker.web.pages.table import ROUTES
from job_tracker.web.rights import Who
from job_tracker.web.static import FOLDER

NASTY = "<script>alert(1)</script>\"'&\u202egnp.exe"
JOBS = jobs_of(cyclic("LOAD"), cyclic("STAGE", group="sales"), cyclic("SECRET"))
NOW_S = 1_795_000_000


def shown(tmp_path: Path, who: Who = COP) -> TestClient:
    """Three jobs: one failed with a nasty text, one ran well, one is for few."""
    tmp_path.mkdir(exist_ok=True)
    published = Published(tmp_path / "view.sqlite", JOBS, now=clock.now() - 3_600_000_000)
    at = (published.now // 1_000_000) - NOW_S
    published.say((at + 10, "LOAD", "STARTED"), (at + 40, "LOAD", "ERROR", NASTY))
    published.say((at + 20, "STAGE", "STARTED"), (at + 80, "STAGE", "SUCCESS"))
    published.now = clock.now()
    published.rebuild()
    published.close()
    return client_of(part_of(tmp_path / "view.sqlite", who))


def test_the_board_shows_problems_first_and_counts_by_state(tmp_path: Path) -> None:
    """Whoever is woken sees what woke him without looking for it."""
    page = shown(tmp_path).get("/").text

    assert page.index("LOAD__P") < page.index("STAGE__P")
    assert re.search(r"<b>1</b><span><span[^>]*>◆</span> ERROR", page)
    assert "Problems" in page


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("q=load", {"LOAD__P"}),
        ("q=*A*", {"LOAD__P", "STAGE__P"}),
        ("state=ERROR", {"LOAD__P"}),
        ("problems=1", {"LOAD__P"}),
        ("group=sales", {"STAGE__P"}),
        ("q=nothing-like-it", set()),
    ],
)
def test_all_filters_are_in_the_address(tmp_path: Path, query: str, keys: set[str]) -> None:
    """A link to what somebody sees shows it to somebody else."""
    page = shown(tmp_path).get(f"/?{query}").text

    assert set(re.findall(r'data-key="([^"]+)"', page)) == keys


@pytest.mark.parametrize("route", [each for each in ROUTES if "GET" in each.methods], ids=lambda each: each.path)
def test_no_page_lets_a_job_speak_in_html(tmp_path: Path, route: object) -> None:
    """Texts of jobs are strangers' bytes, in every page."""
    path = str(route.path).replace("{key}", "LOAD__P").replace("{number:int}", "1")  # type: ignore[attr-defined]  # the routes are all paths

    answer = shown(tmp_path).get(path if path != "/fragments/jobs" else f"{path}?keys=LOAD__P")

    assert answer.status_code == 200
    if "json" in answer.headers["content-type"]:
        return  # whoever reads it puts it into a page as text
    assert "<script>alert" not in answer.text
    assert "style=" not in answer.text
    assert not re.search(r"\son[a-z]+=", answer.text)


def test_a_job_that_somebody_may_not_see_is_on_no_page(tmp_path: Path) -> None:
    """Neither its name nor its count."""
    client = shown(tmp_path, seeing("job://STAGE__P/r"))

    pages = [
        client.get(path)
        for path in ("/", "/api/v1/timeline", "/night?as=table", "/fragments/jobs?keys=SECRET__P,STAGE__P")
    ]

    assert all("SECRET" not in page.text and "LOAD__P" not in page.text for page in pages)
    assert client.get("/jobs/SECRET__P").status_code == 404
    assert client.get("/sources").status_code == 403
    assert '<a href="/sources"' not in pages[0].text


def test_rows_are_fetched_for_at_most_two_hundred_jobs(tmp_path: Path) -> None:
    """A page shows no more, and nobody asks for a whole company at once."""
    client = shown(tmp_path)

    found = client.get("/fragments/jobs?keys=LOAD__P,GONE__P").json()

    assert list(found["rows"]) == ["LOAD__P"]
    assert "ERROR" in found["tiles"]
    assert client.get("/fragments/jobs?keys=" + ",".join(["A"] * 201)).status_code == 400


def test_the_job_page_explains_in_the_sentences_of_the_command_line(tmp_path: Path) -> None:
    """One explanation, whoever reads it where."""
    page = shown(tmp_path).get("/jobs/LOAD__P").text

    assert "ended badly at" in page
    assert "A grace of 5 s is added to every deadline." in page
    assert page.count("<rect") > 300


def test_the_night_says_what_a_window_must_be(tmp_path: Path) -> None:
    """Bad input is refused with what would do, and never read as something else."""
    client = shown(tmp_path)

    assert client.get("/api/v1/timeline?from=yesterday").status_code == 400
    assert client.get("/api/v1/timeline?from=0&to=99999999").status_code == 400
    near = client.get("/api/v1/timeline?from=1000&to=1001").json()
    assert near["to"] - near["from"] == 300


def test_an_old_board_is_grey_without_any_script(tmp_path: Path) -> None:
    """Never stale green: the server itself says since when nobody knows."""
    published = Published(tmp_path / "view.sqlite", JOBS, now=clock.now() - 3_600_000_000)
    published.close()

    page = client_of(part_of(tmp_path / "view.sqlite", COP)).get("/").text

    assert 'data-live="no"' in page
    assert "Not live since" in page


def test_what_is_not_known_is_left_out_or_said(tmp_path: Path) -> None:
    """A word of the program's language, or of its command line, tells an operator nothing."""
    client = shown(tmp_path)

    texts = {path: client.get(path).text for path in ("/", "/sources", "/unmatched", "/notifications", "/events")}

    assert [path for path, text in texts.items() if re.search(r">\s*None\s*<", text)] == []
    assert "There are no events yet: the tracker keeps them from its start on" in texts["/events"]


def test_what_others_wrote_is_what_it_was_when_it_was_taken() -> None:
    """The sums beside it are those of the release; a file that was touched is found."""
    [folder] = (FOLDER / "vendor").iterdir()
    lines = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    sums = {name: given for given, name in lines}

    assert {path.name for path in folder.iterdir()} == {*sums, "SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "MIT" in (folder / "LICENSE").read_text()


def test_everything_a_page_names_is_served(tmp_path: Path) -> None:
    """A module that is not there is a page that does nothing."""
    client = shown(tmp_path)
    for path in ("/", "/night", "/jobs/LOAD__P"):
        named = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get(path).text)
        assert named
        assert all(client.get(each).status_code == 200 for each in named)
    for script in FOLDER.glob("*.js"):
        for module in re.findall(r'from "\./([^"]+)"', script.read_text()):
            assert (FOLDER / module).exists()


def test_data_of_the_night_is_what_the_picture_needs(tmp_path: Path) -> None:
    """Lanes, bars, and from when to when."""
    found = json.loads(shown(tmp_path).get("/api/v1/timeline").text)

    bars = {lane["job"]: [bar["outcome"] for bar in lane["bars"]] for lane in found["lanes"]}
    assert bars == {"LOAD__P": ["badly"], "STAGE__P": ["well"], "SECRET__P": []}
    assert found["from"] < found["now"] < found["to"]


def test_a_token_is_shown_once_and_can_be_revoked(tmp_path: Path) -> None:
    """Whoever looks at the page again sees that there is one, and what for, and no more."""
    client = shown(tmp_path)

    made = client.post("/account", data={"do": "make", "label": "for the night shift's screen", "days": "30"}).text
    again = client.get("/account").text
    [token] = re.findall(r'class="mono">([^<]{30,})<', made)
    [number] = re.findall(r'name="number" value="(\d+)"', again)
    gone = client.post("/account", data={"do": "revoke", "number": number}).text

    assert token not in again
    assert "night shift" in again
    assert "The token is no more" in gone
    assert client.post("/account", data={"do": "make", "label": "x", "days": "0"}).status_code == 422


def test_a_cop_adds_somebody_and_what_is_refused_is_said(tmp_path: Path) -> None:
    """A form that fails says why where it was filled in."""
    client = shown(tmp_path)

    added = client.post("/users", data={"do": "add", "name": "Anna", "role": "viewer", "password": "long enough it is"})
    short = client.post("/users", data={"do": "add", "name": "ben", "role": "viewer", "password": "short"})
    unfit = client.post("/users", data={"do": "role", "role": "odd", "permissions": "job://(a+)+/r"})

    assert "anna is added" in added.text
    assert (short.status_code, "at least 12 characters" in short.text) == (422, True)
    assert unfit.status_code == 422
    assert "user added" in client.get("/audit").text
    assert shown(tmp_path / "other", seeing("job://.*/r")).get("/users").status_code == 403


def test_each_lane_stands_under_what_the_night_is_grouped_by(tmp_path: Path) -> None:
    """A heading that says something else than the order would be read as a host that it is not."""
    client = shown(tmp_path)

    by_source = client.get("/api/v1/timeline?by=source").json()["lanes"]
    by_group = client.get("/api/v1/timeline").json()["lanes"]

    assert {lane["group"] for lane in by_source} == {"app1"}
    assert [lane["group"] for lane in by_group] == ["app1", "app1", "sales"]
