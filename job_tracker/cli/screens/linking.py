"""Linking: root's part of a start, for whoever has somebody else start the daemon.

Rule: what is wrong with the system is an OSError, which the command line says in a line.
"""

from pathlib import Path

from job_tracker.cli.screens import output
from job_tracker.config.reading import load
from job_tracker.errors import ServiceRefused
from job_tracker.service import classic_links, rights


def show(config_path: Path, user: str, *, tmpfiles: bool) -> None:
    """Make the run directory and the links, or print what makes them at boot."""
    config = load(config_path)
    account = rights.find_account(user)
    run_dir = config.settings.run_dir
    if tmpfiles:
        if account is None:
            raise ServiceRefused("systemd-tmpfiles needs to know whose the run directory is; name it with --user")
        keys = () if run_dir.resolve() == classic_links.CLASSIC.resolve() else config.jobs.by_key
        output.put(classic_links.tmpfiles(keys, run_dir, account.pw_name, rights.group_of(account)))
    else:
        changes = rights.prepare(config, account)
        output.put(f"{len(config.jobs.by_key)} jobs, {changes} links changed\n")
