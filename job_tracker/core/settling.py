"""Settling: what becomes of each job when a configuration is taken up, at a start or a reload.

Rule: what is kept of a job stays as it is unless its promise has changed, or somebody asks that it be counted from now.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from job_tracker.core.board import newcomer, renewed
from job_tracker.core.clock_set_back import count_from_now, lies_ahead_until
from job_tracker.core.events import ADDED, PROMISED, REMOVED, Event, of_job
from job_tracker.core.finding import of_change
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.record import Change
from job_tracker.core.standing import Standing
from job_tracker.core.verdicts import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is to be written before the first step.

    standings: of every configured job.  new: jobs that nothing was kept of.  renewed: jobs whose history begins anew
    with the standing they have now, and what that changed of what they show.
    """

    standings: Mapping[str, Standing]
    new: tuple[str, ...]
    renewed: Mapping[str, Change | None]


def settled(
    jobs: Jobs, kept: Mapping[str, Standing], changed: Collection[str], now: int, *, is_asked_to: bool = False
) -> Settled:
    """Decide that for every configured job.

    changed: those that were promised something else before.  is_asked_to: what lies ahead of now is taken as now.
    """
    standings: dict[str, Standing] = {}
    new: list[str] = []
    anew: dict[str, Change | None] = {}
    for key, job in jobs.by_key.items():
        before = kept.get(key)
        if before is None:
            standings[key] = newcomer(job, now)
            new.append(key)
        elif is_asked_to and lies_ahead_until(before) > now + jobs.grace:
            standings[key] = count_from_now(before, job, now)
            anew[key] = _change(job, before, standings[key], now)
        elif key in changed:
            standings[key] = renewed(before, job, now)
            anew[key] = _change(job, before, standings[key], now)
        else:
            standings[key] = before
    return Settled(standings=standings, new=tuple(new), renewed=anew)


def _change(job: Job, old: Standing, standing: Standing, now: int) -> Change | None:
    """A deadline that could not be seen is none of the new promise's."""
    before, after = shown(job, old), shown(job, standing)
    return None if before == after else Change(at=now, job=job, before=before, after=after, standing=standing)


def told_of(found: Settled, promises: Mapping[str, str], changed: Iterable[str], jobs: Jobs, now: int) -> list[Event]:
    """What a configuration that is taken up makes true; promises: those kept, empty for a job that was removed."""
    told = [of_job(ADDED, now, key) for key in found.new]
    told += [of_job(PROMISED if promises[key] else ADDED, now, key) for key in sorted(changed)]
    told += [of_change(change) for change in found.renewed.values() if change is not None]
    gone = (key for key, promise in promises.items() if promise and key not in jobs.by_key)
    return [*told, *(of_job(REMOVED, now, key) for key in gone)]
