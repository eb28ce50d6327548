"""The deployment, on real hosts from nothing: a tracker host with systemd, one with SysV init, sources of both kinds.

The tests of this module are one story, told in order: what one leaves, the next one begins with.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import bases
import nspawn
import pytest
from deploying import LOCAL_CHECK, Site, changes, job, missing

pytestmark = pytest.mark.hosts

REASON = missing()
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

JOBS = [job("SYSTEMD", "app1"), job("SYSV", "app2"), job("FAILS", "app1"), job("TICK", "app1", "00:00:30")]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, snapshot: Path) -> Iterator[dict[str, Site]]:
    """Two trackers, each with a queue of its own on the same two source hosts."""
    assert not REASON, REASON
    nspawn.down()
    try:
        nspawn.up("em:systemd", "old:sysv", "app1:systemd", "app2:sysv")
        home = tmp_path_factory.mktemp("sites")
        other = {"job_tracker_queue": "/var/lib/jobqueue/queue/queue.sqlite", "job_tracker_queue_owner": "batch"}
        yield {
            "em": Site(snapshot, home, "em", JOBS),
            "old": Site(snapshot, home, "old", JOBS, job_tracker_tasks_dir="", **other),
        }
    finally:
        nspawn.down()


@pytest.fixture(params=["em", "old"])
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    """Each of the two."""
    return sites[request.param]


# -- from nothing ----------------------------------------------------------------------------------------------------


def test_a_dry_run_on_fresh_hosts_announces_and_makes_nothing(sites: dict[str, Site]) -> None:
    """An operator looks before anything is touched."""
    done = sites["em"].play("--check", "--diff")

    assert min(changes(done).values()) > 0
    sites["em"].on("test ! -e /opt/job_tracker && test ! -e /etc/job_tracker && ! id job_tracker 2>/dev/null")
    sites["em"].on("test ! -e /usr/local/lib/job_tracker && ! id oracle 2>/dev/null", host="app1")


def test_a_dry_run_with_a_faulty_configuration_fails(sites: dict[str, Site]) -> None:
    """Also where there is no program yet that could refuse it."""
    done = sites["em"].play("--check", job_tracker_jobs=[{**JOBS[0], "timeout_in_hh:mm:ss": "1:75:00"}])

    assert done.returncode != 0
    assert "1:75:00" in done.stdout


def test_the_playbook_sets_everything_up(site: Site) -> None:
    """From nothing to a green service, on both inits."""
    assert changes(site.play())[site.tracker] > 10

    site.until_green()
    site.on("grep -q 'job_tracker explain' /usr/local/share/man/man1/job_tracker.1")
    site.on("grep -q complete_bash /usr/local/share/bash-completion/completions/job_tracker")


def test_a_second_run_changes_nothing(site: Site) -> None:
    """Neither really nor as a dry run says it would."""
    assert set(changes(site.play("--check", "--diff")).values()) == {0}
    assert set(changes(site.play()).values()) == {0}


def test_the_unit_is_hardened(sites: dict[str, Site]) -> None:
    """systemd's own verdict, 0 to 10."""
    said = sites["em"].on("systemd-analyze security job_tracker --no-pager")

    assert float(re.findall(r"Overall exposure level for job_tracker.service: ([0-9.]+)", said)[0]) <= 1.5


def test_nothing_is_readable_by_others(site: Site) -> None:
    """The key, the store, the configuration, the run directory: for the daemon and its group."""
    for path in ("/run/job_tracker/job_tracker.services", "/var/lib/job_tracker/.ssh/id_ed25519"):
        site.on(f"runuser -u nobody -- test -r {path}", code=1)
    for path in (
        "/etc/job_tracker/job_tracker.cfg",
        "/var/lib/job_tracker/job_tracker.sqlite",
        "/var/log/job_tracker.log",
    ):
        site.on(f"runuser -u nobody -- test -r {path}", code=1)
    assert site.on("ps -o user= -C job_tracker").split()[0].startswith("job_tra")
    site.on(f"runuser -u nobody -- test -r {site.queue}", host="app1", code=1)


