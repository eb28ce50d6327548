"""SQS: messages by SendMessageBatch, at least once, each accepted or known.

Rule: every answer is read entry by entry: what the sender is at fault for is a dead letter, all else is sent again.
Rule: where the answer was lost nobody can tell what was accepted: it is sent again, and that is said.
Rule: in a FIFO queue a batch holds one message of a group, so that none overtakes another that was not taken.

Credentials are found as the AWS SDK finds them, anew after each refusal: what expired may have been replaced.
"""

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

from job_tracker.config.shippers import EXTRA, ShipperEntry
from job_tracker.shippers.target import Item, Sent, TargetRefused, shortened

IN_A_BATCH = 10
LARGEST = 1_048_576
"""Bytes of a message, and of all of a batch, unless the queue says less."""

CONNECT, ANSWER = 10, 30
"""Seconds."""

LONGEST_ID = 128
_OF_IDS = frozenset(string.ascii_letters + string.digits + string.punctuation)

SOMEBODYS = (
    *("ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch", "MissingAuthentication"),
    *("AccessDenied", "InvalidSecurity", "OptInRequired", "RequestExpired", "RequestTimeTooSkewed", "NotAuthorized"),
    *("QueueDoesNotExist", "NonExistentQueue", "InvalidAddress", "UnsupportedOperation", "Kms", "KMS", "IncompleteSig"),
)
"""What codes hold that do not pass by themselves; nothing is thrown away for them."""

Entry = dict[str, Any]


class SqsTarget:
    """A queue."""

    at_once = IN_A_BATCH

    def __init__(self, entry: ShipperEntry) -> None:
        """Raises TargetRefused."""
        try:
            import botocore.session  # noqa: F401 - whether it is there
        except ImportError as missing:
            raise TargetRefused(EXTRA) from missing
        self._entry = entry
        self._client: Any = None
        self._url, self._largest, self._is_fifo = "", LARGEST, False

    def send(self, items: Sequence[Item]) -> Sent:
        """Send them, in as many batches as it takes."""
        from botocore.exceptions import BotoCoreError, ClientError

        done: set[int] = set()
        dead: dict[int, str] = {}
        doubtful = False
        try:
            self._connect()
            entries = [(item, self._message(item)) for item in items]
            dead = {item.seq: f"more than the {self._largest} bytes of a message" for item, each in entries if not each}
            for batch in _batches([(item, each) for item, each in entries if each], self._largest, self._is_fifo):
                doubtful = True
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=[each for _, each in batch])
                doubtful = False
                found = _judged([item for item, _ in batch], answer)
                done |= found.done
                dead.update(found.dead)
                if found.problem:
                    return Sent(done=frozenset(done), dead=dead, problem=found.problem, is_held=found.is_held)
        except ClientError as refusal:
            error = refusal.response.get("Error", {})
            code = str(error.get("Code", ""))
            is_held = _is_somebodys(code)
            if is_held:
                self.close()
            problem = f"{self._entry.queue}: {code}: {shortened(error.get('Message', ''))}"
            return Sent(done=frozenset(done), dead=dead, problem=problem, is_held=is_held)
        except BotoCoreError as failure:
            return self._unanswered(failure, doubtful=doubtful, done=frozenset(done), dead=dead)
        return Sent(done=frozenset(done), dead=dead)

    def send_again(self, items: Sequence[Item]) -> Sent:
        """Dead letters are messages like any."""
        return self.send(items)

    def close(self) -> None:
        """Let go of connection and credentials."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _unanswered(self, failure: Exception, *, doubtful: bool, done: frozenset[int], dead: Mapping[int, str]) -> Sent:
        """No answer: what was never sent for want of a connection is no double, all else may be."""
        from botocore import exceptions

        self.close()
        lost = doubtful and isinstance(
            failure, exceptions.ReadTimeoutError | exceptions.ConnectionClosedError | exceptions.HTTPClientError
        )
        lost = lost and not isinstance(failure, exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError)
        is_network = isinstance(failure, exceptions.HTTPClientError | exceptions.ConnectionError)
        return Sent(
            done=done,
            dead=dead,
            problem=f"{self._entry.queue}: {shortened(failure)}",
            is_held=not is_network,
            remark="an answer of the queue was lost, what it was about may be there twice" if lost else "",
        )

    def _connect(self) -> None:
        """Be able to send: credentials, the queue's address, and what it takes."""
        if self._client is not None:
            return
        import botocore.session
        from botocore.config import Config

        entry = self._entry
        session = botocore.session.Session(profile=entry.profile or None)
        config = Config(connect_timeout=CONNECT, read_timeout=ANSWER, retries={"total_max_attempts": 1})
        client = session.create_client(
            "sqs", region_name=entry.region or None, endpoint_url=entry.endpoint_url or None, config=config
        )
        is_url = entry.queue.startswith(("https://", "http://"))
        self._url = entry.queue if is_url else client.get_queue_url(QueueName=entry.queue)["QueueUrl"]
        asked = client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["MaximumMessageSize"])
        self._largest = min(LARGEST, int(asked.get("Attributes", {}).get("MaximumMessageSize", LARGEST)))
        self._is_fifo = self._url.endswith(".fifo")
        self._client = client

    def _message(self, item: Item) -> Entry | None:
        """One entry of a batch; None if it is too large, also without what can be left out."""
        for document in (item.document, _without_blob(item.document)):
            if document is None:
                continue
            made: Entry = {"Id": str(item.seq), "MessageBody": json.dumps(document)}
            made["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value}
                for name, value in (("uid", item.uid), ("kind", str(item.event["kind"])))
            }
            if self._is_fifo:
                made |= {"MessageDeduplicationId": _fitting(item.uid), "MessageGroupId": _fitting(item.key)}
            if _size(made) <= self._largest:
                return made
        return None


