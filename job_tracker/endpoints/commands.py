"""The commands `job_status_checker` and `job_metrics_checker`, which differ in their lines alone."""

import sys
from collections.abc import Sequence

from job_tracker.endpoints.emitter import Emitter
from job_tracker.endpoints.options import Mistake, read
from job_tracker.exit_codes import AT_FAULT
from job_tracker.process.signals import Asked
from job_tracker.shippers.formats import METRICS, STATUS


def status_checker(arguments: Sequence[str] | None = None) -> int:
    """Write a line for each status of each job of a WPS-T server."""
    about = "Writes a line into a log for each status of each job of a WPS-T server."
    return _run("job_status_checker", about, "ADES_log_pbs.log", STATUS, arguments)


def metrics_checker(arguments: Sequence[str] | None = None) -> int:
    """Write a line with what it used for each job of a WPS-T server that has ended."""
    about = "Writes a line into a log with what it used for each job of a WPS-T server that has ended."
    return _run("job_metrics_checker", about, "ADES_log_ades.log", METRICS, arguments)


def _run(program: str, about: str, default_log: str, form: str, arguments: Sequence[str] | None) -> int:
    def say(text: str) -> None:
        sys.stderr.write(f"{program}: {text}\n")
        sys.stderr.flush()

    asked = Asked()
    asked.watch_stop()
    try:
        wanted = read(sys.argv[1:] if arguments is None else arguments, program, about, default_log)
        return Emitter(wanted, form, say, asked).run()
    except Mistake as mistake:
        say(str(mistake))
        return AT_FAULT
