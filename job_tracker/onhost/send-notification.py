#!/usr/bin/env python3
"""Sends one event to Checkmk's Event Console, and says by its exit code whether it arrived.

The rules this file keeps, and why it looks the way it does:

* It is copied to hosts that other people own: one file, standard library, Python 3.6 syntax.
* Exit code 0 only when the target has taken the event; until then, whoever called keeps it and tries again.
* One event is one line of at most 4,096 bytes, written at once: several writers of one FIFO never mix.
* Every line begins with '<'. One that begins with a digit is taken for a length, and swallows other people's events.
* No shell, ever: texts travel on stdin, and nothing that was given is part of a command line but checked names.
* Nothing waits without a limit: a FIFO nobody reads, a socket nobody answers, an ssh that hangs.

Exit codes: 0 taken, 1 not taken (one line on stderr per target says why), 2 wrong usage or wrong configuration.
`oem` ends with 100 instead of 1, because Enterprise Manager tries again only on that.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import ipaddress
import json
import math
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

VERSION = "0.1.0"
CONFIG = "/etc/job_tracker/send-notification.cfg"
LOG = "/var/log/job_tracker-notifications.log"
QUEUE = "/var/lib/job_tracker/queue/msg-queue.sqlite"
LONGEST_LINE = 4096  # bytes with the newline: what the Event Console reads at once, and what a pipe takes whole
LONGEST_TEXT = 3500  # bytes
LONGEST_NAME = 240  # characters of a host or an application
LONGEST_INPUT = 1024 * 1024  # bytes read from stdin
LONGEST_LOGGED = 64 * 1024  # bytes of a line in a file
PATIENCE = 8.0  # seconds for one target
IDLE = 60.0  # seconds that the far end of ssh:// waits for the next of many events
UDP_PATIENCE = 0.2  # seconds in which a host says that nobody listens there
FACILITY = 16  # local0
PRIORITIES = (5, 4, 2, 3)  # by status: OK notice, WARN warning, CRIT critical, UNKNOWN error, as mkevent has it
INFORMATIONAL = 6  # neither opens an event nor cancels one
EARLIEST, LATEST = 1000000000, 10000000000  # seconds since 1970 of ten digits: the Event Console counts on them
EVENT_KEYS = ("message", "host", "application", "status", "priority", "at")
CUT_MARK = b"\xe2\x80\xa6"
TRY_AGAIN = 100  # the one exit code on which Enterprise Manager calls an OS command once more
MANY = "receive --many"  # what our side asks the forced command for, which decides what it does
GREETING = b"send-notification 1\n"  # of a far end that takes many events
TAKEN = b"taken\n"
EVENT_LINE = re.compile(rb"<[0-9]{1,3}>@[0-9]{10}[; ][^\n]*\n")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class InputError(Exception):
    """What was asked for, or configured, makes no sense; nothing was sent. Exit code 2."""


class NotTakenError(Exception):
    """The target has not taken the event, as far as anybody can know. Exit code 1."""


# ------------------------------------------------------------------------------------------------ the line


def argument(text):
    """A command line argument as text: Python before 3.7 reads it as ASCII under LC_ALL=C, and any byte may come."""
    return os.fsencode(text).decode("utf-8", "replace")


def clean(text, limit):
    """The text as UTF-8 on one line of at most that many bytes, never empty."""
    text = UNPRINTABLE.sub(" ", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")).strip()
    data = (text or "(no text)").encode("utf-8")
    if len(data) <= limit:
        return data
    kept = data[: limit - len(CUT_MARK)].decode("utf-8", "ignore")
    return kept.rstrip().encode("utf-8") + CUT_MARK


def safe_host(name):
    """A host's name that the Event Console takes for one: an address, or letters, digits, '_', '-', '.'."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:LONGEST_NAME]
        return safe if re.match(r"[A-Za-z0-9_]", safe) else "_" + safe[1:]


def safe_application(name):
    """An application's name in which nothing ends it: a blank, a colon and a bracket would.

    One that is cut ends with what tells it from others that begin alike: who cancels must not cancel their events.
    """
    safe = re.sub(r"[^A-Za-z0-9_./@+-]", "_", name) or "_"
    if len(safe) <= LONGEST_NAME:
        return safe
    digest = "@" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return safe[: LONGEST_NAME - len(digest)] + digest


