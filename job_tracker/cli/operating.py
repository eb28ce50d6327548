"""Operating: what operators say of jobs, into the queue of their own."""

from typing import Annotated

import typer

from job_tracker.cli.options import (
    ConfigOption,
    GroupOption,
    PatternsArgument,
    SourceOption,
    ViewOption,
    WhyOption,
    view_path,
)

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def pause(
    why: WhyOption,
    patterns: PatternsArgument = None,
    group: GroupOption = None,
    source: SourceOption = None,
    length: Annotated[
        str | None, typer.Option("--for", metavar="D", help="For so long: hh:mm:ss, or as 2d, 36h, 90m [default: 24h].")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="T", help="Until then: a date, a date and time, or epoch seconds."),
    ] = None,
    config: ConfigOption = None,
    view: ViewOption = None,
) -> None:
    """Let nothing of some jobs alarm for a while.

    Their status is OK until then, and their text says who paused them, until when and why. Nothing is stopped: what
    they report is heard as ever, only what is missing does not count. A second pause moves the end of the first. It is
    for members of the group that the control queue's directory belongs to (job_tracker_operators), and for root.
    """
    from job_tracker.cli.screens import operating
    from job_tracker.cli.screens.choosing import Chosen

    chosen = Chosen(patterns=tuple(patterns or ()), group=group, source=source)
    operating.pause(view_path(config, view), chosen, why, length=length, until=until)


@commands.command()
def resume(
    patterns: PatternsArgument = None,
    group: GroupOption = None,
    source: SourceOption = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, if there is one.")] = "",
    config: ConfigOption = None,
    view: ViewOption = None,
) -> None:
    """End the pauses of some jobs before their time.

    What counted before the pause counts again, what was expected in it is expected anew.
    """
    from job_tracker.cli.screens import operating
    from job_tracker.cli.screens.choosing import Chosen

    operating.resume(view_path(config, view), Chosen(patterns=tuple(patterns or ()), group=group, source=source), why)


@commands.command()
def mark(
    why: WhyOption,
    patterns: PatternsArgument = None,
    group: GroupOption = None,
    source: SourceOption = None,
    success: Annotated[bool, typer.Option("--success", help="It ended well; its errors are forgotten.")] = False,
    error: Annotated[bool, typer.Option("--error", help="It ended badly.")] = False,
    config: ConfigOption = None,
    view: ViewOption = None,
) -> None:
    """End the newest run of some jobs by hand.

    The newest open run; where none is open, the newest that ended badly, unless a start is due since. For a run that
    nobody will end any more, or an alarm that somebody has dealt with. Its text says who marked it, and why.
    """
    from job_tracker.cli.screens import operating
    from job_tracker.cli.screens.choosing import Chosen

    chosen = Chosen(patterns=tuple(patterns or ()), group=group, source=source)
    operating.mark(view_path(config, view), chosen, why, success=success, error=error)
