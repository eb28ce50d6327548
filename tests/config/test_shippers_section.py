"""The section `shippers`: all its faults at once, each with its place, and no part of anybody's promise."""

import json
from pathlib import Path
from typing import Any

import pytest

from job_tracker.config import for_shipping, reading
from job_tracker.config.shippers import Only, ShipperEntry
from job_tracker.errors import ConfigError
from job_tracker.process.secret_files import SecretRefused, SecretUnseen, look_at_secret, read_secret

JSONL = {"name": "lines", "to": "jsonl", "path": "/var/log/events.jsonl"}
SQS = {"name": "queue", "to": "sqs", "queue": "events"}
SEARCH = {"name": "search", "to": "elasticsearch", "url": "https://s:9200", "index": "events"}


def read(*shippers: Any, **tree: Any) -> reading.Config:
    return reading.parse(json.dumps({"shippers": list(shippers), **tree}), name="x.cfg", base=Path("/etc"))


def faults(*shippers: Any, **tree: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(*shippers, **tree)
    return list(caught.value.faults)


def test_a_shipper_needs_no_more_than_a_name_and_a_target() -> None:
    """Everything else has a default that the table in README states."""
    found = read(JSONL, SQS, SEARCH).shippers

    assert [(each.name, each.to, each.format, each.begin_from) for each in found] == [
        ("lines", "jsonl", "plain", "now"),
        ("queue", "sqs", "plain", "now"),
        ("search", "elasticsearch", "plain", "now"),
    ]
    assert found[0] == ShipperEntry.model_validate({**JSONL, "mode": "0640", "keep": "5"})
    assert found[0].only == Only()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({**JSONL, "name": "Lines"}, "name: 'Lines' is not small letters, digits, '_', '-'"),
        ({**JSONL, "to": "kafka"}, "to: 'kafka' is not 'jsonl', 'sqs' or 'elasticsearch'"),
        ({"name": "a", "to": "jsonl"}, "path: is missing; a shipper to jsonl needs it"),
        ({"name": "a", "to": "elasticsearch", "url": "https://s"}, "index: is missing"),
        ({**JSONL, "pth": "x"}, "pth: unknown key; the nearest known key is path"),
        ({**JSONL, "queue": "q"}, "queue: is for shippers to sqs, and this one is to jsonl"),
        ({**JSONL, "mode": "0666"}, "mode: '0666' is not a file's mode such as 0640"),
        ({**JSONL, "mode": "0440"}, "mode: '0440' is not a file's mode"),
        ({**JSONL, "keep": 3}, "keep: needs rotate_at_mb beside it"),
        ({**JSONL, "only": {"kind": "run.*"}}, "only: 'kind' is not one of sources, jobs, kinds"),
        ({**JSONL, "only": {"kinds": ["run.strated"]}}, "only: kinds: there is no kind 'run.strated'; the kinds are"),
        ({**JSONL, "only": ["run.*"]}, "only: a list is not an object with some of sources, jobs, kinds"),
        ({**JSONL, "from": "yesterday"}, "from: 'yesterday' is not 'now' or 'beginning'"),
        ({**SEARCH, "index": "Jobs"}, "index: 'Jobs' is not the name of an index"),
        ({**SEARCH, "url": "s:9200"}, "url: 's:9200' is not http:// or https:// and a host"),
        ({**SEARCH, "url": "https://me:secret@s:9200"}, "url: holds a user; write it as user, and its password into"),
        ({**SEARCH, "user": "me"}, "user: needs password_file beside it"),
        (
            {**SEARCH, "api_key_file": "k", "user": "u", "password_file": "p"},
            "api_key_file: stands beside password_file",
        ),
        (
            {**SEARCH, "url": "http://s:9200", "api_key_file": "k"},
            "url: is http, and the secret would travel in the clear",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(given: dict[str, Any], fault: str) -> None:
    """Whoever wrote it has to find it."""
    found = faults(given)

    assert any(each.startswith(f'shippers[0] "{given["name"]}": {fault}') for each in found), found


def test_a_password_is_never_part_of_a_fault() -> None:
    """What check-config prints lands in tickets."""
    assert "secret" not in " ".join(faults({**SEARCH, "url": "https://me:secret@s:9200"})).replace("secret ", "")


def test_http_is_enough_on_this_host() -> None:
    """A test server on loopback has no certificate, and nobody listens in."""
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert read({**SEARCH, "url": f"http://{host}:9200", "api_key_file": "k"}).shippers


def test_shippers_are_compared_with_each_other() -> None:
    """Two cursors of one name, and two writers of one file, would each undo the other."""
    found = faults(JSONL, {**JSONL, "name": "more"}, {**SQS, "name": "lines"})

    assert 'shippers[1] "more": path: is also that of shippers[0] "lines"' in found
    assert any(each.startswith('shippers[2] "lines": name: its service') for each in found)


def test_a_source_that_there_is_not_is_a_fault() -> None:
    """A shipper for a misspelled source would be silent for ever."""
    source = {"name": "app1", "connection": "local", "message_queue": "q"}

    found = faults({**JSONL, "only": {"sources": "app"}}, source_hosts=[source])

    assert found == ["shippers[0] \"lines\": only: 'app' is not the name of a source host; did you mean app1?"]


def test_shipping_reads_its_own_sections_alone(tmp_path: Path) -> None:
    """A slip in a job's promise keeps no event from being sent; one in its own section does."""
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps({"shippers": [{**JSONL, "path": "e"}], "jobs": [{"name": 1}], "source_hosts": 3}))

    found = for_shipping.load_for_shipping(path)

    assert [each.path for each in found.shippers] == [tmp_path / "e"]
    path.write_text(json.dumps({"shippers": [{**JSONL, "to": "x"}], "global_config": {"nonsense": 1}}))
    with pytest.raises(ConfigError) as caught:
        for_shipping.load_for_shipping(path)
    assert len(caught.value.faults) == 2


def test_what_shipping_lacks_on_this_host_is_recommended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's host may lack the extra and may not look at the secrets: that is said, and no fault of the file."""
    key = tmp_path / "key"
    key.write_text("k\n")
    key.chmod(0o640)
    monkeypatch.setattr("job_tracker.config.shippers.find_spec", lambda _: None)

    found = read(SQS, {**SEARCH, "api_key_file": str(key)}, {**SQS, "name": "off", "enabled": False}).recommendations

    assert [each for each in found if each.startswith("shippers")] == [
        "shippers \"queue\": needs botocore, which is not installed here: pip install 'job_tracker[sqs]'",
        f'shippers "search": api_key_file: {key} is open to others (mode 0640); chmod 600, and change the secret',
    ]


def test_a_secret_is_a_file_of_its_reader_alone(tmp_path: Path) -> None:
    """A link may be turned, a FIFO waits, and what a group can read is nobody's secret."""
    good, link, fifo = tmp_path / "good", tmp_path / "link", tmp_path / "fifo"
    good.write_text("pass word\n")
    good.chmod(0o600)
    link.symlink_to(good)
    __import__("os").mkfifo(fifo, 0o600)

    assert read_secret(good) == "pass word"
    for unfit in (link, fifo, tmp_path, tmp_path / "none"):
        with pytest.raises(SecretRefused, match=str(unfit)):
            read_secret(unfit)
        with pytest.raises(SecretRefused, match=str(unfit)):
            look_at_secret(unfit)
    assert issubclass(SecretUnseen, SecretRefused)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"a\0b", b"x" * 70_000])
def test_a_file_that_holds_no_secret_is_refused_without_being_quoted(tmp_path: Path, content: bytes) -> None:
    """An empty password would be tried, and a whole key file would be sent as a header."""
    path = tmp_path / "s"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(SecretRefused) as caught:
        read_secret(path)

    assert str(caught.value) == f"{path} holds no secret: one line of text is wanted"