def event_line(text, host, application, at, priority, settings):
    """The event as the one line that every version of the Event Console parses, as bytes.

    A service level in the line, also 0, wins over the one of the rule: it is there only if it is configured.
    """
    level = "" if settings["service_level"] is None else ";{}".format(settings["service_level"])
    head = "<{}>@{:010d}{} {} {}: ".format(
        settings["facility"] * 8 + priority, at, level, safe_host(host), safe_application(application)
    )
    return head.encode("ascii") + clean(text, LONGEST_TEXT) + b"\n"


# ------------------------------------------------------------------------------------------------ targets


def read_target(text, settings, many=None):
    """The function that delivers a line to a target; InputError if it is none.

    many: an ExitStack that ends what is kept open for the events after the first; None: there is one event.
    """
    kind, _, rest = text.partition(":")
    if kind in ("pipe", "socket") and rest.startswith("/"):
        deliver = to_pipe if kind == "pipe" else to_socket
        return lambda line, until: deliver(rest, line, until)
    if kind in ("tcp", "udp"):
        host, port = _host_and_port(text, rest, 514)
        deliver = to_tcp if kind == "tcp" else to_udp
        return lambda line, until: deliver(host, port, line, until)
    if kind == "ssh":
        user, at, rest = rest[2:].rpartition("@") if rest.startswith("//") else ("", "", "")
        if at and re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", user):
            host, port = _host_and_port(text, "//" + rest, None)
            command = ssh_command(user, host, port, settings)
            if many is not None:
                session = many.enter_context(SshSession(command))
                return session.send
            return lambda line, until: to_ssh(command, line, until)
    raise InputError(
        "{}: not a target; targets are pipe:/PATH, socket:/PATH, tcp://HOST[:PORT], udp://HOST[:PORT] and"
        " ssh://USER@HOST[:PORT]".format(ascii(text))
    )


def _host_and_port(target, rest, default):
    found = re.match(r"^//(?:\[([0-9A-Fa-f:.%a-z]+)\]|([A-Za-z0-9_][A-Za-z0-9_.-]*))(?::([0-9]{1,5}))?$", rest)
    port = found and (int(found.group(3)) if found.group(3) else default)
    if not found or (port is not None and not 0 < port < 65536):
        raise InputError("{}: there must be a host, and a port from 1 to 65535 or none".format(ascii(target)))
    return found.group(1) or found.group(2), port


def to_pipe(path, line, until):
    """Into a FIFO that somebody reads, whole; one that is missing is not made, a link is not followed."""
    with translated():
        if not stat.S_ISFIFO(os.lstat(path).st_mode):
            raise NotTakenError("not a FIFO")
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
                raise NotTakenError("not a FIFO")
            while True:
                try:
                    written = os.write(pipe, line)
                    break
                except BlockingIOError:  # full: its reader does not read
                    if time.monotonic() >= until:
                        raise NotTakenError("full, and nobody reads it") from None
                    time.sleep(0.02)  # a pipe with some room is writable to select, and yet too full for a whole line
        finally:
            os.close(pipe)
    if written != len(line):  # cannot be: a pipe takes up to 4,096 bytes whole or not at all
        raise NotTakenError("took {} of {} bytes".format(written, len(line)))


def to_socket(path, line, until):
    """Into a unix stream socket."""
    with translated(), contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(remaining(until))
        connection.connect(path)
        hand_over(connection, line, until)


def to_tcp(host, port, line, until):
    """To a syslog receiver by TCP."""
    with translated():
        refusal = None
        for family, kind, protocol, _, address in addresses(host, port, socket.SOCK_STREAM, until):
            with contextlib.closing(socket.socket(family, kind, protocol)) as connection:
                connection.settimeout(remaining(until))
                try:
                    connection.connect(address)
                except OSError as error:
                    refusal = error
                    continue
                return hand_over(connection, line, until)
        raise refusal or OSError("the name has no address")


def addresses(host, port, kind, until):
    """What a name stands for.  The system's resolver knows no limit but its own, so a thread waits for it, not we."""
    answers = []

    def ask():
        try:
            answers.append(socket.getaddrinfo(host, port, type=kind))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.daemon = True
    asking.start()
    asking.join(remaining(until))
    if not answers:
        raise NotTakenError("its name was not resolved in time")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]


def hand_over(connection, line, until):
    """Send the line, say that this was all, and wait until the other side hangs up.

    The Event Console, and any syslog receiver, closes when it has read to the end: that is the only answer there is.
    What the kernel has taken, a receiver that hangs may never read.
    """
    connection.settimeout(remaining(until))
    connection.sendall(line)
    connection.shutdown(socket.SHUT_WR)
    while True:
        connection.settimeout(remaining(until))
        if not connection.recv(4096):
            return


