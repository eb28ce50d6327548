"""Checking: whether a configuration and its sources will do, and the way out where a queue refuses."""

from pathlib import Path
from typing import Annotated

import typer

from job_tracker.cli.options import ConfigOption, JsonOption, config_path

commands = typer.Typer(rich_markup_mode=None)


@commands.command("check-config")
def check_config(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The configuration.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Check a configuration.

    All its faults go to stderr, with exit code 2; without faults, a summary of what it amounts to is shown.
    """
    from job_tracker import clock
    from job_tracker.cli.screens import output, summary
    from job_tracker.config.whole import load_whole

    path = config_path(file or config)
    found = summary.summary(path, load_whole(path), clock.now())
    if json:
        output.put_json(found)
    else:
        output.put(summary.as_text(found))


@commands.command("check-sources")
def check_sources(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The configuration.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Connect to each source once, and tell what works.

    Side by side, without taking a message, whether the tracker runs or not. Exit code 2 if a source does not work.

    With --json: {"config": …, "works": …, "sources": [{"source": …, "works": …, "steps": […], "text": …, …}]}
    """
    from job_tracker.cli.screens import checking

    if not checking.check(config_path(file or config), json=json):
        raise typer.Exit(2)


@commands.command("take-over")
def take_over(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="The sources, by their names.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All configured sources.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Let queues forget which tracker drained them.

    For a tracker that was set up anew, or whose store was lost: it is refused ("drained by … since …") until then. It
    needs neither store nor daemon, says what it means, and asks; without a terminal it needs --yes. Exit code 2 if
    a queue did not forget.
    """
    from job_tracker.cli.screens import taking_over

    if not taking_over.take_over(config_path(config), names or (), every=every, agreed=yes):
        raise typer.Exit(2)