def test_the_trackers_key_opens_nothing_but_the_queue(site: Site) -> None:
    """Whatever it asks for, it gets the drain protocol, and no forwarding."""
    key = "-i /var/lib/job_tracker/.ssh/id_ed25519 -o UserKnownHostsFile=/var/lib/job_tracker/.ssh/known_hosts"
    said = site.on(f"echo | ssh -o BatchMode=yes {key} {site.owner}@app1 'id; cat /etc/passwd' 2>&1", code=None)

    assert "uid=" not in said
    assert "root:" not in said
    assert '"protocol"' in said


# -- the service -----------------------------------------------------------------------------------------------------


def test_the_service_verbs(site: Site) -> None:
    """LSB's exit codes, by the command an operator knows."""
    for verb, code in [("start", 0), ("status", 0), ("reload", 0), ("restart", 0), ("stop", 0), ("status", 3)]:
        site.on(f"service job_tracker {verb}", code=code)
    site.on("service job_tracker start")
    site.on("service job_tracker status")
    site.until_green()


def test_a_faulty_reload_is_refused(site: Site) -> None:
    """It fails, says why, and the old configuration stays."""
    config = "/etc/job_tracker/job_tracker.cfg"
    site.on(f"cp -p {config} /root/kept && sed 's/01:00:00/1:75:00/' /root/kept >{config}")

    failed = nspawn.ssh(site.tracker, "service job_tracker reload")

    assert failed.returncode != 0
    site.on(f"cp -p /root/kept {config} && service job_tracker reload && service job_tracker status")
    assert re.match("0 job_tracker ", site.on(LOCAL_CHECK))


def test_a_start_that_fails_says_why(sites: dict[str, Site]) -> None:
    """On the terminal, where the init script was called."""
    old = sites["old"]
    old.on("service job_tracker stop && mv /etc/job_tracker/job_tracker.cfg /root/kept")

    failed = nspawn.ssh("old", "service job_tracker start")

    assert failed.returncode != 0
    assert "cannot be read" in failed.stdout + failed.stderr
    old.on("mv /root/kept /etc/job_tracker/job_tracker.cfg && service job_tracker start")


# -- jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_become_states(site: Site) -> None:
    """From message-queue.py run on a source host to the line of a service."""
    site.until_green()
    site.report("SYSTEMD", "true", host="app1")
    site.report("SYSV", "true", host="app2")
    site.report("FAILS", "false", host="app1")

    site.until_state("SYSTEMD", r"0 job_SYSTEMD__P - NOT_RUNNING since ")
    site.until_state("SYSV", r"0 job_SYSV__P - NOT_RUNNING since ")
    site.until_state("FAILS", r"2 job_FAILS__P - ERROR since .*1 of 1 error")
    assert "\n2 job_FAILS__P - ERROR since " in site.on(LOCAL_CHECK)


# -- what can happen -------------------------------------------------------------------------------------------------


def test_dead_or_hung_nothing_stays_green(sites: dict[str, Site]) -> None:
    """On SysV: red after a minute, dead, and it can be started.  On systemd: its watchdog restarts it."""
    em, old = sites["em"], sites["old"]
    hung = em.on("systemctl show -p MainPID --value job_tracker").strip()
    em.on(f"kill -STOP {hung}")
    old.on("kill -STOP $(cat /run/job_tracker.pid)")

    bases.until("red on SysV", lambda: is_red(old), 90)
    old.on("kill -9 $(cat /run/job_tracker.pid)")
    old.on("service job_tracker status", code=1)
    assert is_red(old)
    old.on("service job_tracker start")
    old.until_green()
    bases.until(
        "another process on systemd",
        lambda: em.on("systemctl show -p MainPID --value job_tracker", code=None).strip() not in ("0", "", hung),
        200,
    )
    em.until_green()


def is_red(site: Site) -> bool:
    """Whether the local check tells of a daemon that is not at work, and of nothing that is well."""
    said = site.on(LOCAL_CHECK, code=None)
    return said.startswith("2 job_tracker ") and not re.search("^[01] ", said, re.MULTILINE)


