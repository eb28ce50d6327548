"""docs/events.md: its scripts follow a file of events, stop, and go on where they were; each kind is described."""

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from running import SLOW, wait_until

from job_tracker.core.events import KINDS
from job_tracker.events.file import EventsFile

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    assert found
    return found[1]


def test_each_kind_is_described() -> None:
    """A kind that nobody can look up means nothing to whoever gets it."""
    table = DOCUMENT.split("| kind | when |", 1)[1].split("\n\n", 1)[0]

    listed = {
        kind
        for row in table.splitlines()
        for kind in re.findall(r"`([a-z.]+)`", row.split("|")[1] if "|" in row else "")
    }

    assert listed == set(KINDS)


def put(file: EventsFile, *numbers: int) -> None:
    file.take([(number, 1, 1, "job.added", f"JOB{number}__P", None, 0, None, "{}") for number in numbers], 1)


def has_seen(file: Path, number: int) -> bool:
    return file.read_text().strip() == str(number)


@pytest.mark.parametrize(("language", "program"), [("python", sys.executable), ("sh", "sh")])
def test_a_script_goes_on_where_it_was(language: str, program: str, tmp_path: Path) -> None:
    """Six lines that an operator copies; stopped and started again, they repeat nothing and miss nothing."""
    assert len([line for line in snippet(language).splitlines() if line]) == 6
    file = EventsFile(tmp_path / "events.sqlite", "t1")
    file.keep = file.most = 1 << 60
    file.open()
    put(file, 5, 6)
    command = tmp_path / "job_tracker"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m job_tracker "$@" --events {file.path}\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    printed, seen = tmp_path / "printed", tmp_path / "seen"

    for last in (6, 8):
        with printed.open("ab") as out:
            script = subprocess.Popen(
                [program, "-c", snippet(language)], cwd=tmp_path, env=environment, stdout=out, start_new_session=True
            )
        wait_until(partial(has_seen, seen, last), f"number {last}")
        os.killpg(script.pid, signal.SIGKILL)
        script.wait(SLOW)
        put(file, last + 1, last + 2)

    told = re.findall(r"JOB(\d+)", printed.read_text(encoding="utf-8"))
    assert told == ["5", "6", "7", "8"]
