"""What the system lets the daemon have."""

import resource
import subprocess
import sys

SCRIPT = """
import resource
from job_tracker.process.limits import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
raise_file_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_daemon_takes_as_many_files_as_it_may_have() -> None:
    """The usual 1,024 are used up by two hundred local sources, and then it is the log that cannot be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    said = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout

    assert said == "300 300\n"
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
