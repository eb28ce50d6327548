"""Reloading while OpenSSH has to be asked: a real daemon, and an `ssh` that answers when it is told to, or never."""

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Line, Tracker, cyclic, said, wait_until

from job_tracker.config.reading import load
from job_tracker.daemon.candidate import Candidate
from job_tracker.errors import ConfigError

PROMPTLY = 2.5
HOSTS = 20
"""Four are asked at a time, and each is given up after five seconds."""


class Ssh:
    """An `ssh` before the real one; it waits for a writer of its FIFO, if it is told to."""

    def __init__(self, directory: Path) -> None:
        self.fifo, self.asked, self.config = directory / "fifo", directory / "asked", directory / "ssh_config"
        self.waits = directory / "waits"
        os.mkfifo(self.fifo, 0o666)
        self.fifo.chmod(0o666)
        directory.chmod(0o777)  # it is asked as another user than root
        script = directory / "ssh"
        script.write_text(
            f"#!/bin/sh\nif [ -e {self.waits} ]; then : >> {self.asked}; read -r _ < {self.fifo}; fi\n"
            'exec /usr/bin/ssh "$@"\n'
        )
        script.chmod(0o755)
        self.config.write_text("Port 2222\n")

    def change(self) -> None:
        """Change the ssh_config, and answer nobody from now on."""
        self.waits.touch()
        self.config.write_text("Port 22222\n")

    def answer(self) -> None:
        """Let all who wait have their answer, and those who come later."""
        self.waits.unlink()
        os.close(os.open(self.fifo, os.O_RDWR))  # which waits for nobody


@pytest.fixture
def ssh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ssh]:
    if shutil.which("ssh") is None and os.environ.get("CI") != "true":
        pytest.skip("missing system packages: openssh-client")
    directory = Path(tempfile.mkdtemp(prefix="job_tracker-reload-"))
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    yield Ssh(directory)
    shutil.rmtree(directory)


class WithHosts(Tracker):
    """A tracker with sources over SSH beside those on this host; nobody listens where they lead."""

    def configure(self, **settings: object) -> None:
        super().configure(**settings)
        tree = json.loads(self.config.read_text())
        far: list[Line] = [{"name": f"far{n}", "hostname": "127.0.0.1", "message_queue": "/q"} for n in range(HOSTS)]
        tree["source_hosts"] += far
        self.config.write_text(json.dumps(tree))


@pytest.fixture
def tracker(tmp_path: Path, ssh: Ssh) -> Iterator[WithHosts]:
    made = WithHosts(tmp_path, cyclic("LOAD"), ssh_config=str(ssh.config))
    yield made
    made.close()


def test_work_goes_on_while_ssh_is_asked_about_the_hosts_of_a_reload(tracker: WithHosts, ssh: Ssh) -> None:
    """For a thousand hosts that takes minutes, in which nobody else would watch; the old promises hold until then."""
    tracker.start(reachable=["app1"])
    ssh.change()
    tracker.jobs = [cyclic("LOAD"), cyclic("NEW")]
    tracker.configure()
    tracker.send(signal.SIGHUP)
    tracker.wait_for_log("reload has begun, ssh is asked about each host")

    tracker.queue.add(said("LOAD", "STARTED"))
    tracker.wait_for("LOAD", "RUNNING")

    assert tracker.reloads() == 0
    assert not tracker.state_file("NEW").exists()


def test_a_stop_waits_for_no_answer_about_a_reload(tracker: WithHosts, ssh: Ssh) -> None:
    """A name server that does not answer must not hold up who shuts a host down."""
    tracker.start(reachable=["app1"])
    ssh.change()
    tracker.send(signal.SIGHUP)
    tracker.wait_for_log("reload has begun, ssh is asked about each host")
    wait_until(ssh.asked.exists, "ssh to be asked")

    assert tracker.stop() < PROMPTLY
    assert tracker.reloads() == 0


def test_a_start_waits_for_no_ssh(tracker: WithHosts, ssh: Ssh) -> None:
    """Whom ssh knows nothing of is one source; the others, and the state files, are there at once."""
    ssh.change()

    tracker.start(reachable=["app1"])

    assert tracker.state("LOAD") == "NEVER_RAN"


def test_a_reload_asked_for_while_another_is_under_way_follows_it(tracker: WithHosts, ssh: Ssh) -> None:
    """Its file may be another one: none of the two is lost."""
    tracker.start(reachable=["app1"])
    ssh.change()
    tracker.send(signal.SIGHUP)
    tracker.wait_for_log("reload has begun, ssh is asked about each host")
    tracker.jobs = [cyclic("LOAD"), cyclic("NEW")]
    tracker.configure()
    tracker.send(signal.SIGHUP)

    ssh.answer()
    tracker.wait_for("NEW", "NEVER_RAN")

    wait_until(lambda: tracker.reloads() == 2, "both reloads")
    assert tracker.log().count("reload has begun") == 2


def test_a_candidate_is_taken_up_once_the_last_answer_is_there(tracker: WithHosts, ssh: Ssh) -> None:
    """Half an answer is none: a host that cannot be followed refuses all of it."""
    woken = threading.Event()
    ssh.change()
    candidate = Candidate(tracker.config, woken.set)
    wait_until(ssh.asked.exists, "ssh to be asked")
    assert not candidate.is_answered

    ssh.config.write_text("Host 127.0.0.1\n BindAddress 10.0.0.1\n")
    ssh.answer()
    assert woken.wait(60)

    assert candidate.is_answered
    with pytest.raises(ConfigError, match=r"far.*it says bindaddress 10\.0\.0\.1, which this tracker cannot follow"):
        candidate.accepted(in_place_of=load(tracker.config))
