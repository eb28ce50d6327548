"""SSH sources against real sshd's, each in namespaces of its own where we are root, else on loopback."""

import hashlib
import json
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import light
import pytest
from sourcing import A_DAY, GREETING, SLOW, TERMS, Box, leaving_nothing, now, wait_until

from job_tracker.cli import app
from job_tracker.cli.screens import sources
from job_tracker.cli.screens.plain import as_text
from job_tracker.config.reading import Config, load
from job_tracker.core.board import make_board
from job_tracker.errors import SourceRefused, SourceUnreachable
from job_tracker.ledger.opening import open_ledger
from job_tracker.outputs.checkmk.keeper import CheckmkOutput
from job_tracker.outputs.making import Ground
from job_tracker.ports import Contact, Host, Memento, Picture, Report
from job_tracker.sources import checking
from job_tracker.sources.making import make_source
from job_tracker.sources.queue import source
from job_tracker.sources.queue.conversation import Conversation, Greeting
from job_tracker.sources.queue.source import DrainingSource
from job_tracker.sources.ssh import host_keys, lifeline, login
from job_tracker.sources.ssh.channel import SshTransport, remote_command
from job_tracker.sources.ssh.diagnosis import Command, diagnose
from job_tracker.sources.ssh.host_keys import fingerprint, known_hosts, parse
from job_tracker.sources.ssh.lifeline import Lifeline, Turns
from job_tracker.telling import sources as contacts
from job_tracker.telling.as_json import in_seconds
from job_tracker.view.documents import report_document

NEEDS_HOSTS = light.missing()
if NEEDS_HOSTS and os.environ.get("CI") != "true":
    pytest.skip(NEEDS_HOSTS, allow_module_level=True)

COMMAND = Command(python="python3", handler="/usr/local/lib/job_tracker/message-queue.py")


def section_for(hostname: str, **further: Any) -> Host:
    """A source's section of the configuration."""
    given = {
        "name": "there",
        "message_queue": "/nowhere/q.sqlite",
        "message_queue_handler": str(light.TOOL),
        "python": light.PYTHON,
    }
    return Host(hostname=hostname, **{**given, **further})


@pytest.fixture(scope="module")
def lab() -> Iterator[light.Lab]:
    """Three hosts."""
    assert not NEEDS_HOSTS, NEEDS_HOSTS
    with light.lab(3) as made:
        yield made


class There:
    """A host, its section of the configuration, and what is connected to it."""

    def __init__(self, lab: light.Lab, directory: Path) -> None:
        self.lab, self.directory = lab, directory
        self.host, self.bastion, _ = lab.hosts
        self.public = lab.directory  # whoever asks ssh what a file means is not root, and must be able to read it
        self.section = self.section_of(self.host)
        self.sources: list[DrainingSource] = []
        self.transports: list[SshTransport] = []
        self.heard: Greeting | None = None

    def section_of(self, host: light.Host) -> Host:
        return section_for(
            hostname=host.address,
            port=host.port,
            user=host.user,
            key=self.lab.key,
            known_hosts=self.lab.known_hosts,
            message_queue=str(host.queue),
        )

    def source(self, box: Box, section: Host | None = None, **terms: Any) -> DrainingSource:
        made = make_source(section or self.section, replace(TERMS, **terms), box, Memento())
        assert isinstance(made, DrainingSource)
        self.sources.append(made)
        made.start()
        return made

    def greet(self, section: Host | None = None, ssh_config: str | None = None, seconds: float = 10.0) -> list[str]:
        """Connect and hear the greeting; the steps on the way."""
        path = None
        if ssh_config is not None:
            path = self.public / "ssh_config"
            path.write_text(ssh_config)
        made = SshTransport(section or self.section, replace(TERMS, load_timeout=seconds, ssh_config=path))
        self.transports.append(made)
        try:
            self.heard = Conversation(made, load_timeout=seconds, clock=now).greet()
        except BaseException:
            made.close()
            raise
        return made.steps

    def refusal(self, section: Host | None = None, ssh_config: str | None = None) -> str:
        """Why it is refused."""
        with pytest.raises(SourceRefused) as caught:
            self.greet(section, ssh_config)
        return str(caught.value)

    def file(self, text: str, name: str = "known_hosts") -> Path:
        path = self.directory / name
        path.write_text(text)
        return path

    def script(self, text: str) -> str:
        """A far side that misbehaves, as a forced command."""
        path = self.file(f"import json, os, sys, time\nGREETING = {GREETING!r}\n" + text, "script.py")
        return f"{light.PYTHON} {path}"


@pytest.fixture
def there(lab: light.Lab, tmp_path: Path) -> Iterator[There]:
    """The first host, with its usual keys and no queue; every connection is closed at the end, and nothing remains."""
    with leaving_nothing():
        made = There(lab, tmp_path)
        yield made
        for one in made.sources:
            one.stop()
        for each in made.transports:
            each.close()
    for host in lab.hosts:
        host.authorize(lab.forced(host), lab.free())
        shutil.rmtree(host.directory / "queue")
        (host.directory / "queue").mkdir()


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.05)


# ------------------------------------------------------------------------------------------------------ taking messages


@pytest.mark.usefixtures("patient")
def test_a_message_travels_over_ssh_at_once(there: There, box: Box) -> None:
    """One connection stands, and no program is started for a message; the next poll is a day away."""
    tracked = there.source(box, interval=A_DAY, load_timeout=3 * A_DAY)
    box.empty()

    there.host.add("A", "B")
    delivery = box.delivery()
    tracked.confirm(delivery, "n1")
    wait_until(lambda: there.host.count() == 0)

    assert [element["job"] for element in delivery.elements] == ["A", "B"]


def test_a_long_queue_comes_whole_over_ssh(there: There, box: Box) -> None:
    """Answers of a megabyte pass through the channel's window, more than once."""
    there.host.add(*(f"J{number}" for number in range(12_000)))
    tracked = there.source(box)

    seen: list[str] = []
    at = 0
    while len(seen) < 12_000:
        delivery = box.delivery(at)
        at = box.items.index(delivery) + 1
        seen += [element["job"] for element in delivery.elements]
        tracked.confirm(delivery, f"n{at}")
    box.empty(at)

    assert seen == [f"J{number}" for number in range(12_000)]
    assert there.host.count() == 0


