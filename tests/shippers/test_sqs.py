"""Messages in a queue: at least once, in order per job where it keeps one, doubled only where nobody can tell."""

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queue_proxy import Faults, faulty_way
from running import wait_until
from shipping import Events, Shipping, running

from job_tracker.config.shippers import ShipperEntry
from job_tracker.shippers.choosing import item
from job_tracker.shippers.sqs import SqsTarget
from job_tracker.shippers.target import Item, Sent, TargetRefused

Document = dict[str, Any]
REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
NOWHERE = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of moto's server, with nothing in it but what tests make."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        yield server.get_host_and_port()[1]
        server.stop()


class Queue:
    """A queue at moto's, asked past the proxy."""

    def __init__(self, port: int, name: str, **attributes: str) -> None:
        import botocore.session

        session = botocore.session.Session()
        self.client = session.create_client("sqs", region_name=REGION, endpoint_url=f"http://127.0.0.1:{port}")
        self.name = name
        self.url = self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def taken(self) -> list[Document]:
        """All messages that are in it, in order, each deleted."""
        found: list[Document] = []
        while got := self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages"):
            found += got
            for each in got:
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])
        return found

    def numbers(self) -> list[int]:
        return [json.loads(each["Body"])["seq"] for each in self.taken()]

    def remove(self) -> None:
        self.client.delete_queue(QueueUrl=self.url)
        self.client.close()


@pytest.fixture
def way(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Faults, str]]:
    for name, value in {**KEYS, **NOWHERE}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with faulty_way(port) as made:
        yield made


@pytest.fixture
def queue(way: object, port: int, request: pytest.FixtureRequest) -> Iterator[Queue]:
    keys: Document = getattr(request, "param", {})
    made = Queue(port, f"q-{abs(hash(request.node.name))}" + (".fifo" if "FifoQueue" in keys else ""), **keys)
    yield made
    made.remove()


def entry(queue: str, url: str, **keys: Any) -> ShipperEntry:
    return ShipperEntry.model_validate(
        {"name": "s", "to": "sqs", "queue": queue, "region": REGION, "endpoint_url": url, **keys}
    )


def event(seq: int, job: str = "LOAD__P", **body: Any) -> Document:
    return {"seq": seq, "tracker": "t-1", "kind": "run.started", "at": 1.0, "created": 1.0, "job": job, **body}


def send(shipper: ShipperEntry, *events: Document) -> Sent:
    target = SqsTarget(shipper)
    items = [each for each in (item(shipper, one) for one in events) if isinstance(each, Item)]
    try:
        return target.send(items)
    finally:
        target.close()


def test_a_message_is_what_logstash_would_make_of_the_line(way: tuple[Faults, str], queue: Queue) -> None:
    """One JSON object in ASCII, with its uid beside it, by which whoever reads it twice knows it again."""
    sent = send(entry(queue.name, way[1]), event(1, text="ü ' +++"), event(2, uid="of its own"))

    first, second = sorted(queue.taken(), key=lambda each: json.loads(each["Body"])["seq"])
    assert sent.done == {1, 2}
    assert json.loads(first["Body"]) == {"@timestamp": "1970-01-01T00:00:01.000Z", **event(1, text="ü ' +++")}
    assert first["Body"].isascii()
    assert first["MessageAttributes"]["uid"]["StringValue"] == "t-1-1"
    assert second["MessageAttributes"]["uid"]["StringValue"] == "of its own"


def test_each_entry_of_a_batch_has_its_own_fate(way: tuple[Faults, str], queue: Queue) -> None:
    """What the sender is at fault for never passes; the rest is sent again, and nothing else is."""
    faults, url = way
    faults.waiting.append({1: ("InvalidMessageContents", True), 2: ("InternalError", False), 3: ("KmsDisabled", True)})

    sent = send(entry(queue.name, url), *(event(n) for n in range(5)))

    assert sent.done == {0, 4}
    assert sent.dead == {1: "InvalidMessageContents: for a test"}
    assert sent.is_held
    assert "KmsDisabled" in sent.problem
    assert sorted(queue.numbers()) == [0, 4]


@pytest.mark.parametrize(
    ("fault", "is_held"),
    [
        ("ThrottlingException", False),
        ("RequestThrottled", False),
        (503, False),
        (500, False),
        ("ExpiredTokenException", True),
        ("AccessDeniedException", True),
        ("QueueDoesNotExist", True),
    ],
)
def test_a_refused_request_throws_nothing_away(
    way: tuple[Faults, str], queue: Queue, fault: str | int, is_held: bool
) -> None:
    """Throttling passes; credentials and a queue that is gone are somebody's to mend."""
    way[0].waiting.append(fault)

    sent = send(entry(queue.name, way[1]), event(1))

    assert (sent.done, dict(sent.dead), sent.is_held) == (frozenset(), {}, is_held)
    assert sent.problem
    assert not sent.remark


