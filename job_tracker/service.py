"""Service: start, stop, reload and status of the daemon where no systemd does it, with the exit codes of the LSB.

Rule: the pid file's lock is taken before anything is detached, so of two starts one finds the other.
Rule: whoever starts it waits until the daemon is ready, or reads why it is not: nothing is said to run that does not.
Rule: what needs root is done first (the run directory, the links at the classic paths), then its rights are given up.
"""

import contextlib
import grp
import logging
import os
import pwd
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon import DaemonContext
from daemon.daemon import DaemonOSEnvironmentError

from job_tracker import daemon, links
from job_tracker.config.reading import Config, load
from job_tracker.errors import ServiceRefused
from job_tracker.locking import Finding, Life, PidFile
from job_tracker.supervisor import READY_MARK, WaitingParent

log = logging.getLogger("job_tracker")

START_SECONDS = 120.0
STOP_SECONDS = 30.0
DONE, FAILED, NOT_ALLOWED, NOT_RUNNING = 0, 1, 4, 7
"""Exit codes of every action but `status`; 2 is a faulty configuration, as everywhere in this program."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The daemon of a configuration.

    user: as whom it runs when root starts it; empty: as whoever starts it.  say, complain: lines for whoever asked.
    """

    config: Path
    pid_file: PidFile
    user: str = ""
    say: Say
    complain: Say

    def start(self) -> int:
        """Start it in the background, and wait until it is ready.  Raises ConfigError, ServiceRefused."""
        config = load(self.config)
        account = find_account(self.user)
        try:
            is_ours = self.pid_file.take()
        except OSError as failure:
            return self._cannot_use(failure)
        if not is_ours:
            self.say(f"job_tracker runs already{_number(self.pid_file.look())}")
            return DONE
        try:
            prepare(config, account)
        except OSError as failure:
            self.complain(f"job_tracker: not started: {failure.filename}: {failure.strerror}")
            return NOT_ALLOWED if isinstance(failure, PermissionError) else FAILED
        return self._await(*self._detach(account))

    def stop(self) -> int:
        """End it; one that does not listen is killed, which loses nothing."""
        try:
            if not self.pid_file.signal(signal.SIGTERM) and not self._is_between():
                self.say("job_tracker is not running")
                return DONE
            if self.pid_file.wait(STOP_SECONDS):
                self.say("job_tracker stopped")
                return DONE
            self.pid_file.signal(signal.SIGKILL)
            ended = self.pid_file.wait(STOP_SECONDS)
        except OSError as failure:
            return self._cannot_use(failure)
        ending = "it was killed" if ended else "killing it did not end it"
        self.complain(f"job_tracker: it did not end within {STOP_SECONDS:.0f} s; {ending}")
        return DONE if ended else FAILED

    def restart(self) -> int:
        """Stop and start it; a faulty configuration leaves it running.  Raises ConfigError, ServiceRefused."""
        load(self.config)
        find_account(self.user)
        return self.stop() or self.start()

    def reload(self) -> int:
        """Let it read its configuration again, if that is without faults.  Raises ConfigError, ServiceRefused."""
        config = load(self.config)
        try:
            if self.pid_file.look().life is not Life.RUNNING:
                self.complain("job_tracker: not reloaded: it is not running")
                return NOT_RUNNING
            prepare(config, find_account(self.user))
            if not self.pid_file.signal(signal.SIGHUP):
                self.complain("job_tracker: not reloaded: it is just starting or ending")
                return FAILED
        except OSError as failure:
            return self._cannot_use(failure)
        self.say(f"job_tracker reads {self.config} again")
        return DONE

    def status(self) -> int:
        """Say whether it runs: 0 it does, 1 it was killed, 3 it does not, 4 we may not look."""
        try:
            found = self.pid_file.look()
        except OSError as failure:
            return self._cannot_use(failure)
        match found.life:
            case Life.RUNNING:
                self.say(f"job_tracker is running{_number(found)}")
            case Life.DEAD:
                self.say(f"job_tracker is dead: {self.pid_file.path} was left behind{_number(found)}")
            case Life.STOPPED:
                self.say("job_tracker is not running")
        return found.life.value

    # -- how it starts -----------------------------------------------------------------------------------------------

    def _detach(self, account: pwd.struct_passwd | None) -> tuple[int, int]:
        """Fork what becomes the daemon; our end of the pipe that is its stderr, and the number of its first process."""
        ours, theirs = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.close(ours)
            code = FAILED
            try:
                os.dup2(theirs, 2)
                os.close(theirs)
                code = self._become_daemon(account)
            except BaseException:  # whatever it is, it is said in the log, and here if we are still starting
                log.exception("ended by a fault of the program itself")
            finally:
                sys.stderr.flush()
                os._exit(code)  # the terminal, buffers and exit handlers belong to the parent
        os.close(theirs)
        return ours, child

    def _become_daemon(self, account: pwd.struct_passwd | None) -> int:
        try:
            if account is not None:
                give_up_root(account)
            # Owner and groups are changed above: with `initgroups`, python-daemon 3.1 leaves the group as it was.
            DaemonContext(
                files_preserve=[self.pid_file.descriptor],
                stderr=sys.stderr,
                umask=0o027,
                working_directory="/",
                signal_map={signal.SIGTSTP: None, signal.SIGTTIN: None, signal.SIGTTOU: None},
            ).open()
        except (OSError, DaemonOSEnvironmentError) as failure:
            sys.stderr.write(f"it cannot become a daemon: {failure}\n")
            return FAILED
        self.pid_file.write()
        code = daemon.run(self.config, WaitingParent())
        if code == 0:
            self.pid_file.empty()
        return code

    def _await(self, pipe: int, child: int) -> int:
        """Hear what the daemon has to say until it is ready, or has ended."""
        deadline = time.monotonic() + START_SECONDS
        said = b""
        while READY_MARK not in said:
            readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(pipe, 65536) if readable else b""
            if not chunk:
                break
            said += chunk
        else:
            readable = [pipe]
        os.close(pipe)
        is_late = not readable
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        is_ready = READY_MARK in said
        lines = said.replace(READY_MARK, b"").decode("utf-8", "replace").splitlines()
        for line in lines:
            if not is_ready or " INFO " not in line:
                self.complain(line)
        if is_ready:
            self.say(f"job_tracker started{_number(self.pid_file.look())}")
            return DONE
        if is_late:
            self.complain(
                f"job_tracker: not ready within {START_SECONDS:.0f} s; it goes on, its log says how far it is"
            )
        else:
            self.pid_file.empty()
            self.complain("job_tracker: not started")
        return FAILED

    def _is_between(self) -> bool:
        """Whether it is starting: it holds the lock, and has no number yet."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.pid_file.look() == Finding(life=Life.RUNNING) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.pid_file.signal(signal.SIGTERM)

    def _cannot_use(self, failure: OSError) -> int:
        self.complain(f"job_tracker: {failure.filename or self.pid_file.path}: {failure.strerror}")
        return NOT_ALLOWED if isinstance(failure, PermissionError) else FAILED


def prepare(config: Config, account: pwd.struct_passwd | None) -> int:
    """Make what only root may: the run directory and the classic links; the number of links changed.  Raises OSError.

    A daemon that keeps the rights it was started with needs nothing made for it.
    """
    if account is None:
        return 0
    run_dir = config.settings.run_dir
    if not run_dir.exists():
        run_dir.mkdir(mode=0o750, parents=True)
        os.chown(run_dir, account.pw_uid, account.pw_gid)
    return links.make(config.jobs.by_key, run_dir)


def find_account(user: str) -> pwd.struct_passwd | None:
    """As whom root lets it run; None: as it is.  Raises ServiceRefused."""
    if not user:
        return None
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise ServiceRefused(
            f"there is no user {user} for the daemon to run as; make it, or name another one"
        ) from None
    if os.geteuid() in (0, account.pw_uid):
        return account if os.geteuid() == 0 else None
    raise ServiceRefused(f"only root can start it as {user}")


def give_up_root(account: pwd.struct_passwd) -> None:
    """Become a user, with the user's groups and nobody else's."""
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def group_of(account: pwd.struct_passwd) -> str:
    """The name of a user's own group."""
    try:
        return grp.getgrgid(account.pw_gid).gr_name
    except KeyError:
        return str(account.pw_gid)


def _number(found: Finding) -> str:
    return f" (pid {found.pid})" if found.pid else ""