def to_udp(host, port, line, until):
    """To a syslog receiver by UDP; nobody can know that it arrived, only, from some hosts, that nobody listens."""
    with translated():
        family, kind, protocol, _, address = addresses(host, port, socket.SOCK_DGRAM, until)[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as connection:
            connection.settimeout(min(UDP_PATIENCE, remaining(until)))
            connection.connect(address)
            connection.send(line)
            with contextlib.suppress(socket.timeout):
                connection.recv(1)


def ssh_command(user, host, port, settings):
    """The system's ssh: it asks nothing, trusts no unknown host, gives the far side nothing of ours, and stays alone.

    A connection shared with others would outlive this one, or be another user's idea of whom to trust.
    """
    command = ["ssh", "-T", "-a", "-x", "-S", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    for option, key in (("-F", "ssh_config"), ("-i", "ssh_key")):
        if settings.get(key):
            command += [option, settings[key]]
    if settings.get("ssh_key"):
        command += ["-o", "IdentitiesOnly=yes"]
    if settings.get("ssh_known_hosts"):
        command += ["-o", 'UserKnownHostsFile="{}"'.format(settings["ssh_known_hosts"])]
    if port is not None:
        command += ["-p", str(port)]
    return [*command, "-l", user, "--", host]


def to_ssh(command, line, until):
    """To `receive`, the forced command of our key on the monitoring server."""
    heard, said = os.pipe()  # not communicate(): what ssh has started may hold its stderr open for ever
    try:
        with translated("ssh: "):
            process = started([*command, "receive"], subprocess.DEVNULL, said)
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended; why, it says
                process.stdin.write(line)  # shorter than any pipe is wide
                process.stdin.close()
            process.wait(remaining(until))
        except subprocess.TimeoutExpired:
            raise NotTakenError("ssh has not finished in time") from None
        finally:
            kill(process)
        if process.returncode != 0:
            raise NotTakenError("ssh ended with {}: {}".format(process.returncode, what_was_said(heard)))
    finally:
        os.close(heard)
        os.close(said)


class SshSession:
    """One ssh for many events: an answer for each, so that 1,000 cost one login.

    Ssh that has ended is started again for the next event: the far end does not wait for ever, nor does the network.
    """

    def __init__(self, command):
        self.command = [*command, MANY]
        self.process, self.heard, self.answers = None, None, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def send(self, line, until):
        """Hand over a line; NotTakenError with the far end's reason, or ours."""
        if self.process is not None and self.process.poll() is not None:
            self.end()
        if self.process is None:
            self.begin(until)
        try:
            with translated("ssh: "), contextlib.suppress(BrokenPipeError):  # it has ended; why, its answer says
                self.process.stdin.write(line)  # shorter than any pipe is wide, and the one before has been read
                self.process.stdin.flush()
            answer = self.answer(until)
        except NotTakenError:
            self.end()
            raise
        if answer != TAKEN:
            raise NotTakenError(answer.decode("utf-8", "replace").strip() or "it gave no reason")

    def begin(self, until):
        heard, said = os.pipe()
        try:
            with translated("ssh: "):
                self.process = started(self.command, subprocess.PIPE, said)
        except NotTakenError:
            os.close(heard)
            raise
        finally:
            os.close(said)
        self.heard, self.answers = heard, b""
        try:
            if self.answer(until) != GREETING:
                raise NotTakenError("the far end takes no more than one event; its send-notification.py is older")
        except NotTakenError:
            self.end()
            raise

    def answer(self, until):
        """The next line that the far end says."""
        stdout = self.process.stdout.fileno()
        while b"\n" not in self.answers and len(self.answers) < LONGEST_LINE:
            if not select.select([stdout], [], [], remaining(until))[0]:
                continue
            part = os.read(stdout, LONGEST_LINE)
            if not part:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(remaining(until))
                code = self.process.poll()
                raise NotTakenError("ssh ended with {}: {}".format(code, what_was_said(self.heard)))
            self.answers += part
        line, newline, self.answers = self.answers.partition(b"\n")
        return line + newline

    def end(self):
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)  # it ends by itself, once the far end has
        kill(self.process)
        self.process.stdout.close()
        os.close(self.heard)
        self.process = None


def started(command, stdout, stderr):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, start_new_session=True)


