"""The way of events, deployed on real hosts from nothing: a source, a tracker, a monitoring server with a site.

The tests of this module are one story, told in order: what one leaves, the next one begins with.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import bases
import nspawn
import pytest
from deploying import Site, changes, job, missing

pytestmark = pytest.mark.hosts

REASON = missing()
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

JOBS = [job(name, "app1") for name in ("FAILS", "WAITS", "TURNS", "BY_TCP")]
ZONE = ZoneInfo(JOBS[0]["time_zone"])
HOME = "/omd/sites/prod"
PIPE = f"{HOME}/tmp/run/mkeventd/events"
RUN_DIR = "750 job_tracker job_tracker_status\n"
HEARTBEAT = re.compile(rb"<133>@\d{10} em job_tracker: alive: 4 jobs, 1 sources, \d+ notifications waiting\n")
KEY = "/var/lib/job_tracker/.ssh/events_ed25519"

CONSOLE = '''\
"""What the Event Console does with its ways in: read to the end, keep what came.  Opened as mkeventd opens them."""
import os, socket, sys

kind, where, path = sys.argv[1:]
with open(path, "ab", buffering=0) as kept:
    if kind == "pipe":
        pipe = os.open(where, os.O_RDWR)  # never at its end, whoever closes it
        while True:
            kept.write(os.read(pipe, 65536))
    server = socket.create_server(("", int(where)))
    while True:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(4096):
                kept.write(data)
'''


class Console:
    """The monitoring server's side, as far as a site makes it: its user, its pipe, and who reads there."""

    def __init__(self) -> None:
        self.home = nspawn.Host("mon").root / HOME.lstrip("/")

    def make(self) -> None:
        """A site as omd makes it: what is in its home is for its group alone."""
        self.run(f"groupadd -r prod && useradd -r -g prod -d {HOME} prod && install -d -o prod -g prod -m 750 {HOME}")
        self.run(f"runuser -u prod -- install -d -m 750 {HOME}/tmp/run/mkeventd && mkfifo -m 660 {PIPE}")
        self.run(f"chown prod:prod {PIPE}")
        (self.home.parents[2] / "usr/local/lib/console.py").write_text(CONSOLE)

    def run(self, command: str) -> str:
        """A command there, as root."""
        done = nspawn.ssh("mon", command)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def begin(self, kind: str, where: str, user: str = "prod") -> None:
        """Begin to read one of the ways in."""
        words = f"python3 /usr/local/lib/console.py {kind} {where} {HOME}/{kind}"
        self.run(f"systemd-run --quiet --unit=console-{kind} --uid={user} {words}")

    def end(self, kind: str) -> None:
        """Read no more."""
        self.run(f"systemctl stop console-{kind}")

    def came(self, kind: str = "pipe") -> list[bytes]:
        """The lines that came one way, but heartbeats."""
        path = self.home / kind
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [line for line in lines if not HEARTBEAT.fullmatch(line)]

    def until(self, line: bytes, kind: str = "pipe") -> None:
        """Wait until the newest line is this one."""
        try:
            bases.until("the event arrives", lambda: self.came(kind)[-1:] == [line], 90)
        except TimeoutError:
            raise AssertionError((line, self.came(kind))) from None


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    """The hosts; the source's owner is somebody who was there before."""
    assert not REASON, REASON
    nspawn.down()
    try:
        nspawn.up("em:systemd", "app1:sysv", "mon:systemd")
        nspawn.ssh("app1", "useradd -m -s /bin/bash oracle")
        made = Console()
        made.make()
        made.begin("pipe", PIPE)
        yield made
    finally:
        nspawn.down()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, snapshot: Path, console: Console) -> Site:
    """The two variables that turn events on, and a heartbeat."""
    variables = {"job_tracker_monitoring_backend": "status,event", "job_tracker_checkmk_site": "prod"}
    home = tmp_path_factory.mktemp("sites")
    everything = {**variables, "job_tracker_heartbeat_interval": 5}
    return Site(snapshot, home, "em", JOBS, sources=["app1"], monitoring=["mon"], **everything)