def _judged(items: Sequence[Item], answer: Mapping[str, Any]) -> Sent:
    """What became of each entry, by its id."""
    known = {str(item.seq): item.seq for item in items}
    done = frozenset(known[each["Id"]] for each in answer.get("Successful", ()) if each.get("Id") in known)
    dead, problem, is_held = {}, "", False
    for each in answer.get("Failed", ()):
        code = str(each.get("Code", ""))
        reason = f"{code}: {shortened(each.get('Message', ''))}"
        if each.get("Id") not in known:
            continue
        if _is_somebodys(code):
            problem, is_held = f"event {each['Id']} is refused: {reason}", True
        elif each.get("SenderFault"):
            dead[known[each["Id"]]] = reason
        else:
            problem = problem or f"event {each['Id']} is not taken now: {reason}"
    if not problem and len(done) + len(dead) < len(items):
        problem = "the queue's answer does not name each message"
    return Sent(done=done, dead=dead, problem=problem, is_held=is_held)


def _batches(
    entries: Sequence[tuple[Item, Entry]], largest: int, is_fifo: bool
) -> Sequence[Sequence[tuple[Item, Entry]]]:
    found: list[list[tuple[Item, Entry]]] = []
    size, groups = largest, set[str]()
    for item, entry in entries:
        bytes_ = _size(entry)
        group = entry.get("MessageGroupId", "")
        is_full = size + bytes_ > largest or len(found[-1]) == IN_A_BATCH
        if is_full or (is_fifo and group in groups):
            found.append([])
            size, groups = 0, set()
        found[-1].append((item, entry))
        size += bytes_
        groups.add(group)
    return found


def _size(entry: Entry) -> int:
    """Bytes as the queue counts them: the body, and name, type and value of each attribute."""
    attributes = entry["MessageAttributes"].items()
    return len(entry["MessageBody"].encode()) + sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"].encode()) for name, value in attributes
    )


def _without_blob(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A document without what a server keeps for itself in its metrics, which is marked; None if there is none."""
    job = document.get("job")
    info = job.get("job_info") if isinstance(job, dict) else None
    metrics = info.get("metrics") if isinstance(info, dict) else None
    if (
        not isinstance(job, dict)
        or not isinstance(info, dict)
        or not isinstance(metrics, dict)
        or "blob" not in metrics
    ):
        return None
    less = {name: value for name, value in metrics.items() if name != "blob"}
    return {**document, "job": {**job, "job_info": {**info, "metrics": less}}, "truncated": True}


def _fitting(text: str) -> str:
    """An id as the queue takes it."""
    if 0 < len(text) <= LONGEST_ID and _OF_IDS.issuperset(text):
        return text
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _is_somebodys(code: str) -> bool:
    return any(each in code for each in SOMEBODYS)