def what_was_said(descriptor):
    """What a pipe holds by now."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        return os.read(descriptor, 4096).decode("utf-8", "replace").strip() or "it gave no reason"
    return "it gave no reason"


def kill(process):
    """End ssh, and what it started, if it has not ended by itself."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def remaining(until):
    """Seconds left; NotTakenError if there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise NotTakenError("not taken in time")
    return left


@contextlib.contextmanager
def translated(where=""):
    """Whatever the system says, in words."""
    try:
        yield
    except socket.timeout:
        raise NotTakenError("not taken in time") from None
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise NotTakenError("nobody reads it, the Event Console is down") from None
        if error.errno == errno.ELOOP:
            raise NotTakenError("{}a link".format(where)) from None
        raise NotTakenError("{}{}".format(where, error.strerror or error)) from None
    except UnicodeError:  # socket.getaddrinfo on a name that is none
        raise NotTakenError("not a host's name") from None


def deliver(line, targets, settings):
    """Hand the line to the first target that takes it; 0, or 1 if none did."""
    senders = [(target, read_target(target, settings)) for target in targets]
    taken, complaints = offer(line, senders, settings["timeout"])
    for complaint in complaints:
        complain(complaint)
    return 0 if taken else 1


def offer(line, senders, timeout):
    """Whether one of them has taken the line, and why those before it have not; these are taken off the list."""
    complaints = []
    while senders:
        target, send = senders[0]
        try:
            send(line, time.monotonic() + timeout)
        except NotTakenError as error:
            complaints.append("{}: {}".format(target, error))
            senders.pop(0)
        else:
            return True, complaints
    return False, complaints


# ------------------------------------------------------------------------------------------------ configuration

SETTINGS = {
    "to": "",
    "host": "",
    "application": "send-notification",
    "facility": str(FACILITY),
    "service_level": "",
    "timeout": str(PATIENCE),
    "file": LOG,
    "queue": QUEUE,
    "ssh_key": "",
    "ssh_known_hosts": "",
    "ssh_config": "",
}


def read_settings(path, needed):
    """Defaults, then the file's lines `key = value`; several `to` are several targets. needed: it was asked for."""
    settings = dict(SETTINGS)
    try:
        with open(path, "rb") as file:
            lines = file.read(LONGEST_INPUT).decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        if needed:
            raise InputError("{}: there is no such file".format(path)) from None
        lines = []
    except OSError as error:
        raise InputError("{}: {}".format(path, error.strerror)) from None
    for number, line in enumerate(lines, 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not key or key.startswith("#"):
            continue
        if not equals or key not in SETTINGS:
            raise InputError("{}, line {}: unknown key; known are {}".format(path, number, ", ".join(SETTINGS)))
        settings[key] = (settings[key] + " " + value).strip() if key == "to" else value
    for key, highest in (("facility", 23), ("service_level", 9999), ("timeout", 3600)):
        is_left_out = key == "service_level" and not settings[key]
        settings[key] = None if is_left_out else number_setting(path, key, settings[key], highest)
    return settings


def number_setting(path, key, text, highest):
    pattern = r"[0-9]{1,4}(\.[0-9]+)?" if key == "timeout" else r"[0-9]{1,4}"
    if not re.match("^(" + pattern + ")$", text) or float(text) > highest or (key == "timeout" and float(text) <= 0):
        raise InputError("{}: {} must be a number of at most {}".format(path, key, highest))
    return float(text) if key == "timeout" else int(text)


def settings_of(arguments):
    path = arguments.config or os.environ.get("SEND_NOTIFICATION_CONFIG")
    return read_settings(path or CONFIG, needed=bool(path))


def named_targets(arguments, settings):
    """Where to send: what was asked for, else the environment, else the configuration; perhaps nowhere."""
    return arguments.to or os.environ.get("SEND_NOTIFICATION_TO", "").split() or settings["to"].split()


def targets_of(arguments, settings):
    """Where to send, which must be somewhere."""
    targets = named_targets(arguments, settings)
    if not targets:
        raise InputError("no target: give --to, set SEND_NOTIFICATION_TO, or `to` in the configuration")
    return targets


# ------------------------------------------------------------------------------------------------ the verbs


def do_event(arguments):
    if arguments.many:
        return send_many(arguments)
    text = message_of(arguments.message)
    if arguments.test:
        text = "[TEST] " + (text or "nothing has happened, somebody tries whether events arrive")
    elif text is None:
        raise InputError("event: -m is missing")
    return send(arguments, text, arguments.host, arguments.application, arguments.status, arguments.priority)


def send(arguments, text, host, application, status, priority=None):
    settings = settings_of(arguments)
    line = line_of(settings, text, host, application, status, priority, arguments.at)
    if arguments.dry_run:
        for target in named_targets(arguments, settings):
            read_target(target, settings)
        write_all(1, line)
        return 0
    return deliver(line, targets_of(arguments, settings), settings)


def line_of(settings, text, host, application, status, priority, at):
    """The line of what was asked for, and what is configured where nothing was."""
    return event_line(
        text,
        host or settings["host"] or socket.gethostname(),
        application or settings["application"],
        int(time.time() if at is None else at),
        PRIORITIES[status] if priority is None else priority,
        settings,
    )


def send_many(arguments):
    """An event for each line of stdin, an answer for each on stdout, in order, as soon as it is known.

    A target that has failed is not tried again by this call: a thousand time limits would take hours.  Once none is
    left, the rest is answered at once, so that nothing overtakes what was not taken.
    """
    if arguments.message is not None or arguments.test:
        raise InputError("event: --many reads its events from stdin; -m and --test are for one")
    settings = settings_of(arguments)
    code = 0
    with contextlib.ExitStack() as stack, open(0, "rb", closefd=False) as stdin:
        targets = named_targets(arguments, settings) if arguments.dry_run else targets_of(arguments, settings)
        senders = [(target, read_target(target, settings, many=stack)) for target in targets]
        for number, given in enumerate(iter(lambda: read_given(stdin), b""), 1):
            answer = answer_to(given, arguments, settings, senders)
            if isinstance(answer, bytes):  # a dry run
                write_all(1, answer)
                continue
            answer["line"] = number
            code = 1 if 1 in (code, answer["code"]) else code or answer["code"]
            write_all(1, json.dumps(answer, sort_keys=True).encode("ascii") + b"\n")
    return code


def read_given(stdin):
    """The next line, with its newline; of one that is too long no more than can be seen to be."""
    line = stdin.readline(LONGEST_INPUT)
    rest = line
    while len(rest) == LONGEST_INPUT and not rest.endswith(b"\n"):
        rest = stdin.readline(LONGEST_INPUT)
        line = line[:LONGEST_INPUT] + b"\n" * 2
    return line


def answer_to(given, arguments, settings, senders):
    """What becomes of one line of many: its code, as an exit code, and complaints; in a dry run the event's line."""
    try:
        line = line_of(settings, *read_event(given, arguments))
    except InputError as error:
        return {"code": 2, "complaints": [str(error)]}
    if arguments.dry_run:
        return line
    if not senders:
        return {"code": 1, "complaints": ["not tried: no target is left that has not failed before"]}
    taken, complaints = offer(line, senders, settings["timeout"])
    return {"code": 0 if taken else 1, "complaints": complaints}


def read_event(given, arguments):
    """Text, host, application, status, priority and moment of a JSON object; what it lacks the command line has."""
    if len(given) > LONGEST_INPUT:
        raise InputError("longer than {} bytes".format(LONGEST_INPUT))
    try:
        event = json.loads(given.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON: {}".format(str(error)[:200])) from None
    if not isinstance(event, dict) or not isinstance(event.get("message"), str):
        raise InputError('not an object with a text "message"')
    for name in ("host", "application"):
        if not isinstance(event.get(name, ""), str):
            raise InputError("{}: must be a text".format(name))
    for name, highest in (("status", 3), ("priority", 7)):
        value = event.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
            raise InputError("{}: must be a whole number from 0 to {}".format(name, highest))
    at = event.get("at", EARLIEST)
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not EARLIEST <= at < LATEST:
        raise InputError("at: must be a number of seconds since 1970, of ten digits")
    unknown = sorted(set(event) - set(EVENT_KEYS))
    if unknown:
        raise InputError("unknown key {}; known are {}".format(ascii(unknown[0])[:60], ", ".join(EVENT_KEYS)))
    return [event["message"]] + [event.get(name, getattr(arguments, name)) for name in EVENT_KEYS[1:]]


def message_of(given):
    """The text that was given, read from stdin if that was `-`; None if there was none."""
    if given is None:
        return None
    if given != "-":
        return argument(given)
    with open(0, "rb", closefd=False) as stdin:
        return stdin.read(LONGEST_INPUT).decode("utf-8", "replace")


def do_receive(arguments):
    """The far end of ssh://: one line from stdin into a FIFO, or nothing at all; many, if our other end asks for it."""
    settings = dict(SETTINGS, timeout=PATIENCE)
    targets = arguments.to or []
    if len(targets) != 1 or not targets[0].startswith("pipe:"):
        raise InputError("receive: exactly one --to pipe:/PATH")
    if os.environ.get("SSH_ORIGINAL_COMMAND") == MANY:
        return receive_many(read_target(targets[0], settings))
    line = read_line(time.monotonic() + PATIENCE)
    must_be_event(line)
    return deliver(line, targets, settings)


def must_be_event(line):
    if len(line) > LONGEST_LINE or not EVENT_LINE.match(line) or EVENT_LINE.match(line).end() != len(line):
        raise NotTakenError("what came is not one event line of at most {} bytes".format(LONGEST_LINE))


def receive_many(send):
    """Line by line, an answer for each; one that is no event does not cost those after it."""
    write_all(1, GREETING)
    data = b""
    while True:
        while b"\n" not in data and len(data) <= LONGEST_LINE:
            if not select.select([0], [], [], IDLE)[0]:
                raise NotTakenError("nothing came for {:g} seconds".format(IDLE))
            part = os.read(0, 65536)
            if not part:
                if data:
                    raise NotTakenError("what came is not a whole line")
                return 0
            data += part
        line, newline, data = data.partition(b"\n")
        if not newline or len(line) >= LONGEST_LINE:
            raise NotTakenError("what came is no line of at most {} bytes".format(LONGEST_LINE))
        try:
            must_be_event(line + newline)
            send(line + newline, time.monotonic() + PATIENCE / 2)  # our other end waits no longer than for one target
        except NotTakenError as error:
            write_all(1, clean(str(error), 1000) + b"\n")
        else:
            write_all(1, TAKEN)


def read_line(until):
    """All of stdin, but not much more than a line may have, and not for long."""
    data = b""
    while len(data) <= LONGEST_LINE:
        if not select.select([0], [], [], remaining(until))[0]:
            continue
        part = os.read(0, LONGEST_LINE + 1 - len(data))
        if not part:
            break
        data += part
    return data


def do_file(arguments):
    """Append a line to a file: whole, also with several writers, and behind half a line that a full disk left."""
    settings = settings_of(arguments)
    path = arguments.file or settings["file"]
    text = message_of(arguments.message)
    moment = time.time() if arguments.at is None else arguments.at
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(moment))
    line = stamp.encode("ascii") + clean(text, LONGEST_LOGGED) + b"\n"
    if arguments.dry_run:
        write_all(1, line)
        return 0
    with translated("{}: ".format(path)):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(path, flags, 0o640)
        try:
            append(file, line, path, time.monotonic() + settings["timeout"])
        finally:
            os.close(file)
    return 0


def append(file, line, path, until):
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise NotTakenError("{} is not a regular file".format(path))
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            remaining(until)
            time.sleep(0.01)  # flock knows no time limit
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        line = b"\n" + line
    try:
        write_all(file, line)
    except OSError:
        os.ftruncate(file, size)
        raise


def do_odi(arguments):
    """Put a message into the queue of this host, by the very code that every other job here uses."""
    queue = arguments.queue or os.environ.get("JOB_TRACKER_QUEUE") or settings_of(arguments)["queue"]
    words = ["-f", queue, "add"]
    for name in ("instance", "job", "event", "message", "run", "exit_code"):
        value = getattr(arguments, name)
        if value is not None:
            words.append("--{}={}".format(name.replace("_", "-"), value))
    return message_queue().main(words)


def message_queue():
    """The message-queue.py beside this file, as a module."""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "message-queue.py")
    specification = importlib.util.spec_from_file_location("message_queue", path)
    module = importlib.util.module_from_spec(specification)
    sys.dont_write_bytecode = True  # a directory of programs is no place to leave something in
    try:
        specification.loader.exec_module(module)
    except OSError as error:
        raise NotTakenError("{}: {}; it belongs beside this program".format(path, error.strerror)) from None
    return module