def test_an_idle_connection_costs_nothing(there: There) -> None:
    """paramiko wakes ten times a second for each connection; two hundred of them would keep a core warm."""
    there.greet()
    [thread] = [each for each in threading.enumerate() if "Transport" in repr(each)]
    schedule = Path(f"/proc/self/task/{thread.native_id}/status")

    def wake_ups() -> int:
        return int(re.findall(r"voluntary_ctxt_switches:\s+(\d+)", schedule.read_text())[0])

    before = wake_ups()
    time.sleep(2)

    assert wake_ups() - before <= 2


# ------------------------------------------------------------------------------------------------------------ host keys


def test_a_host_is_known_by_a_hashed_line_and_its_port(there: There) -> None:
    """ssh itself writes such lines, and an operator copies them."""
    host = there.host
    place = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    path = there.file(f"{place} {host.public_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert path.read_text().startswith("|1|")

    steps = there.greet(replace(there.section, known_hosts=path))

    assert fingerprint(b64decode(host.public_key.split()[1])) in steps[1]


def test_an_unknown_host_is_refused_with_the_line_that_would_let_it_in(there: There) -> None:
    """The operator compares the fingerprint with the host's, and needs to know where to put what."""
    path = there.file(
        "other.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINK3vWDJLRL7sPSeGVZTcXqmwRmRE8QZTdqnFLLcvFnM\n"
    )

    text = there.refusal(replace(there.section, known_hosts=path))

    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(there.host.directory / "host_key.pub")], check=True, capture_output=True
    )
    assert listed.stdout.decode().split()[1] in text
    assert text.startswith("host key unknown: ")
    assert str(path) in text
    there.greet(replace(there.section, known_hosts=there.file(text.rpartition("add there: ")[2])))


def test_a_changed_host_key_is_refused_before_anything_is_told_to_the_host(there: There) -> None:
    """Somebody may stand between; he gets no login, and the operator both fingerprints."""
    place = there.host.known_hosts_line.split()[0]
    other = there.bastion.public_key
    path = there.file(f"# ours\n{place} {other}\n")

    text = there.refusal(replace(there.section, known_hosts=path))

    assert text.startswith("host key changed: ")
    assert f"line 2 of {path}" in text
    assert fingerprint(b64decode(other.split()[1])) in text
    assert fingerprint(b64decode(there.host.public_key.split()[1])) in text
    assert "Accepted" not in (there.host.directory / "log").read_text().splitlines()[-1]


def test_a_revoked_host_key_is_refused_although_it_is_known(there: There) -> None:
    """A stolen key stays stolen."""
    line = there.host.known_hosts_line
    path = there.file(f"{line}@revoked * {there.host.public_key}\n")

    text = there.refusal(replace(there.section, known_hosts=path))

    assert text.startswith("host key revoked: ")
    assert f"line 2 of {path}" in text


def test_a_missing_known_hosts_file_refuses(there: There) -> None:
    """No file means no host is known, not that all are."""
    text = there.refusal(replace(there.section, known_hosts=there.directory / "none"))

    assert "none cannot be read (No such file or directory)" in text


def test_what_cannot_be_used_of_known_hosts_costs_only_itself(there: There, caplog: pytest.LogCaptureFixture) -> None:
    """paramiko would give up the whole file; here a line is reported with its number, once for each change."""
    good = there.host.known_hosts_line
    path = there.file(
        f"@cert-authority *.example {there.host.public_key}\nnonsense\nh ssh-rsa AAAA!\n|1|x|y ssh-rsa AAAA\n{good}"
    )

    for _ in range(2):
        there.greet(replace(there.section, known_hosts=path))

    said = [record.getMessage() for record in caplog.records if "known hosts line skipped" in record.getMessage()]
    assert [re.findall(r"line \d", text) for text in said] == [["line 1"], ["line 2"], ["line 3"], ["line 4"]]
    assert all(str(path) in text for text in said)


def test_the_server_is_asked_for_the_keys_that_are_known(there: There) -> None:
    """A host with three keys, of which the file knows only one, is known."""
    rsa = there.host.directory / "host_rsa"
    if not rsa.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(rsa)], check=True)
        with (there.host.directory / "sshd_config").open("a") as config:
            config.write(f"HostKey {rsa}\n")
        there.host.kill()
        there.host.start()
        there.host.await_ssh()
    place = there.host.known_hosts_line.split()[0]
    public = " ".join(rsa.with_suffix(".pub").read_text().split()[:2])

    steps = there.greet(replace(there.section, known_hosts=there.file(f"{place} {public}\n")))

    assert "is known by ssh-rsa SHA256:" in steps[1]


def entry(line: str) -> host_keys.Entry:
    [found] = parse(Path("k"), line).entries
    return found


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINK3vWDJLRL7sPSeGVZTcXqmwRmRE8QZTdqnFLLcvFnM"
BLOB = b64decode(KEY.split()[1])


@pytest.mark.parametrize(
    ("patterns", "host", "matches"),
    [
        ("app1.example", "app1.example", True),
        ("App1.Example", "app1.example", True),
        ("app1.example", "app1.example.org", False),
        ("*.example,!app2.example", "app1.example", True),
        ("*.example,!app2.example", "app2.example", False),
        ("!app1.example", "app2.example", False),
        ("app?", "app1", True),
        ("app[12]", "app1", False),
        ("[app1]:2222", "[app1]:2222", True),
        ("[app*]:2222", "[app1]:2222", True),
        ("[app1]:2222", "a:2222", False),
    ],
)
def test_patterns_match_as_ssh_matches_them(patterns: str, host: str, matches: bool) -> None:
    """Brackets belong to a port, not to a choice of letters."""
    assert entry(f"{patterns} {KEY}").names(host) is matches


def test_a_line_without_the_port_is_good_enough_where_none_names_the_port() -> None:
    """As with ssh; but a line that names the port, with another key, stands."""
    known = parse(Path("k"), f"app1 {KEY}\n")
    known.check("app1", 2222, "ssh-ed25519", BLOB)
    known = parse(Path("k"), f"app1 {KEY}\n[app1]:2222 {KEY[:-1]}Q\n")
    with pytest.raises(SourceRefused, match="changed"):
        known.check("app1", 2222, "ssh-ed25519", BLOB)


