"""The manual page and the shells' completion, made from the texts of the command line itself.

Rule: nothing is said here that `--help` does not say; what is installed with a release fits that release.

`python -m job_tracker.cli.manual DIRECTORY` writes them where a share directory has them: man/man1,
bash-completion/completions and zsh/site-functions.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from typer.core import TyperGroup
from typer.main import get_command

from job_tracker import __version__
from job_tracker.cli.app import HELP, app
from job_tracker.cli.options import CONFIG_VARIABLE, DEFAULT_CONFIG

NAME = "job_tracker"
COMPLETION_VARIABLE = "_JOB_TRACKER_COMPLETE"
SAFE = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga"}
"""Characters that mean something else to troff."""


def write(directory: Path) -> None:
    """Write all of them below a share directory."""
    for place, text in files().items():
        path = directory / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def files() -> dict[str, str]:
    """What belongs into a share directory, by its place there."""
    return {
        f"man/man1/{NAME}.1": page(),
        f"bash-completion/completions/{NAME}": _completion("bash"),
        f"zsh/site-functions/_{NAME}": _completion("zsh"),
    }


def page() -> str:
    """The manual page, for man."""
    command = cast(TyperGroup, get_command(app))  # what an app of several commands is
    context = command.make_context(NAME, [], resilient_parsing=True)
    summary, *more = HELP.strip().split("\n\n")
    lines = [f'.TH JOB_TRACKER 1 "" "job_tracker {__version__}" "job_tracker"', ".nh", ".ad l"]
    lines += [".SH NAME", f"{NAME} \\- {_safe(summary[0].lower() + summary[1:].rstrip('.'))}"]
    lines += [".SH SYNOPSIS", f".B {NAME}", r"COMMAND [\fIOPTIONS\fR] [\fIARGUMENTS\fR]"]
    lines += [".SH DESCRIPTION", *_paragraphs(more), ".SH COMMANDS"]
    for name in command.list_commands(context):
        lines += _command(command.get_command(context, name), name, context)
    lines += [".SH ENVIRONMENT", ".TP", f".B {CONFIG_VARIABLE}", "The configuration, where no option names one."]
    lines += [".TP", ".B JOB_TRACKER_USER", "As whom root lets the tracker run."]
    lines += [".SH FILES", ".TP", f".I {DEFAULT_CONFIG}", "The configuration, where nothing names one."]
    return "\n".join(lines) + "\n"


def _command(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name, parent=parent)
    yield f".SS {NAME} {name} {_safe(' '.join(command.collect_usage_pieces(context)))}"
    yield from _paragraphs(command.help.split("\n\n"))
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            yield from (".TP", f".B {_safe(record[0])}", _safe(record[1]))


def _paragraphs(paragraphs: list[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from (".PP", _safe(" ".join(paragraph.split())))


def _safe(text: str) -> str:
    """A text that troff takes for nothing else: hyphens that can be copied, no requests, no quotes that open."""
    escaped = "".join(SAFE.get(each, each) if each.isascii() else f"\\[u{ord(each):04X}]" for each in text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _completion(shell: str) -> str:
    """What the library of the command line says to a shell."""
    asked = {**os.environ, COMPLETION_VARIABLE: f"source_{shell}"}
    command = [sys.executable, "-c", "from job_tracker.cli.app import main; main()"]
    return subprocess.run(command, env=asked, check=True, capture_output=True, text=True).stdout.strip() + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m job_tracker.cli.manual DIRECTORY")
    write(Path(sys.argv[1]))
