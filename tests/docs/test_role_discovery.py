"""The role's discovery of services, with Ansible itself and a Checkmk that is one file.

What stands in for the collection checkmk.general is a module for each of its two that are used, with their arguments
and answers, and as little of Checkmk behind them as decides: `new` knows what the last scan saw, there is something to
activate or there is not, and for a while somebody else is in the way.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "roles" / "job_tracker-setup" / "tasks" / "checkmk_services.yml"
VARIABLES = ROOT / "roles" / "job_tracker-setup" / "vars" / "main.yml"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

MODULE = """#!/usr/bin/python
import json
from ansible.module_utils.basic import AnsibleModule

ANSWERS = {
    200: (True, False, "Done."),
    401: (False, True, "There are foreign changes."),
    409: (False, KIND == "activation", "Conflict: already running."),
    422: (False, False, "There are no changes to be activated."),
    423: (False, True, "There is already an activation running."),
}


def main():
    shared = {name: {"type": "str", "required": True} for name in ("server_url", "site")}
    shared["api_user"] = {"type": "str", "aliases": ["automation_user"]}
    shared["api_secret"] = {"type": "str", "no_log": True, "aliases": ["automation_secret"]}
    own = {"force_foreign_changes": {"type": "bool", "default": False}}
    if KIND == "discovery":
        own = {"host_name": {"type": "str"}, "state": {"type": "str", "default": "new"}}
    module = AnsibleModule(argument_spec={**shared, **own})
    with open(STATE) as file:
        state = json.load(file)
    step = module.params.get("state") or "activate"
    state["asked"].append(step)
    code = state["in the way"][step].pop(0) if state["in the way"].get(step) else 200
    if code == 200 and step == "refresh":
        state["scanned"] = state["on the host"]
    if code == 200 and step == "new" and state["scanned"] != state["known"]:
        state["known"], state["to activate"] = state["scanned"], True
    if code == 200 and step == "activate":
        code, state["to activate"] = (200 if state["to activate"] else 422), False
    with open(STATE, "w") as file:
        json.dump(state, file)
    changed, failed, text = ANSWERS[code]
    module.exit_json(changed=changed, failed=failed, msg="%d - %s" % (code, text))


if __name__ == "__main__":
    main()
"""

pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="no Ansible here")


class Checkmk:
    """What the modules find, and how the tasks ended."""

    def __init__(self, directory: Path, *, known: int, on_the_host: int, in_the_way: dict[str, list[int]]) -> None:
        self.directory, self.file = directory, directory / "checkmk.json"
        start = {"known": known, "scanned": known, "on the host": on_the_host, "to activate": False}
        self.file.write_text(json.dumps({**start, "in the way": in_the_way, "asked": []}))
        modules = directory / "collections" / "ansible_collections" / "checkmk" / "general" / "plugins" / "modules"
        modules.mkdir(parents=True)
        for kind in ("discovery", "activation"):
            text = MODULE.replace("KIND", repr(kind)).replace("STATE", repr(str(self.file)))
            (modules / f"{kind}.py").write_text(text)

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    def play(self) -> subprocess.CompletedProcess[str]:
        """The role's tasks, as the role includes them, without its patience."""
        known = yaml.safe_load(VARIABLES.read_text())
        shared = {f"job_tracker_checkmk_{name}": "x" for name in ("url", "site", "user", "secret", "host")}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {**shared, "job_tracker_checkmk_retries": known["job_tracker_checkmk_retries"]}
            | {"job_tracker_checkmk_delay": 0, "ansible_python_interpreter": sys.executable},
            "tasks": [{"ansible.builtin.include_tasks": str(TASKS)}],
        }
        path = self.directory / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        command = [str(PLAYBOOK), "-i", "localhost,", str(path)]
        return subprocess.run(
            command, env=environment, cwd=self.directory, capture_output=True, text=True, check=False, timeout=300
        )


def changes(done: subprocess.CompletedProcess[str]) -> int:
    found = re.search(r"changed=(\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    return int(found[1])


def test_new_services_are_registered_in_the_same_run(tmp_path: Path) -> None:
    """`new` alone works on what was scanned yesterday: it found nothing, and the run was green."""
    checkmk = Checkmk(tmp_path, known=1, on_the_host=3, in_the_way={})

    done = checkmk.play()

    assert done.returncode == 0, done.stdout
    assert checkmk.state["known"] == 3
    assert checkmk.state["asked"] == ["refresh", "new", "activate"]
    assert changes(done) == 1


def test_where_nothing_is_new_nothing_is_changed(tmp_path: Path) -> None:
    """A second run changes nothing, and says so."""
    done = Checkmk(tmp_path, known=3, on_the_host=3, in_the_way={}).play()

    assert done.returncode == 0, done.stdout
    assert changes(done) == 0


def test_what_is_in_the_way_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """Another scan (of which the module says "ok"), and somebody who activates at this moment."""
    in_the_way = {"refresh": [409], "new": [409, 409], "activate": [423, 409, 401]}
    checkmk = Checkmk(tmp_path, known=1, on_the_host=2, in_the_way=in_the_way)

    done = checkmk.play()

    assert done.returncode == 0, done.stdout
    assert checkmk.state["known"] == 2
    assert not checkmk.state["to activate"]
    assert changes(done) == 1


@pytest.mark.parametrize("code", [401, 409, 423])
def test_what_stays_in_the_way_is_said(tmp_path: Path, code: int) -> None:
    """At the end of a long play: what is done, what is not, and what to do."""
    checkmk = Checkmk(tmp_path, known=1, on_the_host=2, in_the_way={"activate": [code] * 20})

    done = checkmk.play()

    assert done.returncode != 0
    assert f"are discovered, and not active yet: {code} - " in done.stdout
    assert "run this again with `-t checkmk`" in done.stdout
