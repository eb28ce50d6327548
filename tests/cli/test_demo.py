"""The demonstration behind `make run`, on a terminal."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHOLE_SCREEN = "\x1b[?1049h"
"""What a program sends that takes the terminal for itself."""


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
