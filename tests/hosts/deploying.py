"""Deploying: what the tests of whole hosts have in common, the playbook and the verbs of those who look at its work."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import bases
import nspawn

from job_tracker.config.zones import PLACES_AHEAD

LOCAL_CHECK = "sh /usr/lib/check_mk_agent/local/job_tracker"
RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


def missing() -> str:
    """What keeps this machine from deploying; empty if nothing does."""
    ansible = shutil.which("ansible-playbook", path=Path(sys.executable).parent)
    return bases.missing() or ("" if ansible else "no Ansible")


def job(name: str, source: str, interval: str = "01:00:00") -> dict[str, Any]:
    """A cyclic job as configured."""
    return {
        "name": name,
        "env": "P",
        "source_host": source,
        "cyclic_or_daily": "cyclic",
        "cyclic_interval_in_hh:mm:ss": interval,
        "timeout_in_hh:mm:ss": "00:10:00",
        "time_zone": where_it_is_noon(),
    }


def where_it_is_noon() -> str:
    """A zone whose clock is far from the quiet window of the configuration."""
    places = ("UTC", *PLACES_AHEAD.values())
    return min(places, key=lambda place: abs(12 - datetime.now(ZoneInfo(place)).hour))


class Site:
    """A tracker host with its sources and their queue, and perhaps a monitoring server, deployed by the playbook."""

    def __init__(
        self,
        snapshot: Path,
        home: Path,
        tracker: str,
        jobs: Sequence[Mapping[str, Any]],
        *,
        sources: Sequence[str] = ("app1", "app2"),
        monitoring: Sequence[str] = (),
        **variables: object,
    ) -> None:
        self.tracker, self.home, self.snapshot, self.sources = tracker, home, snapshot, sources
        self.queue = str(variables.get("job_tracker_queue", "/home/oracle/oem-status-check/status/msg-queue.sqlite"))
        self.owner = str(variables.get("job_tracker_queue_owner", "oracle"))
        self.inventory = home / f"{tracker}.json"
        connection = {
            "ansible_user": "root",
            "ansible_ssh_common_args": f"-F {nspawn.SSH_CONFIG}",
            "ansible_control_path_dir": str(nspawn.SOCKETS),  # in another lab is another host of that name
            "env": "local",
        }
        groups: dict[str, dict[str, Any]] = {
            "monitoringserver": {"hosts": {each: {} for each in monitoring}},
            "job_tracker": {"hosts": {tracker: {}}},
            "source_hosts": {"hosts": {each: {} for each in sources}},
        }
        everything = {"vars": {**connection, "job_tracker_jobs": jobs, **variables}, "children": groups}
        self.inventory.write_text(json.dumps({"all": everything}))

    def play(self, *words: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """Run the playbook."""
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", str(self.inventory), "setup.yml", *words, "-e", json.dumps(variables)]
        done = subprocess.run(command, cwd=self.snapshot, capture_output=True, text=True, timeout=900, check=False)
        (self.home / "last_play.log").write_text(done.stdout + done.stderr)
        return done

    def on(self, command: str, *, host: str = "", code: int | None = 0) -> str:
        """Run a command on a host, the tracker's unless another is named; its output.  None: any exit code will do."""
        done = nspawn.ssh(host or self.tracker, command)
        assert code is None or done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def report(self, name: str, *command: str, host: str, inside: bool = False) -> None:
        """Let a job run on a source host, as its owner; inside: not over the network, which may be cut."""
        words = f"/usr/local/lib/job_tracker/message-queue.py -f {self.queue} run --instance P --job {name} --"
        line = f"runuser -u {self.owner} -- python3 {words} {' '.join(command)}"
        if inside:
            subprocess.run(["nsenter", "-a", "-t", str(nspawn.Host(host).init()), "sh", "-c", line], check=False)
        else:
            self.on(line, host=host, code=None)

    def state(self, name: str) -> str:
        """A job's line, by its classic path."""
        return self.on(f"cat /var/run/job_tracker.{name}__P.state", code=None)

    def until_state(self, name: str, pattern: str, seconds: float = 90) -> None:
        """Wait for a job's line to be of a form."""
        bases.until(f"{name} {pattern}", lambda: re.match(pattern, self.state(name)), seconds)

    def until_green(self) -> None:
        """Wait until the daemon is at work and its sources are reached; services of other parts come before its own."""
        green = "(?sm)" + ".*".join(["^0 job_tracker ", *(f"0 job_source_{each} - reachable" for each in self.sources)])
        bases.until("all is green", lambda: re.search(green, self.on(LOCAL_CHECK, code=None)), 120)

    def runs(self, name: str) -> int:
        """How many runs of a job the tracker knows."""
        answer = json.loads(self.on(f"job_tracker history {name}__P -n 1000 --json"))
        return sum(each["what"] == "run" for each in answer["history"])


def changes(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many tasks changed something, by host; the play must not have failed."""
    found = RECAP.findall(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert all(unreachable == failed == "0" for _, _, unreachable, failed in found)
    return {host: int(changed) for host, changed, _, _ in found}