def test_after_a_boot_without_the_daemon_nothing_is_green(site: Site) -> None:
    """What it left before the boot is gone, and what is missing is said."""
    on_systemd = site.tracker == "em"
    site.on("systemctl disable job_tracker" if on_systemd else "update-rc.d job_tracker disable")
    nspawn.reboot(site.tracker)

    assert is_red(site), site.on(LOCAL_CHECK)
    site.on("service job_tracker status", code=3)
    site.on("systemctl enable job_tracker" if on_systemd else "update-rc.d job_tracker enable")
    site.on("service job_tracker start")
    site.until_green()


def has_another_pid(em: Site, before: str) -> bool:
    return em.on("systemctl show -p MainPID --value job_tracker").strip() not in ("0", before)


def test_systemd_restarts_what_was_killed(sites: dict[str, Site]) -> None:
    """As often as it takes."""
    em = sites["em"]
    for _ in range(6):
        before = em.on("systemctl show -p MainPID --value job_tracker").strip()
        em.on(f"kill -9 {before}")
        bases.until(
            "another process",
            partial(has_another_pid, em, before),
        )
    em.until_green()


def test_a_reboot_of_the_tracker_host_loses_nothing(site: Site) -> None:
    """What was reported meanwhile is counted, the classic paths are there, and nobody started anything."""
    before = site.runs("SYSTEMD")
    nspawn.ssh(site.tracker, "service job_tracker stop")
    site.report("SYSTEMD", "true", host="app1")
    nspawn.reboot(site.tracker)

    site.until_green()

    bases.until("the run is counted", lambda: site.runs("SYSTEMD") == before + 1)
    assert site.state("SYSTEMD").startswith("0 job_SYSTEMD__P - NOT_RUNNING")


def test_a_power_cut_of_a_source_host_loses_nothing(sites: dict[str, Site]) -> None:
    """What add had returned is there, and is drained when the host is back."""
    em = sites["em"]
    before = em.runs("SYSTEMD")
    em.on("service job_tracker stop")
    for _ in range(3):
        em.report("SYSTEMD", "true", host="app1")

    nspawn.Host("app1").cut_power()
    em.on("service job_tracker start")
    bases.until("the source is lost", lambda: "job_source_app1 - reachable" not in em.on(LOCAL_CHECK, code=None), 120)
    nspawn.up("app1")

    em.until_green()
    bases.until("all are counted", lambda: em.runs("SYSTEMD") == before + 3)


def test_a_link_cut_over_a_deadline_is_no_missed_start(sites: dict[str, Site]) -> None:
    """Until it is healed nobody can tell; then it is known that the job ran in time."""
    em = sites["em"]
    em.report("TICK", "true", host="app1")
    em.until_state("TICK", "0 job_TICK__P - NOT_RUNNING")

    nspawn.cut("app1")
    try:
        em.report("TICK", "true", host="app1", inside=True)
        em.until_state("TICK", "3 job_TICK__P - .*app1", 120)
    finally:
        nspawn.heal("app1")

    em.until_green()
    em.until_state("TICK", "[02] job_TICK__P - (NOT_RUNNING|DELAYED)", 120)
    assert em.runs("TICK") == 2