SEVERITIES = {
    "FATAL": (2, None),
    "CRITICAL": (2, None),
    "WARNING": (1, None),
    "MINOR_WARNING": (1, None),
    "INFORMATIONAL": (0, INFORMATIONAL),
    "CLEAR": (0, None),
}


def do_oem(arguments):
    """An event of Enterprise Manager, as its environment tells of it; what clears it has the same host and names."""
    values = {name: unwrapped(argument(value)) for name, value in os.environ.items()}
    code = values.get("SEVERITY_CODE") or values.get("SEVERITY", "")
    if not code:
        raise InputError("oem: SEVERITY_CODE is not in the environment; Enterprise Manager sets it")
    status, priority = SEVERITIES.get(re.sub("[^A-Z]+", "_", code.upper()), (3, None))
    target = values.get("TARGET_NAME", "")
    metric = [values.get(name, "") for name in ("METRIC_GROUP", "METRIC_COLUMN", "KEY_VALUE")]
    names = [target, *(metric if any(metric) else [values.get("EVENT_NAME") or values.get("EVENT_TYPE", "")])]
    if values.get("SOURCE_OBJ_NAME") not in (None, "", target):  # a job of Enterprise Manager: one target has many
        names += [values.get("SOURCE_OBJ_OWNER", ""), values["SOURCE_OBJ_NAME"]]
    kind = values.get("TARGET_TYPE", "")
    where = " ({})".format(" ".join(part for part in (kind, target) if part)) if kind or target else ""
    text = "{}: {}{}".format(code, values.get("MESSAGE") or "no message", where)
    host = values.get("HOST_NAME") or values.get("HOST", "") or target
    try:
        code = send(arguments, text, host, "/".join(name for name in names if name) or "oem", status, priority)
    except (InputError, NotTakenError, OSError) as error:  # a configuration that is mended meanwhile loses no alarm
        complain(error)
        return TRY_AGAIN
    return TRY_AGAIN if code else 0


