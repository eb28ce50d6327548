"""Places: where files lie unless the configuration says otherwise, for who does not read all of it.

Rule: nothing is imported here but paths; a command that only looks for the view must be quick.
"""

import os
from pathlib import Path

DEFAULT_VIEW = Path("/var/lib/job_tracker/view.sqlite")

PACKAGED_HANDLER = Path(__file__).parent.parent / "onhost" / "message-queue.py"
"""What serves queues on this host."""


def real_path(path: Path | str) -> str:
    """Where a file really lies, so that two names of one file are seen to be one."""
    return os.path.realpath(path)
