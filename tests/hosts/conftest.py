"""For the tests of whole hosts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is deployed: a copy with its wheelhouse, so that working on the sources meanwhile changes nothing."""
    path = tmp_path_factory.mktemp("snapshot")
    for name in ("pyproject.toml", "LICENSE", "setup.yml", "ansible.cfg"):
        shutil.copy(ROOT / name, path)
    for name in ("job_tracker", "deploy", "roles", "init.d"):
        shutil.copytree(ROOT / name, path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "deploy/wheelhouse.py", "dist/wheelhouse"], cwd=path, check=True, capture_output=True
    )
    return path
