"""Asking: commands that read, and change nothing."""

from pathlib import Path
from typing import Annotated

import typer

from job_tracker.cli.options import (
    OTHER_SUFFIXES,
    ConfigOption,
    JobArgument,
    JsonOption,
    ViewOption,
    config_path,
    events_path,
    jobs_like,
    view_path,
)

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def jobs(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="A glob (with *, ? or [), or a part of the name; any case.")
    ] = "",
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only jobs in this state; may be given several times."),
    ] = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="Only jobs whose status is not OK, or that cannot be seen.")
    ] = False,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="ORDER",
            help="state (problems first), name, since, deadline or configured [default: state on a terminal].",
        ),
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Keep the table live until Ctrl-C.")] = False,
    config: ConfigOption = None,
    view: ViewOption = None,
    json: JsonOption = False,
) -> None:
    """Show a line per job.

    State, since when, the last run, errors and missed starts with the number that raises the alarm, next deadline.

    With --json: {"view": {…}, "jobs": [{"job": …, "state": …, "status": …, "last_run": {…}, "promise": {…}, …}]}
    """
    from job_tracker.cli.screens import commands

    if watch and json:
        raise typer.BadParameter("--watch shows a table; without it, --json answers once")
    wanted = commands.Wanted(pattern=pattern, states=tuple(state or ()), problems=problems, sort=sort)
    if watch:
        commands.watch_jobs(view_path(config, view), wanted)
    else:
        commands.show_jobs(view_path(config, view), wanted, json=json)


@commands.command()
def history(
    job: JobArgument,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many of the last runs.")] = 20,
    days: Annotated[
        int | None,
        typer.Option("--days", metavar="N", min=1, max=400, help="Its last N days, a line each, instead of runs."),
    ] = None,
    config: ConfigOption = None,
    view: ViewOption = None,
    json: JsonOption = False,
) -> None:
    """Show a job's last runs, and the alarms between them.

    With --json: {"view": {…}, "job": …, "history": [{"what": "run", "begun": …, …}, {"what": "alarm", "at": …, …}]}

    With --days and --json: {"view": {…}, "job": …, "since": …, "days": [{"date": …, "well": …, "median": …, …}]}
    """
    from job_tracker.cli.screens import commands

    if days is not None:
        commands.show_days(view_path(config, view), job, days, json=json)
        return
    commands.show_history(view_path(config, view), job, number, json=json)


@commands.command()
def explain(
    job: JobArgument,
    config: ConfigOption = None,
    view: ViewOption = None,
    json: JsonOption = False,
) -> None:
    """Explain why a job is in its state.

    The rule, the promise, the expected moment, the messages that decided, the sources, and what would change it next;
    of a job that a server runs, what that said of it.

    With --json: {"view": {…}, "job": {…}, "sentences": {"why": […], …}, "messages": […]}
    """
    from job_tracker.cli.screens import commands

    beside = None if view is None else view.parent / "events.sqlite"
    commands.show_reasons(view_path(config, view), job, lambda: events_path(config, beside), json=json)