def test_a_host_known_by_another_type_of_key_only_is_said_so() -> None:
    """The cure is another one than for a host that nobody knows."""
    rsa = b64encode(b"\0\0\0\7ssh-rsa" + b"x" * 20).decode()

    with pytest.raises(SourceRefused, match=r"only other keys of it \(ssh-rsa in line 1\)"):
        parse(Path("k"), f"app1 ssh-rsa {rsa}\n").check("app1", 22, "ssh-ed25519", BLOB)

    assert parse(Path("k"), f"app1 ssh-rsa {rsa}\n").algorithms("app1", 22) == ("rsa-sha2-512", "rsa-sha2-256")


def test_fingerprints_are_those_of_ssh_keygen() -> None:
    """They are compared by eye."""
    assert fingerprint(BLOB) == "SHA256:" + b64encode(hashlib.sha256(BLOB).digest()).decode()[:-1]


def test_the_users_own_known_hosts_is_read_where_none_is_configured(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what an operator who tried it by hand has filled."""
    monkeypatch.setenv("HOME", str(there.directory))
    (there.directory / ".ssh").mkdir()
    shutil.copy(there.lab.known_hosts, there.directory / ".ssh" / "known_hosts")

    assert known_hosts().path == there.directory / ".ssh" / "known_hosts"
    there.greet(replace(there.section, known_hosts=None))


# ---------------------------------------------------------------------------------------------------------------- login


def test_a_key_that_the_host_does_not_know_is_told_with_its_fingerprint(there: There) -> None:
    """The operator compares it with authorized_keys."""
    other = there.directory / "other"
    light.make_key(other)

    text = there.refusal(replace(there.section, key=other))

    assert text.startswith("login refused: ")
    assert f"does not take {there.host.user} with {other} (ssh-ed25519 SHA256:" in text
    assert "authorized_keys" in text


def test_an_unknown_user_is_told(there: There) -> None:
    """A wrong user looks to ssh like a wrong key; so both are named."""
    text = there.refusal(replace(there.section, user="nobody-of-that-name"))

    assert "login refused: " in text
    assert "nobody-of-that-name" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "cannot be read: No such file or directory"), ("garbage", "is no private key that can be used")],
)
def test_a_key_file_that_cannot_be_used_is_told(there: There, content: str | None, expected: str) -> None:
    """Nothing else is offered in its place."""
    path = there.directory / "id"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)

    assert re.search(f"no key to offer.*{expected}", there.refusal(replace(there.section, key=path)))


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ssh-agent of our own, without keys."""
    path = tmp_path / "agent"
    started = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield
    started.kill()
    started.wait()


def ssh_add(key: Path, passphrase: str, directory: Path) -> None:
    answer = directory / "askpass"
    answer.write_text(f"#!/bin/sh\necho {shlex.quote(passphrase)}\n")
    answer.chmod(0o755)
    environment = os.environ | {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    subprocess.run(
        ["ssh-add", "-q", str(key)], check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True
    )


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("format_of_key", ["RFC4716", "PEM"])
def test_an_encrypted_key_is_used_through_the_agent(there: There, format_of_key: str) -> None:
    """A daemon can be asked for no passphrase; the agent has been."""
    key = there.directory / "encrypted"
    options = ["-t", "ecdsa", "-N", "a secret", "-m", format_of_key, "-f", str(key)]
    subprocess.run(["ssh-keygen", "-q", *options], check=True)
    public = key.with_suffix(".pub").read_text()
    if format_of_key == "RFC4716":
        key.with_suffix(".pub").unlink()
    there.host.authorize(public.strip())
    section = replace(there.section, key=key)

    assert "is encrypted, and the agent does not hold it" in there.refusal(section)
    ssh_add(key, "a secret", there.directory)
    steps = there.greet(section)

    assert "with the agent's ecdsa-sha2-nistp256 SHA256:" in steps[-1]


def test_an_encrypted_key_without_an_agent_is_told(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the daemon must start one for it."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = there.directory / "encrypted"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a secret", "-f", str(key)], check=True)

    assert "is encrypted, and SSH_AUTH_SOCK is not set" in there.refusal(replace(there.section, key=key))


def test_an_agent_that_hangs_ends_with_the_load_timeout(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a program like any other."""
    path = there.directory / "deaf"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        with pytest.raises(SourceUnreachable, match="no answer in time while logging in"):
            there.greet(replace(there.section, key=None), seconds=1.5)


@pytest.mark.usefixtures("agent")
def test_the_agents_keys_and_the_users_are_offered_where_none_is_configured(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ssh does."""
    monkeypatch.setenv("HOME", str(there.directory))
    (there.directory / ".ssh").mkdir()
    section = replace(there.section, key=None)
    assert "no key is configured, ~/.ssh has none, and" in there.refusal(section)
    shutil.copy(there.lab.key, there.directory / ".ssh" / login.DEFAULT_KEYS[0])

    steps = there.greet(section)

    assert str(there.directory / ".ssh" / login.DEFAULT_KEYS[0]) in steps[-1]


# ----------------------------------------------------------------------------------------------------------- ssh_config


def ssh_config(host: light.Host, *further: str) -> str:
    lines = [f"HostName {host.address}", f"Port {host.port}", f"User {host.user}", *further]
    return "Host app1\n" + "".join(f"  {line}\n" for line in lines)


def alias(there: There) -> Host:
    """A section that leaves everything to the ssh_config."""
    return replace(there.section, hostname="app1", port=None, user="", key=None)


def test_an_ssh_config_gives_what_the_configuration_does_not(there: There) -> None:
    """An operator has it already."""
    steps = there.greet(alias(there), ssh_config(there.host, f"IdentityFile {there.lab.key}", "IdentitiesOnly yes"))

    assert steps[0] == f"{there.host.address}:{there.host.port} speaks SSH"


RELAY = """
import os, select, socket, sys
way = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, way], [], [])[0]:
        data = os.read(0 if ready == 0 else way.fileno(), 65536)
        if not data:
            sys.exit()
        os.write(way.fileno() if ready == 0 else 1, data)
"""


def test_a_proxy_command_is_the_way(there: There) -> None:
    """Its words are cut before the host's name is put into them, and no shell sees them."""
    relay = f"exec {light.PYTHON} {there.file(RELAY, 'relay.py')} %h %p"
    section = replace(alias(there), key=there.lab.key)

    steps = there.greet(section, ssh_config(there.host, f"ProxyCommand {relay}"))

    assert steps[-1].startswith(f"logged in as {there.host.user}")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/nowhere/nc %h %p", "cannot start the ProxyCommand /nowhere/nc: No such file or directory"),
        ("sh -c 'echo no way to %h >&2'", r"hung up before it said anything; the ProxyCommand says: no way to \d"),
        ("echo '", r"ssh cannot use the ssh_config: .*line 5: "),
    ],
)
def test_a_proxy_command_that_fails_is_told(there: There, command: str, expected: str) -> None:
    """And what it said."""
    with pytest.raises((SourceRefused, SourceUnreachable), match=expected):
        there.greet(replace(alias(there), key=there.lab.key), ssh_config(there.host, f"ProxyCommand {command}"))


