"""Killed at any boundary, again and again: lines, messages and documents are counted.

`make test` kills a tenth as often as `make soak`.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_search import search_server
from shipping import Events, Shipping

KILLS = int(os.environ.get("KILLS", "20"))
REGION = "eu-central-1"
RUNNER = Path(__file__).parents[1] / "kit" / "fatal_shipping.py"

Document = dict[str, Any]


class Runner:
    """Forks shipping processes that are killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ship(self, config: Path, seed: int) -> int:
        """One of them; its exit code, 0 once everything is sent."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{config} {seed}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def runner() -> Iterator[Runner]:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    with subprocess.Popen(
        [sys.executable, str(RUNNER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **keys},
    ) as process:
        try:
            yield Runner(process)
        finally:
            process.kill()


@contextmanager
def queue() -> Iterator[tuple[Any, str, str]]:
    """A queue at moto's, in a process of its own: its client, its address, and that of the server."""
    import botocore.session

    script = (
        "import sys, logging; from moto.server import ThreadedMotoServer;"
        "logging.disable(); s = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False); s.start();"
        "print(s.get_host_and_port()[1], flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = f"http://127.0.0.1:{int(server.stdout.readline())}"
            session = botocore.session.Session()
            session.set_credentials("test", "test")
            client = session.create_client("sqs", region_name=REGION, endpoint_url=address)
            yield client, client.create_queue(QueueName="killed")["QueueUrl"], address
            client.close()
        finally:
            server.kill()


def messages(client: Any, url: str) -> Counter[int]:
    """How often each number is in the queue."""
    found: Counter[int] = Counter()
    while got := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found.update(json.loads(each["Body"])["seq"] for each in got)
        for each in got:
            client.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return found


def test_shipping_killed_at_any_boundary_keeps_each_promise(tmp_path: Path) -> None:
    """Each event in one whole line and one document; each in the queue, twice only where a kill came in between."""
    chance = random.Random(20261130)
    events = Events(tmp_path / "events.sqlite")
    log, kills = tmp_path / "lines.jsonl", 0
    with search_server() as (search, search_url), queue() as (client, queue_url, queue_address), runner() as killed:
        kinds = {"to": "elasticsearch", "url": search_url, "document": "event"}
        shipping = Shipping(
            tmp_path,
            {"name": "lines", "to": "jsonl", "path": str(log), "from": "beginning"},
            {"name": "docs", "index": "e", "from": "beginning", **kinds},
            {"name": "jobs", "index": "j", "from": "beginning", **kinds, "document": "job"},
            {"name": "queue", "to": "sqs", "queue": queue_url, "endpoint_url": queue_address, "region": REGION}
            | {"from": "beginning"},
        )
        shipping.store.parent.mkdir()
        shipping.run_dir.mkdir()
        for seed in range(1, KILLS + 1):
            events.add(chance.randint(1, 30), job=f"JOB_{seed % 7}__P")
            kills += killed.ship(shipping.config, seed) != 0
            if log.exists() and chance.random() < 0.3:  # what logrotate does
                log.rename(tmp_path / f"lines.jsonl.{seed}")
        last = events.add(1)[0]
        assert killed.ship(shipping.config, 0) == 0

        everything = list(range(999, last + 1))
        rotated = sorted(tmp_path.glob("lines.jsonl.*"), key=lambda each: int(each.suffix[1:]))
        written = [line for each in [*rotated, log] if each.exists() for line in each.read_bytes().splitlines()]
        assert [json.loads(line)["seq"] for line in written] == everything
        created = {key: document for key, (_, document) in search.documents.items() if key.startswith("t-1-")}
        assert len(created) == len(everything)
        newest = {key: version for key, (version, _) in search.documents.items() if "__P" in key}
        assert max(newest.values()) == last
        counted = messages(client, queue_url)
        assert set(counted) == set(everything)
        assert sum(counted.values()) - len(everything) <= 10 * kills
        assert kills > KILLS // 3, "hardly any was killed, so hardly anything was tried"
    events.close()
