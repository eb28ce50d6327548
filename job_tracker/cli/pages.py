"""Pages: the web part, and who may see what there.

Rule: nothing of it is imported before one of its commands runs, and then it is said which extra is missing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from job_tracker.cli.options import PAGES_PID_FILE, ConfigOption, JsonOption, PidFileOption, UserOption, config_path
from job_tracker.cli.serving import service

commands = typer.Typer(rich_markup_mode=None)
users = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Users, roles and tokens of the pages; see docs/web.md."
)
commands.add_typer(users, name="web-user")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user.")]
RoleOption = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE", help="cop, standard_user, viewer, operator or your own.")
]
PasswordOption = Annotated[
    str | None,
    typer.Option("--password-file", metavar="FILE", help="Its first line is the password; - is stdin [default: ask]."),
]


class Verb(StrEnum):
    """What is done with the pages in the background."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    STATUS = "status"


@commands.command()
def web(
    verb: Annotated[
        Verb | None, typer.Argument(metavar="[start|stop|restart|status]", help="In the background, instead.")
    ] = None,
    config: ConfigOption = None,
    user: UserOption = "",
    pid_file: PidFileOption = PAGES_PID_FILE,
) -> None:
    """Serve the pages and the API, in the foreground.

    It reads what the tracker publishes, and runs beside it, as a user of its own. SIGTERM and Ctrl-C stop it. Its
    configuration is read at a start. With start, stop, restart and status, which are for hosts without systemd, it
    does what the commands of these names do with the tracker, with their exit codes, and its log goes to syslog.
    """
    if verb is not None:
        with _installed():
            from job_tracker.service.pages import PAGES
        do: Callable[[], int] = getattr(service(config, user, pid_file, PAGES), verb.value)
        raise typer.Exit(do())
    with _installed():
        from job_tracker.process import supervisor
        from job_tracker.web import serving
    raise typer.Exit(serving.run(config_path(config), supervisor.from_environment()))


@users.command("add")
def add_user(
    name: NameArgument,
    role: RoleOption = None,
    password_file: PasswordOption = None,
    without_password: Annotated[
        bool, typer.Option("--without-password", help="Only a proxy lets the user in (trusted_user_header).")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Add a user; the first one needs --role cop."""
    with _installed():
        from job_tracker.web import managing
    managing.add(config_path(config), name, role or (), password_file, has_password=not without_password)


@users.command("list")
def list_users(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show users, their roles, and the roles' permissions.

    With --json: {"users": [{"name": …, "roles": […], …}], "roles": {ROLE: [PERMISSION, …]}}
    """
    with _installed():
        from job_tracker.web import managing
    managing.show(config_path(config), json=json)


@users.command("disable")
def disable_user(
    name: NameArgument,
    again: Annotated[bool, typer.Option("--undo", help="Let the user in again, without the tokens of before.")] = False,
    config: ConfigOption = None,
) -> None:
    """Let a user in no more, and end what is open."""
    with _installed():
        from job_tracker.web import managing
    managing.set_active(config_path(config), name, active=again)


@users.command("password")
def set_password(name: NameArgument, password_file: PasswordOption = None, config: ConfigOption = None) -> None:
    """Give a user another password."""
    with _installed():
        from job_tracker.web import managing
    managing.set_password(config_path(config), name, password_file)


@users.command("token")
def make_token(
    name: NameArgument,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What it is for.")] = "",
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=3660, help="How long it lasts.")] = 90,
    reads_only: Annotated[bool, typer.Option("--read-only", help="It changes nothing.")] = False,
    once: Annotated[
        bool, typer.Option("--login-link", help="A link instead, that logs in once within a quarter of an hour, here.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Make a token for a program, and print it; nobody can see it again."""
    with _installed():
        from job_tracker.web import managing
    managing.make_token(config_path(config), name, label, days=days, reads_only=reads_only, once=once)


@users.command("role")
def set_role(
    name: Annotated[str, typer.Argument(metavar="USER|ROLE", help="The user, or with --permission the role.")],
    role: RoleOption = None,
    permission: Annotated[
        list[str] | None,
        typer.Option("--permission", metavar="P", help="job://REGEX/r to see jobs, …/x to act on them, or cop."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Let that role be no more.")] = False,
    config: ConfigOption = None,
) -> None:
    """Give a user other roles, or a role its permissions."""
    with _installed():
        from job_tracker.web import managing
    managing.set_role(config_path(config), name, role, permission, remove=remove)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        from job_tracker.errors import ConfigError

        part = Path(missing.name or "a part of it").name
        raise ConfigError(
            [f"the pages are not installed here ({part} is missing): `pip install 'job_tracker[web]'`"]
        ) from missing
