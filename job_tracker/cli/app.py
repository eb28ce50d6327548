"""The command line: what an operator can ask, and the files the answers come from.

Rule: nothing is decided here; commands read, a screen renders, this prints.
Rule: an error is one line: what happened, where, what next; exit code 2, and never a traceback.
Rule: a command imports what it needs when it runs, so that the quick ones stay quick.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from job_tracker import __version__

if TYPE_CHECKING:
    from job_tracker.service.control import Service

DEFAULT_CONFIG = "/etc/job_tracker/job_tracker.cfg"
OTHER_SUFFIXES = (".yml", ".yaml")
"""Of a configuration that is looked for where the default is not there."""
CONFIG_VARIABLE = "JOB_TRACKER_CONFIG"
PID_FILE = Path("/run/job_tracker.pid")

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


def _jobs_like(incomplete: str) -> list[str]:
    """The jobs whose names begin like that, for a shell that completes; none where the view cannot be read."""
    from job_tracker.errors import JobTrackerError
    from job_tracker.view.reading import read_keys

    try:
        return [key for key in read_keys(_view_path(None, None)) if key.startswith(incomplete)]
    except JobTrackerError:
        return []


JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's name__env.", autocompletion=_jobs_like)]
PatternsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOB|PATTERN", help="Whole names, or globs as LOAD_*__P.", autocompletion=_jobs_like),
]
GroupOption = Annotated[str | None, typer.Option("--group", metavar="G", help="Only jobs of this group.")]
SourceOption = Annotated[str | None, typer.Option("--source", metavar="S", help="Only jobs of this source.")]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for who reads it at night.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document; moments and durations in seconds.")]


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


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run the tracker in the foreground.

    SIGTERM and Ctrl-C stop it; SIGHUP makes it read the configuration again.
    """
    from job_tracker.daemon import starting
    from job_tracker.process import supervisor

    raise typer.Exit(starting.run(_config_path(config), supervisor.from_environment()))


def _service_command(name: str, text: str) -> None:
    """A command that does with the service what its name says."""

    def command(config: ConfigOption = None, user: UserOption = "", pid_file: PidFileOption = PID_FILE) -> None:
        do: Callable[[], int] = getattr(_service(config, user, pid_file), name)
        raise typer.Exit(do())

    app.command(name, help=text)(command)


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


@app.command("links")
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

    linking.show(_config_path(config), user, tmpfiles=tmpfiles)


@app.command("check-config")
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

    path = _config_path(file or config)
    found = summary.summary(path, load_whole(path), clock.now())
    if json:
        output.put_json(found)
    else:
        output.put(summary.as_text(found))


@app.command("check-sources")
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

    if not checking.check(_config_path(file or config), json=json):
        raise typer.Exit(2)


@app.command("take-over")
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

    if not taking_over.take_over(_config_path(config), names or (), every=every, agreed=yes):
        raise typer.Exit(2)


@app.command()
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
        commands.watch_jobs(_view_path(config, view), wanted)
    else:
        commands.show_jobs(_view_path(config, view), wanted, json=json)


@app.command()
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
        commands.show_days(_view_path(config, view), job, days, json=json)
        return
    commands.show_history(_view_path(config, view), job, number, json=json)


@app.command()
def explain(
    job: JobArgument,
    config: ConfigOption = None,
    view: ViewOption = None,
    json: JsonOption = False,
) -> None:
    """Explain why a job is in its state.

    The rule, the promise, the expected moment, the messages that decided, the sources, and what would change it next.

    With --json: {"view": {…}, "job": {…}, "sentences": {"why": […], …}, "messages": […]}
    """
    from job_tracker.cli.screens import commands

    commands.show_reasons(_view_path(config, view), job, json=json)


@app.command()
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
    screen.show(_config_path(config), asked, json=json)


@app.command()
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
    operating.pause(_view_path(config, view), chosen, why, length=length, until=until)


@app.command()
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

    operating.resume(_view_path(config, view), Chosen(patterns=tuple(patterns or ()), group=group, source=source), why)


@app.command()
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
    operating.mark(_view_path(config, view), chosen, why, success=success, error=error)


@app.command()
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
        operating.forget(_view_path(config, view), name)
        return
    as_yaml = _config_path(config).suffix in OTHER_SUFFIXES
    commands.show_unmatched(_view_path(config, view), name, json=json, as_yaml=as_yaml)


@app.command()
def suggest(
    pattern: Annotated[
        str, typer.Argument(metavar="[JOB|PATTERN]", help="Only these jobs, as LOAD_*.", autocompletion=_jobs_like)
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

    path = _config_path(config)
    screen.show(path, _view_path(path, view), pattern, json=json, as_yaml=path.suffix in OTHER_SUFFIXES)


@app.command()
def sources(config: ConfigOption = None, view: ViewOption = None, json: JsonOption = False) -> None:
    """Show a line per source host.

    Contact and since when, how far its clock is ahead, messages in its queue, messages and bytes taken since the start,
    when messages came last, median and worst latency of the last answers.

    With --json: {"view": {…}, "sources": [{"source": …, "contact": …, "since": …, "clock_offset": …, …}]}
    """
    from job_tracker.cli.screens import commands

    commands.show_sources(_view_path(config, view), json=json)


@app.command()
def notifications(config: ConfigOption = None, view: ViewOption = None, json: JsonOption = False) -> None:
    """Show notifications that the Event Console has not taken yet.

    A line per job or source: what is to be told, how many changes that is, for how long it has waited, and why.

    With --json: {"view": {…}, "notifications": [{"subject": …, "status": …, "waiting": …, "reason": …, …}]}
    """
    from job_tracker.cli.screens import commands

    commands.show_notifications(_view_path(config, view), json=json)


@app.command()
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
    screen.show(_events_path(config, file), wanted, follow=follow, json=json)


@app.command()
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

    replaying.show(_config_path(config), messages, begin, until, json=json, events=tell)


def _service(config: Path | None, user: str, pid_file: Path) -> "Service":
    from job_tracker.process.pid_file import PidFile
    from job_tracker.service.control import Service

    return Service(
        config=_config_path(config).absolute(),
        pid_file=PidFile(pid_file.absolute()),
        is_chosen=config is not None or bool(os.environ.get(CONFIG_VARIABLE)),
        user=user,
        say=typer.echo,
        complain=lambda line: typer.echo(line, err=True),
    )


def _config_path(given: Path | None) -> Path:
    """The configuration that somebody named; else the default, whichever of its suffixes is there."""
    if given or os.environ.get(CONFIG_VARIABLE):
        return given or Path(os.environ[CONFIG_VARIABLE])
    default = Path(DEFAULT_CONFIG)
    others = (default.with_suffix(suffix) for suffix in OTHER_SUFFIXES)
    return default if default.exists() else next((path for path in others if path.exists()), default)


def _view_path(config: Path | None, view: Path | None) -> Path:
    """Where the view lies, without judging the rest of the configuration."""
    if view is not None:
        return view
    from job_tracker.cli.screens.view_path import view_path

    is_chosen = config is not None or bool(os.environ.get(CONFIG_VARIABLE))
    return view_path(_config_path(config), is_chosen=is_chosen)


def _events_path(config: Path | None, file: Path | None) -> Path:
    """Where the events file lies, likewise."""
    if file is not None:
        return file
    from job_tracker.cli.screens.view_path import events_path

    is_chosen = config is not None or bool(os.environ.get(CONFIG_VARIABLE))
    return events_path(_config_path(config), is_chosen=is_chosen)


if __name__ == "__main__":
    main()
