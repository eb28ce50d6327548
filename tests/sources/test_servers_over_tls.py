"""Servers of jobs over TLS: who is believed, and what we show them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, serving
from job_server import JobServer
from server_asking import TERMS, asked, host_of, secret, server_of

from job_tracker.ports import Contact, Report
from job_tracker.sources.checking import check

A_DAY = 86_400_000_000
"""Microseconds: what is asked once is asked once."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(place: Path) -> Authority:
    return Authority(place)


@pytest.fixture
def server(authority: Authority) -> Iterator[JobServer]:
    """One whose certificate is as it should be."""
    with JobServer(dialect="ogc", tls=serving(authority.issue("server"))).running() as made:
        made.submit("a1", "running")
        yield made


def asked_once(server: JobServer, **more: Any) -> Report:
    with asked(server, **more) as sweeps:
        return sweeps.first()


def test_a_server_whose_authority_is_named_is_heard(server: JobServer, authority: Authority, tmp_path: Path) -> None:
    """A company signs for itself; the token is sent over this, from one request to the next."""
    token = secret(tmp_path, "token", "s3cret")
    with asked(server, ca_file=authority.certificate, bearer_token_file=token) as sweeps:
        sweeps.first()
        server.move("a1", "successful")
        sweeps.next()

    assert sweeps.kept.told("a1") == ["running", "successful"]
    assert set(server.credentials) == {"Bearer s3cret"}


def test_a_server_that_nobody_vouches_for_is_refused_before_it_hears_anything(
    server: JobServer, tmp_path: Path
) -> None:
    """Whoever sits in between has a certificate, too; the credential is not for them, nor their word for us."""
    stranger = Authority(tmp_path, "stranger")

    of_this_host = asked_once(server)
    of_a_stranger = asked_once(server, ca_file=stranger.certificate)

    for report in (of_this_host, of_a_stranger):
        assert report.contact is Contact.REFUSED
        assert "its certificate is not trusted" in report.text
    assert server.requests == []


def test_a_certificate_of_another_name_is_refused(authority: Authority) -> None:
    """One machine's certificate is no pass for all of the company's."""
    with JobServer(dialect="ogc", tls=serving(authority.issue("other", "DNS:other.example.com"))).running() as server:
        report = asked_once(server, ca_file=authority.certificate)

    assert report.contact is Contact.REFUSED
    assert "127.0.0.1" in report.text
    assert server.requests == []


def test_a_server_may_want_to_know_who_asks(authority: Authority, tmp_path: Path) -> None:
    """Ours is shown where it is configured; without it, or with another's, somebody is told what is lacking."""
    ours, another = authority.issue("tracker"), Authority(tmp_path, "stranger").issue("tracker")
    tls = serving(authority.issue("server"), clients=authority.certificate)
    with JobServer(dialect="ogc", tls=tls).running() as server:
        once = {"ca_file": authority.certificate, "poll_interval": A_DAY}
        well = asked_once(server, client_certificate=ours, **once)
        heard = len(server.requests)
        without = asked_once(server, **once)
        wrong = asked_once(server, client_certificate=another, **once)

    assert well.contact is Contact.REACHABLE
    assert len(server.requests) == heard
    for report in (without, wrong):
        assert report.contact is Contact.REFUSED
        assert "is client_certificate one that it asks for?" in report.text


def test_a_client_certificate_that_cannot_be_used_is_said_and_nobody_is_asked_to_type(
    server: JobServer, authority: Authority, tmp_path: Path
) -> None:
    """OpenSSL would ask a terminal for the passphrase, and the daemon would wait there for ever."""
    locked, shared = authority.issue("locked", is_locked=True), authority.issue("shared")
    shared.chmod(0o644)
    no_key = secret(tmp_path, "no_key", authority.certificate.read_text(encoding="utf-8"))

    said = {
        each: asked_once(server, ca_file=authority.certificate, client_certificate=each)
        for each in (locked, shared, no_key, tmp_path / "none")
    }

    assert {each.contact for each in said.values()} == {Contact.REFUSED}
    assert "its key is encrypted, and nobody is there to type the passphrase" in said[locked].text
    assert "is open to others (mode 0644)" in said[shared].text
    assert "client_certificate cannot be used" in said[no_key].text
    assert "is not there" in said[tmp_path / "none"].text
    assert server.requests == []


def test_tls_where_none_is_spoken_and_none_where_it_is(server: JobServer) -> None:
    """A wrong word before the address is a thing to repair there, and no certificate's fault."""
    with JobServer(dialect="ogc").running() as plain:
        https_to_plain = check(host_of(server_of(plain.url.replace("http:", "https:"))), TERMS)
        plain_to_https = check(host_of(server_of(server.url.replace("https:", "http:"))), replace(TERMS))

    assert https_to_plain.contact is Contact.UNREACHABLE
    assert plain_to_https.contact is Contact.UNREACHABLE
    assert "wrong version number" in https_to_plain.text.lower().replace("_", " ")
