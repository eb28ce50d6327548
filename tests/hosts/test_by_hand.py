"""Installing without Ansible: the commands of docs/by-hand.md as they stand there, on fresh hosts of both inits.

The tests of this module are one story for each init, told in order: what one leaves, the next one begins with.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import bases
import nspawn
import pytest
from deploying import LOCAL_CHECK, Site, changes, job, missing

pytestmark = pytest.mark.hosts

REASON = missing()
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs" / "by-hand.md").read_text(encoding="utf-8"))
"""For whom, and the commands, in the page's order."""
TRACKER, SOURCE = "em", "app1"
BROUGHT = "root/job_tracker"


@pytest.fixture(scope="module", params=["systemd", "sysv"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, snapshot: Path) -> Iterator[Site]:
    """A tracker host, to which the wheelhouse was brought, and a source host; the playbook has not seen them."""
    assert not REASON, REASON
    nspawn.down()
    try:
        nspawn.up(f"{TRACKER}:{request.param}", f"{SOURCE}:systemd")
        place = nspawn.Host(TRACKER).root / BROUGHT
        shutil.copytree(snapshot / "dist" / "wheelhouse", place / "wheelhouse")
        shutil.copytree(snapshot / "init.d", place / "init.d")
        shutil.copy(ROOT / "examples" / "job_tracker.service", place)
        (nspawn.Host(SOURCE).root / BROUGHT).mkdir()
        shutil.copy(snapshot / "job_tracker/onhost/message-queue.py", nspawn.Host(SOURCE).root / BROUGHT)
        jobs = [{**job("BACKUP", SOURCE), "time_zone": "UTC"}]
        home = tmp_path_factory.mktemp("by_hand")
        yield Site(snapshot, home, TRACKER, jobs, sources=[SOURCE], job_tracker_tasks_dir="")
    finally:
        nspawn.down()


@pytest.fixture
def init(site: Site) -> str:
    """What the tracker host boots with."""
    return nspawn.Host(site.tracker).kind


def follow(site: Site, *readers: str) -> str:
    """Do what the page tells these readers, in its order, each block in a shell of its own; what was printed."""
    said = ""
    for reader, commands in BLOCKS:
        if reader in readers:
            host = SOURCE if reader in ("source", "report", "source-away") else TRACKER
            done = nspawn.ssh(host, "sh -eu", text=commands)
            assert done.returncode == 0, (commands, done.stdout, done.stderr)
            said += done.stdout
            hand_over()
    return said


def hand_over() -> None:
    """Bring each host the public key of the other, as soon as there is one."""
    tracker, source = nspawn.Host(TRACKER).root, nspawn.Host(SOURCE).root
    for key, goal in (
        (tracker / "var/lib/job_tracker/.ssh/id_ed25519.pub", source / BROUGHT / "tracker.pub"),
        (source / "etc/ssh/ssh_host_ed25519_key.pub", tracker / BROUGHT / "app1.pub"),
    ):
        if key.exists() and goal.parent.exists():
            shutil.copy(key, goal)


def test_the_page_sets_everything_up(site: Site, init: str) -> None:
    """From nothing to a tracker that reaches its source, with what was brought and nothing else."""
    assert site.on("ip route show default") == ""

    said = follow(site, "tracker", "source", init, "tracker-at-last")

    assert re.search("app1.* works", said), said
    bases.until("all is green", lambda: is_green(site))
    assert "\n0 job_BACKUP__P - NEVER_RAN " in site.on(LOCAL_CHECK)


def is_green(site: Site) -> bool:
    """Whether the daemon is at work and reaches its source."""
    return bool(re.match("(?ms)0 job_tracker .*^0 job_source_app1 - reachable", site.on(LOCAL_CHECK, code=None)))


def test_what_it_makes_is_closed_to_others(site: Site) -> None:
    """The key, the store, the configuration, the log, the queue: by the modes of the page."""
    for path in ("etc/job_tracker/job_tracker.cfg", "var/lib/job_tracker", "var/log/job_tracker", "run/job_tracker"):
        site.on(f"test -e /{path} && ! runuser -u nobody -- test -r /{path}")
    site.on("runuser -u nobody -- test -r /home/oracle/oem-status-check/status", host=SOURCE, code=1)
    assert site.on("ps -o user= -C job_tracker").split()[0].startswith("job_tra")


def test_a_report_arrives(site: Site) -> None:
    """By the command that the page puts before a job's."""
    follow(site, "report")

    bases.until("the run is counted", lambda: runs(site) == 1)


def runs(site: Site) -> int:
    """How many runs of the page's job the tracker knows."""
    return sum(each["what"] == "run" for each in json.loads(site.on("job_tracker history BACKUP --json"))["history"])


def test_it_comes_back_by_itself_after_a_boot(site: Site) -> None:
    """With what it knew, and with the links at the classic paths."""
    nspawn.reboot(TRACKER)

    bases.until("all is green", lambda: is_green(site))
    site.on("service job_tracker status && test -e /var/run/job_tracker.BACKUP__P.state")
    assert runs(site) == 1


def test_the_playbook_can_take_over(site: Site) -> None:
    """The same users, paths and modes: it finds what it would have made, and history goes on."""
    changes(site.play())

    site.until_green()
    assert runs(site) == 1
    site.report("BACKUP", "true", host=SOURCE)
    bases.until("the next run is counted", lambda: runs(site) == 2)


def test_the_page_takes_everything_away(site: Site, init: str) -> None:
    """Program, users, keys and what is known; the sources' accounts stay."""
    follow(site, f"{init}-away", "tracker-away", "source-away")

    left = "find / -xdev -name '*job_tracker*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/root/.ansible/*'"
    assert site.on(left) == ""
    site.on("! getent passwd job_tracker")
    assert site.on(f"{left} -o -name message-queue.py", host=SOURCE) == ""
