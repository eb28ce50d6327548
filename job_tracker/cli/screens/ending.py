"""Ending: the exit codes, and a line for whatever went wrong.

Rule: no traceback reaches an operator; JOB_TRACKER_DEBUG=1 shows it to whoever looks for a fault of ours.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from job_tracker.cli.screens.output import complain
from job_tracker.errors import ConfigError, JobTrackerError
from job_tracker.exit_codes import AT_FAULT, FAILED, INTERRUPTED

DEBUG_VARIABLE = "JOB_TRACKER_DEBUG"


def leave(command: Callable[[], Any]) -> None:
    """Run a command and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal in the C locale is shown escapes, not a failure
            stream.reconfigure(errors="backslashreplace")
    sys.exit(code_of(command))


def code_of(command: Callable[[], Any]) -> int:
    """Run a command; say what went wrong, and give the exit code."""
    try:
        code = command()
    except KeyboardInterrupt:
        return INTERRUPTED
    except ConfigError as error:
        for fault in error.faults:
            complain(fault)
        return AT_FAULT
    except JobTrackerError as error:
        complain(f"job_tracker: {error}")
        return AT_FAULT
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last one to be asked: a line for the operator, or on request all of it
        return _of_other(error)
    return code if isinstance(code, int) else 0


def _of_other(error: Exception) -> int:
    if hasattr(error, "format_message"):  # what typer refuses of the command line; its classes are not public
        return _of_usage(error)
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        complain(f"job_tracker: {reason}; look at that first, {DEBUG_VARIABLE}=1 shows where it happened")
    else:
        complain(
            f"job_tracker: a fault of the program itself: {reason}; please report it with the output of "
            f"{DEBUG_VARIABLE}=1 {' '.join(sys.argv)}"
        )
    return FAILED


def _of_usage(error: Any) -> int:
    message: str = error.format_message()
    if "\n" in message:  # no command was given: this is the help
        sys.stderr.write(f"{message}\n")
        return AT_FAULT
    context = getattr(error, "ctx", None)
    path = "job_tracker" if context is None else context.command_path
    complain(f"{path}: {message.rstrip('.')}; `{path} --help` shows what there is")
    return AT_FAULT
