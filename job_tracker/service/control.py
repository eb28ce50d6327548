"""Service: start, stop, reload and status of a program where no systemd does it, with the exit codes of the LSB.

Rule: the pid file's lock is taken before anything is detached, so of two starts one finds the other.
Rule: whoever starts it waits until the daemon is ready, or reads why it is not: nothing is said to run that does not.
Rule: what needs root is done first (the run directory, the links at the classic paths), then its rights are given up.
Rule: what root may read says nothing of what the daemon may: a running one is not touched before that is known.
"""

import contextlib
import logging
import os
import pwd
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon import DaemonContext
from daemon.daemon import DaemonOSEnvironmentError

from job_tracker.config.reading import Config
from job_tracker.config.text import read_file
from job_tracker.config.whole import load_whole
from job_tracker.errors import ConfigError, ServiceRefused
from job_tracker.exit_codes import AT_FAULT, DONE, FAILED, NOT_ALLOWED, NOT_RUNNING
from job_tracker.process.pid_file import Finding, Life, PidFile
from job_tracker.process.supervisor import READY_MARK, REFUSED_MARK, WaitingParent
from job_tracker.service.forking import fork, hear, let_go, lines_of
from job_tracker.service.program import TRACKER, Program
from job_tracker.service.rights import RestartNeeded, find_account, give_up_root, prepare

log = logging.getLogger("job_tracker")

