"""Handler: how the far side is started, wherever it is.

Rule: a command is words; whoever has to pass it through a shell quotes each of them.
"""

from collections.abc import Sequence

from job_tracker.ports import Host


def command(host: Host) -> Sequence[str]:
    """What is started to serve a host's queue."""
    return (host.python, "-I", host.message_queue_handler, "-f", host.message_queue, "serve")
