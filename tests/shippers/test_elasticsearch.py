"""Documents in a search server: the newest of a job, each event once, whatever the server or the network does."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fake_search import FakeSearch, search_server
from running import missing, wait_until
from shipping import Events, Shipping, running

from job_tracker.config.shippers import ShipperEntry
from job_tracker.shippers.choosing import item
from job_tracker.shippers.elasticsearch import ElasticsearchTarget
from job_tracker.shippers.target import Item, Sent, TargetRefused

Document = dict[str, Any]


@pytest.fixture
def search() -> Iterator[tuple[FakeSearch, str]]:
    with search_server() as made:
        yield made


def entry(url: str, **keys: Any) -> ShipperEntry:
    return ShipperEntry.model_validate({"name": "s", "to": "elasticsearch", "url": url, "index": "events", **keys})


def event(seq: int, job: str = "LOAD__P", **body: Any) -> Document:
    return {"seq": seq, "tracker": "t-1", "kind": "run.started", "at": 1.0, "created": 1.0, "job": job, **body}


def send(shipper: ShipperEntry, *events: Document) -> Sent:
    target = ElasticsearchTarget(shipper)
    items = [each for each in (item(shipper, one) for one in events) if isinstance(each, Item)]
    try:
        return target.send(items)
    finally:
        target.close()


def test_a_job_has_one_document_which_is_its_newest(search: tuple[FakeSearch, str]) -> None:
    """Out of order, repeated, and once more from the beginning: what is shown is what became true last."""
    fake, url = search

    assert send(entry(url), event(5, n="five"), event(3, n="three"), event(4, job="OTHER__P")).done == {3, 4, 5}
    assert send(entry(url), event(5, n="five again"), event(2)).done == {2, 5}

    assert {key: document["seq"] for key, (_, document) in fake.documents.items()} == {"LOAD__P": 5, "OTHER__P": 4}
    assert fake.documents["LOAD__P"][1]["n"] == "five"
    assert fake.documents["LOAD__P"][1]["@timestamp"] == "1970-01-01T00:00:01.000Z"


def test_an_event_is_created_once(search: tuple[FakeSearch, str]) -> None:
    """A document per event, by its uid: a second delivery is a conflict, and that is well."""
    fake, url = search
    shipper = entry(url, document="event")

    send(shipper, event(1), event(2), event(3, job="", source="app1"))
    assert send(shipper, event(1), event(2, uid="of its own")).done == {1, 2}

    assert sorted(fake.documents) == ["of its own", "t-1-1", "t-1-2", "t-1-3"]


def test_an_event_of_no_job_is_no_document_of_a_job(search: tuple[FakeSearch, str]) -> None:
    """A source that went silent would stand among the jobs."""
    fake, url = search

    send(entry(url), event(1, job="", kind="source.changed", source="app1"), event(2))

    assert list(fake.documents) == ["LOAD__P"]


@pytest.mark.parametrize(
    ("status", "fate"),
    [(429, "again"), (503, "again"), (500, "again"), (400, "dead"), (401, "held"), (403, "held"), (404, "held")],
)
def test_each_answer_for_a_document_has_its_consequence(search: tuple[FakeSearch, str], status: int, fate: str) -> None:
    """What may pass is sent again, what never will is a dead letter, what somebody has to mend loses nothing."""
    fake, url = search
    fake.judge = lambda _id, document: status if document["seq"] == 2 else None

    sent = send(entry(url, document="event"), event(1), event(2), event(3))

    assert sent.done == {1, 3}
    assert (dict(sent.dead) != {}) == (fate == "dead")
    assert (sent.problem != "") == (fate != "dead")
    assert sent.is_held == (fate == "held")
    assert f"{status} refused_for_a_test" in (sent.problem or sent.dead[2])


@pytest.mark.parametrize(
    ("status", "is_held"),
    [(429, False), (503, False), (502, False), (400, True), (401, True), (403, True), (404, True)],
)
def test_an_answer_for_a_whole_request_throws_nothing_away(
    search: tuple[FakeSearch, str], status: int, is_held: bool
) -> None:
    """A wrong address or a wrong password must not turn a night of events into dead letters."""
    fake, url = search
    fake.faults.append(status)

    sent = send(entry(url), event(1), event(2, job="B__P"))

    assert (sent.done, dict(sent.dead), sent.is_held) == (frozenset(), {}, is_held)
    assert f"{status} fault: as {status}" in sent.problem


def test_a_request_that_is_too_large_is_halved(search: tuple[FakeSearch, str]) -> None:
    """Until one document alone is too large: that one is a dead letter, and those behind it go on."""
    fake, url = search
    fake.largest = 2_000

    sent = send(entry(url, document="event"), *(event(n) for n in range(20)), event(20, text="x" * 3_000), event(21))

    assert sent.done == {*range(20), 21}
    assert list(sent.dead) == [20]
    assert "more than the target takes (413)" in sent.dead[20]


def test_an_answer_that_was_lost_makes_no_second_document(search: tuple[FakeSearch, str]) -> None:
    """Accepted and not answered: it is sent again, and is there once."""
    fake, url = search
    fake.faults.append("cut")

    assert send(entry(url), event(1)).problem.startswith(f"{url} answers nothing")
    assert send(entry(url), event(1)).done == {1}

    assert fake.taken == 1


def test_a_secret_is_sent_and_never_said(search: tuple[FakeSearch, str], tmp_path: Path) -> None:
    """Basic authentication, or a key; in no message of ours."""
    fake, url = search
    secret = tmp_path / "secret"
    secret.write_text("Geheim\n")
    secret.chmod(0o600)

    fake.authorization = "Basic bWU6R2VoZWlt"
    assert send(entry(url, user="me", password_file=str(secret)), event(1)).done == {1}
    fake.authorization = "ApiKey Geheim"
    assert send(entry(url, api_key_file=str(secret)), event(2)).done == {2}
    fake.authorization = "ApiKey other"
    refused = send(entry(url, api_key_file=str(secret)), event(3))

    assert refused.is_held
    assert "Geheim" not in repr(refused)
    secret.chmod(0o644)
    with pytest.raises(TargetRefused, match="is open to others"):
        ElasticsearchTarget(entry(url, api_key_file=str(secret)))


def test_a_certificate_that_nobody_vouches_for_holds_the_shipper(tmp_path: Path) -> None:
    """Events and passwords go to nobody whose name is not proved; the company's own authority is named by its file."""
    certificate = tmp_path / "server.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", *words, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())

    with search_server(tmp_path / "both.pem") as (fake, url):
        refused = send(entry(url), event(1))
        believed = send(entry(url, ca_file=str(certificate)), event(1))

    assert refused.is_held
    assert "no certificate that is believed" in refused.problem
    assert believed.done == {1}
    assert fake.taken == 1
    with pytest.raises(TargetRefused, match="ca_file"):
        ElasticsearchTarget(entry(url, ca_file=str(tmp_path / "none.pem")))