def unwrapped(value):
    """The value without the asterisks and quotes around it; those within it stay."""
    value = value.strip()
    while len(value) > 1 and value[0] == value[-1] and value[0] in "*'\"":
        inner = value[1:-1].strip()
        first = inner.find(value[0])
        if value[0] != "*" and first > 0 and inner[first - 1] not in " (*'\"":
            break  # `"a" or "b"`: these two are not a pair
        value = inner
    return value.strip("*").strip() if value.strip("* ") else ""


# ------------------------------------------------------------------------------------------------ the command line

MANUAL = """\
Sends events to Checkmk's Event Console.

targets, tried in the order given until one has taken the event:
  pipe:/omd/sites/SITE/tmp/run/mkeventd/events          the Event Console's FIFO, on its own host
  socket:/omd/sites/SITE/tmp/run/mkeventd/eventsocket   its unix socket, which also answers: prefer it
  tcp://HOST[:514]   udp://HOST[:514]                   its syslog receiver; by UDP nobody knows what arrives
  ssh://USER@HOST[:PORT]                                `receive` there, the forced command of our key
From --to, or SEND_NOTIFICATION_TO (with blanks between), or the configuration.

configuration: lines `key = value` in {config}, or --config, or SEND_NOTIFICATION_CONFIG:
  to                        a target; several lines are several targets
  host, application         of events that name none; defaults: this host's name, send-notification
  facility, service_level   defaults: 16 (local0), none: the one of the rule
  timeout                   seconds for each target, default {patience:g}
  file, queue               of the verbs file and odi
  ssh_key, ssh_known_hosts, ssh_config   for ssh://; defaults: those of the user

exit codes: 0 a target has taken it; 1 none has, one line on stderr per target says why; 2 wrong usage
A text is cut at {text} bytes, with a mark.
""".format(config=CONFIG, patience=PATIENCE, text=LONGEST_TEXT)

