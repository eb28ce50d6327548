"""Servers with jobs of their own, as source hosts: what is accepted, and what is wrong with what is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from job_tracker.config.reading import Config, parse
from job_tracker.errors import ConfigError
from job_tracker.ports import Server

ADES = {"name": "ades1", "connection": "ogc", "url": "https://ades.example.org/api/", "env": "ADES"}
LEFT_OUT = object()


def read(**changes: Any) -> Config:
    section = {key: value for key, value in (ADES | changes).items() if value is not LEFT_OUT}
    return parse(json.dumps({"source_hosts": [section]}), name="x", base=Path("/etc"))


def test_a_server_is_asked_as_it_is_configured() -> None:
    """What is not said has the default that the documents name."""
    (plain,) = read().sources
    (whole,) = read(
        dialect="ogc", poll_interval_in_sec=60, parallel_requests=4, bearer_token_file="token", ca_file="/ca.pem",  # noqa: S106 - the path of one
        server_lag_in_sec=2.5, adopt="all", include_inputs=True, process_to_job={"process": "(.+)-1", "job": r"\1"},
    ).sources  # fmt: skip

    assert plain.host().server == Server(url="https://ades.example.org/api", env="ADES")
    assert whole.host().server == Server(
        url="https://ades.example.org/api",
        env="ADES",
        dialect="ogc",
        poll_interval=60_000_000,
        parallel_requests=4,
        process_to_job=(("(.+)-1", r"\1"),),
        bearer_token_file=Path("/etc/token"),
        ca_file=Path("/ca.pem"),
        lag=2_500_000,
        adopt="all",
        include_inputs=True,
    )


def test_a_server_without_a_name_has_that_of_its_host() -> None:
    """As any source has."""
    assert [each.name for each in read(name=LEFT_OUT).sources] == ["ades.example.org"]


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"url": LEFT_OUT}, "url: is missing"),
    ({"env": LEFT_OUT}, "env: is missing"),
    ({"url": "ftp://x"}, "url: 'ftp://x' is not an address as https://"),
    ({"url": "https://[::1"}, "url: 'https://[::1' is not an address as https://"),
    ({"url": "https://ann:secret@x"}, "url: holds a name or password; say user and password_file"),
    ({"url": "https://x/?a=b"}, "url: 'https://x/?a=b' has more than a path"),
    ({"url": "http://x", "bearer_token_file": "t"}, "url: sends a secret over http, where anybody can read it"),
    ({"user": "ann"}, "password_file: is missing beside the other"),
    ({"password_file": "p"}, "user: is missing beside the other"),
    ({"user": "a", "password_file": "p", "bearer_token_file": "t"}, "bearer_token_file: says who we are, and so does"),
    ({"dialect": "wpst", "parallel_requests": 2}, "parallel_requests: is 1 with dialect: wpst"),
    ({"dialect": "wps"}, "dialect: 'wps' is not 'auto', 'ogc' or 'wpst'"),
    ({"poll_interval_in_sec": 0}, "poll_interval_in_sec: '0' is not"),
    ({"adopt": "some"}, "adopt: 'some' is not"),
    ({"process_to_job": [{"process": "(", "job": "x"}]}, "process_to_job: [0]: '(' to 'x': missing ), unterminated"),
    ({"process_to_job": [{"process": "a", "job": r"\2"}]}, r"process_to_job: [0]: 'a' to '\\2': invalid group"),
    ({"process_to_job": ["x"]}, "process_to_job: [0]: is not an object with process and job"),
    ({"message_queue": "/q"}, "message_queue: means nothing with connection: ogc"),
    ({"connection": "local", "message_queue": "/q"}, "url: means something with connection: ogc alone"),
    ({"verify": False}, "verify: unknown key"),
]


@pytest.mark.parametrize(("changes", "fault"), FAULTS)
def test_a_fault_has_its_place_and_says_what_to_write(changes: dict[str, Any], fault: str) -> None:
    """A password in a URL, a token in the clear and a pattern that is none are seen before anything is asked."""
    with pytest.raises(ConfigError) as refused:
        read(**changes)

    place = 'source_hosts[0] "ades1": '
    assert any(each.startswith(place + fault) for each in refused.value.faults), refused.value.faults
    assert not any("secret@" in each for each in refused.value.faults)


def test_a_secret_over_http_may_go_to_this_host_alone() -> None:
    """What never leaves the host is read by nobody on the way."""
    for url in ("http://localhost:5000", "http://127.0.0.2", "http://[::1]:5000"):
        assert len(read(url=url, bearer_token_file="t").sources) == 1  # noqa: S106 - the path of one
