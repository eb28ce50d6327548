"""The documents say what the program does: keys, commands, rooms, files."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from job_tracker.config.reading import known_keys, load

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def table_keys(title: str) -> set[str]:
    """The keys in the first column of README's table below a title."""
    table = README.split(f"\n**{title}**", 1)[1].split("\n\n", 2)[1]
    return {key for row in table.splitlines()[2:] for key in re.findall(r"`([^`]+)`", row.split("|")[1])}


@pytest.mark.parametrize("section", ["global_config", "source_hosts", "jobs", "calendars", "shippers", "web"])
def test_readme_lists_exactly_the_keys_that_the_configuration_takes(section: str) -> None:
    """A key that nobody can look up does not exist for an operator."""
    assert table_keys(section) == set(known_keys()[section])


def test_readme_names_every_command() -> None:
    """A command that README does not mention is not found by whoever needs it."""
    done = subprocess.run(
        [sys.executable, "-m", "job_tracker", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    commands = re.findall(r"^  ([a-z-]+)  +[A-Z]", done.stdout.split("Commands:")[1], flags=re.MULTILINE)

    assert commands
    assert [command for command in commands if f"job_tracker {command}" not in README] == []


def test_every_make_target_of_the_documents_exists() -> None:
    """Two commands from README do everything; they have to be there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    wanted = set(re.findall(r"(?:^    |`)make ([a-z-]+)", texts, flags=re.MULTILINE))

    assert {target for target in wanted if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)} == set()


def test_the_list_of_rooms_is_the_tree() -> None:
    """A map with a missing room misleads."""
    listed = set(re.findall(r"^\| `job_tracker/([^`]+)` \|", ARCHITECTURE, flags=re.MULTILINE))
    package = ROOT / "job_tracker"
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    folders = {f"{path.name}/" for path in package.iterdir() if any(path.glob("*.py"))}

    assert listed == modules | folders


def test_the_cores_rooms_are_all_described() -> None:
    """Each module of the core has its sentence."""
    section = ARCHITECTURE.split("### The core's rooms", 1)[1].split("\n## ", 1)[0]
    listed = set(re.findall(r"`([a-z_/]+)`", section.split("|---|---|", 1)[1]))
    core = ROOT / "job_tracker" / "core"
    modules = {str(path.relative_to(core).with_suffix("")) for path in core.rglob("*.py") if path.stem != "__init__"}

    assert listed == modules


def test_readmes_first_configuration_is_in_order(tmp_path: Path) -> None:
    """The first thing a new user copies has to work."""
    written = tmp_path / "job_tracker.yml"
    block = README.split("```yaml\n", 1)[1].split("```", 1)[0]
    written.write_text("\n".join(line.removeprefix("   ") for line in block.splitlines()), encoding="utf-8")

    config = load(written)

    assert list(config.jobs.by_key) == ["BACKUP__P"]


def test_readmes_replay_works_on_what_list_prints(tmp_path: Path) -> None:
    """The recorded file is the output of `list`, an array on a line, as the text says."""
    queue = tmp_path / "queue.sqlite"
    tool = [sys.executable, str(ROOT / "job_tracker" / "onhost" / "message-queue.py"), "-f", str(queue)]
    words = ["--instance", "P", "--job", "LOAD_DWH", "--event", "STARTED", "--timestamp", "1700000000"]
    subprocess.run([*tool, "add", *words], check=True)
    listed = subprocess.run([*tool, "list"], check=True, capture_output=True).stdout
    (tmp_path / "messages.jsonl").write_bytes(listed)
    example = ROOT / "examples" / "job_tracker.cfg"

    done = subprocess.run(
        [sys.executable, "-m", "job_tracker", "replay", "-c", str(example), "--json", "--messages", "messages.jsonl"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(done.stdout.splitlines()[0])["to"] == "RUNNING"


def test_every_room_is_a_package() -> None:
    """A folder without `__init__.py` works from a checkout and is missing from the wheel."""
    package = ROOT / "job_tracker"
    folders = {path.parent for path in package.rglob("*.py") if "onhost" not in path.parts}

    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_two_files_of_tests_share_a_name() -> None:
    """They are imported by their names alone, and a whole run would stop before its first test."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, count in names.items() if count > 1] == []
