"""Creates the queues that job status and job metrics travel through, and lets only their owner's account use them.

    python create_queues.py queues.ini

The names are configuration, for the terraform and the scripts of the past did not agree on them; what is there already
is left as it is, but for its attributes.  Needs boto3, which is no dependency of job_tracker.
"""

import argparse
import configparser
import json
import sys
from typing import Any

SECTION = "AWS_SQS_QUEUE"
DEFAULTS = {"delay_seconds": "0", "visibility_timeout": "60", "retention_seconds": "1209600", "dead_after": "10"}


def attributes(settings: "configparser.SectionProxy", dead: str = "") -> dict[str, str]:
    """What a queue is made with; dead: where messages go that nobody could take."""
    made = {
        "DelaySeconds": settings["delay_seconds"],
        "VisibilityTimeout": settings["visibility_timeout"],
        "MessageRetentionPeriod": settings["retention_seconds"],
        "SqsManagedSseEnabled": "true",
    }
    if dead:
        made["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": settings["dead_after"]})
    return made


def policy(arn: str) -> str:
    """Only the account that owns a queue may use it, and only over TLS."""
    account = arn.split(":")[4]
    owner = {
        "Sid": "OwnersAccount",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "Resource": arn,
    }
    plain = {
        "Sid": "NothingInTheClear",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [owner, plain]})


def create(sqs: Any, name: str, wanted: dict[str, str]) -> str:
    """Make a queue, or give the one that is there these attributes; its ARN."""
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        url = sqs.create_queue(QueueName=name, Attributes=wanted)["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted | {"Policy": policy(arn)})
    return arn


def main(arguments: list[str]) -> int:
    """Create what the file names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("config", help=f"an INI file with a section [{SECTION}]; see queues.ini.tmpl")
    config = configparser.ConfigParser(interpolation=None)
    config.read_dict({SECTION: DEFAULTS})
    path = parser.parse_args(arguments).config
    if not config.read(path) or not config[SECTION].get("queues"):
        sys.stderr.write(f"{path}: there is no such file, or no queues in its section [{SECTION}]\n")
        return 2
    import boto3

    settings = config[SECTION]
    session = boto3.session.Session(profile_name=settings.get("profile") or None, region_name=settings.get("region"))
    sqs = session.client("sqs", endpoint_url=settings.get("endpoint_url") or None)
    for name in settings["queues"].split():
        dead = create(sqs, f"{name}-dead", attributes(settings))
        sys.stdout.write(f"{create(sqs, name, attributes(settings, dead))}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