# -- upgrade, rollback, uninstall ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, snapshot: Path) -> Path:
    """A copy of the sources, to be changed."""
    path = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(snapshot / name, path)
    for name in ("job_tracker", "deploy"):
        shutil.copytree(snapshot / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return path


def wheelhouse_of(copy: Path, path: str, old: str, new: str) -> str:
    """The wheelhouse of a copy in which something was changed."""
    file = copy / path
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new, 1))
    target = copy / f"wheelhouse-{path.replace('/', '_')}"
    subprocess.run([sys.executable, "deploy/wheelhouse.py", target], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    return str(target)


def test_an_upgrade_that_does_not_start_leaves_the_old_version_running(site: Site, copy: Path) -> None:
    """The play fails and says so; the monitoring goes on."""
    release = site.on("readlink /opt/job_tracker/current")
    begins = "    config = load_whole(config_path, each_host=False)\n"
    file = copy / "job_tracker" / "daemon" / "starting.py"
    before = file.read_text()

    broken = wheelhouse_of(copy, "job_tracker/daemon/starting.py", begins, '    raise RuntimeError("broken")\n')
    file.write_text(before)
    done = site.play(job_tracker_wheelhouse=broken)

    assert done.returncode != 0
    assert "does not start" in done.stdout
    assert site.on("readlink /opt/job_tracker/current") == release
    site.on("service job_tracker status")
    site.until_green()


def test_an_upgrade_keeps_what_is_known_and_can_be_taken_back(site: Site, copy: Path) -> None:
    """Store and history stay, both ways."""
    release = site.on("basename $(readlink /opt/job_tracker/current)").strip()
    known = site.runs("SYSTEMD")
    init = copy / "job_tracker" / "__init__.py"
    before = init.read_text()
    number = re.findall(r'__version__ = "([^"]+)"', before)[0]

    changes(site.play(job_tracker_wheelhouse=wheelhouse_of(copy, "job_tracker/__init__.py", number, f"{number}.post1")))
    upgraded = site.on("/usr/local/bin/job_tracker --version")
    site.until_green()
    known_after = site.runs("SYSTEMD")
    changes(site.play(job_tracker_release=release))

    init.write_text(before)
    assert upgraded == f"job_tracker {number}.post1\n"
    assert site.on("/usr/local/bin/job_tracker --version") == f"job_tracker {number}\n"
    site.until_green()
    assert known <= known_after <= site.runs("SYSTEMD")


def test_a_tracker_that_lost_its_store_takes_its_queues_over(sites: dict[str, Site]) -> None:
    """Its queues refuse it and say by what to end that; what waited in them is then counted, and counted once."""
    site = sites["em"]
    site.on("service job_tracker stop && rm /var/lib/job_tracker/job_tracker.sqlite*")
    site.report("SYSTEMD", "true", host="app1")
    site.on("service job_tracker start")
    bases.until(
        "it is refused", lambda: re.search("job_source_app1 - .*take-over", site.on(LOCAL_CHECK, code=None)), 90
    )

    site.on("runuser -u job_tracker -- job_tracker take-over --all --yes")

    site.until_green()
    bases.until("the run is counted", lambda: site.runs("SYSTEMD") == 1, 90)


def test_the_second_choice_is_root_and_var_run(site: Site) -> None:
    """The state files themselves at the classic paths, and the same services."""
    second = {"job_tracker_user": "root", "job_tracker_run_dir": "/var/run"}

    changes(site.play(**second))

    site.until_green()
    assert site.on("ps -o user= -C job_tracker").split() == ["root"]
    site.on("test -f /var/run/job_tracker.SYSTEMD__P.state -a ! -L /var/run/job_tracker.SYSTEMD__P.state")
    assert set(changes(site.play(**second)).values()) == {0}


def test_an_uninstall_leaves_queues_and_store_and_nothing_else(site: Site) -> None:
    """And with job_tracker_remove_data not even those."""
    changes(site.play(job_tracker_state="absent"))

    elsewhere = " ".join(
        f"-not -path '{each}*'" for each in ("/proc/", "/sys/", "/root/", "/var/log/", "/var/lib/job_")
    )
    left = f"find / -xdev -name '*job_tracker*' {elsewhere}"
    assert site.on(left) == ""
    site.on("test -s /var/lib/job_tracker/job_tracker.sqlite")
    site.on(f"test -s {site.queue}", host="app1")
    site.on(f"! grep -q job_tracker ~{site.owner}/.ssh/authorized_keys", host="app1")
    assert set(changes(site.play(job_tracker_state="absent")).values()) == {0}

    changes(site.play(job_tracker_state="absent", job_tracker_remove_data=True))

    site.on("test ! -e /var/lib/job_tracker && test ! -e /var/log/job_tracker && ! id job_tracker 2>/dev/null")
    site.on(f"test ! -e {Path(site.queue).parent}", host="app1")