def say(site: Site, name: str, event: str, at: int, text: str = "") -> None:
    """Let a job on the source host report, as its owner."""
    tool = f"python3 /usr/local/lib/job_tracker/message-queue.py -f {site.queue} add --instance P --job {name}"
    site.on(f"runuser -u oracle -- {tool} --event {event} --timestamp {at} --message '{text}'", host="app1")


def fail(site: Site, name: str) -> tuple[int, bytes]:
    """Let a job fail, ten seconds after its start; when it began, and the line that has to arrive."""
    began = int(time.time()) - 12
    say(site, name, "STARTED", began)
    say(site, name, "ERROR", began + 10, "ORA-01555: zu alt, 20 €")
    text = (
        f"ERROR since {clock(began + 10)} (1 of 1 errors): ORA-01555: zu alt, 20 €;"
        f" last runs: {clock(began)} badly after 00:00:10"
    )
    return began, f"<130>@{began + 10} em job_{name}__P: {text}\n".encode()


def recover(site: Site, name: str, began: int) -> bytes:
    """Let it succeed after all, eleven seconds after its start; the line that has to arrive."""
    say(site, name, "SUCCESS", began + 11)
    text = (
        f"NOT_RUNNING since {clock(began + 11)}: last run took 00:00:11, next start expected by {clock(began + 3605)}"
    )
    return f"<133>@{began + 11} em job_{name}__P: {text}\n".encode()


def clock(moment: int) -> str:
    """A moment as the job's texts have it."""
    return f"{datetime.fromtimestamp(moment, ZONE):%Y-%m-%d %H:%M:%S}"


def waiting(site: Site) -> dict[str, str]:
    """What has not been delivered, and why."""
    answer = json.loads(site.on("job_tracker notifications --json"))
    return {each["subject"]: each["reason"] for each in answer["notifications"]}


# -- from nothing ----------------------------------------------------------------------------------------------------


def test_a_dry_run_on_fresh_hosts_announces_and_makes_nothing(site: Site) -> None:
    """The monitoring server is somebody else's, who wants to know beforehand."""
    made = changes(site.play("--check", "--diff"))

    assert min(made[host] for host in ("em", "app1", "mon")) > 0
    site.on("test ! -e /etc/job_tracker && test ! -e /usr/local/lib/job_tracker")
    site.on("test ! -e /usr/local/lib/job_tracker && test ! -e /var/lib/jobevents && ! id jobevents", host="mon")


def test_a_site_that_is_not_there_is_said_before_anything_is_touched(site: Site) -> None:
    """A misspelled name would make a user who can write nowhere."""
    done = site.play("-l", "mon", job_tracker_checkmk_site="produ")

    assert done.returncode != 0
    assert "there has to be a group produ" in done.stdout
    site.on("test ! -e /usr/local/lib/job_tracker && ! id jobevents", host="mon")


def test_without_events_the_monitoring_server_is_left_alone(site: Site) -> None:
    """Not even connected to: it may be out of reach for whoever deploys."""
    nspawn.cut("mon")
    try:
        made = changes(site.play("-l", "mon", job_tracker_monitoring_backend="status"))
    finally:
        nspawn.heal("mon")

    assert not any(made.values())


def test_the_playbook_sets_the_way_of_events_up(site: Site) -> None:
    """With the two variables of the document."""
    made = changes(site.play())

    assert min(made[host] for host in ("em", "app1", "mon")) > 0
    site.until_green()


def test_a_second_run_changes_nothing(site: Site) -> None:
    """Neither really nor as a dry run says it would."""
    assert set(changes(site.play("--check", "--diff")).values()) == {0}
    assert set(changes(site.play()).values()) == {0}