def test_shipping_goes_on_when_the_server_is_back(tmp_path: Path, search: tuple[FakeSearch, str]) -> None:
    """The whole way: away, busy, cut off, poison in between; then every event is there once."""
    fake, url = search
    fake.faults.extend([503, "cut", None, 429])
    fake.judge = lambda _id, document: 400 if document.get("n") == 1005 else None
    events = Events(tmp_path / "events.sqlite")
    events.add(30)
    target = {"name": "s", "to": "elasticsearch", "url": url, "index": "e", "document": "event", "from": "beginning"}
    shipping = Shipping(tmp_path, target)
    with running(shipping):
        wait_until(lambda: len(fake.documents) == 30)
        events.add(5)
        wait_until(lambda: len(fake.documents) == 35)
        wait_until(lambda: shipping.service("job_shipper_s").startswith("1 "))
        assert "1 dead letter; " in shipping.service("job_shipper_s")
        assert "event 1005 was not taken: 400" in shipping.command("shippers").stdout

        fake.judge = lambda _id, _document: None
        assert shipping.command("ship", "--retry-dead", "s").returncode == 0

        wait_until(lambda: len(fake.documents) == 36)
        wait_until(lambda: shipping.service("job_shipper_s").startswith("0 "))
    assert fake.taken == 36
    events.close()


def test_a_real_server_keeps_the_newest_and_refuses_by_item(tmp_path: Path) -> None:
    """Somebody else's `_bulk`: external versions, conflicts, a mapping that does not fit, a block of writes."""
    try:
        from osmem_server import resolve_binary
    except ImportError:
        missing("needs osmem-server")
    command = [resolve_binary(), "-addr", "127.0.0.1:0", "-no-ja"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            _talk_to(json.loads(server.stdout.readline())["url"])
        finally:
            server.kill()


def _talk_to(url: str) -> None:
    ask(url, "PUT", "/events", {"mappings": {"properties": {"amount": {"type": "integer"}}}})
    sent = send(entry(url), event(5, n=5), event(3, n=3), event(6, job="B__P", amount="many"))
    assert sent.done == {3, 5}, sent
    assert "mapper_parsing_exception" in sent.dead[6]
    assert ask(url, "GET", "/events/_doc/LOAD__P")["_source"]["n"] == 5
    ask(url, "PUT", "/events/_settings", {"index.blocks.write": True})
    held = send(entry(url), event(9))
    assert held.is_held, held
    ask(url, "PUT", "/events/_settings", {"index.blocks.write": False})
    assert send(entry(url), event(9)).done == {9}


def ask(url: str, method: str, path: str, body: Document | None = None) -> Document:
    with urllib3.PoolManager() as pool:
        answer = pool.request(method, url + path, json=body, timeout=60)
    assert answer.status < 300, answer.data
    found: Document = answer.json()
    return found
