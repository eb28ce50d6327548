"""Limits: what the system lets a process have, taken as far as it goes.

Rule: nothing here can fail a start; what is too little is said where it is felt.
"""

import logging
import resource

log = logging.getLogger("job_tracker")


def raise_file_limit() -> None:
    """Let this process have as many open files as it may: the usual 1,024 are for programs that use `select`.

    A source takes up to five, so two hundred would be the end; with them the log and the state files could not be
    opened any more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as failure:  # a hard limit of "unlimited" is more than some kernels have
        log.warning("limit of open files stays as it is soft=%d hard=%d error=%s", soft, hard, failure)