EVENT = """\
examples:
  send-notification.py event -m "no space left" --status 2 --application BACKUP
  df -h | send-notification.py event -m - --status 1
  send-notification.py event --test                 shows up in the Event Console
  send-notification.py event --test --status 0      and is gone, where a rule cancels by host and application
  send-notification.py event -m text --dry-run      prints the line

many events, a JSON object each on a line of stdin:
  printf '%s\n' '{"message": "full", "status": 2, "application": "BACKUP"}' | send-notification.py event --many
  Keys: message, and where they differ from the command line host, application, status, priority, at.
  Each line is answered on stdout, in order, as soon as it is known what becomes of it:
  {"code": 0, "complaints": [], "line": 1}    0 taken; 1 not taken, nor is what follows; 2 that line is no event
  Exit code: 0 all taken, 1 not all, 2 not all were events.  Read answers while you write.
"""

RECEIVE = """\
On the monitoring server, in authorized_keys of a user of its own that may write the FIFO (group SITE):
  restrict,command="/usr/local/lib/job_tracker/send-notification.py receive --to pipe:/omd/.../events" ssh-ed25519 AA...
Takes one line that begins like an event's and has at most 4,096 bytes; writes it whole; makes and follows nothing.
For `event --many` at the other end it takes such lines one after another, and answers each.
"""

ODI = """\
For Oracle Data Integrator: `message-queue.py add` by another name, for the message-queue.py beside this file.

example, in an OdiOSCommand:
  send-notification.py odi --job LOAD_DWH --instance P --event STARTED
"""