def test_credentials_that_expired_are_looked_for_anew(
    tmp_path: Path, way: tuple[Faults, str], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever replaces them in the file need not restart anything."""
    faults, url = way
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    shipper = entry(queue.name, url, profile="events")
    file.write_text("[events]\naws_access_key_id = OLD\naws_secret_access_key = s\n")
    target = SqsTarget(shipper)
    told = item(shipper, event(1))
    assert told is not None
    faults.waiting.append("ExpiredTokenException")

    assert target.send([told]).is_held
    file.write_text("[events]\naws_access_key_id = NEW\naws_secret_access_key = s\n")

    assert target.send([told]).done == {1}
    assert ["Credential=OLD/" in faults.authorizations[0], "Credential=NEW/" in faults.authorizations[1]] == [
        True,
        True,
    ]
    target.close()


def test_an_answer_that_was_lost_is_said(way: tuple[Faults, str], queue: Queue) -> None:
    """The one place where a message may be there twice."""
    way[0].waiting.append("cut")

    first = send(entry(queue.name, way[1]), event(1))
    second = send(entry(queue.name, way[1]), event(1))

    assert first.remark == "an answer of the queue was lost, what it was about may be there twice"
    assert not first.is_held
    assert (second.done, second.remark) == (frozenset({1}), "")
    assert queue.numbers() == [1, 1]


@pytest.mark.parametrize("queue", [{"MaximumMessageSize": "2048"}], indirect=True)
def test_batches_keep_to_the_size_that_the_queue_takes(way: tuple[Faults, str], queue: Queue) -> None:
    """Ten of them, or as many as fit; one that is too large by itself is a dead letter."""
    faults, url = way

    sent = send(entry(queue.name, url), *(event(n, text="x" * 700) for n in range(4)), event(4, text="x" * 3_000))

    assert sent.done == {0, 1, 2, 3}
    assert sent.dead == {4: "more than the 2048 bytes of a message"}
    assert faults.batches == [2, 2]


@pytest.mark.parametrize("queue", [{"MaximumMessageSize": "2048"}], indirect=True)
def test_what_a_server_keeps_for_itself_is_left_out_first(way: tuple[Faults, str], queue: Queue) -> None:
    """A blob in the metrics of a job must not cost the message about it."""
    remote = {"id": "j-1", "to": "successful", "source": "ades", "metrics": {"blob": "x" * 4_000, "workflow": {"n": 1}}}

    shipper = entry(queue.name, way[1], format="wpst-metrics")
    assert send(shipper, event(1, job="", **remote) | {"kind": "remote.metrics"}).done == {1}

    told = json.loads(queue.taken()[0]["Body"])
    assert told["job"]["job_info"]["metrics"] == {"workflow": {"n": 1}}
    assert (told["truncated"], told["job_id"]) == (True, "j-1")


@pytest.mark.parametrize("queue", [{"FifoQueue": "true"}], indirect=True)
def test_in_a_fifo_queue_a_job_keeps_its_order(way: tuple[Faults, str], queue: Queue) -> None:
    """A message that is not taken now is not overtaken by the next of the same job; a repetition is dropped there."""
    faults, url = way
    shipper = entry(queue.name, url)
    told = [event(1), event(2, job="B__P"), event(3), event(4, job="ü " * 100), event(5)]
    faults.waiting.extend([None, {0: ("InternalError", False)}])

    first = send(shipper, *told)
    assert first.done == {1, 2, 4}
    assert faults.batches == [2, 2]
    second = send(shipper, *told)

    assert second.done == {1, 2, 3, 4, 5}
    found = queue.taken()
    by_group: dict[str, list[int]] = {}
    for each in found:
        by_group.setdefault(each["Attributes"]["MessageGroupId"], []).append(json.loads(each["Body"])["seq"])
    assert sorted(by_group.values()) == [[1, 3, 5], [2], [4]]


def test_what_is_lacking_on_this_host_is_said(monkeypatch: pytest.MonkeyPatch, way: tuple[Faults, str]) -> None:
    """No credentials, no such profile, no library: each in words that say what to do."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "Unable to locate credentials" in send(entry("q", way[1]), event(1)).problem
    assert send(entry("q", way[1]), event(1)).is_held
    assert "none-such" in send(entry("q", way[1], profile="none-such"), event(1)).problem
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)
    with pytest.raises(TargetRefused, match=r"pip install 'job_tracker\[sqs\]'"):
        SqsTarget(entry("q", way[1]))


def test_a_server_that_is_not_there_is_waited_for(way: tuple[Faults, str]) -> None:
    """Nothing was sent, so nothing can be there twice."""
    sent = send(entry("http://127.0.0.1:9/1/q", "http://127.0.0.1:9"), event(1))

    assert sent.problem
    assert (sent.is_held, sent.remark) == (False, "")


def test_shipping_loses_nothing_and_doubles_only_what_was_lost(
    tmp_path: Path, way: tuple[Faults, str], queue: Queue
) -> None:
    """The whole way: throttled, partly failed, cut off, expired, the queue away for a while, killed in between."""
    faults, url = way
    faults.waiting.extend(
        ["ThrottlingException", {0: ("InternalError", False), 5: ("InternalError", False)}, None, 503, "cut"]
    )
    events = Events(tmp_path / "events.sqlite")
    events.add(60)
    target = {"name": "s", "to": "sqs", "queue": queue.name, "region": REGION, "endpoint_url": url}
    shipping = Shipping(tmp_path, {**target, "from": "beginning"})
    with running(shipping):
        wait_until(lambda: len(faults.batches) > 5, "five batches")
        shipping.kill()
    with running(shipping):
        wait_until(lambda: shipping.status("s").get("seq") == 1059, "all of them")
        assert shipping.service("job_shipper_s").startswith("0 ")
    events.close()

    counted = Counter(queue.numbers())
    assert set(counted) == set(range(999, 1060))
    assert sum(counted.values()) <= 61 + 20  # the batch whose answer was lost, and the one under way when it was killed
