"""Run: a command between the note of its start and the note of its end; the command comes first."""

import contextlib
import os
import select
import signal
import subprocess
import time

from .ground import FORWARDED_SIGNALS, RUN_PATIENCE, InputError, complain, describe
from .messages import argument, make_message, random_id
from .queue import store


def do_run(arguments):
    """Run the command between a STARTED and a SUCCESS or ERROR; whatever happens to those, the command comes first.

    This process never touches the queue: children do, so that a file system that hangs holds up only them.
    """
    run = argument(arguments.run) if arguments.run else random_id()
    before = make_note(arguments, run, arguments.start_event)
    first = Noter(arguments, before)
    code, text = run_command(arguments.command, dict(os.environ, JOB_TRACKER_RUN=run))
    event = arguments.error_event if code else arguments.success_event
    after = make_note(arguments, run, event, message=text, exit_code=code)
    until = time.monotonic() + RUN_PATIENCE
    # What the first child has not stored for certain goes again; the uid sees to it that it counts once.
    again = before if first.wait(RUN_PATIENCE / 5) else []
    problem = Noter(arguments, again + after).wait(until - time.monotonic())
    if problem:
        complain(problem)
    return code


def make_note(arguments, run, event, **more):
    """A list of the one message, or of none where the arguments do not make one: the job runs all the same."""
    given = dict(more, instance=argument(arguments.instance), job=argument(arguments.job), event=argument(event))
    try:
        return [make_message(dict(given, run=run), time.time(), "not noted")]
    except InputError as error:
        complain(str(error))
        return []


class Noter:
    """A child process that stores messages and says through a pipe what went wrong, while we do better things."""

    def __init__(self, arguments, messages):
        self.pid = self.problem = None
        if not messages:
            return
        self.pipe, other_end = os.pipe()
        try:
            self.pid = os.fork()
        except OSError as error:
            self.problem = "not noted: " + describe(error)
        if self.pid == 0:
            self._store(arguments, messages, other_end)
        os.close(other_end)

    def _store(self, arguments, messages, pipe):
        """The child's whole life."""
        code = 1
        try:
            detach(pipe)
            store(arguments.file, messages, arguments.mode)
            code = 0
        except BaseException as error:
            os.write(pipe, describe(error).encode("ascii", "backslashreplace")[:4096])
        finally:
            os._exit(code)

    def wait(self, seconds):
        """Wait for the child, and no longer than that; what is to be complained about, or None."""
        if self.pid is None:
            return self.problem
        until = time.monotonic() + seconds
        said = b""
        while select.select([self.pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            part = os.read(self.pipe, 4096)
            if not part:
                status = os.waitpid(self.pid, 0)[1]
                return None if status == 0 else "not noted: " + (said.decode("ascii") or "the child process died")
            said += part
        return "not noted within {:g} seconds, and no longer waited for: the queue does not answer".format(RUN_PATIENCE)


def detach(keep):
    """Leave the job's session, streams and descriptors: a child that hangs must hold none of them open."""
    os.setsid()
    for name in FORWARDED_SIGNALS:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for descriptor in [int(name) for name in os.listdir("/dev/fd")]:
        if descriptor > 2 and descriptor != keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def run_command(command, environment):
    """Run the command; (exit code as a shell would give it, what to say about it)."""
    process = None
    early = []

    def pass_on(number, _):
        if number in (signal.SIGINT, signal.SIGQUIT) and _in_foreground():
            return  # the terminal has sent it to the command as well, and twice is not the same as once
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    for name in FORWARDED_SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup: what we were told to ignore, the command ignores
            signal.signal(number, pass_on)
    try:
        process = subprocess.Popen(command, env=environment, close_fds=False)
    except OSError as error:
        reason = os.strerror(error.errno)
        complain("{}: {}".format(command[0], reason))
        missing = isinstance(error, FileNotFoundError)
        return (127 if missing else 126), "the command could not be started: {}".format(reason)
    for number in early:
        process.send_signal(number)
    code = process.wait()
    if code >= 0:
        return code, "exit code {}".format(code)
    return 128 - code, "killed by {}".format(_signal_name(-code))


def _in_foreground():
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return "signal {}".format(number)