@commands.command()
def schedule(
    pattern: Annotated[str, typer.Argument(metavar="[JOB|PATTERN]", help="Only these jobs, as LOAD_*.")] = "",
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=400, help="How many days ahead.")] = 14,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="From when on: epoch seconds, or a date and time [default: now]."),
    ] = None,
    dst: Annotated[bool, typer.Option("--dst", help="The jobs that the next clock changes touch, and how.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show when jobs are expected to start, and why a day is left out.

    Each expected start with the moment from which it is late, and what moved it: a closed day, a calendar, a change of
    the clocks, a quiet window. It is computed from the configuration; no daemon is needed.

    With --json: {"config": …, "from": …, "jobs": [{"job": …, "starts": [{"start": …, "deadline": …, "why": […]}],
    "left_out": [{"day": …, "why": …}]}]}; with --dst {"config": …, "changes": [{"job": …, "expected": […], …}]}
    """
    from job_tracker.cli.screens import schedule as screen

    asked = screen.Asked(pattern=pattern, begin=begin, days=days, clock_changes=dst)
    screen.show(config_path(config), asked, json=json)


@commands.command()
def unmatched(
    name: Annotated[
        str, typer.Argument(metavar="[NAME|PATTERN]", help="Only what is reported under such a name, as TEST_*.")
    ] = "",
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what is kept of them; what is reported again comes again.")
    ] = False,
    config: ConfigOption = None,
    view: ViewOption = None,
    json: JsonOption = False,
) -> None:
    """Show messages that belong to no configured job.

    With the configuration that would adopt them. --forget is for those whom the tracker hears, as with pause.

    With --json: {"view": {…}, "unmatched": [{"name": …, "count": …, …}], "adopting": [{"name": …, …}]}
    """
    from job_tracker.cli.screens import commands, operating

    if forget:
        operating.forget(view_path(config, view), name)
        return
    as_yaml = config_path(config).suffix in OTHER_SUFFIXES
    commands.show_unmatched(view_path(config, view), name, json=json, as_yaml=as_yaml)


@commands.command()
def suggest(
    pattern: Annotated[
        str, typer.Argument(metavar="[JOB|PATTERN]", help="Only these jobs, as LOAD_*.", autocompletion=jobs_like)
    ] = "",
    config: ConfigOption = None,
    view: ViewOption = None,
    json: JsonOption = False,
) -> None:
    """Suggest what the history says should be promised instead.

    Read from the history that is kept, and never acted on: starts that come hours off (a time zone), a delay, a grace
    or a timeout that does not fit, a job that keeps to weekdays, that is always skipped, or that reports under another
    name. Each with the lines of configuration that would say so. Nothing is said of a job with fewer than 20 runs.

    With --json: {"view": {…}, "hints": [{"job": …, "kind": …, "text": …, "lines": {…}, "without": […]}], "runs_needed":
    20, "too_short": [JOB, …]}
    """
    from job_tracker.cli.screens import suggest as screen

    path = config_path(config)
    screen.show(path, view_path(path, view), pattern, json=json, as_yaml=path.suffix in OTHER_SUFFIXES)


@commands.command()
def sources(config: ConfigOption = None, view: ViewOption = None, json: JsonOption = False) -> None:
    """Show a line per source host.

    Contact and since when, how far its clock is ahead, messages in its queue, messages and bytes taken since the start,
    when messages came last, median and worst latency of the last answers.

    With --json: {"view": {…}, "sources": [{"source": …, "contact": …, "since": …, "clock_offset": …, …}]}
    """
    from job_tracker.cli.screens import commands

    commands.show_sources(view_path(config, view), json=json)


@commands.command()
def notifications(config: ConfigOption = None, view: ViewOption = None, json: JsonOption = False) -> None:
    """Show notifications that the Event Console has not taken yet.

    A line per job or source: what is to be told, how many changes that is, for how long it has waited, and why.

    With --json: {"view": {…}, "notifications": [{"subject": …, "status": …, "waiting": …, "reason": …, …}]}
    """
    from job_tracker.cli.screens import commands

    commands.show_notifications(view_path(config, view), json=json)


@commands.command()
def events(
    config: ConfigOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--events", metavar="FILE", help="The events file, instead of the one the configuration names."),
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes, until interrupted.")] = False,
    after: Annotated[int | None, typer.Option("--after", metavar="SEQ", help="Only those behind a number.")] = None,
    job: Annotated[str, typer.Option("--job", metavar="PATTERN", help="Only of jobs like this, as LOAD_*.")] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only of such a kind, as run.*; may be repeated."),
    ] = None,
    most: Annotated[
        int | None, typer.Option("-n", "--lines", metavar="N", min=0, help="The last N [default: all; 10 with -f].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON per event.")] = False,
) -> None:
    """Show what became true, event by event, each with its number.

    Whoever keeps the number of the last event that he has dealt with, and asks with --after for what came since, misses
    and repeats nothing; numbers that are no more to be had are named by an event `gap`.
    """
    from job_tracker.cli.screens import events as screen

    wanted = screen.Wanted(after=after, job=job, kinds=tuple(kind or ()), most=most)
    screen.show(events_path(config, file), wanted, follow=follow, json=json)


@commands.command()
def replay(
    messages: Annotated[str, typer.Option("--messages", metavar="FILE", help="The recording; - is stdin.")],
    config: ConfigOption = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="MOMENT", help="When the tracker began [default: the first timestamp]."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="MOMENT", help="How far to go [default: 48 hours after the last message]."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON per change, and a final one.")] = False,
    tell: Annotated[
        bool, typer.Option("--events", help="The events that would have been told, instead of the changes.")
    ] = False,
) -> None:
    """Judge recorded messages by a configuration.

    The changes are those that the daemon would have found, in the order in which it would have found them.

    FILE has a JSON object a line, or the array that `message-queue.py list` prints: messages, optionally with
    "received" (epoch) and "source" (name), and outages {"source": name, "unreachable_from": epoch,
    "unreachable_until": epoch}.
    A MOMENT is epoch seconds, or an ISO date and time in the configuration's time zone.
    """
    from job_tracker.cli.screens import replaying

    replaying.show(config_path(config), messages, begin, until, json=json, events=tell)