def test_one_hop_over_a_bastion(there: There) -> None:
    """The bastion is verified as well, and logs us in, before the host is spoken to."""
    bastion = there.bastion
    bastion.authorize(f'restrict,port-forwarding,command="/bin/false" {there.lab.key.with_suffix(".pub").read_text()}')
    text = ssh_config(there.host, f"ProxyJump {bastion.user}@{bastion.address}:{bastion.port}")
    section = replace(alias(there), key=there.lab.key)

    steps = there.greet(section, text)

    assert [step.split()[0] for step in steps[:2]] == [f"{bastion.address}:{bastion.port}"] * 2
    assert f"{there.host.address}:{there.host.port} is known by" in steps[3]
    stranger = there.file(there.host.known_hosts_line)
    refused = there.refusal(replace(section, known_hosts=stranger), text)
    assert f"host key unknown: {bastion.known_hosts_line.split()[0]} offered" in refused


def test_a_bastion_that_forwards_nothing_is_told(there: There) -> None:
    """Its own administrator has to allow it."""
    bastion = there.bastion
    bastion.authorize(f"restrict {there.lab.key.with_suffix('.pub').read_text()}")
    text = ssh_config(there.host, f"ProxyJump {bastion.user}@{bastion.address}:{bastion.port}")

    refused = there.refusal(replace(alias(there), key=there.lab.key), text)

    assert re.search("cannot be reached through .*prohibited", refused)


def test_two_hops_over_bastions(there: There) -> None:
    """As `ssh -J one,two`: each is verified and logs us in, and the next is spoken to through it."""
    one, two = there.bastion, there.lab.hosts[2]
    for bastion in (one, two):
        key = there.lab.key.with_suffix(".pub").read_text()
        bastion.authorize(f'restrict,port-forwarding,command="/bin/false" {key}')
    jump = f"{one.address}:{one.port},second"
    text = ssh_config(there.host, f"ProxyJump {jump}") + ssh_config(two).replace("app1", "second")

    steps = there.greet(replace(alias(there), key=there.lab.key, user=there.host.user), text)

    at = [f"{stop.address}:{stop.port}" for stop in (one, two, there.host)]
    assert [step.split()[0] for step in steps if " is known by " in step] == at


def test_a_host_is_known_by_its_alias_and_by_the_files_that_an_ssh_config_names(there: There) -> None:
    """HostKeyAlias and UserKnownHostsFile say whom to trust; for a cluster's floating address nothing else can."""
    path = there.file(f"the-cluster {there.host.public_key}\n", "clusters")
    text = ssh_config(there.host, "HostKeyAlias the-cluster", f"UserKnownHostsFile /nowhere/first {path}")
    section = replace(alias(there), key=there.lab.key, known_hosts=None)

    steps = there.greet(section, text)

    assert "is known by ssh-ed25519" in steps[1]
    stranger = there.refusal(section, text.replace("the-cluster", "another"))
    assert stranger.startswith("host key unknown: another offered ")


def test_algorithms_of_an_ssh_config_are_kept_to(there: There) -> None:
    """Who allows only one cipher means it; one that this tracker lacks is said by its name."""
    section = replace(alias(there), key=there.lab.key)

    there.greet(section, ssh_config(there.host, "Ciphers aes256-ctr", "MACs hmac-sha2-512"))
    cipher = there.transports[-1]._links[-1].remote_cipher  # type: ignore[attr-defined]  # not in the stubs
    refused = there.refusal(section, ssh_config(there.host, "Ciphers chacha20-poly1305@openssh.com"))

    assert cipher == "aes256-ctr"
    assert "the ssh_config allows no ciphers that this tracker knows" in refused


def test_a_private_key_that_others_may_read_is_not_used(there: There) -> None:
    """As OpenSSH does: who leaves it open may have given it away, and works on until somebody notices."""
    key = there.directory / "open"
    shutil.copy(there.lab.key, key)
    key.chmod(0o604)

    refused = there.refusal(replace(there.section, key=key))

    assert f"{key} is open to others (mode 0604), so it is not used" in refused


# ------------------------------------------------------------------------------------------------- hosts that misbehave

