"""OpenSSH: what `ssh -G` says of a host, which is what an ssh_config means.

Rule: ssh is asked as the daemon's user, with an empty environment, and hangs on the lifeline like everything else.
Rule: a setting that is not what ssh has by itself is followed, or means nothing here, or is refused by its name.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from job_tracker.errors import SourceRefused
from job_tracker.sources.queue.transport import one_line
from job_tracker.sources.ssh.asker import Asker
from job_tracker.sources.ssh.config_files import Examined, examine
from job_tracker.sources.ssh.lifeline import Lifeline

ANSWER_LASTS = 60.0
"""Seconds, where it depends on the network (Match localnetwork, CanonicalizeHostname); else as long as the files do."""

MOST_ANSWERS = 10_000
MOST_WORDS = 64 * 1024  # bytes of an answer, which has about 5,000; and of what ssh complains about
CHUNK = 16 * 1024
REAP_SECONDS = 0.5
PLACES = os.pathsep.join(("/usr/bin", "/usr/local/bin", "/bin"))

NO_FILES = Examined(files=(), is_steady=True)

Answer: TypeAlias = Mapping[str, tuple[str, ...]]
"""A host's settings: by keyword, in lower case, the values, one for each line."""

ALWAYS = ("hostname", "port", "user", "userknownhostsfile", "globalknownhostsfile")
FOLLOWED = frozenset({
    "host", "hostname", "port", "user", "addressfamily",
    "identityfile", "identitiesonly", "identityagent",
    "hostkeyalias", "userknownhostsfile", "globalknownhostsfile",
    "proxycommand", "proxyjump",
    "ciphers", "macs", "kexalgorithms", "hostkeyalgorithms",
})  # fmt: skip

MEANS_NOTHING_HERE = frozenset({
    # ssh has worked with these before it answered
    "canonicaldomains", "canonicalizefallbacklocal", "canonicalizehostname", "canonicalizemaxdots",
    "canonicalizepermittedcnames", "ignoreunknown", "tag",
    # terminals, sessions and forwardings of which there are none
    "addkeystoagent", "batchmode", "channeltimeout", "clearallforwardings", "controlmaster", "controlpath",
    "controlpersist", "dynamicforward", "enableescapecommandline", "escapechar", "exitonforwardfailure",
    "forkafterauthentication", "forwardagent", "forwardx11", "forwardx11timeout", "forwardx11trusted", "gatewayports",
    "localcommand", "localforward", "obscurekeystroketiming", "permitlocalcommand", "permitremoteopen",
    "remotecommand", "remoteforward", "requesttty", "sendenv", "sessiontype", "setenv", "stdinnull",
    "streamlocalbindmask", "streamlocalbindunlink", "tunnel", "tunneldevice", "visualhostkey", "xauthlocation",
    # what the tracker's own configuration decides, or what it does anyway
    "compression", "connectionattempts", "connecttimeout", "fingerprinthash", "hashknownhosts", "ipqos", "loglevel",
    "logverbose", "rekeylimit", "serveralivecountmax", "serveraliveinterval", "syslogfacility", "tcpkeepalive",
    "updatehostkeys", "versionaddendum", "warnweakcrypto",
    # ways to trust a host, or to log in, that are never used: host keys are always verified, and keys alone log in
    "casignaturealgorithms", "checkhostip", "enablesshkeysign", "gssapiauthentication", "gssapiclientidentity",
    "gssapidelegatecredentials", "gssapikexalgorithms", "gssapikeyexchange", "gssapirenewalforcesrekey",
    "gssapiserveridentity", "gssapitrustdns", "hostbasedacceptedalgorithms", "hostbasedauthentication",
    "kbdinteractiveauthentication", "kbdinteractivedevices", "nohostauthenticationforlocalhost",
    "numberofpasswordprompts", "passwordauthentication", "preferredauthentications", "pubkeyacceptedalgorithms",
    "securitykeyprovider", "stricthostkeychecking", "verifyhostkeydns",
})  # fmt: skip