OEM = """\
For Oracle Enterprise Manager's OS commands: all comes from the environment it sets. SEVERITY_CODE gives the status:
FATAL and CRITICAL 2, WARNING and MINOR_WARNING 1, CLEAR 0, anything else 3; INFORMATIONAL is sent as information
(priority 6), which neither opens nor cancels an event. HOST_NAME is the host; TARGET_NAME, METRIC_GROUP, METRIC_COLUMN
and KEY_VALUE (or EVENT_NAME) are the application, so that CLEAR cancels what it clears; of a job's event also
SOURCE_OBJ_OWNER and SOURCE_OBJ_NAME, the job.  Exit code 100 where no target has taken it: Enterprise Manager tries
again only on that.
"""


def whole(low, high):
    def read(text):
        if not re.match(r"^[0-9]{1,4}$", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError("must be a whole number from {} to {}".format(low, high))
        return int(text)

    return read


def moment(text):
    """Seconds since 1970, of ten digits: the Event Console counts on them."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not EARLIEST <= value < LATEST:
        raise argparse.ArgumentTypeError("must be a number of seconds since 1970, of ten digits")
    return value


def make_parser():
    raw = argparse.RawDescriptionHelpFormatter
    summary, _, epilog = MANUAL.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="send-notification.py", description=summary, epilog=epilog, formatter_class=raw
    )
    parser.add_argument("--config", metavar="FILE", help="instead of {}".format(CONFIG))
    parser.add_argument("--version", action="version", version="send-notification.py " + VERSION)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.required = True  # not an argument of add_subparsers before Python 3.7

    def verb(name, function, summary, text=""):
        made = verbs.add_parser(name, help=summary, description=text or summary, formatter_class=raw)
        made.set_defaults(function=function)
        return made

    def sending(made):
        made.add_argument("--to", action="append", metavar="TARGET", help="may be given several times")
        made.add_argument("--at", type=moment, metavar="EPOCH", help="the moment of the event; default now")
        made.add_argument("--dry-run", action="store_true", help="check targets, print the line and send nothing")

    event = verb("event", do_event, "send one event", EVENT)
    event.add_argument("-m", "--message", metavar="TEXT", help="the text, or - to read stdin")
    event.add_argument("--host", type=argument)
    event.add_argument("--application", type=argument)
    event.add_argument(
        "--status", type=whole(0, 3), default=2, metavar="0..3", help="OK, WARN, CRIT, UNKNOWN; default 2"
    )
    event.add_argument("--priority", type=whole(0, 7), metavar="0..7", help="syslog's, instead of the status's")
    event.add_argument("--test", action="store_true", help="mark it as a test; -m may be left out")
    event.add_argument("--many", action="store_true", help="an event for each line of stdin, see below")
    sending(event)

    receive = verb("receive", do_receive, "the far end of ssh://", RECEIVE)
    receive.add_argument("--to", action="append", metavar="pipe:PATH")

    file = verb("file", do_file, "append a line to a file")
    file.add_argument("-m", "--message", required=True, metavar="TEXT", help="the text, or - to read stdin")
    file.add_argument("-f", "--file", metavar="PATH", help="default {}".format(LOG))
    file.add_argument("--at", type=moment, metavar="EPOCH")
    file.add_argument("--dry-run", action="store_true", help="print the line and write nothing")

    odi = verb("odi", do_odi, "put a message into this host's queue", ODI)
    odi.add_argument("-f", "--queue", metavar="QUEUE", help="default JOB_TRACKER_QUEUE, or {}".format(QUEUE))
    odi.add_argument("--job", required=True)
    odi.add_argument("--instance", required=True)
    odi.add_argument("--event", required=True, choices=("STARTED", "SUCCESS", "ERROR"))
    for name in ("message", "run", "exit-code"):
        odi.add_argument("--" + name)

    sending(verb("oem", do_oem, "send an event of Enterprise Manager", OEM))
    return parser


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def complain(text):
    """One line on stderr, whatever is in the text; a closed stderr is no reason to fail."""
    line = "send-notification.py: " + re.sub(r"[\x00-\x1f\x7f]+", " ", str(text))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line.encode("ascii", "backslashreplace").decode("ascii") + "\n")
        sys.stderr.flush()


def main(argv):
    arguments = make_parser().parse_args(argv)
    try:
        return arguments.function(arguments)
    except InputError as error:
        complain(error)
        return 2
    except (NotTakenError, OSError) as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
