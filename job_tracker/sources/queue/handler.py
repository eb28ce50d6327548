"""Handler: how the far side is started, wherever it is, and whether it is what the configuration says.

Rule: a command is words; whoever has to pass it through a shell quotes each of them.
Rule: a key's forced command decides what is started there, so what answered is compared with what was wanted.
"""

import posixpath
from collections.abc import Sequence

from job_tracker.ports import Host
from job_tracker.sources.queue.conversation import Greeting


def command(host: Host) -> Sequence[str]:
    """What is started to serve a host's queue."""
    return (host.python, "-I", host.message_queue_handler, "-f", host.message_queue, "serve")


def differences(host: Host, greeting: Greeting) -> str:
    """What answered otherwise than the configuration says, in words; empty if nothing did, or nobody says.

    A relative path starts in a home that we do not know, and a Python without a path is whatever is found there.
    """
    found = []
    wanted = posixpath.normpath(host.message_queue)
    queue = greeting.path
    is_it = queue == wanted if wanted.startswith("/") else queue.endswith(f"/{wanted}")
    if queue and not is_it:
        found.append(f"the queue there is {queue}, not {host.message_queue} (message_queue)")
    python = greeting.interpreter
    if python and host.python.startswith("/") and python != host.python:
        found.append(f"the Python there is {python}, not {host.python} (python)")
    return "; ".join(found) + ("; does the key force another command?" if found else "")
