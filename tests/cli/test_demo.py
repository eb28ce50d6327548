"""The demonstration behind `make run`, on a terminal."""

import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
WHOLE_SCREEN = "\x1b[?1049h"
"""What a program sends that takes the terminal for itself."""


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """There is one place for demonstrations, and tests may run beside each other."""
    (ROOT / "var").mkdir(exist_ok=True)
    with (ROOT / "var" / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_what_to_try_stays_beside_the_live_table() -> None:
    """The table takes the whole terminal; hints that were printed before it came back when all was over."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), "--seconds", "100"]
    demo = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    said, until, is_asked = "", time.monotonic() + 60, False
    try:
        while demo.poll() is None and time.monotonic() < until:
            said += os.read(ours, 65536).decode(errors="replace")
            if not is_asked and "explain hangs-sometimes__DEMO" in said.rpartition(WHOLE_SCREEN)[2]:
                is_asked = WHOLE_SCREEN in said
                if is_asked:
                    demo.send_signal(signal.SIGINT)
    except OSError:  # the terminal is closed
        pass
    finally:
        if not is_asked:
            demo.send_signal(signal.SIGINT)
        demo.wait(30)
        os.close(ours)

    assert is_asked, said[-2000:]
    assert "always-well__DEMO" in said.rpartition(WHOLE_SCREEN)[2]
    assert "Traceback" not in said


def test_the_pages_let_in_once_and_end_with_the_demonstration() -> None:
    """A demonstration on somebody's machine must leave no door open behind it, nor fail where a port is taken."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 5001))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which does as well
        command = [sys.executable, "-u", str(ROOT / "examples" / "demo.py"), "--seconds", "100"]
        demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert demo.stdout is not None
        said = ""
        try:
            for line in demo.stdout:
                said += line
                if "/login/once" in line:
                    break
            [link] = re.findall(r"http://\S+", said)
            with httpx2.Client(timeout=60, trust_env=False) as client:
                first, second = _once_answered(client, link), client.get(link)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=120)

    assert "Port 5001 cannot be had" in said
    assert (first.status_code, second.status_code) == (303, 403)
    with pytest.raises(httpx2.TransportError):
        httpx2.get(link, timeout=60, trust_env=False)
    assert not (ROOT / "var" / "demo" / "web").exists()


def _once_answered(client: httpx2.Client, link: str) -> httpx2.Response:
    """The first answer, once somebody listens: until then nothing was used up."""
    until = time.monotonic() + 60
    while True:
        try:
            return client.get(link)
        except httpx2.TransportError:
            assert time.monotonic() < until, "nobody listens"
            time.sleep(0.05)
