"""Serving: the tracker itself, in the foreground or as a service."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from job_tracker.cli.options import CONFIG_VARIABLE, PID_FILE, ConfigOption, PidFileOption, UserOption, config_path

if TYPE_CHECKING:
    from job_tracker.service.control import Service
    from job_tracker.service.program import Program

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def run(config: ConfigOption = None) -> None:
    """Run the tracker in the foreground.

    SIGTERM and Ctrl-C stop it; SIGHUP makes it read the configuration again.
    """
    from job_tracker.daemon import starting
    from job_tracker.process import supervisor

    raise typer.Exit(starting.run(config_path(config), supervisor.from_environment()))


def _service_command(name: str, text: str) -> None:
    """A command that does with the service what its name says."""

    def command(config: ConfigOption = None, user: UserOption = "", pid_file: PidFileOption = PID_FILE) -> None:
        do: Callable[[], int] = getattr(service(config, user, pid_file), name)
        raise typer.Exit(do())

    commands.command(name, help=text)(command)


for _name, _text in {
    "start": """Start the tracker in the background.

    It waits until the tracker is ready, or says why it is not. Exit codes: 0 started, or it ran already; 1 not
    started; 2 the configuration or the command is at fault; 4 not allowed.
    """,
    "stop": """Stop the tracker that was started in the background.

    Exit codes: 0 stopped, or it was not running; 1 it could not be; 4 not allowed.
    """,
    "restart": """Stop and start the tracker.

    A faulty configuration leaves it running as it is. Exit codes: those of start.
    """,
    "reload": """Let the tracker read its configuration again.

    A faulty one changes nothing. Exit codes: 0 done; 2 the configuration is at fault; 4 not allowed; 7 it is not
    running.
    """,
    "status": """Say whether the tracker runs that was started in the background.

    Exit codes: 0 it runs; 1 it is dead; 3 it is not running; 4 unknown, we are not allowed to look.
    """,
}.items():
    _service_command(_name, _text)


@commands.command("links")
def make_links(
    config: ConfigOption = None,
    user: UserOption = "",
    tmpfiles: Annotated[
        bool, typer.Option("--tmpfiles", help="Print them for systemd-tmpfiles, and make nothing.")
    ] = False,
) -> None:
    """Make the run directory and the links at /var/run/job_tracker.JOB.state.

    Root's part of a start: start and reload do it by themselves, a systemd unit calls this.
    """
    from job_tracker.cli.screens import linking

    linking.show(config_path(config), user, tmpfiles=tmpfiles)


def service(config: Path | None, user: str, pid_file: Path, program: "Program | None" = None) -> "Service":
    """A program in the background; None: the tracker."""
    from job_tracker.process.pid_file import PidFile
    from job_tracker.service.control import Service
    from job_tracker.service.program import TRACKER

    return Service(
        config=config_path(config).absolute(),
        pid_file=PidFile(pid_file.absolute()),
        is_chosen=config is not None or bool(os.environ.get(CONFIG_VARIABLE)),
        user=user,
        say=typer.echo,
        complain=lambda line: typer.echo(line, err=True),
        program=program or TRACKER,
    )
