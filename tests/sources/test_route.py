"""Routes: what an ssh_config means is asked of a real OpenSSH client; nothing is connected here."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sourcing import TERMS, TOOL

from job_tracker.config.whole import load_whole
from job_tracker.errors import ConfigError, SourceRefused, SourceUnreachable
from job_tracker.ports import Host
from job_tracker.sources.ssh import openssh
from job_tracker.sources.ssh.asker import asker
from job_tracker.sources.ssh.lifeline import Lifeline
from job_tracker.sources.ssh.route import Route, route

IS_ROOT = os.geteuid() == 0

if shutil.which("ssh") is None and os.environ.get("CI") != "true":
    pytest.skip("missing system packages: openssh-client", allow_module_level=True)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that others than root can read: ssh is never asked as root."""
    directory = Path(tempfile.mkdtemp(prefix="job_tracker-route-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


class Planning:
    """An ssh_config, and the ways that it shows."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "ssh_config"

    def way(self, text: str, hostname: str = "app1", **section: Any) -> Route:
        self.path.write_text(text)
        return route(host(hostname, **section), replace(TERMS, ssh_config=self.path), Lifeline())

    def refusal(self, text: str, **section: Any) -> str:
        with pytest.raises(SourceRefused) as caught:
            self.way(text, **section)
        return str(caught.value)


@pytest.fixture
def planning(public: Path) -> Planning:
    return Planning(public)


def host(hostname: str, **section: Any) -> Host:
    return Host(
        name="there",
        hostname=hostname,
        message_queue="/q",
        message_queue_handler=str(TOOL),
        python=sys.executable,
        **section,
    )


# --------------------------------------------------------------------------------------------- what OpenSSH makes of it


def test_what_the_configuration_says_stands(planning: Planning) -> None:
    """What is written for this tracker is meant; the address alone is what an alias stands for."""
    text = "Host app1\n HostName 10.77.0.9\n Port 2222\n User other\n IdentityFile /nowhere\n"

    goal = planning.way(text, port=2200, user="me", key=Path("/k")).goal

    assert (goal.host, goal.port, goal.user, goal.keys, goal.only) == ("10.77.0.9", 2200, "me", (Path("/k"),), True)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("Include {directory}/more/*\n", 2201),
        ("Match host=app1 user nobody-else\n Port 1\nHost app*\n Port=2202\n", 2202),
        ("Match final all\n Port 2203\n", 2203),
        ("Host !app1 *\n Port 1\nMatch originalhost app1\n Port 2204\n", 2204),
        ("Host *\n HostName %h.example\nMatch host app1.example\n Port 2205\n", 2205),
    ],
)
def test_a_section_holds_where_openssh_says_that_it_does(planning: Planning, text: str, port: int) -> None:
    """Its rules have grown for twenty years; whoever guesses at them sends the daemon to the wrong host."""
    more = planning.path.parent / "more"
    more.mkdir()
    (more / "one").write_text("Port 2201\n")

    assert planning.way(text.format(directory=planning.path.parent)).goal.port == port


def test_paths_are_expanded_as_ssh_expands_them(planning: Planning) -> None:
    """`${HOME}`, `~` and tokens mean the account that the daemon runs as."""
    home = asker(None).home
    text = "Host *\n IdentityFile ${HOME}/a\n IdentityFile ~/b\n IdentityFile /k/%r@%h\n IdentitiesOnly yes\n"

    goal = planning.way(text, user="me").goal

    assert goal.keys == (home / "a", home / "b", Path("/k/me@app1"))
    assert goal.only


def test_where_nothing_is_said_ssh_has_its_own_defaults(planning: Planning) -> None:
    """The keys of the user, its known_hosts and the host's own."""
    goal = planning.way("Host other\n Port 1\n", user="me").goal

    assert (goal.host, goal.port, goal.keys, goal.only, goal.agent) == ("app1", 22, None, False, None)
    assert goal.known_hosts[0] == asker(None).home / ".ssh" / "known_hosts"
    assert Path("/etc/ssh/ssh_known_hosts") in goal.known_hosts


def test_hops_are_reached_as_openssh_reaches_them(planning: Planning) -> None:
    """Explicit hops before the last one win over its own ProxyJump; the first one's own is followed."""
    text = (
        "Host app1\n ProxyJump u@one:2222,two\nHost one\n ProxyJump zero\nHost two\n ProxyJump elsewhere\n Port 99\n"
        "Host zero\n ProxyCommand nc -X 5 %h %p\n"
    )

    way = planning.way(text, user="me")

    assert [(stop.host, stop.port) for stop in way.stops] == [("zero", 22), ("one", 2222), ("two", 99), ("app1", 22)]
    assert way.stops[1].user == "u"
    assert way.command == ("nc", "-X", "5", "zero", "22")


def test_hops_that_lead_in_a_circle_are_refused(planning: Planning) -> None:
    """ssh would start itself until the machine gives up."""
    text = "Host app1\n ProxyJump one\nHost one\n ProxyJump two\nHost two\n ProxyJump one\n"

    assert "ProxyJump has no end: app1 after one after two" in planning.refusal(text)


def test_data_in_a_proxy_command_stays_a_word(planning: Planning) -> None:
    """What comes from the configuration is neither expanded again nor cut; ssh refuses what a shell would read."""
    way = planning.way("Host *\n  ProxyCommand nc -u %r %h %p %%\n", user="me%p")

    assert way.command == ("nc", "-u", "me%p", "app1", "22", "%")


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CertificateFile /c\n", "certificatefile /c, which this tracker cannot follow"),
        ("BindAddress 10.0.0.1\n", "bindaddress"),
        ("KnownHostsCommand /bin/echo\n", "knownhostscommand"),
        ("RevokedHostKeys /r\n", "revokedhostkeys"),
        ("ProxyUseFdpass yes\n", "proxyusefdpass"),
        ("PubkeyAuthentication no\n", "pubkeyauthentication"),
        ("IdentityFile ${SECRETS}/k\n", "a daemon has no environment to take SECRETS from"),
        ("ProxyCommand nc %h %p 2>/dev/null\n", "needs a shell"),
        ("ProxyCommand nc $(cat /etc/gateway) %h\n", "needs a shell"),
        ("ProxyCommand nc %C\n", "%C in '%C' is not supported"),
        ("ProxyCommand echo '\n", "invalid quotes"),
        ("Host *\n Foo bar\n", "line 2: Bad configuration option: foo"),
        ("Host *\n Port many\n", "line 2"),
        ("Include %d/more\n", "line 1: Include %d/more: write the path without variables"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_its_name(planning: Planning, text: str, expected: str) -> None:
    """Who leaves out what he does not know connects otherwise than the operator meant, without a word."""
    assert expected in planning.refusal(text)


@pytest.mark.parametrize(
    "line",
    [
        'Match exec "touch {mark}"',
        'match host "a" !exec "touch {mark}"',
        'Match ex"ec" "touch {mark}"',
        '"Match" "exec" "touch {mark}"',
        'Match=exec="touch {mark}"',
        '\tMATCH originalhost app1 EXEC "touch {mark}"',
    ],
)
@pytest.mark.parametrize("included", [False, True])
def test_match_exec_is_refused_before_ssh_is_asked(planning: Planning, line: str, *, included: bool) -> None:
    """ssh would run the program to find out what the file means; to ask must never be to act."""
    mark = planning.path.parent / "mark"
    planning.path.parent.chmod(0o777)
    text = f"Host x\n{line.format(mark=mark)}\n Port 1\n"
    inner = planning.path.with_name("inner")
    inner.write_text(text)

    refused = planning.refusal(f"Include {inner}\n" if included else text)

    assert f"ssh_config {inner if included else planning.path}: line 2: Match exec would run a program" in refused
    assert not mark.exists()


def test_a_file_that_somebody_else_may_write_is_refused(planning: Planning) -> None:
    """Whoever writes it says which program the daemon starts as ProxyCommand."""
    inner = planning.path.with_name("inner")
    inner.write_text("Port 1\n")
    inner.chmod(0o646)

    assert "can be written by everybody (mode 0646)" in planning.refusal(f"Include {inner}\n")


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(planning: Planning) -> None:
    """Neither root's nor the daemon's: then it is not the operator who speaks."""
    inner = planning.path.with_name("inner")
    inner.write_text("Port 1\n")
    os.chown(inner, 4242, 4242)

    refused = planning.refusal(f"Include {inner}\n")

    assert f"ssh_config {inner} (included by line 1 of {planning.path}) belongs to another user (uid 4242)" in refused


def test_a_fifo_is_refused(planning: Planning) -> None:
    """Whoever reads it waits for ever."""
    os.mkfifo(planning.path)

    with pytest.raises(SourceRefused, match="is no regular file"):
        route(host("app1"), replace(TERMS, ssh_config=planning.path), Lifeline())


# ------------------------------------------------------------------------------------------------------ how it is asked


def test_without_an_ssh_config_no_ssh_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """paramiko speaks for itself; and a file in the home of whoever runs the daemon changes nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(openssh, "PLACES", "")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  Port 1\n  ProxyCommand nc\n")

    way = route(host("app1", user="me"), TERMS, Lifeline())

    assert [(stop.host, stop.port, stop.user, way.command) for stop in way.stops] == [("app1", 22, "me", ())]


def test_where_there_is_no_ssh_that_is_said(
    planning: Planning, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An ssh_config means nothing without the program whose file it is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(openssh, "PLACES", "")

    assert "there is no ssh in the PATH" in planning.refusal("Port 2222\n")


def program(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An `ssh` that comes before the real one."""
    path = directory / "ssh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def test_ssh_is_asked_with_an_empty_environment_and_never_as_root(
    planning: Planning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says must be what it will say to the daemon, and root must run nothing for the sake of a check."""
    directory = planning.path.parent
    directory.chmod(0o777)
    monkeypatch.setenv("JT_SECRET", "s3cret")
    program(directory, monkeypatch, f'id -u > {directory}/uid; env > {directory}/env; exec /usr/bin/ssh "$@"')

    planning.way("Port 2222\n")

    assert int((directory / "uid").read_text()) == asker(None).uid != 0 or not IS_ROOT
    assert "JT_SECRET" not in (directory / "env").read_text()
    assert "PATH=" not in (directory / "env").read_text()


@pytest.mark.skipif(not IS_ROOT, reason="only root asks as somebody else")
def test_root_asks_as_whom_the_daemon_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable first, then whose the store's folder is; where these are root or missing, nobody."""
    monkeypatch.setenv("JOB_TRACKER_USER", "daemon")
    assert asker(tmp_path).name == "daemon"
    monkeypatch.setenv("JOB_TRACKER_USER", "root")
    os.chown(tmp_path, 2, 2)
    assert asker(tmp_path).uid == 2
    os.chown(tmp_path, 0, 0)

    assert asker(tmp_path).name in ("job_tracker", "nobody")
    assert asker(tmp_path / "missing").uid != 0


def test_an_ssh_that_hangs_ends_with_the_lifeline(planning: Planning, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer must hold up neither a check nor the end of the daemon."""
    program(planning.path.parent, monkeypatch, "exec sleep 600")
    planning.path.write_text("Port 1\n")
    lifeline = Lifeline()

    with (
        pytest.raises(SourceUnreachable, match="no answer in time while asking ssh about"),
        lifeline.until(time.monotonic() + 0.3),
    ):
        route(host("app1"), replace(TERMS, ssh_config=planning.path), lifeline)


def test_ssh_is_asked_again_once_a_file_has_changed(planning: Planning) -> None:
    """An answer is kept for a minute, for hundreds of hosts connect at once; but not longer than it is true."""
    assert planning.way("Port 2222\n").goal.port == 2222

    assert planning.way("Port 22222\n").goal.port == 22222


# ---------------------------------------------------------------------------------------------- the whole configuration


def configured(directory: Path, ssh_config: Path, hosts: int = 1) -> Path:
    path = directory / "job_tracker.yml"
    sections = "".join(f"  - {{name: app{n}, hostname: app{n}, message_queue: /q}}\n" for n in range(1, hosts + 1))
    path.write_text(f"global_config: {{time_zone: UTC, ssh_config: {ssh_config}}}\nsource_hosts:\n{sections}jobs: []\n")
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_whole(path)
    return list(caught.value.faults)


def test_a_missing_ssh_config_is_a_fault_of_the_configuration(public: Path) -> None:
    """It was accepted once, and every source that had been reachable was refused a moment later."""
    [fault] = faults(configured(public, public / "none"))

    assert fault == f"global_config: ssh_config {public}/none cannot be read: No such file or directory"


def test_what_cannot_be_followed_is_a_fault_with_the_hosts_it_concerns(planning: Planning) -> None:
    """One wrong line concerns them all, and is said once."""
    planning.path.write_text("Host app2\n BindAddress 10.0.0.1\n")
    [fault] = faults(configured(planning.path.parent, planning.path, hosts=3))
    assert fault.startswith('source_hosts[1] "app2": ssh_config ')

    planning.path.write_text("Host app2\n Foo bar\n")
    [fault] = faults(configured(planning.path.parent, planning.path, hosts=3))
    assert fault.startswith('source_hosts[0] "app1" and 2 more: ssh cannot use the ssh_config: ')


def test_an_ssh_config_that_can_be_followed_is_no_fault(planning: Planning) -> None:
    """And what means nothing to a tracker is no reason to refuse it."""
    planning.path.write_text(
        "Host *\n ServerAliveInterval 5\n ForwardAgent yes\n ControlMaster auto\n Compression yes\n"
    )

    assert len(load_whole(configured(planning.path.parent, planning.path, hosts=2)).sources) == 2