START_SECONDS = 120.0
STOP_SECONDS = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The daemon of a configuration.

    is_chosen: somebody named the configuration.  user: as whom it runs when root starts it; empty: as whoever starts
    it.  say, complain: lines for whoever asked.  program: which, if not the tracker; reload is the tracker's alone.
    """

    config: Path
    pid_file: PidFile
    is_chosen: bool = True
    user: str = ""
    say: Say
    complain: Say
    program: Program = TRACKER

    def start(self) -> int:
        """Start it in the background, and wait until it is ready.  Raises ConfigError, ServiceRefused."""
        config = self.program.read(self.config)
        account = find_account(self.user)
        try:
            is_ours = self.pid_file.take()
        except OSError as failure:
            return self._cannot_use(failure)
        if not is_ours:
            self.say(f"{self.program.name} runs already{_number(self.pid_file.look())}")
            return DONE
        try:
            self.program.prepare(config, account)
        except OSError as failure:
            return self._cannot_use(failure, what=config.settings.run_dir, saying="not started: ")
        return self._await(*fork(lambda: self._become_daemon(account)), account)

    def stop(self) -> int:
        """End it; one that does not listen is killed, which loses nothing."""
        try:
            if not self.pid_file.signal(signal.SIGTERM) and not self._is_between():
                self.pid_file.tidy()
                self.say(f"{self.program.name} is not running")
                return DONE
            if self.pid_file.wait(STOP_SECONDS):
                self.pid_file.tidy()
                self.say(f"{self.program.name} stopped")
                return DONE
            self.pid_file.signal(signal.SIGKILL)
            ended = self.pid_file.wait(STOP_SECONDS)
        except OSError as failure:
            return self._cannot_use(failure)
        self.pid_file.tidy()
        ending = "it was killed" if ended else "killing it did not end it"
        self.complain(f"{self.program.name}: it did not end within {STOP_SECONDS:.0f} s; {ending}")
        return DONE if ended else FAILED

    def restart(self) -> int:
        """Stop and start it; a faulty configuration leaves it running.  Raises ConfigError, ServiceRefused."""
        self.program.check(self.config)
        self._check_access(find_account(self.user), self.config)
        return self.stop() or self.start()

    def reload(self) -> int:
        """Let it read the configuration that it runs with again, if that is without faults.

        A faulty one is tried all the same: the daemon refuses it and says so in its own service.  Raises ConfigError,
        ServiceRefused.
        """
        try:
            found = self.pid_file.look()
            if found.life is not Life.RUNNING:
                self.complain("job_tracker: not reloaded: it is not running")
                return NOT_RUNNING
            path = found.config or self.config
            if self.is_chosen and path != self.config:
                self.complain(f"job_tracker: not reloaded: it runs with {path}; restart it with {self.config}")
                return AT_FAULT
            account = find_account(self.user)
            config = self._loaded(path)
            self._check_access(account, path)
            prepare(config, account, is_running=True)
            if not self.pid_file.signal(signal.SIGHUP):
                self.complain("job_tracker: not reloaded: it is just starting or ending")
                return FAILED
        except OSError as failure:
            return self._cannot_use(failure)
        except RestartNeeded as refusal:
            self.complain(f"job_tracker: not reloaded: {refusal}")
            return FAILED
        self.say(f"job_tracker reads {path} again")
        return DONE

    def _loaded(self, path: Path) -> Config:
        """The configuration at a path; the running daemon is let know of its faults.  Raises ConfigError."""
        try:
            return load_whole(path)
        except ConfigError as refusal:
            with contextlib.suppress(OSError):  # whoever may not send it a signal reads the faults here
                self.pid_file.signal(signal.SIGHUP)
            stays = f"job_tracker: not reloaded, the old configuration stays in force; {path} is at fault"
            raise ConfigError([*refusal.faults, stays]) from refusal

    def status(self) -> int:
        """Say whether it runs: 0 it does, 1 it was killed, 3 it does not, 4 we may not look."""
        try:
            found = self.pid_file.look()
        except OSError as failure:
            return self._cannot_use(failure)
        match found.life:
            case Life.RUNNING:
                self.say(f"{self.program.name} is running{_number(found)}")
            case Life.DEAD:
                self.say(f"{self.program.name} is dead: {self.pid_file.path} was left behind{_number(found)}")
            case Life.STOPPED:
                self.say(f"{self.program.name} is not running")
        return found.life.value

    # -- how it starts -----------------------------------------------------------------------------------------------

    def _check_access(self, account: pwd.struct_passwd | None, path: Path) -> None:
        """Read the configuration as the daemon has to.  Raises ConfigError, ServiceRefused."""
        if account is None:
            return

        def read() -> int:
            give_up_root(account)
            read_file(path)
            return DONE

        pipe, child = fork(read)
        said, is_late = hear(pipe, START_SECONDS)
        if is_late:
            os.kill(child, signal.SIGKILL)
        let_go(child, is_late=is_late)
        if REFUSED_MARK in said:
            raise ConfigError([*lines_of(said), _whose(account)])
        if said or is_late:
            reason = lines_of(said)[-1:] or [f"it took longer than {START_SECONDS:.0f} s"]
            raise ServiceRefused(f"{path} cannot be read as {account.pw_name}: {reason[0]}")

    def _become_daemon(self, account: pwd.struct_passwd | None) -> int:
        try:
            if account is not None:
                give_up_root(account)
            # Owner and groups are changed above: with `initgroups`, python-daemon 3.1 leaves the group as it was.
            # Left to itself it stays with its parent where init or inetd seems to be one, as with a socket for stdin.
            DaemonContext(
                detach_process=True,
                files_preserve=[self.pid_file.descriptor],
                stderr=sys.stderr,
                umask=0o027,
                working_directory="/",
                # A SIGHUP that comes before there is a handler comes before the configuration is read.
                signal_map=dict.fromkeys((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP)),
            ).open()
        except (OSError, DaemonOSEnvironmentError) as failure:
            sys.stderr.write(f"it cannot become a daemon: {failure}\n")
            return FAILED
        self.pid_file.write(self.config)
        code = self.program.run(self.config, WaitingParent())
        if code == 0:
            self.pid_file.empty()
        return code

    def _await(self, pipe: int, child: int, account: pwd.struct_passwd | None) -> int:
        """Hear what the daemon has to say until it is ready, or has ended."""
        said, is_late = hear(pipe, START_SECONDS)
        let_go(child, is_late=is_late)
        is_ready = READY_MARK in said
        for line in lines_of(said):
            if not is_ready or " INFO " not in line:
                self.complain(line)
        if is_ready:
            self.say(f"{self.program.name} started{_number(self.pid_file.look())}")
            return DONE
        if is_late:
            self.complain(
                f"{self.program.name}: not ready within {START_SECONDS:.0f} s; it goes on, its log says how far it is"
            )
            return FAILED
        self.pid_file.empty()
        is_refused = REFUSED_MARK in said
        if is_refused and account is not None:
            self.complain(_whose(account))
        self.complain(f"{self.program.name}: not started")
        return AT_FAULT if is_refused else FAILED

    def _is_between(self) -> bool:
        """Whether it is starting: it holds the lock, and has no number yet."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.pid_file.look() == Finding(life=Life.RUNNING) and time.monotonic() < deadline:
            time.sleep(0.02)  # the number is written by another process; nothing else tells
        return self.pid_file.signal(signal.SIGTERM)

    def _cannot_use(self, failure: OSError, *, what: Path | None = None, saying: str = "") -> int:
        """Say which file it was; what: the one that was wanted, where the system names none."""
        file = failure.filename or what or self.pid_file.path
        self.complain(f"{self.program.name}: {saying}{file}: {failure.strerror or failure}")
        return NOT_ALLOWED if isinstance(failure, PermissionError) else FAILED


def _number(found: Finding) -> str:
    return f" (pid {found.pid})" if found.pid else ""


def _whose(account: pwd.struct_passwd) -> str:
    return f"job_tracker: that is the configuration as {account.pw_name} finds it, as whom the daemon runs"
