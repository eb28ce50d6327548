"""The Vagrantfile: valid without a hypervisor, and the same five machines as env-local.ini."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.hosts

ROOT = Path(__file__).parents[2]


def test_the_vagrantfile_is_valid(tmp_path: Path) -> None:
    """As Vagrant itself judges it."""
    if shutil.which("vagrant") is None:
        assert os.environ.get("CI") != "true", "CI must not skip: there is no vagrant"
        pytest.skip("there is no vagrant")
    environment = {**os.environ, "VAGRANT_DOTFILE_PATH": str(tmp_path), "VAGRANT_HOME": str(tmp_path)}

    words = ["vagrant", "validate", "--ignore-provider"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout


def test_the_vagrantfile_makes_the_machines_of_the_inventory() -> None:
    """Names and addresses are written in both."""
    addresses = r"(\w+)[^\n]*?(192\.168\.56\.\d+)"
    inventory = set(re.findall(rf"^{addresses}", (ROOT / "env-local.ini").read_text(), re.MULTILINE))
    machines = set(re.findall(rf"\"{addresses}", (ROOT / "Vagrantfile").read_text()))

    assert len(inventory) == 5
    assert machines == inventory
