"""The section `web`: what is refused with which words, and that the tracker does not mind it."""

import json
from pathlib import Path
from typing import Any

import pytest

from job_tracker.config import reading as config
from job_tracker.config import web as config_web
from job_tracker.config.for_pages import load_for_pages
from job_tracker.errors import ConfigError

JOB = {
    "name": "LOAD_DWH",
    "env": "P",
    "cyclic_or_daily": "on_demand",
    "timeout_in_hh:mm:ss": "00:10:00",
}


def faults(tree: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps(tree), name="test.cfg")
    return caught.value.faults


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"listen": "5001"}, "web: listen: '5001' is not an address of this host and a port, as 127.0.0.1:5001"),
        ({"listen": "jobs.example.com:5001"}, "web: listen: 'jobs.example.com:5001' is not an address"),
        ({"listen": "127.0.0.1:65536"}, "web: listen: '127.0.0.1:65536' is not an address"),
        ({"listen": "0.0.0.0:5001"}, "web: listen: '0.0.0.0' is reached from other hosts, and passwords would"),
        ({"listen": "[::]:5001", "public_url": "http://jobs.example.com"}, "web: listen: '::' is reached from other"),
        ({"tls_certificate": "/c.pem"}, "web: tls_certificate: needs tls_key beside it"),
        ({"tls_key": "/c.key"}, "web: tls_key: needs tls_certificate beside it"),
        ({"public_url": "https://jobs.example.com/jobs"}, "web: public_url: 'https://jobs.example.com/jobs' is not"),
        ({"public_url": "https://user:pw@jobs.example.com"}, "web: public_url: "),
        ({"trusted_user_header": "X-User"}, "web: trusted_user_header: needs trusted_proxies beside it"),
        ({"trusted_user_header": "Cookie", "trusted_proxies": "192.0.2.1"}, "web: trusted_user_header: 'Cookie' is"),
        ({"trusted_user_header": "X-U", "trusted_proxies": "127.0.0.1"}, "web: trusted_proxies: '127.0.0.1' cannot"),
        ({"trusted_user_header": "X-U", "trusted_proxies": "0.0.0.0/0"}, "web: trusted_proxies: '0.0.0.0/0' cannot"),
        ({"trusted_user_header": "X-U", "trusted_proxies": "unix"}, "web: trusted_proxies: names the socket, but"),
        ({"session_in_hours": 0}, "web: session_in_hours: '0' is not a whole number from 1 to 720"),
        ({"lisen": "127.0.0.1:5001"}, "web: lisen: unknown key; the nearest known key is listen"),
        ([], "web: is a list of 0, not an object"),
    ],
)
def test_a_fault_of_the_section_web_has_its_place(given: Any, fault: str) -> None:
    """The pages are looked at by people who did not write the configuration: what is unsafe must not come up."""
    found = faults({"web": given})

    assert [each for each in found if each.startswith(fault)] == list(found)[:1]


def test_the_pages_answer_to_the_names_they_are_called_by() -> None:
    """A link in an alarm works, and a name that somebody else points here does not."""
    given = {"listen": "192.0.2.1:443", "public_url": "https://jobs.example.com", "trusted_hosts": ["Other.example"]}

    found = config.parse(json.dumps({"web": given}), name="x").web

    assert found.hosts == {"localhost", "127.0.0.1", "::1", "192.0.2.1", "jobs.example.com", "other.example"}


def test_no_key_of_the_section_web_is_part_of_a_promise() -> None:
    """Another page title must not judge anything anew."""
    with_web = config.parse(json.dumps({"jobs": [JOB], "web": {"page_title": "x"}}), name="x")

    assert with_web.jobs == config.parse(json.dumps({"jobs": [JOB]}), name="x").jobs


def test_the_pages_come_up_beside_a_job_that_is_at_fault(tmp_path: Path) -> None:
    """The tracker that runs goes on with what it had; whoever looks why must be able to look."""
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps({"jobs": [{}], "web": {"page_title": "Night"}}))

    assert load_for_pages(path).web.page_title == "Night"


def test_a_part_that_is_configured_but_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """check-config is run where the configuration is written, and says what is lacking before anybody starts it."""
    monkeypatch.setattr(config_web, "EXTRA", ("no_such_module",))

    said = config.parse(json.dumps({"web": {"page_title": "x"}}), name="x").recommendations

    assert any("needs the extra web" in each for each in said)
