"""Run: a command between the note of its start and the note of its end; the command comes first.

This process never touches the queue: children do, so that a file system that hangs holds up only them.
"""

import os
import signal
import time

from .command import Command, execute, why_not_started
from .ground import FORWARDED_SIGNALS, RUN_PATIENCE, InputError, complain, describe, select
from .messages import argument, make_message, random_id
from .outcome import Wishes
from .queue import store
from .relay import Relay
from .signals import let_go, pipe

USAGE = {
    "user_sec": "ru_utime",
    "system_sec": "ru_stime",
    "max_rss_kib": "ru_maxrss",
    "read_blocks": "ru_inblock",
    "written_blocks": "ru_oublock",
    "waits": "ru_nvcsw",
    "preemptions": "ru_nivcsw",
}
"""What is noted of a command's resources, of itself and of what it waited for, and what getrusage calls it."""


def do_run(arguments):
    """Run the command between its notes. Whatever fails here, for want of a module or of a process: it runs."""
    run = argument(arguments.run) if arguments.run else random_id()
    command = Command(arguments.command, dict(os.environ, JOB_TRACKER_RUN=run))
    try:
        return _run_noted(arguments, command, run)
    except Exception as error:  # noqa: BLE001 - the job comes first, whatever keeps us from noting
        complain("not noted: " + describe(error))
        return _run_regardless(command)


def _run_regardless(command):
    """The command's exit code; if it does not run yet, it takes this process's place."""
    if command.code is not None:
        return command.code
    if command.pid is not None:
        return command.wait()[0]
    try:
        command.become()
    except OSError as error:
        code, reason = why_not_started(command, error)
        complain(reason)
        return code


def run_without_us(words):
    """Where this Python cannot even read the command line: become the command; exit code 127 or 126 if that fails."""
    try:
        execute(words, dict(os.environ))
    except OSError as error:
        complain("{}: {}".format(words[0], describe(error)))
        return 127 if isinstance(error, FileNotFoundError) else 126


def _run_noted(arguments, command, run):
    began, began_monotonic = time.time(), time.monotonic()
    before = _note(arguments, run, arguments.start_event, began)
    first = Noter(arguments, lambda: [before], command.before)
    wishes = Wishes(arguments)
    relays = {descriptor: Relay(descriptor) for descriptor in wishes.relayed()}
    code, text, usage = _run(command, {descriptor: relay.inlet for descriptor, relay in relays.items()})
    # A clock that was set back meanwhile must not let the run end before it began.
    ended = max(time.time(), began + time.monotonic() - began_monotonic)
    until = time.monotonic() + RUN_PATIENCE
    outcome = wishes.outcome(code, usage is not None)
    tails = {descriptor: relay.last(until - 1) for descriptor, relay in relays.items()}
    after = _note(arguments, run, wishes.event(outcome), ended, exit_code=code, usage=usage)

    def notes():
        after["message"] = wishes.text(outcome, text, tails)
        return [*again, after]

    # What the first child has not stored for certain goes again; the uid sees to it that it counts once.
    again = [before] if first.wait(RUN_PATIENCE / 5) else []
    problem = Noter(arguments, notes, command.before).wait(until - time.monotonic())
    if problem:
        complain(problem)
    return code


def _run(command, streams):
    """(exit code, what to say about it, usage) of the command; no usage if it could not be started."""
    try:
        command.start(streams)
    except OSError as error:
        code, reason = why_not_started(command, error)
        complain(reason)
        return code, "the command could not be started: {}".format(reason), None
    finally:
        for inlet in streams.values():
            os.close(inlet)
    code, text, usage = command.wait()
    return code, text, {name: getattr(usage, word) for name, word in USAGE.items()}


def _note(arguments, run, event, moment, **more):
    """What is to be noted, unchecked: whoever stores it checks it, in a child."""
    given = dict(more, uid=random_id(), timestamp=moment, run=run, event=argument(event))
    return dict(given, instance=argument(arguments.instance), job=argument(arguments.job))


class Noter:
    """A child process that stores messages and says through a pipe what went wrong, while we do better things."""

    def __init__(self, arguments, make, mask):
        """make: gives the messages, unchecked, and is called in the child.  mask: the signals blocked there."""
        self.pid = self.problem = None
        self.pipe, other_end = pipe()
        try:
            self.pid = os.fork()
        except OSError as error:
            self.problem = "not noted: " + describe(error)
        if self.pid == 0:
            self._store(arguments, make, mask, other_end)
        os.close(other_end)

    def _store(self, arguments, make, mask, pipe):
        """The child's whole life."""
        code, remarks = 1, []
        try:
            os.setsid()
            for name in FORWARDED_SIGNALS:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.alarm(60)  # a mask may be an expression that never ends
            let_go(pipe)
            messages = [make_message(given, time.time(), "the note", remarks) for given in make()]
            store(arguments.file, messages, arguments.mode)
            code = 0
        except InputError as error:
            remarks = [str(error)]
        except BaseException as error:  # noqa: BLE001 - nobody is above a forked child: what it met goes up the pipe
            remarks = [describe(error)]
        finally:
            os.write(pipe, "; ".join(remarks).encode("ascii", "backslashreplace")[:4096])
            os._exit(code)

    def wait(self, seconds):
        """Wait for the child, and no longer than that; what is to be complained about, or None."""
        if self.pid is None:
            return self.problem
        until = time.monotonic() + seconds
        said = b""
        waiting = select.poll()
        waiting.register(self.pipe, select.POLLIN)
        while waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            part = os.read(self.pipe, 4096)
            if not part:
                is_stored = os.waitpid(self.pid, 0)[1] == 0
                text = said.decode("ascii")
                return (text or None) if is_stored else "not noted: " + (text or "the child process died")
            said += part
        return "not noted within {:g} seconds, and no longer waited for: the queue does not answer".format(RUN_PATIENCE)
