"""The role's variables: described, typed, used, and documented, each of them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles" / "job_tracker-setup"
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
OPTIONS: dict[str, dict[str, Any]] = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())[
    "argument_specs"
]["main"]["options"]


def test_defaults_and_specification_have_the_same_keys_and_values() -> None:
    """A variable that is described but not there, or there but not described, misleads."""
    assert {name: option["default"] for name, option in OPTIONS.items()} == DEFAULTS


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_variable_is_typed_described_and_used(name: str) -> None:
    """And none is left over from what the role once did."""
    parts = ("tasks", "templates", "handlers", "defaults")
    used = "".join(path.read_text() for part in parts for path in (ROLE / part).iterdir())

    assert OPTIONS[name]["type"]
    assert OPTIONS[name]["description"].strip().endswith(".")
    assert re.search(rf"\b{name}\b(?!:)", used)


def test_the_documents_table_is_the_specification() -> None:
    """`deploy/variables.py` writes it."""
    words = [sys.executable, str(ROOT / "deploy" / "variables.py"), "--check"]

    assert subprocess.run(words, check=False).returncode == 0


def test_the_lock_pins_what_the_project_pins() -> None:
    """A version raised in one place and not in the other would be tested here and not deployed."""
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = (ROOT / "deploy" / "requirements.lock").read_text().lower()

    assert [each for each in wanted if f"{each.lower()} \\" not in locked] == []


def test_what_replaces_the_older_playbook_is_a_tag_of_ours() -> None:
    """The two lines of the document: what they set up is the local check, and nothing of the daemon."""
    section = (ROOT / "docs" / "deployment.md").read_text().split("### Instead of `setup-clients-monitored.yml`")[1]
    tried, done = re.findall(
        r"^    ansible-playbook (-C )?-i \S+ (\S+) -t (\S+)$", section.split("\n### ")[0], re.MULTILINE
    )
    tasks: list[dict[str, Any]] = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text())
    tagged = [each for each in tasks if done[2] in each.get("tags", ())]

    assert (tried[0], tried[1:], done[1]) == ("-C ", done[1:], "setup.yml")
    assert [each["ansible.builtin.include_tasks"]["file"] for each in tagged] == ["checkmk.yml"]


def test_each_part_of_the_role_has_a_lock_of_what_it_adds() -> None:
    """Who installs the tracker alone pays for no part, and who wants one gets the versions that were tested."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = re.compile(r"^([a-z0-9-]+==\S+) \\$", re.MULTILINE)
    of_all = set(pins.findall((ROOT / "deploy" / "requirements.lock").read_text()))
    for part in set(OPTIONS["job_tracker_parts"]["choices"]) - {"ship"}:  # which needs what the tracker needs
        added = set(pins.findall((ROOT / "deploy" / f"requirements-{part}.lock").read_text()))

        assert set(extras[part]) <= added
        assert {each.split("==")[0] for each in added}.isdisjoint(each.split("==")[0] for each in of_all)
        locked = re.search(r"^parts='?([a-z ]+)", (ROOT / "deploy" / "lock.sh").read_text(), re.MULTILINE)
        assert locked is not None
        assert part in locked[1].split()


def test_the_role_has_the_files_of_the_program_itself() -> None:
    """Links, not copies, so that what is deployed is what is tested."""
    assert {each.name: each.resolve().exists() for each in (ROLE / "files").iterdir()} == {
        "job_tracker-web.init": True,
        "job_tracker.init": True,
        "local-check.sh": True,
        "look-at-queue.py": True,
        "message-queue.py": True,
        "send-notification.py": True,
    }


@pytest.mark.parametrize("name", ["job_tracker", "job_tracker-web"])
def test_the_settings_of_the_init_scripts_are_those_they_read(name: str) -> None:
    """A name that nobody reads would change nothing."""
    script = (ROOT / "init.d" / name).read_text()
    template = (ROLE / "templates" / f"{name}.default.j2").read_text()

    assert [name for name in re.findall(r"^([A-Z_]+)=", template, re.MULTILINE) if f"\n{name}=" not in script] == []


def tasks(name: str) -> dict[str, dict[str, Any]]:
    """The tasks of a file, by their names."""
    found: list[dict[str, Any]] = yaml.safe_load((ROLE / "tasks" / name).read_text())
    return {each["name"]: each for each in found}


def test_operators_have_a_group_and_a_directory_and_the_daemon_is_none_of_them() -> None:
    """Whoever may write there may silence alarms; the daemon reads it as the owner of what it made there itself."""
    account = tasks("account.yml")
    unit = (ROLE / "templates" / "job_tracker.service.j2").read_text()

    directory = account["Have the directory of the queue in which operators speak"]["ansible.builtin.file"]
    home = account["Have the daemon's home, and the directory of its key"]["loop"][0]
    user = account["Have the daemon's user"]["ansible.builtin.user"]

    assert directory["path"] == "{{ job_tracker_home }}/control"
    assert (directory["owner"], directory["mode"]) == ("{{ job_tracker_user }}", "2770")
    assert directory["group"] == "{{ job_tracker_operators_group }}"
    assert home == {"path": "{{ job_tracker_home }}", "mode": "0751"}
    assert "groups" not in user
    assert "SupplementaryGroups" not in unit


def test_the_group_of_operators_has_the_name_that_documents_and_commands_give_it() -> None:
    """It is made by this name on each host, and goes with the directory that was its own."""
    constants = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    absent = tasks("absent_tracker_host.yml")[
        "Have nobody who may pause jobs, once the directory is gone that was theirs"
    ]

    assert constants["job_tracker_operators_group"] == "job_tracker_operators"
    assert absent["ansible.builtin.group"] == {"name": "{{ job_tracker_operators_group }}", "state": "absent"}
    assert "job_tracker_remove_data" in absent["when"]
    assert "job_tracker_operators" in (ROOT / "docs" / "deployment.md").read_text()
