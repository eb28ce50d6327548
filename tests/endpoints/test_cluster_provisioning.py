"""What lies between a log and an index: queues that admit their owner alone, pipelines that fit the lines."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from job_tracker.shippers.formats import SEPARATOR

PROVISIONING = Path(__file__).parents[2] / "cluster_provisioning"
PIPELINES = sorted((PROVISIONING / "logstash").glob("*.conf"))
QUEUE = "ades-pbs-maaphec-dev-001-wpst-jobs"


def test_queues_are_made_once_and_for_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original's let anybody send; run again, the script changes nothing that is right."""
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        template = (PROVISIONING / "scripts" / "queues.ini.tmpl").read_text(encoding="utf-8")
        config = tmp_path / "queues.ini"
        config.write_text(f"{template}endpoint_url = http://{host}:{port}\n", encoding="utf-8")
        script = PROVISIONING / "scripts" / "create_queues.py"

        answers = [
            subprocess.run(
                [sys.executable, str(script), str(config)],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ},
            )
            for _ in range(2)
        ]

        assert [each.returncode for each in answers] == [0, 0], answers[-1].stderr
        sqs = boto3.client("sqs", region_name="us-west-2", endpoint_url=f"http://{host}:{port}")
        names = {url.rpartition("/")[2] for url in sqs.list_queues()["QueueUrls"]}
        url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    finally:
        server.stop()
    metrics = "ades-pbs-maaphec-dev-001-metrics"
    assert names == {QUEUE, f"{QUEUE}-dead", metrics, f"{metrics}-dead"}
    assert json.loads(found["RedrivePolicy"])["deadLetterTargetArn"].endswith(f"{QUEUE}-dead")
    allowed = [each for each in json.loads(found["Policy"])["Statement"] if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"AWS": "arn:aws:iam::123456789012:root"}]


def test_a_configuration_without_queues_is_one_line(tmp_path: Path) -> None:
    """Nothing is made by halves."""
    script = PROVISIONING / "scripts" / "create_queues.py"

    answer = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "none.ini")], capture_output=True, text=True, check=False
    )

    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_a_pipeline_holds_no_credential_and_is_whole(path: Path) -> None:
    """Names are its environment's; its braces are even."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))

    assert text.count("{") == text.count("}")
    assert not re.search(r"(access_key|secret|token)", text)
    assert all(value.startswith("${") for value in re.findall(r'(?:queue|region|password|index) => "([^"]*)"', text))


@pytest.mark.parametrize("what", ["job", "metrics"])
def test_a_pipeline_reads_lines_as_they_are_written(what: str) -> None:
    """The separator and the quote that no line holds but once, and never."""
    text = (PROVISIONING / "logstash" / f"{what}_file_to_sqs.conf").read_text(encoding="utf-8")

    assert f'separator => "{SEPARATOR}"' in text
    assert 'quote_char => "\'"' in text
    assert 'start_position => "beginning"' in text
