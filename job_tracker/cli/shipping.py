"""Shipping: the process that sends events elsewhere, and what it is asked."""

from typing import Annotated

import typer

from job_tracker.cli.options import ConfigOption, JsonOption, config_path

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def ship(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="With --from: the shipper.")] = "",
    config: ConfigOption = None,
    retry_dead: Annotated[
        str, typer.Option("--retry-dead", metavar="NAME", help="Let a shipper try its dead letters again.")
    ] = "",
    begin: Annotated[
        int | None, typer.Option("--from", metavar="SEQ", help="Let a shipper go on with the event of this number.")
    ] = None,
) -> None:
    """Send events to the targets of the section shippers, in the foreground.

    SIGTERM and Ctrl-C stop it; SIGHUP makes it read the configuration again. With --retry-dead or --from it only asks
    the running process, which takes it up within a second, or at its next start.
    """
    path = config_path(config)
    if retry_dead or begin is not None or name:
        from job_tracker.cli.screens import shipping

        shipping.ask(path, name or retry_dead, begin=begin, is_retry=bool(retry_dead))
        return
    from job_tracker.process import supervisor
    from job_tracker.shippers import starting

    raise typer.Exit(starting.run(path, supervisor.from_environment()))


@commands.command()
def shippers(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show where events are sent, how far behind, and what was not taken.

    With --json: {"written": …, "shippers": [{"name": …, "seq": …, "behind": …, "problem": …, "dead": …, …}]}
    """
    from job_tracker.cli.screens import shipping

    shipping.show(config_path(config), json=json)
