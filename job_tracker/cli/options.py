"""Options and arguments that commands share, and the files that answers come from.

Rule: one word for one thing on the whole command line.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = "/etc/job_tracker/job_tracker.cfg"
OTHER_SUFFIXES = (".yml", ".yaml")
"""Of a configuration that is looked for where the default is not there."""
CONFIG_VARIABLE = "JOB_TRACKER_CONFIG"
PID_FILE = Path("/run/job_tracker.pid")
PAGES_PID_FILE = Path("/run/job_tracker_web.pid")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help=f"The configuration [default: ${CONFIG_VARIABLE}, or {DEFAULT_CONFIG} or .yml].",
    ),
]
ViewOption = Annotated[
    Path | None,
    typer.Option("--view", metavar="FILE", help="The view itself, instead of the one the configuration names."),
]
UserOption = Annotated[
    str,
    typer.Option(
        "--user",
        metavar="NAME",
        envvar="JOB_TRACKER_USER",
        show_envvar=False,
        help="As whom root lets it run [default: $JOB_TRACKER_USER or whoever starts it].",
    ),
]
PidFileOption = Annotated[
    Path, typer.Option("--pid-file", metavar="FILE", show_default=True, help="What is locked while it runs.")
]


def jobs_like(incomplete: str) -> list[str]:
    """The jobs whose names begin like that, for a shell that completes; none where the view cannot be read."""
    from job_tracker.errors import JobTrackerError
    from job_tracker.view.reading import read_keys

    try:
        return [key for key in read_keys(view_path(None, None)) if key.startswith(incomplete)]
    except JobTrackerError:
        return []


JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's name__env.", autocompletion=jobs_like)]
PatternsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOB|PATTERN", help="Whole names, or globs as LOAD_*__P.", autocompletion=jobs_like),
]
GroupOption = Annotated[str | None, typer.Option("--group", metavar="G", help="Only jobs of this group.")]
SourceOption = Annotated[str | None, typer.Option("--source", metavar="S", help="Only jobs of this source.")]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for who reads it at night.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document; moments and durations in seconds.")]


def config_path(given: Path | None) -> Path:
    """The configuration that somebody named; else the default, whichever of its suffixes is there."""
    if given or os.environ.get(CONFIG_VARIABLE):
        return given or Path(os.environ[CONFIG_VARIABLE])
    default = Path(DEFAULT_CONFIG)
    others = (default.with_suffix(suffix) for suffix in OTHER_SUFFIXES)
    return default if default.exists() else next((path for path in others if path.exists()), default)


def view_path(config: Path | None, view: Path | None) -> Path:
    """Where the view lies, without judging the rest of the configuration."""
    if view is not None:
        return view
    from job_tracker.cli.screens.view_path import view_path

    is_chosen = config is not None or bool(os.environ.get(CONFIG_VARIABLE))
    return view_path(config_path(config), is_chosen=is_chosen)


def events_path(config: Path | None, file: Path | None) -> Path:
    """Where the events file lies, likewise."""
    if file is not None:
        return file
    from job_tracker.cli.screens.view_path import events_path

    is_chosen = config is not None or bool(os.environ.get(CONFIG_VARIABLE))
    return events_path(config_path(config), is_chosen=is_chosen)
