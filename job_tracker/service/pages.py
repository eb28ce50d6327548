"""Pages: the web part as a service where no systemd does it; imported only where its extra is installed.

Rule: what the service manager keeps elsewhere, the system's log keeps here.
"""

import os
import pwd
from functools import partial

from job_tracker.config.for_pages import ForPages, load_for_pages
from job_tracker.service.program import Program
from job_tracker.service.rights import readers_of
from job_tracker.web import serving
from job_tracker.web.reporting import USUAL_DIRECTORY


def prepare(_: ForPages, account: pwd.struct_passwd | None) -> None:
    """Make the directory of the services file, for the pages' user and for whoever may read what Checkmk is told."""
    if account is not None and not USUAL_DIRECTORY.exists():
        USUAL_DIRECTORY.mkdir(mode=0o750)
        os.chown(USUAL_DIRECTORY, account.pw_uid, readers_of(account))


PAGES = Program(
    name="job_tracker-web",
    read=load_for_pages,
    check=load_for_pages,
    prepare=prepare,
    run=partial(serving.run, is_told_to_syslog=True),
)
