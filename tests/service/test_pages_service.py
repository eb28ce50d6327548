"""The pages in the background, where no systemd starts them: real processes, as an init script calls them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, SLOW

NOT_RUNNING = 3


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Pages on a port of their own, without anybody who may log in."""
    web = {"listen": f"unix:{tmp_path / 'web.socket'}", "store_file": str(tmp_path / "web" / "web.sqlite")}
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps({"global_config": {"view_file": str(tmp_path / "view.sqlite")}, "web": web}))
    return path


def web(config: Path, *words: str, code: int = 0, stdin: str = "") -> str:
    """A command of the pages; what it said on both ways."""
    command = [sys.executable, "-m", "job_tracker", *words, "-c", str(config)]
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=SLOW, check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_the_verbs_of_an_init_script(config: Path, tmp_path: Path) -> None:
    """Started when they can be asked, found, restarted, ended; with the exit codes of the LSB."""
    place = ("--pid-file", str(tmp_path / "pid"))
    web(config, "web-user", "add", "anna", "--role", "cop", "--password-file", "-", stdin="staple of a horse\n")

    try:
        assert web(config, "web", "start", *place).startswith("job_tracker-web started (pid ")
        assert (tmp_path / "web.socket").is_socket()
        assert web(config, "web", "status", *place).startswith("job_tracker-web is running (pid ")
        assert "runs already" in web(config, "web", "start", *place)
        web(config, "web", "restart", *place)
    finally:
        assert web(config, "web", "stop", *place) == "job_tracker-web stopped\n"
    assert web(config, "web", "status", *place, code=NOT_RUNNING) == "job_tracker-web is not running\n"
    assert not (tmp_path / "web.socket").exists()


def test_a_start_that_fails_says_why(config: Path, tmp_path: Path) -> None:
    """Where it was started: nobody looks into a log for what the terminal can say."""
    said = web(config, "web", "start", "--pid-file", str(tmp_path / "pid"), code=1)

    assert "no user has the role cop; `job_tracker web-user add NAME --role cop` makes one" in said
    assert said.endswith("job_tracker-web: not started\n")