def test_an_owner_who_was_there_keeps_his_shell(site: Site) -> None:
    """He is made a member of the group, and nothing else of him is changed."""
    entry, groups = site.on("getent passwd oracle && id -nG oracle", host="app1").splitlines()

    assert entry.endswith(":/bin/bash")
    assert "jobqueue" in groups.split()


# -- events ----------------------------------------------------------------------------------------------------------


def test_a_failure_and_its_recovery_arrive_by_ssh(site: Site, console: Console) -> None:
    """Byte for byte, from the job on its host to the pipe of the Event Console; and the beat of the heart."""
    began, line = fail(site, "FAILS")
    console.until(line)
    console.until(recover(site, "FAILS", began))

    assert len(console.came()) == 2
    bases.until("nothing waits", lambda: waiting(site) == {})
    bases.until("a heartbeat", lambda: HEARTBEAT.search((console.home / "pipe").read_bytes()))


def test_an_operator_can_try_it(site: Site, console: Console) -> None:
    """As the document says: the command in the PATH, as the daemon's user."""
    site.on("runuser -u job_tracker -- send-notification.py event --test --application job_TEST")

    bases.until("the test arrives", lambda: console.came()[-1:])
    assert re.fullmatch(rb"<130>@\d{10} em job_TEST: \[TEST\] .*\n", console.came()[-1])


