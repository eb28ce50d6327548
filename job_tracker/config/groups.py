"""Groups: defaults for the jobs that name one.

Rule: what a job says itself wins, as a whole; what is not for its kind is passed over.
Rule: a fault of a default is told once, at the group, and not again at each of its jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from job_tracker.config.faults import Fault, Hints, examine
from job_tracker.config.jobs import KIND, ONLY_FOR, JobEntry
from job_tracker.config.settings import keys_of
from job_tracker.config.text import Fields, Tree

OWN = ("name", "env", "group", "reported_as")
"""What every job says itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The defaults of one group, as written; and its keys that are at fault."""

    defaults: Mapping[str, Tree]
    faulty: frozenset[str] = frozenset()


NO_GROUP = Group(defaults={})


def read_group(given: dict[str, Tree], base: Path, hints: Hints) -> tuple[Group, list[Fault]]:
    """The defaults that a group gives, and what is wrong with them."""
    lacking = {"name", "env", KIND, "timeout_in_hh:mm:ss"}.difference(given)
    found = [(key, reason) for key, reason in examine(JobEntry, given, base, hints).faults if key not in lacking]
    found += [(key, "is each job's own, and no default") for key in OWN if given.get(key) is not None]
    faulty = frozenset(key for key, _ in found)
    known = set(keys_of(JobEntry)) - faulty
    defaults = {key: value for key, value in given.items() if value is not None and key in known}
    return Group(defaults=defaults, faulty=faulty), found


def with_defaults(job: dict[str, Tree], group: Group) -> dict[str, Tree]:
    """A job as written, with what its group says where it says nothing itself."""
    kind = str(job.get(KIND) or group.defaults.get(KIND)).lower()
    given = {
        key: value
        for key, value in group.defaults.items()
        if job.get(key) is None and kind in ONLY_FOR.get(key, (kind,))
    }
    if not given:
        return job
    merged = Fields(job | given)
    merged.repeated = job.repeated if isinstance(job, Fields) else ()
    return merged
