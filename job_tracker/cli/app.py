"""The command line: what an operator can ask, and who answers.

Rule: nothing is decided here; commands read, a screen renders, this prints.
Rule: an error is one line: what happened, where, what next; exit code 2, and never a traceback.
Rule: a command imports what it needs when it runs, so that the quick ones stay quick.
"""

from typing import Annotated

import typer

from job_tracker import __version__
from job_tracker.cli import asking, checking, operating, pages, serving, shipping

HELP = """Watches batch jobs and tells the monitoring what ran and what did not.

Commands that show jobs read the view that the daemon writes; they work with and without a running daemon, and say
how old the view is: on stderr where the answer goes into a pipe or is JSON.

Exit codes: 0 the answer was given; 2 the command, the configuration or the view is at fault, and the message says
what to do; 130 it was interrupted; 141 nobody read the answer any more; 1 the program itself failed.
"""

app = typer.Typer(
    name="job_tracker",
    help=HELP,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for each in (serving, checking, asking, operating, shipping, pages):
    app.add_typer(each.commands)


def main() -> None:
    """Run a command; the process ends with its exit code."""
    from job_tracker.cli.screens import ending

    ending.leave(lambda: app(prog_name="job_tracker", standalone_mode=False))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"job_tracker {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    """See HELP."""


if __name__ == "__main__":
    main()