REFUSALS: dict[str, tuple[str, str]] = {
    "a missing handler": (
        f"{light.PYTHON} -I /nowhere/message-queue.py -f q serve",
        r"the handler is missing: there is no /nowhere/message-queue.py on the host \(message_queue_handler\)",
    ),
    "a missing Python": ("/nowhere/python3 -I x", r"\(exit code 127\): Python is missing: there is no .* on the host"),
    "a Python that may not be executed": ("/etc", r"\(exit code 126\): Python cannot be started"),
    "a Python 2, by its options": (
        "{script}sys.exit('Unknown option: -I\\nusage: python2 [option] ...\\nTry python -h for more')",
        "Python is too old: .* on the host is a Python 2, 3.6 or newer is needed",
    ),
    "a Python 2, by its grammar": (
        "{script}sys.exit('  File message-queue.py, line 9\\n    raise X from None\\nSyntaxError: invalid syntax')",
        "Python is too old",
    ),
    "an old protocol version": (
        "{script}print(json.dumps(dict(GREETING, protocol=0)), flush=True); sys.stdin.read()",
        "the handler speaks protocol 0, this tracker protocol 1: install this tracker's message-queue.py there",
    ),
    "a shell that prints on login": (
        "{script}print('Welcome to app1!'); print(json.dumps(GREETING), flush=True); sys.stdin.read()",
        "does a login script print something.*'Welcome to app1!'",
    ),
    "garbage": ("head -c 65536 /dev/urandom", "answers with something else than JSON"),
    "an endless line": ("cat /dev/zero", "answers with a line of more than 1048576 bytes"),
    "another program": ("/bin/date; sleep 9", "does the key force another command"),
    "a program that ends at once": ("/bin/true", r"the handler ended before its greeting \(exit code 0\)"),
    "a queue that cannot be": (
        f"{light.PYTHON} -I {light.TOOL} -f /dev/null serve",
        "ended before its greeting .*message-queue.py: ",
    ),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", REFUSALS)
def test_what_an_operator_must_repair_is_said_clearly(there: There, box: Box, name: str) -> None:
    """Each has its own text, on one printable line, and the other hosts go on."""
    command, expected = REFUSALS[name]
    command = there.script(command.removeprefix("{script}")) if command.startswith("{script}") else command
    there.host.authorize(there.lab.forced(there.host, command))
    there.source(box)
    other = Box()
    there.source(other, there.section_of(there.bastion))

    refused = box.report(Contact.REFUSED)
    box.report(Contact.REFUSED, after=box.items.index(refused) + 1)

    assert re.search(expected, refused.text), refused.text
    assert refused.text.isprintable()
    assert len(refused.text) < 500
    other.empty()


@pytest.mark.usefixtures("quick")
def test_a_real_python_2_is_told_from_a_broken_host(there: There, box: Box) -> None:
    """What it prints itself, when it is given today's handler."""
    python = python_2()
    if python is None:
        assert os.environ.get("CI") != "true", "CI must not skip: no Python 2 on this machine"
        pytest.skip("no Python 2 on this machine")
    section = replace(there.section, python=python)
    there.host.authorize(there.lab.forced(there.host, remote_command(section)))
    there.source(box, section)

    assert f"Python is too old: {python} on the host is a Python 2" in box.report(Contact.REFUSED).text


def python_2() -> str | None:
    """A Python 2 of this machine."""
    kept = sorted(Path.home().glob(".pyenv/versions/2.*/bin/python2"))
    return str(kept[-1]) if kept else shutil.which("python2")


class Told:
    """What tells the monitoring of sources, begun."""

    def __init__(self, config: Config) -> None:
        ledger, _ = open_ledger(config.settings.store_file)
        self.reports: dict[str, Report] = {}
        self.board = make_board(config.jobs, {}, {}, now())
        self.output = CheckmkOutput(Ground(config=config, ledger=ledger, wake=lambda: None, started=now()))
        self.output.begin(config, self.picture(now()))
        ledger.close()

    def hears(self, report: Report) -> None:
        self.output.heard(report, now())
        self.reports[report.source] = report

    def tells(self, moment: int) -> None:
        self.output.tell([], self.picture(moment))

    def picture(self, moment: int) -> Picture:
        return Picture(now=moment, board=self.board, watermarks={}, reports=self.reports)


def monitoring(directory: Path, section: Host, **keys: object) -> Told:
    """What tells the monitoring of a source, begun."""
    (directory / "run").mkdir()
    path = directory / "job_tracker.cfg"
    settings = {"time_zone": "UTC", "run_dir": str(directory / "run"), "store_file": str(directory / "s"), **keys}
    source = {"name": section.name, "hostname": section.hostname, "user": section.user, "key": str(section.key)}
    source["message_queue"] = section.message_queue
    path.write_text(json.dumps({"global_config": settings, "source_hosts": [source], "jobs": []}))
    return Told(load(path))


def service_of(directory: Path, name: str) -> str:
    """The line of a source in the services file."""
    lines = (directory / "run" / "job_tracker.services").read_text().splitlines()
    return next(line for line in lines if f" job_source_{name} " in line)


def test_a_clock_that_drifts_is_said_in_the_service_and_in_the_log(
    there: There, box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A host two minutes ahead, and put right: WARN, then well again, and a line of the log for each."""
    ahead = there.script(
        "import runpy\n"
        "real = time.time\n"
        "time.time = lambda: real() + 120\n"
        f"sys.argv = ['message-queue.py', '-f', {str(there.host.queue)!r}, 'serve']\n"
        f"runpy.run_path({str(light.TOOL)!r}, run_name='__main__')\n"
    )
    there.host.authorize(there.lab.forced(there.host, ahead))
    told = monitoring(tmp_path, there.section)
    caplog.set_level(logging.INFO, "job_tracker")

    drifting = there.source(box)
    told.hears(box.report(Contact.REACHABLE))
    told.tells(now())
    line_ahead = service_of(tmp_path, there.section.name)
    drifting.stop()
    there.host.authorize(there.lab.forced(there.host))
    put_right = Box()
    there.source(put_right)
    told.hears(put_right.report(Contact.REACHABLE))
    told.tells(now() + 1_000_000)

    assert re.match(
        r"1 job_source_\S+ - reachable since .*; clock \+1(19\.[5-9]|20\.[0-5]) s, more than the grace", line_ahead
    )
    assert service_of(tmp_path, there.section.name).startswith("0 ")
    assert [record.getMessage().split(" source=")[0] for record in caplog.records] == [
        "clock drifts by more than the grace",
        "clock is right again",
    ]


@pytest.mark.usefixtures("quick")
def test_a_source_that_stays_away_becomes_critical(there: There, box: Box, tmp_path: Path) -> None:
    """WARN when its link is cut, CRIT after the seconds that the configuration names; the reason is in both."""
    told = monitoring(tmp_path, there.section, source_unreachable_critical_after_in_sec=300)
    there.source(box, load_timeout=6.0)
    told.hears(box.report(Contact.REACHABLE))
    there.host.cut()
    try:
        lost = box.report(Contact.UNREACHABLE)
    finally:
        there.host.heal()
    told.hears(lost)
    lines = []
    for seconds in (0, 299, 300):
        told.tells(lost.since + seconds * 1_000_000)
        lines.append(service_of(tmp_path, there.section.name))

    assert [line[0] for line in lines] == ["1", "1", "2"]
    assert all("unreachable since" in line and "no complete answer in time" in line for line in lines)


def test_the_texts_of_refusals_differ() -> None:
    """Or an operator could not tell them apart."""
    diagnoses = {
        diagnose(127, b"sh: 1: /x/python3: not found\n", COMMAND),
        diagnose(126, b"sh: 1: /x/python3: Permission denied\n", COMMAND),
        diagnose(2, b"python3: can't open file '/x/mq.py': [Errno 2] No such file or directory\n", COMMAND),
        diagnose(2, b"python3: can't open file '/x/mq.py': [Errno 13] Permission denied\n", COMMAND),
        diagnose(2, b"Unknown option: -I\nusage: python2 [option]\n", COMMAND),
        diagnose(1, b"message-queue.py: the disk is gone\n", COMMAND),
        diagnose(None, b"", COMMAND),
    }

    assert len(diagnoses) == 7
    assert all(text.isprintable() for text in diagnoses)


def test_a_user_without_a_shell_is_told(there: There) -> None:
    """nologin says why on its stdout."""
    there.host.authorize(there.lab.forced(there.host, "/usr/sbin/nologin"))

    assert "This account is currently not available" in there.refusal()


class Server:
    """Something on loopback that is no sshd."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.section = section_for("127.0.0.1", port=self._listening.getsockname()[1], user="me")
        self._thread = threading.Thread(target=self._serve, args=(talk,), daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(SLOW)

    def _serve(self, talk: Callable[[socket.socket], None]) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._listening.accept()
                with taken, suppress(OSError):
                    talk(taken)


def hang_up_on(server: socket.socket, many: int) -> int:
    """Say nothing until so many are connected at once, then hang up on all of them; how many those were."""
    taken = [server.accept()[0] for _ in range(many)]
    for each in taken:
        each.close()
    return len(taken)


def flood(data: bytes) -> Callable[[socket.socket], None]:
    def talk(taken: socket.socket) -> None:
        while True:
            taken.sendall(data)

    return talk


def say_and_listen(data: bytes) -> Callable[[socket.socket], None]:
    def talk(taken: socket.socket) -> None:
        taken.sendall(data)
        while taken.recv(1024):
            pass

    return talk


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        (say_and_listen(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak SSH, it says 'HTTP/1.1 400"),
        (flood(b"x" * 4096), "does not speak SSH.*endless line"),
        (say_and_listen(b"SSH-1.5-ancient\r\n"), "no common algorithm|does not speak SSH"),
        (say_and_listen(b"SSH-2.0-x\r\n" + b"\xff" * 64), "does not speak SSH: Invalid packet"),
    ],
)
def test_what_speaks_no_ssh_is_refused_and_fills_no_memory(
    there: There, talk: Callable[[socket.socket], None], expected: str
) -> None:
    """A wrong port is a common mistake."""
    with Server(talk) as server, pytest.raises(SourceRefused, match=expected):
        there.greet(server.section)


def say_nothing(taken: socket.socket) -> None:
    while taken.recv(1024):
        pass


@pytest.mark.parametrize(
    ("talk", "stage"),
    [
        (say_nothing, "waiting for .* to say that it speaks SSH"),
        (say_and_listen(b"SSH-2.0-x\r\n"), "exchanging keys with"),
    ],
)
def test_a_host_that_stays_silent_is_left_after_the_load_timeout(
    there: There, talk: Callable[[socket.socket], None], stage: str
) -> None:
    """Wherever it falls silent; the text says where."""
    with Server(talk) as server, pytest.raises(SourceUnreachable, match=rf"no answer in time while {stage}"):
        there.greet(server.section, seconds=1.0)


def test_a_port_nobody_listens_on_is_told(there: There) -> None:
    """At once, in the system's own words."""
    with pytest.raises(SourceUnreachable, match=r"127.0.0.1:\d+ cannot be reached: Connection refused"):
        there.greet(section_for("127.0.0.1", port=light.free_port(), user="me"))


def test_a_name_without_an_address_is_told(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unreachable, not refused: a name server may be away for a while."""

    def fail(*_arguments: object, **_rest: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceUnreachable, match=r"app1\.invalid has no address: Temporary"):
        there.greet(section_for("app1.invalid", user="me"), seconds=30.0)


def test_a_resolver_that_hangs_is_left_behind(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can interrupt it, and nobody waits for it."""
    hang = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, port: int, family: int = 0, **rest: Any) -> object:
        if rest.get("flags"):
            return real(host, port, family, **rest)
        hang.wait(SLOW)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(SourceUnreachable, match="no answer in time while looking up the address of app1"):
        there.greet(section_for("app1.invalid", user="me"), seconds=0.5)
    hang.set()
    wait_until(lambda: not any(each.name.startswith("looking up") for each in threading.enumerate()))


@pytest.mark.parametrize("words", [b"Not allowed at this time\r\n", b"Exceeded MaxStartups\r\n"])
def test_a_host_that_turns_us_away_for_a_while_is_told(there: There, words: bytes) -> None:
    """Newer sshd's count what failed against our address; nothing has to be repaired here but what failed before."""
    with Server(say_and_listen(words)) as server, pytest.raises(SourceUnreachable) as caught:
        there.greet(server.section)

    assert re.search("PerSourcePenalties|MaxStartups", str(caught.value))


def test_a_refused_login_is_not_tried_again_at_once(there: There, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four quick ones lock our address out of a host with OpenSSH 9.8, and whoever wants to repair it, too."""
    monkeypatch.setattr(source, "FIRST_PAUSE", 0.01)
    waited: list[float] = []

    def stop(_: object, seconds: float) -> None:
        waited.append(seconds)
        raise source.Stopped

    monkeypatch.setattr(source.Orders, "pause_before_connecting", stop)

    there.host.authorize("# nobody")
    there.source(box)
    refused = box.report(Contact.REFUSED)
    wait_until(lambda: bool(waited))

    assert "may that account log in" in refused.text
    assert waited == [source.LOGIN_PAUSE]


# ------------------------------------------------------------------------------------------------- lost connections


@pytest.mark.usefixtures("quick")
def test_a_serve_that_hangs_is_left_after_the_load_timeout(there: There, box: Box) -> None:
    """Closing the connection frees the read at once; the new serve takes over, and the old one can confirm nothing."""
    there.source(box, load_timeout=10.0)
    box.empty()

    there.host.signal(signal.SIGSTOP, "message-queue.py")
    lost = box.report(Contact.UNREACHABLE)
    box.report(Contact.REACHABLE, after=box.items.index(lost))

    assert "in time" in lost.text
    there.host.signal(signal.SIGCONT, "message-queue.py")


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(not light.is_root(), reason="without root a host has no link to cut")
def test_a_cut_link_is_noticed_and_healed(there: There, box: Box) -> None:
    """Nothing is refused and nothing is answered: only time tells."""
    tracked = there.source(box, load_timeout=6.0, interval=0.2)
    box.empty()

    there.host.cut()
    lost = box.report(Contact.UNREACHABLE)
    there.host.heal()
    there.host.add("A")
    delivery = box.delivery(after=box.items.index(lost))
    tracked.confirm(delivery, "n1")
    box.empty(after=box.items.index(delivery))

    assert there.host.count() == 0


@pytest.mark.usefixtures("quick")
def test_a_killed_host_is_unreachable_and_then_back(there: There, box: Box) -> None:
    """A reboot costs no message and needs no hand."""
    there.source(box, load_timeout=6.0)
    box.empty()

    there.host.kill()
    lost = box.report(Contact.UNREACHABLE)
    there.host.start()
    there.host.add("A")
    delivery = box.delivery(after=box.items.index(lost))

    assert [element["job"] for element in delivery.elements] == ["A"]


# ------------------------------------------------------------------------------------------------------------- stopping


@pytest.mark.timeout(SLOW)
@pytest.mark.parametrize("talk", [say_nothing, say_and_listen(b"SSH-2.0-x\r\n")])
def test_a_stop_waits_for_no_answer_while_connecting(
    there: There, box: Box, talk: Callable[[socket.socket], None]
) -> None:
    """Wherever the thread waits."""
    with Server(talk) as server:
        tracked = there.source(box, server.section, load_timeout=600.0)
        wait_until(lambda: bool(tracked._orders._transport))
        tracked.stop()

    assert not tracked._thread.is_alive()


@pytest.mark.timeout(SLOW)
@pytest.mark.usefixtures("patient")
def test_a_stop_ends_serve_on_the_host(there: There, box: Box) -> None:
    """No ghost stays behind that would take what comes next, however long the take still had to wait."""
    tracked = there.source(box, interval=A_DAY, load_timeout=3 * A_DAY)
    box.empty()
    assert there.host.serves()

    tracked.stop()

    wait_until(lambda: not there.host.serves())


def test_a_source_that_was_never_started_can_be_stopped(there: There, box: Box) -> None:
    """As any other."""
    make_source(there.section, TERMS, box, Memento()).stop()

    assert box.items == []


# ---------------------------------------------------------------------------------------------------- turns to connect


def test_only_so_many_connect_at_once_but_nobody_waits_for_one_that_hangs() -> None:
    """A crowd of two hundred would make each of it late; one that hangs holds its place for a moment only."""
    turns = Turns(most=2, seconds=0.3)
    inside: list[int] = []
    most: list[int] = []
    done = threading.Event()

    def connect(number: int) -> None:
        with turns.turn(Lifeline()):
            inside.append(number)
            most.append(len(inside))
            if number < 2:
                done.wait(SLOW)
            inside.remove(number)

    threads = [threading.Thread(target=connect, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads[2:]:
        thread.join(SLOW)
    assert not any(thread.is_alive() for thread in threads[2:])
    done.set()
    for thread in threads[:2]:
        thread.join(SLOW)

    assert max(most[:2]) == 2
    assert max(most) <= 4


def test_a_machine_that_is_too_slow_for_so_many_is_not_given_more() -> None:
    """Each that is late lets another one begin; without an end to that all would be under way, and none be ready."""
    turns = Turns(most=1, seconds=0.001)
    inside: list[int] = []
    most: list[int] = []
    done = threading.Event()

    def connect(number: int) -> None:
        with turns.turn(Lifeline()):
            inside.append(number)
            most.append(len(inside))
            done.wait(SLOW)
            inside.remove(number)

    threads = [threading.Thread(target=connect, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(inside) == lifeline.LATE)
    done.set()
    for thread in threads:
        thread.join(SLOW)

    assert len(most) == 20
    assert max(most[: lifeline.LATE + 1]) <= lifeline.LATE


def test_who_waits_for_a_turn_sleeps() -> None:
    """A thousand that connect at once and look twenty times a second keep those who shake hands from doing so."""
    turns = Turns(most=1, seconds=600.0)
    lifelines = [Lifeline() for _ in range(20)]
    inside: list[Lifeline] = []

    def connect(waiting: Lifeline) -> None:
        with turns.turn(waiting):
            inside.append(waiting)

    with turns.turn(Lifeline()):
        threads = [threading.Thread(target=connect, args=(each,)) for each in lifelines]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(turns._line) == len(lifelines))
        ids = [thread.native_id for thread in threads]
        before = sum(map(wake_ups, ids))
        time.sleep(0.5)
        woken = sum(map(wake_ups, ids)) - before
    for thread in threads:
        thread.join(SLOW)

    assert woken <= len(lifelines)  # each may have been on its way to sleep
    assert len(inside) == len(lifelines)


def wake_ups(thread: int | None) -> int:
    """How often a thread of ours has begun to wait."""
    status = Path(f"/proc/self/task/{thread}/status").read_text()
    return int(re.findall(r"\nvoluntary_ctxt_switches:\s+(\d+)", status)[0])


def test_who_waits_for_a_turn_can_be_stopped() -> None:
    """A stop reaches everywhere."""
    turns = Turns(most=1, seconds=600.0)
    waiting = Lifeline()
    failed = threading.Event()

    def wait() -> None:
        with suppress(SourceUnreachable), turns.turn(waiting):
            return
        failed.set()

    with turns.turn(Lifeline()):
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.cut("interrupted")
        assert failed.wait(SLOW)
        thread.join(SLOW)


# ---------------------------------------------------------------------------------------------------------- restriction


def test_a_forced_command_can_do_nothing_else(there: There) -> None:
    """A stolen key reads one queue: no shell, no other command, no file, no forwarding, no other queue."""
    there.host.add("A")
    host, lab = there.host, there.lab
    options = ["-i", str(lab.key), "-o", f"UserKnownHostsFile={lab.known_hosts}", "-o", "IdentitiesOnly=yes"]
    options += ["-o", "BatchMode=yes", "-o", "ControlMaster=no", "-F", "none", "-p", str(host.port)]
    goal = f"{host.user}@{host.address}"

    def ssh(*arguments: str) -> str:
        """What the host says when it is asked for this; its stdin is closed, so serve ends at once."""
        done = subprocess.run(
            ["ssh", *options, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SLOW
        )
        return done.stdout + done.stderr

    for command in ("id", "cat /etc/passwd", f"cat {host.queue}", f"{light.PYTHON} -I {light.TOOL} -f /tmp/x remove"):
        said = ssh(goal, command)
        assert said.startswith('{"serve":"message-queue"'), said
        assert said.count("\n") == 1
    assert "root:" not in ssh("-s", goal, "sftp")
    assert "administratively prohibited" in ssh("-W", "127.0.0.1:22", goal)
    assert "remote port forwarding failed" in ssh("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", goal)
    assert "PTY allocation request failed" in ssh("-tt", goal)
    assert host.count() == 1
    assert not Path("/tmp/x").exists()


def test_the_remote_command_is_words_only(there: There) -> None:
    """A path with blanks, quotes and dollars is a path."""
    queue = there.host.directory / "queue" / 'it\'s $HOME; `id` "q".sqlite'
    section = replace(there.section, key=there.lab.free_key, message_queue=str(queue))

    assert shlex.split(remote_command(section)) == [light.PYTHON, "-I", str(light.TOOL), "-f", str(queue), "serve"]
    there.greet(section)

    assert there.heard is not None
    assert there.heard.path == str(queue)


# ------------------------------------------------------------------------------------------------------------- checking


def test_a_check_tells_what_works_and_takes_nothing(there: There) -> None:
    """Before the daemon is started, and beside one that runs."""
    there.host.add("A", "B")

    found = checking.check(there.section, TERMS)

    assert (found.works, found.depth, found.text) == (True, 2, "")
    assert found.steps[-1].startswith("message-queue.py ")
    assert found.drainer is None
    assert there.host.count() == 2


def test_a_check_tells_how_far_it_got(there: There) -> None:
    """The operator sees where to look."""
    there.host.authorize(there.lab.forced(there.host, "/bin/false"))

    found = checking.check(there.section, TERMS)

    assert not found.works
    assert found.contact is Contact.REFUSED
    assert [step.split(" ", 1)[1].split()[0] for step in found.steps] == ["speaks", "is", "in"]
    assert "ended before its greeting" in found.text


def test_many_are_checked_side_by_side(there: There) -> None:
    """One that is silent does not hold up the answer about the others, and the order is the configuration's."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:
        server.settimeout(SLOW)
        silent = section_for("127.0.0.1", name="silent", port=server.getsockname()[1], user="me")
        all_at_once = thread.submit(hang_up_on, server, 3)
        sections = [silent, there.section, silent, silent]
        found = checking.check_all(sections, replace(TERMS, load_timeout=2 * SLOW))

    assert [each.works for each in found] == [False, True, False, False]
    assert all_at_once.result() == 3


# ------------------------------------------------------------------------------------------------------- the hosts


def test_hosts_without_root_are_on_loopback(tmp_path: Path) -> None:
    """The same tests must be possible where nobody is root."""
    with light.lab(1, loopback=True) as lab:
        [host] = lab.hosts
        given = section_for(
            hostname=host.address,
            port=host.port,
            user=host.user,
            key=lab.key,
            known_hosts=lab.known_hosts,
            message_queue=str(host.queue),
        )
        assert checking.check(given, TERMS).works
        assert host.port != 22
    assert not lab.directory.exists()


def test_what_a_killed_test_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    """Nobody cleans up after a kill -9 but who comes next."""
    program = "import light, os; lab = light.make_lab(owner=light.me(), loopback=not light.is_root()); lab.up(1)\n"
    program += "light.is_root() and light.run('mount', '-t', 'tmpfs', 'none', str(lab.hosts[0].queue.parent))\n"
    program += "print(lab.directory, flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(light.__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    left = Path(done.stdout.strip())
    assert left.exists()
    abandoned = light.opened(left).hosts[0]
    pids = abandoned.pids()
    assert pids

    with light.lab(0):
        pass

    assert not left.exists()
    assert not any(light.is_alive(pid) for pid in pids)
    assert not abandoned.link or not Path("/sys/class/net", abandoned.link).exists()


# ------------------------------------------------------------------------------------------------- the command line


def test_check_sources_tells_an_operator_what_works(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    """One host works and one refuses its key: a paragraph each, and an exit code for scripts."""
    stranger = there.directory / "stranger"
    light.make_key(stranger)
    path = there.directory / "job_tracker.cfg"
    path.write_text(json.dumps(configuration(there, {"app1": there.lab.key, "app2": stranger})))
    there.host.add("A")

    code = ask("check-sources", str(path))
    said = capsys.readouterr().out.splitlines()
    assert ask("check-sources", "-c", str(path), "--json") == 2
    told = json.loads(capsys.readouterr().out)

    assert code == 2
    assert said[0] == "app1: works"
    assert said[5].startswith(f"  1 messages wait in {there.host.queue}, its clock differs by ")
    assert said[6] == "app2: REFUSED"
    assert said[-1].startswith("  FAILED: login refused: ")
    assert [each["works"] for each in told["sources"]] == [True, False]
    assert there.host.count() == 1


def configuration(there: There, keys: dict[str, Path]) -> dict[str, object]:
    """All on the one host, each with a key of its own."""
    host = there.host
    common = {"hostname": host.address, "port": host.port, "user": host.user, "message_queue": str(host.queue)}
    common |= {"known_hosts": str(there.lab.known_hosts), "message_queue_handler": str(light.TOOL)}
    return {
        "global_config": {"time_zone": "UTC"},
        "source_hosts": [
            {"name": name, "key": str(key), "python": light.PYTHON, **common} for name, key in keys.items()
        ],
        "jobs": [],
    }


def ask(*arguments: str) -> int:
    """Run a command; its exit code."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["job_tracker", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_sources_has_a_line_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the daemon knows of its sources, for people and for programs."""
    report = Report(
        source="app1",
        contact=Contact.UNREACHABLE,
        since=now() - 60_000_000,
        text="no answer in time while connecting",
        clock_offset=-1_500_000,
        depth=3,
        messages=7,
        size=900,
        last_message=now() - 120_000_000,
        latencies=(1000, 9000, 2000),
    )
    meta = {"sources": {"app2": {"drained": None, "lags_from": 1}, "app1": report_document(report)}}

    shown = as_text(sources.table(contacts.documents(meta), now(), brief=False, zone=None)).splitlines()
    [first, second] = in_seconds(contacts.documents(meta))

    line = r"^app1 +unreachable +20.* -1.500 s +\? +7 +900 +20.* 2.0/9.0 ms +- +no answer"
    assert re.search(line, shown[1]), shown[1]
    assert shown[2].split() == ["app2", *["-"] * 10]
    assert (first["clock_offset"], first["latency_worst"], second["lags_from"]) == (-1.5, 0.009, 1e-06)