# What the key is tried with, and what then has to be said; the forced command reads an empty stdin, and wants an event.
NO_EVENT = "is not one event line"
ATTEMPTS = {
    "a command": ("ssh {options} {there} 'id; cat /etc/passwd'", NO_EVENT),
    "a shell with a terminal": ("ssh -tt {options} {there}", "PTY allocation request failed"),
    "sftp": ("sftp {options} {there}", "Connection closed"),
    "scp": ("scp {options} {there}:/etc/passwd /tmp/taken", "Connection closed"),
    "local forwarding": ("ssh -W 127.0.0.1:22 {options} {there}", "administratively prohibited"),
    "remote forwarding": (
        "ssh -N -R 2222:127.0.0.1:22 -o ExitOnForwardFailure=yes {options} {there}",
        "remote port forwarding failed",
    ),
    "another target": ("ssh {options} {there} receive --to pipe:/tmp/x", NO_EVENT),
    "two events": (
        "printf '<130>@1763950447;0 h a: x\\n<130>@1763950447;0 h a: y\\n' | ssh {options} {there}",
        NO_EVENT,
    ),
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_the_key_can_do_nothing_else(site: Site, console: Console, what: str) -> None:
    """Whoever steals it can send events, and that is all."""
    before = console.came()
    command, said = ATTEMPTS[what]
    options = f"-i {KEY} -o UserKnownHostsFile=/var/lib/job_tracker/.ssh/known_hosts -o BatchMode=yes"

    feed = "" if command.startswith("printf") else " </dev/null"
    done = nspawn.ssh("em", f"timeout 20 {command.format(options=options, there='jobevents@mon')}{feed}")

    assert done.returncode not in (0, 124)
    assert said in done.stderr, done.stderr
    assert "uid=" not in done.stdout
    assert "root:" not in done.stdout
    assert "SSH-2.0" not in done.stdout
    assert console.came() == before


def test_a_key_without_restrictions_could(console: Console) -> None:
    """So that it is the restriction that forbids, and not the server as such."""
    words = ["ssh", "-F", str(nspawn.SSH_CONFIG), "-W", "127.0.0.1:22", "mon"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.startswith("SSH-2.0")
    assert "uid=0" in console.run("id")


def test_files_belong_to_whom_they_should(site: Site) -> None:
    """The key to the daemon alone; what limits the key to root, out of the reach of whom it lets in."""
    site.on(f"runuser -u nobody -- test -r {KEY}", code=1)
    assert site.on("stat -c '%a %U %G' /etc/job_tracker/send-notification.cfg") == "640 root job_tracker\n"
    assert site.on(f"stat -c '%a %U' {KEY}") == "600 job_tracker\n"
    site.on("service job_tracker reload")
    bases.until("readers may", lambda: site.on("stat -c '%a %U %G' /run/job_tracker") == RUN_DIR)
    site.on(f"test ! -e {KEY}", host="mon")
    for path in ("/var/lib/jobevents", "/var/lib/jobevents/.ssh", "/var/lib/jobevents/.ssh/authorized_keys"):
        site.on(f"runuser -u jobevents -- test -r {path} -a ! -w {path}", host="mon")
        site.on(f"runuser -u nobody -- test -r {path}", host="mon", code=1)
    tool = "/usr/local/lib/job_tracker/send-notification.py"
    assert site.on(f"stat -c '%a %U' {tool}", host="mon") == "755 root\n"


def test_while_nobody_reads_an_event_waits_and_arrives_when_somebody_does(site: Site, console: Console) -> None:
    """The Event Console is restarted for an update, and a job fails meanwhile."""
    console.end("pipe")
    _, line = fail(site, "WAITS")
    bases.until("it waits", lambda: "WAITS__P" in waiting(site))
    bases.until("the reason is known", lambda: "nobody reads it" in waiting(site)["WAITS__P"])
    kept = console.came()

    console.begin("pipe", PIPE)

    console.until(line)
    assert console.came() == [*kept, line]
    bases.until("nothing waits", lambda: waiting(site) == {})


def test_where_the_first_way_is_blocked_the_second_is_taken(site: Site, console: Console) -> None:
    """ssh, then tcp, as the variable has them; and ssh again as soon as that is possible."""
    targets = ["ssh://jobevents@mon", "tcp://mon:514"]
    console.begin("tcp", "514", user="root")
    made = changes(site.play("-t", "event_console", job_tracker_event_targets=targets))
    console.end("pipe")
    kept = console.came()

    began, line = fail(site, "TURNS")
    console.until(line, "tcp")
    console.begin("pipe", PIPE)
    console.until(recover(site, "TURNS", began))

    assert made["em"] == 1
    assert made["mon"] == made["app1"] == 0
    assert console.came("tcp") == [line]
    assert len(console.came()) == len(kept) + 1


def test_by_tcp_alone_nothing_is_needed_but_the_target(site: Site, console: Console) -> None:
    """The same lines, another way."""
    changes(site.play("-t", "event_console", job_tracker_event_targets=["tcp://mon:514"]))

    began, line = fail(site, "BY_TCP")
    console.until(line, "tcp")
    console.until(recover(site, "BY_TCP", began), "tcp")

    assert "ssh" not in site.on("cat /etc/job_tracker/send-notification.cfg")


def test_source_hosts_get_targets_of_their_own_where_they_are_named(site: Site, console: Console) -> None:
    """For scripts there that have something to say; they have no key of the tracker's."""
    changes(site.play("-t", "source_host", job_tracker_source_event_targets=["tcp://mon:514"]))

    tool = "/usr/local/lib/job_tracker/send-notification.py"
    site.on(f"runuser -u oracle -- {tool} event -m full --status 1 --application DISK --at 1763950447", host="app1")

    console.until(b"<132>@1763950447 app1 DISK: full\n", "tcp")


def test_an_uninstall_leaves_nothing_on_the_monitoring_server(site: Site, console: Console) -> None:
    """Its site as it was, and nobody whom a key lets in."""
    everywhere = {"job_tracker_state": "absent", "job_tracker_source_event_targets": ["tcp://mon:514"]}
    changes(site.play(**everywhere))

    assert console.run("find / -xdev '(' -name '*job_tracker*' -o -name '*jobevents*' ')' -not -path '/proc/*'") == ""
    console.run("! getent passwd jobevents && ! getent group jobevents && ! grep jobevents /etc/group")
    console.run(f"test -p {PIPE}")
    site.on("test ! -e /usr/local/bin/send-notification.py && test ! -e /etc/job_tracker")
    site.on("test ! -e /etc/job_tracker", host="app1")
    assert set(changes(site.play(**everywhere)).values()) == {0}