_answers: dict[tuple[object, ...], tuple[float, Answer]] = {}


def settings_of(
    name: str, *, user: str = "", port: int | None = None, config: Path, asker: Asker, lifeline: Lifeline
) -> Answer:
    """What an ssh_config says of a host beyond ssh's own defaults; SourceRefused if we cannot do that.

    name, user, port: as somebody would give them to ssh.  ALWAYS are there even if they are ssh's defaults.
    """
    examined = examine(config, asker)
    given = (*(("-l", user) if user else ()), *(("-p", str(port)) if port else ()))
    usual = _ask(("-F", "none"), "localhost", NO_FILES, asker, lifeline)
    answer = _ask(("-F", str(config), *given), name, examined, asker, lifeline)
    said = {key: values for key, values in answer.items() if values != usual.get(key)}
    said |= {key: answer[key] for key in ALWAYS if key in answer}
    for key, values in said.items():
        if key not in FOLLOWED and key not in MEANS_NOTHING_HERE:
            raise SourceRefused(
                f"ssh_config {config}: for {one_line(name, 80)} it says {key} {one_line(' '.join(values), 80)},"
                " which this tracker cannot follow"
            )
    return said


def _ask(options: Sequence[str], name: str, examined: Examined, asker: Asker, lifeline: Lifeline) -> Answer:
    program = shutil.which("ssh", path=os.pathsep.join(filter(None, (os.environ.get("PATH"), PLACES))))
    if program is None:
        raise SourceRefused("ssh_config needs OpenSSH's client to say what it means, and there is no ssh in the PATH")
    key = (program, os.stat(program).st_mtime_ns, tuple(options), name, examined, asker.uid)
    known = _answers.get(key)
    if known is not None and (examined.is_steady or time.monotonic() - known[0] < ANSWER_LASTS):
        return known[1]
    lifeline.stage = f"asking ssh about {one_line(name, 80)}"
    asked = time.monotonic()
    answer = _parsed(_run((program, "-G", *options, "--", name), asker, lifeline))
    if len(_answers) >= MOST_ANSWERS:
        _answers.clear()
    _answers[key] = (asked, answer)
    return answer


def _parsed(text: str) -> Answer:
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found[key.lower()] = (*found.get(key.lower(), ()), value)
    return found


def _run(command: Sequence[str], asker: Asker, lifeline: Lifeline) -> str:
    """What it prints; SourceRefused with its last words if it fails."""
    ours, theirs = socket.socketpair()
    complaints, its_complaints = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    process = None
    try:
        with theirs:
            lifeline.hold(ours)
            process = _start(command, asker, theirs.fileno(), its_complaints)
        said = bytearray()
        while data := ours.recv(CHUNK):
            said += data
            if len(said) > MOST_WORDS:
                raise SourceRefused("ssh -G says more than anybody could mean")
        lifeline.check()
        if code := process.wait(REAP_SECONDS):
            raise SourceRefused(_complaint(complaints, code))
        return said.decode("utf-8", "replace")
    finally:
        os.close(its_complaints)
        os.close(complaints)
        ours.close()
        if process is not None:
            _end(process)


def _start(command: Sequence[str], asker: Asker, stdout: int, stderr: int) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={},
            cwd="/",
            process_group=0,
            user=asker.uid if asker.is_other else None,
            group=asker.gid if asker.is_other else None,
            extra_groups=os.getgrouplist(asker.name, asker.gid) if asker.is_other else None,
        )
    except OSError as error:
        raise SourceRefused(f"cannot start {command[0]}: {error.strerror}") from None


def _complaint(descriptor: int, code: int) -> str:
    said = b""
    with suppress(BlockingIOError):
        said = os.read(descriptor, MOST_WORDS)
    lines = [one_line(line, 150) for line in said.splitlines() if line.strip()]
    return f"ssh cannot use the ssh_config: {'; '.join(lines[:3]) or f'exit code {code}'}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Whatever it still does is of no use."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(REAP_SECONDS)
