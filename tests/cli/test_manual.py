"""The manual page and the shells' completion: made from the texts of the command line, read by man and by a shell."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from published import Published, cyclic, jobs_of
from typer.main import get_command

from job_tracker.cli import manual
from job_tracker.cli.app import app


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A share directory as a release has it."""
    made = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, "-m", "job_tracker.cli.manual", made], check=True)
    return made


def test_every_command_and_each_of_its_options_is_on_the_page() -> None:
    """The page is made from the commands, so that none can be forgotten in it."""
    page = manual.page()

    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # a group, which typer tells no checker
        assert f"\n.SS job_tracker {name} " in page.replace("\\-", "-")
        for option in [each for each in command.params if each.name != "help"]:
            for word in [each for each in option.opts if each.startswith("-")]:
                assert word.replace("-", "\\-") in page


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff here")
def test_the_page_is_one_that_groff_has_nothing_to_say_about(share: Path) -> None:
    """A quote, a dot at the begin of a line or a character beyond ASCII would be taken for something else."""
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(share / "man/man1/job_tracker.1")]

    done = subprocess.run(command, capture_output=True, check=True, text=True)

    assert done.stderr == ""
    assert "job_tracker explain [OPTIONS] {JOB}" in done.stdout
    assert '{"view": {…}, "jobs": [{"job": …' in " ".join(done.stdout.split())


def test_bash_completes_the_names_of_jobs(share: Path, tmp_path: Path) -> None:
    """Sourced by a real bash, which asks the program, which asks the view."""
    published = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("LOAD_LATE"), cyclic("OTHER")))
    published.rebuild()
    published.close()
    config = tmp_path / "job_tracker.cfg"
    config.write_text(json.dumps({"global_config": {"view_file": "view.sqlite"}, "source_hosts": [], "jobs": []}))
    script = """
        source "$1"
        COMP_WORDS=(job_tracker explain LOAD) COMP_CWORD=2
        _job_tracker_completion job_tracker
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "JOB_TRACKER_CONFIG": str(config)}

    done = subprocess.run(
        ["bash", "-c", script, "bash", share / "bash-completion/completions/job_tracker"],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )

    assert (sorted(done.stdout.split()), done.stderr) == (["LOAD_LATE__P", "LOAD__P"], "")


def test_zsh_is_told_what_it_completes(share: Path) -> None:
    """Without that first line compinit passes the file over."""
    assert (share / "zsh/site-functions/_job_tracker").read_text().startswith("#compdef job_tracker\n")
