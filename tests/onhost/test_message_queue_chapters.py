"""`message-queue.py` is one file on the host and several here: the sum is current, its head leads to each chapter."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "job_tracker" / "onhost" / "message_queue"
SUM = (ROOT / "job_tracker" / "onhost" / "message-queue.py").read_text().splitlines()
LISTED = [re.fullmatch(r" *(\d+) (\w+) +(\S.*)", line) for line in SUM[: SUM.index("import contextlib")]]


def test_the_file_is_the_sum_of_its_chapters() -> None:
    """What is copied to hosts is what was changed here; `make onhost` writes it."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "onhost.py"), "--check"], capture_output=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, b"")


def test_its_head_names_each_chapter_with_its_line() -> None:
    """Whoever looks for the protocol in a thousand lines on somebody's host finds it by the number."""
    listed = {found[2]: int(found[1]) for found in LISTED if found}

    assert set(listed) == {path.stem for path in CHAPTERS.glob("*.py")} - {"ground"}
    assert [name for name, number in listed.items() if not SUM[number - 1].endswith(f"---- {name}")] == []


def test_the_package_does_not_hold_the_chapters() -> None:
    """They are text for the sum: nothing here may come to import them, and an installation carries the sum alone."""
    assert not (CHAPTERS / "__init__.py").exists()
    imports = re.compile(r"^\s*(from|import)\s+\S*(onhost|message_queue)", re.MULTILINE)
    modules = [path for path in (ROOT / "job_tracker").rglob("*.py") if "onhost" not in path.parts]
    assert [path.name for path in modules if imports.search(path.read_text())] == []
