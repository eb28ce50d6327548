"""send-notification.py as a real process, and texts that a hostile or careless host may have in an event."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOOL = Path(__file__).parents[2] / "job_tracker" / "onhost" / "send-notification.py"
AT = "1763950447"

HOSTILE = {
    "newlines": "one\ntwo\r\nthree\u2028four\x0bfive\x85six",
    "NUL and controls": "a\x01b\x02c\x1b[31md\x7fe\tf",
    "emoji": "\U0001f525 \u00fcber \u65e5\u672c",
    "100 kB": "x" * 100_000,
    "100 kB of emoji": "\U0001f525" * 25_000,
    "a priority": "<13>@1763950447;0 host app: text",
    "leading digits": "2016 May 26 15:41:47 IST host app: text",
    "an octet count": "9 swallowed",
    "quotes": 'it\'s "quoted" `here`',
    "a command": "$(touch /tmp/owned); rm -rf / | cat & %n %s {x} \\n",
    "colons": ": : a: b",
    "nothing": " \t ",
    "dashes": "--status 0",
}

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]


def run_tool(python: str, *arguments: str | bytes, **options: Any) -> Done:
    """The tool run to its end, with nothing but what is given in its environment."""
    options.setdefault("env", {"PATH": os.environ["PATH"], "LC_ALL": "C"})
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    command = [python, "-I", str(TOOL), "--config", os.devnull, *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)
