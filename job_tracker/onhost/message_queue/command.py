"""Command: the job's process, started as a shell would, told each signal once, and waited for with its usage."""

import contextlib
import errno
import os
import signal

from .signals import Witness, forwarded, name_of, pipe

RESTORED = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")  # Python ignores them; the command must not


class NoProcessError(Exception):
    """This host has no room for another process; the command can still take the place of this one."""


class Command:
    """One command. From its making to its end, signals that are passed on wait until somebody takes them."""

    def __init__(self, words, environment):
        self.words, self.environment = words, environment
        self.pid = self.code = self.witness = None
        self.children = signal.getsignal(signal.SIGCHLD)
        if self.children in (signal.SIG_IGN, signal.SIG_DFL):  # ignored, nobody's end could be waited for
            signal.signal(signal.SIGCHLD, lambda *_: None)
        self.numbers = forwarded()
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, self.numbers | {signal.SIGCHLD})

    def start(self, streams):
        """Start it; `streams` maps descriptors to those it gets in their place. OSError says why it could not be."""
        with contextlib.suppress(OSError):  # without a witness each signal is passed on: too often beats never
            self.witness = Witness(self.numbers)
        said, saying = pipe()
        try:
            self.pid = os.fork()
        except OSError as error:  # not the command's fault
            raise NoProcessError("no further process can be made: {}".format(error.strerror)) from None
        if self.pid == 0:
            code = 0
            try:
                for descriptor, other in streams.items():
                    os.dup2(other, descriptor)
                self.become()
            except OSError as error:
                code = error.errno
            finally:
                os.write(saying, str(code).encode("ascii"))
                os._exit(127)
        os.close(saying)
        code = os.read(said, 32)  # nothing, once it runs
        os.close(said)
        if code:
            os.waitpid(self.pid, 0)
            self.pid = None
            raise OSError(int(code), os.strerror(int(code)))

    def become(self):
        """Turn this process into the command, with signals as they were before us."""
        for name in RESTORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        if self.children == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)
        execute(self.words, self.environment)

    def wait(self):
        """Pass on signals until it ends: (exit code as a shell would give it, what to say about it, its rusage)."""
        while True:
            number = signal.sigwait(self.numbers | {signal.SIGCHLD})
            if number != signal.SIGCHLD:
                self._pass_on(number)
                continue
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
                self.code = os.WEXITSTATUS(status) if number is None else 128 + number
                text = "exit code {}".format(self.code) if number is None else "killed by " + name_of(number)
                return self.code, text, usage

    def _pass_on(self, number):
        with contextlib.suppress(OSError):
            is_in_group = os.getpgid(self.pid) == os.getpgrp()
            if not (is_in_group and self.witness and self.witness.has_heard(number)):
                os.kill(self.pid, number)


def execute(words, environment):
    """Become the command, found as execvp finds it: a file that the kernel does not know is a script for /bin/sh."""
    failure = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in candidates(words[0], environment):
        try:
            os.execve(path, words, environment)  # noqa: S606 - a shell is what a command must not need
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                script = "./" + path if path.startswith("-") else path
                os.execve("/bin/sh", ["/bin/sh", script, *words[1:]], environment)  # noqa: S606 - as execvp
            if error.errno == errno.EACCES:
                failure = error
            elif error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
    raise failure


def candidates(name, environment):
    """The paths that may be meant by a command's name."""
    if not name:
        return []
    if "/" in name:
        return [name]
    return [os.path.join(place or ".", name) for place in environment.get("PATH", os.defpath).split(os.pathsep)]


def why_not_started(command, error):
    """(exit code, reason) for a command that could not be started, with the name of what is missing."""
    if error.errno != errno.ENOENT:
        return 126, "{}: {}".format(command.words[0], os.strerror(error.errno))
    for path in candidates(command.words[0], command.environment):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            first = file.readline(256)
            if first.startswith(b"#!"):
                wanted = ascii(first[2:].strip(b" \t\n").decode("utf-8", "replace"))
                return 127, "{}: its interpreter is not there: {}".format(path, wanted)
    return 127, "{}: {}".format(command.words[0], os.strerror(error.errno))
